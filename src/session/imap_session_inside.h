/* The inside of an IMAP session, for its own sources. */
#ifndef SESSION_IMAP_SESSION_INSIDE_H
#define SESSION_IMAP_SESSION_INSIDE_H

#include "session/imap_appending.h"
#include "session/imap_fetching.h"
#include "session/imap_mailboxes.h"
#include "session/imap_messages.h"
#include "session/imap_searching.h"
#include "session/imap_session.h"
#include "session/session_login.h"
#include "session/session_presence.h"
#include "wire/deflate.h"

/* Where the command in hand stands; it goes down this list, and may leave steps out. */
enum imap_session_step {
    IMAP_SESSION_RESTS = 0,   /* no command is in hand */
    IMAP_SESSION_SELECTS,     /* SELECT, EXAMINE: the selection is opened */
    IMAP_SESSION_RESYNCS,     /* QRESYNC: what vanished is read */
    IMAP_SESSION_SHOWS,       /* and what changed is written */
    IMAP_SESSION_LOADS,       /* the view is read, for a command that names messages */
    IMAP_SESSION_WORKS,       /* the family goes on */
    IMAP_SESSION_LOADS_FIRST, /* the view is read, to tell what is new */
    IMAP_SESSION_SYNCS,       /* the view is brought up to date */
    IMAP_SESSION_TELLS        /* and the client told; then the tagged response */
};

/* Who works on the command in hand. */
enum imap_session_family {
    IMAP_SESSION_NO_FAMILY = 0, /* nothing but news to tell */
    IMAP_SESSION_FETCHING,
    IMAP_SESSION_SEARCHING,
    IMAP_SESSION_MAILBOXES,
    IMAP_SESSION_MESSAGES,
    IMAP_SESSION_APPENDING
};

/* What is done of an APPEND, which comes in many events. */
enum imap_session_append {
    IMAP_SESSION_APPEND_BEGINS = 0,
    IMAP_SESSION_APPEND_PIECE,
    IMAP_SESSION_APPEND_FINISHES
};

enum {
    /* COMPRESS: plain bytes of one turn of the loop, each way: neither a few bytes that become a
       thousand times as many commands nor an answer that becomes small must keep others waiting. */
    IMAP_SESSION_LAYER_TURN = 256 * 1024
};

/* The bytes of a session with COMPRESS on, between the carrier and the engine. */
struct imap_session_layer {
    struct deflate *deflate;
    struct buffer in;  /* plain */
    size_t taken;      /* of it by the engine, whose events may still point there */
    struct buffer out; /* compressed, and not yet sent */
    bool has_more;     /* deflate can give more plain bytes without new input */
    int64_t turn;      /* of the loop, when bytes passed last */
    size_t made;       /* plain bytes in that turn */
    size_t packed;     /* plain bytes that were compressed in it */
    bool is_paused;    /* the rest in another turn; the same of the output */
    bool is_output_paused;
};

struct imap_session {
    const struct imap_session_service *service;
    struct session_services *services;
    struct connection *connection;
    struct session_identity identity;
    struct imap_server *engine;
    struct session_tls *tls; /* NULL = in clear */
    char *mechanisms;
    const char *reason; /* why it ended; static */

    struct session_login *login;
    struct loop_task login_told;
    struct store_account *account; /* NULL: nobody has logged in */
    struct session_presence *presence;
    struct loop_task account_gone;

    struct imap_context context; /* has the selection too */
    struct loop_task told;       /* a job of the family or of the selection has come back */
    struct loop_task news;

    enum imap_session_step step;
    const struct imap_command *command; /* in hand; the engine's */
    enum imap_session_family family;
    union {
        struct imap_fetching *fetching;
        struct imap_searching *searching;
        struct imap_mailboxes *mailboxes;
        struct imap_messages *messages;
        struct imap_appending *appending;
    };
    enum imap_session_append append;
    bool is_waiting; /* for `told` */
    bool is_idling;
    bool has_idle_news; /* IDLE: something may have to be told */
    bool has_synced;    /* what is to be told next was read */
    unsigned enabled;   /* as the client was told of it */
    size_t shown;       /* QRESYNC: messages that were looked at */
    struct imap_result result;
    struct imap_session_layer *layer; /* NULL = not compressed */

    int64_t waits_since; /* for a piece of APPEND to be written out */
    uint64_t sent;       /* bytes */
    uint64_t commands;
};

/* All that can be done without waiting. */
void imap_session_go_on(struct imap_session *session, int64_t now);
void imap_session_refuse_memory(struct imap_session *session, const struct fault *fault,
                                int64_t now);

/* imap_session_auth.c */
void imap_session_auth_begin_login(struct imap_session *session,
                                   const struct imap_server_event *event, int64_t now);
void imap_session_auth_begin(struct imap_session *session, const struct imap_server_event *event,
                             int64_t now);
void imap_session_auth_respond(struct imap_session *session, struct bytes response, int64_t now);
void imap_session_auth_tick(struct imap_session *session, int64_t now);
void imap_session_auth_told(struct loop_task *task);
void imap_session_auth_end(struct imap_session *session);
/* The account was removed or disabled. */
void imap_session_auth_gone(struct loop_task *task);

/* imap_session_command.c */
void imap_session_command_begin(struct imap_session *session, const struct imap_command *command,
                                int64_t now);
/* One step; false when something must be waited for. */
bool imap_session_command_step(struct imap_session *session, int64_t now);
/* Ends the command with the result. */
void imap_session_command_finish(struct imap_session *session, int64_t now);
void imap_session_command_drop(struct imap_session *session);
/* The command is done: brings the view up to date, tells the client, and finishes it. */
void imap_session_command_begin_sync(struct imap_session *session);
/* Writes what is new. False: more is to be written when there is room. */
bool imap_session_command_tell(struct imap_session *session, const struct imap_command *command);

/* imap_session_append.c */
void imap_session_append_begin(struct imap_session *session, const struct imap_server_event *event,
                               int64_t now);
void imap_session_append_piece(struct imap_session *session, struct bytes piece, bool is_end,
                               int64_t now);
void imap_session_append_finish(struct imap_session *session, int64_t now);
/* A job of it has come back. */
bool imap_session_append_go_on(struct imap_session *session, int64_t now);

/* imap_session_select.c */
void imap_session_select_begin(struct imap_session *session, int64_t now);
bool imap_session_select_go_on(struct imap_session *session, int64_t now);
void imap_session_select_none(struct imap_session *session);

/* imap_session_idle.c */
void imap_session_idle_begin(struct imap_session *session, int64_t now);
/* News were heard, or the selection has come back. */
void imap_session_idle_go_on(struct imap_session *session, int64_t now);
void imap_session_idle_end(struct imap_session *session, int64_t now);

/* imap_session_compress.c */
/* False: out of memory. */
bool imap_session_compress(struct imap_session *session, int64_t now);
void imap_session_compress_free(struct imap_session_layer *layer);
/* Gives the engine what is plain already, when all of its events are heard. False: it takes
   nothing, or nothing is there. */
bool imap_session_compress_feed_engine(struct imap_session *session, int64_t now);
size_t imap_session_compress_feed(struct imap_session *session, struct bytes in, int64_t now);
struct bytes imap_session_compress_output(struct imap_session *session, int64_t now);

#endif
