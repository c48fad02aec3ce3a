/* The line of one message: its items in the order in which they were asked for. */
#include "session/imap_fetching_slice.h"

#include "imap/imap_structure.h"
#include "imap/imap_write.h"
#include "mail/message_preview.h"
#include "mail/message_structure.h"
#include "session/imap_view.h"

static enum imap_fetching_outcome leave_out_damaged(struct imap_fetching_slice *slice)
{
    slice->is_damaged = true;
    return IMAP_FETCHING_LEFT_OUT;
}

/* A structure that only somebody up to mischief makes is not printed, where it may be five times as
   long, but told as one part of bytes: a FETCH of the whole mailbox goes on. */
static bool write_as_one_part(struct imap_fetching_slice *slice, const struct store_fetched *row,
                              bool has_extensions)
{
    struct message_structure_part whole;
    if (!message_structure_read(row->structure, &whole, &slice->damage))
        return false;
    buffer_append(&slice->text, BYTES("(\"application\" \"octet-stream\" NIL NIL NIL \"binary\" "));
    imap_write_number(&slice->text, whole.body_size);
    buffer_append(&slice->text, has_extensions ? BYTES(" NIL NIL NIL NIL)") : BYTES(")"));
    return true;
}

static enum imap_fetching_outcome write_structure(struct imap_fetching_slice *slice,
                                                  const struct store_fetched *row,
                                                  enum imap_fetch_kind kind)
{
    bool is_utf8 = slice->plan->is_utf8;
    bool has_extensions = kind == IMAP_FETCH_BODYSTRUCTURE;
    bool is_written;
    if (kind == IMAP_FETCH_ENVELOPE)
        is_written =
            imap_structure_write_envelope(&slice->text, row->envelope, is_utf8, &slice->damage);
    else if (row->structure.length > IMAP_FETCHING_STRUCTURE_MAX)
        is_written = write_as_one_part(slice, row, has_extensions);
    else
        is_written = imap_structure_write(&slice->text, row->structure, has_extensions, is_utf8,
                                          &slice->damage);
    return is_written ? IMAP_FETCHING_WRITTEN : leave_out_damaged(slice);
}

/* RFC 8970 3.2. */
static enum imap_fetching_outcome write_preview(struct imap_fetching_slice *slice,
                                                const struct store_fetched *row,
                                                struct fault *fault)
{
    struct fault damage = {0};
    buffer_reset(&slice->scratch);
    if (!message_preview_write(row->structure, row->data, &slice->scratch, &damage)) {
        bool is_damaged = damage.kind == FAULT_PERMANENT;
        *(is_damaged ? &slice->damage : fault) = damage;
        return is_damaged ? leave_out_damaged(slice) : IMAP_FETCHING_FAILED;
    }
    imap_write_string(&slice->text, buffer_bytes(&slice->scratch), slice->plan->is_utf8);
    if (buffer_is_failed(&slice->scratch))
        buffer_fail(&slice->text);
    return IMAP_FETCHING_WRITTEN;
}

static void write_of_view(struct imap_fetching_slice *slice, const struct imap_fetching_slot *slot,
                          enum imap_fetch_kind kind)
{
    switch (kind) {
    case IMAP_FETCH_FLAGS:
        imap_write_flags(&slice->text, slot->flags & IMAP_VIEW_STORED,
                         slice->plan->has_recent && (slot->flags & IMAP_VIEW_RECENT) != 0,
                         slice->keywords, slice->keyword_count);
        break;
    case IMAP_FETCH_UID:
        imap_write_number(&slice->text, slot->uid);
        break;
    case IMAP_FETCH_MODSEQ: /* RFC 7162 3.1.4.2 */
        buffer_append_char(&slice->text, '(');
        imap_write_number(&slice->text, slot->modseq);
        buffer_append_char(&slice->text, ')');
        break;
    default: /* RFC 8474 5.2: threads have no ids here */
        buffer_append(&slice->text, BYTES("NIL"));
        break;
    }
}

static enum imap_fetching_outcome write_item(struct imap_fetching_slice *slice, struct db *db,
                                             const struct imap_fetching_slot *slot,
                                             const struct store_fetched *row,
                                             const struct imap_fetching_item *item,
                                             struct fault *fault)
{
    buffer_append(&slice->text, item->name);
    switch (item->kind) {
    case IMAP_FETCH_INTERNALDATE:
        imap_write_date(&slice->text, row->received);
        return IMAP_FETCHING_WRITTEN;
    case IMAP_FETCH_SAVEDATE: /* RFC 8514 4.2 */
        imap_write_date(&slice->text, row->saved != 0 ? row->saved : row->received);
        return IMAP_FETCHING_WRITTEN;
    case IMAP_FETCH_SIZE:
        imap_write_number(&slice->text, row->size);
        return IMAP_FETCHING_WRITTEN;
    case IMAP_FETCH_EMAILID: /* RFC 8474 5.1 */
        buffer_append_char(&slice->text, '(');
        imap_write_object_id(&slice->text, 'M', row->body);
        buffer_append_char(&slice->text, ')');
        return IMAP_FETCHING_WRITTEN;
    case IMAP_FETCH_ENVELOPE:
    case IMAP_FETCH_BODY:
    case IMAP_FETCH_BODYSTRUCTURE:
        return write_structure(slice, row, item->kind);
    case IMAP_FETCH_PREVIEW:
        return write_preview(slice, row, fault);
    case IMAP_FETCH_SECTION:
    case IMAP_FETCH_BINARY:
    case IMAP_FETCH_BINARY_SIZE:
        return imap_fetching_section_write(slice, db, row, item, fault);
    default:
        write_of_view(slice, slot, item->kind);
        return IMAP_FETCHING_WRITTEN;
    }
}

/* RFC 9051 6.4.5: a change of \Seen is told with what caused it. */
static void end_line(struct imap_fetching_slice *slice, const struct imap_fetching_slot *slot)
{
    if (slot->tells_seen && !slice->plan->has_flags) {
        buffer_append(&slice->text, BYTES(" FLAGS "));
        write_of_view(slice, slot, IMAP_FETCH_FLAGS);
    }
    buffer_append(&slice->text, BYTES(")\r\n"));
}

static enum imap_fetching_outcome write_items(struct imap_fetching_slice *slice, struct db *db,
                                              const struct imap_fetching_slot *slot,
                                              const struct store_fetched *row, size_t first,
                                              struct fault *fault)
{
    const struct imap_fetching_plan *plan = slice->plan;
    for (size_t i = first; i < plan->count; i++) {
        if (i > 0)
            buffer_append_char(&slice->text, ' ');
        enum imap_fetching_outcome outcome =
            write_item(slice, db, slot, row, &plan->items[i], fault);
        /* A line that was begun in the slice before cannot be taken back. */
        if (outcome == IMAP_FETCHING_LEFT_OUT && first > 0)
            buffer_append(&slice->text, BYTES("NIL"));
        else if (outcome != IMAP_FETCHING_WRITTEN)
            return outcome;
    }
    end_line(slice, slot);
    return IMAP_FETCHING_WRITTEN;
}

enum imap_fetching_outcome imap_fetching_message_write(struct imap_fetching_slice *slice,
                                                       struct db *db,
                                                       const struct imap_fetching_slot *slot,
                                                       const struct store_fetched *row,
                                                       struct fault *fault)
{
    size_t start = slice->text.length;
    buffer_append(&slice->text, BYTES("* "));
    imap_write_number(&slice->text, slot->number);
    buffer_append(&slice->text, BYTES(" FETCH ("));
    enum imap_fetching_outcome outcome = write_items(slice, db, slot, row, 0, fault);
    if (outcome == IMAP_FETCHING_LEFT_OUT)
        buffer_truncate(&slice->text, start);
    return outcome;
}

/* The items behind one that came in pieces. */
static enum imap_fetching_outcome write_behind(struct imap_fetching_slice *slice, struct db *db,
                                               const struct imap_fetching_slot *slot, size_t first,
                                               struct fault *fault)
{
    struct store_fetched row;
    AUTO(store_fetch)
    fetch = {0};
    if (!store_fetch_open(&fetch, db, slice->mailbox, slot->uid, slot->uid, 1, slice->plan->wants,
                          fault))
        return IMAP_FETCHING_FAILED;
    bool is_there = store_fetch_next(&fetch, &row);
    enum imap_fetching_outcome outcome =
        is_there ? write_items(slice, db, slot, &row, first, fault) : IMAP_FETCHING_FAILED;
    if (!store_fetch_finish(&fetch, fault))
        return IMAP_FETCHING_FAILED;
    if (!is_there)
        fault_set(fault, FAULT_TEMPORARY, "message %u went while it was read", slot->uid);
    return outcome;
}

enum imap_fetching_outcome imap_fetching_message_go_on(struct imap_fetching_slice *slice,
                                                       struct db *db,
                                                       const struct imap_fetching_slot *slot,
                                                       struct fault *fault)
{
    size_t item = slice->rest.item;
    enum imap_fetching_outcome outcome =
        imap_fetching_section_go_on(slice, db, slot->uid, NULL, fault);
    if (outcome != IMAP_FETCHING_WRITTEN)
        return outcome;
    if (item + 1 < slice->plan->count)
        return write_behind(slice, db, slot, item + 1, fault);
    end_line(slice, slot);
    return IMAP_FETCHING_WRITTEN;
}
