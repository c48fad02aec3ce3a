/* What a FETCH asks for, in a form of its own that may outlive the command: a worker has it. */
#ifndef SESSION_IMAP_FETCHING_PLAN_H
#define SESSION_IMAP_FETCHING_PLAN_H

#include "base/arena.h"
#include "imap/imap_command.h"

enum {
    IMAP_FETCHING_PLAN_MAX = 4 * 1024 * 1024 /* bytes of it */
};

struct imap_fetching_item {
    enum imap_fetch_kind kind;   /* RFC822 and its kin are SECTION */
    struct imap_section section; /* SECTION, BINARY, BINARY_SIZE */
    bool is_partial;
    uint64_t offset;
    uint32_t count;
    struct bytes name; /* as it stands in the answer, with the blank behind it */
};

/* Zero is empty. */
struct imap_fetching_plan {
    struct arena arena; /* the family keeps its ranges here too */
    struct imap_fetching_item *items;
    size_t count;
    unsigned wants;  /* enum store_fetch_want */
    bool is_of_view; /* the view alone has all of it */
    bool has_flags;
    bool sets_seen; /* something is no peek (RFC 9051 6.4.5) */
    bool is_utf8;   /* strings are: IMAP4rev2 */
    bool has_recent;
};

/* False: memory. */
bool imap_fetching_plan_init(struct imap_fetching_plan *plan, const struct imap_fetch *fetch,
                             bool is_rev2, struct fault *fault);
void imap_fetching_plan_clear(struct imap_fetching_plan *plan);

#endif
