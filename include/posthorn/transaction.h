/* A mail transaction as values: envelope, body, what is wished and what is demanded, and what
 * became of it. */
#ifndef POSTHORN_TRANSACTION_H
#define POSTHORN_TRANSACTION_H

#include <stdint.h>
#include <sys/types.h>

#include <posthorn/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- body ---- */

/* Where the bytes of a message come from. */
enum ph_body_kind {
    PH_BODY_MEMORY = 0,
    PH_BODY_FILE,    /* a file descriptor, read from its present offset to its end */
    PH_BODY_CALLBACK /* asked for the next piece until it says that there is none */
};

/* Reads the next bytes of a body into buffer (at most size). Returns how many (1 to size), 0 at the
 * end, -1 on failure: then the message is not sent and the server never accepts a part of it. Must
 * not call into the session that sends the body. */
typedef ssize_t ph_body_read(void *context, char *buffer, size_t size);

/* What the body holds. */
enum ph_body_content {
    PH_CONTENT_UNKNOWN = 0, /* memory is looked through; other sources count as 8-bit text */
    PH_CONTENT_7BIT,
    PH_CONTENT_8BIT,  /* BODY=8BITMIME where offered (RFC 6152) */
    PH_CONTENT_BINARY /* BODY=BINARYMIME, sent by BDAT untouched (RFC 3030): demanded, not wished */
};

/* What happens to a CR or LF that stands alone in a text body. A message on the wire has CRLF only
 * (RFC 5321 2.3.8). */
enum ph_line_ends {
    PH_LINE_ENDS_NORMALISE = 0, /* each becomes CRLF */
    PH_LINE_ENDS_REFUSE         /* PH_ERROR_BODY */
};

/* A body. Borrowed, with all it points to, until the transaction's result is there. */
struct ph_body {
    enum ph_body_kind kind;
    enum ph_body_content content;
    enum ph_line_ends line_ends;
    const char *data;   /* PH_BODY_MEMORY */
    size_t length;      /* PH_BODY_MEMORY: bytes in data */
    int descriptor;     /* PH_BODY_FILE; stays the caller's */
    ph_body_read *read; /* PH_BODY_CALLBACK */
    void *context;      /* PH_BODY_CALLBACK: given to read */
    uint64_t size; /* PH_BODY_CALLBACK: bytes it will give, for SIZE= (RFC 1870); 0 = not known */
};

/* ---- envelope ---- */

/* When a delivery status notification is wanted (RFC 3461 4.1); a set. */
enum ph_notify {
    PH_NOTIFY_DEFAULT = 0,
    PH_NOTIFY_NEVER = 1,
    PH_NOTIFY_SUCCESS = 2,
    PH_NOTIFY_FAILURE = 4,
    PH_NOTIFY_DELAY = 8
};

/* What such a notification returns (RFC 3461 4.3). */
enum ph_return_content {
    PH_RETURN_DEFAULT = 0,
    PH_RETURN_FULL,
    PH_RETURN_HEADERS
};

/* One recipient. */
struct ph_recipient {
    const char
        *address;    /* "user@host", without brackets or display name; UTF-8 allowed (RFC 6531) */
    unsigned notify; /* set of enum ph_notify */
    const char
        *original_recipient; /* ORCPT=rfc822;... or utf-8;...: the address in plain, or NULL */
    const char *parameters;  /* further RCPT parameters as they stand ("KEY=value KEY2"), or NULL:
                                demanded */
};

/* What a transaction may ask of the server beyond plain mail. What is demanded and not offered is
 * PH_ERROR_NOT_SUPPORTED before MAIL is sent; what is only wished is left out and reported in
 * ph_result.dropped. */
enum ph_extension {
    PH_EXTENSION_8BITMIME = 1 << 0,
    PH_EXTENSION_SMTPUTF8 = 1 << 1,
    PH_EXTENSION_DSN = 1 << 2,
    PH_EXTENSION_REQUIRETLS = 1 << 3,
    PH_EXTENSION_DELIVERBY = 1 << 4,
    PH_EXTENSION_FUTURERELEASE = 1 << 5,
    PH_EXTENSION_MT_PRIORITY = 1 << 6,
    PH_EXTENSION_BINARYMIME = 1 << 7,
    PH_EXTENSION_SIZE = 1 << 8
};

/* A transaction. Zero is the default of every field; borrowed, with all it points to, until its
 * result is there. */
struct ph_transaction {
    const char *sender; /* "user@host"; "" = the null sender of a bounce; NULL is an error */
    const struct ph_recipient *recipients;
    size_t recipient_count; /* 1 to PH_RECIPIENTS_MAX */
    struct ph_body body;

    enum ph_return_content return_content; /* RET= */
    const char *envelope_id;               /* ENVID=, plain text; or NULL */
    bool require_tls;                      /* REQUIRETLS (RFC 8689): always demanded */
    bool utf8_headers; /* the body has UTF-8 headers (RFC 6532): SMTPUTF8 is demanded. Addresses are
                          looked at anyway */
    int64_t deliver_by_seconds; /* BY= (RFC 2852); 0 = not asked */
    char deliver_by_mode;       /* 'R' return or 'N' notify; 0 = 'N' */
    bool deliver_by_trace;      /* the T of RFC 2852 */
    uint64_t hold_for_seconds;  /* HOLDFOR= (RFC 4865); 0 = not asked */
    const char *hold_until;     /* HOLDUNTIL= date-time of RFC 3339; or NULL */
    int priority;               /* MT-PRIORITY= -9 to 9 (RFC 6710), when has_priority */
    bool has_priority;
    const char *authenticated_sender; /* AUTH= (RFC 4954 5): an address, "" for <>; NULL = not said;
                                         a wish. A local part beyond ASCII is said only in a
                                         transaction with SMTPUTF8 */
    const char *parameters;           /* further MAIL parameters as they stand, or NULL: demanded */

    unsigned demands; /* set of enum ph_extension: turns the wishes for DSN, DELIVERBY,
                         FUTURERELEASE, MT-PRIORITY, 8BITMIME into demands */
};

enum {
    PH_RECIPIENTS_MAX = 100000, /* recipients of one transaction */
    PH_ADDRESS_MAX = 1024, /* bytes of an address: 255 before the "@", 255 behind it, and the quotes
                              and backslashes */
    PH_PARAMETERS_MAX = 4096 /* bytes of raw parameters of one command */
};

/* ---- result ---- */

/* What became of one recipient. */
struct ph_recipient_result {
    struct ph_reply
        reply;        /* the reply to RCPT; with LMTP, once there, the final one (RFC 2033 4.2) */
    bool is_accepted; /* the server (LMTP: in the end) took the message for this recipient */
    enum ph_fate fate;
};

/* What became of a transaction. Replies point into memory of the result. Filled by ph_smtp_send and
 * its kin; cleared by ph_result_clear, also after a failure. Zero-initialised before the first
 * use. */
struct ph_result {
    enum ph_fate fate;
    struct ph_reply reply; /* the final reply (queue id and all); code 0 = none came */
    struct ph_recipient_result *recipients; /* as many, in the same order, as in the transaction */
    size_t recipient_count;
    size_t accepted_count;
    unsigned dropped; /* set of enum ph_extension: wishes that the server does not offer */
    struct ph_error
        error; /* kind PH_OK when at least one recipient was accepted and the message too */
    struct ph_result_memory *memory; /* the library's own */
};

/* Frees what a result holds and sets it to zero. NULL is allowed. */
PH_API void ph_result_clear(struct ph_result *result);

#ifdef __cplusplus
}
#endif

#endif
