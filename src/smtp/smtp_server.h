/* The SMTP, submission and LMTP server engine: RFC 5321, RFC 2033, RFC 6409 and their extensions.
 * Bytes go in, events and bytes come out; no socket, clock, store or global.
 *
 * The host feeds bytes, takes every event with smtp_server_next, and answers those that ask for it.
 * While an answer is owed, nothing is taken and nothing told. Body bytes pass through as borrowed
 * slices of what was fed: they must be used before the next feed. Replies of pipelined commands
 * gather in the output.
 *
 * What the engine says by itself: the greeting, HELO, EHLO, LHLO, NOOP, RSET, VRFY (252), HELP,
 * QUIT, everything that is out of order, unknown or malformed, all limits (421 and the end), 354.
 */
#ifndef SMTP_SMTP_SERVER_H
#define SMTP_SMTP_SERVER_H

#include <stdint.h>

#include <posthorn/transaction.h>

#include "base/bytes.h"
#include "base/fault.h"

enum {
    SMTP_SERVER_LINE_MAX = 2048,       /* bytes of a command line with its CRLF */
    SMTP_SERVER_RESPONSE_MAX = 65536,  /* bytes of a line in an AUTH exchange (RFC 4954 4: 12288 is
                                          the least) */
    SMTP_SERVER_BODY_LINE_MAX = 65536, /* bytes of a line of a body in DATA, without CRLF */
    SMTP_SERVER_RECIPIENTS_MAX = 1000, /* defaults of the limits below */
    SMTP_SERVER_MESSAGES_MAX = 100,
    SMTP_SERVER_COMMANDS_MAX = 10000,
    SMTP_SERVER_ERRORS_SOFT = 10,
    SMTP_SERVER_ERRORS_MAX = 20,
    SMTP_SERVER_AUTH_FAILURES_MAX = 3,
    SMTP_SERVER_SIZE_MAX = 50 * 1024 * 1024,
    SMTP_SERVER_IDLE = 300 * 1000,        /* milliseconds */
    SMTP_SERVER_SESSION = 60 * 60 * 1000, /* milliseconds of a session in all */
    SMTP_SERVER_LEAST_RATE = 500,         /* bytes a second of a body, measured over a minute */
    SMTP_SERVER_RATE_WINDOW = 60 * 1000,  /* milliseconds: that minute */
    SMTP_SERVER_ERROR_DELAY = 1000,       /* milliseconds that a reply waits from errors_soft on */
    SMTP_SERVER_NAME_MAX = 255,           /* bytes of the name in HELO, EHLO, LHLO */
    /* A refused chunk of more than so many times the largest message is not read away (RFC 3030 2):
       552 5.3.4, 421 4.7.0. */
    SMTP_SERVER_CHUNK_DROPPED = 2,
    SMTP_SERVER_OUTPUT_FULL = 16 * 1024 /* bytes of replies beyond which nothing is taken */
};

/* 0 = the default above. smtp_server_set_limits changes them from the next command on. */
struct smtp_server_limits {
    unsigned recipients;  /* of a message: 452 4.5.3 past it (RFC 5321 4.5.3.1.10) */
    unsigned messages;    /* of a session: 421 4.7.0 at the MAIL behind the last */
    unsigned commands;    /* of a session */
    unsigned errors_soft; /* from this many on each error's reply waits SMTP_SERVER_ERROR_DELAY,
                             and so does the input: see smtp_server_deadline */
    unsigned errors;      /* 421 4.7.0. Errors are the 5yz of the engine and of the host; a message
                             that is taken sets them back to 0 */
    unsigned auth_failures; /* 421 4.7.0 */
    uint64_t size;          /* octets of a message: 552 5.3.4, at MAIL when SIZE= says so */
    int64_t idle;           /* between two bytes of the peer: 421 4.4.2 */
    int64_t session;        /* 421 4.4.2 */
    unsigned least_rate;    /* 421 4.4.2 */
};

struct smtp_server_options {
    const char *name; /* ours, in the greeting and in replies to EHLO; borrowed */
    const char *peer; /* the peer's address as text, for EHLO's "at your service"; borrowed */
    bool is_lmtp;
    bool is_submission;     /* MAIL asks for a login first: 530 5.7.0 */
    bool has_tls_at_hand;   /* STARTTLS may be offered */
    bool needs_tls;         /* MAIL and AUTH ask for TLS first: 530 5.7.0 */
    bool is_implicit_tls;   /* wait for smtp_server_tls_started before the greeting */
    const char *mechanisms; /* AUTH in clear; "" or NULL = not offered; borrowed */
    struct smtp_server_limits limits;
};

struct smtp_server;

/* Copies the options. NULL: out of memory. Times are monotonic milliseconds. */
struct smtp_server *smtp_server_new(const struct smtp_server_options *options, int64_t now,
                                    struct fault *fault);
void smtp_server_free(struct smtp_server *server); /* accepts NULL */

/* How the body is counted and delimited. */
enum smtp_server_body {
    SMTP_SERVER_7BIT = 0, /* nothing said; 8-bit bytes are passed all the same */
    SMTP_SERVER_8BIT,
    SMTP_SERVER_BINARY /* BDAT only: bare CR, LF and NUL are content */
};

enum smtp_server_event_kind {
    SMTP_SERVER_HELLO = 0,     /* told; nothing owed */
    SMTP_SERVER_TLS_WANTED,    /* 220 is in the output: when it is sent, make the handshake, then
                                  smtp_server_tls_started. What was fed behind STARTTLS is gone */
    SMTP_SERVER_AUTH,          /* owed: smtp_server_challenge, _authenticated or _answer (535...) */
    SMTP_SERVER_AUTH_RESPONSE, /* the decoded response; owed as with AUTH */
    SMTP_SERVER_MAIL,          /* owed: smtp_server_answer; 2xx opens the transaction */
    SMTP_SERVER_RCPT,          /* owed: smtp_server_answer; 2xx takes the recipient */
    SMTP_SERVER_BODY,          /* a slice of body, dots unstuffed; nothing owed */
    SMTP_SERVER_END,          /* the body is whole; owed: smtp_server_answer, with LMTP one for each
                                 taken recipient in their order (RFC 2033 4.2) */
    SMTP_SERVER_REFUSED_BODY, /* the body broke a rule (a bare CR or LF, too long a line, too
                                 large): its rest is read and dropped and the engine answers by
                                 itself; forget what came. Nothing owed */
    SMTP_SERVER_RESET,        /* the open transaction is dropped (RSET, EHLO, a lost BDAT...) */
    SMTP_SERVER_CLOSED        /* the last event: quit, or why the engine closes */
};

/* Strings and bytes are borrowed until the next feed, next or answer; they may lie in what was fed.
 */
struct smtp_server_event {
    enum smtp_server_event_kind kind;

    struct bytes name; /* HELLO: the client's argument */
    bool is_extended;  /* HELLO: EHLO or LHLO */

    struct bytes mechanism; /* AUTH, upper case */
    struct bytes response;  /* AUTH: the initial response, decoded, data NULL = none;
                               AUTH_RESPONSE: data NULL = the exchange is over, cancelled with "*"
                               or broken (the 501 is said; nothing is owed, nobody is logged in) */

    struct bytes address; /* MAIL, RCPT: as on the wire, without brackets and source route, valid by
                             mail/address.h; MAIL: empty = <>; RCPT: "postmaster" may be bare */
    bool has_size;        /* MAIL */
    uint64_t size;
    enum smtp_server_body body;
    bool is_utf8;                          /* SMTPUTF8 */
    enum ph_return_content return_content; /* RET */
    struct bytes envelope_id;              /* ENVID, as on the wire (xtext) */
    unsigned notify;                       /* RCPT NOTIFY, enum ph_notify; 0 = not said */
    struct bytes original_recipient;       /* RCPT ORCPT, as on the wire */

    struct bytes piece; /* BODY */
    const char *reason; /* REFUSED_BODY, CLOSED: words for the log; static */
};

/* From the next command on. */
void smtp_server_set_limits(struct smtp_server *server, const struct smtp_server_limits *limits);

/* Takes bytes from the front; fewer than all while an answer is owed, events wait, a reply is being
   delayed or too many replies wait to be sent. */
size_t smtp_server_feed(struct smtp_server *server, struct bytes in, int64_t now);

/* False: nothing more to tell. */
bool smtp_server_next(struct smtp_server *server, struct smtp_server_event *event);

/* A reply of the host: code, enhanced code and text of one line (more by '\n'). */
struct smtp_server_reply {
    int code;
    const char *enhanced; /* "5.1.1"; NULL = none */
    const char *text;     /* no controls but '\n'; borrowed for the call */
};

void smtp_server_answer(struct smtp_server *server, const struct smtp_server_reply *reply,
                        int64_t now);
void smtp_server_challenge(struct smtp_server *server, struct bytes challenge, int64_t now);
/* 235; additional data is what the mechanism still has to say (RFC 4954 4: it then goes as a last
   challenge, and the empty response is awaited before the 235; where it does not come, an
   AUTH_RESPONSE without data takes the login back). */
void smtp_server_authenticated(struct smtp_server *server, struct bytes additional, int64_t now);

/* TLS stands: everything said before is forgotten (RFC 3207 4.2). mechanisms: what AUTH offers from
   now on; copied. */
void smtp_server_tls_started(struct smtp_server *server, const char *mechanisms, int64_t now);

/* 421 4.3.2 as soon as no answer is owed and no body is on its way, then the end. */
void smtp_server_stop(struct smtp_server *server, int64_t now);

/* Borrowed until the next call. */
struct bytes smtp_server_output(const struct smtp_server *server);
void smtp_server_sent(struct smtp_server *server, size_t count, int64_t now);

/* When smtp_server_tick must be called; 0 = never. Time stands still while an answer is owed. */
int64_t smtp_server_deadline(const struct smtp_server *server);
void smtp_server_tick(struct smtp_server *server, int64_t now);

/* From `since` until now the host took nothing although no answer was owed (it wrote a body to a
   disk): the time was not the peer's. */
void smtp_server_waited(struct smtp_server *server, int64_t since, int64_t now);

bool smtp_server_is_answer_owed(const struct smtp_server *server);
/* False: feed would take nothing now. */
bool smtp_server_wants_input(const struct smtp_server *server);
/* Nothing more will be read or told; when the output is sent, close. */
bool smtp_server_is_closed(const struct smtp_server *server);

#endif
