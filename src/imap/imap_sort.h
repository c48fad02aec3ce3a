/* SORT (RFC 5256, RFC 5957) on what was read of the messages: no store, no folding here. */
#ifndef IMAP_IMAP_SORT_H
#define IMAP_IMAP_SORT_H

#include "imap/imap_command.h"

/* A message as sorting sees it. Texts are folded already and borrowed. */
struct imap_sort_message {
    uint32_t number; /* in the mailbox: decides between equals */
    uint32_t uid;
    int64_t arrival; /* internal date */
    int64_t sent;    /* Date, else the internal date */
    uint64_t size;
    const struct bytes *texts; /* by criterion; empty for those of numbers */
};

void imap_sort(struct imap_sort_message *messages, size_t count,
               const struct imap_sort_criterion *criteria, size_t criterion_count);

/* The base subject (RFC 5256 2.1) of a decoded subject in UTF-8: appended, not folded.
 *is_reply: something was taken away. */
void imap_sort_base_subject(struct bytes subject, struct buffer *out, bool *is_reply);

#endif
