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
    assert_int_equal(listener.heard, 1);
    assert_int_equal(listener.last.kind, STORE_NEWS_ADDED);
    assert_int_equal(listener.last.uid, uid);
    assert_int_equal(listener.last.modseq, 2);
    store_news_watch_end(fixture->store, &listener.watch);
    store_fixture_put(fixture, BYTES("Subject: x\r\n\r\n"));
    assert_int_equal(listener.heard, 1);
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

static const struct CMUnitTest tests[] = {
    STORE_TEST(a_delivery_is_heard_before_it_is_answered),
    STORE_TEST(only_what_is_later_is_told),
    STORE_TEST(a_mailbox_that_goes_is_heard_of),
    {"another_node_hears (PostgreSQL)", another_node_hears, store_fixture_set_up_postgres,
     store_fixture_tear_down, NULL},
};

STORE_MAIN(tests)
