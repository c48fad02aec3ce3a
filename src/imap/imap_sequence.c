/* Sets are read in one pass and put in order by a sort that is skipped where nothing is to sort. */
#include "imap/imap_sequence.h"

#include <stdlib.h>
#include <string.h>

#include "base/scan.h"

/* RFC 9051 9, seq-number: "*" or a number that is not 0. */
static bool take_end(struct scan *scan, uint32_t *number)
{
    uint64_t value;
    if (scan_take_char(scan, '*')) {
        *number = IMAP_SEQUENCE_STAR;
        return true;
    }
    if (!scan_take_number(scan, UINT32_MAX, &value) || value == 0)
        return false;
    *number = (uint32_t)value;
    return true;
}

static bool take_range(struct scan *scan, struct imap_range *range)
{
    if (!take_end(scan, &range->first))
        return false;
    range->last = range->first;
    return !scan_take_char(scan, ':') || take_end(scan, &range->last);
}

static size_t count_ranges(struct bytes text)
{
    size_t count = 1;
    for (size_t i = 0; i < text.length; i++)
        count += text.data[i] == ',';
    return count;
}

bool imap_sequence_parse(struct bytes text, struct arena *arena, struct imap_sequence *sequence,
                         struct fault *fault)
{
    if (bytes_equal(text, BYTES("$"))) {
        *sequence = (struct imap_sequence){.is_saved = true};
        return true;
    }
    size_t count = count_ranges(text);
    if (count > IMAP_SEQUENCE_RANGES_MAX)
        return fault_set(fault, FAULT_LIMIT, "a set has at most %d ranges",
                         (int)IMAP_SEQUENCE_RANGES_MAX);
    struct imap_range *ranges = arena_allocate_array(arena, count, sizeof *ranges);
    if (ranges == NULL)
        return fault_set_memory(fault);
    struct scan scan = scan_of(text);
    for (size_t i = 0; i < count; i++) {
        if ((i > 0 && !scan_take_char(&scan, ',')) || !take_range(&scan, &ranges[i]))
            return fault_set(fault, FAULT_SYNTAX, "not a set of numbers");
    }
    if (!scan_is_at_end(&scan))
        return fault_set(fault, FAULT_SYNTAX, "not a set of numbers");
    *sequence = (struct imap_sequence){.ranges = ranges, .count = count};
    return true;
}

static int compare_ranges(const void *left, const void *right)
{
    uint32_t first = ((const struct imap_range *)left)->first;
    uint32_t second = ((const struct imap_range *)right)->first;
    return (first > second) - (first < second);
}

/* RFC 9051 9: "*" may stand at either end, and the ends in either order. */
static bool settle(struct imap_range range, uint32_t largest, struct imap_range *out)
{
    uint32_t first = range.first == IMAP_SEQUENCE_STAR ? largest : range.first;
    uint32_t last = range.last == IMAP_SEQUENCE_STAR ? largest : range.last;
    *out = first <= last ? (struct imap_range){first, last} : (struct imap_range){last, first};
    return first != 0 && last != 0;
}

size_t imap_sequence_order(const struct imap_range *ranges, size_t count, uint32_t largest,
                           struct imap_range *out)
{
    size_t kept = 0;
    bool is_ordered = true;
    for (size_t i = 0; i < count; i++) {
        if (!settle(ranges[i], largest, &out[kept]))
            continue;
        is_ordered = is_ordered && (kept == 0 || out[kept - 1].first <= out[kept].first);
        kept++;
    }
    if (!is_ordered)
        qsort(out, kept, sizeof *out, compare_ranges);
    size_t joined = 0;
    for (size_t i = 0; i < kept; i++) {
        if (joined > 0 && out[i].first - 1 <= out[joined - 1].last) {
            if (out[i].last > out[joined - 1].last)
                out[joined - 1].last = out[i].last;
        } else {
            out[joined++] = out[i];
        }
    }
    return joined;
}

bool imap_sequence_has(const struct imap_range *ranges, size_t count, uint32_t number)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (number < ranges[middle].first)
            high = middle;
        else if (number > ranges[middle].last)
            low = middle + 1;
        else
            return true;
    }
    return false;
}

static void write_range(uint32_t first, uint32_t last, struct buffer *out)
{
    buffer_append_unsigned(out, first);
    if (last != first) {
        buffer_append_char(out, ':');
        buffer_append_unsigned(out, last);
    }
}

void imap_sequence_write(const struct imap_range *ranges, size_t count, struct buffer *out)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_char(out, ',');
        write_range(ranges[i].first, ranges[i].last, out);
    }
}

void imap_sequence_begin(struct imap_sequence_writer *writer, struct buffer *out)
{
    *writer = (struct imap_sequence_writer){.out = out};
}

static void write_held(struct imap_sequence_writer *writer)
{
    if (writer->has_written)
        buffer_append_char(writer->out, ',');
    write_range(writer->first, writer->last, writer->out);
    writer->has_written = true;
}

void imap_sequence_add(struct imap_sequence_writer *writer, uint32_t number)
{
    if (writer->first == 0) {
        writer->first = number;
    } else if (number - 1 != writer->last) {
        write_held(writer);
        writer->first = number;
    }
    writer->last = number;
}

void imap_sequence_end(struct imap_sequence_writer *writer)
{
    if (writer->first != 0)
        write_held(writer);
    writer->first = 0;
}
