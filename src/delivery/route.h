/* Where an address leads: into mailboxes here, out by a route, or nowhere. Answers that were found
 * are remembered for a short while, by each loop for itself; the delivery checks again. */
#ifndef DELIVERY_ROUTE_H
#define DELIVERY_ROUTE_H

#include "mail/address.h"
#include "store/store_accounts.h"

enum {
    ROUTE_MEMORY_TIME = 2000,    /* milliseconds that an answer is remembered */
    ROUTE_MEMORY_ENTRIES = 4096, /* answers remembered by a loop */
    ROUTE_MEMORY_TARGETS = 16,   /* longer answers are not remembered */
    ROUTE_TRACE_SIZE = 2 * 1024  /* bytes at most that a delivery puts in front of a message */
};

enum route_verdict {
    ROUTE_TAKEN = 0,
    ROUTE_UNKNOWN,  /* 550 5.1.1 */
    ROUTE_DISABLED, /* 550 5.2.1 */
    ROUTE_FULL,  /* 552 5.2.2: a target is over its quota; what an address leads to is served whole
                    or not at all, so that nobody of an alias is left out unheard */
    ROUTE_LOOPS, /* 550 5.4.6 */
    ROUTE_NO_RELAY, /* a far address, and nobody is logged in: 550 5.7.1 */
    ROUTE_NULL_SENDER_REFUSED
};

/* Whoever asks. */
struct route_question {
    struct bytes address; /* as RCPT has it; the bare postmaster too */
    int64_t account;      /* logged in as; 0 = nobody */
};

struct route_answer {
    enum route_verdict verdict;
    struct store_targets targets; /* ROUTE_TAKEN; those without an account are far addresses */
};
void route_answer_clear(struct route_answer *answer);

/* The words of a verdict for SMTP: code, enhanced code, text. Static. */
struct route_words {
    int code;
    const char *enhanced;
    const char *text;
};
const struct route_words *route_words_of(enum route_verdict verdict);

/* Looks it up; for workers. "%", "!" and the like are letters of a local part and mean nothing;
   address literals are nobody's domain here. False: a fault of the store (451 4.3.0). *answer is
   cleared by the caller. */
bool route_find(struct db *reader, const struct route_question *question,
                struct route_answer *answer, struct fault *fault);

/* Would a message of so many bytes (0 = not announced) fit into every mailbox of a ROUTE_TAKEN, as
   far as one knows before it has come? If not, it is ROUTE_FULL for this message. A mailbox that is
   found too small only afterwards holds up all other recipients, at each try anew. */
bool route_has_room(const struct route_answer *answer, uint64_t size);

/* A loop's memory. */
struct route_memory;
struct route_memory *route_memory_new(struct fault *fault);
void route_memory_free(struct route_memory *memory); /* accepts NULL */
/* Only what was ROUTE_TAKEN is kept. *answer is the memory's own until the next call. */
bool route_memory_find(struct route_memory *memory, const struct route_question *question,
                       int64_t now, const struct route_answer **answer);
void route_memory_keep(struct route_memory *memory, const struct route_question *question,
                       const struct route_answer *answer, int64_t now);

#endif
