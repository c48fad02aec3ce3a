/* A delivery as a part of another job. */
#ifndef STORE_STORE_DELIVERY_INSIDE_H
#define STORE_STORE_DELIVERY_INSIDE_H

#include "db/db.h"
#include "store/store_delivery.h"

/* Within a job, whose mailboxes are those of the delivery; may run again. */
bool store_delivery_write(struct db *db, struct store_delivery *delivery, struct fault *fault);

/* Behind the commit. */
void store_delivery_tell(const struct store_delivery *delivery, struct store *store);

/* About how many bytes it writes. */
size_t store_delivery_weigh(const struct store_delivery *delivery);

#endif
