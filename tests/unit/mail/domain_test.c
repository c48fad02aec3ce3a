/* Domains and address literals by RFC 5321 4.1.2 and 4.1.3, and their A-labels. */
#include "mail/domain.h"

#include "base/auto.h"
#include "unit.h"

#define LABEL_63 "a23456789012345678901234567890123456789012345678901234567890123"

static void domains_that_are(void **state)
{
    (void)state;
    static const char *const valid[] = {
        "example.com",
        "localhost",
        "a",
        "1.2",
        "3com.example",
        "xn--bcher-kva.example",
        "a-b--c.example",
        LABEL_63 ".example",
        /* 255 octets */
        LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63,
    };
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++) {
        assert_true(domain_is_valid(bytes_from_string(valid[i])));
        assert_true(domain_is_hello_name(bytes_from_string(valid[i])));
    }
}

static void domains_that_are_not(void **state)
{
    (void)state;
    static const char *const invalid[] = {
        "",
        ".",
        "example.com.",
        ".example.com",
        "a..b",
        "-a.example",
        "a-.example",
        "a_b.example",
        "a b",
        "a\r\nb",
        "exämple.com",
        "a>",
        "user@host",
        LABEL_63 "4.example",
        LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63 ".",
        LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63 ".b",
    };
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++)
        assert_false(domain_is_valid(bytes_from_string(invalid[i])));
    assert_false(domain_is_valid(BYTES("a\0b")));
}

static void literals_that_are(void **state)
{
    (void)state;
    static const char *const valid[] = {
        "[192.0.2.1]",
        "[0.0.0.0]",
        "[255.255.255.255]",
        "[010.001.1.1]",
        "[IPv6:::]",
        "[IPv6:::1]",
        "[ipv6:2001:db8::1]",
        "[IPv6:1:2:3:4:5:6:7:8]",
        "[IPv6:1:2:3:4:5:6:192.0.2.1]",
        "[IPv6:::ffff:192.0.2.1]",
        "[IPv6:1:2:3:4:5:6::]",
        "[x400:c=de/a=b!#$%&^~]",
    };
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++) {
        assert_true(domain_is_address_literal(bytes_from_string(valid[i])));
        assert_true(domain_is_hello_name(bytes_from_string(valid[i])));
    }
}

static void literals_that_are_not(void **state)
{
    (void)state;
    static const char *const invalid[] = {
        "",
        "[",
        "[]",
        "192.0.2.1",
        "[192.0.2.1",
        "192.0.2.1]",
        "[192.0.2]",
        "[192.0.2.256]",
        "[192.0.2.0001]",
        "[192.0.2.1.1]",
        "[ 192.0.2.1]",
        "[192.0.2.1 ]",
        "[2001:db8::1]x",
        "[IPv6:]",
        "[IPv6:1:2:3:4:5:6:7]",
        "[IPv6:1:2:3:4:5:6:7::]",
        "[IPv6:1::2::3]",
        "[IPv6:12345::]",
        "[IPv6:::1%eth0]",
        "[IPv6:g::]",
        "[tag:]",
        "[:content]",
        "[tag-:x]",
        "[tag:a[b]",
        "[tag:a]b]",
        "[tag:a\\b]",
        "[tag:a b]",
        "[tag:>]",
        "[tag:a<b]",
        "[tag:\"]",
        "[tag:a\r\nb]",
        "[tag:\xc3\xa4]",
    };
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++)
        assert_false(domain_is_address_literal(bytes_from_string(invalid[i])));
    assert_false(domain_is_address_literal(BYTES("[IPv6:::1\0]")));
}

static void forms_on_the_wire(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *ascii; /* NULL = refused */
    } cases[] = {
        {"Example.COM", "Example.COM"},
        {"[IPv6:::1]", "[IPv6:::1]"},
        {"bücher.example", "xn--bcher-kva.example"},
        {"BÜCHER.example", "xn--bcher-kva.example"},
        /* Non-transitional: the sharp s is a letter of its own. */
        {"faß.de", "xn--fa-hia.de"},
        {"例え.テスト", "xn--r8jz45g.xn--zckzah"},
        /* Decomposed and composed are the same. */
        {"bu\xcc\x88"
         "cher.example",
         "xn--bcher-kva.example"},
        {"ＥＸＡＭＰＬＥ.com", "example.com"},
        {"a\xe3\x80\x82"
         "b",
         "a.b"},
        {"", NULL},
        {"a..b", NULL},
        {"ä..b", NULL},
        {"ä b.example", NULL},
        {"ä_b.example", NULL},
        {"\xe2\x84\x80.example", NULL},   /* U+2100 stands for "a/c" */
        {"ä\xef\xbc\xa0x.example", NULL}, /* a wide "@" */
        {"\xc3.example", NULL},           /* not UTF-8 */
        {"ä\r\nRCPT TO:<x>", NULL},
        {"\xe2\x80\xae"
         "a.example",
         NULL}, /* right-to-left override */
        {"[ä]", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO(buffer)
        out = BUFFER(1000);
        struct fault fault = {0};
        bool is_valid = domain_write_ascii(bytes_from_string(cases[i].text), &out, &fault);
        if (is_valid != (cases[i].ascii != NULL))
            fail_msg("%s", cases[i].text);
        if (is_valid) {
            assert_string_equal(buffer_string(&out), cases[i].ascii);
        } else {
            assert_int_equal(out.length, 0);
            assert_int_not_equal(fault.kind, FAULT_NONE);
        }
    }
}

static void too_long_for_the_wire(void **state)
{
    (void)state;
    AUTO(buffer)
    out = BUFFER(1000);
    struct fault fault;
    char text[DOMAIN_OCTETS_MAX + 2];
    memset(text, 'a', sizeof text);
    assert_false(domain_write_ascii(bytes_of(text, DOMAIN_OCTETS_MAX + 1), &out, &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
    assert_false(domain_write_ascii(BYTES("ä\0.example"), &out, &fault));
    assert_int_equal(fault.kind, FAULT_SYNTAX);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(domains_that_are),  cmocka_unit_test(domains_that_are_not),
    cmocka_unit_test(literals_that_are), cmocka_unit_test(literals_that_are_not),
    cmocka_unit_test(forms_on_the_wire), cmocka_unit_test(too_long_for_the_wire),
};

UNIT_MAIN(tests)
