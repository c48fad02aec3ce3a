/* THREAD=ORDEREDSUBJECT and THREAD=REFERENCES (RFC 5256 3) on what was read of the messages. */
#ifndef IMAP_IMAP_THREAD_H
#define IMAP_IMAP_THREAD_H

#include "imap/imap_command.h"

struct imap_thread_message {
    uint32_t name; /* number or UID: what the answer says */
    int64_t sent;
    struct bytes subject;           /* base subject, folded */
    bool is_reply;                  /* the subject had more than its base */
    struct bytes message_id;        /* normalised, without brackets; empty = none */
    const struct bytes *references; /* normalised ids, the eldest first; In-Reply-To where there
                                       were none */
    size_t reference_count;
};

/* Appends "(1 2)(3 (4)(5))", all of the answer behind "* THREAD " (an empty answer is nothing).
   Messages come in the order of the mailbox. Time about n log n whatever the ids say; no recursion
   on what they say. False: out of memory. */
bool imap_thread(enum imap_thread_algorithm algorithm, const struct imap_thread_message *messages,
                 size_t count, struct buffer *out, struct fault *fault);

#endif
