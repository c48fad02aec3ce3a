/* THREAD=ORDEREDSUBJECT and THREAD=REFERENCES (RFC 5256 3) by ranks (imap/imap_column.h): what is
 * equal is the same number. */
#ifndef IMAP_IMAP_THREAD_H
#define IMAP_IMAP_THREAD_H

#include "imap/imap_command.h"

#define IMAP_THREAD_NO_ID UINT32_MAX

struct imap_thread_message {
    uint32_t name;    /* number or UID: what the answer says */
    uint32_t sent;    /* rank of the date */
    uint32_t subject; /* rank of the base subject, folded */
    bool has_subject; /* it is not empty */
    bool is_reply;    /* the subject had more than its base */
    uint32_t id;      /* or IMAP_THREAD_NO_ID */
    /* The eldest first; In-Reply-To where there were none. */
    const uint32_t *references;
    size_t reference_count;
};

/* In the order of the mailbox. All numbers are below the count of their kind. */
struct imap_thread_mailbox {
    const struct imap_thread_message *messages;
    size_t count;
    uint32_t sent_count;
    uint32_t subject_count;
    uint32_t id_count;
};

/* Appends "(1 2)(3 (4)(5))", all of the answer behind "* THREAD " (an empty answer is nothing).
   Time about n log n whatever the ids say; no recursion on what they say. False: out of memory. */
bool imap_thread(enum imap_thread_algorithm algorithm, const struct imap_thread_mailbox *mailbox,
                 struct buffer *out, struct fault *fault);

#endif
