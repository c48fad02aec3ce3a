/* The session behind struct ph_smtp: what it was told at birth, its connection, and what one call
 * keeps while it runs. */
#ifndef CLIENT_CLIENT_SESSION_H
#define CLIENT_CLIENT_SESSION_H

#include <posthorn/engine.h>
#include <posthorn/smtp.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "client/client_transport.h"
#include "net/net_connect.h"

enum {
    CLIENT_LOSS_TEXT_SIZE = 440, /* leaves room in an error for what is said about the fate */
    CLIENT_INPUT_SIZE = 17408,   /* bytes read at once: a full TLS record of 16 KiB and then some */
    CLIENT_PIECE_SIZE = 256 * 1024, /* bytes of a body read at once from a file or a callback: what
                                       the engine prepares ahead, so that one write takes it */
    CLIENT_PAGE_SIZE = 4096,        /* copying from files is fastest to where a page begins */
    CLIENT_OPTIONS_MAX = 1024 * 1024,  /* bytes of all strings in struct ph_smtp_options together */
    CLIENT_HELLO_NAME_MAX = 256,       /* bytes of a name for EHLO, NUL included (RFC 1035 2.3.4) */
    CLIENT_CONNECT_TIMEOUT_MS = 30000, /* struct ph_timeouts: connect */
    CLIENT_TLS_TIMEOUT_MS = 60000,     /* struct ph_timeouts: tls */
    CLIENT_FLUSH_TIMEOUT_MS = 180000,  /* raw bytes to be taken: struct ph_timeouts: data_block */
    CLIENT_QUIT_TIMEOUT_MS = 5000,     /* the reply to QUIT, which changes nothing any more */
    CLIENT_KEY_SIZE = 32               /* SHA-256: what a pool knows a session by */
};

struct client_item;

/* Why the session itself gave a connection up: stands in place of the engine's "disconnected". */
struct client_loss {
    enum ph_error_kind kind; /* PH_OK = it did not */
    int system_error;
    char verb[PH_ERROR_VERB_SIZE];
    char message[CLIENT_LOSS_TEXT_SIZE];
};

/* What a connection is at; zero when it begins. */
struct client_state {
    bool has_hello;        /* EHLO, HELO or LHLO was accepted since the connection or TLS began */
    bool tried_starttls;   /* opportunistic: not again */
    bool has_raw;          /* bytes went out by send or putcmd whose replies are not read yet */
    bool is_login_by_hand; /* AUTH went out by putcmd: what follows may be secret */
    bool is_write_broken;  /* the peer takes nothing more; its last words are still read */
    bool wants_handshake;
    const char *hello_text; /* of the reply to the hello that was accepted; or NULL */
    size_t replies_due;     /* to putcmd: each is to be read by getreply */
    uint64_t transactions;  /* begun on this connection (RFC 9422 MAILMAX) */
    size_t input_start;     /* what was read and the engine has not taken yet */
    size_t input_end;
    struct client_loss loss;
    struct client_item *piece_owner; /* whose bytes are in piece */
    struct client_item *hungry;      /* was asked for its next piece and has not given it yet */
};

struct ph_smtp {
    struct arena memory; /* the strings of the options */
    struct ph_smtp_options options;
    enum ph_tls_mode tls_mode;           /* of this connection: never PH_TLS_DEFAULT */
    struct net_tls_context *tls_context; /* made when first needed */
    struct ph_engine *engine;            /* NULL = no connection */
    struct client_transport transport;
    struct net_target
        target;       /* whom the user wanted to reach; its host is also what TLS asks for */
    bool is_loopback; /* surely on this machine: a login in clear gives nothing away */

    struct client_state state;
    char input[CLIENT_INPUT_SIZE];
    int64_t deadline; /* of this call: struct ph_timeouts: total */

    /* ---- kept from call to call ---- */
    struct ph_reply reply; /* the last one; its text is in reply_text */
    struct buffer reply_text;
    struct buffer hello_memory;
    char hello_name[CLIENT_HELLO_NAME_MAX];
    char *piece_memory;              /* CLIENT_PIECE_SIZE, made when first needed */
    struct ph_recipient *recipients; /* ph_smtp_sendmail's, turned into values */
    size_t recipient_capacity;
    int debug_level;
    bool is_in_callback; /* one of the user's but the transport's runs: no call may begin */

    /* ---- cancelling; the only members that another thread touches ---- */
    bool is_cancelled; /* atomic */
    int wake_descriptor;

    /* ---- belongs to a pool ---- */
    bool is_pooled; /* still what pool_key says */
    unsigned char pool_key[CLIENT_KEY_SIZE];
    int64_t idle_since;
};

static inline int64_t client_session_earlier(int64_t left, int64_t right)
{
    return left < right ? left : right;
}

static inline int64_t client_session_now(void)
{
    return (int64_t)clock_monotonic_milliseconds();
}

/* False: a callback of this very session runs, and nothing may be begun meanwhile. */
bool client_session_is_free(const struct ph_smtp *smtp, struct ph_error *error);

/* PH_ERROR_DISCONNECTED: there is no connection. */
bool client_session_refuse(struct ph_error *error);

/* Begins a call from outside: its time starts. False: not free; or cancelled, then the connection
 * is closed. */
bool client_session_begin(struct ph_smtp *smtp, struct ph_error *error);

/* The same, and there must be a connection on which no reply is due; bytes that came unasked are
 * looked at first. */
bool client_session_begin_connected(struct ph_smtp *smtp, struct ph_error *error);

/* Closes the connection and forgets all that was known of it. */
void client_session_drop(struct ph_smtp *smtp);

/* Takes back one ph_smtp_cancel; false when there was none. */
bool client_session_take_cancel(struct ph_smtp *smtp);

/* Fills *error (may be NULL) from the engine's, or with the session's own reason where the
 * connection was given up. */
void client_session_take_error(struct ph_smtp *smtp, const struct ph_error *from,
                               struct ph_error *error);

/* Keeps a reply for ph_smtp_reply. */
void client_session_keep_reply(struct ph_smtp *smtp, const struct ph_reply *reply);

/* A line for the transcript about what happened below the protocol. */
void client_session_note(struct ph_smtp *smtp, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Loads what TLS needs, the first time. */
bool client_session_ensure_tls_context(struct ph_smtp *smtp, struct fault *fault);

/* EHLO where none was said, and STARTTLS where it is demanded or possible: what comes before a
   login and before mail. error may not be NULL here and below. */
bool client_session_prepare(struct ph_smtp *smtp, struct ph_error *error);

/* Says hello; keeps that it was said. Returns the reply's code or -1; *error (not NULL) as
 * client_loop_run has it. */
int client_session_hello(struct ph_smtp *smtp, enum ph_hello which, const char *name,
                         struct ph_error *error);

/* The same where none was accepted yet. */
bool client_session_ensure_hello(struct ph_smtp *smtp, struct ph_error *error);

/* STARTTLS, the handshake, and EHLO again. */
bool client_session_start_tls(struct ph_smtp *smtp, struct ph_error *error);

#endif
