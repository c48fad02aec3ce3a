/* What the engine and the session share: capabilities, logins, time limits, the transcript, events.
 * Values only. */
#ifndef POSTHORN_PROTOCOL_H
#define POSTHORN_PROTOCOL_H

#include <posthorn/transaction.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- capabilities (RFC 5321 4.1.1.1) ---- */

enum ph_capability {
    PH_CAPABILITY_PIPELINING = 1 << 0,          /* RFC 2920 */
    PH_CAPABILITY_CHUNKING = 1 << 1,            /* RFC 3030 */
    PH_CAPABILITY_BINARYMIME = 1 << 2,          /* RFC 3030 */
    PH_CAPABILITY_8BITMIME = 1 << 3,            /* RFC 6152 */
    PH_CAPABILITY_SIZE = 1 << 4,                /* RFC 1870 */
    PH_CAPABILITY_SMTPUTF8 = 1 << 5,            /* RFC 6531 */
    PH_CAPABILITY_DSN = 1 << 6,                 /* RFC 3461 */
    PH_CAPABILITY_ENHANCEDSTATUSCODES = 1 << 7, /* RFC 2034 */
    PH_CAPABILITY_STARTTLS = 1 << 8,            /* RFC 3207 */
    PH_CAPABILITY_AUTH = 1 << 9,                /* RFC 4954 */
    PH_CAPABILITY_REQUIRETLS = 1 << 10,         /* RFC 8689 */
    PH_CAPABILITY_DELIVERBY = 1 << 11,          /* RFC 2852 */
    PH_CAPABILITY_FUTURERELEASE = 1 << 12,      /* RFC 4865 */
    PH_CAPABILITY_MT_PRIORITY = 1 << 13,        /* RFC 6710 */
    PH_CAPABILITY_LIMITS = 1 << 14,             /* RFC 9422 */
    PH_CAPABILITY_VRFY = 1 << 15,
    PH_CAPABILITY_EXPN = 1 << 16,
    PH_CAPABILITY_HELP = 1 << 17,
    PH_CAPABILITY_ETRN = 1 << 18
};

/* What the server said of itself in its last EHLO or LHLO reply; all zero before it, after HELO and
 * after STARTTLS. */
struct ph_capabilities {
    bool is_extended;        /* EHLO or LHLO was accepted */
    unsigned set;            /* of enum ph_capability */
    uint64_t size_limit;     /* octets a message may have; 0 = not said */
    int64_t deliver_by_min;  /* least by-time in seconds; 0 = not said */
    uint64_t hold_for_max;   /* FUTURERELEASE: longest hold in seconds; 0 = not said */
    uint64_t recipients_max; /* LIMITS RCPTMAX; 0 = not said */
    uint64_t messages_max;   /* LIMITS MAILMAX; 0 = not said */
    const char *mechanisms;  /* SASL mechanisms, upper case, one space between, in the server's
                                order; "" = none */
    const char *text;        /* the whole reply, raw, without codes, lines joined by '\n' */
};

/* ---- logging in (RFC 4954) ---- */

/* One step of a mechanism of the user's own: takes the decoded challenge (length 0 and challenge
 * NULL: the initial response is asked for, and asked for again where it was too long to go with
 * AUTH), writes the response into response (at most size bytes)
 * and gives its length in *response_length. False ends the exchange with "*". */
typedef bool ph_mechanism_step(void *context, const char *challenge, size_t challenge_length,
                               char *response, size_t size, size_t *response_length);

struct ph_mechanism {
    const char *name;          /* as the server offers it, for instance "X-TOKEN" */
    bool has_initial_response; /* the client speaks first */
    ph_mechanism_step *step;
    void *context;
};

/* Who logs in, and how. Borrowed until the login is done; the library keeps no copy of a secret
 * after that. */
struct ph_login {
    const char *user;             /* UTF-8; prepared by SASLprep where the mechanism says so */
    const char *password;         /* UTF-8; NULL: mechanisms that need it are passed over */
    const char *access_token;     /* OAuth 2.0 bearer token for OAUTHBEARER and XOAUTH2; or NULL */
    const char *authorization_id; /* act as this identity; NULL = as user */
    const char *mechanisms;   /* only these, in this order, separated by spaces; NULL = every one,
                                 strongest first: EXTERNAL with a client certificate and no password;
                                 SCRAM-SHA-256-PLUS, SCRAM-SHA-1-PLUS, SCRAM-SHA-256, SCRAM-SHA-1,
                                 OAUTHBEARER, XOAUTH2, PLAIN, LOGIN, CRAM-MD5 */
    bool allow_cleartext;     /* PLAIN, LOGIN and tokens also where the connection is not encrypted,
                                 or encrypted with a server that nobody verified */
    bool no_initial_response; /* never send an initial response with AUTH */
    const struct ph_mechanism *own; /* a mechanism of the user's own, tried first; or NULL */
};

/* ---- TLS as the engine needs to know it ---- */

/* Facts about the TLS session under the engine, told by whoever made it. Bytes are copied. */
struct ph_tls_facts {
    const char *binding_name; /* channel binding for SCRAM-...-PLUS: "tls-exporter" (RFC 9266) or
                                 "tls-unique"; NULL = none */
    const unsigned char *binding; /* its bytes */
    size_t binding_length;        /* at most 64 */
    bool has_client_certificate;  /* the client showed one: EXTERNAL is worth trying */
    bool is_unverified; /* nobody knows who the server is, and the user did not say that any
                           certificate will do: secrets are held back as in clear */
};

/* ---- time limits, in milliseconds; 0 = the default (RFC 5321 4.5.3.2) ---- */

struct ph_timeouts {
    int64_t connect;    /* 30 s: all addresses together (session only) */
    int64_t tls;        /* 60 s: the handshake (session only) */
    int64_t greeting;   /* 5 min */
    int64_t command;    /* 5 min: EHLO, MAIL, RCPT, AUTH, RSET and all others */
    int64_t data_start; /* 2 min: the 354 */
    int64_t data_block; /* 3 min: each piece of body to be taken by the peer */
    int64_t data_end;   /* 10 min: the reply to the last dot or BDAT LAST */
    int64_t total;      /* whole of one call of the session; 0 = no limit (session only) */
};

/* ---- transcript ---- */

enum ph_trace_kind {
    PH_TRACE_SENT = 0, /* a line from client to server, without CRLF, secrets replaced by "****" */
    PH_TRACE_RECEIVED, /* a line from server to client, likewise */
    PH_TRACE_BODY,     /* a note on a piece of body: "(4096 bytes of body)" */
    PH_TRACE_NOTE /* what happened below the protocol: connected, TLS 1.3 with ..., certificate not
                     verified */
};

/* Called for each line as it passes; text is NUL-terminated and lives until the call returns. Must
 * not call back into the library with the same object. */
typedef void ph_trace(void *context, enum ph_trace_kind kind, const char *text, size_t length);

/* ---- events ---- */

/* What a host may ask of an engine. Each ends with exactly one PH_EVENT_DONE. */
enum ph_operation {
    PH_OPERATION_GREETING = 0, /* begins by itself */
    PH_OPERATION_HELLO,
    PH_OPERATION_STARTTLS,
    PH_OPERATION_LOGIN,
    PH_OPERATION_COMMAND,
    PH_OPERATION_TRANSACTION,
    PH_OPERATION_QUIT
};

enum ph_event_kind {
    PH_EVENT_TLS_WANTED =
        0, /* the 220 to STARTTLS is there: make the handshake, then tell ph_engine_tls_started */
    PH_EVENT_SENDER,      /* reply to MAIL */
    PH_EVENT_RECIPIENT,   /* reply to RCPT of recipient index */
    PH_EVENT_BODY_WANTED, /* the next piece: ph_engine_body or ph_engine_body_failed */
    PH_EVENT_FINAL,       /* the verdict; LMTP: for recipient index (RFC 2033 4.2) */
    PH_EVENT_DONE         /* operation has ended, well (error.kind PH_OK) or not */
};

struct ph_event {
    enum ph_event_kind kind;
    enum ph_operation operation;
    const struct ph_transaction
        *transaction;      /* the caller's own pointer; NULL for other operations */
    size_t index;          /* PH_EVENT_RECIPIENT and LMTP's PH_EVENT_FINAL */
    struct ph_reply reply; /* text borrowed until the engine's next call; code 0 = none. Of
                              PH_EVENT_DONE: the reply that ended the operation */
    enum ph_fate fate;     /* PH_EVENT_DONE of a transaction; LMTP: of the recipients that had no
                              PH_EVENT_FINAL, once the connection was lost */
    unsigned dropped;      /* PH_EVENT_DONE of a transaction: set of enum ph_extension */
    const struct ph_error
        *error;     /* PH_EVENT_DONE: never NULL, borrowed until the engine's next call */
    bool is_closed; /* PH_EVENT_DONE: the connection is of no more use */
};

/* ---- the engine's limits and options ---- */

enum {
    PH_ENGINE_TRANSACTIONS_MAX = 64, /* transactions in an engine at a time */
    PH_ENGINE_PENDING_MAX = 1024,    /* commands whose reply is not there yet */
    PH_ENGINE_LINE_MAX = 8192,       /* bytes of a reply line, CRLF included */
    PH_ENGINE_REPLY_LINES_MAX = 128, /* lines of a reply */
    PH_ENGINE_REPLY_MAX = 65536,     /* bytes of a reply */
    PH_ENGINE_CHALLENGES_MAX = 16,   /* 334 replies in one login */
    PH_ENGINE_COMMAND_MAX = 12288 /* bytes of a command line, CRLF included (RFC 4954 4 for AUTH) */
};

/* Which of them is said; by itself EHLO, and HELO where EHLO is refused, or LHLO with LMTP. */
enum ph_hello {
    PH_HELLO_AUTOMATIC = 0,
    PH_HELLO_EHLO,
    PH_HELLO_HELO,
    PH_HELLO_LHLO
};

/* Zero is the default of every field but hello_name. Copied. */
struct ph_engine_options {
    const char *hello_name;  /* for EHLO: a domain or an address literal (RFC 5321 4.1.3) */
    const char *server_name; /* host the user wanted, for OAUTHBEARER (RFC 7628 3.1); or NULL */
    unsigned server_port;
    bool lmtp;             /* LHLO, one final reply a recipient (RFC 2033) */
    bool is_encrypted;     /* implicit TLS: the connection is encrypted from the first byte */
    bool no_pipelining;    /* one command at a time, whatever the server offers */
    bool no_chunking;      /* DATA even where BDAT is offered */
    bool bodies_in_flight; /* with CHUNKING: the next transaction follows before the verdict on the
                              last is there */
    struct ph_timeouts timeouts;
    ph_trace *trace; /* or NULL */
    void *trace_context;
};

#ifdef __cplusplus
}
#endif

#endif
