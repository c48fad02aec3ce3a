/* One thread with a connection of its own: NOTIFY in a transaction that carries mail would make all
 * of them wait for each other, so notices are gathered for a moment and sent here. */
#include "store/store_notice.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/scan.h"
#include "store/store_inside.h"
#include "store/store_news_inside.h"

enum {
    ENTRY_MAX = 64,       /* bytes of a mailbox in a notice */
    POLLED_AT_ONCE = 500, /* mailboxes that one statement looks at */
    POLLED_TEXT_MAX = 16 * 1024
};

/* What a notice says: "<who> <mailbox>:<modseq>,...", a mailbox or an account that is gone without
   modseq, "*" for all. */
static const struct db_statement listen = {"SELECT 1", "LISTEN posthorn_news"};
static const struct db_statement say = {"SELECT 1 WHERE $1 = ''",
                                        "SELECT pg_notify('posthorn_news', $1)"};

struct store_notice {
    struct store *store;
    struct db *db;  /* the thread's; NULL while there is none */
    bool must_look; /* the thread's: something may have been missed */
    pthread_t thread;
    int wake; /* an eventfd */
    pthread_mutex_t mutex;
    bool is_stopping;
    struct store_news *waiting;
    size_t count;
    bool has_overflowed;
};

/* ---- from any thread ---- */

static void wake_thread(struct store_notice *notice)
{
    static const uint64_t one = 1;
    /* A counter that is full has woken it already. */
    ssize_t written = write(notice->wake, &one, sizeof(one));
    (void)written;
}

void store_notice_add(struct store_notice *notice, const struct store_news *news)
{
    pthread_mutex_lock(&notice->mutex);
    bool is_first = notice->count == 0 && !notice->has_overflowed;
    if (notice->count < STORE_NOTICE_WAITING_MAX)
        notice->waiting[notice->count++] = *news;
    else
        notice->has_overflowed = true;
    pthread_mutex_unlock(&notice->mutex);
    if (is_first)
        wake_thread(notice);
}

/* ---- to other nodes ---- */

static int compare_news(const void *left, const void *right)
{
    const struct store_news *a = left;
    const struct store_news *b = right;
    if (a->mailbox != b->mailbox)
        return a->mailbox < b->mailbox ? -1 : 1;
    return a->modseq < b->modseq ? -1 : a->modseq > b->modseq;
}

static bool send_text(struct store_notice *notice, struct buffer *text)
{
    bool is_sent = buffer_is_failed(text) ||
                   db_execute(notice->db, &say, DB_VALUES(db_text(buffer_bytes(text))), NULL, NULL);
    buffer_reset(text);
    return is_sent;
}

/* Each mailbox once, with its last modseq. False: nobody may have heard. */
static bool send_news(struct store_notice *notice, struct store_news *news, size_t count,
                      bool is_all)
{
    AUTO(buffer)
    text = BUFFER(STORE_NOTICE_SIZE + ENTRY_MAX);
    long long self = (long long)store_self(notice->store);
    if (is_all) {
        buffer_append_format(&text, "%lld *", self);
        return send_text(notice, &text);
    }
    qsort(news, count, sizeof(*news), compare_news);
    for (size_t i = 0; i < count; i++) {
        bool is_gone = news[i].kind == STORE_NEWS_GONE;
        while (i + 1 < count && news[i + 1].mailbox == news[i].mailbox)
            is_gone = news[++i].kind == STORE_NEWS_GONE || is_gone;
        if (text.length == 0)
            buffer_append_format(&text, "%lld ", self);
        else
            buffer_append_char(&text, ',');
        buffer_append_format(&text, "%lld", (long long)news[i].mailbox);
        if (!is_gone)
            buffer_append_format(&text, ":%llu", (unsigned long long)news[i].modseq);
        if (text.length >= STORE_NOTICE_SIZE && !send_text(notice, &text))
            return false;
    }
    return text.length == 0 || send_text(notice, &text);
}

/* What could not be sent is sent as "all" later: who watches then looks for himself. */
static void send_waiting(struct store_notice *notice)
{
    struct store_news *news = calloc(STORE_NOTICE_WAITING_MAX, sizeof(*news));
    pthread_mutex_lock(&notice->mutex);
    size_t count = notice->count;
    bool is_all = notice->has_overflowed || news == NULL;
    if (news != NULL && count > 0)
        memcpy(news, notice->waiting, count * sizeof(*news));
    notice->count = 0;
    notice->has_overflowed = false;
    pthread_mutex_unlock(&notice->mutex);
    if (!send_news(notice, news, count, is_all)) {
        pthread_mutex_lock(&notice->mutex);
        notice->has_overflowed = true;
        pthread_mutex_unlock(&notice->mutex);
    }
    free(news);
}

static bool has_waiting(struct store_notice *notice, bool *is_stopping)
{
    pthread_mutex_lock(&notice->mutex);
    bool has_some = notice->count > 0 || notice->has_overflowed;
    *is_stopping = notice->is_stopping;
    pthread_mutex_unlock(&notice->mutex);
    return has_some;
}

/* ---- from other nodes, and from the store itself ---- */

static void hear(void *context, struct bytes text)
{
    struct store_notice *notice = context;
    struct scan scan = scan_of(text);
    uint64_t who;
    uint64_t mailbox;
    if (!scan_take_number(&scan, INT64_MAX, &who) || !scan_take_char(&scan, ' ') ||
        (int64_t)who == store_self(notice->store))
        return;
    if (scan_take_char(&scan, '*')) {
        notice->must_look = true;
        return;
    }
    do {
        struct store_news news = {.kind = STORE_NEWS_GONE};
        if (!scan_take_number(&scan, INT64_MAX, &mailbox))
            return;
        news.mailbox = (int64_t)mailbox;
        if (scan_take_char(&scan, ':')) {
            news.kind = STORE_NEWS_CHANGED;
            if (!scan_take_number(&scan, UINT64_MAX, &news.modseq))
                return;
        }
        store_news_tell_here(notice->store, &news);
    } while (scan_take_char(&scan, ','));
}

static int compare_numbers(const void *left, const void *right)
{
    const int64_t *a = left;
    const int64_t *b = right;
    return *a < *b ? -1 : *a > *b;
}

/* Looks at some mailboxes and accounts, in order of their ids. False: the store cannot be read. */
static bool look_at(struct store_notice *notice, const int64_t *mailboxes, size_t count)
{
    static const struct db_statement find = {
        "WITH w AS (SELECT value AS id FROM json_each('[' || $1 || ']')) "
        "SELECT id, modseq FROM mailbox WHERE id IN (SELECT id FROM w) UNION ALL "
        "SELECT id, 0 FROM account WHERE id IN (SELECT id FROM w) AND is_disabled = 0 ORDER BY 1",
        "SELECT id, modseq FROM mailbox WHERE id = ANY(('{' || $1 || '}')::bigint[]) UNION ALL "
        "SELECT id, 0 FROM account WHERE id = ANY(('{' || $1 || '}')::bigint[]) "
        "AND is_disabled = 0 ORDER BY 1"};
    AUTO(buffer)
    list = BUFFER(POLLED_TEXT_MAX);
    AUTO(db_rows)
    rows = {0};
    for (size_t i = 0; i < count; i++)
        buffer_append_format(&list, "%s%lld", i == 0 ? "" : ",", (long long)mailboxes[i]);
    if (buffer_is_failed(&list) ||
        !db_query(notice->db, &find, DB_VALUES(db_text(buffer_bytes(&list))), &rows, NULL))
        return false;
    bool has_row = db_rows_next(&rows);
    for (size_t i = 0; i < count && !rows.is_failed; i++) {
        struct store_news news = {.kind = STORE_NEWS_GONE, .mailbox = mailboxes[i]};
        if (has_row && db_rows_number(&rows, 0) == mailboxes[i]) {
            news.kind = STORE_NEWS_CHANGED;
            news.modseq = (uint64_t)db_rows_number(&rows, 1);
            has_row = db_rows_next(&rows);
        }
        if (!rows.is_failed)
            store_news_tell_here(notice->store, &news);
    }
    return db_rows_finish(&rows, NULL);
}

/* False: not all could be looked at. */
static bool look_at_all(struct store_notice *notice)
{
    size_t count;
    int64_t *mailboxes = store_news_list_watched(notice->store, &count);
    bool is_done = mailboxes != NULL;
    if (is_done)
        qsort(mailboxes, count, sizeof(*mailboxes), compare_numbers);
    for (size_t i = 0; is_done && i < count; i += POLLED_AT_ONCE)
        is_done =
            look_at(notice, &mailboxes[i], count - i < POLLED_AT_ONCE ? count - i : POLLED_AT_ONCE);
    free(mailboxes);
    return is_done;
}

/* ---- the thread ---- */

static void wait_for_wake(struct store_notice *notice, int64_t milliseconds)
{
    struct pollfd look = {.fd = notice->wake, .events = POLLIN};
    poll(&look, 1, (int)milliseconds);
}

static void drain_wake(struct store_notice *notice)
{
    uint64_t count;
    ssize_t taken = read(notice->wake, &count, sizeof(count));
    (void)taken;
}

/* False: there is no connection now. */
static bool listen_until(struct store_notice *notice, int64_t milliseconds)
{
    bool was_deaf;
    if (notice->db == NULL)
        notice->db = store_reader_open(notice->store, NULL);
    if (notice->db == NULL ||
        !db_wait_for_notices(notice->db, &listen, notice->wake, (int)milliseconds, hear, notice,
                             &was_deaf, NULL))
        return false;
    notice->must_look = notice->must_look || was_deaf;
    return true;
}

static int64_t least_of(int64_t left, int64_t right)
{
    return left < right ? left : right;
}

static void *carry(void *argument)
{
    struct store_notice *notice = argument;
    int64_t sent = 0; /* when, in monotonic milliseconds */
    int64_t looked = (int64_t)clock_monotonic_milliseconds();
    int64_t poll_time = notice->store->news_poll;
    bool is_stopping = false;
    while (!is_stopping) {
        int64_t now = (int64_t)clock_monotonic_milliseconds();
        bool has_some = has_waiting(notice, &is_stopping);
        /* The last words of a program that is soon gone. */
        if (has_some && is_stopping && notice->db == NULL)
            notice->db = store_reader_open(notice->store, NULL);
        if (has_some && notice->db != NULL && (is_stopping || now >= sent + STORE_NEWS_PAUSE)) {
            send_waiting(notice);
            sent = now;
            continue;
        }
        int64_t next = looked + poll_time - now;
        if (has_some && notice->db != NULL)
            next = least_of(next, sent + STORE_NEWS_PAUSE - now);
        if (is_stopping)
            break;
        if (!listen_until(notice, next > 0 ? next : 0))
            wait_for_wake(notice, STORE_NOTICE_RETRY);
        drain_wake(notice);
        now = (int64_t)clock_monotonic_milliseconds();
        if (notice->db != NULL && (notice->must_look || now >= looked + poll_time)) {
            notice->must_look = !look_at_all(notice) && notice->must_look;
            looked = now;
        }
    }
    store_reader_close(notice->db);
    return NULL;
}

static void free_notice(struct store_notice *notice)
{
    if (notice->wake >= 0)
        close(notice->wake);
    pthread_mutex_destroy(&notice->mutex);
    free(notice->waiting);
    free(notice);
}

struct store_notice *store_notice_start(struct store *store, struct fault *fault)
{
    struct store_notice *notice = calloc(1, sizeof(*notice));
    if (notice == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    notice->store = store;
    notice->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&notice->mutex, NULL);
    int error = notice->wake < 0 ? errno : 0;
    if (error == 0 && store_is_shared(store)) {
        notice->waiting = calloc(STORE_NOTICE_WAITING_MAX, sizeof(*notice->waiting));
        error = notice->waiting == NULL ? ENOMEM : 0;
    }
    if (error == 0)
        error = pthread_create(&notice->thread, NULL, carry, notice);
    if (error == 0)
        return notice;
    fault_set_system(fault, FAULT_TEMPORARY, error, "cannot start the thread for news");
    free_notice(notice);
    return NULL;
}

void store_notice_stop(struct store_notice *notice)
{
    if (notice == NULL)
        return;
    pthread_mutex_lock(&notice->mutex);
    notice->is_stopping = true;
    pthread_mutex_unlock(&notice->mutex);
    wake_thread(notice);
    pthread_join(notice->thread, NULL);
    free_notice(notice);
}
