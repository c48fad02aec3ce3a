/* Telling the runner of this process what a commit put into the queue. */
#include "store/store_inside.h"
#include "store/store_outbound_inside.h"

enum {
    ENTRIES_AT_ONCE = 64
};

void store_outbound_watch_set(struct store *store, struct store_outbound_watch *watch)
{
    pthread_mutex_lock(&store->outbound_mutex);
    store->outbound_watch = watch;
    pthread_mutex_unlock(&store->outbound_mutex);
}

/* Recipients with the same route that follow each other are one entry. */
static void tell(struct store_outbound_watch *watch, const struct store_delivery *delivery)
{
    struct store_outbound_entry entries[ENTRIES_AT_ONCE];
    size_t count = 0;
    for (size_t i = 0; i < delivery->far_count; i++) {
        if (count > 0 && bytes_equal(entries[count - 1].route, delivery->fars[i].route))
            continue;
        if (count == ENTRIES_AT_ONCE) {
            watch->hear(watch, entries, count);
            count = 0;
        }
        entries[count++] = (struct store_outbound_entry){.message = delivery->id,
                                                         .account = delivery->account,
                                                         .due = delivery->received,
                                                         .route = delivery->fars[i].route};
    }
    watch->hear(watch, entries, count);
}

void store_outbound_watch_tell(struct store *store, const struct store_delivery *delivery)
{
    pthread_mutex_lock(&store->outbound_mutex);
    if (store->outbound_watch != NULL)
        tell(store->outbound_watch, delivery);
    pthread_mutex_unlock(&store->outbound_mutex);
}
