/* The pieces of responses: RFC 9051 7 and 9, RFC 3501 7. They append to a buffer, which fails when
 * it cannot take more. Strings are quoted where they can be and literals else. */
#ifndef IMAP_IMAP_WRITE_H
#define IMAP_IMAP_WRITE_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"

enum {
    IMAP_WRITE_QUOTED_MAX = 1000, /* bytes of a quoted string; longer ones are literals */
    IMAP_WRITE_MAILBOX_MAX = 8192 /* of a name in modified UTF-7 */
};

void imap_write_number(struct buffer *out, uint64_t number);

/* A quoted string or a literal; with is_utf8 (IMAP4rev2 was enabled) UTF-8 may be quoted. */
void imap_write_string(struct buffer *out, struct bytes text, bool is_utf8);
/* The same, or NIL where data is NULL. */
void imap_write_nstring(struct buffer *out, struct bytes text, bool is_utf8);
/* NUL may stand in no literal (RFC 9051 9, CHAR8; RFC 3501 4.3): in what was appended from `start`
   on (bytes of content) every one becomes 0x80, so that sizes and offsets stay as they are. */
void imap_write_without_nul(struct buffer *out, size_t start);
/* An atom where it can be one. */
void imap_write_astring(struct buffer *out, struct bytes text, bool is_utf8);
/* "{10}\r\n": then the bytes follow. */
void imap_write_literal_head(struct buffer *out, uint64_t size);
void imap_write_literal8_head(struct buffer *out, uint64_t size);

/* A mailbox's name (UTF-8 inside) as an astring, in UTF-8 or modified UTF-7. */
void imap_write_mailbox(struct buffer *out, struct bytes name, bool is_utf8);

/* "17-Jul-1996 02:44:25 -0700" with its quotes; microseconds since 1970, told in UTC ("+0000"),
   days of one digit with a zero (RFC 9051 9, date-day-fixed), as clients compare them. */
void imap_write_date(struct buffer *out, int64_t microseconds);

/* "(\Seen $Forwarded)". Bit STORE_KEYWORD_FIRST + i of flags is keywords[i] (empty: not in
   use); bits above them are left out. */
void imap_write_flags(struct buffer *out, uint64_t flags, bool is_recent,
                      const struct bytes *keywords, size_t keyword_count);

enum {
    IMAP_WRITE_KEYWORD_FIRST = 8 /* bit of the first keyword */
};

/* Object ids (RFC 8474): "M" or "F" and hexadecimal digits. */
void imap_write_object_id(struct buffer *out, char kind, int64_t id);

#endif
