/* Sets of message numbers or UIDs: RFC 9051 9, sequence-set; RFC 5182 "$". */
#ifndef IMAP_IMAP_SEQUENCE_H
#define IMAP_IMAP_SEQUENCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"

enum {
    IMAP_SEQUENCE_STAR = 0,          /* "*", the largest number in use */
    IMAP_SEQUENCE_RANGES_MAX = 10000 /* in one set */
};

/* As written first, either end may be "*" and the ends may stand in either order; in a set that was
   put in order first <= last and neither is "*". */
struct imap_range {
    uint32_t first;
    uint32_t last;
};

struct imap_sequence {
    const struct imap_range *ranges;
    size_t count;
    bool is_saved; /* "$": what the last SEARCH saved */
};

/* Reads the whole text as a set into the arena. FAULT_SYNTAX, FAULT_LIMIT, memory. */
bool imap_sequence_parse(struct bytes text, struct arena *arena, struct imap_sequence *sequence,
                         struct fault *fault);

/* Puts a set in order: "*" becomes `largest` (with largest 0 such a range falls away), ranges that
   meet are joined. `out` has room for `count` ranges. Returns how many there are now. */
size_t imap_sequence_order(const struct imap_range *ranges, size_t count, uint32_t largest,
                           struct imap_range *out);

/* In a set that was put in order. */
bool imap_sequence_has(const struct imap_range *ranges, size_t count, uint32_t number);

/* Appends "1:4,7"; of a set in order. */
void imap_sequence_write(const struct imap_range *ranges, size_t count, struct buffer *out);

/* Numbers that come in ascending order, written as a set of ranges while they come. */
struct imap_sequence_writer {
    struct buffer *out;
    uint32_t first; /* 0 = nothing yet */
    uint32_t last;
    bool has_written;
};
void imap_sequence_begin(struct imap_sequence_writer *writer, struct buffer *out);
void imap_sequence_add(struct imap_sequence_writer *writer, uint32_t number);
void imap_sequence_end(struct imap_sequence_writer *writer);

#endif
