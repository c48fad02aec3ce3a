/* What the sources behind store_queue.h share. */
#ifndef STORE_STORE_QUEUE_INSIDE_H
#define STORE_STORE_QUEUE_INSIDE_H

#include "base/buffer.h"
#include "store/store_queue.h"

enum {
    STORE_QUEUE_PARAMETERS = 15 /* of a statement with STORE_QUEUE_WHERE */
};

/* Recipients r of messages m that fit the filter, in order: read forward by the primary key. */
#define STORE_QUEUE_WHERE                                                                          \
    "m.id = r.message AND r.message >= $1 AND (r.message > $1 OR r.number > $2) "                  \
    "AND r.message <= $3 AND ($4 = 0 OR m.sender = '') "                                           \
    "AND ($5 = '' OR LOWER(m.sender) = $5) "                                                       \
    "AND ($6 = '' OR LOWER(SUBSTR(m.sender, LENGTH(m.sender) - LENGTH($6) + 1)) = $6) "            \
    "AND ($7 = '' OR LOWER(r.recipient) = $7) "                                                    \
    "AND ($8 = '' OR LOWER(SUBSTR(r.recipient, LENGTH(r.recipient) - LENGTH($8) + 1)) = $8) "      \
    "AND ($9 = '' OR r.route = $9) AND ($10 = 0 OR m.account = $10) "                              \
    "AND ($11 = 0 OR m.created < $11) AND ($12 = 0 OR m.created > $12) "                           \
    "AND ($13 < 0 OR r.state = $13) AND ($14 = 0 OR r.attempts > 0) "                              \
    "ORDER BY r.message, r.number LIMIT $15"

/* The parameters of that, in the buffers where need be. */
struct store_queue_values {
    struct db_value values[STORE_QUEUE_PARAMETERS];
    struct buffer sender;
    struct buffer recipient;
};
/* `state`: enum store_outbound_state, or -1 for what the filter says. */
bool store_queue_values_fill(struct store_queue_values *values,
                             const struct store_queue_filter *filter, int state,
                             int64_t after_message, int64_t after_number, size_t most,
                             struct fault *fault);
void store_queue_values_clear(struct store_queue_values *values);

#endif
