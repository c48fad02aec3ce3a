/* Life of a command on mailboxes: one reading by a worker or one job, then the answer. The lines of
 * LIST are in imap_mailboxes_list.c. */
#include <stdlib.h>

#include "imap/imap_mailbox_name.h"
#include "imap/imap_write.h"
#include "session/imap_mailboxes_inside.h"
#include "store/store_news.h"
#include "store/store_view.h"

/* ---- life ---- */

static void free_now(struct imap_mailboxes *mailboxes)
{
    store_mailbox_list_clear(&mailboxes->list);
    arena_clear(&mailboxes->arena);
    free(mailboxes);
}

static void come_back(struct imap_mailboxes *mailboxes)
{
    mailboxes->is_away = false;
    if (mailboxes->is_freed)
        free_now(mailboxes);
    else
        mailboxes->told->run(mailboxes->told);
}

static void come_back_written(struct loop_task *task)
{
    come_back((struct imap_mailboxes *)((char *)task - offsetof(struct imap_mailboxes, back)));
}

static void come_back_read(struct loop_task *task)
{
    come_back((struct imap_mailboxes *)((char *)task - offsetof(struct imap_mailboxes, read.done)));
}

/* The job outlives the command. */
static bool copy_name(struct imap_mailboxes *mailboxes, struct bytes name, struct bytes *copy)
{
    *copy = bytes_of(arena_copy_string(&mailboxes->arena, name), name.length);
    return copy->data != NULL;
}

struct imap_mailboxes *imap_mailboxes_new(struct imap_context *context,
                                          const struct imap_command *command, struct fault *fault)
{
    struct imap_mailboxes *mailboxes = calloc(1, sizeof *mailboxes);
    if (mailboxes == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    mailboxes->context = context;
    mailboxes->command = command;
    mailboxes->verb = command->verb;
    mailboxes->told = context->told;
    mailboxes->loop = context->identity->loop;
    mailboxes->services = context->services;
    mailboxes->account = context->account->id;
    mailboxes->back.run = come_back_written;
    arena_init(&mailboxes->arena, IMAP_MAILBOXES_ARENA_MAX);
    if (copy_name(mailboxes, command->mailbox, &mailboxes->name) &&
        copy_name(mailboxes, command->new_name, &mailboxes->new_name))
        return mailboxes;
    free_now(mailboxes);
    fault_set_memory(fault);
    return NULL;
}

void imap_mailboxes_free(struct imap_mailboxes *mailboxes)
{
    if (mailboxes == NULL)
        return;
    mailboxes->is_freed = true;
    if (!mailboxes->is_away)
        free_now(mailboxes);
}

/* ---- reading ---- */

/* RFC 3501 6.3.10: how many nobody was told of, which only their rows tell. */
static bool count_recent(const struct imap_mailboxes *mailboxes, struct db *db,
                         struct store_mailbox *mailbox, struct fault *fault)
{
    if (!mailboxes->wants_recent || mailbox->id == 0)
        return true;
    uint32_t from = store_news_recent(mailboxes->services->store, mailbox->id, mailbox->recent,
                                      mailbox->uidnext, false);
    return from == mailbox->uidnext ||
           store_view_count(db, mailbox->id, from, &mailbox->recent_messages, fault);
}

static bool count_all_recent(struct imap_mailboxes *mailboxes, struct db *db, struct fault *fault)
{
    struct store_mailbox_list *list = &mailboxes->list;
    for (size_t i = 0; mailboxes->wants_recent && i < list->count; i++)
        if (!count_recent(mailboxes, db, &list->items[i], fault))
            return false;
    return true;
}

static bool read_what_is_asked(struct imap_mailboxes *mailboxes, struct db *db)
{
    struct fault *fault = &mailboxes->fault;
    switch (mailboxes->verb) {
    case IMAP_LIST:
    case IMAP_LSUB:
        return store_mailbox_list_read(db, mailboxes->account, &mailboxes->list, fault) &&
               (!mailboxes->wants_deleted_bytes ||
                store_mailbox_list_add_deleted(db, mailboxes->account, &mailboxes->list, fault)) &&
               count_all_recent(mailboxes, db, fault) &&
               imap_mailboxes_list_choose(mailboxes, fault);
    case IMAP_STATUS:
        return store_mailbox_find(db, mailboxes->account, mailboxes->name,
                                  mailboxes->wants_deleted_bytes, &mailboxes->found,
                                  &mailboxes->is_found, fault) &&
               (!mailboxes->is_found || count_recent(mailboxes, db, &mailboxes->found, fault));
    default:
        return store_quota_read(db, mailboxes->account, &mailboxes->quota, fault);
    }
}

static void run_read(struct worker_job *job, void *context)
{
    struct imap_mailboxes *mailboxes =
        (struct imap_mailboxes *)((char *)job - offsetof(struct imap_mailboxes, read));
    if (context == NULL)
        fault_set(&mailboxes->fault, FAULT_TEMPORARY, "the store cannot be reached");
    else
        read_what_is_asked(mailboxes, context);
}

static enum imap_progress ask_worker(struct imap_mailboxes *mailboxes)
{
    mailboxes->step = IMAP_MAILBOXES_READS;
    mailboxes->is_away = true;
    unsigned items = mailboxes->verb == IMAP_STATUS ? mailboxes->command->status
                     : mailboxes->verb == IMAP_LIST ? mailboxes->command->list.status
                                                    : 0;
    mailboxes->wants_deleted_bytes = (items & IMAP_STATUS_DELETED_STORAGE) != 0;
    mailboxes->wants_recent = (items & IMAP_STATUS_RECENT) != 0;
    mailboxes->read = (struct worker_job){
        .run = run_read, .done = {.run = come_back_read}, .loop = mailboxes->loop};
    worker_submit(mailboxes->services->workers, &mailboxes->read);
    return IMAP_WAITS;
}

/* ---- STATUS ---- */

static uint64_t append_limit(const struct imap_mailboxes *mailboxes)
{
    uint64_t limit = session_services_limits(mailboxes->services).imap.append_size;
    return limit == 0 ? IMAP_SERVER_APPEND_MAX : limit;
}

static uint64_t status_number(const struct imap_mailboxes *mailboxes,
                              const struct store_mailbox *mailbox, enum imap_status_item item)
{
    switch (item) {
    case IMAP_STATUS_MESSAGES:
        return mailbox->messages;
    case IMAP_STATUS_RECENT:
        return mailbox->recent_messages;
    case IMAP_STATUS_UIDNEXT:
        return mailbox->uidnext;
    case IMAP_STATUS_UIDVALIDITY:
        return mailbox->uidvalidity;
    case IMAP_STATUS_UNSEEN:
        return mailbox->unseen;
    case IMAP_STATUS_DELETED:
        return mailbox->deleted;
    case IMAP_STATUS_SIZE:
        return mailbox->bytes;
    case IMAP_STATUS_HIGHESTMODSEQ:
        return mailbox->modseq;
    case IMAP_STATUS_APPENDLIMIT:
        return append_limit(mailboxes);
    case IMAP_STATUS_DELETED_STORAGE:
        return mailbox->deleted_bytes;
    case IMAP_STATUS_MAILBOXID:
        break;
    }
    return 0;
}

void imap_mailboxes_write_status(const struct imap_mailboxes *mailboxes,
                                 const struct store_mailbox *mailbox, struct bytes name,
                                 unsigned items, struct buffer *out)
{
    static const struct {
        enum imap_status_item item;
        const char *name;
    } table[] = {
        {IMAP_STATUS_MESSAGES, "MESSAGES"},
        {IMAP_STATUS_RECENT, "RECENT"},
        {IMAP_STATUS_UIDNEXT, "UIDNEXT"},
        {IMAP_STATUS_UIDVALIDITY, "UIDVALIDITY"},
        {IMAP_STATUS_UNSEEN, "UNSEEN"},
        {IMAP_STATUS_DELETED, "DELETED"},
        {IMAP_STATUS_SIZE, "SIZE"},
        {IMAP_STATUS_HIGHESTMODSEQ, "HIGHESTMODSEQ"},
        {IMAP_STATUS_APPENDLIMIT, "APPENDLIMIT"},
        {IMAP_STATUS_MAILBOXID, "MAILBOXID"},
        {IMAP_STATUS_DELETED_STORAGE, "DELETED-STORAGE"},
    };
    const char *separator = "";
    buffer_append_string(out, "* STATUS ");
    imap_write_mailbox(out, name, imap_context_is_rev2(mailboxes->context));
    buffer_append_string(out, " (");
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if ((items & table[i].item) == 0)
            continue;
        buffer_append_string(out, separator);
        buffer_append_string(out, table[i].name);
        buffer_append_char(out, ' ');
        separator = " ";
        if (table[i].item != IMAP_STATUS_MAILBOXID) {
            imap_write_number(out, status_number(mailboxes, mailbox, table[i].item));
            continue;
        }
        buffer_append_char(out, '('); /* RFC 8474 4.3 */
        imap_write_object_id(out, 'F', mailbox->id);
        buffer_append_char(out, ')');
    }
    buffer_append_string(out, ")\r\n");
}

static enum imap_progress answer_status(struct imap_mailboxes *mailboxes,
                                        struct imap_result *result)
{
    if (!mailboxes->is_found)
        return imap_result_set(result, IMAP_NO, "NONEXISTENT", "There is no such mailbox");
    if (!mailboxes->found.is_selectable)
        return imap_result_set(result, IMAP_NO, "NOPERM", "That is only a level above others");
    imap_mailboxes_write_status(mailboxes, &mailboxes->found, mailboxes->name,
                                mailboxes->command->status,
                                imap_server_text(mailboxes->context->engine));
    return imap_result_set(result, IMAP_OK, NULL, "STATUS completed");
}

/* ---- quota: one root, "" (RFC 9208) ---- */

enum {
    QUOTA_UNIT = 1024 /* bytes that STORAGE counts in (RFC 9208 5.1) */
};

static void write_resource(struct buffer *out, const char *separator, const char *name,
                           int64_t used, int64_t limit)
{
    buffer_append_string(out, separator);
    buffer_append_string(out, name);
    buffer_append_char(out, ' ');
    imap_write_number(out, (uint64_t)(used > 0 ? used : 0));
    buffer_append_char(out, ' ');
    imap_write_number(out, (uint64_t)limit);
}

/* What has no limit is not listed. There is at least one (RFC 9208 7, quota-list). */
static void write_quota(const struct store_quota *quota, struct buffer *out)
{
    const char *separator = "";
    buffer_append_string(out, "* QUOTA \"\" (");
    if (quota->limit_bytes > 0) {
        write_resource(out, separator, "STORAGE", (quota->used_bytes + QUOTA_UNIT - 1) / QUOTA_UNIT,
                       quota->limit_bytes / QUOTA_UNIT);
        separator = " ";
    }
    if (quota->limit_messages > 0)
        write_resource(out, separator, "MESSAGE", quota->used_messages, quota->limit_messages);
    buffer_append_string(out, ")\r\n");
}

static enum imap_progress answer_quota(struct imap_mailboxes *mailboxes, struct imap_result *result)
{
    struct buffer *out = imap_server_text(mailboxes->context->engine);
    const struct store_quota *quota = &mailboxes->quota;
    bool is_limited = quota->limit_bytes > 0 || quota->limit_messages > 0;
    if (mailboxes->verb == IMAP_GETQUOTA && !is_limited)
        return imap_result_set(result, IMAP_NO, "NONEXISTENT", "There is no quota");
    if (mailboxes->verb == IMAP_GETQUOTAROOT) {
        /* The mailbox need not be there (RFC 9208 4.1.2). */
        buffer_append_string(out, "* QUOTAROOT ");
        imap_write_mailbox(out, mailboxes->name, imap_context_is_rev2(mailboxes->context));
        buffer_append_string(out, is_limited ? " \"\"\r\n" : "\r\n");
    }
    if (is_limited)
        write_quota(quota, out);
    return imap_result_set(result, IMAP_OK, NULL, "Completed");
}

/* ---- LIST, LSUB ---- */

static enum imap_progress end_list(struct imap_result *result)
{
    return imap_result_set(result, IMAP_OK, NULL, "Completed");
}

static enum imap_progress go_on_listing(struct imap_mailboxes *mailboxes,
                                        struct imap_result *result)
{
    struct imap_server *engine = mailboxes->context->engine;
    while (mailboxes->next < mailboxes->line_count) {
        if (imap_server_is_full(engine))
            return IMAP_FULL;
        imap_mailboxes_list_write(mailboxes, &mailboxes->lines[mailboxes->next++],
                                  imap_server_text(engine));
    }
    return end_list(result);
}

static enum imap_progress begin_listing(struct imap_mailboxes *mailboxes,
                                        struct imap_result *result)
{
    struct fault fault;
    if (!imap_mailboxes_list_prepare(mailboxes, &fault))
        return imap_result_fault(result, mailboxes->context, SESSION_TROUBLE_MEMORY, &fault);
    return ask_worker(mailboxes);
}

/* RFC 9051 6.3.9: an empty name asks what stands between levels. */
static bool asks_for_delimiter(const struct imap_mailboxes *mailboxes)
{
    const struct imap_list *list = &mailboxes->command->list;
    return mailboxes->verb == IMAP_LIST && !list->is_extended && list->pattern_count == 1 &&
           list->patterns[0].length == 0;
}

/* ---- changing ---- */

static void hear_done(struct store_job *job)
{
    struct imap_mailboxes *mailboxes = (struct imap_mailboxes *)job;
    loop_post(mailboxes->loop, &mailboxes->back);
}

static enum store_mailbox_change_kind kind_of(enum imap_verb verb)
{
    switch (verb) {
    case IMAP_DELETE:
        return STORE_MAILBOX_DELETE;
    case IMAP_RENAME:
        return STORE_MAILBOX_RENAME;
    case IMAP_SUBSCRIBE:
        return STORE_MAILBOX_SUBSCRIBE;
    case IMAP_UNSUBSCRIBE:
        return STORE_MAILBOX_UNSUBSCRIBE;
    default:
        return STORE_MAILBOX_CREATE;
    }
}

/* RFC 9051 6.3.4: the delimiter at the end says that names below will follow. */
static struct bytes without_delimiter(struct bytes name)
{
    return name.length > 1 && name.data[name.length - 1] == '/'
               ? bytes_slice(name, 0, name.length - 1)
               : name;
}

/* Fills the change; false: the result is filled. */
static bool prepare(struct imap_mailboxes *mailboxes, struct imap_result *result)
{
    struct store_mailbox_change *change = &mailboxes->change;
    struct fault fault = {0};
    *change = (struct store_mailbox_change){
        .job = {.done = hear_done},
        .store = mailboxes->services->store,
        .kind = kind_of(mailboxes->verb),
        .account = mailboxes->account,
        .name = mailboxes->name,
        .new_name = without_delimiter(mailboxes->new_name),
    };
    struct bytes made = change->new_name;
    if (mailboxes->verb == IMAP_CREATE) {
        unsigned use = mailboxes->command->use;
        made = change->name = without_delimiter(change->name);
        for (unsigned role = STORE_ROLE_DRAFTS; role <= STORE_ROLE_ARCHIVE; role++)
            if (use == 1U << role)
                change->role = (enum store_role)role;
        /* RFC 6154 3: a mailbox has one use here. */
        if (use != 0 && change->role == STORE_ROLE_NONE) {
            imap_result_set(result, IMAP_NO, "USEATTR", "A mailbox has one of the known uses");
            return false;
        }
    }
    bool makes = mailboxes->verb == IMAP_CREATE || mailboxes->verb == IMAP_RENAME ||
                 mailboxes->verb == IMAP_SUBSCRIBE;
    if (mailboxes->verb == IMAP_SUBSCRIBE)
        made = change->name;
    if (!makes || imap_mailbox_name_check(made, &fault))
        return true;
    imap_result_set(result, IMAP_NO, fault.kind == FAULT_LIMIT ? "LIMIT" : "CANNOT",
                    "That cannot be the name of a mailbox");
    return false;
}

static enum imap_progress begin_change(struct imap_mailboxes *mailboxes, struct imap_result *result)
{
    if (!prepare(mailboxes, result))
        return IMAP_DONE;
    mailboxes->step = IMAP_MAILBOXES_WRITES;
    mailboxes->is_away = true;
    store_mailbox_change_submit(&mailboxes->change);
    return IMAP_WAITS;
}

void imap_mailboxes_write_old_name(struct buffer *out, struct bytes supplied)
{
    if (supplied.length == 0)
        return;
    buffer_append_string(out, " (\"OLDNAME\" (");
    imap_write_mailbox(out, supplied, true);
    buffer_append_string(out, "))");
}

/* What became of a name, where it was written in another form than ours or has another now (RFC
   9051 6.3.9.7). INBOX is there again, and nothing is said of it (6.3.6). */
static void tell_old_name(const struct imap_mailboxes *mailboxes)
{
    const struct store_mailbox_change *change = &mailboxes->change;
    struct buffer *out = imap_server_text(mailboxes->context->engine);
    struct bytes supplied = mailboxes->command->supplied;
    bool is_rename = mailboxes->verb == IMAP_RENAME;
    if (!imap_context_is_rev2(mailboxes->context) ||
        (is_rename && bytes_equal(change->name, BYTES("INBOX"))))
        return;
    if (is_rename && supplied.length == 0)
        supplied = change->name;
    if (supplied.length == 0)
        return;
    buffer_append_string(out, mailboxes->verb == IMAP_DELETE ? "* LIST (\\NonExistent) \"/\" "
                                                             : "* LIST () \"/\" ");
    imap_write_mailbox(out, is_rename ? change->new_name : change->name, true);
    imap_mailboxes_write_old_name(out, supplied);
    buffer_append_string(out, "\r\n");
}

static enum imap_progress answer_change(struct imap_mailboxes *mailboxes,
                                        struct imap_result *result)
{
    const struct store_mailbox_change *change = &mailboxes->change;
    if (!change->job.is_done)
        return imap_result_fault(result, mailboxes->context, SESSION_TROUBLE_WRITE,
                                 &change->job.fault);
    switch (change->outcome) {
    case STORE_MAILBOX_DONE:
        break;
    case STORE_MAILBOX_EXISTS:
        return imap_result_set(result, IMAP_NO, "ALREADYEXISTS", "There is such a mailbox");
    case STORE_MAILBOX_NONEXISTENT:
        return imap_result_set(result, IMAP_NO, "NONEXISTENT", "There is no such mailbox");
    case STORE_MAILBOX_HAS_CHILDREN:
        return imap_result_set(result, IMAP_NO, "HASCHILDREN", "There are mailboxes below it");
    case STORE_MAILBOX_CANNOT:
        return imap_result_set(result, IMAP_NO, "CANNOT", "That cannot be done with this mailbox");
    case STORE_MAILBOX_TOO_MANY:
        return imap_result_set(result, IMAP_NO, "LIMIT", "There are too many already");
    case STORE_MAILBOX_USE_TAKEN:
        return imap_result_set(result, IMAP_NO, "USEATTR", "Another mailbox has this use");
    }
    imap_result_set(result, IMAP_OK, NULL, "Completed");
    tell_old_name(mailboxes);
    if (mailboxes->verb == IMAP_CREATE) { /* RFC 8474 4.1 */
        buffer_append_string(&result->code, "MAILBOXID (");
        imap_write_object_id(&result->code, 'F', change->id);
        buffer_append_char(&result->code, ')');
    }
    return IMAP_DONE;
}

/* ---- the course ---- */

static enum imap_progress begin(struct imap_mailboxes *mailboxes, struct imap_result *result)
{
    switch (mailboxes->verb) {
    case IMAP_LIST:
        if (asks_for_delimiter(mailboxes)) {
            buffer_append_string(imap_server_text(mailboxes->context->engine),
                                 "* LIST (\\Noselect) \"/\" \"\"\r\n");
            return end_list(result);
        }
        return begin_listing(mailboxes, result);
    case IMAP_LSUB:
        return begin_listing(mailboxes, result);
    case IMAP_STATUS:
    case IMAP_GETQUOTAROOT:
        return ask_worker(mailboxes);
    case IMAP_GETQUOTA:
        if (mailboxes->command->root.length > 0)
            return imap_result_set(result, IMAP_NO, "NONEXISTENT", "There is no such quota root");
        return ask_worker(mailboxes);
    case IMAP_SETQUOTA: /* RFC 9208 4.1.3: admins set it, by other ways */
        return imap_result_set(result, IMAP_NO, "NOPERM", "Quotas are not set from here");
    default:
        return begin_change(mailboxes, result);
    }
}

static enum imap_progress hear_read(struct imap_mailboxes *mailboxes, struct imap_result *result)
{
    if (mailboxes->fault.kind != FAULT_NONE)
        return imap_result_fault(result, mailboxes->context, SESSION_TROUBLE_READ,
                                 &mailboxes->fault);
    switch (mailboxes->verb) {
    case IMAP_LIST:
    case IMAP_LSUB:
        mailboxes->step = IMAP_MAILBOXES_LISTS;
        return go_on_listing(mailboxes, result);
    case IMAP_STATUS:
        return answer_status(mailboxes, result);
    default:
        return answer_quota(mailboxes, result);
    }
}

enum imap_progress imap_mailboxes_go_on(struct imap_mailboxes *mailboxes,
                                        struct imap_result *result, int64_t now)
{
    (void)now;
    if (mailboxes->is_away)
        return IMAP_WAITS;
    switch (mailboxes->step) {
    case IMAP_MAILBOXES_BEGINS:
        return begin(mailboxes, result);
    case IMAP_MAILBOXES_READS:
        return hear_read(mailboxes, result);
    case IMAP_MAILBOXES_WRITES:
        return answer_change(mailboxes, result);
    case IMAP_MAILBOXES_LISTS:
        return go_on_listing(mailboxes, result);
    }
    return IMAP_DONE;
}
