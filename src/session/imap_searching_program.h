/* The keys of a SEARCH made ready: needles folded, sets put in order, keywords looked up, cheap
 * keys before costly ones. It borrows nothing of the command or the view. */
#ifndef SESSION_IMAP_SEARCHING_PROGRAM_H
#define SESSION_IMAP_SEARCHING_PROGRAM_H

#include "mail/message_text.h"
#include "session/imap_selection.h"
#include "store/store_fetch.h"

/* What must be read of a message to answer a key; the cheaper first. */
enum imap_searching_level {
    IMAP_SEARCHING_VIEW = 0, /* nothing */
    IMAP_SEARCHING_ROW,      /* dates and size */
    IMAP_SEARCHING_ENVELOPE,
    IMAP_SEARCHING_HEADER,
    IMAP_SEARCHING_DATA,
    IMAP_SEARCHING_LEVELS
};

struct imap_searching_node {
    enum imap_search_kind kind;
    enum imap_searching_level level; /* from which on it may be answered */
    struct imap_searching_node *children;
    struct imap_searching_node *next;
    uint64_t bits;                   /* flags and keywords */
    const struct imap_range *ranges; /* of message numbers, in order */
    size_t range_count;
    struct message_needle *needle;
    struct bytes name; /* HEADER */
    uint64_t number;   /* size, modseq */
    int64_t moment;    /* OLDER, YOUNGER: the internal date; EMAILID: the id */
    int32_t day;
};

struct imap_searching_program {
    struct imap_searching_node *root;
    bool has_level[IMAP_SEARCHING_LEVELS];
    unsigned wants[IMAP_SEARCHING_LEVELS]; /* of store_fetch, to answer keys up to this level */
    struct arena arena;
    struct message_needle **needles;
    size_t needle_count;
};

/* `now`: microseconds since 1970, for OLDER and YOUNGER. NULL: FAULT_DENIED: the charset is not
   known (BADCHARSET); FAULT_SYNTAX; FAULT_LIMIT; memory. */
struct imap_searching_program *imap_searching_program_new(struct imap_selection *selection,
                                                          const struct imap_search *search,
                                                          int64_t now, struct fault *fault);
void imap_searching_program_free(struct imap_searching_program *program); /* accepts NULL */

#endif
