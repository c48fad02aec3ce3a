/* Routes that failed as a whole, kept so that a new start knows of them. */
#include "store/store_outbound_inside.h"

enum {
    WEIGHT_OF_ROUTE = 512 /* bytes that it writes, about */
};

bool store_outbound_route_list(struct db *db, store_each_outbound_route *each, void *context,
                               struct fault *fault)
{
    static const struct db_statement list = {
        "SELECT route, resting_until, failures, code, reason, failed FROM outbound_route "
        "ORDER BY route",
        NULL};
    AUTO(db_rows)
    rows = {0};
    if (!db_query(db, &list, DB_NO_VALUES, &rows, fault))
        return false;
    while (db_rows_next(&rows)) {
        struct store_outbound_route route = {
            .route = db_rows_bytes(&rows, 0),
            .resting_until = db_rows_number(&rows, 1),
            .failures = (unsigned)db_rows_number(&rows, 2),
            .code = (int)db_rows_number(&rows, 3),
            .text = db_rows_bytes(&rows, 4),
            .failed = db_rows_number(&rows, 5),
        };
        if (!each(context, &route))
            break;
    }
    return db_rows_finish(&rows, fault);
}

static bool forget(struct db *db, struct bytes route, struct fault *fault)
{
    static const struct db_statement remove = {"DELETE FROM outbound_route WHERE route = $1", NULL};
    return db_send(db, &remove, DB_VALUES(db_text(route)), fault);
}

static bool forget_old(struct db *db, int64_t before, struct fault *fault)
{
    static const struct db_statement remove = {
        "DELETE FROM outbound_route WHERE failed < $1 AND NOT EXISTS "
        "(SELECT 1 FROM outbound_recipient r WHERE r.route = outbound_route.route)",
        NULL};
    return before == 0 || db_send(db, &remove, DB_VALUES(db_number(before)), fault);
}

static bool write_route(struct db *db, const struct store_outbound_route *route,
                        struct fault *fault)
{
    static const struct db_statement write = {
        "INSERT INTO outbound_route(route, resting_until, failures, code, reason, failed) "
        "VALUES($1, $2, $3, $4, $5, $6) ON CONFLICT(route) DO UPDATE SET "
        "resting_until = excluded.resting_until, failures = excluded.failures, "
        "code = excluded.code, reason = excluded.reason, failed = excluded.failed",
        NULL};
    char text[STORE_OUTBOUND_TEXT_MAX];
    if (route->failures == 0)
        return forget(db, route->route, fault);
    return db_send(db, &write,
                   DB_VALUES(db_text(route->route), db_number(route->resting_until),
                             db_number(route->failures), db_number(route->code),
                             db_text(store_outbound_text(route->text, text)),
                             db_number(route->failed)),
                   fault);
}

static bool run(struct store_job *job, struct db *db, struct fault *fault)
{
    const struct store_outbound_route_job *written = (struct store_outbound_route_job *)job;
    return write_route(db, &written->route, fault) && forget_old(db, written->forget_before, fault);
}

void store_outbound_route_submit(struct store_outbound_route_job *job)
{
    job->job.run = run;
    job->job.weight = WEIGHT_OF_ROUTE;
    store_submit(job->store, &job->job);
}
