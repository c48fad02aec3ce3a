/* One transaction on its way through the engine, and the source of its body: a file or a callback,
 * read piece by piece. */
#ifndef CLIENT_CLIENT_BODY_H
#define CLIENT_CLIENT_BODY_H

#include "client/client_session.h"

/* What the engine was given for one of the caller's transactions. */
struct client_item {
    struct ph_transaction transaction; /* the caller's, with a body that the engine can take. First:
                                          the engine's events bear its address */
    struct ph_body source;             /* the caller's */
    uint64_t taken;                    /* octets read from the source */
    uint64_t total;                    /* of so many; 0 = not known */
    bool is_exact;                     /* the source must have total octets, no fewer */
    bool is_cancelled;                 /* by the progress callback */
    struct ph_result *result;          /* or NULL */
};

/* Prepares an item for a transaction, which is borrowed as long as the item lives. False: the
 * descriptor is none. */
bool client_body_begin(struct client_item *item, const struct ph_transaction *transaction,
                       const struct ph_smtp *smtp, struct ph_error *error);

/* Answers PH_EVENT_BODY_WANTED: hands the next piece to the engine, or tells it that there will be
 * none. */
void client_body_supply(struct ph_smtp *smtp, struct client_item *item);

#endif
