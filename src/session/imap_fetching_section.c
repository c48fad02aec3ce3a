/* Sections of a message: small ones out of what was read with it, large ones by range. */
#include "session/imap_fetching_slice.h"

#include "imap/imap_section.h"
#include "imap/imap_write.h"
#include "mail/message_structure.h"
#include "session/imap_context.h"
#include "store/store_maildrop.h"

/* ---- bytes of a message ---- */

/* Takes from [*offset, *offset + *size) what lies in `part`, which begins at `start`. */
static void take_from(struct bytes part, uint64_t start, uint64_t *offset, uint64_t *size,
                      struct buffer *out)
{
    if (*size == 0 || *offset < start || *offset - start >= part.length)
        return;
    struct bytes piece = bytes_slice(part, (size_t)(*offset - start), (size_t)*size);
    buffer_append(out, piece);
    *offset += piece.length;
    *size -= piece.length;
}

/* Appends a range of the message. */
static bool append_range(const struct imap_fetching_slice *slice, struct db *db, uint32_t uid,
                         const struct store_fetched *row, uint64_t offset, uint64_t size,
                         struct buffer *out, struct fault *fault)
{
    bool is_gone;
    if (row != NULL) {
        take_from(row->prefix, 0, &offset, &size, out);
        take_from(row->data.length > 0 ? row->data : row->header, row->prefix_size, &offset, &size,
                  out);
    }
    if (size == 0)
        return !buffer_is_failed(out) || fault_set_memory(fault);
    size_t before = out->length;
    if (!store_message_read(db, slice->mailbox, uid, offset, (size_t)size, out, &is_gone, fault))
        return false;
    /* Its size was told already: nobody may take something else for it. */
    if (is_gone || out->length - before != size)
        return fault_set(fault, FAULT_TEMPORARY, "message %u went while it was read", uid);
    return true;
}

/* ---- what is larger than a slice ---- */

/* Up to where the next row of the body begins, for a row is read whole whatever is taken of it. */
static size_t piece_size(const struct imap_fetching_rest *rest)
{
    uint64_t left = rest->end - rest->offset;
    uint64_t size = STORE_FETCH_DATA_MAX;
    if (rest->offset >= rest->prefix_size)
        size -= (rest->offset - rest->prefix_size) % STORE_FETCH_DATA_MAX;
    return (size_t)(left < size ? left : size);
}

static bool is_full(const struct imap_fetching_slice *slice)
{
    return slice->text.length >= slice->size;
}

static bool append_plain(struct imap_fetching_slice *slice, struct db *db, uint32_t uid,
                         const struct store_fetched *row, struct fault *fault)
{
    struct imap_fetching_rest *rest = &slice->rest;
    size_t size = piece_size(rest);
    size_t start = slice->text.length;
    if (!append_range(slice, db, uid, row, rest->offset, size, &slice->text, fault))
        return false;
    imap_write_without_nul(&slice->text, start);
    rest->offset += size;
    return true;
}

/* Appends of what was decoded what is wanted. */
static void take_decoded(struct imap_fetching_slice *slice)
{
    struct imap_fetching_rest *rest = &slice->rest;
    struct bytes decoded = buffer_bytes(&slice->decoded);
    size_t skipped = decoded.length < rest->skip ? decoded.length : (size_t)rest->skip;
    decoded = bytes_skip(decoded, skipped);
    decoded = bytes_slice(decoded, 0, rest->left < SIZE_MAX ? (size_t)rest->left : SIZE_MAX);
    rest->skip -= skipped;
    rest->left -= decoded.length;
    buffer_append(&slice->text, decoded);
}

/* The next piece of what is encoded, into slice->decoded. */
static bool decode_piece(struct imap_fetching_slice *slice, struct db *db, uint32_t uid,
                         const struct store_fetched *row, struct imap_fetching_rest *rest,
                         struct fault *fault)
{
    size_t size = piece_size(rest);
    buffer_reset(&slice->scratch);
    buffer_reset(&slice->decoded);
    if (!append_range(slice, db, uid, row, rest->offset, size, &slice->scratch, fault))
        return false;
    rest->offset += size;
    transfer_decoder_feed(&rest->decoder, buffer_bytes(&slice->scratch), &slice->decoded);
    if (rest->offset == rest->end)
        transfer_decoder_finish(&rest->decoder, &slice->decoded);
    return !buffer_is_failed(&slice->decoded) || fault_set_memory(fault);
}

static bool append_decoded(struct imap_fetching_slice *slice, struct db *db, uint32_t uid,
                           const struct store_fetched *row, struct fault *fault)
{
    if (!decode_piece(slice, db, uid, row, &slice->rest, fault))
        return false;
    take_decoded(slice);
    return true;
}

static bool is_at_end(const struct imap_fetching_rest *rest)
{
    return rest->is_binary ? rest->left == 0 || rest->offset == rest->end
                           : rest->offset == rest->end;
}

enum imap_fetching_outcome imap_fetching_section_go_on(struct imap_fetching_slice *slice,
                                                       struct db *db, uint32_t uid,
                                                       const struct store_fetched *row,
                                                       struct fault *fault)
{
    struct imap_fetching_rest *rest = &slice->rest;
    assert(rest->is_open);
    while (!is_at_end(rest) && !is_full(slice)) {
        if (!(rest->is_binary ? append_decoded : append_plain)(slice, db, uid, row, fault))
            return IMAP_FETCHING_FAILED;
    }
    rest->is_open = !is_at_end(rest);
    return rest->is_open ? IMAP_FETCHING_PAUSED : IMAP_FETCHING_WRITTEN;
}

/* ---- sections as they are ---- */

/* RFC 9051 6.4.5: of the section's bytes those of <offset.count>. */
static void cut(const struct imap_fetching_item *item, uint64_t *start, uint64_t *size)
{
    if (!item->is_partial)
        return;
    uint64_t skipped = item->offset < *size ? item->offset : *size;
    *start += skipped;
    *size -= skipped;
    if (*size > item->count)
        *size = item->count;
}

static size_t index_of(const struct imap_fetching_slice *slice,
                       const struct imap_fetching_item *item)
{
    return (size_t)(item - slice->plan->items);
}

static enum imap_fetching_outcome write_plain(struct imap_fetching_slice *slice, struct db *db,
                                              const struct store_fetched *row,
                                              const struct imap_fetching_item *item,
                                              const struct imap_section_place *place,
                                              struct fault *fault)
{
    uint64_t start = place->start;
    uint64_t size = place->size;
    cut(item, &start, &size);
    if (size == 0) {
        buffer_append(&slice->text, BYTES("\"\""));
        return IMAP_FETCHING_WRITTEN;
    }
    imap_write_literal_head(&slice->text, size);
    if (size > IMAP_SLICE) {
        slice->rest = (struct imap_fetching_rest){.is_open = true,
                                                  .item = index_of(slice, item),
                                                  .prefix_size = row->prefix_size,
                                                  .offset = start,
                                                  .end = start + size};
        return imap_fetching_section_go_on(slice, db, row->uid, row, fault);
    }
    size_t before = slice->text.length;
    if (!append_range(slice, db, row->uid, row, start, size, &slice->text, fault))
        return IMAP_FETCHING_FAILED;
    imap_write_without_nul(&slice->text, before);
    return IMAP_FETCHING_WRITTEN;
}

/* ---- header subsets ---- */

static enum imap_fetching_outcome write_filtered(struct imap_fetching_slice *slice, struct db *db,
                                                 const struct store_fetched *row,
                                                 const struct imap_fetching_item *item,
                                                 const struct imap_section_place *place,
                                                 struct fault *fault)
{
    uint64_t start = 0;
    buffer_reset(&slice->scratch);
    buffer_reset(&slice->decoded);
    if (!append_range(slice, db, row->uid, row, place->start, place->size, &slice->scratch, fault))
        return IMAP_FETCHING_FAILED;
    imap_section_filter(&item->section, buffer_bytes(&slice->scratch), &slice->decoded);
    if (buffer_is_failed(&slice->decoded))
        return fault_set_memory(fault) ? IMAP_FETCHING_WRITTEN : IMAP_FETCHING_FAILED;
    struct bytes fields = buffer_bytes(&slice->decoded);
    uint64_t size = fields.length;
    cut(item, &start, &size);
    if (size == 0) {
        buffer_append(&slice->text, BYTES("\"\""));
        return IMAP_FETCHING_WRITTEN;
    }
    imap_write_literal_head(&slice->text, size);
    size_t before = slice->text.length;
    buffer_append(&slice->text, bytes_slice(fields, (size_t)start, (size_t)size));
    imap_write_without_nul(&slice->text, before);
    return IMAP_FETCHING_WRITTEN;
}

/* ---- BINARY ---- */

/* How long a section is when it is decoded, and whether NUL is in it. */
static bool measure(struct imap_fetching_slice *slice, struct db *db,
                    const struct store_fetched *row, const struct imap_section_place *place,
                    uint64_t *size, bool *has_nul, struct fault *fault)
{
    struct imap_fetching_rest rest = {
        .prefix_size = row->prefix_size, .offset = place->start, .end = place->start + place->size};
    transfer_decoder_begin(&rest.decoder, place->encoding);
    *size = 0;
    *has_nul = false;
    while (rest.offset < rest.end) {
        if (!decode_piece(slice, db, row->uid, row, &rest, fault))
            return false;
        *size += slice->decoded.length;
        *has_nul = *has_nul || bytes_has_char(buffer_bytes(&slice->decoded), '\0');
    }
    return true;
}

static enum imap_fetching_outcome write_binary(struct imap_fetching_slice *slice, struct db *db,
                                               const struct store_fetched *row,
                                               const struct imap_fetching_item *item,
                                               const struct imap_section_place *place,
                                               struct fault *fault)
{
    uint64_t start = 0;
    uint64_t size;
    bool has_nul;
    if (!measure(slice, db, row, place, &size, &has_nul, fault))
        return IMAP_FETCHING_FAILED;
    cut(item, &start, &size);
    if (size == 0) {
        buffer_append(&slice->text, BYTES("\"\""));
        return IMAP_FETCHING_WRITTEN;
    }
    /* RFC 3516 4.3: a literal8 only where it must be. */
    if (has_nul)
        imap_write_literal8_head(&slice->text, size);
    else
        imap_write_literal_head(&slice->text, size);
    slice->rest = (struct imap_fetching_rest){.is_open = true,
                                              .item = index_of(slice, item),
                                              .prefix_size = row->prefix_size,
                                              .offset = place->start,
                                              .end = place->start + place->size,
                                              .is_binary = true,
                                              .skip = start,
                                              .left = size};
    transfer_decoder_begin(&slice->rest.decoder, place->encoding);
    return imap_fetching_section_go_on(slice, db, row->uid, row, fault);
}

static enum imap_fetching_outcome write_binary_size(struct imap_fetching_slice *slice,
                                                    struct db *db, const struct store_fetched *row,
                                                    const struct imap_section_place *place,
                                                    struct fault *fault)
{
    uint64_t size = place->size;
    bool has_nul;
    if (place->encoding != TRANSFER_AS_IS &&
        !measure(slice, db, row, place, &size, &has_nul, fault))
        return IMAP_FETCHING_FAILED;
    imap_write_number(&slice->text, size);
    return IMAP_FETCHING_WRITTEN;
}

/* ---- where it lies ---- */

static bool find_place(const struct store_fetched *row, const struct imap_fetching_item *item,
                       struct imap_section_place *place, struct fault *fault)
{
    struct imap_section_message message = {.structure = row->structure,
                                           .prefix_size = row->prefix_size,
                                           .header_size = row->header.length,
                                           .size = row->size};
    if (item->section.kind == IMAP_SECTION_TEXT && item->section.depth == 0) {
        struct message_structure_part whole;
        if (!message_structure_read(row->structure, &whole, fault))
            return false;
        message.header_size = whole.body_start;
    }
    return imap_section_find(&message, &item->section, item->kind != IMAP_FETCH_SECTION, place,
                             fault);
}

enum imap_fetching_outcome imap_fetching_section_write(struct imap_fetching_slice *slice,
                                                       struct db *db,
                                                       const struct store_fetched *row,
                                                       const struct imap_fetching_item *item,
                                                       struct fault *fault)
{
    struct imap_section_place place;
    if (!find_place(row, item, &place, &slice->damage)) {
        slice->is_damaged = true;
        return IMAP_FETCHING_LEFT_OUT;
    }
    if (!place.is_found) {
        /* RFC 3516 7: the size is a number, that of NIL. */
        buffer_append(&slice->text,
                      item->kind == IMAP_FETCH_BINARY_SIZE ? BYTES("0") : BYTES("NIL"));
        return IMAP_FETCHING_WRITTEN;
    }
    if (item->kind == IMAP_FETCH_SECTION)
        return (place.is_filtered ? write_filtered : write_plain)(slice, db, row, item, &place,
                                                                  fault);
    if (place.is_encoding_unknown) {
        slice->has_unknown_encoding = true;
        return IMAP_FETCHING_LEFT_OUT;
    }
    return item->kind == IMAP_FETCH_BINARY ? write_binary(slice, db, row, item, &place, fault)
                                           : write_binary_size(slice, db, row, &place, fault);
}
