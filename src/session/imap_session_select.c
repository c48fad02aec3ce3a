/* SELECT and EXAMINE: what they tell, and what a client that was away has missed (QRESYNC). */
#include "session/imap_session_inside.h"

#include <stdlib.h>

#include "imap/imap_write.h"
#include "store/store_delivery.h"

void imap_session_select_none(struct imap_session *session)
{
    imap_selection_free(session->context.selection);
    session->context.selection = NULL;
}

static bool wants_resync(const struct imap_session *session)
{
    return session->command->select.has_qresync &&
           (imap_server_enabled(session->engine) & IMAP_ENABLED_QRESYNC) != 0;
}

void imap_session_select_begin(struct imap_session *session, int64_t now)
{
    struct fault fault;
    const struct imap_command *command = session->command;
    if (session->context.selection != NULL) {
        /* RFC 9051 7.1, CLOSED: what comes behind it is about the other mailbox. */
        buffer_append(imap_server_text(session->engine),
                      BYTES("* OK [CLOSED] The mailbox before is closed\r\n"));
        imap_session_select_none(session);
    }
    session->enabled = imap_server_enabled(session->engine);
    session->context.selection =
        imap_selection_new(&session->context, command->mailbox, command->verb == IMAP_EXAMINE,
                           wants_resync(session), &session->told, &session->news, &fault);
    if (session->context.selection == NULL) {
        imap_result_fault(&session->result, &session->context, SESSION_TROUBLE_MEMORY, &fault);
        imap_session_command_finish(session, now);
        return;
    }
    session->step = IMAP_SESSION_SELECTS;
    session->is_waiting = true;
}

/* ---- what SELECT tells ---- */

static void write_code(struct buffer *out, const char *name, uint64_t value, const char *text)
{
    buffer_append(out, BYTES("* OK ["));
    buffer_append_string(out, name);
    buffer_append_char(out, ' ');
    imap_write_number(out, value);
    buffer_append(out, BYTES("] "));
    buffer_append_string(out, text);
    buffer_append(out, BYTES("\r\n"));
}

static void write_count(struct buffer *out, uint64_t count, const char *name)
{
    buffer_append(out, BYTES("* "));
    imap_write_number(out, count);
    buffer_append_char(out, ' ');
    buffer_append_string(out, name);
    buffer_append(out, BYTES("\r\n"));
}

/* The number of the first message that is not \Seen; 0 = none, or not known. */
static size_t first_unseen(struct imap_selection *selection)
{
    const struct imap_view *view = imap_selection_view(selection);
    if (!imap_selection_is_loaded(selection) || imap_selection_opened(selection)->unseen == 0)
        return 0;
    for (size_t i = 0; i < view->told; i++)
        if ((view->messages[i].flags & STORE_FLAG_SEEN) == 0)
            return i + 1;
    return 0;
}

/* RFC 3501 6.3.1 and what IMAP4rev1 has more than RFC 9051. */
static void write_rev1(struct imap_selection *selection, struct buffer *out)
{
    size_t unseen = first_unseen(selection);
    write_count(out, imap_selection_recent(selection), "RECENT");
    if (unseen > 0)
        write_code(out, "UNSEEN", unseen, "The first that is unseen");
}

static void write_selected(struct imap_session *session)
{
    struct imap_selection *selection = session->context.selection;
    const struct store_mailbox *mailbox = imap_selection_opened(selection);
    struct imap_view *view = imap_selection_view(selection);
    struct buffer *out = imap_server_text(session->engine);
    imap_view_tell_flags(view, imap_selection_is_read_only(selection), out);
    view->has_untold_keywords = false;
    write_count(out, mailbox->messages, "EXISTS");
    if (!imap_context_is_rev2(&session->context))
        write_rev1(selection, out);
    write_code(out, "UIDVALIDITY", mailbox->uidvalidity, "UIDs are valid");
    write_code(out, "UIDNEXT", mailbox->uidnext, "The next UID");
    write_code(out, "HIGHESTMODSEQ", mailbox->modseq, "The highest modseq");
    buffer_append(out, BYTES("* OK [MAILBOXID ("));
    imap_write_object_id(out, 'F', mailbox->id);
    buffer_append(out, BYTES(")] The mailbox's id\r\n"));
    if (!imap_context_is_rev2(&session->context))
        return;
    /* RFC 9051 6.3.2. */
    buffer_append(out, BYTES("* LIST () \"/\" "));
    imap_write_mailbox(out, session->command->mailbox, true);
    imap_mailboxes_write_old_name(out, session->command->supplied);
    buffer_append(out, BYTES("\r\n"));
}

static bool finish_selected(struct imap_session *session, int64_t now)
{
    bool is_read_only = imap_selection_is_read_only(session->context.selection);
    imap_result_set(&session->result, IMAP_OK, is_read_only ? "READ-ONLY" : "READ-WRITE",
                    is_read_only ? "Examined" : "Selected");
    imap_session_command_finish(session, now);
    return true;
}

/* ---- QRESYNC ---- */

/* False: the client knows another mailbox by this name. */
static bool begin_resync(struct imap_session *session, struct fault *fault)
{
    const struct imap_select *select = &session->command->select;
    struct imap_selection_vanished *asked = calloc(1, sizeof *asked);
    struct store_uid_range *within = calloc(select->known_uids.count + 1, sizeof *within);
    struct imap_range *known = calloc(select->known_uids.count + 1, sizeof *known);
    if (asked == NULL || within == NULL || known == NULL) {
        free(asked);
        free(within);
        free(known);
        return fault_set_memory(fault);
    }
    asked->since = select->modseq;
    asked->within = within;
    asked->within_count =
        imap_sequence_order(select->known_uids.ranges, select->known_uids.count, 0, known);
    for (size_t i = 0; i < asked->within_count; i++)
        within[i] = (struct store_uid_range){known[i].first, known[i].last};
    free(known);
    imap_selection_read_vanished(session->context.selection, asked);
    session->step = IMAP_SESSION_RESYNCS;
    session->is_waiting = true;
    return true;
}

/* RFC 7162 3.2.10.1, and 3.2.5.2: what the client shows to know is left out. What the view has is
   not told: a message that went only now is told when the others are. */
static void write_vanished(struct imap_session *session)
{
    struct imap_selection *selection = session->context.selection;
    const struct store_vanished *vanished = &imap_selection_vanished(selection)->vanished;
    const struct imap_view *view = imap_selection_view(selection);
    const struct imap_select *select = &session->command->select;
    uint32_t matched = imap_view_match(view, &select->match_numbers, &select->match_uids);
    struct buffer *out = imap_server_text(session->engine);
    size_t start = out->length;
    struct imap_sequence_writer writer;
    buffer_append(out, BYTES("* VANISHED (EARLIER) "));
    size_t empty = out->length;
    imap_sequence_begin(&writer, out);
    for (size_t i = 0; i < vanished->count; i++) {
        const struct store_uid_range *range = &vanished->ranges[i];
        uint64_t uid = range->first > matched ? range->first : (uint64_t)matched + 1;
        size_t at = imap_view_find(view, (uint32_t)uid);
        for (; uid <= range->last && uid < view->uidnext; uid++) {
            if (at < view->count && view->messages[at].uid == uid)
                at++;
            else
                imap_sequence_add(&writer, (uint32_t)uid);
        }
    }
    imap_sequence_end(&writer);
    if (out->length == empty)
        buffer_truncate(out, start);
    else
        buffer_append(out, BYTES("\r\n"));
}

static bool is_known(const struct imap_selection_vanished *asked, uint32_t uid)
{
    size_t low = 0;
    size_t high = asked->within_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (asked->within[middle].last < uid)
            low = middle + 1;
        else
            high = middle;
    }
    return asked->within_count == 0 ||
           (low < asked->within_count && asked->within[low].first <= uid);
}

static bool show_changed(struct imap_session *session, int64_t now)
{
    struct imap_selection *selection = session->context.selection;
    const struct imap_selection_vanished *asked = imap_selection_vanished(selection);
    const struct imap_view *view = imap_selection_view(selection);
    const struct imap_view_telling how = {.wants_modseq = true,
                                          .wants_uid = true,
                                          .has_recent = !imap_context_is_rev2(&session->context)};
    struct buffer *out = imap_server_text(session->engine);
    for (; session->shown < view->told; session->shown++) {
        const struct imap_view_message *message = &view->messages[session->shown];
        if (imap_view_modseq_of(view, message) <= asked->since || !is_known(asked, message->uid))
            continue;
        if (out->length >= IMAP_SLICE)
            return false;
        imap_view_tell_message(view, session->shown, true, &how, out);
    }
    return finish_selected(session, now);
}

/* ---- steps ---- */

static bool fail_selecting(struct imap_session *session, int64_t now)
{
    struct imap_selection *selection = session->context.selection;
    if (imap_selection_status(selection) == IMAP_SELECTION_FAILED)
        imap_result_fault(&session->result, &session->context, SESSION_TROUBLE_READ,
                          imap_selection_fault(selection));
    else
        imap_result_set(&session->result, IMAP_NO, "NONEXISTENT", "No such mailbox");
    imap_session_select_none(session);
    imap_session_command_finish(session, now);
    return true;
}

bool imap_session_select_go_on(struct imap_session *session, int64_t now)
{
    struct fault fault;
    struct imap_selection *selection = session->context.selection;
    if (imap_selection_status(selection) != IMAP_SELECTION_READY)
        return fail_selecting(session, now);
    switch (session->step) {
    case IMAP_SESSION_SELECTS:
        write_selected(session);
        if (!wants_resync(session) ||
            session->command->select.uidvalidity != imap_selection_opened(selection)->uidvalidity)
            return finish_selected(session, now);
        if (begin_resync(session, &fault))
            return true;
        imap_result_fault(&session->result, &session->context, SESSION_TROUBLE_MEMORY, &fault);
        imap_session_select_none(session);
        imap_session_command_finish(session, now);
        return true;
    case IMAP_SESSION_RESYNCS:
        write_vanished(session);
        session->shown = 0;
        session->step = IMAP_SESSION_SHOWS;
        return true;
    default:
        return show_changed(session, now);
    }
}
