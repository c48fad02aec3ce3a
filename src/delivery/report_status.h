/* What a report says to programs: the fields of message/delivery-status (RFC 3464), with UTF-8
 * those of message/global-delivery-status (RFC 6533). */
#ifndef DELIVERY_REPORT_STATUS_H
#define DELIVERY_REPORT_STATUS_H

#include "delivery/delivery_report.h"

/* The status of the recipient, or a general one of its action where it is none (RFC 3461 6.3 (g)).
 */
struct bytes report_status_code(const struct report_recipient *recipient);

/* Appends "550 5.1.1 No such user": code, status and text of the reply; any bytes. */
void report_status_reply(const struct report_recipient *recipient, struct buffer *out);

/* Appends the groups of fields, an empty line between two. Beyond ASCII only when the report
   is_utf8. False: memory. */
bool report_status_write(const struct report *report, struct buffer *out, struct fault *fault);

#endif
