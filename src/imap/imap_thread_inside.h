/* The forest that the sources of imap_thread work on. */
#ifndef IMAP_IMAP_THREAD_INSIDE_H
#define IMAP_IMAP_THREAD_INSIDE_H

#include <stdint.h>

#include "imap/imap_thread.h"

enum {
    IMAP_THREAD_NONE = 0 /* no node; node i + 1 is message i */
};

/* Nodes are numbered from 1: first the messages in their order, then those that are only known by
   reference or stand above others (dummies, as the RFC calls them). */
struct imap_thread_forest {
    const struct imap_thread_mailbox *mailbox;
    const struct imap_thread_message *messages; /* the mailbox's */
    uint32_t message_count;
    uint32_t node_count;
    uint32_t capacity;
    uint32_t *parents;
    uint32_t *first_children;
    uint32_t *last_children;
    uint32_t *siblings; /* the next one */
    uint32_t *by_date;  /* the messages' nodes in the order of their dates */
    uint32_t first_root;
    uint32_t last_root;
};

static inline bool imap_thread_is_dummy(const struct imap_thread_forest *forest, uint32_t node)
{
    return node > forest->message_count;
}

/* imap_thread_link.c: parents by the ids that messages name (RFC 5256 3, REFERENCES (1)). It finds
   how many nodes there are, and makes forest->parents with room for another dummy for each
   message. */
bool imap_thread_link(struct imap_thread_forest *forest, struct fault *fault);

/* imap_thread_gather.c: dummies taken out, threads of one subject joined (REFERENCES (2) to (6)).
 */
bool imap_thread_gather(struct imap_thread_forest *forest, struct fault *fault);

/* imap_thread.c: makes the lists of children and roots out of the parents, by date. A dummy stands
   where its first child would. */
void imap_thread_list(struct imap_thread_forest *forest);

#endif
