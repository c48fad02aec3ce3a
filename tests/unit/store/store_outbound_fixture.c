/* Putting letters into the queue and ending them, each time waiting for the job. */
#include "store_outbound_fixture.h"

#include <pthread.h>
#include <string.h>

#include "store/store_check.h"

enum {
    RECIPIENTS_MAX = 400
};

/* ---- waiting ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t has_changed = PTHREAD_COND_INITIALIZER;
static size_t ended;

static void tell_end(struct store_job *job)
{
    (void)job;
    pthread_mutex_lock(&mutex);
    ended++;
    pthread_cond_signal(&has_changed);
    pthread_mutex_unlock(&mutex);
}

static void wait_for_all(size_t count)
{
    pthread_mutex_lock(&mutex);
    while (ended < count)
        pthread_cond_wait(&has_changed, &mutex);
    ended = 0;
    pthread_mutex_unlock(&mutex);
}

static void wait_for(const struct store_job *job)
{
    wait_for_all(1);
    if (!job->is_done)
        fail_msg("%s", job->fault.message);
}

struct store_outbound_lease outbound_lease(struct store *store, bool is_leaving)
{
    struct store_outbound_lease lease = {
        .job = {.done = tell_end}, .store = store, .is_leaving = is_leaving};
    store_outbound_lease_submit(&lease);
    wait_for(&lease.job);
    return lease;
}

void outbound_begin(struct store_fixture *fixture)
{
    outbound_lease(fixture->store, false);
}

bool outbound_finish(struct store_outbound_finish *finish)
{
    finish->job.done = tell_end;
    store_outbound_finish_submit(finish);
    wait_for(&finish->job);
    return finish->is_ours;
}

bool outbound_finish_one(struct store *store, int64_t message,
                         const struct store_outbound_result *result)
{
    struct store_outbound_finish finish = {.store = store,
                                           .message = message,
                                           .now = OUTBOUND_TIME + 1000,
                                           .results = result,
                                           .count = 1};
    return outbound_finish(&finish);
}

void outbound_set_route(struct store *store, const struct store_outbound_route *route,
                        int64_t forget_before)
{
    struct store_outbound_route_job job = {
        .job = {.done = tell_end}, .store = store, .route = *route, .forget_before = forget_before};
    store_outbound_route_submit(&job);
    wait_for(&job.job);
}

void outbound_remove(struct store_removal *removal)
{
    removal->job.done = tell_end;
    store_removal_submit(removal);
    wait_for(&removal->job);
}

static bool stumble(struct store_job *job, struct db *db, struct fault *fault)
{
    (void)job;
    (void)db;
    return fault_set(fault, FAULT_PERMANENT, "stumbled");
}

void outbound_finish_together(struct store_fixture *fixture, struct store_outbound_finish *finishes,
                              size_t count)
{
    struct store_job stumbling = {.run = stumble, .done = tell_end};
    for (size_t i = 0; i < count; i++) {
        if (i == count / 2)
            store_submit(fixture->store, &stumbling);
        finishes[i].job.done = tell_end;
        store_outbound_finish_submit(&finishes[i]);
    }
    wait_for_all(count + 1);
    for (size_t i = 0; i < count; i++)
        if (!finishes[i].job.is_done)
            fail_msg("%s", finishes[i].job.fault.message);
    assert_false(stumbling.is_done);
}

/* ---- letters ---- */

/* The next word of a list. */
static struct bytes take_word(const char **list)
{
    size_t length = strcspn(*list, " ");
    struct bytes word = bytes_of(*list, length);
    *list += length + ((*list)[length] == ' ');
    return word;
}

static int64_t put(struct store_fixture *fixture, struct store *store, const char *recipients,
                   const char *routes, bool is_local)
{
    static struct store_delivery_far fars[RECIPIENTS_MAX];
    struct store_fixture_letter letter;
    store_fixture_letter(fixture, &letter, BYTES(OUTBOUND_LETTER));
    size_t count = 0;
    while (*recipients != '\0') {
        assert_true(count < RECIPIENTS_MAX);
        fars[count++] = (struct store_delivery_far){
            .recipient = take_word(&recipients), .route = take_word(&routes), .notify = 4};
    }
    letter.delivery.store = store;
    letter.delivery.id = store_id_make(store);
    letter.delivery.fars = fars;
    letter.delivery.far_count = count;
    letter.delivery.far_prefix = BYTES(OUTBOUND_PREFIX);
    letter.delivery.account = fixture->account;
    letter.delivery.envelope_id = BYTES("env");
    if (!is_local)
        letter.delivery.local_count = 0;
    if (!store_fixture_deliver(&letter.delivery))
        fail_msg("%s", letter.delivery.job.fault.message);
    store_fixture_letter_clear(&letter);
    return letter.delivery.id;
}

int64_t outbound_put_by(struct store_fixture *fixture, struct store *store, const char *recipients,
                        const char *routes)
{
    return put(fixture, store, recipients, routes, false);
}

int64_t outbound_put(struct store_fixture *fixture, const char *recipients, const char *routes)
{
    return put(fixture, fixture->store, recipients, routes, false);
}

int64_t outbound_put_both(struct store_fixture *fixture, const char *recipients, const char *routes)
{
    return put(fixture, fixture->store, recipients, routes, true);
}

/* ---- looking ---- */

static size_t index_of(const int64_t *messages, size_t count, int64_t message)
{
    size_t i = 0;
    while (i < count && messages[i] != message)
        i++;
    return i + 1;
}

void outbound_list(struct store_fixture *fixture, struct store *store, const int64_t *messages,
                   size_t count, struct buffer *text)
{
    struct fault fault = {0};
    struct store_outbound_entry entry;
    AUTO(store_outbound_list)
    list = {0};
    buffer_reset(text);
    if (!store_outbound_list_open(&list, store, fixture->reader, 0, 100000, &fault))
        fail_msg("%s", fault.message);
    while (store_outbound_list_next(&list, &entry))
        buffer_append_format(text, "%zu %.*s %lld;", index_of(messages, count, entry.message),
                             BYTES_FORMAT(entry.route), (long long)(entry.due - OUTBOUND_TIME));
    assert_true(store_outbound_list_finish(&list, &fault));
    assert_true(list.is_over);
    buffer_append_char(text, '\0');
    assert_false(buffer_is_failed(text));
}

int64_t outbound_count(struct store_fixture *fixture, const char *table)
{
    static const struct db_statement messages = {"SELECT COUNT(*) FROM outbound_message", NULL};
    static const struct db_statement recipients = {"SELECT COUNT(*) FROM outbound_recipient", NULL};
    static const struct db_statement runners = {"SELECT COUNT(*) FROM outbound_runner", NULL};
    static const struct db_statement bodies = {"SELECT COUNT(*) FROM body", NULL};
    const struct db_statement *statement = strcmp(table, "message") == 0     ? &messages
                                           : strcmp(table, "recipient") == 0 ? &recipients
                                           : strcmp(table, "runner") == 0    ? &runners
                                                                             : &bodies;
    return store_fixture_number(fixture, statement, DB_NO_VALUES);
}

static void tell_problem(void *context, const char *sentence)
{
    (void)context;
    /* Bodies here were never parsed. */
    if (strstr(sentence, "is not that of the body") == NULL)
        fail_msg("%s", sentence);
}

void outbound_check(struct store_fixture *fixture)
{
    struct fault fault = {0};
    uint64_t problems;
    if (!store_check(fixture->reader, tell_problem, NULL, &problems, &fault))
        fail_msg("%s", fault.message);
}
