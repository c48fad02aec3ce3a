/* SQLite: a file with a write-ahead log, one writer at a time, readers beside it. */
#include "db/db_driver.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Out of memory is a fault to tell, not the end of the program. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "base/clock.h"

enum {
    /* A 4 KiB message with its trace fields fills one such page and a ninth of another; larger
       pages would stay half empty, and cost more for each row that is changed in its place. */
    PAGE_SIZE = 4096,
    CACHE_KIB_WRITER = 8 * 1024, /* a whole batch, so that none of its pages is written twice */
    CACHE_KIB_READER = 1024,
    LOG_BYTES_KEPT = 64 * 1024 * 1024, /* the log file is cut to that when it begins anew */
    LOCK_PAUSE_NANOSECONDS = 1000000,  /* between two tries to get a lock */
    APPLICATION_ID = 0x506f7374        /* as in schema/sqlite */
};

/* One prepared statement of a connection. */
struct prepared {
    const struct db_statement *statement;
    sqlite3_stmt *handle;
    bool is_in_use;
    UT_hash_handle hh;
};

struct db_sqlite {
    struct db base;
    sqlite3 *handle;
    struct prepared *prepared;
    dev_t device; /* of the file that is open */
    ino_t inode;
    uint64_t log_pages;
    uint64_t waits_since; /* for a lock; on the monotonic clock */
    unsigned open_rows;
    bool lacks_memory;
};

static struct db_sqlite *sqlite_of(struct db *db)
{
    return (struct db_sqlite *)db;
}

/* ---- faults ---- */

static enum fault_kind kind_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
        return FAULT_DENIED;
    case SQLITE_ERROR:
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
    case SQLITE_MISMATCH:
        return FAULT_BUG;
    default:
        return FAULT_TEMPORARY;
    }
}

static int system_error_of(struct db_sqlite *sqlite, int code)
{
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return ENOMEM;
    case SQLITE_FULL:
        return ENOSPC;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return EBUSY;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return sqlite->handle == NULL ? 0 : sqlite3_system_errno(sqlite->handle);
    default:
        return 0;
    }
}

static bool set_fault(struct db_sqlite *sqlite, int code, struct fault *fault)
{
    /* A handle that met such an error is not trusted any more. */
    switch (code & 0xff) {
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
        sqlite->base.is_lost = true;
        break;
    case SQLITE_NOMEM:
        sqlite->lacks_memory = true;
        break;
    default:
        break;
    }
    const char *message =
        sqlite->handle == NULL ? sqlite3_errstr(code) : sqlite3_errmsg(sqlite->handle);
    fault_set(fault, kind_of(code), "the store: %s", message);
    if (fault != NULL)
        fault->system_error = system_error_of(sqlite, code);
    return false;
}

/* ---- opening ---- */

static void close_handle(struct db_sqlite *sqlite)
{
    struct prepared *prepared;
    struct prepared *next;
    HASH_ITER(hh, sqlite->prepared, prepared, next)
    {
        HASH_DEL(sqlite->prepared, prepared);
        sqlite3_finalize(prepared->handle);
        free(prepared);
    }
    sqlite3_close_v2(sqlite->handle);
    sqlite->handle = NULL;
    sqlite->base.is_in_transaction = false;
}

static void sqlite_free(struct db *db)
{
    close_handle(sqlite_of(db));
    free(db);
}

/* SQLite would make it readable for others; log and index take the mode of the file. One that is
   there is not even opened: to close it again would take the locks from all other connections of
   this process (POSIX), and the next program that ends would throw the log away under them. */
static bool create_file(struct db *db, struct fault *fault)
{
    int file = open(db->place, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (file < 0 && errno == EEXIST)
        return true;
    if (file < 0)
        return fault_set_system(fault, FAULT_PERMANENT, errno, "%.150s", db->place);
    close(file);
    return true;
}

static bool remember_file(struct db_sqlite *sqlite, struct fault *fault)
{
    struct stat file;
    if (stat(sqlite->base.place, &file) != 0)
        return fault_set_system(fault, FAULT_TEMPORARY, errno, "%.150s", sqlite->base.place);
    if (!S_ISREG(file.st_mode))
        return fault_set(fault, FAULT_PERMANENT, "%.150s is not a file", sqlite->base.place);
    sqlite->device = file.st_dev;
    sqlite->inode = file.st_ino;
    return true;
}

static bool show_place(struct db *db, struct fault *fault)
{
    (void)fault;
    snprintf(db->shown, sizeof(db->shown), "%s", db->place);
    return true;
}

static bool run_pragma(struct db_sqlite *sqlite, const char *text, struct fault *fault)
{
    int code = sqlite3_exec(sqlite->handle, text, NULL, NULL, NULL);
    return code == SQLITE_OK || set_fault(sqlite, code, fault);
}

static int take_first_column(void *context, int count, char **values, char **names)
{
    (void)names;
    if (count > 0 && values[0] != NULL)
        snprintf(context, 32, "%s", values[0]);
    return 0;
}

static bool set_log_mode(struct db_sqlite *sqlite, struct fault *fault)
{
    char mode[32] = "";
    int code =
        sqlite3_exec(sqlite->handle, "PRAGMA journal_mode = WAL", take_first_column, mode, NULL);
    if (code != SQLITE_OK)
        return set_fault(sqlite, code, fault);
    if (strcmp(mode, "wal") != 0)
        return fault_set(fault, FAULT_PERMANENT,
                         "%.150s: SQLite cannot keep a write-ahead log there", sqlite->base.place);
    return true;
}

static bool set_pragmas(struct db_sqlite *sqlite, struct fault *fault)
{
    const struct db_options *options = &sqlite->base.options;
    char text[400];
    /* The page size counts for a new file only. Autocheckpoint is off because whoever writes looks
       after the log itself (db_checkpoint). */
    snprintf(text, sizeof(text),
             "PRAGMA page_size = %d; PRAGMA cache_size = -%d; PRAGMA synchronous = %s;"
             "PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA secure_delete = FAST;"
             "PRAGMA trusted_schema = OFF; PRAGMA wal_autocheckpoint = 0;"
             "PRAGMA journal_size_limit = %d",
             PAGE_SIZE, options->writes ? CACHE_KIB_WRITER : CACHE_KIB_READER,
             options->is_volatile ? "OFF" : "FULL", LOG_BYTES_KEPT);
    if (!run_pragma(sqlite, text, fault))
        return false;
    if (options->size_pages_max != 0) {
        snprintf(text, sizeof(text), "PRAGMA max_page_count = %u", options->size_pages_max);
        if (!run_pragma(sqlite, text, fault))
            return false;
    }
    return options->writes || run_pragma(sqlite, "PRAGMA query_only = ON", fault);
}

static int count_log(void *context, sqlite3 *handle, const char *name, int pages)
{
    (void)handle;
    (void)name;
    struct db_sqlite *sqlite = context;
    sqlite->log_pages = (uint64_t)pages;
    return SQLITE_OK;
}

/* A writer that has much to do holds the lock again at once: who asks as seldom as SQLite itself
   would (every 100 ms in the end) hardly ever comes between. */
static int wait_for_lock(void *context, int tries)
{
    struct db_sqlite *sqlite = context;
    uint64_t now = clock_monotonic_milliseconds();
    if (tries == 0)
        sqlite->waits_since = now;
    if (now - sqlite->waits_since >= sqlite->base.options.wait_milliseconds)
        return 0;
    nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_NANOSECONDS}, NULL);
    return 1;
}

static bool open_handle(struct db_sqlite *sqlite, struct fault *fault)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int code = sqlite3_open_v2(sqlite->base.place, &sqlite->handle, flags, NULL);
    if (code != SQLITE_OK)
        return set_fault(sqlite, code, fault);
    sqlite3_busy_handler(sqlite->handle, wait_for_lock, sqlite);
    if (set_log_mode(sqlite, fault) && set_pragmas(sqlite, fault)) {
        /* Behind the pragmas: that of autocheckpoint takes any other hook away. */
        sqlite3_wal_hook(sqlite->handle, count_log, sqlite);
        return true;
    }
    if (sqlite3_errcode(sqlite->handle) == SQLITE_NOTADB)
        fault_set(fault, FAULT_PERMANENT, "%.150s is not a store of posthorn", sqlite->base.place);
    return false;
}

static bool sqlite_connect(struct db *db, struct fault *fault)
{
    struct db_sqlite *sqlite = sqlite_of(db);
    close_handle(sqlite);
    if (db->options.creates && !create_file(db, fault))
        return false;
    if (!remember_file(sqlite, fault) || !open_handle(sqlite, fault)) {
        close_handle(sqlite);
        return false;
    }
    db->is_lost = false;
    return true;
}

/* Notices that the file was removed or another one put in its place: what is written to the old
   one would be lost. */
static bool look_at_file(struct db *db, struct fault *fault)
{
    struct db_sqlite *sqlite = sqlite_of(db);
    struct stat file;
    if (stat(db->place, &file) != 0 || file.st_dev != sqlite->device ||
        file.st_ino != sqlite->inode)
        db->is_lost = true;
    if (sqlite->handle != NULL && !db->is_lost)
        return true;
    db->is_lost = true;
    if (sqlite->open_rows > 0)
        return fault_set(fault, FAULT_TEMPORARY, "the store's file was lost");
    if (!sqlite_connect(db, fault)) {
        /* When the program has started already, whoever runs it may still bring the file back. */
        if (fault != NULL)
            fault->kind = FAULT_TEMPORARY;
        return false;
    }
    return true;
}

/* ---- statements ---- */

static struct prepared *add_prepared(struct db_sqlite *sqlite, const struct db_statement *statement,
                                     sqlite3_stmt *handle)
{
    struct prepared *prepared = calloc(1, sizeof(*prepared));
    if (prepared == NULL)
        return NULL;
    prepared->statement = statement;
    prepared->handle = handle;
    HASH_ADD_PTR(sqlite->prepared, statement, prepared);
    if (prepared->hh.tbl == NULL) {
        free(prepared);
        return NULL;
    }
    return prepared;
}

/* SQLite takes "$2" for a name and counts names in the order in which they come; "?2" is the second
   parameter. No statement of ours has a dollar elsewhere. */
static char *translate(const char *text)
{
    char *translated = strdup(text);
    if (translated != NULL)
        for (char *c = translated; *c != '\0'; c++)
            if (*c == '$')
                *c = '?';
    return translated;
}

static int prepare_text(sqlite3 *handle, const char *text, sqlite3_stmt **out)
{
    char *translated = translate(text);
    if (translated == NULL)
        return SQLITE_NOMEM;
    int code = sqlite3_prepare_v3(handle, translated, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
    free(translated);
    return code;
}

static bool prepare(struct db_sqlite *sqlite, const struct db_statement *statement,
                    struct prepared **out, struct fault *fault)
{
    HASH_FIND_PTR(sqlite->prepared, &statement, *out);
    if (*out != NULL)
        return true;
    sqlite3_stmt *handle;
    int code = prepare_text(sqlite->handle, statement->text, &handle);
    if (code != SQLITE_OK)
        return set_fault(sqlite, code, fault);
    *out = add_prepared(sqlite, statement, handle);
    if (*out == NULL) {
        sqlite3_finalize(handle);
        return fault_set_memory(fault);
    }
    return true;
}

static int bind_value(sqlite3_stmt *handle, int index, const struct db_value *value,
                      sqlite3_destructor_type destructor)
{
    const char *data = value->bytes.data == NULL ? "" : value->bytes.data;
    switch (value->kind) {
    case DB_NUMBER:
        return sqlite3_bind_int64(handle, index, value->number);
    case DB_TEXT:
        return sqlite3_bind_text64(handle, index, data, value->bytes.length, destructor,
                                   SQLITE_UTF8);
    case DB_BYTES:
        return sqlite3_bind_blob64(handle, index, data, value->bytes.length, destructor);
    case DB_NULL:
        break;
    }
    return sqlite3_bind_null(handle, index);
}

static bool start(struct db *db, const struct db_statement *statement,
                  const struct db_value *values, size_t count, sqlite3_destructor_type destructor,
                  struct prepared **out, struct fault *fault)
{
    struct db_sqlite *sqlite = sqlite_of(db);
    if (!db->is_in_transaction && !look_at_file(db, fault))
        return false;
    if (!prepare(sqlite, statement, out, fault))
        return false;
    assert(!(*out)->is_in_use);
    for (size_t i = 0; i < count; i++) {
        int code = bind_value((*out)->handle, (int)i + 1, &values[i], destructor);
        if (code != SQLITE_OK)
            return set_fault(sqlite, code, fault);
    }
    return true;
}

static bool sqlite_execute(struct db *db, const struct db_statement *statement,
                           const struct db_value *values, size_t count, uint64_t *changed,
                           struct fault *fault)
{
    struct db_sqlite *sqlite = sqlite_of(db);
    struct prepared *prepared;
    if (!start(db, statement, values, count, SQLITE_STATIC, &prepared, fault))
        return false;
    int code;
    do
        code = sqlite3_step(prepared->handle);
    while (code == SQLITE_ROW);
    if (code == SQLITE_DONE) {
        if (changed != NULL)
            *changed = (uint64_t)sqlite3_changes64(sqlite->handle);
        sqlite3_reset(prepared->handle);
        return true;
    }
    set_fault(sqlite, code, fault);
    sqlite3_reset(prepared->handle);
    return false;
}

static bool sqlite_send(struct db *db, const struct db_statement *statement,
                        const struct db_value *values, size_t count, struct fault *fault)
{
    return sqlite_execute(db, statement, values, count, NULL, fault);
}

/* ---- rows: the first is fetched at once, so that what is wrong is told by the query ---- */

enum {
    FIRST_IS_READY = 0,
    FIRST_WAS_GIVEN,
    NO_MORE
};

static bool sqlite_query(struct db *db, const struct db_statement *statement,
                         const struct db_value *values, size_t count, struct db_rows *rows,
                         struct fault *fault)
{
    struct prepared *prepared;
    if (!start(db, statement, values, count, SQLITE_TRANSIENT, &prepared, fault))
        return false;
    int code = sqlite3_step(prepared->handle);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        set_fault(sqlite_of(db), code, fault);
        sqlite3_reset(prepared->handle);
        return false;
    }
    prepared->is_in_use = true;
    sqlite_of(db)->open_rows++;
    rows->db = db;
    rows->handle = prepared;
    rows->row = code == SQLITE_ROW ? FIRST_IS_READY : NO_MORE;
    return true;
}

static bool sqlite_rows_next(struct db_rows *rows)
{
    struct prepared *prepared = rows->handle;
    if (rows->row == NO_MORE)
        return false;
    if (rows->row == FIRST_IS_READY) {
        rows->row = FIRST_WAS_GIVEN;
        return true;
    }
    int code = sqlite3_step(prepared->handle);
    if (code == SQLITE_ROW)
        return true;
    rows->row = NO_MORE;
    if (code != SQLITE_DONE) {
        rows->is_failed = true;
        set_fault(sqlite_of(rows->db), code, &rows->fault);
    }
    return false;
}

static void sqlite_rows_clear(struct db_rows *rows)
{
    struct prepared *prepared = rows->handle;
    sqlite3_reset(prepared->handle);
    prepared->is_in_use = false;
    sqlite_of(rows->db)->open_rows--;
}

static sqlite3_stmt *handle_of(const struct db_rows *rows)
{
    const struct prepared *prepared = rows->handle;
    return prepared->handle;
}

static int64_t sqlite_rows_number(const struct db_rows *rows, int column)
{
    return sqlite3_column_int64(handle_of(rows), column);
}

static struct bytes sqlite_rows_bytes(const struct db_rows *rows, int column)
{
    const void *data = sqlite3_column_blob(handle_of(rows), column);
    return bytes_of(data, (size_t)sqlite3_column_bytes(handle_of(rows), column));
}

static bool sqlite_rows_is_null(const struct db_rows *rows, int column)
{
    return sqlite3_column_type(handle_of(rows), column) == SQLITE_NULL;
}

/* ---- transactions ---- */

/* The pages that it keeps for later may be all that there was: they go, or it would never again
   have enough for a transaction. */
static void give_memory_back(struct db_sqlite *sqlite)
{
    if (sqlite->lacks_memory && sqlite->handle != NULL)
        sqlite3_db_release_memory(sqlite->handle);
    sqlite->lacks_memory = false;
}

static bool sqlite_begin(struct db *db, enum db_transaction kind, struct fault *fault)
{
    static const struct db_statement read = {"BEGIN", NULL};
    static const struct db_statement write = {"BEGIN IMMEDIATE", NULL};
    assert(!db->is_in_transaction);
    give_memory_back(sqlite_of(db));
    if (!sqlite_execute(db, kind == DB_WRITE ? &write : &read, DB_NO_VALUES, NULL, fault))
        return false;
    db->is_in_transaction = true;
    return true;
}

static void sqlite_rollback(struct db *db)
{
    static const struct db_statement rollback = {"ROLLBACK", NULL};
    struct db_sqlite *sqlite = sqlite_of(db);
    /* Some faults have rolled it back already. Where even that fails, for lack of memory, no other
       transaction could ever begin: the handle is made anew. */
    if (sqlite->handle != NULL && !sqlite3_get_autocommit(sqlite->handle) &&
        !sqlite_execute(db, &rollback, DB_NO_VALUES, NULL, NULL))
        db->is_lost = true;
    db->is_in_transaction = false;
}

/* A COMMIT whose synchronisation failed has left whole frames in the log. As long as anybody has
   the store open its index says that they are not there; but whoever opens it after a crash reads
   the log itself and would find them, though the peer was told no and has sent its message again.
   What is written next takes their place and breaks the chain of their checksums: a transaction
   that changes nothing does it at once, without a synchronisation, which might fail again. After
   that they come back neither after the death of the program nor, once anything was synchronised,
   after a power cut; a disk that takes nothing at all any more can keep no such promise. The number
   that is set is used by nobody; SQLite would not write a row that stays as it is. */
static void bury(struct db *db)
{
    if (sqlite_connect(db, NULL) && run_pragma(sqlite_of(db),
                                               "PRAGMA synchronous = OFF; PRAGMA user_version = 0; "
                                               "PRAGMA synchronous = FULL",
                                               NULL))
        return;
    /* Not to be left half done: the handle is made anew. */
    close_handle(sqlite_of(db));
    db->is_lost = true;
}

static bool sqlite_commit(struct db *db, bool *is_unknown, struct fault *fault)
{
    static const struct db_statement commit = {"COMMIT", NULL};
    *is_unknown = false;
    bool is_done = sqlite_execute(db, &commit, DB_NO_VALUES, NULL, fault);
    if (!is_done)
        sqlite_rollback(db);
    db->is_in_transaction = false;
    if (!is_done && db->is_lost && db->is_ready && db->options.writes)
        bury(db);
    return is_done;
}

static bool sqlite_commit_find_out(struct db *db, bool *is_done, struct fault *fault)
{
    /* Its outcome is always known. */
    (void)db;
    (void)is_done;
    return fault_set(fault, FAULT_BUG, "no commit is unknown");
}

static bool sqlite_savepoint(struct db *db, struct fault *fault)
{
    static const struct db_statement savepoint = {"SAVEPOINT one", NULL};
    return sqlite_execute(db, &savepoint, DB_NO_VALUES, NULL, fault);
}

static bool sqlite_savepoint_release(struct db *db, struct fault *fault)
{
    static const struct db_statement release = {"RELEASE one", NULL};
    return sqlite_execute(db, &release, DB_NO_VALUES, NULL, fault);
}

static bool sqlite_savepoint_undo(struct db *db, struct fault *fault)
{
    static const struct db_statement undo = {"ROLLBACK TO one", NULL};
    if (sqlite3_get_autocommit(sqlite_of(db)->handle))
        return fault_set(fault, FAULT_TEMPORARY, "the store undid the whole transaction");
    return sqlite_execute(db, &undo, DB_NO_VALUES, NULL, fault) &&
           sqlite_savepoint_release(db, fault);
}

/* ---- the schema, the log, the check ---- */

static bool sqlite_run_script(struct db *db, const char *sql, struct fault *fault)
{
    return run_pragma(sqlite_of(db), sql, fault);
}

static bool sqlite_identify(struct db *db, bool *is_empty, bool *is_store, struct fault *fault)
{
    char identity[32] = "";
    char tables[32] = "";
    struct db_sqlite *sqlite = sqlite_of(db);
    int code =
        sqlite3_exec(sqlite->handle, "PRAGMA application_id", take_first_column, identity, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(sqlite->handle, "SELECT count(*) FROM sqlite_schema", take_first_column,
                            tables, NULL);
    if (code == SQLITE_NOTADB)
        return fault_set(fault, FAULT_PERMANENT, "%.150s is not a store of posthorn", db->place);
    if (code != SQLITE_OK)
        return set_fault(sqlite, code, fault);
    *is_store = atoi(identity) == APPLICATION_ID;
    *is_empty = !*is_store && atoi(identity) == 0 && strcmp(tables, "0") == 0;
    return true;
}

static bool sqlite_lock_schema(struct db *db, struct fault *fault)
{
    /* BEGIN IMMEDIATE did it. */
    (void)db;
    (void)fault;
    return true;
}

static bool sqlite_checkpoint(struct db *db, uint64_t *left, struct fault *fault)
{
    struct db_sqlite *sqlite = sqlite_of(db);
    if (!look_at_file(db, fault))
        return false;
    int pages;
    int done;
    int code =
        sqlite3_wal_checkpoint_v2(sqlite->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, &pages, &done);
    if (code != SQLITE_OK && code != SQLITE_BUSY)
        return set_fault(sqlite, code, fault);
    *left = code == SQLITE_OK && pages > done ? (uint64_t)(pages - done) : 0;
    return true;
}

static uint64_t sqlite_log_pages(const struct db *db)
{
    return ((const struct db_sqlite *)db)->log_pages;
}

static bool sqlite_check(struct db *db, void (*tell)(void *context, const char *sentence),
                         void *context, struct fault *fault)
{
    static const struct db_statement check = {"PRAGMA integrity_check", NULL};
    AUTO(db_rows)
    rows = {0};
    if (!db_query(db, &check, DB_NO_VALUES, &rows, fault))
        return false;
    while (db_rows_next(&rows)) {
        char sentence[FAULT_MESSAGE_SIZE];
        struct bytes text = db_rows_bytes(&rows, 0);
        snprintf(sentence, sizeof(sentence), "SQLite: %.*s",
                 (int)(text.length < sizeof(sentence) ? text.length : sizeof(sentence)), text.data);
        if (!bytes_equal(text, BYTES("ok")))
            tell(context, sentence);
    }
    return db_rows_finish(&rows, fault);
}

static const struct db_driver sqlite_driver = {
    .kind = DB_SQLITE,
    .free = sqlite_free,
    .show_place = show_place,
    .connect = sqlite_connect,
    .query = sqlite_query,
    .execute = sqlite_execute,
    .send = sqlite_send,
    .rows_next = sqlite_rows_next,
    .rows_clear = sqlite_rows_clear,
    .rows_number = sqlite_rows_number,
    .rows_bytes = sqlite_rows_bytes,
    .rows_is_null = sqlite_rows_is_null,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .commit_find_out = sqlite_commit_find_out,
    .rollback = sqlite_rollback,
    .savepoint = sqlite_savepoint,
    .savepoint_release = sqlite_savepoint_release,
    .savepoint_undo = sqlite_savepoint_undo,
    .run_script = sqlite_run_script,
    .identify = sqlite_identify,
    .lock_schema = sqlite_lock_schema,
    .checkpoint = sqlite_checkpoint,
    .log_pages = sqlite_log_pages,
    .check = sqlite_check,
};

struct db *db_sqlite_new(struct fault *fault)
{
    struct db_sqlite *sqlite = calloc(1, sizeof(*sqlite));
    if (sqlite == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    sqlite->base.driver = &sqlite_driver;
    return &sqlite->base;
}
