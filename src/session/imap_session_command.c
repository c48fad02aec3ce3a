/* The command in hand: who works on it, and what the client is told when it is done. */
#include "session/imap_session_inside.h"

#include "imap/imap_write.h"

/* ---- families ---- */

static enum imap_session_family family_of(enum imap_verb verb)
{
    switch (verb) {
    case IMAP_FETCH:
        return IMAP_SESSION_FETCHING;
    case IMAP_SEARCH:
    case IMAP_SORT:
    case IMAP_THREAD:
        return IMAP_SESSION_SEARCHING;
    case IMAP_STORE:
    case IMAP_COPY:
    case IMAP_MOVE:
    case IMAP_EXPUNGE:
    case IMAP_CLOSE:
        return IMAP_SESSION_MESSAGES;
    case IMAP_CREATE:
    case IMAP_DELETE:
    case IMAP_RENAME:
    case IMAP_SUBSCRIBE:
    case IMAP_UNSUBSCRIBE:
    case IMAP_LIST:
    case IMAP_LSUB:
    case IMAP_STATUS:
    case IMAP_GETQUOTA:
    case IMAP_GETQUOTAROOT:
    case IMAP_SETQUOTA:
        return IMAP_SESSION_MAILBOXES;
    default:
        return IMAP_SESSION_NO_FAMILY;
    }
}

/* False: out of memory. */
static bool make_family(struct imap_session *session, struct fault *fault)
{
    struct imap_context *context = &session->context;
    const struct imap_command *command = session->command;
    switch (session->family) {
    case IMAP_SESSION_FETCHING:
        return (session->fetching = imap_fetching_new(context, command, fault)) != NULL;
    case IMAP_SESSION_SEARCHING:
        return (session->searching = imap_searching_new(context, command, fault)) != NULL;
    case IMAP_SESSION_MAILBOXES:
        return (session->mailboxes = imap_mailboxes_new(context, command, fault)) != NULL;
    case IMAP_SESSION_MESSAGES:
        return (session->messages = imap_messages_new(context, command, fault)) != NULL;
    case IMAP_SESSION_NO_FAMILY:
    case IMAP_SESSION_APPENDING:
        break;
    }
    return true;
}

static enum imap_progress go_on_with_family(struct imap_session *session, int64_t now)
{
    switch (session->family) {
    case IMAP_SESSION_FETCHING:
        return imap_fetching_go_on(session->fetching, &session->result, now);
    case IMAP_SESSION_SEARCHING:
        return imap_searching_go_on(session->searching, &session->result, now);
    case IMAP_SESSION_MAILBOXES:
        return imap_mailboxes_go_on(session->mailboxes, &session->result, now);
    case IMAP_SESSION_MESSAGES:
        return imap_messages_go_on(session->messages, &session->result, now);
    case IMAP_SESSION_NO_FAMILY:
    case IMAP_SESSION_APPENDING:
        break;
    }
    return IMAP_DONE;
}

void imap_session_command_drop(struct imap_session *session)
{
    switch (session->family) {
    case IMAP_SESSION_FETCHING:
        imap_fetching_free(session->fetching);
        break;
    case IMAP_SESSION_SEARCHING:
        imap_searching_free(session->searching);
        break;
    case IMAP_SESSION_MAILBOXES:
        imap_mailboxes_free(session->mailboxes);
        break;
    case IMAP_SESSION_MESSAGES:
        imap_messages_free(session->messages);
        break;
    case IMAP_SESSION_APPENDING:
        imap_appending_free(session->appending);
        break;
    case IMAP_SESSION_NO_FAMILY:
        break;
    }
    session->family = IMAP_SESSION_NO_FAMILY;
    session->fetching = NULL;
}

/* ---- telling ---- */

/* RFC 9051 7.5.1, RFC 5256 3: not while numbers of messages are about. */
static bool allows_expunge(const struct imap_command *command)
{
    if (command == NULL || command->is_uid)
        return true;
    switch (command->verb) {
    case IMAP_FETCH:
    case IMAP_STORE:
    case IMAP_SEARCH:
    case IMAP_SORT:
    case IMAP_THREAD:
        return false;
    default:
        return true;
    }
}

bool imap_session_command_tell(struct imap_session *session, const struct imap_command *command)
{
    struct imap_selection *selection = session->context.selection;
    unsigned enabled = imap_server_enabled(session->engine);
    const struct imap_view_telling how = {
        .allows_expunge = allows_expunge(command),
        .wants_vanished = (enabled & IMAP_ENABLED_QRESYNC) != 0,
        .wants_modseq = (enabled & IMAP_ENABLED_CONDSTORE) != 0,
        .wants_uid = (enabled & IMAP_ENABLED_QRESYNC) != 0 || (command != NULL && command->is_uid),
        .has_recent = (enabled & IMAP_ENABLED_REV2) == 0,
        .is_read_only = imap_selection_is_read_only(selection),
    };
    return !imap_selection_is_loaded(selection) ||
           imap_view_tell(imap_selection_view(selection), &how, imap_server_text(session->engine),
                          IMAP_SLICE);
}

/* RFC 7162 3.1: the first command that wants modseqs is told where the mailbox stands. */
static void tell_condstore(struct imap_session *session)
{
    unsigned enabled = imap_server_enabled(session->engine);
    bool is_new = (enabled & ~session->enabled & IMAP_ENABLED_CONDSTORE) != 0;
    struct imap_selection *selection = session->context.selection;
    session->enabled = enabled;
    if (!is_new || selection == NULL)
        return;
    struct buffer *out = imap_server_text(session->engine);
    uint64_t modseq = imap_selection_is_loaded(selection)
                          ? imap_selection_view(selection)->modseq
                          : imap_selection_opened(selection)->modseq;
    buffer_append(out, BYTES("* OK [HIGHESTMODSEQ "));
    imap_write_number(out, modseq);
    buffer_append(out, BYTES("] Modseqs are told from now on\r\n"));
}

/* ---- steps ---- */

void imap_session_command_finish(struct imap_session *session, int64_t now)
{
    struct imap_result *result = &session->result;
    session->step = IMAP_SESSION_RESTS;
    imap_session_command_drop(session);
    if (buffer_is_failed(&result->code)) {
        result->status = IMAP_NO;
        buffer_reset(&result->code);
        result->text = "The answer is too long";
    }
    imap_server_finish(session->engine, result->status, buffer_bytes(&result->code), result->text,
                       now);
    buffer_clear(&result->code);
    session->command = NULL;
}

/* A mailbox that is no more cannot stay selected (RFC 9051 7.1.5). */
static void end_removed(struct imap_session *session, int64_t now)
{
    imap_server_bye(session->engine, NULL, "The selected mailbox was removed", now);
}

void imap_session_command_begin_sync(struct imap_session *session)
{
    struct imap_selection *selection = session->context.selection;
    session->step = IMAP_SESSION_TELLS;
    if (selection == NULL || !imap_selection_is_behind(selection))
        return;
    bool is_loaded = imap_selection_is_loaded(selection);
    session->step = is_loaded ? IMAP_SESSION_SYNCS : IMAP_SESSION_LOADS_FIRST;
    session->is_waiting = (is_loaded ? imap_selection_sync(selection)
                                     : imap_selection_load(selection)) == IMAP_SELECTION_WAITS;
}

static bool go_on_syncing(struct imap_session *session, int64_t now)
{
    struct imap_selection *selection = session->context.selection;
    enum imap_selection_status status = imap_selection_status(selection);
    if (session->step == IMAP_SESSION_LOADS_FIRST && status == IMAP_SELECTION_READY) {
        session->step = IMAP_SESSION_SYNCS;
        session->is_waiting = imap_selection_sync(selection) == IMAP_SELECTION_WAITS;
        return true;
    }
    session->step = IMAP_SESSION_TELLS;
    if (status == IMAP_SELECTION_GONE)
        end_removed(session, now);
    return true;
}

static bool go_on_telling(struct imap_session *session, int64_t now)
{
    if (session->context.selection != NULL) {
        if (imap_server_is_full(session->engine) ||
            !imap_session_command_tell(session, session->command))
            return false;
    }
    imap_session_command_finish(session, now);
    return true;
}

static void begin_family(struct imap_session *session, int64_t now)
{
    struct fault fault;
    session->step = IMAP_SESSION_WORKS;
    if (make_family(session, &fault))
        return;
    session->family = IMAP_SESSION_NO_FAMILY;
    imap_result_fault(&session->result, &session->context, SESSION_TROUBLE_MEMORY, &fault);
    imap_session_command_finish(session, now);
}

static bool go_on_loading(struct imap_session *session, int64_t now)
{
    struct imap_selection *selection = session->context.selection;
    switch (imap_selection_status(selection)) {
    case IMAP_SELECTION_WAITS:
        return false;
    case IMAP_SELECTION_READY:
        begin_family(session, now);
        return true;
    case IMAP_SELECTION_NONE:
    case IMAP_SELECTION_GONE:
    case IMAP_SELECTION_FAILED:
        break;
    }
    imap_result_fault(&session->result, &session->context, SESSION_TROUBLE_READ,
                      imap_selection_fault(selection));
    session->family = IMAP_SESSION_NO_FAMILY;
    imap_session_command_finish(session, now);
    return true;
}

static bool go_on_working(struct imap_session *session, int64_t now)
{
    switch (go_on_with_family(session, now)) {
    case IMAP_WAITS:
        session->is_waiting = true;
        return false;
    case IMAP_FULL:
        return false;
    case IMAP_DONE:
        break;
    }
    imap_session_command_drop(session);
    if (session->command->verb == IMAP_CLOSE && session->result.status == IMAP_OK) {
        imap_session_select_none(session);
        imap_session_command_finish(session, now);
    } else {
        imap_session_command_begin_sync(session);
    }
    return true;
}

bool imap_session_command_step(struct imap_session *session, int64_t now)
{
    switch (session->step) {
    case IMAP_SESSION_RESTS:
        return true;
    case IMAP_SESSION_SELECTS:
    case IMAP_SESSION_RESYNCS:
    case IMAP_SESSION_SHOWS:
        return imap_session_select_go_on(session, now);
    case IMAP_SESSION_LOADS:
        return go_on_loading(session, now);
    case IMAP_SESSION_WORKS:
        return session->family == IMAP_SESSION_APPENDING ? imap_session_append_go_on(session, now)
                                                         : go_on_working(session, now);
    case IMAP_SESSION_LOADS_FIRST:
    case IMAP_SESSION_SYNCS:
        return go_on_syncing(session, now);
    case IMAP_SESSION_TELLS:
        return go_on_telling(session, now);
    }
    return false;
}

/* ---- beginning ---- */

static bool needs_view(const struct imap_session *session)
{
    if (session->family == IMAP_SESSION_MAILBOXES || session->family == IMAP_SESSION_NO_FAMILY)
        return false;
    const struct imap_selection *selection = session->context.selection;
    if (imap_selection_is_loaded(selection))
        return false;
    return session->command->verb != IMAP_CLOSE || imap_selection_opened(selection)->deleted > 0 ||
           imap_selection_is_behind(selection);
}

void imap_session_command_begin(struct imap_session *session, const struct imap_command *command,
                                int64_t now)
{
    session->commands++;
    session->command = command;
    imap_result_set(&session->result, IMAP_OK, NULL, "Completed");
    if (command->verb == IMAP_SELECT || command->verb == IMAP_EXAMINE) {
        imap_session_select_begin(session, now);
        return;
    }
    tell_condstore(session);
    if (command->verb == IMAP_UNSELECT ||
        (command->verb == IMAP_CLOSE && imap_selection_is_read_only(session->context.selection))) {
        imap_session_select_none(session);
        imap_session_command_finish(session, now);
        return;
    }
    session->family = family_of(command->verb);
    if (session->family == IMAP_SESSION_NO_FAMILY) {
        imap_session_command_begin_sync(session);
    } else if (needs_view(session)) {
        session->step = IMAP_SESSION_LOADS;
        session->is_waiting =
            imap_selection_load(session->context.selection) == IMAP_SELECTION_WAITS;
    } else {
        begin_family(session, now);
    }
}
