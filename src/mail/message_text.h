/* Texts of messages as people search and sort them: encoded words and charsets made UTF-8, then
 * folded so that case and composition do not matter (utf8proc; i;unicode-casemap in spirit), and a
 * search for one text in another. Only charsets of a list are given to iconv. */
#ifndef MAIL_MESSAGE_TEXT_H
#define MAIL_MESSAGE_TEXT_H

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"
#include "mail/message_structure.h"

enum {
    MESSAGE_TEXT_NEEDLE_MAX = 4096, /* bytes of what is searched, folded */
    MESSAGE_TEXT_CHARSET_MAX = 64   /* bytes of a charset's name */
};

/* Is it US-ASCII, UTF-8 or one of the list? */
bool message_text_knows_charset(struct bytes charset);
/* The names on the list, aliases left out; NULL behind the last. Static. */
const char *message_text_charset(size_t index);

/* Appends UTF-8; bytes that mean nothing become U+FFFD. False: the charset is not known
   (FAULT_DENIED), or memory. */
bool message_text_convert(struct bytes text, struct bytes charset, struct buffer *out,
                          struct fault *fault);

/* Appends the value of a header field, unfolded and with its encoded words (RFC 2047) decoded, in
   UTF-8; unknown charsets stay as they are. */
void message_text_decode_words(struct bytes value, struct buffer *out);

/* Appends the folded form of UTF-8. */
void message_text_fold(struct bytes text, struct buffer *out);

/* What is searched for, prepared once. */
struct message_needle;
/* `text` in a charset (data NULL: UTF-8). FAULT_DENIED: unknown charset; FAULT_LIMIT: too long. */
struct message_needle *message_needle_new(struct bytes text, struct bytes charset,
                                          struct fault *fault);
void message_needle_free(struct message_needle *needle); /* accepts NULL */
bool message_needle_is_empty(const struct message_needle *needle);

/* Is it in a piece of UTF-8 (or ASCII) that is not folded yet? */
bool message_needle_is_in(struct message_needle *needle, struct bytes text);
/* Is it in the value of a header field, decoded as above? */
bool message_needle_is_in_value(struct message_needle *needle, struct bytes value);
/* Is it anywhere in a header section, names and all, whose values are decoded in the same way? */
bool message_needle_is_in_header(struct message_needle *needle, struct bytes section);

/* Looks for it in the bodies of all text parts (and message parts' headers), undoing transfer
   encodings and charsets; the message comes in pieces, from its first byte on (no prefix). begin,
   feed until it says true (found) or the message ends, end. With has_headers the header sections
   are searched as well (TEXT), else only bodies (BODY). Memory is bounded. */
struct message_search;
struct message_search *message_search_new(struct fault *fault);
void message_search_free(struct message_search *search); /* accepts NULL */
bool message_search_begin(struct message_search *search, struct message_needle *needle,
                          struct bytes structure, bool has_headers, struct fault *fault);
/* *is_found. False: memory. */
bool message_search_feed(struct message_search *search, struct bytes piece, bool *is_found,
                         struct fault *fault);
bool message_search_end(struct message_search *search, bool *is_found, struct fault *fault);

#endif
