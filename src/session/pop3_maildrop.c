/* One thing at a time is on its way: the lease, the list from a worker, or the removal from the
 * store. */
#include "session/pop3_maildrop.h"

#include <stdlib.h>

#include "session/pop3_lease.h"
#include "store/store_maildrop.h"

struct pop3_maildrop {
    struct worker_job job; /* first */
    struct session_services *services;
    struct pop3_locks *locks;
    struct loop_task *told; /* NULL: the session is gone */
    struct loop *loop;
    int64_t session;
    int64_t mailbox;
    enum pop3_maildrop_status status;
    bool is_locked;
    struct pop3_lease *lease; /* NULL: the store has one server, or it is given back */
    struct loop_task lease_told;
    bool is_away; /* with a worker, or with the store: it must come back before it is freed */
    struct pop3_server_message *messages;
    struct pop3_server_maildrop list;
    struct store_removal *removal; /* and behind it its UIDs */
    struct loop_task removed;
    struct fault fault; /* of the worker */
};

static void give_back_lease(struct pop3_maildrop *maildrop)
{
    pop3_lease_free(maildrop->lease);
    maildrop->lease = NULL;
}

static void unlock(struct pop3_maildrop *maildrop)
{
    give_back_lease(maildrop);
    if (maildrop->is_locked)
        pop3_locks_give(maildrop->locks, maildrop->mailbox);
    maildrop->is_locked = false;
}

static void free_now(struct pop3_maildrop *maildrop)
{
    unlock(maildrop);
    free(maildrop->messages);
    free(maildrop->removal);
    free(maildrop);
}

void pop3_maildrop_free(struct pop3_maildrop *maildrop)
{
    if (maildrop == NULL)
        return;
    maildrop->told = NULL;
    /* Now and not later, when the store may be closed. A removal gives it back itself. */
    if (!maildrop->is_away || maildrop->removal == NULL)
        give_back_lease(maildrop);
    if (!maildrop->is_away)
        free_now(maildrop);
}

/* What was away is here again. */
static void come_back(struct pop3_maildrop *maildrop, enum pop3_maildrop_status status)
{
    maildrop->is_away = false;
    maildrop->status = status;
    if (maildrop->told == NULL)
        free_now(maildrop);
    else
        maildrop->told->run(maildrop->told);
}

static void log_lost(const struct pop3_maildrop *maildrop)
{
    struct log_line line;
    log_begin(&line, maildrop->services->log, LOG_LEVEL_WARNING, "pop3.lease-lost");
    log_id(&line, "session", maildrop->session);
    log_id(&line, "mailbox", maildrop->mailbox);
    log_end(&line);
}

static bool is_lost(const struct pop3_maildrop *maildrop)
{
    return maildrop->lease != NULL && pop3_lease_status(maildrop->lease) == POP3_LEASE_LOST;
}

/* ---- the list ---- */

/* The store's list in the engine's form. */
static bool take_list(struct pop3_maildrop *maildrop, const struct store_maildrop *list)
{
    struct pop3_server_message *messages = NULL;
    if (list->count > 0) {
        messages = calloc(list->count, sizeof *messages);
        if (messages == NULL)
            return fault_set_memory(&maildrop->fault);
    }
    for (size_t i = 0; i < list->count; i++)
        messages[i] = (struct pop3_server_message){.size = list->messages[i].size,
                                                   .uid = list->messages[i].uid};
    maildrop->messages = messages;
    maildrop->list = (struct pop3_server_maildrop){.messages = messages,
                                                   .count = list->count,
                                                   .size = list->size,
                                                   .uidvalidity = list->uidvalidity};
    return true;
}

static void read_list(struct worker_job *job, void *context)
{
    struct pop3_maildrop *maildrop = (struct pop3_maildrop *)job;
    AUTO(store_maildrop)
    list = {0};
    if (context == NULL)
        fault_set(&maildrop->fault, FAULT_TEMPORARY, "the store cannot be reached");
    else if (store_maildrop_read(context, maildrop->mailbox, &list, &maildrop->fault))
        take_list(maildrop, &list);
}

static void hear_list(struct loop_task *task)
{
    struct pop3_maildrop *maildrop =
        (struct pop3_maildrop *)((char *)task - offsetof(struct pop3_maildrop, job.done));
    bool is_there = maildrop->fault.kind == FAULT_NONE && !is_lost(maildrop);
    if (is_lost(maildrop))
        log_lost(maildrop);
    else if (!is_there)
        session_services_tell_trouble(maildrop->services, SESSION_TROUBLE_READ, maildrop->session,
                                      &maildrop->fault, loop_now(maildrop->loop));
    if (!is_there)
        unlock(maildrop);
    come_back(maildrop, is_there ? POP3_MAILDROP_OPEN : POP3_MAILDROP_FAILED);
}

static void begin_reading(struct pop3_maildrop *maildrop)
{
    maildrop->is_away = true;
    maildrop->job =
        (struct worker_job){.run = read_list, .done = {.run = hear_list}, .loop = maildrop->loop};
    worker_submit(maildrop->services->workers, &maildrop->job);
}

static void end_with(struct pop3_maildrop *maildrop, enum pop3_maildrop_status status)
{
    maildrop->status = status;
    maildrop->told->run(maildrop->told);
}

static void hear_lease(struct loop_task *task)
{
    struct pop3_maildrop *maildrop =
        (struct pop3_maildrop *)((char *)task - offsetof(struct pop3_maildrop, lease_told));
    switch (pop3_lease_status(maildrop->lease)) {
    case POP3_LEASE_WAITS:
        return;
    case POP3_LEASE_HELD:
        begin_reading(maildrop);
        return;
    case POP3_LEASE_REFUSED:
        unlock(maildrop);
        end_with(maildrop, POP3_MAILDROP_IN_USE);
        return;
    case POP3_LEASE_FAILED:
        unlock(maildrop);
        end_with(maildrop, POP3_MAILDROP_FAILED);
        return;
    case POP3_LEASE_LOST:
        break;
    }
    /* What is on its way finds out by itself. */
    if (maildrop->status != POP3_MAILDROP_OPEN)
        return;
    log_lost(maildrop);
    end_with(maildrop, POP3_MAILDROP_LOST);
}

/* Within the process it is locked: asks the other servers of the store, if there may be any. A
   store that has one is spared the write. */
static bool begin(struct pop3_maildrop *maildrop, const struct session_identity *identity,
                  struct fault *fault)
{
    if (!store_is_shared(maildrop->services->store)) {
        begin_reading(maildrop);
        return true;
    }
    maildrop->lease_told.run = hear_lease;
    maildrop->lease = pop3_lease_new(maildrop->services, identity, maildrop->mailbox,
                                     &maildrop->lease_told, fault);
    return maildrop->lease != NULL;
}

struct pop3_maildrop *pop3_maildrop_new(struct session_services *services, struct pop3_locks *locks,
                                        const struct session_identity *identity, int64_t mailbox,
                                        struct loop_task *told, struct fault *fault)
{
    struct pop3_maildrop *maildrop = calloc(1, sizeof *maildrop);
    if (maildrop == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    maildrop->services = services;
    maildrop->locks = locks;
    maildrop->told = told;
    maildrop->loop = identity->loop;
    maildrop->session = identity->id;
    maildrop->mailbox = mailbox;
    switch (pop3_locks_take(locks, mailbox)) {
    case POP3_LOCKS_TAKEN:
        break;
    case POP3_LOCKS_IN_USE:
        maildrop->status = POP3_MAILDROP_IN_USE;
        return maildrop;
    case POP3_LOCKS_NO_MEMORY:
        free(maildrop);
        fault_set_memory(fault);
        return NULL;
    }
    maildrop->is_locked = true;
    if (!begin(maildrop, identity, fault)) {
        free_now(maildrop);
        return NULL;
    }
    return maildrop;
}

enum pop3_maildrop_status pop3_maildrop_status(const struct pop3_maildrop *maildrop)
{
    return maildrop->status;
}

int64_t pop3_maildrop_mailbox(const struct pop3_maildrop *maildrop)
{
    return maildrop->mailbox;
}

const struct pop3_server_maildrop *pop3_maildrop_list(const struct pop3_maildrop *maildrop)
{
    return &maildrop->list;
}

/* ---- the removal ---- */

/* On the loop's thread. */
static void hear_removed(struct loop_task *task)
{
    struct pop3_maildrop *maildrop =
        (struct pop3_maildrop *)((char *)task - offsetof(struct pop3_maildrop, removed));
    const struct store_job *job = &maildrop->removal->job;
    bool is_removed = job->is_done && !maildrop->removal->is_lost;
    if (!job->is_done)
        session_services_tell_trouble(maildrop->services, SESSION_TROUBLE_WRITE, maildrop->session,
                                      &job->fault, loop_now(maildrop->loop));
    else if (!is_removed)
        log_lost(maildrop);
    /* With the removal the lease was given back. Without, and without a session, the store may be
       closed already, and time ends the lease. */
    if (job->is_done || maildrop->told == NULL) {
        pop3_lease_forget(maildrop->lease);
        maildrop->lease = NULL;
    }
    /* Before the client hears of it: it may come again at once. */
    unlock(maildrop);
    come_back(maildrop, is_removed ? POP3_MAILDROP_REMOVED : POP3_MAILDROP_FAILED);
}

/* The store's removal, and whose it is. */
struct pop3_removal {
    struct store_removal store; /* first */
    struct pop3_maildrop *maildrop;
    uint32_t uids[];
};

/* On a thread of the store. */
static void post_removed(struct store_job *job)
{
    struct pop3_maildrop *maildrop = ((struct pop3_removal *)job)->maildrop;
    loop_post(maildrop->loop, &maildrop->removed);
}

static struct pop3_removal *make_removal(struct pop3_maildrop *maildrop,
                                         const struct pop3_server *engine)
{
    size_t most = pop3_server_deleted_count(engine);
    struct pop3_removal *removal = calloc(1, sizeof *removal + most * sizeof removal->uids[0]);
    if (removal == NULL)
        return NULL;
    size_t count = 0;
    for (uint32_t i = 0; i < maildrop->list.count && count < most; i++) {
        if (pop3_server_is_deleted(engine, i))
            removal->uids[count++] = maildrop->messages[i].uid;
    }
    removal->maildrop = maildrop;
    removal->store = (struct store_removal){
        .job = {.done = post_removed},
        .store = maildrop->services->store,
        .mailbox = maildrop->mailbox,
        .uids = removal->uids,
        .count = count,
        .lease = maildrop->lease == NULL ? NULL : pop3_lease_terms(maildrop->lease)};
    return removal;
}

enum pop3_maildrop_status pop3_maildrop_remove(struct pop3_maildrop *maildrop,
                                               const struct pop3_server *engine)
{
    if (pop3_server_deleted_count(engine) == 0) {
        unlock(maildrop);
        return maildrop->status = POP3_MAILDROP_REMOVED;
    }
    struct pop3_removal *removal = make_removal(maildrop, engine);
    if (removal == NULL) {
        struct fault fault;
        fault_set_memory(&fault);
        session_services_tell_trouble(maildrop->services, SESSION_TROUBLE_MEMORY, maildrop->session,
                                      &fault, loop_now(maildrop->loop));
        unlock(maildrop);
        return maildrop->status = POP3_MAILDROP_FAILED;
    }
    maildrop->removal = &removal->store;
    maildrop->removed = (struct loop_task){.run = hear_removed};
    maildrop->is_away = true;
    maildrop->status = POP3_MAILDROP_WAITS;
    store_removal_submit(maildrop->removal);
    return POP3_MAILDROP_WAITS;
}

/* ---- time ---- */

int64_t pop3_maildrop_deadline(const struct pop3_maildrop *maildrop)
{
    /* A removal asks for itself whether the lease is held. */
    return maildrop->lease == NULL || maildrop->removal != NULL
               ? ENGINE_NEVER
               : pop3_lease_deadline(maildrop->lease);
}

void pop3_maildrop_tick(struct pop3_maildrop *maildrop, int64_t now)
{
    if (pop3_maildrop_deadline(maildrop) != ENGINE_NEVER)
        pop3_lease_tick(maildrop->lease, now);
}
