/* A report on its way to the sender of a letter: written, parsed, and addressed to mailboxes here
 * or to a far host, as a delivery that a job of the store keeps. Made on a worker. */
#ifndef DELIVERY_REPORT_MAIL_H
#define DELIVERY_REPORT_MAIL_H

#include "delivery/relay.h"
#include "delivery/delivery_report.h"
#include "store/store_delivery.h"

struct report_mail;

/* Borrowed for the call. */
struct report_mail_place {
    struct store *store;
    struct db *reader;
    const struct relay_table *relays; /* NULL: by MX */
};

/* Writes the report and finds who gets it: all that report->sender leads to. A report of id 0 gets
   one. Nothing of *report is needed when it returns. NULL: a fault of the store or no memory; it
   may be tried again. FAULT_LIMIT: the report is too large. */
struct report_mail *report_mail_new(const struct report_mail_place *place,
                                    const struct report *report, struct fault *fault);
/* When the job that keeps it is done. Accepts NULL. */
void report_mail_free(struct report_mail *mail);

/* Filled as for store_delivery_submit, but for job.done; with everything it points to it lives
   until the mail is freed. NULL: there is nobody who could get it. */
struct store_delivery *report_mail_delivery(struct report_mail *mail);

/* Why there is nobody, in plain words for the log; static. NULL: there is somebody. */
const char *report_mail_objection(const struct report_mail *mail);

#endif
