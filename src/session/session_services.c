/* What sessions share among themselves, behind one lock that is held for moments only. */
#include "session/session_services.h"

#include <pthread.h>
#include <stdlib.h>

#include "session/smtp_session_tight.h"

#include "session/imap_searching_memory.h"

struct loop_routes {
    const struct loop *loop;
    struct route_memory *routes;
};

struct session_shared {
    struct smtp_session_tight *tight; /* has a lock of its own */
    pthread_mutex_t lock;             /* of the limits and the paces */
    struct session_limits limits;
    struct log_pace paces[SESSION_TROUBLE_COUNT];
    struct imap_searching_memory *orders; /* never changes */
    unsigned loop_count;
    struct loop_routes loops[]; /* never changes */
};

bool session_services_open(struct session_services *services, struct loop_group *group,
                           const struct session_limits *limits, struct fault *fault)
{
    unsigned count = loop_group_count(group);
    struct session_shared *shared = calloc(1, sizeof(*shared) + count * sizeof(shared->loops[0]));
    if (shared == NULL)
        return fault_set_memory(fault);
    pthread_mutex_init(&shared->lock, NULL);
    services->shared = shared;
    shared->tight = smtp_session_tight_new(fault);
    if (shared->tight == NULL) {
        session_services_close(services);
        return false;
    }
    shared->orders = imap_searching_memory_new(IMAP_SEARCHING_MEMORY_MAX, fault);
    if (shared->orders == NULL) {
        session_services_close(services);
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        shared->loops[i].loop = loop_group_at(group, i);
        shared->loops[i].routes = route_memory_new(fault);
        shared->loop_count = i + 1;
        if (shared->loops[i].routes == NULL) {
            session_services_close(services);
            return false;
        }
    }
    session_services_change_limits(services, limits == NULL ? &(struct session_limits){0} : limits);
    return true;
}

void session_services_close(struct session_services *services)
{
    struct session_shared *shared = services->shared;
    if (shared == NULL)
        return;
    for (unsigned i = 0; i < shared->loop_count; i++)
        route_memory_free(shared->loops[i].routes);
    imap_searching_memory_free(shared->orders);
    smtp_session_tight_free(shared->tight);
    pthread_mutex_destroy(&shared->lock);
    free(shared);
    services->shared = NULL;
}

void session_services_change_limits(struct session_services *services,
                                    const struct session_limits *limits)
{
    struct session_shared *shared = services->shared;
    pthread_mutex_lock(&shared->lock);
    shared->limits = *limits;
    if (shared->limits.hops == 0)
        shared->limits.hops = SESSION_HOPS_MAX;
    pthread_mutex_unlock(&shared->lock);
}

struct session_limits session_services_limits(struct session_services *services)
{
    struct session_shared *shared = services->shared;
    pthread_mutex_lock(&shared->lock);
    struct session_limits limits = shared->limits;
    pthread_mutex_unlock(&shared->lock);
    return limits;
}

struct smtp_session_tight *session_services_tight(struct session_services *services)
{
    return services->shared->tight;
}

struct route_memory *session_services_routes(struct session_services *services,
                                             const struct loop *loop)
{
    struct session_shared *shared = services->shared;
    unsigned i = 0;
    while (shared->loops[i].loop != loop) {
        i++;
        assert(i < shared->loop_count);
    }
    return shared->loops[i].routes;
}

struct imap_searching_memory *session_services_orders(struct session_services *services)
{
    return services->shared->orders;
}

void *session_services_open_reader(void *store)
{
    return store_reader_open(store, NULL);
}

void session_services_close_reader(void *reader)
{
    store_reader_close(reader);
}

void session_services_tell_trouble(struct session_services *services, enum session_trouble trouble,
                                   int64_t session, const struct fault *fault, int64_t now)
{
    static const char *const events[] = {
        [SESSION_TROUBLE_READ] = "store.read-failed",
        [SESSION_TROUBLE_WRITE] = "store.write-failed",
        [SESSION_TROUBLE_DRAFT] = "store.draft-failed",
        [SESSION_TROUBLE_MEMORY] = "session.no-memory",
    };
    struct session_shared *shared = services->shared;
    uint64_t left_out = 0;
    pthread_mutex_lock(&shared->lock);
    bool may = log_pace_allows(&shared->paces[trouble], now, SESSION_FAULT_PACE, &left_out);
    pthread_mutex_unlock(&shared->lock);
    if (!may)
        return;
    struct log_line line;
    log_begin(&line, services->log, LOG_LEVEL_ERROR, events[trouble]);
    log_id(&line, "session", session);
    log_fault(&line, fault);
    if (left_out > 0)
        log_number(&line, "left_out", (int64_t)left_out);
    log_end(&line);
}
