/* LIST in its short and its extended form, and LSUB. */
#include "imap_command_read.h"

static void short_form(void **state)
{
    (void)state;
    assert_reads("a LIST \"\" *", "a LIST '' '*'");
    assert_reads("a LIST \"\" \"\"", "a LIST '' ''");
    assert_reads("a LIST \"\" \"%\"", "a LIST '' '%'");
    assert_reads("a LIST inbox/ a%b*]", "a LIST 'INBOX/' 'a%b*]'");
    assert_reads("a LIST {1}\r\nx {2}\r\n*%", "a LIST 'x' '*%'");
    assert_reads("a LIST \"\" inbox", "a LIST '' 'INBOX'");
    assert_reads("a LIST \"\" &AMk-*", "a LIST '' '\u00c9*'");
    assert_reads_enabled(IMAP_ENABLED_REV2, "a LIST \"\" \"\u00c9*\"", "a LIST '' '\u00c9*'");
    assert_reads("a LIST \"\" &*", "denied: LIST: the mailbox name is not modified UTF-7");
    assert_reads("a LIST * x", "syntax: LIST: mailbox expected at \"* x\"");
    assert_reads("a LIST \"\"", "syntax: LIST: blank expected at the end");
    assert_reads("a LIST \"\" ", "syntax: LIST: pattern expected at the end");
    assert_reads("a LIST \"\" x y", "syntax: LIST: RETURN expected at \"y\"");
}

static void lsub(void **state)
{
    (void)state;
    assert_reads("a LSUB \"\" *", "a LSUB '' '*'");
    assert_reads("a LSUB \"#news.\" \"%\"", "a LSUB '#news.' '%'");
    assert_reads("a LSUB (SUBSCRIBED) \"\" *",
                 "syntax: LSUB: mailbox expected at \"(SUBSCRIBED) ?? *\"");
    assert_reads("a LSUB \"\" (* %)", "syntax: LSUB: pattern expected at \"(* %)\"");
    assert_reads("a LSUB \"\" * RETURN ()", "syntax: LSUB: end expected at \" RETURN ()\"");
}

/* RFC 5258, RFC 6154 */
static void selection(void **state)
{
    (void)state;
    assert_reads("a LIST () \"\" *", "a LIST extended '' '*'");
    assert_reads("a LIST (subscribed REMOTE RECURSIVEMATCH SPECIAL-USE) \"\" *",
                 "a LIST extended selects 15 '' '*'");
    assert_reads("a LIST (SPECIAL-USE) \"\" *", "a LIST extended selects 8 '' '*'");
    assert_reads("a LIST (RECURSIVEMATCH) \"\" *",
                 "syntax: LIST: RECURSIVEMATCH goes with SUBSCRIBED");
    assert_reads("a LIST (REMOTE RECURSIVEMATCH) \"\" *",
                 "syntax: LIST: RECURSIVEMATCH goes with SUBSCRIBED");
    assert_reads("a LIST (FOO) \"\" *", "syntax: LIST: unknown selection option \"FOO\"");
    assert_reads("a LIST (SUBSCRIBED)", "syntax: LIST: blank expected at the end");
    assert_reads("a LIST (SUBSCRIBED", "syntax: LIST: blank or ) expected at the end");
}

static void patterns(void **state)
{
    (void)state;
    assert_reads("a LIST \"\" (inbox)", "a LIST extended '' 'INBOX'");
    assert_reads("a LIST \"\" (INBOX Drafts \"Sent/%\")",
                 "a LIST extended '' 'INBOX' 'Drafts' 'Sent/%'");
    assert_reads("a LIST \"\" ()", "syntax: LIST: pattern expected at \")\"");
    assert_reads("a LIST \"\" (a", "syntax: LIST: blank or ) expected at the end");
    assert_int_equal(read_kind_of_many("a LIST \"\" (*", " %", IMAP_COMMAND_PATTERNS_MAX - 1, ")"),
                     FAULT_NONE);
    assert_int_equal(read_kind_of_many("a LIST \"\" (*", " %", IMAP_COMMAND_PATTERNS_MAX, ")"),
                     FAULT_LIMIT);
}

static void returns(void **state)
{
    (void)state;
    assert_reads("a LIST \"\" * RETURN ()", "a LIST extended '' '*'");
    assert_reads("a LIST \"\" * return (SUBSCRIBED children SPECIAL-USE)",
                 "a LIST extended '' '*' returns 7");
    /* RFC 5819 */
    assert_reads("a LIST \"\" * RETURN (STATUS (MESSAGES UNSEEN) CHILDREN)",
                 "a LIST extended '' '*' returns 10 status 17");
    assert_reads("a LIST (SUBSCRIBED) \"\" (a b) RETURN (STATUS (SIZE))",
                 "a LIST extended selects 1 '' 'a' 'b' returns 8 status 64");
    assert_reads("a LIST \"\" * RETURN (STATUS)", "syntax: LIST: blank expected at \")\"");
    assert_reads("a LIST \"\" * RETURN (STATUS ())", "syntax: LIST: item expected at \"))\"");
    assert_reads("a LIST \"\" * RETURN (FOO)", "syntax: LIST: unknown return option \"FOO\"");
    assert_reads("a LIST \"\" * RETURN", "syntax: LIST: blank expected at the end");
    assert_reads("a LIST \"\" * RETURN () x", "syntax: LIST: end expected at \" x\"");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(short_form), cmocka_unit_test(lsub),    cmocka_unit_test(selection),
    cmocka_unit_test(patterns),   cmocka_unit_test(returns),
};

UNIT_MAIN(tests)
