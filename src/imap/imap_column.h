/* What messages have of one key of SORT or THREAD, as ranks: the same value is the same rank, and
 * ranks are in the order of the values. So messages are put in order by numbers, and a column says
 * the same of a message however many others are in it. Made whole and then only read; what comes
 * later is joined into another one. */
#ifndef IMAP_IMAP_COLUMN_H
#define IMAP_IMAP_COLUMN_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/fault.h"

enum imap_column_kind {
    IMAP_COLUMN_TEXTS = 0, /* one for a message, in the order of their bytes */
    IMAP_COLUMN_IDS        /* any number for a message, only told apart: in an order of their own */
};

/* In a rank: something more about the message, as whoever filled the column means it. */
#define IMAP_COLUMN_MARK ((uint32_t)1 << 31)

/* ---- messages to be joined ---- */

/* Zero but for kind and the limit of texts. */
struct imap_column_draft {
    enum imap_column_kind kind;
    struct buffer texts;
    struct imap_column_value *values;
    size_t value_count;
    size_t value_capacity;
    uint32_t *uids; /* ascending */
    uint32_t *ends; /* of each message's values */
    size_t count;
    size_t capacity;
};
#define IMAP_COLUMN_DRAFT(which, most)                                                             \
    ((struct imap_column_draft){.kind = (which), .texts = BUFFER(most)})
void imap_column_draft_clear(struct imap_column_draft *draft);

/* A message with a higher UID than all before; its values follow. False: memory. */
bool imap_column_draft_begin(struct imap_column_draft *draft, uint32_t uid);
/* Copies the value. False: memory, or the limit. */
bool imap_column_draft_add(struct imap_column_draft *draft, struct bytes text, bool is_marked);
/* The same of a number, which is in order among other numbers only. */
bool imap_column_draft_add_number(struct imap_column_draft *draft, int64_t number);
/* Bytes that it takes, about. */
size_t imap_column_draft_size(const struct imap_column_draft *draft);

/* ---- columns ---- */

/* Read freely; everything else is for imap_column.c. */
struct imap_column {
    size_t count;
    uint32_t *uids; /* ascending */
    uint32_t *ends; /* of each message's values in ranks; NULL: each has one */
    uint32_t *ranks;
    uint32_t value_count; /* different values; ranks are below it */
    uint32_t *text_ends;
    char *texts;
    size_t size; /* bytes of all this */
};

/* The messages of `old` (NULL: none) and of the draft, of which none is in both. The draft is in
   disorder then, and only to be cleared. NULL: memory, or FAULT_LIMIT. */
struct imap_column *imap_column_join(const struct imap_column *old, struct imap_column_draft *draft,
                                     struct fault *fault);
void imap_column_free(struct imap_column *column); /* accepts NULL */

/* Its index. UIDs are looked for in ascending order, with the same *at, 0 before the first. */
bool imap_column_find(const struct imap_column *column, size_t *at, uint32_t uid);

/* The values of the message at an index: ranks with their marks. */
const uint32_t *imap_column_ranks(const struct imap_column *column, size_t index, size_t *count);

/* The value of a rank, without its mark. */
struct bytes imap_column_text(const struct imap_column *column, uint32_t rank);

#endif
