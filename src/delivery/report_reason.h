/* Status codes in plain words (RFC 3463 with the additions that IANA lists: RFC 4954, 5248, 6531,
 * 6710, 7293, 7372, 7505, 8689). */
#ifndef DELIVERY_REPORT_REASON_H
#define DELIVERY_REPORT_REASON_H

#include "base/bytes.h"

/* Static sentences. */
struct report_reason {
    const char *what;   /* happened */
    const char *advice; /* what the sender can do */
};

/* Is it digit "." 1*3digit "." 1*3digit with a class that a report can have, without leading
   zeroes? */
bool report_reason_is_status(struct bytes status);

/* Of a failure or a delay; whatever the status is, there is one. */
const struct report_reason *report_reason_find(struct bytes status);

#endif
