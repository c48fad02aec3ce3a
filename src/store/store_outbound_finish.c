/* What became of a letter: its rows change or go, and what is to be said about it is kept, all in
 * one transaction. */
#include "store/store_delivery_inside.h"
#include "store/store_outbound_inside.h"

enum {
    WEIGHT_OF_RESULT = 512 /* bytes that one writes, about */
};

static struct store_outbound_finish *finish_of(struct store_job *job)
{
    return (struct store_outbound_finish *)job;
}

/* ---- whose it is ---- */

/* Which of the rows are there and ours: numbers in order, as the results are. */
static bool find_rows(struct db *db, const struct store_outbound_finish *finish,
                      struct db_rows *rows, struct fault *fault)
{
    static const struct db_statement find = {
        "SELECT number FROM outbound_recipient WHERE message = $1 AND number BETWEEN $2 AND $3 "
        "AND $4 > 0 ORDER BY message, number",
        "SELECT r.number FROM outbound_recipient r WHERE r.message = $1 "
        "AND r.number BETWEEN $2 AND $3 AND EXISTS (SELECT 1 FROM outbound_message m "
        "WHERE m.id = $1 AND " STORE_OUTBOUND_OURS("$4") ") ORDER BY r.message, r.number"};
    return db_query(db, &find,
                    DB_VALUES(db_number(finish->message), db_number(finish->results[0].number),
                              db_number(finish->results[finish->count - 1].number),
                              db_number(store_self(finish->store))),
                    rows, fault);
}

/* *found: how many of the results have their row. */
static bool count_rows(struct db *db, const struct store_outbound_finish *finish, size_t *found,
                       struct fault *fault)
{
    AUTO(db_rows)
    rows = {0};
    *found = 0;
    if (!find_rows(db, finish, &rows, fault))
        return false;
    size_t i = 0;
    while (db_rows_next(&rows)) {
        while (i < finish->count && finish->results[i].number < db_rows_number(&rows, 0))
            i++;
        if (i < finish->count && finish->results[i].number == db_rows_number(&rows, 0))
            ++*found;
    }
    return db_rows_finish(&rows, fault);
}

/* ---- rows ---- */

static bool defer(struct db *db, const struct store_outbound_finish *finish,
                  const struct store_outbound_result *result, bool is_warned, struct fault *fault)
{
    static const struct db_statement update = {
        "UPDATE outbound_recipient SET due = $3, attempts = attempts + 1, "
        "is_warned = CASE WHEN $4 = 1 THEN 1 ELSE is_warned END, last_attempt = $5, "
        "last_code = $6, last_enhanced = $7, last_text = $8, last_host = $9 "
        "WHERE message = $1 AND number = $2",
        NULL};
    char enhanced[STORE_OUTBOUND_TEXT_MAX];
    char text[STORE_OUTBOUND_TEXT_MAX];
    char host[STORE_OUTBOUND_TEXT_MAX];
    return db_send(db, &update,
                   DB_VALUES(db_number(finish->message), db_number(result->number),
                             db_number(result->due), db_number(is_warned), db_number(finish->now),
                             db_number(result->code),
                             db_text(store_outbound_text(result->enhanced, enhanced)),
                             db_text(store_outbound_text(result->text, text)),
                             db_text(store_outbound_text(result->host, host))),
                   fault);
}

static bool reroute(struct db *db, const struct store_outbound_finish *finish,
                    const struct store_outbound_result *result, struct fault *fault)
{
    static const struct db_statement update = {
        "UPDATE outbound_recipient SET route = $3, due = $4 WHERE message = $1 AND number = $2",
        NULL};
    return db_send(db, &update,
                   DB_VALUES(db_number(finish->message), db_number(result->number),
                             db_text(result->route), db_number(finish->now)),
                   fault);
}

static bool note_warned(struct db *db, const struct store_outbound_finish *finish,
                        const struct store_outbound_result *result, struct fault *fault)
{
    static const struct db_statement update = {
        "UPDATE outbound_recipient SET is_warned = 1 WHERE message = $1 AND number = $2", NULL};
    return db_send(db, &update, DB_VALUES(db_number(finish->message), db_number(result->number)),
                   fault);
}

static bool remove_rows(struct db *db, int64_t message, uint32_t first, uint32_t last,
                        struct fault *fault)
{
    static const struct db_statement remove = {
        "DELETE FROM outbound_recipient WHERE message = $1 AND number BETWEEN $2 AND $3", NULL};
    return db_send(db, &remove, DB_VALUES(db_number(message), db_number(first), db_number(last)),
                   fault);
}

/* Where a report cannot be kept, because it speaks of recipients that were removed, the others wait
   for the next one: only what was delivered must not be tried again. */
static bool goes(const struct store_outbound_result *result, bool is_unreported)
{
    return result->outcome == STORE_OUTBOUND_DONE && (!is_unreported || result->code / 100 == 2);
}

static bool change_row(struct db *db, const struct store_outbound_finish *finish,
                       const struct store_outbound_result *result, bool is_unreported,
                       struct fault *fault)
{
    switch (result->outcome) {
    case STORE_OUTBOUND_DEFERRED:
        return defer(db, finish, result, result->is_warned && !is_unreported, fault);
    case STORE_OUTBOUND_REROUTED:
        return reroute(db, finish, result, fault);
    case STORE_OUTBOUND_WARNED:
        return is_unreported || note_warned(db, finish, result, fault);
    case STORE_OUTBOUND_DONE:
        break;
    }
    return true;
}

/* How many results from here on are of rows that go and follow each other: one statement. */
static size_t count_run(const struct store_outbound_finish *finish, size_t start,
                        bool is_unreported)
{
    const struct store_outbound_result *results = finish->results;
    size_t end = start;
    while (end < finish->count && goes(&results[end], is_unreported) &&
           results[end].number == results[start].number + (end - start))
        end++;
    return end - start;
}

static bool change_rows(struct db *db, const struct store_outbound_finish *finish,
                        bool is_unreported, struct fault *fault)
{
    const struct store_outbound_result *results = finish->results;
    size_t i = 0;
    while (i < finish->count) {
        size_t run = count_run(finish, i, is_unreported);
        if (!(run > 0 ? remove_rows(db, finish->message, results[i].number,
                                    results[i + run - 1].number, fault)
                      : change_row(db, finish, &results[i], is_unreported, fault)))
            return false;
        i += run > 0 ? run : 1;
    }
    return true;
}

/* ---- the job ---- */

static bool has_end(const struct store_outbound_finish *finish)
{
    for (size_t i = 0; i < finish->count; i++)
        if (finish->results[i].outcome == STORE_OUTBOUND_DONE)
            return true;
    return false;
}

static bool run(struct store_job *job, struct db *db, struct fault *fault)
{
    struct store_outbound_finish *finish = finish_of(job);
    size_t found = 0;
    finish->is_ours = false;
    if (finish->count > 0 && !count_rows(db, finish, &found, fault))
        return false;
    if (found == 0)
        return true;
    bool is_whole = found == finish->count;
    bool is_unreported = finish->report != NULL && !is_whole;
    /* What was left alone is listed again. */
    if (!change_rows(db, finish, is_unreported, fault) ||
        (is_unreported && !store_outbound_nudge_raise(db, fault)) ||
        (has_end(finish) && !store_outbound_clear(db, finish->message, fault)))
        return false;
    finish->is_ours = is_whole;
    return finish->report == NULL || !is_whole || store_delivery_write(db, finish->report, fault);
}

static void tell(struct store_job *job, struct store *store)
{
    const struct store_outbound_finish *finish = finish_of(job);
    if (finish->report != NULL && finish->is_ours)
        store_delivery_tell(finish->report, store);
}

void store_outbound_finish_submit(struct store_outbound_finish *finish)
{
    struct store_job *job = &finish->job;
    struct store_delivery *report = finish->report;
    job->run = run;
    job->tell = tell;
    job->weight = finish->count * WEIGHT_OF_RESULT;
    job->outbound = finish->message;
    job->mailboxes = NULL;
    job->mailbox_count = 0;
    if (report != NULL) {
        report->is_report = true;
        job->weight += store_delivery_weigh(report);
        job->mailboxes = report->local_count == 0 ? NULL : &report->locals[0].mailbox;
        job->mailbox_count = report->local_count;
        job->mailbox_stride = sizeof(report->locals[0]);
        job->has_own_keys = true;
    }
    store_submit(finish->store, job);
}
