/* The parts of a composed message as MIME has them (RFC 2046 5.1, RFC 2387):
 *
 *   multipart/mixed                with attachments
 *     multipart/alternative        with text and HTML
 *       text/plain
 *       multipart/related          with HTML and inline parts
 *         text/html
 *         inline parts
 *     attachments
 *
 * A multipart that would have one part only is left out, but for the mixed one. */
#include "client/message.h"

#include "base/auto.h"
#include "mail/encoded_word.h"
#include "mail/header_writer.h"
#include "mail/parameter.h"

/* What is carried along while the tree is written. */
struct tree {
    struct ph_message *message;
    struct buffer *out;
    bool eight_bit;
    bool is_7bit;
    bool is_inside; /* of a multipart */
    struct fault *fault;
};

enum boundary {
    MIXED,
    ALTERNATIVE,
    RELATED
};

static bool write_simple(struct tree *tree, const char *name, const char *value)
{
    struct header_writer writer;
    header_writer_begin(&writer, tree->out, bytes_from_string(name));
    header_writer_word(&writer, BYTES(" "), bytes_from_string(value));
    return header_writer_end(&writer, tree->fault);
}

/* ---- multiparts ---- */

static bool make_boundary(struct tree *tree, enum boundary which)
{
    AUTO(buffer)
    text = BUFFER(MIME_BOUNDARY_MAX);
    char *boundary = tree->message->boundaries[which];
    if (boundary[0] != '\0')
        return true;
    if (!mime_boundary_make(&text, tree->fault))
        return false;
    const char *string = buffer_string(&text);
    if (string == NULL)
        return fault_set_memory(tree->fault);
    memcpy(boundary, string, text.length + 1);
    return true;
}

static bool open_multipart(struct tree *tree, enum boundary which)
{
    static const char *const types[] = {"multipart/mixed", "multipart/alternative",
                                        "multipart/related"};
    struct header_writer writer;
    if (!make_boundary(tree, which))
        return false;
    header_writer_begin(&writer, tree->out, BYTES("Content-Type"));
    header_writer_word(&writer, BYTES(" "), bytes_from_string(types[which]));
    if (which == RELATED)
        parameter_write(&writer, BYTES("type"), BYTES("text/html"));
    parameter_write(&writer, BYTES("boundary"),
                    bytes_from_string(tree->message->boundaries[which]));
    if (!header_writer_end(&writer, tree->fault))
        return false;
    buffer_append_string(tree->out, "\r\n");
    tree->is_inside = true;
    return true;
}

static void write_delimiter(struct tree *tree, enum boundary which, const char *end)
{
    buffer_append_string(tree->out, "--");
    buffer_append_string(tree->out, tree->message->boundaries[which]);
    buffer_append_string(tree->out, end);
    buffer_append_string(tree->out, "\r\n");
}

/* ---- leaves ---- */

/* The line end before a delimiter is the delimiter's own (RFC 2046 5.1.1); base64 has one to spare.
 */
static bool write_source(struct tree *tree, const struct compose_source *source,
                         enum transfer_encoding encoding)
{
    buffer_append_string(tree->out, "\r\n");
    if (!compose_add_source(&tree->message->composition, source, encoding, tree->fault))
        return false;
    if (tree->is_inside && encoding != TRANSFER_BASE64)
        buffer_append_string(tree->out, "\r\n");
    return true;
}

static bool write_text(struct tree *tree, const char *subtype, const struct buffer *text)
{
    struct compose_source source = {.memory = buffer_bytes(text)};
    struct transfer_analysis analysis = {0};
    struct header_writer writer;
    transfer_encoding_analyse(&analysis, source.memory);
    enum transfer_encoding encoding = transfer_encoding_choose(&analysis, tree->eight_bit);
    tree->is_7bit &= encoding != TRANSFER_8BIT;
    header_writer_begin(&writer, tree->out, BYTES("Content-Type"));
    header_writer_word(&writer, BYTES(" "), bytes_from_string(subtype));
    parameter_write(&writer, BYTES("charset"), BYTES("utf-8"));
    if (!header_writer_end(&writer, tree->fault) ||
        !write_simple(tree, "Content-Transfer-Encoding", transfer_encoding_name(encoding)))
        return false;
    /* The line ends are CRLF already. */
    if (encoding == TRANSFER_7BIT || encoding == TRANSFER_8BIT)
        encoding = TRANSFER_AS_IS;
    return write_source(tree, &source, encoding);
}

static bool write_disposition(struct tree *tree, const struct message_part *part)
{
    struct header_writer writer;
    header_writer_begin(&writer, tree->out, BYTES("Content-Disposition"));
    header_writer_word(&writer, BYTES(" "),
                       part->is_inline ? BYTES("inline") : BYTES("attachment"));
    if (part->filename.length > 0)
        parameter_write(&writer, BYTES("filename"), buffer_bytes(&part->filename));
    return header_writer_end(&writer, tree->fault);
}

static bool write_id_and_description(struct tree *tree, const struct message_part *part)
{
    struct header_writer writer;
    if (part->content_id.length > 0) {
        AUTO(buffer)
        id = BUFFER(MESSAGE_PART_TEXT_MAX);
        buffer_append_char(&id, '<');
        buffer_append(&id, buffer_bytes(&part->content_id));
        buffer_append_string(&id, ">");
        if (buffer_is_failed(&id))
            return fault_set_memory(tree->fault);
        if (!write_simple(tree, "Content-ID", buffer_string(&id)))
            return false;
    }
    if (part->description.length == 0)
        return true;
    header_writer_begin(&writer, tree->out, BYTES("Content-Description"));
    encoded_word_write_text(&writer, buffer_bytes(&part->description), false);
    return header_writer_end(&writer, tree->fault);
}

static bool analyse(struct message_source *source, struct transfer_analysis *analysis,
                    struct fault *fault)
{
    char piece[8192];
    ssize_t count;
    if (!message_source_rewind(source, fault))
        return false;
    while ((count = message_source_read(source, piece, sizeof piece)) > 0)
        transfer_encoding_analyse(analysis, bytes_of(piece, (size_t)count));
    return count == 0
               ? message_source_rewind(source, fault)
               : fault_set(fault, FAULT_PERMANENT, "an attachment cannot be read to its end");
}

/* A message inside must not be encoded (RFC 2046 5.2.1): it goes as it is where that is possible.
   What can be read once only cannot be looked at before; that, and what does not fit, is an
   attachment like any other. */
static bool choose_for_message(struct tree *tree, struct message_part *part,
                               enum transfer_encoding *encoding)
{
    struct transfer_analysis analysis = {0};
    *encoding = TRANSFER_BASE64;
    if (part->source.kind != MESSAGE_SOURCE_MEMORY && part->source.kind != MESSAGE_SOURCE_FILE)
        return true;
    if (!analyse(&part->source, &analysis, tree->fault))
        return false;
    enum transfer_encoding best = transfer_encoding_choose(&analysis, tree->eight_bit);
    if (best == TRANSFER_7BIT || best == TRANSFER_8BIT)
        *encoding = best;
    return true;
}

static bool write_part(struct tree *tree, struct message_part *part)
{
    struct bytes type = buffer_bytes(&part->content_type);
    enum transfer_encoding encoding = TRANSFER_BASE64;
    struct header_writer writer;
    if (bytes_starts_with_ignoring_case(type, BYTES("message/"))) {
        if (!choose_for_message(tree, part, &encoding))
            return false;
        if (encoding == TRANSFER_BASE64)
            type = BYTES("application/octet-stream");
    }
    tree->is_7bit &= encoding != TRANSFER_8BIT;
    header_writer_begin(&writer, tree->out, BYTES("Content-Type"));
    if (!parameter_write_content_type(&writer, type, tree->fault) ||
        !header_writer_end(&writer, tree->fault) ||
        !write_simple(tree, "Content-Transfer-Encoding", transfer_encoding_name(encoding)) ||
        !write_id_and_description(tree, part) || !write_disposition(tree, part) ||
        !message_source_rewind(&part->source, tree->fault))
        return false;
    struct compose_source source = message_source_for_composition(&part->source);
    return write_source(tree, &source, encoding);
}

/* ---- the tree ---- */

static bool is_related(const struct ph_message *message, const struct message_part *part)
{
    return message->has_html && part->content_id.length > 0;
}

/* Inline parts, or attachments. */
static bool write_parts(struct tree *tree, enum boundary which)
{
    for (size_t i = 0; i < tree->message->part_count; i++) {
        struct message_part *part = &tree->message->parts[i];
        if (is_related(tree->message, part) != (which == RELATED))
            continue;
        write_delimiter(tree, which, "");
        if (!write_part(tree, part))
            return false;
    }
    return true;
}

static bool has_parts(const struct ph_message *message, enum boundary which)
{
    for (size_t i = 0; i < message->part_count; i++) {
        if (is_related(message, &message->parts[i]) == (which == RELATED))
            return true;
    }
    return false;
}

static bool write_html(struct tree *tree)
{
    if (!has_parts(tree->message, RELATED))
        return write_text(tree, "text/html", &tree->message->html);
    if (!open_multipart(tree, RELATED))
        return false;
    write_delimiter(tree, RELATED, "");
    if (!write_text(tree, "text/html", &tree->message->html) || !write_parts(tree, RELATED))
        return false;
    write_delimiter(tree, RELATED, "--");
    return true;
}

static bool write_texts(struct tree *tree)
{
    const struct ph_message *message = tree->message;
    if (!message->has_html)
        return write_text(tree, "text/plain", &message->text);
    if (!message->has_text)
        return write_html(tree);
    if (!open_multipart(tree, ALTERNATIVE))
        return false;
    write_delimiter(tree, ALTERNATIVE, "");
    if (!write_text(tree, "text/plain", &message->text))
        return false;
    write_delimiter(tree, ALTERNATIVE, "");
    if (!write_html(tree))
        return false;
    write_delimiter(tree, ALTERNATIVE, "--");
    return true;
}

static bool write_mixed(struct tree *tree)
{
    if (!has_parts(tree->message, MIXED))
        return write_texts(tree);
    if (!open_multipart(tree, MIXED))
        return false;
    if (tree->message->has_text || tree->message->has_html) {
        write_delimiter(tree, MIXED, "");
        if (!write_texts(tree))
            return false;
    }
    if (!write_parts(tree, MIXED))
        return false;
    write_delimiter(tree, MIXED, "--");
    return true;
}

bool message_tree_write(struct ph_message *message, bool eight_bit, bool *is_7bit,
                        struct fault *fault)
{
    struct tree tree = {.message = message,
                        .out = &message->composition.text,
                        .eight_bit = eight_bit,
                        .is_7bit = true,
                        .fault = fault};
    if (!write_simple(&tree, "MIME-Version", "1.0") || !write_mixed(&tree))
        return false;
    *is_7bit = tree.is_7bit;
    return true;
}
