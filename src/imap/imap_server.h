/* The IMAP server engine: RFC 9051, RFC 3501, RFC 7888 (literals), RFC 2177 (IDLE), RFC 5161
 * (ENABLE), RFC 4959 (SASL-IR), RFC 4978 (COMPRESS), RFC 2971 (ID). Shaped as the others: bytes and
 * answers go in, events and bytes come out; no socket, clock, store or global.
 *
 * It knows the states, cuts commands out of the stream with their literals, answers by itself what
 * needs no host (CAPABILITY, ID, NAMESPACE, ENABLE, LOGOUT, what is wrong or not allowed now), and
 * gives the others to the host one at a time. While a command is in the host's hands nothing is
 * taken. The host writes untagged responses into imap_server_text with the functions of
 * imap_write.h and ends the command with imap_server_finish. */
#ifndef IMAP_IMAP_SERVER_H
#define IMAP_IMAP_SERVER_H

#include <stdint.h>

#include "base/buffer.h"
#include "imap/imap_command.h"

enum {
    IMAP_SERVER_LINE_EARLY_MAX = 8 * 1024,  /* bytes of a command before the login, literals too */
    IMAP_SERVER_LINE_MAX = 64 * 1024,       /* bytes of a command outside of literals */
    IMAP_SERVER_LITERAL_MAX = 100 * 1024,   /* of one literal that is not a message */
    IMAP_SERVER_LITERALS_MAX = 1024 * 1024, /* of all literals of a command */
    IMAP_SERVER_LITERAL_COUNT_MAX = 1000,
    IMAP_SERVER_LITERAL_PLUS_MAX = 4096,       /* LITERAL- (RFC 7888 4): before the login */
    IMAP_SERVER_RESPONSE_MAX = 65536,          /* bytes of a line in an AUTHENTICATE exchange */
    IMAP_SERVER_APPEND_MAX = 50 * 1024 * 1024, /* bytes of a message */
    IMAP_SERVER_APPEND_COUNT_MAX = 1000,       /* messages of one APPEND */
    IMAP_SERVER_COMMANDS_EARLY_MAX = 100,      /* before the login */
    IMAP_SERVER_ERRORS_MAX = 20,               /* BAD in a row of no good command */
    IMAP_SERVER_AUTH_FAILURES_MAX = 3,
    IMAP_SERVER_QUIET_EARLY = 60 * 1000, /* milliseconds before the login */
    IMAP_SERVER_QUIET = 30 * 60 * 1000,  /* RFC 9051 5.4: at least 30 minutes; IDLE too */
    IMAP_SERVER_OUTPUT_FULL = 64 * 1024  /* bytes that wait: past it the host writes no more */
};

/* 0 = the default above. */
struct imap_server_limits {
    unsigned commands_early;
    unsigned errors;
    unsigned auth_failures;
    uint64_t append_size;
    int64_t idle_early;
    int64_t idle;
};

struct imap_server_options {
    const char *name;    /* ours, in the greeting; borrowed */
    const char *version; /* for ID; borrowed */
    bool has_tls_at_hand;
    bool is_implicit_tls;   /* wait for imap_server_tls_started before the greeting */
    bool allows_clear;      /* LOGIN without TLS */
    const char *mechanisms; /* SASL in clear; NULL or "" = none; borrowed */
    struct imap_server_limits limits;
};

struct imap_server;
struct imap_server *imap_server_new(const struct imap_server_options *options, int64_t now,
                                    struct fault *fault);
void imap_server_free(struct imap_server *server); /* wipes; accepts NULL */

enum imap_server_event_kind {
    IMAP_SERVER_TLS_WANTED = 0, /* OK is in the output; then imap_server_tls_started */
    IMAP_SERVER_LOGIN,          /* owed: _logged_in or _finish (NO) */
    IMAP_SERVER_AUTH,           /* owed: _challenge, _logged_in or _finish (NO) */
    IMAP_SERVER_AUTH_RESPONSE,  /* the same; when it is cancelled nothing is owed: BAD was said */
    /* Any other command that the state allows. Owed: _finish. SELECT and EXAMINE that are finished
       with OK have selected, with NO they leave nothing selected; CLOSE and UNSELECT with OK
       unselect. NOOP and CHECK come so that news can be told. */
    IMAP_SERVER_COMMAND,
    /* A message of APPEND is announced; owed: _append_go, or _finish (NO: the rest of the command
       is read away where the client does not wait). Then come its bytes. */
    IMAP_SERVER_APPEND,
    IMAP_SERVER_APPEND_PIECE, /* nothing owed */
    IMAP_SERVER_APPEND_END,   /* the message is whole. Nothing owed: the next, or the command */
    /* All messages are there; owed: _finish. */
    IMAP_SERVER_APPEND_DONE,
    IMAP_SERVER_APPEND_BROKEN, /* the command went wrong behind a message; BAD was said: forget it
                                */
    IMAP_SERVER_IDLE,      /* "+ idling" is in the output. The host may write untagged responses at
                              any time now */
    IMAP_SERVER_IDLE_DONE, /* DONE was said; owed: _finish */
    IMAP_SERVER_COMPRESS,  /* OK is in the output; all bytes behind it, both ways, are compressed:
                              imap_server_compressed when the output is sent. Nothing was taken of
                              what came behind the command */
    IMAP_SERVER_CLOSED     /* the last: logout, or why the engine closes */
};

/* Borrowed until the command is finished, `piece` until the next call. */
struct imap_server_event {
    enum imap_server_event_kind kind;
    const struct imap_command *command; /* COMMAND, APPEND (mailbox) */
    const struct imap_append *append;   /* APPEND */
    size_t index;                       /* APPEND: of the message in the command, from 0 */
    struct bytes piece;                 /* APPEND_PIECE */
    struct bytes user;                  /* LOGIN */
    struct bytes password;              /* in wiping memory */
    struct bytes mechanism;             /* AUTH, upper case */
    struct bytes response; /* AUTH: initial response, data NULL = none; AUTH_RESPONSE: data NULL =
                              cancelled */
    const char *reason;    /* CLOSED; static */
};

/* Takes bytes from the front; fewer than all while a command is in the host's hands, an event waits
   or the output is full. What comes behind STARTTLS is taken and dropped. */
size_t imap_server_feed(struct imap_server *server, struct bytes in, int64_t now);
bool imap_server_next(struct imap_server *server, struct imap_server_event *event);

enum imap_status {
    IMAP_OK = 0,
    IMAP_NO,
    IMAP_BAD
};

/* The tagged response: code is what stands in brackets ("COPYUID 1 2 3"), data NULL = none. Text is
   printable ASCII or UTF-8. A NO to LOGIN and AUTHENTICATE counts as a failed login unless its code
   is UNAVAILABLE. */
void imap_server_finish(struct imap_server *server, enum imap_status status, struct bytes code,
                        const char *text, int64_t now);

/* Where untagged responses are written; ask imap_server_is_full and stop for a while when it is.
   Borrowed until the next call of another function here. */
struct buffer *imap_server_text(struct imap_server *server);
bool imap_server_is_full(const struct imap_server *server);
/* The same with what was written elsewhere, mostly without a copy: takes the content, and gives an
   empty buffer (with other memory) back. */
void imap_server_take_text(struct imap_server *server, struct buffer *text);

void imap_server_login_challenge(struct imap_server *server, struct bytes challenge, int64_t now);
/* OK with the new capabilities; `additional` (may be empty) is what the mechanism has yet to say:
   it then goes as a last challenge, and the empty response is awaited before the OK. */
void imap_server_login_done(struct imap_server *server, struct bytes additional, int64_t now);

void imap_server_append_go(struct imap_server *server, int64_t now);
/* From `since` until now the host took nothing although nothing was owed (it wrote a message to a
   disk): the time was not the peer's. */
void imap_server_waited(struct imap_server *server, int64_t since, int64_t now);

/* TLS stands: everything said before is forgotten. mechanisms: borrowed until the engine is
   freed. */
void imap_server_tls_started(struct imap_server *server, const char *mechanisms, int64_t now);
/* From now on COMPRESS is no longer offered, and bytes go on in plain form for the engine. */
void imap_server_compressed(struct imap_server *server, int64_t now);

/* What is enabled, by ENABLE or by a command that implies it (set before its event). */
unsigned imap_server_enabled(const struct imap_server *server);
bool imap_server_is_selected(const struct imap_server *server);

/* The host cannot go on with the mailbox or the session: "* BYE [code] text" as soon as nothing is
   on its way, then the end. */
void imap_server_bye(struct imap_server *server, const char *code, const char *text, int64_t now);
/* BYE as soon as no command is in hand: the server ends. */
void imap_server_stop(struct imap_server *server, int64_t now);
/* Ends it at once, in the middle of a response. The reason is static. */
void imap_server_fail(struct imap_server *server, const char *reason);

/* Borrowed until the next call. */
struct bytes imap_server_output(const struct imap_server *server);
void imap_server_sent(struct imap_server *server, size_t count, int64_t now);
/* When imap_server_tick must be called; 0 = never. Time stands still while an answer is owed. */
int64_t imap_server_deadline(const struct imap_server *server);
void imap_server_tick(struct imap_server *server, int64_t now);
bool imap_server_is_answer_owed(const struct imap_server *server);
bool imap_server_is_idling(const struct imap_server *server);
bool imap_server_wants_tls(const struct imap_server *server);
/* COMPRESS was agreed to and is not yet on. */
bool imap_server_wants_compression(const struct imap_server *server);
bool imap_server_is_closed(const struct imap_server *server);

#endif
