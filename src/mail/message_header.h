/* The fields of a stored message's header section. Unlike mail/header.h, which reads what is still
 * to be sent, only LF and CRLF end a line: a bare CR is a byte like any other. */
#ifndef MAIL_MESSAGE_HEADER_H
#define MAIL_MESSAGE_HEADER_H

#include "base/buffer.h"
#include "base/bytes.h"

struct message_header_field {
    struct bytes name;  /* without blanks; a line without a colon has none, and is all value */
    struct bytes value; /* folded as it is, without the blanks before it and the line end behind */
};

/* Takes the first field off *rest. False: rest is empty or starts with an empty line. */
bool message_header_next(struct bytes *rest, struct message_header_field *field);

/* Appends a value without its folds (RFC 5322 2.2.3). What cannot be shown to IMAP, a NUL, becomes
   U+FFFD here and in the functions below. */
void message_header_unfold(struct bytes value, struct buffer *out);

/* Appends a text for people: blanks and folds between two words are one blank. */
void message_header_condense(struct bytes text, struct buffer *out);

/* Appends bytes as they are but for NULs. */
void message_header_append(struct bytes bytes, struct buffer *out);

#endif
