/* Changing mailboxes in a test. */
#include "store_mailboxes_fixture.h"

#include <pthread.h>

/* The caller's `done` has no context of its own, so one wait at a time. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t has_ended = PTHREAD_COND_INITIALIZER;
static bool is_over;

static void tell_end(struct store_job *job)
{
    (void)job;
    pthread_mutex_lock(&mutex);
    is_over = true;
    pthread_cond_signal(&has_ended);
    pthread_mutex_unlock(&mutex);
}

enum store_mailbox_outcome store_mailboxes_fixture_change(struct store_fixture *fixture,
                                                          struct store_mailbox_change *change)
{
    change->store = fixture->store;
    if (change->account == 0)
        change->account = fixture->account;
    change->job.done = tell_end;
    is_over = false;
    store_mailbox_change_submit(change);
    pthread_mutex_lock(&mutex);
    while (!is_over)
        pthread_cond_wait(&has_ended, &mutex);
    pthread_mutex_unlock(&mutex);
    if (!change->job.is_done)
        fail_msg("%s", change->job.fault.message);
    return change->outcome;
}

enum store_mailbox_outcome store_mailboxes_fixture_create(struct store_fixture *fixture,
                                                          const char *name)
{
    struct store_mailbox_change change = {.kind = STORE_MAILBOX_CREATE,
                                          .name = bytes_from_string(name)};
    return store_mailboxes_fixture_change(fixture, &change);
}

enum store_mailbox_outcome store_mailboxes_fixture_delete(struct store_fixture *fixture,
                                                          const char *name)
{
    struct store_mailbox_change change = {.kind = STORE_MAILBOX_DELETE,
                                          .name = bytes_from_string(name)};
    return store_mailboxes_fixture_change(fixture, &change);
}

enum store_mailbox_outcome store_mailboxes_fixture_rename(struct store_fixture *fixture,
                                                          const char *name, const char *new_name)
{
    struct store_mailbox_change change = {.kind = STORE_MAILBOX_RENAME,
                                          .name = bytes_from_string(name),
                                          .new_name = bytes_from_string(new_name)};
    return store_mailboxes_fixture_change(fixture, &change);
}

bool store_mailboxes_fixture_is_there(struct store_fixture *fixture, const char *name)
{
    struct fault fault = {0};
    struct store_mailbox mailbox;
    bool is_found = false;
    if (!store_mailbox_find(fixture->reader, fixture->account, bytes_from_string(name), false,
                            &mailbox, &is_found, &fault))
        fail_msg("%s", fault.message);
    return is_found;
}

struct store_mailbox store_mailboxes_fixture_find(struct store_fixture *fixture, const char *name)
{
    struct fault fault = {0};
    struct store_mailbox mailbox = {0};
    bool is_found = false;
    if (!store_mailbox_find(fixture->reader, fixture->account, bytes_from_string(name), true,
                            &mailbox, &is_found, &fault))
        fail_msg("%s", fault.message);
    if (!is_found)
        fail_msg("there is no %s", name);
    return mailbox;
}
