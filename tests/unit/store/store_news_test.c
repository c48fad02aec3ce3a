/* News: who looks at a mailbox hears of commits, here and on another node. */
#include "store_mailboxes_fixture.h"

#include <pthread.h>
#include <stdlib.h>

#include "store/store_news.h"

struct listener {
    struct store_watch watch; /* first */
    pthread_mutex_t mutex;
    pthread_cond_t has_heard;
    unsigned heard;
    struct store_news last;
};

static void hear(struct store_watch *watch, const struct store_news *news)
{
    struct listener *listener = (struct listener *)watch;
    pthread_mutex_lock(&listener->mutex);
    listener->heard++;
    listener->last = *news;
    pthread_cond_signal(&listener->has_heard);
    pthread_mutex_unlock(&listener->mutex);
}

static void begin(struct store *store, struct listener *listener, int64_t mailbox)
{
    struct fault fault = {0};
    *listener = (struct listener){.watch = {.mailbox = mailbox, .hear = hear}};
    pthread_mutex_init(&listener->mutex, NULL);
    pthread_cond_init(&listener->has_heard, NULL);
    assert_true(store_news_watch_begin(store, &listener->watch, &fault));
}

/* Waits until the last that was heard is of this kind and has at least this modseq. */
static void wait_for(struct listener *listener, enum store_news_kind kind, uint64_t modseq)
{
    pthread_mutex_lock(&listener->mutex);
    while (listener->heard == 0 || listener->last.kind != kind || listener->last.modseq < modseq)
        pthread_cond_wait(&listener->has_heard, &listener->mutex);
    pthread_mutex_unlock(&listener->mutex);
}

static void a_delivery_is_heard_before_it_is_answered(void **state)
{
    struct store_fixture *fixture = *state;
    struct listener listener;
    begin(fixture->store, &listener, fixture->inbox);
    uint32_t uid = store_fixture_put(fixture, BYTES("Subject: x\r\n\r\n"));
    /* Whoever begins to listen to other nodes looks at all that is watched: that may be heard
       before, or in place of what the delivery tells. */
    bool may_look = store_is_shared(fixture->store);
    pthread_mutex_lock(&listener.mutex);
    assert_true(listener.heard == 1 || (may_look && listener.heard == 2));
    assert_int_equal(listener.last.modseq, 2);
    if (!may_look || listener.last.kind != STORE_NEWS_CHANGED) {
        assert_int_equal(listener.last.kind, STORE_NEWS_ADDED);
        assert_int_equal(listener.last.uid, uid);
    }
    pthread_mutex_unlock(&listener.mutex);
    store_news_watch_end(fixture->store, &listener.watch);
    unsigned heard = listener.heard;
    store_fixture_put(fixture, BYTES("Subject: x\r\n\r\n"));
    assert_int_equal(listener.heard, heard);
}

static void only_what_is_later_is_told(void **state)
{
    struct store_fixture *fixture = *state;
    enum {
        MANY = 1000
    };
    struct listener *listeners = calloc(MANY, sizeof(*listeners));
    assert_non_null(listeners);
    for (size_t i = 0; i < MANY; i++)
        begin(fixture->store, &listeners[i], 7);
    struct store_news news = {.kind = STORE_NEWS_CHANGED, .mailbox = 7, .modseq = 5};
    store_news_publish(fixture->store, &news);
    news.modseq = 4;
    store_news_publish(fixture->store, &news);
    news.mailbox = 8;
    news.modseq = 9;
    store_news_publish(fixture->store, &news);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(listeners[i].heard, 1);
    /* From the middle and both ends. */
    store_news_watch_end(fixture->store, &listeners[MANY / 2].watch);
    store_news_watch_end(fixture->store, &listeners[0].watch);
    store_news_watch_end(fixture->store, &listeners[MANY - 1].watch);
    news = (struct store_news){.kind = STORE_NEWS_GONE, .mailbox = 7};
    store_news_publish(fixture->store, &news);
    assert_int_equal(listeners[0].heard + listeners[MANY / 2].heard + listeners[MANY - 1].heard, 3);
    for (size_t i = 1; i < MANY - 1; i++) {
        if (i == MANY / 2)
            continue;
        assert_int_equal(listeners[i].last.kind, STORE_NEWS_GONE);
        store_news_watch_end(fixture->store, &listeners[i].watch);
    }
    free(listeners);
}

static void a_mailbox_that_goes_is_heard_of(void **state)
{
    struct store_fixture *fixture = *state;
    struct listener listener;
    begin(fixture->store, &listener, store_mailboxes_fixture_find(fixture, "Junk").id);
    assert_int_equal(store_mailboxes_fixture_delete(fixture, "Junk"), STORE_MAILBOX_DONE);
    wait_for(&listener, STORE_NEWS_GONE, 0);
    store_news_watch_end(fixture->store, &listener.watch);
}

static void another_node_hears(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    struct listener listener;
    struct store_options options = {.place = fixture->place, .draft_directory = fixture->directory};
    struct store *other = store_open(&options, &fault);
    if (other == NULL)
        fail_msg("%s", fault.message);
    begin(other, &listener, fixture->inbox);
    store_fixture_put(fixture, BYTES("Subject: x\r\n\r\n"));
    wait_for(&listener, STORE_NEWS_CHANGED, 2);
    store_fixture_put(fixture, BYTES("Subject: x\r\n\r\n"));
    wait_for(&listener, STORE_NEWS_CHANGED, 3);
    store_news_watch_end(other, &listener.watch);
    begin(other, &listener, store_mailboxes_fixture_find(fixture, "Junk").id);
    assert_int_equal(store_mailboxes_fixture_delete(fixture, "Junk"), STORE_MAILBOX_DONE);
    wait_for(&listener, STORE_NEWS_GONE, 0);
    store_news_watch_end(other, &listener.watch);
    store_close(other);
}

/* ---- what nobody tells ---- */

static struct store *open_another(struct store_fixture *fixture, int64_t news_poll)
{
    struct fault fault = {0};
    struct store_options options = {
        .place = fixture->place, .draft_directory = fixture->directory, .news_poll = news_poll};
    struct store *store = store_open(&options, &fault);
    if (store == NULL)
        fail_msg("%s", fault.message);
    return store;
}

enum {
    SOON = 20,          /* milliseconds between two looks */
    NEVER = 3600 * 1000 /* none in a test */
};

/* A program that gives no notices is heard of all the same. */
static void who_gives_no_notice_is_found_out(void **state)
{
    static const struct db_statement change = {
        "UPDATE mailbox SET modseq = modseq + 1 WHERE id = $1", NULL};
    static const struct db_statement disable = {"UPDATE account SET is_disabled = 1 WHERE id = $1",
                                                NULL};
    static const struct db_statement remove = {"DELETE FROM mailbox WHERE id = $1", NULL};
    struct store_fixture *fixture = *state;
    struct store *other = open_another(fixture, SOON);
    int64_t junk = store_mailboxes_fixture_find(fixture, "Junk").id;
    struct listener inbox;
    struct listener gone;
    struct listener account;
    begin(other, &inbox, fixture->inbox);
    begin(other, &gone, junk);
    begin(other, &account, fixture->account);
    store_fixture_execute(fixture, &change, DB_VALUES(db_number(fixture->inbox)));
    wait_for(&inbox, STORE_NEWS_CHANGED, 2);
    store_fixture_execute(fixture, &change, DB_VALUES(db_number(fixture->inbox)));
    wait_for(&inbox, STORE_NEWS_CHANGED, 3);
    store_fixture_execute(fixture, &remove, DB_VALUES(db_number(junk)));
    wait_for(&gone, STORE_NEWS_GONE, 0);
    /* An account is there as long as somebody may log in. */
    assert_int_not_equal(account.last.kind, STORE_NEWS_GONE);
    store_fixture_execute(fixture, &disable, DB_VALUES(db_number(fixture->account)));
    wait_for(&account, STORE_NEWS_GONE, 0);
    store_news_watch_end(other, &inbox.watch);
    store_news_watch_end(other, &gone.watch);
    store_news_watch_end(other, &account.watch);
    store_close(other);
}

/* What happens while the connection for notices is away is heard of when there is one again. */
static void a_lost_connection_loses_no_news(void **state)
{
    static const struct db_statement break_off = {
        "SELECT 1", "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND (query LIKE 'LISTEN %' "
                    "OR query LIKE '%0 FROM account%')"};
    struct store_fixture *fixture = *state;
    struct store *other = open_another(fixture, NEVER);
    struct listener listener;
    begin(other, &listener, fixture->inbox);
    for (uint64_t modseq = 2; modseq <= 4; modseq++) {
        store_fixture_put(fixture, BYTES("Subject: x\r\n\r\n"));
        wait_for(&listener, STORE_NEWS_CHANGED, modseq);
        assert_true(store_fixture_number(fixture, &break_off, DB_NO_VALUES) >= 1);
    }
    store_news_watch_end(other, &listener.watch);
    store_close(other);
}

/* A program that is gone at once has told what it did. */
static void the_last_words_are_heard(void **state)
{
    struct store_fixture *fixture = *state;
    struct listener listener;
    begin(fixture->store, &listener, fixture->account);
    struct store *other = open_another(fixture, NEVER);
    store_news_publish(other,
                       &(struct store_news){.kind = STORE_NEWS_GONE, .mailbox = fixture->account});
    store_close(other);
    wait_for(&listener, STORE_NEWS_GONE, 0);
    store_news_watch_end(fixture->store, &listener.watch);
}

/* ---- limits ---- */

static void so_many_watch_and_no_more(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_watch watches[3] = {0};
    struct fault fault = {0};
    for (size_t i = 0; i < 3; i++)
        watches[i] = (struct store_watch){.mailbox = fixture->account, .most = 2, .hear = hear};
    assert_true(store_news_watch_begin(fixture->store, &watches[0], &fault));
    assert_true(store_news_watch_begin(fixture->store, &watches[1], &fault));
    assert_false(store_news_watch_begin(fixture->store, &watches[2], &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
    store_news_watch_end(fixture->store, &watches[0]);
    assert_true(store_news_watch_begin(fixture->store, &watches[2], &fault));
    store_news_watch_end(fixture->store, &watches[1]);
    store_news_watch_end(fixture->store, &watches[2]);
}

/* RFC 3501 2.3.2 */
static void recent_messages_are_given_out_once(void **state)
{
    struct store_fixture *fixture = *state;
    struct store *store = fixture->store;
    struct store_watch watch = {.mailbox = 7, .hear = hear};
    struct store_watch later = watch;
    struct fault fault = {0};
    assert_int_equal(store_news_recent(store, 7, 3, 9, true), 3);
    assert_true(store_news_watch_begin(store, &watch, &fault));
    assert_int_equal(store_news_recent(store, 7, 3, 9, false), 3);
    assert_int_equal(store_news_recent(store, 7, 3, 9, true), 3);
    assert_int_equal(store_news_recent(store, 7, 3, 9, true), 9);
    assert_int_equal(store_news_recent(store, 7, 3, 12, false), 9);
    assert_int_equal(store_news_recent(store, 7, 10, 12, true), 10);
    assert_int_equal(store_news_recent(store, 8, 1, 12, true), 1);
    assert_true(store_news_watch_begin(store, &later, &fault));
    store_news_watch_end(store, &watch);
    assert_int_equal(store_news_recent(store, 7, 3, 12, false), 12);
    store_news_watch_end(store, &later);
    assert_int_equal(store_news_recent(store, 7, 3, 12, false), 3);
}

static const struct CMUnitTest tests[] = {
    STORE_TEST(a_delivery_is_heard_before_it_is_answered),
    /* On PostgreSQL the first look at all that is watched would find that mailbox 7 is none. */
    {"only_what_is_later_is_told (SQLite)", only_what_is_later_is_told, store_fixture_set_up_sqlite,
     store_fixture_tear_down, NULL},
    STORE_TEST(a_mailbox_that_goes_is_heard_of),
    STORE_TEST(who_gives_no_notice_is_found_out),
    STORE_TEST(so_many_watch_and_no_more),
    STORE_TEST(recent_messages_are_given_out_once),
    {"a_lost_connection_loses_no_news (PostgreSQL)", a_lost_connection_loses_no_news,
     store_fixture_set_up_postgres, store_fixture_tear_down, NULL},
    {"the_last_words_are_heard (PostgreSQL)", the_last_words_are_heard,
     store_fixture_set_up_postgres, store_fixture_tear_down, NULL},
    {"another_node_hears (PostgreSQL)", another_node_hears, store_fixture_set_up_postgres,
     store_fixture_tear_down, NULL},
};

STORE_MAIN(tests)
