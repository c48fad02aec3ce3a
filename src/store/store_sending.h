/* How much an account sent to far recipients within the last hour: one number for all nodes. */
#ifndef STORE_STORE_SENDING_H
#define STORE_STORE_SENDING_H

#include <stdint.h>

#include "base/fault.h"

struct db;

enum {
    STORE_SENDING_SLOT = 5 * 60, /* seconds that are counted together */
    STORE_SENDING_SLOTS = 12     /* an hour */
};

/* 0 = no limit. */
struct store_sending_limits {
    uint64_t messages;
    uint64_t recipients;
};

struct store_sending {
    uint64_t messages;
    uint64_t recipients;
};

/* `now` in microseconds since 1970. */
bool store_sending_read(struct db *db, int64_t account, int64_t now, struct store_sending *sending,
                        struct fault *fault);

/* Within a job: counts one message with so many far recipients. FAULT_LIMIT: that is more than the
   limits allow, and nothing was counted. Slots that are over are forgotten. */
bool store_sending_count(struct db *db, int64_t account, int64_t now, uint64_t recipients,
                         const struct store_sending_limits *limits, struct fault *fault);

#endif
