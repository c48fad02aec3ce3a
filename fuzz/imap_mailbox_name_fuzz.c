/* Names of mailboxes: what is decoded encodes to the same bytes, in either form, and patterns fit
   as a slow model says. */
#include "imap/imap_mailbox_name.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Far more than any input becomes. */
enum {
    OUTPUT_LIMIT = 1 << 20,
    PATTERN_MAX = 256
};

static void expect(bool is_so)
{
    if (!is_so)
        abort();
}

/* INBOX is the one name that is not kept as it was written. */
static void expect_same_wire(struct bytes wire, struct bytes again)
{
    bool is_inbox =
        bytes_starts_with(again, BYTES("INBOX")) && (again.length == 5 || again.data[5] == '/');
    size_t skipped = is_inbox ? 5 : 0;
    expect(wire.length == again.length);
    expect(
        bytes_equal_ignoring_case(bytes_slice(wire, 0, skipped), bytes_slice(again, 0, skipped)));
    expect(bytes_equal(bytes_skip(wire, skipped), bytes_skip(again, skipped)));
}

/* Both ways out and in. */
static void check_name(struct bytes name)
{
    for (int form = 0; form < 2; form++) {
        AUTO(buffer)
        wire = BUFFER(OUTPUT_LIMIT);
        AUTO(buffer)
        again = BUFFER(OUTPUT_LIMIT);
        imap_mailbox_name_encode(name, form == 1, &wire);
        expect(form == 1 || bytes_is_ascii(buffer_bytes(&wire)));
        expect(!bytes_has_control(buffer_bytes(&wire)) || form == 1);
        expect(imap_mailbox_name_decode(buffer_bytes(&wire), form == 1, &again, NULL));
        expect(bytes_equal(buffer_bytes(&again), name));
    }
}

static void check_wire(struct bytes wire, bool is_utf8)
{
    AUTO(buffer)
    name = BUFFER(OUTPUT_LIMIT);
    AUTO(buffer)
    again = BUFFER(OUTPUT_LIMIT);
    struct fault fault = {0};
    if (!imap_mailbox_name_decode(wire, is_utf8, &name, &fault)) {
        expect(name.length == 0);
        expect(fault.kind == FAULT_DENIED || fault.kind == FAULT_LIMIT);
        return;
    }
    expect(utf8_is_valid(buffer_bytes(&name)));
    imap_mailbox_name_encode(buffer_bytes(&name), is_utf8, &again);
    expect_same_wire(wire, buffer_bytes(&again));
    check_name(buffer_bytes(&name));
}

/* One row of the textbook's table after the other. */
static bool fits_slowly(struct bytes pattern, struct bytes name)
{
    bool before[IMAP_MAILBOX_NAME_MAX + 1] = {true};
    for (size_t i = 0; i < pattern.length; i++) {
        bool now[IMAP_MAILBOX_NAME_MAX + 1] = {false};
        char c = pattern.data[i];
        bool is_wild = c == '*' || c == '%';
        now[0] = is_wild && before[0];
        for (size_t j = 1; j <= name.length; j++) {
            char d = name.data[j - 1];
            now[j] = is_wild ? before[j] || (now[j - 1] && (c == '*' || d != '/'))
                             : before[j - 1] && c == d;
        }
        memcpy(before, now, sizeof before);
    }
    return before[name.length];
}

static void check_pattern(struct bytes text)
{
    struct bytes pattern;
    struct bytes name;
    bytes_split(text, '\n', &pattern, &name);
    bool fits = imap_mailbox_name_fits(pattern, name);
    bool is_inbox = bytes_starts_with_ignoring_case(name, BYTES("INBOX"));
    if (name.length > IMAP_MAILBOX_NAME_MAX)
        expect(!fits);
    else if (!is_inbox && pattern.length <= PATTERN_MAX)
        expect(fits == fits_slowly(pattern, name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes text = bytes_of(data, size);
    struct fault fault = {0};
    check_wire(text, false);
    check_wire(text, true);
    check_pattern(text);
    if (!imap_mailbox_name_check(text, &fault))
        expect(fault.kind == FAULT_DENIED || fault.kind == FAULT_LIMIT);
    else if (!bytes_starts_with_ignoring_case(text, BYTES("INBOX")))
        check_name(text);
    return 0;
}
