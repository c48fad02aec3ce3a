/* PostgreSQL: statements go out in a pipeline, and what must be known is waited for. */
#include "db/db_postgres.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/random.h"

enum {
    OID_BYTES = 17,
    OID_NUMBER = 20,
    OID_TEXT = 25,
    BINARY = 1
};

/* Marks of connections that are gone are removed when they are older. */
static const int64_t mark_age_max = INT64_C(7) * 24 * 3600 * 1000000;

static struct db_postgres *postgres_of(struct db *db)
{
    return (struct db_postgres *)db;
}

/* ---- reading results ---- */

/* The result of the oldest statement in the pipeline; NULL when the connection is gone. */
static PGresult *read_result(struct db_postgres *postgres)
{
    PGresult *result = PQgetResult(postgres->connection);
    if (result == NULL || PQresultStatus(result) == PGRES_PIPELINE_SYNC)
        return result;
    PGresult *more;
    while ((more = PQgetResult(postgres->connection)) != NULL)
        PQclear(more);
    return result;
}

static bool is_good(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

/* After a fault the server skips all up to the next synchronisation point: sets one and goes
   there. */
static void resynchronise(struct db_postgres *postgres)
{
    postgres->pending = 0;
    if (PQpipelineSync(postgres->connection) != 1)
        postgres->base.is_lost = true;
    while (!postgres->base.is_lost) {
        PGresult *result = read_result(postgres);
        ExecStatusType status = PQresultStatus(result);
        PQclear(result);
        if (status == PGRES_PIPELINE_SYNC)
            return;
        if (PQstatus(postgres->connection) != CONNECTION_OK)
            postgres->base.is_lost = true;
    }
}

/* Reads what is still to come of the statements before, of which nobody wants more than to know
   that they went well. */
static bool read_pending(struct db_postgres *postgres, struct fault *fault)
{
    while (postgres->pending > 0) {
        PGresult *result = read_result(postgres);
        postgres->pending--;
        if (!is_good(result)) {
            db_postgres_connect_fault(postgres, result, fault);
            PQclear(result);
            resynchronise(postgres);
            return false;
        }
        PQclear(result);
    }
    return true;
}

static bool wait_for_pending(struct db_postgres *postgres, struct fault *fault)
{
    if (postgres->pending == 0)
        return true;
    if (PQsendFlushRequest(postgres->connection) != 1)
        return db_postgres_connect_fault(postgres, NULL, fault);
    return read_pending(postgres, fault);
}

/* ---- sending ---- */

static Oid type_of(const struct db_value *value)
{
    switch (value->kind) {
    case DB_NUMBER:
        return OID_NUMBER;
    case DB_TEXT:
        return OID_TEXT;
    case DB_BYTES:
        return OID_BYTES;
    case DB_NULL:
        break;
    }
    /* The server finds out. */
    return 0;
}

static const char *text_of(const struct db_statement *statement)
{
    return statement->postgres_text == NULL ? statement->text : statement->postgres_text;
}

static struct db_postgres_prepared *
remember(struct db_postgres *postgres, const struct db_statement *statement, struct fault *fault)
{
    struct db_postgres_prepared *prepared = calloc(1, sizeof(*prepared));
    if (prepared != NULL) {
        prepared->statement = statement;
        snprintf(prepared->name, sizeof(prepared->name), "s%u", ++postgres->prepared_count);
        HASH_ADD_PTR(postgres->prepared, statement, prepared);
        if (prepared->hh.tbl != NULL)
            return prepared;
    }
    free(prepared);
    fault_set_memory(fault);
    return NULL;
}

/* Once a connection, and waited for, so that a prepared statement is surely there later. */
static bool prepare(struct db_postgres *postgres, const struct db_statement *statement,
                    const struct db_value *values, size_t count, struct db_postgres_prepared **out,
                    struct fault *fault)
{
    HASH_FIND_PTR(postgres->prepared, &statement, *out);
    if (*out != NULL)
        return true;
    Oid types[DB_PARAMETERS_MAX] = {0};
    for (size_t i = 0; i < count; i++)
        types[i] = type_of(&values[i]);
    *out = remember(postgres, statement, fault);
    if (*out == NULL)
        return false;
    if (PQsendPrepare(postgres->connection, (*out)->name, text_of(statement), (int)count, types) !=
        1)
        db_postgres_connect_fault(postgres, NULL, fault);
    else {
        postgres->pending++;
        if (wait_for_pending(postgres, fault))
            return true;
    }
    HASH_DEL(postgres->prepared, *out);
    free(*out);
    return false;
}

static bool send_prepared(struct db_postgres *postgres, const struct db_postgres_prepared *prepared,
                          const struct db_value *values, size_t count, struct fault *fault)
{
    const char *data[DB_PARAMETERS_MAX] = {0};
    int lengths[DB_PARAMETERS_MAX] = {0};
    int formats[DB_PARAMETERS_MAX] = {0};
    uint64_t numbers[DB_PARAMETERS_MAX];
    for (size_t i = 0; i < count; i++) {
        const struct bytes bytes = values[i].bytes;
        numbers[i] = __builtin_bswap64((uint64_t)values[i].number);
        formats[i] = BINARY;
        lengths[i] = values[i].kind == DB_NUMBER ? (int)sizeof(numbers[i]) : (int)bytes.length;
        data[i] = values[i].kind == DB_NULL     ? NULL
                  : values[i].kind == DB_NUMBER ? (const char *)&numbers[i]
                  : bytes.data == NULL          ? ""
                                                : bytes.data;
    }
    if (PQsendQueryPrepared(postgres->connection, prepared->name, (int)count, data, lengths,
                            formats, BINARY) != 1)
        return db_postgres_connect_fault(postgres, NULL, fault);
    postgres->pending++;
    return true;
}

static bool send_statement(struct db *db, const struct db_statement *statement,
                           const struct db_value *values, size_t count, struct fault *fault)
{
    struct db_postgres *postgres = postgres_of(db);
    struct db_postgres_prepared *prepared;
    assert(count <= DB_PARAMETERS_MAX);
    if (db->is_lost)
        return db_postgres_connect_fault(postgres, NULL, fault);
    return prepare(postgres, statement, values, count, &prepared, fault) &&
           send_prepared(postgres, prepared, values, count, fault);
}

/* Sends it, and waits for it and all before it. */
static bool ask(struct db *db, const struct db_statement *statement, const struct db_value *values,
                size_t count, PGresult **out, struct fault *fault)
{
    struct db_postgres *postgres = postgres_of(db);
    if (!send_statement(db, statement, values, count, fault))
        return false;
    postgres->pending--;
    /* Outside of a transaction only a synchronisation point commits. */
    int is_sent = db->is_in_transaction ? PQsendFlushRequest(postgres->connection)
                                        : PQpipelineSync(postgres->connection);
    if (is_sent != 1)
        return db_postgres_connect_fault(postgres, NULL, fault);
    if (!read_pending(postgres, fault))
        return false;
    PGresult *result = read_result(postgres);
    if (is_good(result)) {
        if (!db->is_in_transaction)
            PQclear(read_result(postgres));
        *out = result;
        return true;
    }
    db_postgres_connect_fault(postgres, result, fault);
    PQclear(result);
    if (db->is_in_transaction)
        resynchronise(postgres);
    else if (!db->is_lost)
        PQclear(read_result(postgres));
    return false;
}

/* Whether the server has gone while nobody talked to it. Its last words come before the end. */
static bool is_closed(const struct db_postgres *postgres)
{
    struct pollfd look = {.fd = PQsocket(postgres->connection), .events = POLLIN};
    while (poll(&look, 1, 0) > 0)
        if (PQconsumeInput(postgres->connection) != 1 ||
            PQstatus(postgres->connection) != CONNECTION_OK)
            return true;
    return false;
}

static bool come_back(struct db *db, struct fault *fault)
{
    if (!db->is_lost && !is_closed(postgres_of(db)))
        return true;
    if (db_postgres_connect(db, fault))
        return true;
    db->is_lost = true;
    return false;
}

static bool postgres_send(struct db *db, const struct db_statement *statement,
                          const struct db_value *values, size_t count, struct fault *fault)
{
    assert(db->is_in_transaction);
    return send_statement(db, statement, values, count, fault);
}

static bool run_alone(struct db *db, const struct db_statement *statement,
                      const struct db_value *values, size_t count, PGresult **out,
                      struct fault *fault)
{
    if (!come_back(db, fault))
        return false;
    if (ask(db, statement, values, count, out, fault))
        return true;
    /* Who only reads may ask again. */
    return db->is_lost && !db->options.writes && come_back(db, fault) &&
           ask(db, statement, values, count, out, fault);
}

static bool run_statement(struct db *db, const struct db_statement *statement,
                          const struct db_value *values, size_t count, PGresult **out,
                          struct fault *fault)
{
    return db->is_in_transaction ? ask(db, statement, values, count, out, fault)
                                 : run_alone(db, statement, values, count, out, fault);
}

static bool postgres_execute(struct db *db, const struct db_statement *statement,
                             const struct db_value *values, size_t count, uint64_t *changed,
                             struct fault *fault)
{
    PGresult *result;
    if (!run_statement(db, statement, values, count, &result, fault))
        return false;
    if (changed != NULL)
        *changed = strtoull(PQcmdTuples(result), NULL, 10);
    PQclear(result);
    return true;
}

/* ---- rows ---- */

static bool postgres_query(struct db *db, const struct db_statement *statement,
                           const struct db_value *values, size_t count, struct db_rows *rows,
                           struct fault *fault)
{
    PGresult *result;
    if (!run_statement(db, statement, values, count, &result, fault))
        return false;
    rows->db = db;
    rows->handle = result;
    rows->row = -1;
    rows->count = PQntuples(result);
    return true;
}

static bool postgres_rows_next(struct db_rows *rows)
{
    if (rows->row + 1 >= rows->count)
        return false;
    rows->row++;
    return true;
}

static void postgres_rows_clear(struct db_rows *rows)
{
    PQclear(rows->handle);
}

static int64_t postgres_rows_number(const struct db_rows *rows, int column)
{
    return db_postgres_connect_number(rows->handle, rows->row, column);
}

static struct bytes postgres_rows_bytes(const struct db_rows *rows, int column)
{
    return bytes_of(PQgetvalue(rows->handle, rows->row, column),
                    (size_t)PQgetlength(rows->handle, rows->row, column));
}

static bool postgres_rows_is_null(const struct db_rows *rows, int column)
{
    return PQgetisnull(rows->handle, rows->row, column) == 1;
}

/* ---- transactions ---- */

static const struct db_statement begin_read = {"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                                               NULL};
static const struct db_statement begin_write = {"BEGIN", NULL};
static const struct db_statement commit = {"COMMIT", NULL};
static const struct db_statement rollback = {"ROLLBACK", NULL};

/* Leaves a trace in the transaction by which it can be found later. */
static bool send_mark(struct db *db, struct fault *fault)
{
    static const struct db_statement mark = {
        "INSERT INTO commit_mark(connection, number, used) VALUES($1, $2, $3) "
        "ON CONFLICT (connection) DO UPDATE SET number = $2, used = $3",
        NULL};
    struct db_postgres *postgres = postgres_of(db);
    postgres->transaction_number++;
    return send_statement(db, &mark,
                          DB_VALUES(db_number(postgres->mark),
                                    db_number(postgres->transaction_number),
                                    db_number(clock_wall_microseconds())),
                          fault);
}

/* COMMIT and ROLLBACK: a synchronisation point follows. */
static bool ask_end(struct db *db, const struct db_statement *statement, PGresult **out,
                    struct fault *fault)
{
    db->is_in_transaction = false;
    return ask(db, statement, DB_NO_VALUES, out, fault);
}

static void postgres_rollback(struct db *db)
{
    PGresult *result;
    /* What was sent and failed is of no interest any more, but must be out of the way. */
    if (!db->is_lost)
        wait_for_pending(postgres_of(db), NULL);
    if (!db->is_lost && ask_end(db, &rollback, &result, NULL))
        PQclear(result);
    else
        /* Else the server would keep its locks. */
        db_postgres_connect_end(postgres_of(db));
    db->is_in_transaction = false;
}

static bool try_to_begin(struct db *db, enum db_transaction kind, struct fault *fault)
{
    if (!come_back(db, fault))
        return false;
    db->is_in_transaction = true;
    if (send_statement(db, kind == DB_WRITE ? &begin_write : &begin_read, DB_NO_VALUES, fault) &&
        (kind == DB_READ || !db->is_ready || send_mark(db, fault)))
        return true;
    postgres_rollback(db);
    return false;
}

static bool postgres_begin(struct db *db, enum db_transaction kind, struct fault *fault)
{
    bool was_there = !db->is_lost;
    assert(!db->is_in_transaction);
    if (try_to_begin(db, kind, fault))
        return true;
    /* The connection may just have broken. */
    return was_there && db->is_lost && try_to_begin(db, kind, fault);
}

static bool postgres_commit(struct db *db, bool *is_unknown, struct fault *fault)
{
    struct db_postgres *postgres = postgres_of(db);
    PGresult *result;
    *is_unknown = false;
    if (db->is_lost || !wait_for_pending(postgres, fault)) {
        if (db->is_lost)
            db_postgres_connect_fault(postgres, NULL, fault);
        postgres_rollback(db);
        return false;
    }
    bool is_done = ask_end(db, &commit, &result, fault);
    if (is_done) {
        /* A transaction that had failed is rolled back by COMMIT. */
        is_done = strcmp(PQcmdStatus(result), "COMMIT") == 0 ||
                  fault_set(fault, FAULT_TEMPORARY, "PostgreSQL undid the transaction");
        PQclear(result);
    } else {
        /* What was not even sent is undone by the server when the connection ends. */
        *is_unknown = db->is_lost;
        db_postgres_connect_end(postgres);
    }
    return is_done;
}

/* Waits for the row when the old connection's transaction still goes on. */
static bool postgres_commit_find_out(struct db *db, bool *is_done, struct fault *fault)
{
    static const struct db_statement find = {
        "INSERT INTO commit_mark(connection, number, used) VALUES($1, 0, $2) "
        "ON CONFLICT (connection) DO UPDATE SET used = $2 RETURNING number",
        NULL};
    struct db_postgres *postgres = postgres_of(db);
    bool is_found;
    AUTO(db_rows)
    rows = {0};
    if (!db_query_one(db, &find,
                      DB_VALUES(db_number(postgres->mark), db_number(clock_wall_microseconds())),
                      &rows, &is_found, fault))
        return false;
    *is_done = is_found && db_rows_number(&rows, 0) == postgres->transaction_number;
    return true;
}

static bool postgres_savepoint(struct db *db, struct fault *fault)
{
    static const struct db_statement savepoint = {"SAVEPOINT one", NULL};
    return send_statement(db, &savepoint, DB_NO_VALUES, fault);
}

static bool postgres_savepoint_release(struct db *db, struct fault *fault)
{
    static const struct db_statement release = {"RELEASE SAVEPOINT one", NULL};
    PGresult *result;
    if (!ask(db, &release, DB_NO_VALUES, &result, fault))
        return false;
    PQclear(result);
    return true;
}

static bool postgres_savepoint_undo(struct db *db, struct fault *fault)
{
    static const struct db_statement undo = {"ROLLBACK TO SAVEPOINT one", NULL};
    PGresult *result;
    if (!db->is_lost)
        wait_for_pending(postgres_of(db), NULL);
    if (!ask(db, &undo, DB_NO_VALUES, &result, fault))
        return false;
    PQclear(result);
    return postgres_savepoint_release(db, fault);
}

/* ---- schema ---- */

static bool postgres_run_script(struct db *db, const char *sql, struct fault *fault)
{
    struct db_postgres *postgres = postgres_of(db);
    if (!wait_for_pending(postgres, fault))
        return false;
    /* Several statements in one text do not go through a pipeline. */
    resynchronise(postgres);
    if (db->is_lost || PQexitPipelineMode(postgres->connection) != 1)
        return db_postgres_connect_fault(postgres, NULL, fault);
    PGresult *result = PQexec(postgres->connection, sql);
    bool is_done = is_good(result) || db_postgres_connect_fault(postgres, result, fault);
    PQclear(result);
    if (PQenterPipelineMode(postgres->connection) == 1)
        return is_done;
    db->is_lost = true;
    return is_done && db_postgres_connect_fault(postgres, NULL, fault);
}

static bool postgres_identify(struct db *db, bool *is_empty, bool *is_store, struct fault *fault)
{
    static const struct db_statement look = {
        "SELECT count(*), count(*) FILTER (WHERE relname IN ('schema_version', 'body_part')) "
        "FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace",
        NULL};
    bool is_found;
    AUTO(db_rows)
    rows = {0};
    if (!db_query_one(db, &look, DB_NO_VALUES, &rows, &is_found, fault))
        return false;
    *is_empty = db_rows_number(&rows, 0) == 0;
    *is_store = db_rows_number(&rows, 1) == 2;
    return true;
}

static bool postgres_lock_schema(struct db *db, struct fault *fault)
{
    /* The number is "posthorn" in its first four letters. */
    static const struct db_statement lock = {"SELECT pg_advisory_xact_lock(1886352244)", NULL};
    PGresult *result;
    if (!ask(db, &lock, DB_NO_VALUES, &result, fault))
        return false;
    PQclear(result);
    return true;
}

static bool postgres_checkpoint(struct db *db, uint64_t *left, struct fault *fault)
{
    (void)db;
    (void)fault;
    *left = 0;
    return true;
}

static uint64_t postgres_log_pages(const struct db *db)
{
    (void)db;
    return 0;
}

static bool postgres_check(struct db *db, void (*tell)(void *context, const char *sentence),
                           void *context, struct fault *fault)
{
    (void)db;
    (void)tell;
    (void)context;
    (void)fault;
    return true;
}

/* ---- the driver ---- */

static void forget_mark(struct db *db)
{
    static const struct db_statement forget = {
        "DELETE FROM commit_mark WHERE connection = $1 OR used < $2", NULL};
    struct db_postgres *postgres = postgres_of(db);
    PGresult *result;
    if (postgres->transaction_number > 0 && !db->is_lost && !is_closed(postgres) &&
        ask(db, &forget,
            DB_VALUES(db_number(postgres->mark),
                      db_number(clock_wall_microseconds() - mark_age_max)),
            &result, NULL))
        PQclear(result);
}

static void postgres_free(struct db *db)
{
    if (db->is_in_transaction)
        postgres_rollback(db);
    forget_mark(db);
    db_postgres_connect_end(postgres_of(db));
    free(db);
}

static const struct db_driver postgres_driver = {
    .kind = DB_POSTGRES,
    .free = postgres_free,
    .show_place = db_postgres_place_show,
    .connect = db_postgres_connect,
    .query = postgres_query,
    .execute = postgres_execute,
    .send = postgres_send,
    .rows_next = postgres_rows_next,
    .rows_clear = postgres_rows_clear,
    .rows_number = postgres_rows_number,
    .rows_bytes = postgres_rows_bytes,
    .rows_is_null = postgres_rows_is_null,
    .begin = postgres_begin,
    .commit = postgres_commit,
    .commit_find_out = postgres_commit_find_out,
    .rollback = postgres_rollback,
    .savepoint = postgres_savepoint,
    .savepoint_release = postgres_savepoint_release,
    .savepoint_undo = postgres_savepoint_undo,
    .run_script = postgres_run_script,
    .identify = postgres_identify,
    .lock_schema = postgres_lock_schema,
    .checkpoint = postgres_checkpoint,
    .log_pages = postgres_log_pages,
    .wait_for_notices = db_postgres_notice_wait,
    .check = postgres_check,
};

struct db *db_postgres_new(struct fault *fault)
{
    if (!db_postgres_library_load(fault))
        return NULL;
    struct db_postgres *postgres = calloc(1, sizeof(*postgres));
    if (postgres == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    postgres->base.driver = &postgres_driver;
    postgres->base.is_lost = true;
    if (!random_fill(&postgres->mark, sizeof(postgres->mark), fault)) {
        free(postgres);
        return NULL;
    }
    return &postgres->base;
}
