/* The POP3 server engine: RFC 1939, RFC 2449, RFC 2595, RFC 5034, RFC 6856. Shaped as the SMTP one:
 * bytes and answers go in, events and bytes come out; no socket, clock, store or global.
 *
 * The engine holds no list of messages: it asks, and puts answers into the protocol's form. Replies
 * of pipelined commands gather in the output; while an answer is owed nothing is taken. Where
 * memory runs out the engine closes, and what was said so far stands. */
#ifndef POP3_POP3_SERVER_H
#define POP3_POP3_SERVER_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/fault.h"

enum {
    POP3_SERVER_LINE_MAX = 512,           /* bytes of a command (RFC 2449 4: 255 is the least) */
    POP3_SERVER_RESPONSE_MAX = 65536,     /* bytes of a line in an AUTH exchange */
    POP3_SERVER_COMMANDS_MAX = 1000000,   /* of a session */
    POP3_SERVER_COMMANDS_EARLY_MAX = 100, /* before the login */
    POP3_SERVER_ERRORS_MAX = 20,          /* lines that are no command, or none here */
    POP3_SERVER_AUTH_FAILURES_MAX = 3,
    POP3_SERVER_IDLE_EARLY = 60 * 1000, /* milliseconds before the login */
    POP3_SERVER_IDLE = 600 * 1000,      /* RFC 1939 3: at least 10 minutes */
    POP3_SERVER_SESSION = 24 * 60 * 60 * 1000,
    POP3_SERVER_OUTPUT_FULL = 64 * 1024, /* answers beyond it wait until it is sent */
    POP3_SERVER_PIECE_MAX = 64 * 1024    /* bytes of one piece of a message */
};

/* 0 = the default above. */
struct pop3_server_limits {
    unsigned commands;
    unsigned commands_early;
    unsigned errors;
    unsigned auth_failures;
    int64_t
        idle_early; /* from command to command: bytes of a line that does not end do not count */
    int64_t idle;
    int64_t session;
};

struct pop3_server_options {
    const char *name;       /* ours, in the greeting; borrowed */
    const char *version;    /* for IMPLEMENTATION; borrowed */
    bool has_tls_at_hand;   /* STLS may be offered */
    bool is_implicit_tls;   /* wait for pop3_server_tls_started before the greeting */
    bool allows_clear;      /* USER and PASS without TLS */
    const char *mechanisms; /* SASL in clear; NULL or "" = none; borrowed */
    struct pop3_server_limits limits;
};

struct pop3_server;
struct pop3_server *pop3_server_new(const struct pop3_server_options *options, int64_t now,
                                    struct fault *fault);
void pop3_server_free(struct pop3_server *server); /* wipes; accepts NULL */

enum pop3_server_event_kind {
    POP3_SERVER_TLS_WANTED = 0, /* +OK is in the output; then pop3_server_tls_started */
    POP3_SERVER_LOGIN,          /* USER and PASS; owed: _logged_in or _refuse */
    POP3_SERVER_AUTH,           /* SASL; owed: _challenge, _logged_in or _refuse */
    POP3_SERVER_AUTH_RESPONSE,  /* the same; when it is cancelled nothing is owed: -ERR was said */
    POP3_SERVER_RETR,  /* owed: _begin_message, then _message_piece... _message_end, or _refuse */
    POP3_SERVER_TOP,   /* the same; the engine stops at the wanted line by itself */
    POP3_SERVER_QUIT,  /* from TRANSACTION: owed: _quit_done or _refuse; pop3_server_is_deleted
                          tells what is to be removed. From AUTHORIZATION nothing is owed */
    POP3_SERVER_CLOSED /* the last: quit, or why the engine closes */
};

/* Borrowed until the next feed or next. */
struct pop3_server_event {
    enum pop3_server_event_kind kind;
    struct bytes user;      /* LOGIN */
    struct bytes password;  /* LOGIN; in wiping memory */
    struct bytes mechanism; /* AUTH, upper case */
    struct bytes response;  /* AUTH: initial response, data NULL = none; AUTH_RESPONSE: data NULL =
                               cancelled */
    uint32_t number;        /* RETR, TOP: index of the message, from 0 */
    uint64_t lines;         /* TOP */
    bool is_utf8;           /* UTF8 was said (RFC 6856) */
    const char *reason;     /* CLOSED; static */
};

/* What the maildrop holds; LIST, STAT, UIDL, DELE, RSET are answered from it by the engine.
 * Borrowed until the engine is freed. */
struct pop3_server_message {
    uint64_t size;
    uint32_t uid;
};
struct pop3_server_maildrop {
    const struct pop3_server_message *messages;
    size_t count;
    uint64_t size; /* of all messages */
    uint32_t
        uidvalidity; /* UIDL is "<uidvalidity>.<uid>" in lower-case hexadecimal, 8 digits each */
};

/* Takes bytes from the front; fewer than all while an answer is owed, an event waits or the output
   is full. What comes behind STLS is taken and dropped (RFC 2595 4). */
size_t pop3_server_feed(struct pop3_server *server, struct bytes in, int64_t now);
bool pop3_server_next(struct pop3_server *server, struct pop3_server_event *event);

void pop3_server_challenge(struct pop3_server *server, struct bytes challenge, int64_t now);
/* The maildrop is open and locked. */
void pop3_server_logged_in(struct pop3_server *server, const struct pop3_server_maildrop *maildrop,
                           int64_t now);
/* -ERR with a response code (RFC 2449, RFC 3206) or NULL: "AUTH", "IN-USE", "SYS/TEMP", "SYS/PERM";
   counts as a failed login where it answers one, but for the codes that tell of other troubles. */
void pop3_server_refuse(struct pop3_server *server, const char *code, const char *text,
                        int64_t now);

/* A message: the engine stuffs dots and makes every line end CRLF, so that no content ends it
   early. `size` is how much about comes. While pop3_server_wants_piece is true, bring the next
   piece, at most POP3_SERVER_PIECE_MAX; it turns false when enough waits to be sent
   (back-pressure). A message is open from its begin to its end; TOP ends it by itself when it has
   its lines. _end and _piece are for open messages only. */
void pop3_server_begin_message(struct pop3_server *server, uint64_t size, int64_t now);
bool pop3_server_is_message_open(const struct pop3_server *server);
bool pop3_server_wants_piece(const struct pop3_server *server);
void pop3_server_message_piece(struct pop3_server *server, struct bytes piece, int64_t now);
void pop3_server_message_end(struct pop3_server *server, int64_t now);

/* The messages that DELE marked, by index; at QUIT. */
bool pop3_server_is_deleted(const struct pop3_server *server, uint32_t number);
size_t pop3_server_deleted_count(const struct pop3_server *server);
/* QUIT was carried out: +OK. */
void pop3_server_quit_done(struct pop3_server *server, int64_t now);

/* Somebody else has the maildrop now: the next command is answered with -ERR [SYS/TEMP], and then
   it ends, without QUIT. A message on its way goes out to its end. */
void pop3_server_lock_lost(struct pop3_server *server, int64_t now);

/* TLS stands: everything said before is forgotten (RFC 2595 4). mechanisms: what AUTH offers from
   now on; borrowed until the engine is freed. */
void pop3_server_tls_started(struct pop3_server *server, const char *mechanisms, int64_t now);

/* -ERR [SYS/TEMP] as soon as no answer is owed and no message is on its way, then the end. */
void pop3_server_stop(struct pop3_server *server, int64_t now);

/* Ends it at once: the rest of an open message cannot be had. Nothing is said, so that the peer
   sees that the message has no end. The reason is static. */
void pop3_server_fail(struct pop3_server *server, const char *reason);

struct bytes pop3_server_output(const struct pop3_server *server);
void pop3_server_sent(struct pop3_server *server, size_t count, int64_t now);
/* When pop3_server_tick must be called; 0 = never. Time stands still while an answer is owed. */
int64_t pop3_server_deadline(const struct pop3_server *server);
void pop3_server_tick(struct pop3_server *server, int64_t now);
bool pop3_server_is_answer_owed(const struct pop3_server *server);
/* STLS was agreed to and TLS does not stand yet. */
bool pop3_server_wants_tls(const struct pop3_server *server);
/* Nothing more will be read or told; when the output is sent, close. */
bool pop3_server_is_closed(const struct pop3_server *server);

#endif
