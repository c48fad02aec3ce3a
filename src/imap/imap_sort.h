/* SORT (RFC 5256, RFC 5957) by ranks: no store, no folding here. */
#ifndef IMAP_IMAP_SORT_H
#define IMAP_IMAP_SORT_H

#include "imap/imap_command.h"

/* What messages have of one criterion, in the order of the mailbox: ranks below rank_count, the
   same for what is equal (imap/imap_column.h, without marks). */
struct imap_sort_criterion_ranks {
    const uint32_t *ranks;
    uint32_t rank_count;
    bool is_reverse;
};

/* Fills `order` with the indexes of `count` messages, first to last. The first criterion decides
   before the others. Takes time by messages and ranks, not by comparing. False: memory. */
bool imap_sort(const struct imap_sort_criterion_ranks *criteria, size_t criterion_count,
               uint32_t *order, size_t count, struct fault *fault);

/* The base subject (RFC 5256 2.1) of a decoded subject in UTF-8: appended, not folded.
 *is_reply: something was taken away. */
void imap_sort_base_subject(struct bytes subject, struct buffer *out, bool *is_reply);

#endif
