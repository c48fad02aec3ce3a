/* Untagged SEARCH, ESEARCH, SORT and THREAD responses, in slices. */
#include <stdlib.h>

#include "imap/imap_write.h"
#include "session/imap_searching_inside.h"

/* What a message is called in the answer. */
static uint32_t name_of(const struct imap_searching *searching, uint32_t number)
{
    if (!searching->command->is_uid)
        return number;
    return imap_selection_view(searching->context->selection)->messages[number - 1].uid;
}

static uint32_t first_hit(const struct imap_searching *searching)
{
    return searching->hits[0].first;
}

static uint32_t last_hit(const struct imap_searching *searching)
{
    return searching->hits[searching->hit_count - 1].last;
}

/* RFC 7162 3.1.5, 3.1.6, 3.1.10: where only the ends were asked for, they are all that was
   found. */
static void write_modseq(struct buffer *out, uint64_t modseq, bool is_esearch)
{
    buffer_append_string(out, is_esearch ? " MODSEQ " : " (MODSEQ ");
    imap_write_number(out, modseq);
    if (!is_esearch)
        buffer_append_char(out, ')');
}

/* ---- numbers, one after another ---- */

static bool is_full(const struct imap_searching *searching)
{
    return imap_server_is_full(searching->context->engine);
}

/* Writes the next ones as far as there is room. False: not yet all. */
static bool write_numbers(struct imap_searching *searching, bool is_set)
{
    enum {
        STEP = 1000 /* numbers between two looks at the room */
    };
    struct buffer *out = imap_server_text(searching->context->engine);
    searching->writer.out = out;
    for (unsigned i = 0; searching->at_hit < searching->hit_count; i++) {
        const struct imap_range *hit = &searching->hits[searching->at_hit];
        if (i >= STEP) {
            if (is_full(searching))
                return false;
            i = 0;
        }
        if (searching->at_number < hit->first)
            searching->at_number = hit->first;
        uint32_t name = name_of(searching, searching->at_number);
        if (is_set) {
            imap_sequence_add(&searching->writer, name);
        } else {
            buffer_append_char(out, ' ');
            imap_write_number(out, name);
        }
        if (searching->at_number++ == hit->last)
            searching->at_hit++;
    }
    if (is_set)
        imap_sequence_end(&searching->writer);
    return true;
}

/* ---- SEARCH ---- */

/* RFC 3501 7.2.5, RFC 7162 3.1.5 */
static bool write_search(struct imap_searching *searching)
{
    struct buffer *out = imap_server_text(searching->context->engine);
    if (!searching->has_begun)
        buffer_append_string(out, "* SEARCH");
    searching->has_begun = true;
    if (!write_numbers(searching, false))
        return false;
    if (searching->command->search.has_modseq && searching->hit_count > 0)
        write_modseq(out, searching->highest_modseq, false);
    buffer_append_string(out, "\r\n");
    return true;
}

static void write_item(struct buffer *out, const char *name, uint64_t number)
{
    buffer_append_char(out, ' ');
    buffer_append_string(out, name);
    buffer_append_char(out, ' ');
    imap_write_number(out, number);
}

/* RFC 9051 7.3.4; nothing about MIN, MAX and ALL where there is nothing (6.4.4). */
static void begin_esearch(struct imap_searching *searching)
{
    struct buffer *out = imap_server_text(searching->context->engine);
    bool has_hits = searching->hit_count > 0;
    buffer_append_string(out, "* ESEARCH (TAG ");
    imap_write_string(out, searching->command->tag, false);
    buffer_append_char(out, ')');
    if (searching->command->is_uid)
        buffer_append_string(out, " UID");
    if (has_hits && (searching->returns & IMAP_RETURN_MIN) != 0)
        write_item(out, "MIN", name_of(searching, first_hit(searching)));
    if (has_hits && (searching->returns & IMAP_RETURN_MAX) != 0)
        write_item(out, "MAX", name_of(searching, last_hit(searching)));
    if ((searching->returns & IMAP_RETURN_COUNT) != 0)
        write_item(out, "COUNT", searching->found);
    if (has_hits && (searching->returns & IMAP_RETURN_ALL) != 0) {
        buffer_append_string(out, " ALL ");
        imap_sequence_begin(&searching->writer, out);
    }
}

static bool write_esearch(struct imap_searching *searching)
{
    /* RFC 5182 2.1: SAVE alone says nothing. */
    if ((searching->returns & ~(unsigned)IMAP_RETURN_SAVE) == 0)
        return true;
    if (!searching->has_begun)
        begin_esearch(searching);
    searching->has_begun = true;
    if (searching->hit_count > 0 && (searching->returns & IMAP_RETURN_ALL) != 0 &&
        !write_numbers(searching, true))
        return false;
    struct buffer *out = imap_server_text(searching->context->engine);
    if (searching->hit_count > 0 && searching->command->search.has_modseq)
        write_modseq(out, searching->highest_modseq, true);
    buffer_append_string(out, "\r\n");
    return true;
}

/* ---- SORT, THREAD ---- */

static bool write_ordered(struct imap_searching *searching)
{
    struct buffer *out = imap_server_text(searching->context->engine);
    struct bytes answer = buffer_bytes(&searching->slice->answer);
    bool is_thread = searching->command->verb == IMAP_THREAD;
    if (!searching->has_begun)
        buffer_append_string(out, is_thread ? "* THREAD" : "* SORT");
    searching->has_begun = true;
    while (searching->at_byte < answer.length) {
        if (is_full(searching))
            return false;
        struct bytes piece = bytes_slice(answer, searching->at_byte, IMAP_SLICE);
        buffer_append(out, piece);
        searching->at_byte += piece.length;
    }
    if (!is_thread && searching->command->search.has_modseq && answer.length > 0)
        write_modseq(out, imap_searching_kept_modseq(searching->slice->kept), false);
    buffer_append_string(out, "\r\n");
    return true;
}

bool imap_searching_answer_write(struct imap_searching *searching)
{
    if (is_full(searching))
        return false;
    if (searching->command->verb != IMAP_SEARCH)
        return write_ordered(searching);
    return searching->returns == 0 ? write_search(searching) : write_esearch(searching);
}

/* ---- "$" ---- */

/* RFC 5182 2.1: where only the ends were asked for, they are all that was found. */
bool imap_searching_answer_save(struct imap_searching *searching, struct fault *fault)
{
    const struct imap_view *view = imap_selection_view(searching->context->selection);
    struct store_uid_range *ranges = calloc(searching->hit_count + 1, sizeof *ranges);
    if (ranges == NULL)
        return fault_set_memory(fault);
    for (size_t i = 0; i < searching->hit_count; i++)
        ranges[i] = (struct store_uid_range){view->messages[searching->hits[i].first - 1].uid,
                                             view->messages[searching->hits[i].last - 1].uid};
    imap_selection_save(searching->context->selection, ranges, searching->hit_count);
    return true;
}
