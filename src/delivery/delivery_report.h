/* Delivery status notifications: what a sender is told of his letter (RFC 3461, 3464, 6522, 6533).
 * Pure: makes a message out of values. */
#ifndef DELIVERY_DELIVERY_REPORT_H
#define DELIVERY_DELIVERY_REPORT_H

#include "base/buffer.h"
#include "base/fault.h"

enum {
    REPORT_RECIPIENTS_MAX = 1000,   /* in one report */
    REPORT_RETURN_MAX = 100 * 1024, /* bytes of the message that RET=FULL returns; more is cut to
                                       its header */
    REPORT_SIZE_MAX = 4 * 1024 * 1024
};

enum report_action {
    REPORT_FAILED = 0,
    REPORT_DELAYED,
    REPORT_DELIVERED,
    REPORT_RELAYED, /* to a host that makes no reports itself */
    REPORT_EXPANDED /* to the members of a list or of an alias */
};

struct report_recipient {
    enum report_action action;
    struct bytes address;            /* as it was tried */
    struct bytes original_recipient; /* ORCPT "rfc822;ann@example.org"; empty = none */
    int code;                        /* of the reply; 0 = none came */
    struct bytes status;             /* "5.1.1" */
    struct bytes text;               /* the reply's, or our own sentence; any bytes */
    struct bytes host;               /* who said so; empty = ourselves */
    int64_t last_attempt;            /* microseconds since 1970; 0 = none was made */
    int64_t will_retry_until;        /* DELAYED */
};

struct report {
    int64_t id;               /* of the report */
    const char *reporter;     /* our name */
    int64_t now;              /* microseconds since 1970, UTC */
    int64_t arrived;          /* when the letter came */
    struct bytes sender;      /* to whom this goes */
    struct bytes envelope_id; /* ENVID, decoded; empty = none */
    bool returns_full;        /* RET=FULL, or no wish and small (RFC 3461 4.3) */
    bool is_utf8; /* the letter had SMTPUTF8: message/global-delivery-status and its kin (RFC 6533)
                   */
    struct bytes content; /* of the letter: as much as is at hand, at least its header */
    bool is_content_whole;
    const struct report_recipient *recipients;
    size_t recipient_count;
};

/* Does the sender want to hear this of the recipient (NOTIFY, RFC 3461 4.1)? Never of a letter from
   the null sender. REPORT_RELAYED is only to be asked for where the next host makes no reports. */
bool delivery_report_is_wanted(struct bytes sender, unsigned notify, enum report_action action);

/* The whole message, CRLF line ends, from the null sender's MAILER-DAEMON. The first lines say in
   plain words what happened, to whom, why, and what to do. False: no memory or REPORT_SIZE_MAX. */
bool delivery_report_write(const struct report *report, struct buffer *out, struct fault *fault);

#endif
