/* SELECT and EXAMINE with CONDSTORE and QRESYNC: RFC 7162. */
#include "imap_command_read.h"

static void plain(void **state)
{
    (void)state;
    assert_reads("a SELECT inbox", "a SELECT 'INBOX'");
    assert_reads("a EXAMINE \"Sent Items\"", "a EXAMINE 'Sent Items'");
    assert_reads("a SELECT x (CONDSTORE)", "a SELECT 'x' condstore");
    assert_reads("a SELECT x (condstore) ", "a SELECT 'x' condstore");
    assert_reads("a SELECT x ()", "syntax: SELECT: parameter expected at \")\"");
    assert_reads("a SELECT x (FOO)", "syntax: SELECT: unknown parameter \"FOO\"");
    assert_reads("a SELECT x CONDSTORE", "syntax: SELECT: ( expected at \"CONDSTORE\"");
    assert_reads("a SELECT x (CONDSTORE", "syntax: SELECT: blank or ) expected at the end");
}

#define assert_qresync(text, expected) assert_reads_enabled(IMAP_ENABLED_QRESYNC, text, expected)

static void qresync(void **state)
{
    (void)state;
    assert_qresync("a SELECT x (QRESYNC (67890007 20050715194045000))",
                   "a SELECT 'x' qresync 67890007 20050715194045000 known  numbers  uids ");
    assert_qresync("a EXAMINE x (QRESYNC (1 2 41,43:211,214:541))",
                   "a EXAMINE 'x' qresync 1 2 known 41,43:211,214:541 numbers  uids ");
    assert_qresync("a SELECT x (QRESYNC (1 2 1:9 (1:5 2,4,6,8,9)) CONDSTORE)",
                   "a SELECT 'x' condstore qresync 1 2 known 1:9 numbers 1:5 uids 2,4,6,8,9");
    assert_qresync("a SELECT x (QRESYNC (1 2 (1 2)))",
                   "a SELECT 'x' qresync 1 2 known  numbers 1 uids 2");
}

static void no_qresync(void **state)
{
    (void)state;
    assert_reads("a SELECT x (QRESYNC (1 2))", "syntax: SELECT: QRESYNC is not enabled");
    assert_qresync("a SELECT x (QRESYNC)", "syntax: SELECT: blank expected at \")\"");
    assert_qresync("a SELECT x (QRESYNC (1))", "syntax: SELECT: blank expected at \"))\"");
    assert_qresync("a SELECT x (QRESYNC (0 1))", "syntax: SELECT: a number out of range: \"0\"");
    assert_qresync("a SELECT x (QRESYNC (4294967296 1))",
                   "syntax: SELECT: a number out of range: \"4294967296\"");
    assert_qresync("a SELECT x (QRESYNC (1 9223372036854775808))",
                   "syntax: SELECT: a number out of range: \"9223372036854775808\"");
    assert_qresync("a SELECT x (QRESYNC (1 2 1:*))",
                   "syntax: SELECT: QRESYNC takes sets of numbers only");
    assert_qresync("a SELECT x (QRESYNC (1 2 $))",
                   "syntax: SELECT: QRESYNC takes sets of numbers only");
    assert_qresync("a SELECT x (QRESYNC (1 2 1 (1)))", "syntax: SELECT: blank expected at \")))\"");
    assert_qresync("a SELECT x (QRESYNC (1 2 1 (1 *)))",
                   "syntax: SELECT: QRESYNC takes sets of numbers only");
    assert_qresync("a SELECT x (QRESYNC (1 2 ))",
                   "syntax: SELECT: set of numbers expected at \"))\"");
    assert_qresync("a SELECT x (QRESYNC (1 2) QRESYNC (1 2))",
                   "syntax: SELECT: QRESYNC stands twice");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(plain),
    cmocka_unit_test(qresync),
    cmocka_unit_test(no_qresync),
};

UNIT_MAIN(tests)
