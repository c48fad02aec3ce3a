/* Reading and printing mailboxes: one walk over the text, no guessing. */
#include "mail/address.h"

#include "base/auto.h"
#include "base/scan.h"
#include "base/utf8.h"

/* atext of RFC 5321 4.1.2 (RFC 5322 3.2.3), as far as it is ASCII. */
static const struct scan_class atom_characters = {
    .has = {['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['!'] = true,
            ['#'] = true,         ['$'] = true,         ['%'] = true,         ['&'] = true,
            ['\''] = true,        ['*'] = true,         ['+'] = true,         ['-'] = true,
            ['/'] = true,         ['='] = true,         ['?'] = true,         ['^'] = true,
            ['_'] = true,         ['`'] = true,         ['{'] = true,         ['|'] = true,
            ['}'] = true,         ['~'] = true}};

/* RFC 6531 3.3 adds all of UTF-8 beyond ASCII; its control characters (U+0080 to U+009F), which
   RFC 5198 2 wants nowhere, stay out. */
static bool is_beyond_ascii(uint32_t c)
{
    return c >= 0xA0;
}

static void append_local(struct address *address, struct bytes bytes, bool *fits)
{
    if (address->local_part_length + bytes.length > ADDRESS_LOCAL_PART_MAX) {
        *fits = false;
        return;
    }
    if (bytes.length > 0)
        memcpy(address->local_part_text + address->local_part_length, bytes.data, bytes.length);
    address->local_part_length = (unsigned short)(address->local_part_length + bytes.length);
}

/* Takes one code point off rest; its bytes are *sequence. */
static bool take_code_point(struct bytes *rest, uint32_t *code_point, struct bytes *sequence)
{
    struct bytes before = *rest;
    if (!utf8_next(rest, code_point))
        return false;
    *sequence = bytes_slice(before, 0, before.length - rest->length);
    return true;
}

/* Quoted-string = DQUOTE *QcontentSMTP DQUOTE; the first quote is still in rest. */
static bool take_quoted(struct bytes *rest, struct address *address, bool *fits)
{
    *rest = bytes_skip(*rest, 1);
    for (;;) {
        uint32_t c;
        struct bytes sequence;
        if (!take_code_point(rest, &c, &sequence))
            return false;
        if (c == '"')
            return true;
        if (c == '\\') {
            /* quoted-pairSMTP: a printable ASCII character or the blank, nothing else. */
            if (!take_code_point(rest, &c, &sequence) || c < 32 || c > 126)
                return false;
        } else if ((c < 32 || c > 126) && !is_beyond_ascii(c)) {
            return false;
        }
        append_local(address, sequence, fits);
    }
}

/* An atom: runs of ASCII at once, characters beyond it one by one. */
static bool take_atom(struct bytes *rest, struct address *address, bool *fits)
{
    size_t length = rest->length;
    for (;;) {
        struct scan scan = scan_of(*rest);
        struct bytes run = scan_take_while(&scan, &atom_characters);
        append_local(address, run, fits);
        *rest = bytes_skip(*rest, run.length);
        uint32_t c;
        struct bytes sequence;
        if (rest->length == 0 || (unsigned char)rest->data[0] < 128)
            return rest->length < length;
        if (!take_code_point(rest, &c, &sequence) || !is_beyond_ascii(c))
            return false;
        append_local(address, sequence, fits);
    }
}

/* Dot-string = Atom *("." Atom), up to the "@", which stays. */
static bool take_dot_string(struct bytes *rest, struct address *address, bool *fits)
{
    for (;;) {
        if (!take_atom(rest, address, fits))
            return false;
        if (rest->length == 0 || rest->data[0] != '.')
            return true;
        append_local(address, BYTES("."), fits);
        *rest = bytes_skip(*rest, 1);
    }
}

/* The domain is checked by making its A-labels, and kept as written. */
static bool set_domain(struct bytes domain, struct address *address, struct fault *fault)
{
    AUTO(buffer)
    ascii = BUFFER(DOMAIN_OCTETS_MAX);
    if (!domain_is_hello_name(domain) && !domain_write_ascii(domain, &ascii, fault))
        return false;
    if (buffer_is_failed(&ascii))
        return fault_set_memory(fault);
    memcpy(address->domain_text, domain.data, domain.length);
    address->domain_length = (unsigned short)domain.length;
    return true;
}

static bool refuse_long_local_part(struct fault *fault)
{
    return fault_set(fault, FAULT_LIMIT, "the local part of the address is longer than %d bytes",
                     ADDRESS_LOCAL_PART_MAX);
}

bool address_parse(struct bytes text, struct address *address, struct fault *fault)
{
    if (text.length > ADDRESS_TEXT_MAX)
        return fault_set(fault, FAULT_LIMIT, "the address is longer than %d bytes",
                         ADDRESS_TEXT_MAX);
    struct address parsed = {0};
    struct bytes rest = text;
    bool fits = true;
    bool is_quoted = text.length > 0 && text.data[0] == '"';
    if (!(is_quoted ? take_quoted(&rest, &parsed, &fits)
                    : take_dot_string(&rest, &parsed, &fits)) ||
        rest.length == 0 || rest.data[0] != '@')
        return fault_set(fault, FAULT_SYNTAX, "the address is not of the form user@host");
    if (!fits)
        return refuse_long_local_part(fault);
    if (!set_domain(bytes_skip(rest, 1), &parsed, fault))
        return false;
    *address = parsed;
    return true;
}

bool address_make(struct bytes local_part, struct bytes domain, struct address *address,
                  struct fault *fault)
{
    if (local_part.length > ADDRESS_LOCAL_PART_MAX)
        return refuse_long_local_part(fault);
    struct address made = {.local_part_length = (unsigned short)local_part.length};
    if (local_part.length > 0)
        memcpy(made.local_part_text, local_part.data, local_part.length);
    while (local_part.length > 0) {
        uint32_t c;
        if (!utf8_next(&local_part, &c) || ((c < 32 || c > 126) && !is_beyond_ascii(c)))
            return fault_set(fault, FAULT_SYNTAX, "the local part holds what no address can hold");
    }
    if (!set_domain(domain, &made, fault))
        return false;
    *address = made;
    return true;
}

static bool is_dot_string(struct bytes local_part)
{
    bool is_atom_begun = false;
    for (size_t i = 0; i < local_part.length; i++) {
        unsigned char c = (unsigned char)local_part.data[i];
        if (c == '.' ? !is_atom_begun : c < 128 && !atom_characters.has[c])
            return false;
        is_atom_begun = c != '.';
    }
    return is_atom_begun;
}

static void print_local_part(struct bytes local_part, struct buffer *out)
{
    if (is_dot_string(local_part)) {
        buffer_append(out, local_part);
        return;
    }
    buffer_append_char(out, '"');
    for (size_t i = 0; i < local_part.length; i++) {
        if (local_part.data[i] == '"' || local_part.data[i] == '\\')
            buffer_append_char(out, '\\');
        buffer_append_char(out, local_part.data[i]);
    }
    buffer_append_char(out, '"');
}

void address_print(const struct address *address, struct buffer *out)
{
    print_local_part(address_local_part(address), out);
    buffer_append_char(out, '@');
    buffer_append(out, address_domain(address));
}

bool address_has_ascii_local_part(const struct address *address)
{
    return bytes_is_ascii(address_local_part(address));
}

bool address_equal(const struct address *left, const struct address *right)
{
    return bytes_equal(address_local_part(left), address_local_part(right)) &&
           bytes_equal_ignoring_case(address_domain(left), address_domain(right));
}

bool address_print_wire(const struct address *address, struct buffer *out, bool *needs_smtputf8,
                        struct fault *fault)
{
    size_t length = out->length;
    print_local_part(address_local_part(address), out);
    buffer_append_char(out, '@');
    if (!domain_write_ascii(address_domain(address), out, fault)) {
        buffer_truncate(out, length);
        return false;
    }
    *needs_smtputf8 = !address_has_ascii_local_part(address);
    return true;
}

bool address_write_wire(struct bytes text, struct buffer *out, bool *needs_smtputf8,
                        struct fault *fault)
{
    struct address address;
    return address_parse(text, &address, fault) &&
           address_print_wire(&address, out, needs_smtputf8, fault);
}

bool address_is_bare_postmaster(struct bytes text)
{
    return bytes_equal_ignoring_case(text, BYTES("postmaster"));
}
