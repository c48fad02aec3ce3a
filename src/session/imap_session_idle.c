/* IDLE (RFC 2177, RFC 9051 6.3.13): what happens to the selected mailbox is told as it happens. */
#include "session/imap_session_inside.h"

void imap_session_idle_begin(struct imap_session *session, int64_t now)
{
    struct imap_selection *selection = session->context.selection;
    (void)now;
    session->commands++;
    session->is_idling = true;
    if (selection == NULL)
        return;
    imap_selection_listen(selection, true);
    /* What came before is news too. */
    session->has_idle_news = true;
}

/* Brings the view up to date, then tells; each time it is called one of both. */
void imap_session_idle_go_on(struct imap_session *session, int64_t now)
{
    struct imap_selection *selection = session->context.selection;
    enum imap_selection_status status = IMAP_SELECTION_READY;
    if (!session->has_synced && imap_selection_is_behind(selection)) {
        session->has_synced = imap_selection_is_loaded(selection);
        status =
            session->has_synced ? imap_selection_sync(selection) : imap_selection_load(selection);
    } else {
        status = imap_selection_status(selection);
    }
    switch (status) {
    case IMAP_SELECTION_WAITS:
        session->is_waiting = true;
        return;
    case IMAP_SELECTION_GONE:
        session->has_idle_news = false;
        imap_server_bye(session->engine, NULL, "The selected mailbox was removed", now);
        return;
    case IMAP_SELECTION_READY:
    case IMAP_SELECTION_NONE:
    case IMAP_SELECTION_FAILED:
        break;
    }
    if (!imap_session_command_tell(session, NULL))
        return;
    session->has_synced = false;
    /* What was heard while a worker read is not in what was read. A store that cannot be read is
       not asked again before it says something. */
    session->has_idle_news = status == IMAP_SELECTION_READY && imap_selection_is_behind(selection);
}

void imap_session_idle_end(struct imap_session *session, int64_t now)
{
    (void)now;
    session->is_idling = false;
    session->has_idle_news = false;
    session->command = NULL;
    if (session->context.selection != NULL)
        imap_selection_listen(session->context.selection, false);
    imap_result_set(&session->result, IMAP_OK, NULL, "Idled");
    imap_session_command_begin_sync(session);
}
