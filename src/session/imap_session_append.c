/* APPEND: its messages come in pieces, and nothing more is taken while one is written out. */
#include "session/imap_session_inside.h"

static void begin_waiting(struct imap_session *session, enum imap_session_append append,
                          int64_t now)
{
    session->append = append;
    session->step = IMAP_SESSION_WORKS;
    session->is_waiting = true;
    session->waits_since = now;
}

/* The answer to the announcement of a message. */
static void hear_begun(struct imap_session *session, int64_t now)
{
    session->step = IMAP_SESSION_RESTS;
    if (session->result.status == IMAP_OK)
        imap_server_append_go(session->engine, now);
    else
        imap_session_command_begin_sync(session);
}

static void hear_finished(struct imap_session *session)
{
    imap_session_command_drop(session);
    imap_session_command_begin_sync(session);
}

void imap_session_append_begin(struct imap_session *session, const struct imap_server_event *event,
                               int64_t now)
{
    struct fault fault;
    session->command = NULL;
    imap_result_set(&session->result, IMAP_OK, NULL, "Completed");
    if (event->index == 0) {
        session->commands++;
        imap_session_command_drop(session);
        session->appending = imap_appending_new(&session->context, &fault);
        if (session->appending == NULL) {
            imap_session_refuse_memory(session, &fault, now);
            return;
        }
        session->family = IMAP_SESSION_APPENDING;
    }
    if (imap_appending_begin(session->appending, event, &session->result, now) == IMAP_WAITS)
        begin_waiting(session, IMAP_SESSION_APPEND_BEGINS, now);
    else
        hear_begun(session, now);
}

void imap_session_append_piece(struct imap_session *session, struct bytes piece, bool is_end,
                               int64_t now)
{
    if (imap_appending_piece(session->appending, piece, is_end, now) == IMAP_WAITS)
        begin_waiting(session, IMAP_SESSION_APPEND_PIECE, now);
}

void imap_session_append_finish(struct imap_session *session, int64_t now)
{
    if (imap_appending_finish(session->appending, &session->result, now) == IMAP_WAITS)
        begin_waiting(session, IMAP_SESSION_APPEND_FINISHES, now);
    else
        hear_finished(session);
}

bool imap_session_append_go_on(struct imap_session *session, int64_t now)
{
    if (imap_appending_go_on(session->appending, &session->result, now) == IMAP_WAITS) {
        session->is_waiting = true;
        return false;
    }
    switch (session->append) {
    case IMAP_SESSION_APPEND_BEGINS:
        hear_begun(session, now);
        break;
    case IMAP_SESSION_APPEND_PIECE:
        session->step = IMAP_SESSION_RESTS;
        imap_server_waited(session->engine, session->waits_since, now);
        break;
    case IMAP_SESSION_APPEND_FINISHES:
        hear_finished(session);
        break;
    }
    return true;
}
