/* Names of mailboxes on the wire and inside, which of them may be made, patterns. */
#include "imap/imap_mailbox_name.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

enum {
    OUT_MAX = 8192,
    ROUNDS = 20000,
    TEXT_MAX = 12
};

/* UTF-8 inside, and modified UTF-7 on the wire. */
static const struct {
    const char *name;
    const char *wire;
} pairs[] = {
    {"", ""},
    {"Sent", "Sent"},
    {"a b", "a b"},
    {"Tom & Jerry", "Tom &- Jerry"},
    {"&", "&-"},
    {"&&", "&-&-"},
    {"\u00c9", "&AMk-"},
    {"&\u00c9&", "&-&AMk-&-"},
    {"Entw\u00fcrfe", "Entw&APw-rfe"},
    /* RFC 3501 5.1.3 */
    {"~peter/mail/\u53f0\u5317/\u65e5\u672c\u8a9e", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"},
    {"\U0001f600", "&2D3eAA-"},
    {"x\U0001f600y", "x&2D3eAA-y"},
    {"\u00e9\u00e9\u00e9", "&AOkA6QDp-"},
};

static void expect_decoded(struct bytes wire, bool is_utf8, const char *expected)
{
    AUTO(buffer)
    out = BUFFER(OUT_MAX);
    struct fault fault = {0};
    buffer_append_string(&out, "before ");
    bool is_read = imap_mailbox_name_decode(wire, is_utf8, &out, &fault);
    struct bytes name = bytes_skip(buffer_bytes(&out), 7);
    if (expected != NULL) {
        assert_true(is_read);
        unit_assert_bytes(name, bytes_from_string(expected), __FILE__, __LINE__);
    } else {
        assert_false(is_read);
        assert_int_equal(fault.kind, FAULT_DENIED);
        assert_int_equal(name.length, 0);
    }
}

static void both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        AUTO(buffer)
        out = BUFFER(OUT_MAX);
        expect_decoded(bytes_from_string(pairs[i].wire), false, pairs[i].name);
        imap_mailbox_name_encode(bytes_from_string(pairs[i].name), false, &out);
        unit_assert_bytes(buffer_bytes(&out), bytes_from_string(pairs[i].wire), __FILE__, __LINE__);
        buffer_reset(&out);
        expect_decoded(bytes_from_string(pairs[i].name), true, pairs[i].name);
        imap_mailbox_name_encode(bytes_from_string(pairs[i].name), true, &out);
        unit_assert_bytes(buffer_bytes(&out), bytes_from_string(pairs[i].name), __FILE__, __LINE__);
    }
}

/* RFC 3501 5.1.3: one form only. */
static void not_canonical(void **state)
{
    (void)state;
    static const char *const wires[] = {
        "&",                                       /* no end */
        "&AMk",                                    /* no end */
        "a&b",                                     /* no end */
        "&AGE-",                                   /* "a" stands for itself */
        "&AMkAYQ-",                                /* so does it behind another */
        "&ACY-",                                   /* "&" is "&-" */
        "&AMk-&AMk-",                              /* two runs that are one */
        "&AMl-",                                   /* bits that are left are not zero */
        "&AMkA-",                                  /* a digit too many */
        "&AM-",                                    /* a digit too few */
        "&A-",        "&AMk=-",                    /* padding */
        "&U/BTFw-",                                /* "/" is "," */
        "&2D0-",                                   /* half a pair of surrogates */
        "&3gA-",                                   /* the other half */
        "&2D0AYQ-",                                /* half a pair, then something else */
        "&2D3YPQ-",                                /* two first halves */
        "\u00c9",                                  /* not ASCII */
        "a\x7f",      "a\tb",   "a\r\nb", "&AAA-", /* NUL */
        "&AAk-",                                   /* a tab */
        "&AH8-",                                   /* DEL */
        "&AIU-",                                   /* a control character of ISO 8859-1 */
        "&ICg-",                                   /* U+2028 */
        "&ICk-",                                   /* U+2029 */
    };
    for (size_t i = 0; i < sizeof wires / sizeof *wires; i++)
        expect_decoded(bytes_from_string(wires[i]), false, NULL);
    expect_decoded(BYTES("a\0b"), false, NULL);
}

static void not_utf8(void **state)
{
    (void)state;
    static const char *const wires[] = {"\xff",  "a\xc3",    "\xc0\xaf", "\xed\xa0\x80", "a\x01",
                                        "a\x7f", "\xc2\x85", "\u2028",   "a\u2029b"};
    for (size_t i = 0; i < sizeof wires / sizeof *wires; i++)
        expect_decoded(bytes_from_string(wires[i]), true, NULL);
    expect_decoded(BYTES("a\0b"), true, NULL);
    /* What UTF-7 would make of it is nobody's business there. */
    expect_decoded(BYTES("&AMk-"), true, "&AMk-");
}

static void inbox(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        {"inbox", "INBOX"},     {"InBoX", "INBOX"},     {"inbox/Lists", "INBOX/Lists"},
        {"inboxes", "inboxes"}, {"x/inbox", "x/inbox"}, {"inbox.a", "inbox.a"},
        {"inbox/", "INBOX/"},   {"inbo", "inbo"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        expect_decoded(bytes_from_string(names[i][0]), false, names[i][1]);
        expect_decoded(bytes_from_string(names[i][0]), true, names[i][1]);
    }
}

static void decode_limit(void **state)
{
    (void)state;
    static char wire[IMAP_MAILBOX_NAME_MAX + 1];
    AUTO(buffer)
    out = BUFFER(OUT_MAX);
    struct fault fault;
    memset(wire, 'x', sizeof wire);
    assert_true(imap_mailbox_name_decode(bytes_of(wire, IMAP_MAILBOX_NAME_MAX), false, &out, NULL));
    buffer_reset(&out);
    assert_false(imap_mailbox_name_decode(bytes_of(wire, sizeof wire), false, &out, &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
    assert_int_equal(out.length, 0);
}

static enum fault_kind check(struct bytes name)
{
    struct fault fault = {0};
    assert_true(imap_mailbox_name_check(name, &fault) == (fault.kind == FAULT_NONE));
    return fault.kind;
}

static void names_that_may_be(void **state)
{
    (void)state;
    static const char *const good[] = {"INBOX",        "a",  "a/b/c", "a b",           "&",
                                       "#news",        "~x", "a.b",   "\u00c9t\u00e9", "\U0001f600",
                                       "\"quoted\\\"", "..", "{5}"};
    static const char *const bad[] = {"",        "/",      "/a",       "a/",    "a//b", "*",
                                      "a%b",     "a*",     "a\tb",     "a\x7f", "\xff", "\xc2\x85",
                                      "a\u2028", "\u2029", "E\u0301t", "a\r\n"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(check(bytes_from_string(good[i])), FAULT_NONE);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(check(bytes_from_string(bad[i])), FAULT_DENIED);
    assert_int_equal(check(BYTES("a\0b")), FAULT_DENIED);
}

/* `count` times the level, with "/" between. */
static enum fault_kind check_levels(size_t count, size_t length)
{
    AUTO(buffer)
    name = BUFFER(OUT_MAX);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_char(&name, '/');
        for (size_t j = 0; j < length; j++)
            buffer_append_char(&name, 'x');
    }
    return check(buffer_bytes(&name));
}

static void limits(void **state)
{
    (void)state;
    assert_int_equal(check_levels(1, IMAP_MAILBOX_LEVEL_MAX), FAULT_NONE);
    assert_int_equal(check_levels(1, IMAP_MAILBOX_LEVEL_MAX + 1), FAULT_LIMIT);
    assert_int_equal(check_levels(IMAP_MAILBOX_DEPTH_MAX, 1), FAULT_NONE);
    assert_int_equal(check_levels(IMAP_MAILBOX_DEPTH_MAX + 1, 1), FAULT_LIMIT);
    assert_int_equal(check_levels(4, IMAP_MAILBOX_LEVEL_MAX), FAULT_NONE);
    assert_int_equal(check_levels(5, 204), FAULT_NONE);
    /* 1,025 bytes that keep the other limits. */
    assert_int_equal(check_levels(27, 37), FAULT_LIMIT);
}

static bool fits(const char *pattern, const char *name)
{
    return imap_mailbox_name_fits(bytes_from_string(pattern), bytes_from_string(name));
}

static void patterns(void **state)
{
    (void)state;
    static const char *const yes[][2] = {{"*", ""},          {"%", ""},
                                         {"", ""},           {"*", "a/b/c"},
                                         {"%", "a"},         {"a", "a"},
                                         {"a/%", "a/b"},     {"%/%", "a/b"},
                                         {"a*", "a/b"},      {"*b", "a/b"},
                                         {"%*", "a/b"},      {"*%", "a/b"},
                                         {"%%", "ab"},       {"a%c", "abbc"},
                                         {"a*c", "a/b/c"},   {"*/%", "a/b/c"},
                                         {"%/c", "b/c"},     {"*a*a*", "xaya"},
                                         {"%a%", "xay"},     {"a%%b", "ab"},
                                         {"inbox", "INBOX"}, {"InB%", "INBOX"},
                                         {"*nbox", "INBOX"}, {"inbox/*", "INBOX/a"},
                                         {"%b%", "INBOX"},   {"\u00e9*", "\u00e9t\u00e9"},
                                         {"INBOX", "INBOX"}, {"a*", "a"}};
    static const char *const no[][2] = {{"", "a"},
                                        {"a", ""},
                                        {"%", "a/b"},
                                        {"a", "b"},
                                        {"a", "ab"},
                                        {"ab", "a"},
                                        {"%/%", "a"},
                                        {"%/%", "a/b/c"},
                                        {"a%", "a/b"},
                                        {"%c", "a/c"},
                                        {"*x", "a/b"},
                                        {"A", "a"},
                                        {"inbox", "INBOXES"},
                                        {"inboxes", "INBOXES"},
                                        {"INBOX/A", "INBOX/a"},
                                        {"x/inbox", "x/INBOX"},
                                        {"*a*a*", "xay"},
                                        {"a%%b", "a/b"},
                                        {"a**b%c", "ab/c"}};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        assert_true(fits(yes[i][0], yes[i][1]));
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        assert_false(fits(no[i][0], no[i][1]));
}

/* The rule itself, which takes for ever on long texts. */
static bool fits_slowly(const char *pattern, const char *name)
{
    if (*pattern == '\0')
        return *name == '\0';
    if (*pattern == '*' || *pattern == '%')
        return fits_slowly(pattern + 1, name) ||
               (*name != '\0' && (*pattern == '*' || *name != '/') &&
                fits_slowly(pattern, name + 1));
    return *pattern == *name && fits_slowly(pattern + 1, name + 1);
}

static void make_text(char *text, const char *alphabet)
{
    size_t length = (size_t)rand() % TEXT_MAX;
    for (size_t i = 0; i < length; i++)
        text[i] = alphabet[(size_t)rand() % strlen(alphabet)];
    text[length] = '\0';
}

static void patterns_at_random(void **state)
{
    (void)state;
    size_t fitting = 0;
    srand(2);
    for (unsigned round = 0; round < ROUNDS; round++) {
        char pattern[TEXT_MAX];
        char name[TEXT_MAX];
        make_text(pattern, "ab/*%");
        make_text(name, "aab/");
        assert_int_equal(fits(pattern, name), fits_slowly(pattern, name));
        fitting += fits(pattern, name);
    }
    assert_true(fitting > ROUNDS / 100);
}

/* Were it exponential, it would not end. */
static void patterns_that_try(void **state)
{
    (void)state;
    static char pattern[64 * 1024];
    static char name[IMAP_MAILBOX_NAME_MAX + 2];
    memset(name, 'a', IMAP_MAILBOX_NAME_MAX);
    for (size_t i = 0; i + 3 < sizeof pattern; i += 3)
        memcpy(pattern + i, i % 2 == 0 ? "*a%" : "%a*", 3);
    pattern[sizeof pattern - 1] = '\0';
    assert_false(fits(pattern, name));
    pattern[3 * 500] = '\0';
    assert_true(fits(pattern, name));
    pattern[3 * 500 - 1] = 'b';
    assert_false(fits(pattern, name));
    memset(pattern, '*', sizeof pattern - 1);
    assert_true(fits(pattern, name));
    name[IMAP_MAILBOX_NAME_MAX] = 'a';
    assert_false(fits("*", name));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(both_ways),
    cmocka_unit_test(not_canonical),
    cmocka_unit_test(not_utf8),
    cmocka_unit_test(inbox),
    cmocka_unit_test(decode_limit),
    cmocka_unit_test(names_that_may_be),
    cmocka_unit_test(limits),
    cmocka_unit_test(patterns),
    cmocka_unit_test(patterns_at_random),
    cmocka_unit_test(patterns_that_try),
};

UNIT_MAIN(tests)
