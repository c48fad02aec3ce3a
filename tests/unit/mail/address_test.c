/* Mailboxes: the grammar's corners, the normal form, and the texts that must never pass. */
#include "mail/address.h"

#include "base/auto.h"
#include "failing_allocation.h"
#include "unit.h"

#define LOCAL_64 "a234567890123456789012345678901234567890123456789012345678901234"
#define LOCAL_255                                                                                  \
    LOCAL_64 LOCAL_64 LOCAL_64 "a23456789012345678901234567890123456789012345678901234567890123"
#define LABEL_63 "a23456789012345678901234567890123456789012345678901234567890123"

struct valid_case {
    const char *text;
    const char *local_part;
    const char *printed; /* NULL = as the text */
    const char *wire;    /* NULL = as printed */
    bool needs_smtputf8;
};

static const struct valid_case valid_cases[] = {
    {"user@example.com", "user", NULL, NULL, false},
    {"User.Name+tag@Example.COM", "User.Name+tag", NULL, NULL, false},
    {"!#$%&'*+-/=?^_`{|}~@x", "!#$%&'*+-/=?^_`{|}~", NULL, NULL, false},
    {"a@[192.0.2.1]", "a", NULL, NULL, false},
    {"a@[IPv6:2001:db8::1]", "a", NULL, NULL, false},
    {"a@[tag:content]", "a", NULL, NULL, false},
    {"\"john doe\"@x", "john doe", NULL, NULL, false},
    {"\"\"@x", "", NULL, NULL, false},
    {"\"a@b\"@x", "a@b", NULL, NULL, false},
    /* Quotes and backslashes that are not needed go. */
    {"\"plain\"@x", "plain", "plain@x", NULL, false},
    {"\"a.b\"@x", "a.b", "a.b@x", NULL, false},
    {"\"\\a\\b\"@x", "ab", "ab@x", NULL, false},
    {"\"a\\\"b\"@x", "a\"b", NULL, NULL, false},
    {"\"a\\\\b\"@x", "a\\b", NULL, NULL, false},
    {"\"a\\ b\"@x", "a b", "\"a b\"@x", NULL, false},
    {"\"a..b\"@x", "a..b", NULL, NULL, false},
    {"\".a\"@x", ".a", NULL, NULL, false},
    {"\"a.\"@x", "a.", NULL, NULL, false},
    /* What looks like a parameter is one quoted local part, whatever is in it. */
    {"\"a@x> ORCPT=rfc822;b@y\"@z", "a@x> ORCPT=rfc822;b@y", NULL, NULL, false},
    {"\"<a>,;:()[]\"@x", "<a>,;:()[]", NULL, NULL, false},
    /* RFC 6531 */
    {"jörg@example.com", "jörg", NULL, NULL, true},
    {"\"jörg\"@example.com", "jörg", "jörg@example.com", NULL, true},
    {"\"j ö\"@example.com", "j ö", NULL, NULL, true},
    {"用户@例子.广告", "用户", NULL, "用户@xn--fsqu00a.xn--4rr70v", true},
    {"user@bücher.example", "user", NULL, "user@xn--bcher-kva.example", false},
    {LOCAL_255 "@x", LOCAL_255, NULL, NULL, false},
    {"a@" LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63, "a", NULL, NULL, false},
};

static const char *const invalid_cases[] = {
    "",
    "@",
    "a",
    "a@",
    "@x",
    "a@@x",
    "a@b@x",
    "a b@x",
    " a@x",
    "a@x ",
    "<a@x>",
    "a@x>",
    "a@x, b@x",
    "Name <a@x>",
    "a(comment)@x",
    "a.@x",
    ".a@x",
    "a..b@x",
    "a@x.",
    "a@.x",
    "a@-x",
    "a@x_y",
    "a@[1.2.3]",
    "a@1.2.3.4]",
    "a@[192.0.2.1]x",
    "\"a@x",
    "\"a\"",
    "\"a\"b@x",
    "a\"b\"@x",
    "\"a\\\"@x",
    "\"a\"\"b\"@x",
    "a\\@b@x",
    "a;b@x",
    "a:b@x",
    "a,b@x",
    "a[b@x",
    /* Controls, bare and in quotes, also behind a backslash. */
    "a\r\nRCPT TO:<b@x>",
    "a@x\r\n",
    "a@x\n",
    "\"a\r\nb\"@x",
    "\"a\\\rb\"@x",
    "\"a\\\nb\"@x",
    "\"a\tb\"@x",
    "\"a\177b\"@x",
    "a\x01@x",
    "\"\\\xc3\xb6\"@x", /* a backslash before what is not ASCII */
    "j\xc3@x",          /* not UTF-8 */
    "j\xc0\xaf@x",      /* overlong */
    "j\xed\xa0\x80@x",  /* a surrogate */
    "j\xc2\x85@x",      /* U+0085, a line end for some */
    "a@ä\xef\xbc\xa0x",
    "a@x ORCPT=rfc822;b",
    LOCAL_255 "5@x",
    "a@" LABEL_63 "4.x",
};

static void addresses_that_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof valid_cases / sizeof *valid_cases; i++) {
        const struct valid_case *it = &valid_cases[i];
        struct fault fault = {0};
        struct address address;
        if (!address_parse(bytes_from_string(it->text), &address, &fault))
            fail_msg("%s: %s", it->text, fault.message);
        assert_true(bytes_equal(address_local_part(&address), bytes_from_string(it->local_part)));

        const char *printed = it->printed == NULL ? it->text : it->printed;
        AUTO(buffer)
        out = BUFFER(ADDRESS_TEXT_MAX);
        address_print(&address, &out);
        assert_string_equal(buffer_string(&out), printed);

        struct address again;
        assert_true(address_parse(buffer_bytes(&out), &again, NULL));
        assert_true(address_equal(&address, &again));

        AUTO(buffer)
        wire = BUFFER(ADDRESS_TEXT_MAX);
        bool needs_smtputf8 = !it->needs_smtputf8;
        assert_true(address_write_wire(bytes_from_string(it->text), &wire, &needs_smtputf8, NULL));
        assert_string_equal(buffer_string(&wire), it->wire == NULL ? printed : it->wire);
        assert_int_equal(needs_smtputf8, it->needs_smtputf8);
    }
}

static void addresses_that_are_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof invalid_cases / sizeof *invalid_cases; i++) {
        struct fault fault = {0};
        struct address address = {.domain_length = 77};
        if (address_parse(bytes_from_string(invalid_cases[i]), &address, &fault))
            fail_msg("taken: %s", invalid_cases[i]);
        assert_int_equal(address.domain_length, 77);
        assert_true(fault.kind == FAULT_SYNTAX || fault.kind == FAULT_LIMIT);
        assert_true(fault.message[0] != '\0');

        AUTO(buffer)
        wire = BUFFER(ADDRESS_TEXT_MAX);
        bool needs_smtputf8;
        assert_false(
            address_write_wire(bytes_from_string(invalid_cases[i]), &wire, &needs_smtputf8, NULL));
        assert_int_equal(wire.length, 0);
    }
    struct address address;
    assert_false(address_parse(BYTES("a\0b@x"), &address, NULL));
    assert_false(address_parse(BYTES("a@x\0"), &address, NULL));
    assert_false(address_parse(BYTES("\"\0\"@x"), &address, NULL));
    assert_false(address_parse(BYTES("\"\\\0\"@x"), &address, NULL));
}

static void limits(void **state)
{
    (void)state;
    struct fault fault;
    struct address address;
    assert_false(address_parse(BYTES(LOCAL_255 "5@x"), &address, &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
    char text[ADDRESS_TEXT_MAX + 1];
    memset(text, 'a', sizeof text);
    assert_false(address_parse(bytes_of(text, sizeof text), &address, &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
    /* As many octets as may be, each behind a backslash. */
    AUTO(buffer)
    quoted = BUFFER(ADDRESS_TEXT_MAX);
    buffer_append_char(&quoted, '"');
    for (int i = 0; i < ADDRESS_LOCAL_PART_MAX; i++)
        buffer_append_string(&quoted, "\\\"");
    buffer_append_string(&quoted, "\"@x");
    assert_true(address_parse(buffer_bytes(&quoted), &address, &fault));
    assert_int_equal(address.local_part_length, ADDRESS_LOCAL_PART_MAX);
}

static void made_of_parts(void **state)
{
    (void)state;
    struct address address;
    AUTO(buffer)
    out = BUFFER(ADDRESS_TEXT_MAX);
    assert_true(address_make(BYTES("john \"x\" doe"), BYTES("example.com"), &address, NULL));
    address_print(&address, &out);
    assert_bytes(buffer_bytes(&out), "\"john \\\"x\\\" doe\"@example.com");
    assert_false(address_make(BYTES("a\nb"), BYTES("x"), &address, NULL));
    assert_false(address_make(BYTES("a"), BYTES("x y"), &address, NULL));
    assert_false(address_make(BYTES("a"), BYTES(""), &address, NULL));
    assert_false(address_make(BYTES(LOCAL_255 "5"), BYTES("x"), &address, NULL));
    assert_true(address_make(BYTES(""), BYTES("x"), &address, NULL));
}

static void same_mailbox(void **state)
{
    (void)state;
    struct address one;
    struct address other;
    assert_true(address_parse(BYTES("\"user\"@EXAMPLE.com"), &one, NULL));
    assert_true(address_parse(BYTES("user@example.COM"), &other, NULL));
    assert_true(address_equal(&one, &other));
    assert_true(address_parse(BYTES("User@example.com"), &other, NULL));
    assert_false(address_equal(&one, &other));
    assert_true(address_is_bare_postmaster(BYTES("PostMaster")));
    assert_false(address_is_bare_postmaster(BYTES("postmaster@x")));
}

static void memory_runs_out(void **state)
{
    (void)state;
    bool was_refused = true;
    for (size_t count = 0; was_refused; count++) {
        AUTO(buffer)
        out = BUFFER(ADDRESS_TEXT_MAX);
        bool needs_smtputf8;
        failing_allocation_start(count);
        bool is_made =
            address_write_wire(BYTES("user@bücher.example"), &out, &needs_smtputf8, NULL);
        was_refused = failing_allocation_stop();
        assert_true(was_refused ? !is_made || buffer_is_failed(&out) : is_made);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(addresses_that_are),
    cmocka_unit_test(addresses_that_are_not),
    cmocka_unit_test(limits),
    cmocka_unit_test(made_of_parts),
    cmocka_unit_test(same_mailbox),
    cmocka_unit_test(memory_runs_out),
};

UNIT_MAIN(tests)
