/* What the files of the SMTP server engine share; nobody else includes it. */
#ifndef SMTP_SMTP_SERVER_INSIDE_H
#define SMTP_SMTP_SERVER_INSIDE_H

#include "base/buffer.h"
#include "smtp/smtp_server.h"

enum {
    SMTP_SERVER_OUTPUT_MAX = 1024 * 1024, /* bytes of replies that wait at most */
    SMTP_SERVER_REPLY_LINE_MAX = 512,     /* with CRLF: RFC 5321 4.5.3.1.5 */
    SMTP_SERVER_MECHANISM_MAX = 20,       /* RFC 4422 3.1 */
    SMTP_SERVER_EVENTS_MAX = 4            /* events that one step can tell */
};

/* What the next byte of the peer is. */
enum smtp_server_state {
    SMTP_SERVER_STATE_TLS = 0,    /* in clear and worth nothing: the handshake is awaited */
    SMTP_SERVER_STATE_COMMAND,    /* part of a command line */
    SMTP_SERVER_STATE_RESPONSE,   /* part of a response line of AUTH */
    SMTP_SERVER_STATE_DATA,       /* part of a body behind DATA */
    SMTP_SERVER_STATE_DATA_DROP,  /* the same, of a body that was refused */
    SMTP_SERVER_STATE_CHUNK,      /* one of the bytes that BDAT announced */
    SMTP_SERVER_STATE_CHUNK_DROP, /* the same, of a chunk that was refused */
    SMTP_SERVER_STATE_CLOSED
};

/* How far the client has come: one bit each, so that a verb can say where it is allowed. */
enum smtp_server_phase {
    SMTP_SERVER_PHASE_NEW = 1 << 0,    /* no hello yet */
    SMTP_SERVER_PHASE_READY = 1 << 1,  /* no transaction */
    SMTP_SERVER_PHASE_MAIL = 1 << 2,   /* a sender */
    SMTP_SERVER_PHASE_RCPT = 1 << 3,   /* and a recipient */
    SMTP_SERVER_PHASE_CHUNKS = 1 << 4, /* and a chunk */
    SMTP_SERVER_PHASE_LOST = 1 << 5    /* a chunk was refused: as READY, but more chunks may come */
};

/* Which answer the host owes. */
enum smtp_server_owed {
    SMTP_SERVER_OWED_NOTHING = 0,
    SMTP_SERVER_OWED_AUTH,
    SMTP_SERVER_OWED_MAIL,
    SMTP_SERVER_OWED_RCPT,
    SMTP_SERVER_OWED_END
};

/* Where a body stands: how many bytes of CRLF "." CRLF have been read. */
enum smtp_server_place {
    SMTP_SERVER_IN_LINE = 0,
    SMTP_SERVER_AFTER_CR,
    SMTP_SERVER_LINE_START,
    SMTP_SERVER_AFTER_DOT,
    SMTP_SERVER_AFTER_DOT_CR
};

struct smtp_server {
    struct smtp_server_options options; /* limits filled in */
    char *mechanisms;                   /* what AUTH offers under TLS; NULL in clear */

    enum smtp_server_state state;
    enum smtp_server_phase phase;
    enum smtp_server_owed owed;
    bool is_tls;
    bool is_extended;
    bool is_authenticated;
    bool is_login_final; /* the empty response to the last challenge is awaited */
    bool is_stopping;

    struct buffer line; /* of a line that came in pieces */
    size_t line_length; /* with what was dropped of it */
    bool is_line_too_long;
    bool is_line_after_cr;
    bool is_line_done; /* only still there for the events that borrow from it */

    struct buffer response; /* decoded */
    char mechanism[SMTP_SERVER_MECHANISM_MAX];

    /* the transaction */
    enum smtp_server_body body;
    bool is_utf8;
    unsigned recipients;
    unsigned answers; /* still owed behind the body */
    uint64_t size;    /* bytes of body so far */
    uint64_t chunk;   /* bytes still to come of the chunk */
    bool is_last_chunk;
    bool is_chunk_counted; /* its refusal is an error */
    enum smtp_server_place place;
    size_t column;                           /* bytes of the body's line so far */
    const struct smtp_server_reply *refusal; /* what the refused body is answered with */

    unsigned commands;
    unsigned messages;
    unsigned errors;
    unsigned auth_failures;

    int64_t born;
    int64_t heard; /* the last byte came, or went out */
    int64_t owed_since;
    int64_t delayed_until; /* 0 = not delayed */
    int64_t window_start;  /* of the rate of a body */
    uint64_t window_bytes;

    enum smtp_server_event_kind queue[SMTP_SERVER_EVENTS_MAX];
    unsigned queue_first;
    unsigned queue_count;
    struct smtp_server_event event; /* what the queued one with contents says */
    const char *closed_reason;

    struct buffer output;
    struct bytes last_words; /* behind the output, static: said when there is no memory for more */
};

/* ---- smtp_server.c ---- */

/* The one way from a state to another. */
void smtp_server_enter(struct smtp_server *server, enum smtp_server_state state, int64_t now);

/* Queues an event; what it says stands in server->event. */
void smtp_server_tell(struct smtp_server *server, enum smtp_server_event_kind kind);

/* Asks the host: nothing is taken before it has answered. */
void smtp_server_ask(struct smtp_server *server, enum smtp_server_event_kind kind,
                     enum smtp_server_owed owed, int64_t now);

/* The host has answered. */
void smtp_server_answered(struct smtp_server *server, int64_t now);

/* The transaction is over, or was none. */
void smtp_server_forget_transaction(struct smtp_server *server);

static inline bool smtp_server_is_in_transaction(const struct smtp_server *server)
{
    return (server->phase &
            (SMTP_SERVER_PHASE_MAIL | SMTP_SERVER_PHASE_RCPT | SMTP_SERVER_PHASE_CHUNKS)) != 0;
}

/* The 421 and the end; text NULL = without a word. */
void smtp_server_close(struct smtp_server *server, const char *enhanced, const char *text,
                       const char *reason);
void smtp_server_close_for_memory(struct smtp_server *server);
/* An error of the client, which may be the last. */
void smtp_server_count_error(struct smtp_server *server, int64_t now);

/* ---- smtp_server_reply.c ---- */

void smtp_server_reply_say(struct smtp_server *server, int code, const char *enhanced,
                           const char *text);
/* The same for an error of the client: it is counted, and may be the last. */
void smtp_server_reply_refuse(struct smtp_server *server, const struct smtp_server_reply *reply,
                              int64_t now);
void smtp_server_reply_say_greeting(struct smtp_server *server);
void smtp_server_reply_say_hello(struct smtp_server *server);
/* "334 " and base64. */
void smtp_server_reply_say_challenge(struct smtp_server *server, struct bytes challenge);

/* ---- smtp_server_command.c ---- */

/* A whole command line without its CRLF. */
void smtp_server_command_hear(struct smtp_server *server, struct bytes line, int64_t now);

/* ---- smtp_server_envelope.c ---- */

void smtp_server_envelope_hear_mail(struct smtp_server *server, struct bytes argument, int64_t now);
void smtp_server_envelope_hear_rcpt(struct smtp_server *server, struct bytes argument, int64_t now);
void smtp_server_envelope_hear_data(struct smtp_server *server, struct bytes argument, int64_t now);
void smtp_server_envelope_hear_bdat(struct smtp_server *server, struct bytes argument, int64_t now);

/* ---- smtp_server_body.c ---- */

void smtp_server_body_begin_data(struct smtp_server *server, int64_t now);
/* chunk and is_last_chunk are set. refusal NULL: it is content. */
void smtp_server_body_begin_chunk(struct smtp_server *server,
                                  const struct smtp_server_reply *refusal, int64_t now);
/* Take bytes of a body; return how many. */
size_t smtp_server_body_take_data(struct smtp_server *server, struct bytes in, int64_t now);
size_t smtp_server_body_drop_data(struct smtp_server *server, struct bytes in, int64_t now);
size_t smtp_server_body_take_chunk(struct smtp_server *server, struct bytes in, int64_t now);
size_t smtp_server_body_drop_chunk(struct smtp_server *server, struct bytes in, int64_t now);

/* ---- smtp_server_auth.c ---- */

void smtp_server_auth_hear(struct smtp_server *server, struct bytes argument, int64_t now);
void smtp_server_auth_hear_response(struct smtp_server *server, struct bytes line, bool is_too_long,
                                    int64_t now);
const char *smtp_server_auth_mechanisms(const struct smtp_server *server);
/* The login stands: 235. */
void smtp_server_auth_succeed(struct smtp_server *server, int64_t now);
/* The host refused a login. */
void smtp_server_auth_count_failure(struct smtp_server *server, int64_t now);

#endif
