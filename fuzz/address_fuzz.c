/* Addresses and address lists: what is read prints in one form that reads back as the same, and
   nothing that could end a command or a header line ever comes out. */
#include "mail/address_list.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/auto.h"
#include "base/utf8.h"
#include "mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* More than any input becomes. */
enum {
    OUTPUT_LIMIT = 1 << 23
};

static void expect(bool is_so)
{
    if (!is_so)
        abort();
}

static bool has_control(struct bytes bytes)
{
    for (size_t i = 0; i < bytes.length; i++) {
        unsigned char c = (unsigned char)bytes.data[i];
        if (c < 32 || c == 127)
            return true;
    }
    return false;
}

/* Outside of a quoted string there is no ">" and no blank: the brackets of a command hold. */
static void expect_closed(struct bytes wire)
{
    bool is_quoted = false;
    for (size_t i = 0; i < wire.length; i++) {
        char c = wire.data[i];
        if (is_quoted && c == '\\')
            i++;
        else if (c == '"')
            is_quoted = !is_quoted;
        else
            expect(is_quoted || (c != '>' && c != '<' && c != ' '));
    }
    expect(!is_quoted);
}

static void check_address(const struct address *address)
{
    AUTO(buffer)
    text = BUFFER(ADDRESS_TEXT_MAX);
    AUTO(buffer)
    wire = BUFFER(ADDRESS_TEXT_MAX);
    struct address again;
    bool needs_smtputf8;
    address_print(address, &text);
    expect(address_parse(buffer_bytes(&text), &again, NULL));
    expect(address_equal(address, &again));
    AUTO(buffer)
    second = BUFFER(ADDRESS_TEXT_MAX);
    address_print(&again, &second);
    expect(bytes_equal(buffer_bytes(&text), buffer_bytes(&second)));

    expect(address_print_wire(address, &wire, &needs_smtputf8, NULL));
    expect(!buffer_is_failed(&wire));
    expect(!has_control(buffer_bytes(&wire)));
    expect(needs_smtputf8 != bytes_is_ascii(buffer_bytes(&wire)));
    expect(utf8_is_valid(buffer_bytes(&wire)));
    expect(address_parse(buffer_bytes(&wire), &again, NULL));
    /* A general literal may hold what only looks like brackets to nobody but this test. */
    if (!bytes_ends_with(buffer_bytes(&wire), BYTES("]")))
        expect_closed(buffer_bytes(&wire));
}

/* Names that come back as they were: text, without what encoded words must not bring in. */
static bool is_plain(const struct address_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct bytes name = address_list_name(list, &list->items[i]);
        if (!utf8_is_valid(name) || has_control(name))
            return false;
    }
    return true;
}

static void expect_same(const struct address_list *list, const struct address_list *again)
{
    expect(list->count == again->count && list->mailbox_count == again->mailbox_count);
    for (size_t i = 0; i < list->count; i++) {
        expect(list->items[i].kind == again->items[i].kind);
        expect(bytes_equal(address_list_name(list, &list->items[i]),
                           address_list_name(again, &again->items[i])));
        expect(bytes_equal(address_local_part(&list->items[i].address),
                           address_local_part(&again->items[i].address)));
    }
}

static void check_list(const struct address_list *list, bool allow_utf8)
{
    AUTO(buffer)
    out = BUFFER(OUTPUT_LIMIT);
    AUTO(buffer)
    unfolded = BUFFER(OUTPUT_LIMIT);
    AUTO(address_list)
    again = ADDRESS_LIST;
    struct header_writer writer;
    struct header_field field;
    header_writer_begin(&writer, &out, BYTES("To"));
    if (!address_list_write(list, &writer, allow_utf8, NULL) || !header_writer_end(&writer, NULL))
        return;
    struct bytes rest = buffer_bytes(&out);
    expect(header_next(&rest, &field));
    expect(rest.length == 0);
    header_unfold(field.value, &unfolded);
    if (unfolded.length > ADDRESS_LIST_TEXT_MAX)
        return;
    expect(address_list_parse(&again, buffer_bytes(&unfolded), NULL));
    if (is_plain(list))
        expect_same(list, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes text = bytes_of(data, size);
    AUTO(address_list)
    list = ADDRESS_LIST;
    AUTO(buffer)
    domain = BUFFER(DOMAIN_OCTETS_MAX);
    struct address address;
    if (address_parse(text, &address, NULL))
        check_address(&address);
    if (domain_write_ascii(text, &domain, NULL) && !buffer_is_failed(&domain))
        expect(domain_is_hello_name(buffer_bytes(&domain)));
    if (!address_list_parse(&list, text, NULL)) {
        expect(list.count == 0);
        return 0;
    }
    for (size_t i = 0; i < list.count; i++) {
        if (list.items[i].kind == ADDRESS_LIST_MAILBOX)
            check_address(&list.items[i].address);
    }
    check_list(&list, true);
    if (!address_list_needs_utf8(&list))
        check_list(&list, false);
    return 0;
}
