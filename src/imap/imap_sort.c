/* Order by several criteria, and the base subject. */
#include "imap/imap_sort.h"

#include <stdlib.h>

struct order {
    const struct imap_sort_criterion *criteria;
    size_t count;
};

static int compare_signed(int64_t left, int64_t right)
{
    return (left > right) - (left < right);
}

static int compare_by(const struct imap_sort_criterion *criterion, size_t index,
                      const struct imap_sort_message *left, const struct imap_sort_message *right)
{
    switch (criterion->key) {
    case IMAP_SORT_ARRIVAL:
        return compare_signed(left->arrival, right->arrival);
    case IMAP_SORT_DATE:
        return compare_signed(left->sent, right->sent);
    case IMAP_SORT_SIZE:
        return (left->size > right->size) - (left->size < right->size);
    default:
        return bytes_compare(left->texts[index], right->texts[index]);
    }
}

static int compare(const void *one, const void *other, void *argument)
{
    const struct imap_sort_message *left = one;
    const struct imap_sort_message *right = other;
    const struct order *order = argument;
    for (size_t i = 0; i < order->count; i++) {
        int result = compare_by(&order->criteria[i], i, left, right);
        if (result != 0)
            return order->criteria[i].is_reverse ? -result : result;
    }
    /* RFC 5256 3: what is equal stays in the order of the mailbox, REVERSE or not. */
    return (left->number > right->number) - (left->number < right->number);
}

void imap_sort(struct imap_sort_message *messages, size_t count,
               const struct imap_sort_criterion *criteria, size_t criterion_count)
{
    struct order order = {criteria, criterion_count};
    if (count > 1)
        qsort_r(messages, count, sizeof *messages, compare, &order);
}

/* ---- the base subject (RFC 5256 2.1, 5) ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* (1) */
static void condense(struct bytes subject, struct buffer *out)
{
    bool was_blank = false;
    for (size_t i = 0; i < subject.length; i++) {
        bool blank = is_blank(subject.data[i]);
        if (!blank)
            buffer_append_char(out, subject.data[i]);
        else if (!was_blank)
            buffer_append_char(out, ' ');
        was_blank = blank;
    }
}

/* (2) subj-trailer */
static bool cut_trailer(struct bytes *subject, bool *is_reply)
{
    if (bytes_ends_with(*subject, BYTES(" "))) {
        subject->length--;
        return true;
    }
    if (!bytes_ends_with_ignoring_case(*subject, BYTES("(fwd)")))
        return false;
    subject->length -= 5;
    *is_reply = true;
    return true;
}

static void skip_blanks(struct bytes *text)
{
    while (text->length > 0 && text->data[0] == ' ')
        *text = bytes_skip(*text, 1);
}

/* subj-blob */
static bool take_blob(struct bytes *rest)
{
    if (rest->length == 0 || rest->data[0] != '[')
        return false;
    for (size_t i = 1; i < rest->length && rest->data[i] != '['; i++) {
        if (rest->data[i] == ']') {
            *rest = bytes_skip(*rest, i + 1);
            skip_blanks(rest);
            return true;
        }
    }
    return false;
}

/* subj-refwd */
static bool take_refwd(struct bytes *rest)
{
    struct bytes ahead = *rest;
    if (bytes_starts_with_ignoring_case(ahead, BYTES("fwd")))
        ahead = bytes_skip(ahead, 3);
    else if (bytes_starts_with_ignoring_case(ahead, BYTES("re")) ||
             bytes_starts_with_ignoring_case(ahead, BYTES("fw")))
        ahead = bytes_skip(ahead, 2);
    else
        return false;
    skip_blanks(&ahead);
    take_blob(&ahead);
    if (ahead.length == 0 || ahead.data[0] != ':')
        return false;
    *rest = bytes_skip(ahead, 1);
    return true;
}

/* (3) subj-leader. `blobs_end`: no blob that begins before it stands before a subj-refwd, as was
   seen already; so that many blobs are not gone through again and again. */
static bool cut_leader(struct bytes *subject, const char **blobs_end, bool *is_reply)
{
    if (subject->length > 0 && subject->data[0] == ' ') {
        *subject = bytes_skip(*subject, 1);
        return true;
    }
    struct bytes ahead = *subject;
    if (ahead.data < *blobs_end)
        return false;
    while (take_blob(&ahead))
        ;
    if (!take_refwd(&ahead)) {
        *blobs_end = ahead.data;
        return false;
    }
    *subject = ahead;
    *is_reply = true;
    return true;
}

/* (4) */
static bool cut_blob(struct bytes *subject)
{
    struct bytes ahead = *subject;
    if (!take_blob(&ahead) || ahead.length == 0)
        return false;
    *subject = ahead;
    return true;
}

/* (6) */
static bool cut_forward(struct bytes *subject, bool *is_reply)
{
    if (!bytes_starts_with_ignoring_case(*subject, BYTES("[fwd:")) ||
        !bytes_ends_with(*subject, BYTES("]")))
        return false;
    *subject = bytes_slice(*subject, 5, subject->length - 6);
    *is_reply = true;
    return true;
}

void imap_sort_base_subject(struct bytes subject, struct buffer *out, bool *is_reply)
{
    size_t start = out->length;
    *is_reply = false;
    condense(subject, out);
    if (buffer_is_failed(out))
        return;
    struct bytes base = bytes_skip(buffer_bytes(out), start);
    do {
        const char *blobs_end = base.data;
        while (cut_trailer(&base, is_reply))
            ;
        /* (5) */
        while (cut_leader(&base, &blobs_end, is_reply) || cut_blob(&base))
            ;
    } while (cut_forward(&base, is_reply));
    if (base.length > 0)
        memmove((char *)buffer_bytes(out).data + start, base.data, base.length);
    buffer_truncate(out, start + base.length);
}
