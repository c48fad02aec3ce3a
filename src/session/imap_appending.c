/* APPEND and MULTIAPPEND (RFC 9051 6.3.12, RFC 3502): what comes is a draft for each message; the
 * answer is given when all are kept. */
#include "session/imap_appending.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "imap/imap_write.h"
#include "store/store_append.h"

enum {
    NAMES_MAX = 8 * 1024 * 1024, /* bytes of the mailbox's name and of all keywords */
    FIRST_CAPACITY = 1,
    FILES_MAX = 64, /* messages of one command that do not fit into memory */
    /* Bytes that may come before anybody knows whether there is such a mailbox: it would take as
       long to find out as to keep them. */
    UNKNOWN_MAX = 256 * 1024
};

/* Who waits for whom. */
enum step {
    FINDS = 0, /* a worker looks for the mailbox */
    SPILLS,    /* a worker writes a draft out */
    COMMITS    /* the store keeps it all */
};

/* One message. */
struct appended {
    struct store_draft *draft;
    struct message_parsed parsed; /* borrowed from notes */
    char *notes;                  /* what the parser found */
    bool is_spilled;
    bool is_binary; /* a literal8: kept as it came */
    bool ends_cr;   /* what came up to now */
};

struct imap_appending {
    struct store_append append; /* first */
    struct worker_job work;
    struct loop_task back; /* from the store */
    struct loop_task *told;
    struct loop *loop;
    struct session_services *services;
    int64_t session;
    bool is_away;  /* with a worker or the store */
    bool is_freed; /* by the session: it frees itself when it comes back */

    struct imap_context *context; /* while it is not freed */
    enum step step;
    struct arena arena;
    struct bytes name; /* in the arena */
    int64_t account;
    struct store_mailbox found; /* by the worker; so are the next three */
    bool is_found;
    bool was_sought;
    struct store_quota quota;
    struct fault work_fault;

    struct appended *messages;
    struct store_append_message *rows; /* of the same messages, for the job */
    size_t count;
    size_t capacity;
    size_t file_count;
    uint64_t size; /* as announced, of all */
    struct message_parser *parser;
    struct fault fault; /* why it will be refused at its end; NONE = it will not */
};

/* ---- life ---- */

static void come_back(struct imap_appending *appending);

static void come_back_worked(struct loop_task *task)
{
    come_back((struct imap_appending *)((char *)task - offsetof(struct imap_appending, work.done)));
}

static void come_back_written(struct loop_task *task)
{
    come_back((struct imap_appending *)((char *)task - offsetof(struct imap_appending, back)));
}

struct imap_appending *imap_appending_new(struct imap_context *context, struct fault *fault)
{
    struct imap_appending *appending = calloc(1, sizeof *appending);
    if (appending == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    appending->context = context;
    appending->told = context->told;
    appending->loop = context->identity->loop;
    appending->services = context->services;
    appending->session = context->identity->id;
    appending->account = context->account->id;
    appending->back.run = come_back_written;
    arena_init(&appending->arena, NAMES_MAX);
    return appending;
}

static void drop_messages(struct imap_appending *appending)
{
    for (size_t i = 0; i < appending->count; i++) {
        store_draft_free(appending->messages[i].draft);
        free(appending->messages[i].notes);
    }
    appending->count = 0;
    message_parser_free(appending->parser);
    appending->parser = NULL;
}

static void free_now(struct imap_appending *appending)
{
    drop_messages(appending);
    free(appending->messages);
    free(appending->rows);
    arena_clear(&appending->arena);
    free(appending);
}

void imap_appending_free(struct imap_appending *appending)
{
    if (appending == NULL)
        return;
    appending->is_freed = true;
    if (!appending->is_away)
        free_now(appending);
}

static void come_back(struct imap_appending *appending)
{
    appending->is_away = false;
    if (appending->is_freed)
        free_now(appending);
    else
        appending->told->run(appending->told);
}

/* The rest of what comes is read and forgotten. */
static void fail(struct imap_appending *appending, const struct fault *fault, int64_t now)
{
    drop_messages(appending);
    appending->fault = *fault;
    if (fault->kind == FAULT_TEMPORARY || fault->kind == FAULT_BUG)
        session_services_tell_trouble(appending->services, SESSION_TROUBLE_DRAFT,
                                      appending->session, fault, now);
}

static enum imap_progress ask_worker(struct imap_appending *appending, enum step step,
                                     void (*run)(struct worker_job *job, void *context))
{
    appending->work =
        (struct worker_job){.run = run, .done = {.run = come_back_worked}, .loop = appending->loop};
    appending->step = step;
    appending->is_away = true;
    worker_submit(appending->services->workers, &appending->work);
    return IMAP_WAITS;
}

/* ---- the announcement ---- */

static bool make_room(struct imap_appending *appending, struct fault *fault)
{
    if (appending->count < appending->capacity)
        return true;
    size_t wanted = appending->capacity == 0 ? FIRST_CAPACITY : appending->capacity * 2;
    void *messages = reallocarray(appending->messages, wanted, sizeof *appending->messages);
    if (messages == NULL)
        return fault_set_memory(fault);
    appending->messages = messages;
    void *rows = reallocarray(appending->rows, wanted, sizeof *appending->rows);
    if (rows == NULL)
        return fault_set_memory(fault);
    appending->rows = rows;
    appending->capacity = wanted;
    return true;
}

static bool copy_text(struct imap_appending *appending, struct bytes text, struct bytes *copy)
{
    *copy = bytes_of(arena_copy_string(&appending->arena, text), text.length);
    return copy->data != NULL;
}

static bool copy_keywords(struct imap_appending *appending, const struct imap_flags *flags,
                          struct store_append_message *row)
{
    struct bytes *copies =
        arena_allocate_array(&appending->arena, flags->keyword_count, sizeof *copies);
    if (copies == NULL)
        return false;
    for (size_t i = 0; i < flags->keyword_count; i++)
        if (!copy_text(appending, flags->keywords[i], &copies[i]))
            return false;
    row->keywords = copies;
    row->keyword_count = flags->keyword_count;
    return true;
}

static bool add_message(struct imap_appending *appending, const struct imap_append *announced,
                        struct fault *fault)
{
    if (!make_room(appending, fault))
        return false;
    struct appended *message = &appending->messages[appending->count];
    struct store_append_message *row = &appending->rows[appending->count];
    *message = (struct appended){.is_binary = announced->is_binary};
    *row = (struct store_append_message){
        .flags = announced->flags.system,
        .received = announced->has_date ? announced->date : clock_wall_microseconds(),
    };
    if (!copy_keywords(appending, &announced->flags, row))
        return fault_set_memory(fault);
    if (appending->parser == NULL)
        appending->parser = message_parser_new(fault);
    else
        message_parser_reset(appending->parser);
    if (appending->parser == NULL)
        return false;
    message->draft = store_draft_new(appending->services->store, fault);
    if (message->draft == NULL)
        return false;
    appending->count++;
    return true;
}

/* A worker's. */
static void find(struct worker_job *job, void *context)
{
    struct imap_appending *appending =
        (struct imap_appending *)((char *)job - offsetof(struct imap_appending, work));
    if (context == NULL)
        fault_set(&appending->work_fault, FAULT_TEMPORARY, "the store cannot be reached");
    else if (store_mailbox_find(context, appending->account, appending->name, false,
                                &appending->found, &appending->is_found, &appending->work_fault))
        store_quota_read(context, appending->account, &appending->quota, &appending->work_fault);
}

static enum imap_progress refuse_mailbox(struct imap_result *result)
{
    /* RFC 9051 6.3.12: it could be made. */
    return imap_result_set(result, IMAP_NO, "TRYCREATE", "There is no such mailbox");
}

static enum imap_progress refuse_quota(struct imap_result *result)
{
    /* RFC 9208 4.3.1 */
    return imap_result_set(result, IMAP_NO, "OVERQUOTA", "There is no room for the message");
}

/* Before the client sends it. What is kept meanwhile is seen by the job. */
static bool has_room(const struct imap_appending *appending)
{
    const struct store_quota *quota = &appending->quota;
    if (quota->limit_messages > 0 &&
        quota->used_messages + (int64_t)appending->count > quota->limit_messages)
        return false;
    return quota->limit_bytes <= 0 ||
           (quota->used_bytes <= quota->limit_bytes &&
            appending->size <= (uint64_t)(quota->limit_bytes - quota->used_bytes));
}

static enum imap_progress let_in(struct imap_appending *appending, struct imap_result *result)
{
    if (!has_room(appending))
        return refuse_quota(result);
    return imap_result_set(result, IMAP_OK, NULL, "Completed");
}

static enum imap_progress hear_found(struct imap_appending *appending, struct imap_result *result)
{
    if (appending->work_fault.kind != FAULT_NONE)
        return imap_result_fault(result, appending->context, SESSION_TROUBLE_READ,
                                 &appending->work_fault);
    if (!appending->is_found || !appending->found.is_selectable)
        return refuse_mailbox(result);
    return let_in(appending, result);
}

enum imap_progress imap_appending_begin(struct imap_appending *appending,
                                        const struct imap_server_event *event,
                                        struct imap_result *result, int64_t now)
{
    struct fault fault = {0};
    (void)now;
    appending->size += event->append->size;
    /* One of those before was not taken in, and it is all or none. */
    if (appending->fault.kind != FAULT_NONE)
        return imap_result_set(result, IMAP_OK, NULL, "Completed");
    if (!add_message(appending, event->append, &fault))
        return imap_result_fault(result, appending->context, SESSION_TROUBLE_MEMORY, &fault);
    if (event->index == 0 && !copy_text(appending, event->command->mailbox, &appending->name)) {
        fault_set_memory(&fault);
        return imap_result_fault(result, appending->context, SESSION_TROUBLE_MEMORY, &fault);
    }
    if (appending->was_sought)
        return let_in(appending, result);
    /* What comes unasked, and is small, is kept and refused by one job. */
    if (!event->append->is_waiting && appending->size <= UNKNOWN_MAX)
        return imap_result_set(result, IMAP_OK, NULL, "Completed");
    appending->was_sought = true;
    return ask_worker(appending, FINDS, find);
}

/* ---- the bytes ---- */

static struct appended *last_message(struct imap_appending *appending)
{
    return &appending->messages[appending->count - 1];
}

/* A worker's. */
static void spill(struct worker_job *job, void *context)
{
    struct imap_appending *appending =
        (struct imap_appending *)((char *)job - offsetof(struct imap_appending, work));
    (void)context;
    store_draft_spill(last_message(appending)->draft, &appending->work_fault);
}

static enum imap_progress spill_if_full(struct imap_appending *appending, int64_t now)
{
    struct appended *message = last_message(appending);
    if (!store_draft_is_full(message->draft))
        return IMAP_DONE;
    if (!message->is_spilled && appending->file_count == FILES_MAX) {
        struct fault fault;
        fault_set(&fault, FAULT_LIMIT, "too many large messages in one command");
        fail(appending, &fault, now);
        return IMAP_DONE;
    }
    appending->file_count += !message->is_spilled;
    message->is_spilled = true;
    return ask_worker(appending, SPILLS, spill);
}

static enum imap_progress hear_spilled(struct imap_appending *appending, int64_t now)
{
    if (appending->work_fault.kind != FAULT_NONE)
        fail(appending, &appending->work_fault, now);
    return IMAP_DONE;
}

static bool keep_bytes(struct imap_appending *appending, struct bytes piece, struct fault *fault)
{
    struct store_draft *draft = last_message(appending)->draft;
    return message_parser_feed(appending->parser, piece, fault) &&
           store_draft_note(draft, message_parser_memory(appending->parser), fault) &&
           store_draft_append(draft, piece, fault);
}

/* How many bytes come before the first LF without its CR; all if there is none. */
static size_t before_bare_line_feed(struct bytes piece, bool ends_cr)
{
    for (size_t at = 0; at < piece.length; at++) {
        const char *found = memchr(piece.data + at, '\n', piece.length - at);
        if (found == NULL)
            break;
        at = (size_t)(found - piece.data);
        if (at == 0 ? !ends_cr : found[-1] != '\r')
            return at;
    }
    return piece.length;
}

/* RFC 5322 2.3: lines end with CRLF. Programs that hold their messages with the
   line ends of their system send LF, and sizes and signatures are reckoned with CRLF by all. */
static bool take_piece(struct imap_appending *appending, struct bytes piece, struct fault *fault)
{
    struct appended *message = last_message(appending);
    if (message->is_binary)
        return keep_bytes(appending, piece, fault);
    while (piece.length > 0) {
        size_t length = before_bare_line_feed(piece, message->ends_cr);
        if (length > 0 && !keep_bytes(appending, bytes_of(piece.data, length), fault))
            return false;
        if (length == piece.length) {
            message->ends_cr = piece.data[length - 1] == '\r';
            break;
        }
        if (!keep_bytes(appending, BYTES("\r\n"), fault))
            return false;
        message->ends_cr = false;
        piece = bytes_of(piece.data + length + 1, piece.length - length - 1);
    }
    return true;
}

static struct bytes move_notes(char **memory, struct bytes notes)
{
    char *start = *memory;
    if (notes.length > 0)
        memcpy(start, notes.data, notes.length);
    *memory += notes.length;
    return bytes_of(start, notes.length);
}

/* The parser is needed for the next message: what it found is kept apart. */
static bool end_message(struct imap_appending *appending, struct fault *fault)
{
    struct appended *message = last_message(appending);
    struct message_parsed *parsed = &message->parsed;
    if (!message_parser_finish(appending->parser, parsed, fault))
        return false;
    size_t size = parsed->header.length + parsed->envelope.length + parsed->structure.length;
    char *memory = message->notes = malloc(size + 1);
    if (memory == NULL)
        return fault_set_memory(fault);
    parsed->header = move_notes(&memory, parsed->header);
    parsed->envelope = move_notes(&memory, parsed->envelope);
    parsed->structure = move_notes(&memory, parsed->structure);
    return store_draft_note(message->draft, size, fault);
}

enum imap_progress imap_appending_piece(struct imap_appending *appending, struct bytes piece,
                                        bool is_end, int64_t now)
{
    struct fault fault = {0};
    if (appending->fault.kind != FAULT_NONE)
        return IMAP_DONE;
    if (!(is_end ? end_message(appending, &fault) : take_piece(appending, piece, &fault))) {
        fail(appending, &fault, now);
        return IMAP_DONE;
    }
    return is_end ? IMAP_DONE : spill_if_full(appending, now);
}

/* ---- keeping ---- */

/* On a thread of the store. */
static void hear_done(struct store_job *job)
{
    struct imap_appending *appending = (struct imap_appending *)job;
    loop_post(appending->loop, &appending->back);
}

/* RFC 4315 3 */
static enum imap_progress finish(const struct store_append *append, struct imap_result *result)
{
    struct buffer *code = &result->code;
    imap_result_set(result, IMAP_OK, "APPENDUID ", "APPEND completed");
    imap_write_number(code, append->uidvalidity);
    buffer_append_char(code, ' ');
    imap_write_number(code, append->first_uid);
    if (append->count > 1) {
        buffer_append_char(code, ':');
        imap_write_number(code, append->first_uid + append->count - 1);
    }
    return IMAP_DONE;
}

static enum imap_progress hear_committed(struct imap_appending *appending,
                                         struct imap_result *result)
{
    const struct store_append *append = &appending->append;
    if (append->job.is_done && append->is_missing)
        return refuse_mailbox(result);
    if (append->job.is_done)
        return finish(append, result);
    if (append->job.fault.kind == FAULT_PERMANENT)
        return refuse_mailbox(result);
    if (append->job.fault.kind == FAULT_LIMIT && append->is_over_quota)
        return refuse_quota(result);
    return imap_result_fault(result, appending->context, SESSION_TROUBLE_WRITE, &append->job.fault);
}

enum imap_progress imap_appending_finish(struct imap_appending *appending,
                                         struct imap_result *result, int64_t now)
{
    (void)now;
    /* It was logged already. */
    if (appending->fault.kind == FAULT_LIMIT)
        return imap_result_set(result, IMAP_NO, "LIMIT", "That is more than is taken at once");
    if (appending->fault.kind != FAULT_NONE)
        return imap_result_set(result, IMAP_NO, "UNAVAILABLE", "Not possible now, try again later");
    for (size_t i = 0; i < appending->count; i++) {
        appending->rows[i].draft = appending->messages[i].draft;
        appending->rows[i].parsed = &appending->messages[i].parsed;
    }
    appending->append = (struct store_append){
        .job.done = hear_done,
        .store = appending->services->store,
        .account = appending->account,
        .name = appending->was_sought ? BYTES("") : appending->name,
        .mailbox = appending->found.id,
        .messages = appending->rows,
        .count = appending->count,
        .now = clock_wall_microseconds(),
    };
    appending->step = COMMITS;
    appending->is_away = true;
    store_append_submit(&appending->append);
    return IMAP_WAITS;
}

enum imap_progress imap_appending_go_on(struct imap_appending *appending,
                                        struct imap_result *result, int64_t now)
{
    switch (appending->step) {
    case FINDS:
        return hear_found(appending, result);
    case SPILLS:
        return hear_spilled(appending, now);
    case COMMITS:
        break;
    }
    return hear_committed(appending, result);
}
