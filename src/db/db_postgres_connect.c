/* Coming to PostgreSQL, and what its refusals mean. */
#include "db/db_postgres.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SETTINGS_SIZE = 400
};

/* ---- faults ---- */

struct state_meaning {
    const char *state; /* the first characters of an SQLSTATE */
    enum fault_kind kind;
    int system_error;
};

/* The first that fits counts. */
static const struct state_meaning meanings[] = {
    {"40", FAULT_TEMPORARY, EDEADLK}, /* serialization failure, deadlock */
    {"23001", FAULT_DENIED, 0},
    {"23", FAULT_DENIED, 0},
    {"22", FAULT_DENIED, 0}, /* a value that the type does not take */
    {"53100", FAULT_TEMPORARY, ENOSPC},
    {"53200", FAULT_TEMPORARY, ENOMEM},
    {"55P03", FAULT_TEMPORARY, EBUSY}, /* lock_timeout */
    {"42", FAULT_BUG, 0},
    {"26", FAULT_BUG, 0},
    {"08", FAULT_TEMPORARY, ECONNRESET},
    {"57P", FAULT_TEMPORARY, ECONNRESET},
    {"25006", FAULT_TEMPORARY, ECONNRESET}, /* it has become a standby */
};

static const struct state_meaning *find_meaning(const char *state)
{
    for (size_t i = 0; state != NULL && i < sizeof(meanings) / sizeof(meanings[0]); i++)
        if (strncmp(state, meanings[i].state, strlen(meanings[i].state)) == 0)
            return &meanings[i];
    return NULL;
}

/* The first line, without its end. */
static struct bytes first_line(const char *message)
{
    struct bytes line;
    struct bytes rest;
    bytes_split(bytes_from_string(message), '\n', &line, &rest);
    return line;
}

bool db_postgres_connect_fault(struct db_postgres *postgres, const PGresult *result,
                               struct fault *fault)
{
    const char *state = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const struct state_meaning *meaning = find_meaning(state);
    const char *message = result == NULL ? "" : PQresultErrorMessage(result);
    if (*message == '\0')
        message =
            postgres->connection == NULL ? "no connection" : PQerrorMessage(postgres->connection);
    /* Without a result it is libpq that failed, and nobody knows how much it has sent. */
    bool is_lost = result == NULL || PQstatus(postgres->connection) != CONNECTION_OK ||
                   (meaning != NULL && meaning->system_error == ECONNRESET);
    fault_set(fault, meaning == NULL ? FAULT_TEMPORARY : meaning->kind, "PostgreSQL: %.*s",
              BYTES_FORMAT(first_line(message)));
    if (fault != NULL)
        fault->system_error = is_lost ? ECONNRESET : meaning == NULL ? 0 : meaning->system_error;
    if (is_lost)
        postgres->base.is_lost = true;
    return false;
}

/* ---- connecting ---- */

static void ignore_notice(void *context, const char *message)
{
    (void)context;
    (void)message;
}

static bool run_first(struct db_postgres *postgres, const char *sql, struct fault *fault)
{
    PGresult *result = PQexec(postgres->connection, sql);
    ExecStatusType status = PQresultStatus(result);
    bool is_done = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    if (!is_done)
        db_postgres_connect_fault(postgres, result, fault);
    PQclear(result);
    return is_done;
}

/* Mail that was acknowledged must survive a power cut. */
static bool judge_durability(struct db_postgres *postgres, struct fault *fault)
{
    static const char sql[] =
        "SELECT current_setting('fsync'), current_setting('synchronous_commit')";
    PGresult *result = PQexec(postgres->connection, sql);
    bool is_done = true;
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        is_done = db_postgres_connect_fault(postgres, result, fault);
    else if (strcmp(PQgetvalue(result, 0, 0), "on") != 0)
        is_done = fault_set(fault, FAULT_PERMANENT,
                            "PostgreSQL runs with fsync off: a power cut would lose mail that was "
                            "acknowledged");
    else if (strcmp(PQgetvalue(result, 0, 1), "off") == 0)
        is_done = fault_set(fault, FAULT_PERMANENT,
                            "PostgreSQL runs with synchronous_commit off: a crash would lose mail "
                            "that was acknowledged");
    PQclear(result);
    return is_done;
}

static bool set_up(struct db_postgres *postgres, struct fault *fault)
{
    const struct db_options *options = &postgres->base.options;
    char sql[SETTINGS_SIZE];
    /* All that is asked for often is found by an index; without statistics, on a new store, the
       planner would not know. */
    snprintf(sql, sizeof(sql),
             "SET lock_timeout = %u; SET idle_in_transaction_session_timeout = '5min';"
             "SET enable_seqscan = off; SET jit = off; SET default_transaction_read_only = %s;"
             "SET default_transaction_isolation = 'read committed'",
             options->wait_milliseconds, options->writes ? "off" : "on");
    if (!run_first(postgres, sql, fault) || !judge_durability(postgres, fault))
        return false;
    return PQenterPipelineMode(postgres->connection) == 1 ||
           db_postgres_connect_fault(postgres, NULL, fault);
}

void db_postgres_connect_end(struct db_postgres *postgres)
{
    struct db_postgres_prepared *prepared;
    struct db_postgres_prepared *next;
    HASH_ITER(hh, postgres->prepared, prepared, next)
    {
        HASH_DEL(postgres->prepared, prepared);
        free(prepared);
    }
    PQfinish(postgres->connection);
    postgres->connection = NULL;
    postgres->is_listening = false;
    postgres->pending = 0;
    postgres->base.is_in_transaction = false;
    postgres->base.is_lost = true;
}

bool db_postgres_connect(struct db *db, struct fault *fault)
{
    struct db_postgres *postgres = (struct db_postgres *)db;
    /* What the place says counts more, as it comes last. A primary is wanted even for reading: a
       standby is behind, and mail that was just announced would not be there. */
    static const char *const names[] = {
        "application_name",     "connect_timeout", "tcp_user_timeout",
        "keepalives_idle",      "client_encoding", "fallback_application_name",
        "target_session_attrs", "dbname",          NULL};
    const char *const values[] = {"posthorn", "5",          "30000",   "30", "UTF8",
                                  "posthorn", "read-write", db->place, NULL};
    db_postgres_connect_end(postgres);
    postgres->connection = PQconnectdbParams(names, values, 1);
    if (postgres->connection == NULL)
        return fault_set_memory(fault);
    PQsetNoticeProcessor(postgres->connection, ignore_notice, NULL);
    if (PQstatus(postgres->connection) != CONNECTION_OK) {
        db_postgres_connect_fault(postgres, NULL, fault);
    } else if (set_up(postgres, fault)) {
        db->is_lost = false;
        return true;
    }
    db_postgres_connect_end(postgres);
    return false;
}

/* ---- numbers ---- */

static uint64_t big_endian(const char *data, int length)
{
    uint64_t number = 0;
    for (int i = 0; i < length; i++)
        number = number << 8 | (unsigned char)data[i];
    return number;
}

/* NUMERIC, which is what SUM gives: groups of four decimal digits behind four 16-bit words. */
static int64_t read_numeric(const char *data)
{
    int groups = (int16_t)big_endian(data, 2);
    int weight = (int16_t)big_endian(data + 2, 2);
    bool is_negative = big_endian(data + 4, 2) != 0;
    int64_t number = 0;
    for (int i = 0; i <= weight; i++)
        number = number * 10000 + (i < groups ? (int16_t)big_endian(data + 8 + 2 * i, 2) : 0);
    return is_negative ? -number : number;
}

int64_t db_postgres_connect_number(const PGresult *result, int row, int column)
{
    enum {
        NUMERIC_OID = 1700
    };
    const char *data = PQgetvalue(result, row, column);
    int length = PQgetlength(result, row, column);
    if (PQgetisnull(result, row, column))
        return 0;
    if (PQftype(result, column) == NUMERIC_OID)
        return read_numeric(data);
    uint64_t number = big_endian(data, length);
    /* The sign of the shorter ones. */
    int unused_bits = 64 - 8 * length;
    return unused_bits == 0 ? (int64_t)number : (int64_t)(number << unused_bits) >> unused_bits;
}
