/* Open boundaries, sorted, so that a line narrows them down byte by byte. */
#include "mail/message_boundary.h"

void message_boundary_clear(struct message_boundaries *boundaries)
{
    boundaries->count = 0;
    buffer_clear(&boundaries->text);
}

void message_boundary_reset(struct message_boundaries *boundaries)
{
    boundaries->count = 0;
    buffer_reset(&boundaries->text);
}

static struct bytes text_of(const struct message_boundaries *boundaries, size_t index)
{
    const struct message_boundary *boundary = &boundaries->open[index];
    return bytes_slice(buffer_bytes(&boundaries->text), boundary->start, boundary->length);
}

bool message_boundary_push(struct message_boundaries *boundaries, struct bytes boundary,
                           size_t part)
{
    size_t index = boundaries->count;
    assert(index < MESSAGE_BOUNDARIES_MAX);
    boundary = bytes_slice(boundary, 0, MESSAGE_BOUNDARY_MAX);
    boundaries->text.limit = MESSAGE_BOUNDARIES_MAX * MESSAGE_BOUNDARY_MAX;
    boundaries->open[index] =
        (struct message_boundary){boundaries->text.length, boundary.length, part};
    buffer_append(&boundaries->text, boundary);
    if (buffer_is_failed(&boundaries->text))
        return false;
    /* Behind those that are equal: the innermost is the last of them. */
    size_t place = index;
    while (place > 0 &&
           bytes_compare(text_of(boundaries, boundaries->sorted[place - 1]), boundary) > 0) {
        boundaries->sorted[place] = boundaries->sorted[place - 1];
        place--;
    }
    boundaries->sorted[place] = (unsigned char)index;
    boundaries->count++;
    return true;
}

void message_boundary_shorten(struct message_boundaries *boundaries, size_t count)
{
    if (count >= boundaries->count)
        return;
    size_t kept = 0;
    for (size_t i = 0; i < boundaries->count; i++) {
        if (boundaries->sorted[i] < count)
            boundaries->sorted[kept++] = boundaries->sorted[i];
    }
    buffer_truncate(&boundaries->text, boundaries->open[count].start);
    boundaries->count = count;
}

/* The first place in [low, high) whose byte at `position` is at least `value`. All there are longer
   than `position` and share what is before it. */
static size_t first_at_least(const struct message_boundaries *boundaries, size_t low, size_t high,
                             size_t position, unsigned value)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct bytes text = text_of(boundaries, boundaries->sorted[middle]);
        if ((unsigned char)text.data[position] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Where the text of a line ends that is nothing but a boundary and blanks. */
static size_t end_of_text(struct bytes line)
{
    size_t length = line.length;
    while (length > 0 && memchr(" \t\r\n", line.data[length - 1], 4) != NULL)
        length--;
    return length;
}

static bool is_all(struct bytes line, size_t end, size_t length)
{
    return length == end || (length + 2 == end && memcmp(line.data + length, "--", 2) == 0);
}

bool message_boundary_find(const struct message_boundaries *boundaries, struct bytes line,
                           size_t *index)
{
    size_t low = 0;
    size_t high = boundaries->count;
    size_t end = end_of_text(line);
    bool is_found = false;
    bool is_whole = false;
    for (size_t position = 0; low < high; position++) {
        bool is_all_here = is_all(line, end, position);
        /* Those that end here come first, for they are the beginning of the others. */
        while (low < high && boundaries->open[boundaries->sorted[low]].length == position) {
            size_t here = boundaries->sorted[low++];
            if (is_whole && (!is_all_here || here < *index))
                continue;
            *index = here;
            is_found = true;
            is_whole = is_all_here;
        }
        if (position == line.length)
            break;
        unsigned byte = (unsigned char)line.data[position];
        low = first_at_least(boundaries, low, high, position, byte);
        high = first_at_least(boundaries, low, high, position, byte + 1);
    }
    return is_found;
}
