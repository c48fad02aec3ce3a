/* Two errands to the store: one that takes and renews, one that gives back. The lease is freed when
 * both are home. */
#include "session/pop3_lease.h"

#include <stdlib.h>

#include "base/clock.h"

struct errand {
    struct store_lease_job store; /* first */
    struct loop_task back;
    struct pop3_lease *lease;
    bool is_away;
};

struct pop3_lease {
    struct session_services *services;
    struct loop *loop;
    struct loop_task *told; /* NULL: the owner is gone */
    int64_t session;
    enum pop3_lease_status status;
    int64_t renewal; /* when the next is due */
    struct errand keeping;
    struct errand release;
};

static void free_at_home(struct pop3_lease *lease)
{
    if (lease->told == NULL && !lease->keeping.is_away && !lease->release.is_away)
        free(lease);
}

static struct errand *errand_of(struct loop_task *task)
{
    return (struct errand *)((char *)task - offsetof(struct errand, back));
}

/* On a thread of the store. */
static void post_back(struct store_job *job)
{
    struct errand *errand = (struct errand *)job;
    loop_post(errand->lease->loop, &errand->back);
}

static void send_off(struct errand *errand, enum store_lease_deed deed)
{
    errand->is_away = true;
    errand->store.deed = deed;
    errand->store.now = clock_wall_microseconds();
    store_lease_submit(&errand->store);
}

static enum pop3_lease_status outcome(const struct pop3_lease *lease)
{
    const struct store_lease_job *store = &lease->keeping.store;
    if (lease->status == POP3_LEASE_WAITS) {
        if (!store->job.is_done)
            return POP3_LEASE_FAILED;
        return store->is_held ? POP3_LEASE_HELD : POP3_LEASE_REFUSED;
    }
    /* Where the store cannot tell it may still be held: the removal will ask again. */
    return !store->job.is_done || store->is_held ? POP3_LEASE_HELD : POP3_LEASE_LOST;
}

static void hear_keeping(struct loop_task *task)
{
    struct errand *errand = errand_of(task);
    struct pop3_lease *lease = errand->lease;
    errand->is_away = false;
    if (lease->told == NULL) {
        free_at_home(lease);
        return;
    }
    const struct store_job *job = &errand->store.job;
    int64_t now = loop_now(lease->loop);
    enum pop3_lease_status before = lease->status;
    lease->renewal = now + (job->is_done ? POP3_LEASE_RENEWAL : POP3_LEASE_RETRY);
    if (!job->is_done)
        session_services_tell_trouble(lease->services, SESSION_TROUBLE_WRITE, lease->session,
                                      &job->fault, now);
    lease->status = outcome(lease);
    if (lease->status != before)
        lease->told->run(lease->told);
}

static void hear_release(struct loop_task *task)
{
    struct errand *errand = errand_of(task);
    errand->is_away = false;
    free_at_home(errand->lease);
}

struct pop3_lease *pop3_lease_new(struct session_services *services,
                                  const struct session_identity *identity, int64_t mailbox,
                                  struct loop_task *told, struct fault *fault)
{
    struct pop3_lease *lease = calloc(1, sizeof *lease);
    if (lease == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    lease->services = services;
    lease->loop = identity->loop;
    lease->session = identity->id;
    lease->told = told;
    lease->keeping = (struct errand){.store = {.job = {.done = post_back},
                                               .store = services->store,
                                               .lease = {.mailbox = mailbox,
                                                         .owner = store_self(services->store),
                                                         .id = store_id_make(services->store)}},
                                     .back = {.run = hear_keeping},
                                     .lease = lease};
    lease->release = lease->keeping;
    lease->release.back.run = hear_release;
    send_off(&lease->keeping, STORE_LEASE_TAKE);
    return lease;
}

void pop3_lease_forget(struct pop3_lease *lease)
{
    if (lease == NULL)
        return;
    lease->told = NULL;
    free_at_home(lease);
}

void pop3_lease_free(struct pop3_lease *lease)
{
    if (lease == NULL)
        return;
    /* Behind a taking that is still on its way; would it be overtaken, time would end the lease. */
    if (lease->status == POP3_LEASE_HELD || lease->status == POP3_LEASE_WAITS)
        send_off(&lease->release, STORE_LEASE_RELEASE);
    pop3_lease_forget(lease);
}

enum pop3_lease_status pop3_lease_status(const struct pop3_lease *lease)
{
    return lease->status;
}

const struct store_lease *pop3_lease_terms(const struct pop3_lease *lease)
{
    return &lease->keeping.store.lease;
}

int64_t pop3_lease_deadline(const struct pop3_lease *lease)
{
    return lease->status == POP3_LEASE_HELD && !lease->keeping.is_away ? lease->renewal
                                                                       : ENGINE_NEVER;
}

void pop3_lease_tick(struct pop3_lease *lease, int64_t now)
{
    int64_t deadline = pop3_lease_deadline(lease);
    if (deadline == ENGINE_NEVER || now < deadline)
        return;
    send_off(&lease->keeping, STORE_LEASE_RENEW);
}
