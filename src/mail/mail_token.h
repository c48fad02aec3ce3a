/* The words that structured fields are made of, read as forgivingly as real mail needs it: RFC 5322
 * 3.2 with 4.1 (obsolete forms), RFC 2045 5.1, bytes beyond ASCII anywhere. Values may be folded.
 */
#ifndef MAIL_MAIL_TOKEN_H
#define MAIL_MAIL_TOKEN_H

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/scan.h"

/* How a take ended. What was read up to a fault has been appended all the same. */
enum mail_token_result {
    MAIL_TOKEN_BROKEN, /* nothing fits here, or something is not closed */
    MAIL_TOKEN_END,    /* taken, and the value ends */
    MAIL_TOKEN_MORE    /* taken with the blanks and comments behind it; more follows */
};

struct mail_token {
    struct scan scan;
    struct buffer *comment; /* the text of the last comment, or NULL when nobody asks */
};

/* atext of RFC 5322 3.2.3 and all beyond ASCII. */
extern const struct scan_class mail_token_atom_characters;

/* Blanks, line ends and comments. */
enum mail_token_result mail_token_skip_blanks(struct mail_token *token);

/* A quote, a dot or an atom is next. */
bool mail_token_is_at_word(const struct mail_token *token);

/* Each appends what it takes to *out. */
enum mail_token_result mail_token_take_atom(struct mail_token *token, struct buffer *out);
/* Of an address: a quoted string, or atoms and dots, also too many of them. */
enum mail_token_result mail_token_take_local_part(struct mail_token *token, struct buffer *out);
/* RFC 2045's token; perhaps an empty one. */
enum mail_token_result mail_token_take_mime_token(struct mail_token *token, struct buffer *out);
/* The place is at the quote; without quotes and backslashes. */
enum mail_token_result mail_token_take_quoted(struct mail_token *token, struct buffer *out);
/* Words and dots, one blank between two. */
enum mail_token_result mail_token_take_phrase(struct mail_token *token, struct buffer *out);
/* The place is at the "@". */
enum mail_token_result mail_token_take_domain(struct mail_token *token, struct buffer *out);

#endif
