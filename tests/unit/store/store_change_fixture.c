/* Jobs that change messages, one at a time. */
#include "store_change_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "store/store_check.h"

enum {
    TEXT_MAX = 64 * 1024
};

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

static void begin(struct store_job *job)
{
    is_over = false;
    job->done = tell_end;
}

static bool wait(const struct store_job *job)
{
    pthread_mutex_lock(&mutex);
    while (!is_over)
        pthread_cond_wait(&has_ended, &mutex);
    pthread_mutex_unlock(&mutex);
    return job->is_done;
}

bool store_change_fixture_flags(struct store_fixture *fixture, struct store_flag_change *change)
{
    change->store = fixture->store;
    begin(&change->job);
    store_flag_change_submit(change);
    return wait(&change->job);
}

bool store_change_fixture_copy(struct store_fixture *fixture, struct store_copy *copy)
{
    copy->store = fixture->store;
    begin(&copy->job);
    store_copy_submit(copy);
    return wait(&copy->job);
}

bool store_change_fixture_expunge(struct store_fixture *fixture, struct store_expunge *expunge)
{
    expunge->store = fixture->store;
    begin(&expunge->job);
    store_expunge_submit(expunge);
    return wait(&expunge->job);
}

bool store_change_fixture_append(struct store_fixture *fixture, struct store_append *append)
{
    append->store = fixture->store;
    begin(&append->job);
    store_append_submit(append);
    return wait(&append->job);
}

/* Appends it to the mailbox that `append` tells. */
static void put(struct store_fixture *fixture, struct store_append *append, const char *text,
                uint32_t flags, const char *keyword)
{
    struct fault fault = {0};
    struct bytes bytes = bytes_from_string(text);
    struct message_parsed parsed;
    struct message_parser *parser = message_parser_new(&fault);
    struct store_draft *draft = store_draft_new(fixture->store, &fault);
    assert_true(parser != NULL && draft != NULL);
    assert_true(message_parser_feed(parser, bytes, &fault));
    assert_true(message_parser_finish(parser, &parsed, &fault));
    assert_true(store_draft_append(draft, bytes, &fault));
    struct bytes name = bytes_from_string(keyword);
    struct store_append_message message = {
        .draft = draft,
        .parsed = &parsed,
        .flags = flags,
        .keywords = &name,
        .keyword_count = keyword != NULL,
        .received = 3000000,
    };
    append->account = fixture->account;
    append->messages = &message;
    append->count = 1;
    append->now = 4000000;
    if (!store_change_fixture_append(fixture, append))
        fail_msg("%s", append->job.fault.message);
    store_draft_free(draft);
    message_parser_free(parser);
}

uint32_t store_change_fixture_put(struct store_fixture *fixture, int64_t mailbox, const char *text,
                                  uint32_t flags, const char *keyword)
{
    struct store_append append = {.mailbox = mailbox};
    put(fixture, &append, text, flags, keyword);
    return append.first_uid;
}

uint32_t store_change_fixture_put_by_name(struct store_fixture *fixture, const char *name,
                                          const char *text)
{
    struct store_append append = {.name = bytes_from_string(name)};
    put(fixture, &append, text, 0, NULL);
    return append.is_missing ? 0 : append.first_uid;
}

void store_change_fixture_deliver(struct store_fixture *fixture, const char *text)
{
    struct fault fault = {0};
    struct store_fixture_letter letter;
    struct message_parser *parser = message_parser_new(&fault);
    assert_non_null(parser);
    store_fixture_letter(fixture, &letter, bytes_from_string(text));
    assert_true(message_parser_feed(parser, bytes_from_string(text), &fault));
    assert_true(message_parser_finish(parser, &letter.parsed, &fault));
    assert_true(store_fixture_deliver(&letter.delivery));
    store_fixture_letter_clear(&letter);
    message_parser_free(parser);
}

uint64_t store_change_fixture_add_flags(struct store_fixture *fixture, int64_t mailbox,
                                        uint32_t first, uint32_t last, uint32_t flags)
{
    struct store_uid_range range = {first, last};
    struct store_flag_change change = {
        .mailbox = mailbox,
        .ranges = &range,
        .range_count = 1,
        .mode = STORE_FLAGS_ADD,
        .flags = flags,
        .unchanged_since = UINT64_MAX,
    };
    if (!store_change_fixture_flags(fixture, &change))
        fail_msg("%s", change.job.fault.message);
    assert_int_equal(change.refused_count, 0);
    store_flag_change_clear(&change);
    return change.modseq;
}

int64_t store_change_fixture_mailbox(struct store_fixture *fixture, enum store_role role)
{
    static const struct db_statement find = {
        "SELECT id FROM mailbox WHERE account = $1 AND role = $2", NULL};
    return store_fixture_number(fixture, &find,
                                DB_VALUES(db_number(fixture->account), db_number(role)));
}

void store_change_fixture_read(struct store_fixture *fixture, int64_t mailbox,
                               struct store_change_fixture_view *view)
{
    struct fault fault = {0};
    view->count = STORE_CHANGE_FIXTURE_VIEW_MAX;
    if (!store_view_read(fixture->reader, mailbox, 1, view->messages, &view->count, &fault))
        fail_msg("%s", fault.message);
}

static void tell_problem(void *context, const char *sentence)
{
    (void)context;
    print_error("%s\n", sentence);
}

void store_change_fixture_assert_sound(struct store_fixture *fixture)
{
    struct fault fault = {0};
    uint64_t problems;
    if (!store_check(fixture->reader, tell_problem, NULL, &problems, &fault))
        fail_msg("%s", fault.message);
    assert_int_equal(problems, 0);
}

const char *store_change_fixture_show(const struct store_uid_range *ranges, size_t count)
{
    static char text[TEXT_MAX];
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < count && length < sizeof(text) - 32; i++) {
        const char *comma = i == 0 ? "" : ",";
        length += (size_t)(ranges[i].first == ranges[i].last
                               ? snprintf(text + length, 32, "%s%u", comma, ranges[i].first)
                               : snprintf(text + length, 32, "%s%u:%u", comma, ranges[i].first,
                                          ranges[i].last));
    }
    return text;
}
