/* The tokens of a command: RFC 9051 9, RFC 3501 9. The text is whole, with its literals in place
 * ("{3}\r\nabc"). A take that returns false has filled the fault, with the command's name before
 * what was wrong; a try leaves place and fault alone where nothing fits. */
#ifndef IMAP_IMAP_TOKEN_H
#define IMAP_IMAP_TOKEN_H

#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/fault.h"
#include "base/scan.h"
#include "imap/imap_sequence.h"

enum {
    IMAP_TOKEN_SHOWN_MAX = 40 /* bytes of the client's text in a message */
};

struct imap_tokens {
    struct scan scan;
    struct arena *arena;
    const char *verb; /* for messages */
    struct fault *fault;
    bool is_utf8;     /* names of mailboxes are UTF-8 */
    bool is_secret;   /* messages show nothing of the text */
    bool is_any_text; /* strings need not be UTF-8: another charset was named */
};

extern const struct scan_class imap_token_atom;    /* ATOM-CHAR */
extern const struct scan_class imap_token_astring; /* and "]" */
extern const struct scan_class imap_token_word;    /* letters, digits, "." and "-" */

/* False: there is a NUL in the text. */
bool imap_token_begin(struct imap_tokens *tokens, struct bytes text);

/* Fill the fault and return false: "VERB: what", "VERB: what \"WORD\"", "VERB: what expected at
   \"...\"". */
bool imap_token_refuse(struct imap_tokens *tokens, enum fault_kind kind, const char *what);
bool imap_token_refuse_word(struct imap_tokens *tokens, const char *what, struct bytes word);
bool imap_token_expected(struct imap_tokens *tokens, const char *what);
/* A piece of the arena; NULL: the fault is filled. */
void *imap_token_allocate(struct imap_tokens *tokens, size_t count, size_t size);
/* The same with a copy in it. */
void *imap_token_copy(struct imap_tokens *tokens, const void *from, size_t count, size_t size);

static inline bool imap_token_try_char(struct imap_tokens *tokens, char c)
{
    return scan_take_char(&tokens->scan, c);
}
static inline int imap_token_peek(const struct imap_tokens *tokens)
{
    return scan_peek(&tokens->scan);
}
bool imap_token_take_blank(struct imap_tokens *tokens);
bool imap_token_take_open(struct imap_tokens *tokens);  /* "(" */
bool imap_token_take_close(struct imap_tokens *tokens); /* ")" */
/* Behind a member of a list in parentheses: a blank (*has_more) or the end of the list. */
bool imap_token_take_more(struct imap_tokens *tokens, bool *has_more);
/* The end of the command. Blanks before it, which some clients send, are passed over. */
bool imap_token_take_end(struct imap_tokens *tokens);
bool imap_token_is_at_end(struct imap_tokens *tokens);

/* A word of a table, in any case of letters, is taken as its value; `what` is what it is. */
struct imap_token_name {
    struct bytes name;
    unsigned value;
};
bool imap_token_find(struct bytes word, const struct imap_token_name *names, size_t count,
                     unsigned *value);
bool imap_token_take_name(struct imap_tokens *tokens, const char *what,
                          const struct imap_token_name *names, size_t count, unsigned *value);
/* Takes the word where it stands as a whole word, in any case. */
bool imap_token_try_name(struct imap_tokens *tokens, struct bytes name);

bool imap_token_take_atom(struct imap_tokens *tokens, const char *what, struct bytes *atom);
/* Decoded: borrowed from the text, or in the arena where it had escapes. */
bool imap_token_take_string(struct imap_tokens *tokens, const char *what, struct bytes *string);
bool imap_token_take_astring(struct imap_tokens *tokens, const char *what, struct bytes *string);
/* NIL is data NULL. */
bool imap_token_take_nstring(struct imap_tokens *tokens, const char *what, struct bytes *string);
/* A mailbox's name, decoded (imap_mailbox_name.h). */
bool imap_token_take_mailbox(struct imap_tokens *tokens, struct bytes *name);
/* The same; *supplied is the name as the client wrote it where that is another form of it
   ("inbox"), else of length 0. */
bool imap_token_take_mailbox_as_supplied(struct imap_tokens *tokens, struct bytes *name,
                                         struct bytes *supplied);
/* A mailbox's name with wildcards outside of quotes. */
bool imap_token_take_pattern(struct imap_tokens *tokens, struct bytes *pattern);

/* From `least` to `most`. */
bool imap_token_take_number(struct imap_tokens *tokens, const char *what, uint64_t least,
                            uint64_t most, uint64_t *number);
bool imap_token_take_sequence(struct imap_tokens *tokens, struct imap_sequence *sequence);
/* RFC 7162 7: 63 bits. 0, which only some of the places allow, asks for everything. */
bool imap_token_take_modseq(struct imap_tokens *tokens, uint64_t *modseq);

/* "1-Feb-1994", in quotes or not, as a day number since 1970-01-01. */
bool imap_token_take_date(struct imap_tokens *tokens, int32_t *day);
/* "\"17-Jul-1996 02:44:25 -0700\"" in microseconds since 1970, UTC. */
bool imap_token_take_date_time(struct imap_tokens *tokens, int64_t *microseconds);

#endif
