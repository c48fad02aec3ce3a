/* Replies and errors: what a server said and what went wrong. Values only; nothing here is to be
 * freed. */
#ifndef POSTHORN_ERROR_H
#define POSTHORN_ERROR_H

#include <stdbool.h>
#include <stddef.h>

#include <posthorn/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A server's reply (RFC 5321 4.2). */
struct ph_reply {
    int code; /* 200 to 599; 0 = there was no reply */
    unsigned short
        enhanced[3];    /* class, subject, detail (RFC 3463); 0 0 0 = the server gave none */
    const char *text;   /* all lines without code and enhanced code, joined by '\n', NUL-terminated;
                           never NULL   when code is not 0; bytes as the server sent them, without
                           control characters */
    size_t text_length; /* bytes in text, the NUL not counted */
};

/* What kind of thing went wrong. The first ten answer to smtplib's exceptions. */
enum ph_error_kind {
    PH_OK = 0,
    PH_ERROR_DISCONNECTED,       /* SMTPServerDisconnected: no connection, or the peer ended it */
    PH_ERROR_RESPONSE,           /* SMTPResponseException: a reply that refuses, of no kind below */
    PH_ERROR_SENDER_REFUSED,     /* SMTPSenderRefused: MAIL was refused */
    PH_ERROR_RECIPIENTS_REFUSED, /* SMTPRecipientsRefused: no recipient was accepted */
    PH_ERROR_DATA_REFUSED,       /* SMTPDataError: DATA, BDAT or the message itself was refused */
    PH_ERROR_CONNECT, /* SMTPConnectError: no address answered, or the greeting was a refusal */
    PH_ERROR_HELO,    /* SMTPHeloError: EHLO and HELO (or LHLO) were refused */
    PH_ERROR_AUTHENTICATION, /* SMTPAuthenticationError: the login was refused or could not be tried
                              */
    PH_ERROR_NOT_SUPPORTED, /* SMTPNotSupportedError: the server does not offer what was demanded */
    PH_ERROR_ARGUMENT,      /* a parameter cannot be used: nothing was sent */
    PH_ERROR_RESOLVE,       /* the host name has no address */
    PH_ERROR_TIMEOUT,       /* a phase or the whole took longer than allowed */
    PH_ERROR_PROTOCOL,      /* the peer broke the protocol; the connection is of no more use */
    PH_ERROR_TLS,           /* TLS failed, or is demanded and not there */
    PH_ERROR_CERTIFICATE,   /* the server's certificate does not prove who it is */
    PH_ERROR_PROXY,         /* the proxy refused or broke its protocol */
    PH_ERROR_TOO_LARGE,     /* the message is larger than the server takes (RFC 1870) */
    PH_ERROR_BODY,          /* the source of the body failed, or holds what cannot be sent */
    PH_ERROR_LIMIT,         /* a limit was passed: this library's, or one the server announced */
    PH_ERROR_MEMORY,        /* out of memory */
    PH_ERROR_CANCELLED      /* ph_smtp_cancel was called */
};

/* What became of the message when an error came. */
enum ph_fate {
    PH_NOT_SENT = 0, /* surely not accepted: it may be sent again */
    PH_MAYBE_SENT,   /* the connection was lost after the last body byte: a second try may make a
                        double */
    PH_ACCEPTED      /* the server has taken responsibility for it */
};

enum {
    PH_ERROR_VERB_SIZE = 16,
    PH_ERROR_TEXT_SIZE = 512,
};

/* An error, owned by the caller; every function fills it whole or leaves it untouched when it
 * succeeds. Wherever a parameter of this type is taken, NULL is allowed. */
struct ph_error {
    enum ph_error_kind kind;
    enum ph_fate fate;
    bool retry;       /* the same call may succeed later: 4yz replies, network trouble, timeouts */
    int system_error; /* errno of the system call that failed, or 0 */
    int reply_code;   /* the server's reply, or 0 when none is the cause */
    unsigned short reply_enhanced[3];
    char verb[PH_ERROR_VERB_SIZE]; /* the command it belongs to ("RCPT"), "connect", "TLS"; or "" */
    char reply_text[PH_ERROR_TEXT_SIZE]; /* the reply's text, cut at the size */
    char message[PH_ERROR_TEXT_SIZE]; /* one sentence for people: what was wrong, where, what to do
                                       */
};

/* The kind's name in lower-case words ("recipients refused"). Never NULL; static. */
PH_API const char *ph_error_kind_name(enum ph_error_kind kind);

#ifdef __cplusplus
}
#endif

#endif
