/* The one place where commands are built (RFC 5321 4.1.1), from typed fields. Whatever goes in, one
 * line comes out: bytes 00-1F and 7F are refused, and what would be longer than the limit is
 * refused, never cut. All functions append to out; on false, out is as it was (memory is asked of
 * the buffer, as everywhere). */
#ifndef SMTP_SMTP_COMMAND_H
#define SMTP_SMTP_COMMAND_H

#include <posthorn/transaction.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"

/* MAIL and its parameters; zero = left out. */
struct smtp_command_mail {
    struct bytes sender; /* as on the wire, without brackets; empty = <> */
    bool has_size;
    uint64_t size;                         /* RFC 1870 */
    enum ph_body_content body;             /* 8BIT and BINARY give BODY= (RFC 6152, RFC 3030) */
    bool is_utf8;                          /* RFC 6531 */
    enum ph_return_content return_content; /* RFC 3461 4.3 */
    const char *envelope_id;               /* RFC 3461 4.4 */
    bool require_tls;                      /* RFC 8689 */
    int64_t deliver_by_seconds;            /* RFC 2852 */
    char deliver_by_mode;                  /* 'R', 'N' or 0 = none */
    bool deliver_by_trace;
    uint64_t hold_for_seconds; /* RFC 4865 */
    const char *hold_until;    /* RFC 4865 */
    bool has_priority;
    int priority;                     /* RFC 6710 */
    const char *authenticated_sender; /* RFC 4954 5; "" = <> */
    const char *parameters;           /* as they stand */
};

/* RCPT and its parameters. */
struct smtp_command_recipient {
    struct bytes address;           /* as on the wire, without brackets */
    unsigned notify;                /* RFC 3461 4.1 */
    const char *original_recipient; /* RFC 3461 4.2 */
    const char *parameters;         /* as they stand */
};

bool smtp_command_mail(struct buffer *out, const struct smtp_command_mail *mail,
                       struct fault *fault);
bool smtp_command_rcpt(struct buffer *out, const struct smtp_command_recipient *recipient,
                       struct fault *fault);

/* BDAT (RFC 3030 2). */
void smtp_command_bdat(struct buffer *out, uint64_t size, bool is_last);

/* A verb alone, or with an argument that is passed on as it stands. */
bool smtp_command_plain(struct buffer *out, const char *verb, const char *argument,
                        struct fault *fault);

/* A path that is put between "<" and ">" may not end before its end: outside of quotes it holds no
 * bracket and no blank. */
bool smtp_command_check_path(struct bytes path, struct fault *fault);

/* Raw parameters are "KEY" or "KEY=value", one blank between (RFC 5321 4.1.2 esmtp-param; values
 * may be UTF-8, RFC 6531). */
bool smtp_command_check_parameters(const char *parameters, struct fault *fault);

#endif
