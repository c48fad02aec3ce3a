/* The queue as people look at it and put their hands to it: `posthorn queue`. */
#ifndef STORE_STORE_QUEUE_H
#define STORE_STORE_QUEUE_H

#include "store/store_outbound.h"

/* Which recipients; empty or 0 = whichever. Conditions are joined by "and". */
struct store_queue_filter {
    int64_t message;
    struct bytes sender;    /* an address, or "@domain"; "<>" = the null sender */
    struct bytes recipient; /* the same */
    struct bytes route;
    int64_t account;
    int64_t before; /* came before: microseconds since 1970 */
    int64_t after;
    bool is_held_only;
    bool is_waiting_only;
    bool is_failed_only; /* was tried at least once */
};

struct store_queue_item {
    int64_t message;
    uint32_t number;
    int64_t account;
    int64_t created;
    uint64_t size;
    struct bytes sender;
    struct bytes envelope_id;
    struct bytes recipient;
    struct bytes original_recipient;
    struct bytes route;
    enum store_outbound_state state;
    unsigned attempts;
    int64_t due; /* or when the route has rested */
    bool is_warned;
    int64_t last_attempt;
    int last_code; /* the recipient's own failure, or else that of its route; 0 = none */
    struct bytes last_enhanced;
    struct bytes last_text;
    struct bytes last_host;
};

typedef bool store_each_queue_item(void *context, const struct store_queue_item *item);

/* By message and number, at most `most` from behind (after_message, after_number) on. `each` may
   end it. */
bool store_queue_list(struct db *db, const struct store_queue_filter *filter, int64_t after_message,
                      int64_t after_number, size_t most, store_each_queue_item *each, void *context,
                      struct fault *fault);

struct store_queue_stats {
    uint64_t recipients;
    uint64_t messages;
    uint64_t waiting;
    uint64_t held;
    uint64_t due;   /* waiting, and their time has come */
    uint64_t tried; /* at least once */
    uint64_t routes;
    int64_t oldest; /* when it came; 0 = the queue is empty */
};
bool store_queue_stats(struct db *db, int64_t now, struct store_queue_stats *stats,
                       struct fault *fault);

struct store_queue_route {
    struct bytes route;
    uint64_t waiting;
    uint64_t held;
    int64_t next_due;
    int64_t resting_until; /* 0 = it is not in trouble */
    unsigned failures;
    int last_code;
    struct bytes last_text;
};
typedef bool store_each_queue_route(void *context, const struct store_queue_route *route);
/* Those with most recipients first. */
bool store_queue_routes(struct db *db, size_t most, store_each_queue_route *each, void *context,
                        struct fault *fault);

enum store_queue_deed {
    STORE_QUEUE_RETRY = 0, /* now, whatever the time; a resting route is waked with it */
    STORE_QUEUE_HOLD,
    STORE_QUEUE_RELEASE,
    STORE_QUEUE_REMOVE /* without a word to the sender */
};

/* Within a job, a slice at a time so that others can write in between: changes at most `most`
   behind *after_message and *after_number, which move on; *count = 0: there are no more. Counts up
   the nudge that tells the server. */
bool store_queue_change(struct db *db, enum store_queue_deed deed,
                        const struct store_queue_filter *filter, int64_t now,
                        int64_t *after_message, int64_t *after_number, size_t most, size_t *count,
                        struct fault *fault);

#endif
