/* STORE and lists of flags. */
#include "imap_command_read.h"

static void modes(void **state)
{
    (void)state;
    assert_reads("a STORE 1 FLAGS (\\Seen)", "a STORE 1 set flags 1");
    assert_reads("a STORE 1:2 +FLAGS (\\deleted)", "a STORE 1:2 add flags 8");
    assert_reads("a UID STORE $ -flags.silent (\\Answered \\Flagged \\Draft)",
                 "a uid STORE $ remove silent flags 22");
    assert_reads("a STORE 1 FLAGS ()", "a STORE 1 set flags 0");
    /* Without parentheses. */
    assert_reads("a STORE 1 FLAGS \\Seen", "a STORE 1 set flags 1");
    assert_reads("a STORE 1 +FLAGS.SILENT \\Seen $Junk  ", "a STORE 1 add silent flags 1 '$Junk'");
}

static void keywords(void **state)
{
    (void)state;
    assert_reads("a STORE 1 FLAGS ($MDNSent foo FOO $mdnsent bar)",
                 "a STORE 1 set flags 0 '$MDNSent' 'foo' 'bar'");
    assert_reads("a STORE 1 FLAGS (Seen)", "a STORE 1 set flags 0 'Seen'");
    assert_int_equal(
        read_kind_of_many("a STORE 1 FLAGS ", "k", IMAP_COMMAND_KEYWORD_LENGTH_MAX, ""),
        FAULT_NONE);
    assert_int_equal(
        read_kind_of_many("a STORE 1 FLAGS ", "k", IMAP_COMMAND_KEYWORD_LENGTH_MAX + 1, ""),
        FAULT_LIMIT);
    assert_int_equal(read_kind_of_many("a STORE 1 FLAGS (k", " k", 1000, ")"), FAULT_NONE);
}

/* As many keywords as may be, and one more. */
static void keyword_limit(void **state)
{
    (void)state;
    AUTO(buffer)
    text = BUFFER(READ_PRINT_MAX);
    buffer_append_string(&text, "a STORE 1 FLAGS (\\Seen");
    for (unsigned i = 0; i < IMAP_COMMAND_KEYWORDS_MAX; i++)
        buffer_append_format(&text, " k%u", i);
    size_t length = text.length;
    buffer_append_string(&text, ")");
    assert_int_equal(read_kind(buffer_bytes(&text)), FAULT_NONE);
    buffer_truncate(&text, length);
    buffer_append_string(&text, " another)");
    assert_int_equal(read_kind(buffer_bytes(&text)), FAULT_LIMIT);
}

/* RFC 7162 3.1.3 */
static void unchanged_since(void **state)
{
    (void)state;
    assert_reads("a STORE 1 (UNCHANGEDSINCE 12121230045) +FLAGS (\\Seen)",
                 "a STORE 1 add flags 1 since 12121230045");
    assert_reads("a UID STORE 1 (unchangedsince 0) FLAGS.SILENT (x)",
                 "a uid STORE 1 set silent flags 0 'x' since 0");
    assert_reads("a STORE 1 (UNCHANGEDSINCE 9223372036854775808) FLAGS (x)",
                 "syntax: STORE: a number out of range: \"9223372036854775808\"");
    assert_reads("a STORE 1 (UNCHANGEDSINCE) FLAGS (x)",
                 "syntax: STORE: blank expected at \") FLAGS (x)\"");
    assert_reads("a STORE 1 (FOO 1) FLAGS (x)",
                 "syntax: STORE: UNCHANGEDSINCE expected at \"FOO 1) FLAGS (x)\"");
    assert_reads("a STORE 1 () FLAGS (x)",
                 "syntax: STORE: UNCHANGEDSINCE expected at \") FLAGS (x)\"");
    assert_reads("a STORE 1 (UNCHANGEDSINCE 1)FLAGS (x)",
                 "syntax: STORE: blank expected at \"FLAGS (x)\"");
}

static void refused(void **state)
{
    (void)state;
    assert_reads("a STORE 1 FLAGS (\\Recent)", "syntax: STORE: \\Recent cannot be changed");
    assert_reads("a STORE 1 +FLAGS \\recent", "syntax: STORE: \\Recent cannot be changed");
    assert_reads("a STORE 1 FLAGS (\\Foo)", "syntax: STORE: unknown system flag \"Foo\"");
    assert_reads("a STORE 1 FLAGS (\\*)", "syntax: STORE: flag expected at \"*)\"");
    assert_reads("a STORE 1 FLAGS (\\ Seen)", "syntax: STORE: flag expected at \" Seen)\"");
    assert_reads("a STORE 1 FLAGS (\"x\")", "syntax: STORE: flag expected at \"?x?)\"");
    assert_reads("a STORE 1 FLAGS (x)y", "syntax: STORE: end expected at \"y\"");
    assert_reads("a STORE 1 FLAGS (x y", "syntax: STORE: blank or ) expected at the end");
    assert_reads("a STORE 1 FLAGS x)", "syntax: STORE: blank expected at \")\"");
    assert_reads("a STORE 1 FLAGS", "syntax: STORE: blank expected at the end");
    assert_reads("a STORE 1 FLAGS ", "syntax: STORE: flag expected at the end");
    assert_reads("a STORE 1 FLAGS.LOUD (x)", "syntax: STORE: unknown item \"FLAGS.LOUD\"");
    assert_reads("a STORE 1 ++FLAGS (x)", "syntax: STORE: item expected at \"+FLAGS (x)\"");
    assert_reads("a STORE 1", "syntax: STORE: blank expected at the end");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(modes),           cmocka_unit_test(keywords), cmocka_unit_test(keyword_limit),
    cmocka_unit_test(unchanged_since), cmocka_unit_test(refused),
};

UNIT_MAIN(tests)
