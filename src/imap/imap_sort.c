/* Order by several criteria, the last first, and the base subject. */
#include "imap/imap_sort.h"

#include <stdlib.h>

/* Takes the messages in the order that the later criteria have made, and puts them into that of
   this one: what is equal keeps its place. */
static void distribute(const struct imap_sort_criterion_ranks *criterion, const uint32_t *from,
                       uint32_t *to, size_t count, uint32_t *places)
{
    uint32_t last = criterion->rank_count - 1;
    uint32_t place = 0;
    memset(places, 0, criterion->rank_count * sizeof *places);
    for (size_t i = 0; i < count; i++) {
        uint32_t rank = criterion->ranks[i];
        places[criterion->is_reverse ? last - rank : rank]++;
    }
    for (uint32_t i = 0; i <= last; i++) {
        uint32_t here = places[i];
        places[i] = place;
        place += here;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t rank = criterion->ranks[from[i]];
        to[places[criterion->is_reverse ? last - rank : rank]++] = from[i];
    }
}

bool imap_sort(const struct imap_sort_criterion_ranks *criteria, size_t criterion_count,
               uint32_t *order, size_t count, struct fault *fault)
{
    uint32_t most = 0;
    for (size_t i = 0; i < criterion_count; i++) {
        if (criteria[i].rank_count > most)
            most = criteria[i].rank_count;
    }
    uint32_t *places = malloc(((size_t)most + 1) * sizeof *places);
    uint32_t *other = malloc((count + 1) * sizeof *other);
    bool has_memory = places != NULL && other != NULL;
    /* RFC 5256 3: what is equal stays in the order of the mailbox, REVERSE or not. */
    for (size_t i = 0; i < count; i++)
        order[i] = (uint32_t)i;
    for (size_t i = criterion_count; has_memory && count > 0 && i > 0; i--) {
        distribute(&criteria[i - 1], order, other, count, places);
        memcpy(order, other, count * sizeof *order);
    }
    free(places);
    free(other);
    return has_memory || fault_set_memory(fault);
}

/* ---- the base subject (RFC 5256 2.1, 5) ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* (1) */
static void condense(struct bytes subject, struct buffer *out)
{
    size_t start = 0;
    for (size_t i = 0; i < subject.length; i++) {
        if (!is_blank(subject.data[i]))
            continue;
        buffer_append(out, bytes_slice(subject, start, i - start));
        buffer_append_char(out, ' ');
        while (i + 1 < subject.length && is_blank(subject.data[i + 1]))
            i++;
        start = i + 1;
    }
    buffer_append(out, bytes_skip(subject, start));
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
