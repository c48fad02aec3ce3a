/* Address lists as values, and how they are written. */
#include "mail/address_list.h"

#include <stdlib.h>

#include "base/auto.h"
#include "base/scan.h"
#include "mail/encoded_word.h"

/* atext (RFC 5322 3.2.3) and everything beyond ASCII (RFC 6532 3.2); UTF-8 is looked at where it
   matters, in addresses. */
const struct scan_class address_list_atom_characters = {
    .has = {['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['!'] = true,
            ['#'] = true,         ['$'] = true,         ['%'] = true,         ['&'] = true,
            ['\''] = true,        ['*'] = true,         ['+'] = true,         ['-'] = true,
            ['/'] = true,         ['='] = true,         ['?'] = true,         ['^'] = true,
            ['_'] = true,         ['`'] = true,         ['{'] = true,         ['|'] = true,
            ['}'] = true,         ['~'] = true,         [128 ... 255] = true}};

void address_list_clear(struct address_list *list)
{
    if (list == NULL)
        return;
    free(list->items);
    buffer_clear(&list->names);
    *list = ADDRESS_LIST;
}

struct bytes address_list_name(const struct address_list *list,
                               const struct address_list_item *item)
{
    return bytes_slice(buffer_bytes(&list->names), item->name_start, item->name_length);
}

const struct address *address_list_first(const struct address_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].kind == ADDRESS_LIST_MAILBOX)
            return &list->items[i].address;
    }
    return NULL;
}

static bool make_room(struct address_list *list, size_t count, struct fault *fault)
{
    if (count <= list->capacity - list->count)
        return true;
    size_t capacity = list->capacity < 4 ? 4 : list->capacity;
    while (capacity - list->count < count)
        capacity *= 2;
    void *items = realloc(list->items, capacity * sizeof *list->items);
    if (items == NULL)
        return fault_set_memory(fault);
    list->items = items;
    list->capacity = capacity;
    return true;
}

bool address_list_add_item(struct address_list *list, enum address_list_kind kind,
                           struct bytes name, const struct address *address, struct fault *fault)
{
    /* Groups count too: each costs as much. */
    if (list->count >= 2 * (size_t)ADDRESS_LIST_COUNT_MAX ||
        (kind == ADDRESS_LIST_MAILBOX && list->mailbox_count >= ADDRESS_LIST_COUNT_MAX))
        return fault_set(fault, FAULT_LIMIT, "there are more than %d addresses",
                         ADDRESS_LIST_COUNT_MAX);
    if (!buffer_is_failed(&list->names) && name.length > buffer_room(&list->names))
        return fault_set(fault, FAULT_LIMIT, "the display names are longer than %d bytes",
                         ADDRESS_LIST_TEXT_MAX);
    if (!make_room(list, 1, fault))
        return false;
    struct address_list_item *item = &list->items[list->count];
    *item = (struct address_list_item){
        .kind = kind, .name_start = list->names.length, .name_length = name.length};
    if (address != NULL)
        item->address = *address;
    buffer_append(&list->names, name);
    if (buffer_is_failed(&list->names))
        return fault_set_memory(fault);
    list->count++;
    list->mailbox_count += kind == ADDRESS_LIST_MAILBOX;
    return true;
}

bool address_list_add(struct address_list *list, struct bytes name, const struct address *address,
                      struct fault *fault)
{
    return address_list_add_item(list, ADDRESS_LIST_MAILBOX, name, address, fault);
}

void address_list_shorten(struct address_list *list, size_t count, size_t mailbox_count,
                          size_t names)
{
    list->count = count;
    list->mailbox_count = mailbox_count;
    buffer_truncate(&list->names, names);
}

bool address_list_append(struct address_list *list, const struct address_list *other,
                         struct fault *fault)
{
    size_t count = list->count;
    size_t mailbox_count = list->mailbox_count;
    size_t names = list->names.length;
    for (size_t i = 0; i < other->count; i++) {
        const struct address_list_item *item = &other->items[i];
        if (!address_list_add_item(list, item->kind, address_list_name(other, item), &item->address,
                                   fault)) {
            address_list_shorten(list, count, mailbox_count, names);
            return false;
        }
    }
    return true;
}

bool address_list_needs_utf8(const struct address_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].kind == ADDRESS_LIST_MAILBOX &&
            !address_has_ascii_local_part(&list->items[i].address))
            return true;
    }
    return false;
}

bool address_list_is_ascii(const struct address_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct address_list_item *item = &list->items[i];
        if (!bytes_is_ascii(address_list_name(list, item)) ||
            !bytes_is_ascii(address_local_part(&item->address)) ||
            !bytes_is_ascii(address_domain(&item->address)))
            return false;
    }
    return true;
}

/* ---- writing ---- */

/* Atoms with one blank between them can stand without quotes. */
static bool is_phrase_of_atoms(struct bytes name)
{
    bool is_atom_begun = false;
    for (size_t i = 0; i < name.length; i++) {
        if (name.data[i] == ' ' ? !is_atom_begun
                                : !address_list_atom_characters.has[(unsigned char)name.data[i]])
            return false;
        is_atom_begun = name.data[i] != ' ';
    }
    return is_atom_begun;
}

/* Words of a text, quoted and escaped as a whole when it must be; blanks are where lines may fold.
 */
static void write_words(struct header_writer *writer, struct bytes text)
{
    bool is_first = true;
    struct scan scan = scan_of(text);
    while (!scan_is_at_end(&scan)) {
        struct bytes blanks = scan_take_while(&scan, &scan_blanks);
        struct bytes word = scan_rest(&scan);
        size_t end = 0;
        while (end < word.length && !scan_blanks.has[(unsigned char)word.data[end]])
            end++;
        word.length = end;
        scan.position += end;
        header_writer_word(writer, is_first ? BYTES(" ") : blanks, word);
        is_first = false;
    }
}

static void append_quoted(struct bytes name, struct buffer *out)
{
    buffer_append_char(out, '"');
    for (size_t i = 0; i < name.length; i++) {
        if (name.data[i] == '"' || name.data[i] == '\\')
            buffer_append_char(out, '\\');
        buffer_append_char(out, name.data[i]);
    }
    buffer_append_char(out, '"');
}

/* The name of a mailbox, or of a group with the colon behind it. */
static void write_name(struct header_writer *writer, struct bytes name, bool is_group,
                       bool allow_utf8)
{
    AUTO(buffer)
    text = BUFFER(2 * ADDRESS_LIST_TEXT_MAX);
    bool can_break = name.length <= ENCODED_WORD_PLAIN_MAX;
    if (name.length > 0 && (encoded_word_is_needed(name, allow_utf8) || !can_break)) {
        encoded_word_write(writer, BYTES(" "), name);
        /* RFC 2047 5 (3): nothing may touch an encoded word. */
        if (is_group)
            header_writer_word(writer, BYTES(" "), BYTES(":"));
        return;
    }
    if (is_phrase_of_atoms(name))
        buffer_append(&text, name);
    else if (name.length > 0 || is_group)
        append_quoted(name, &text);
    if (is_group)
        buffer_append_char(&text, ':');
    if (buffer_is_failed(&text))
        buffer_fail(writer->out);
    write_words(writer, buffer_bytes(&text));
}

static bool write_mailbox(struct header_writer *writer, struct bytes name,
                          const struct address *address, bool allow_utf8, bool has_comma,
                          struct fault *fault)
{
    AUTO(buffer)
    text = BUFFER(2 * ADDRESS_TEXT_MAX);
    write_name(writer, name, false, allow_utf8);
    if (name.length > 0)
        buffer_append_char(&text, '<');
    bool needs_utf8;
    if (allow_utf8)
        address_print(address, &text);
    else if (!address_print_wire(address, &text, &needs_utf8, fault))
        return false;
    if (name.length > 0)
        buffer_append_char(&text, '>');
    if (has_comma)
        buffer_append_char(&text, ',');
    if (buffer_is_failed(&text))
        return fault_set_memory(fault);
    header_writer_word(writer, BYTES(" "), buffer_bytes(&text));
    return true;
}

bool address_list_write(const struct address_list *list, struct header_writer *writer,
                        bool allow_utf8, struct fault *fault)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct address_list_item *item = &list->items[i];
        bool is_last = i + 1 == list->count;
        bool has_comma = !is_last && list->items[i + 1].kind != ADDRESS_LIST_GROUP_END;
        if (item->kind == ADDRESS_LIST_GROUP)
            write_name(writer, address_list_name(list, item), true, allow_utf8);
        else if (item->kind == ADDRESS_LIST_GROUP_END)
            buffer_append_string(writer->out, is_last ? ";" : ";,");
        else if (!write_mailbox(writer, address_list_name(list, item), &item->address, allow_utf8,
                                has_comma, fault))
            return false;
    }
    return true;
}
