/* SEARCH, SORT and THREAD: every key, how they combine, what surrounds them, limits. */
#include "imap_command_read.h"

enum {
    LOW = 10 /* levels of a tree of a thousand keys */
};

static void flags(void **state)
{
    (void)state;
    assert_reads("a SEARCH ALL", "a SEARCH and(all)");
    assert_reads("a SEARCH SEEN ANSWERED FLAGGED DELETED DRAFT",
                 "a SEARCH and(has 1, has 2, has 4, has 8, has 16)");
    assert_reads("a SEARCH unseen UNANSWERED UNFLAGGED UNDELETED UNDRAFT",
                 "a SEARCH and(lacks 1, lacks 2, lacks 4, lacks 8, lacks 16)");
    assert_reads("a SEARCH NEW OLD RECENT", "a SEARCH and(new, old, recent)");
    assert_reads("a SEARCH KEYWORD $Junk UNKEYWORD foo",
                 "a SEARCH and(keyword '$Junk', no-keyword 'foo')");
    assert_reads("a SEARCH KEYWORD \\Seen", "syntax: SEARCH: keyword expected at \"?Seen\"");
    assert_reads("a SEARCH KEYWORD \"x\"", "syntax: SEARCH: keyword expected at \"?x?\"");
}

static void texts(void **state)
{
    (void)state;
    assert_reads("a SEARCH FROM ann TO \"bob b\" CC {1}\r\nc BCC \"\"",
                 "a SEARCH and(from 'ann', to 'bob b', cc 'c', bcc '')");
    assert_reads("a SEARCH SUBJECT a BODY b TEXT \"\\\"\"",
                 "a SEARCH and(subject 'a', body 'b', text '\"')");
    assert_reads("a SEARCH HEADER Message-ID \"<1@x>\" HEADER x \"\"",
                 "a SEARCH and(header 'Message-ID' '<1@x>', header 'x' '')");
    assert_reads("a SEARCH SUBJECT \"\u00e9\"", "a SEARCH and(subject '\u00e9')");
    assert_reads("a SEARCH SUBJECT {2}\r\n\u00e9", "a SEARCH and(subject '\u00e9')");
    assert_reads("a SEARCH SUBJECT {1}\r\n\xe9", "syntax: SEARCH: a string is not UTF-8");
    assert_reads("a SEARCH SUBJECT", "syntax: SEARCH: blank expected at the end");
    assert_reads("a SEARCH SUBJECT ", "syntax: SEARCH: text expected at the end");
    assert_reads("a SEARCH HEADER x", "syntax: SEARCH: blank expected at the end");
    assert_reads("a SEARCH FROM (x)", "syntax: SEARCH: text expected at \"(x)\"");
}

static void numbers(void **state)
{
    (void)state;
    assert_reads("a SEARCH LARGER 1 SMALLER 9223372036854775807",
                 "a SEARCH and(larger 1, smaller 9223372036854775807)");
    assert_reads("a SEARCH LARGER 0", "a SEARCH and(larger)");
    assert_reads("a SEARCH LARGER 9223372036854775808",
                 "syntax: SEARCH: a number out of range: \"9223372036854775808\"");
    assert_reads("a SEARCH LARGER x", "syntax: SEARCH: size expected at \"x\"");
    /* RFC 5032 */
    assert_reads("a SEARCH OLDER 3600 YOUNGER 4294967295",
                 "a SEARCH and(older 3600, younger 4294967295)");
    assert_reads("a SEARCH OLDER 0", "syntax: SEARCH: a number out of range: \"0\"");
    assert_reads("a SEARCH YOUNGER 4294967296",
                 "syntax: SEARCH: a number out of range: \"4294967296\"");
    /* RFC 8474 */
    assert_reads("a SEARCH EMAILID M12ab THREADID T-_9",
                 "a SEARCH and(emailid 'M12ab', threadid 'T-_9')");
}

static void sets(void **state)
{
    (void)state;
    assert_reads("a SEARCH 1", "a SEARCH and(numbers 1)");
    assert_reads("a SEARCH 2:4,* UID 5:*", "a SEARCH and(numbers 2:4,*, uids 5:*)");
    assert_reads("a SEARCH * $", "a SEARCH and(numbers *, numbers $)");
    assert_reads("a SEARCH UID $", "a SEARCH and(uids $)");
    assert_reads("a SEARCH 0", "syntax: SEARCH: not a set of numbers: \"0\"");
    assert_reads("a SEARCH UID 0", "syntax: SEARCH: not a set of numbers: \"0\"");
    assert_reads("a SEARCH 4294967296", "syntax: SEARCH: not a set of numbers: \"4294967296\"");
    assert_reads("a SEARCH UID x", "syntax: SEARCH: set of numbers expected at \"x\"");
}

static void dates(void **state)
{
    (void)state;
    assert_reads("a SEARCH BEFORE 2-Jan-1970 ON \"3-Jan-1970\" SINCE 31-Dec-1969",
                 "a SEARCH and(before day 1, on day 2, since day -1)");
    assert_reads("a SEARCH SENTBEFORE 2-Jan-1970 SENTON 2-Jan-1970 SENTSINCE 2-Jan-1970",
                 "a SEARCH and(sent-before day 1, sent-on day 1, sent-since day 1)");
    /* RFC 8514 */
    assert_reads("a SEARCH SAVEDBEFORE 2-Jan-1970 SAVEDON 2-Jan-1970 SAVEDSINCE 2-Jan-1970 "
                 "SAVEDATESUPPORTED",
                 "a SEARCH and(saved-before day 1, saved-on day 1, saved-since day 1, saved?)");
    assert_reads("a SEARCH ON 30-Feb-2000",
                 "syntax: SEARCH: date such as 1-Feb-1994 expected at \"30-Feb-2000\"");
    assert_reads("a SEARCH ON 1-Jan-70",
                 "syntax: SEARCH: date such as 1-Feb-1994 expected at \"1-Jan-70\"");
}

/* RFC 7162 3.1.5 */
static void modseq(void **state)
{
    (void)state;
    assert_reads("a SEARCH MODSEQ 620162338", "a SEARCH modseq and(modseq 620162338)");
    assert_reads("a SEARCH MODSEQ \"/flags/\\\\draft\" all 7 SEEN",
                 "a SEARCH modseq and(modseq 7, has 1)");
    assert_reads("a SEARCH OR SEEN MODSEQ 0", "a SEARCH modseq and(or(has 1, modseq))");
    assert_reads("a SEARCH MODSEQ \"/flags/\\\\draft\" mine 7",
                 "syntax: SEARCH: unknown entry type \"mine\"");
    assert_reads("a SEARCH MODSEQ \"/flags/\\\\draft\" 7",
                 "syntax: SEARCH: unknown entry type \"7\"");
    assert_reads("a SEARCH MODSEQ 9223372036854775808",
                 "syntax: SEARCH: a number out of range: \"9223372036854775808\"");
}

static void combined(void **state)
{
    (void)state;
    assert_reads("a SEARCH (SEEN)", "a SEARCH and(and(has 1))");
    assert_reads("a SEARCH (1 2 (3)) 4",
                 "a SEARCH and(and(numbers 1, numbers 2, and(numbers 3)), numbers 4)");
    assert_reads("a SEARCH NOT SEEN", "a SEARCH and(not(has 1))");
    assert_reads("a SEARCH NOT (1 2) 3", "a SEARCH and(not(and(numbers 1, numbers 2)), numbers 3)");
    assert_reads("a SEARCH NOT NOT 1", "a SEARCH and(not(not(numbers 1)))");
    assert_reads("a SEARCH OR 1 2", "a SEARCH and(or(numbers 1, numbers 2))");
    assert_reads("a SEARCH OR (1) NOT 2 3",
                 "a SEARCH and(or(and(numbers 1), not(numbers 2)), numbers 3)");
    assert_reads("a SEARCH NOT OR 1 2 3", "a SEARCH and(not(or(numbers 1, numbers 2)), numbers 3)");
    assert_reads("a SEARCH OR 1 (OR 2 3 4)",
                 "a SEARCH and(or(numbers 1, and(or(numbers 2, numbers 3), numbers 4)))");
}

/* Several OR become a low tree, in the order in which they stand. */
static void chains(void **state)
{
    (void)state;
    assert_reads("a SEARCH OR OR 1 2 3", "a SEARCH and(or(or(numbers 1, numbers 2), numbers 3))");
    assert_reads("a SEARCH OR 1 OR 2 3", "a SEARCH and(or(or(numbers 1, numbers 2), numbers 3))");
    assert_reads("a SEARCH OR OR 1 2 OR 3 4 5",
                 "a SEARCH and(or(or(numbers 1, numbers 2), or(numbers 3, numbers 4)), numbers 5)");
    assert_reads("a SEARCH OR 1 OR 2 OR 3 OR 4 5",
                 "a SEARCH and(or(or(or(numbers 1, numbers 2), or(numbers 3, numbers 4)), "
                 "numbers 5))");
    assert_reads("a SEARCH OR 1 NOT OR 2 OR 3 4",
                 "a SEARCH and(or(numbers 1, not(or(or(numbers 2, numbers 3), numbers 4))))");
}

static void no_keys(void **state)
{
    (void)state;
    assert_reads("a SEARCH", "syntax: SEARCH: blank expected at the end");
    assert_reads("a SEARCH ", "syntax: SEARCH: key expected at the end");
    assert_reads("a SEARCH FOO", "syntax: SEARCH: unknown key \"FOO\"");
    assert_reads("a SEARCH FUZZY SUBJECT x", "syntax: SEARCH: unknown key \"FUZZY\"");
    assert_reads("a SEARCH ()", "syntax: SEARCH: key expected at \")\"");
    assert_reads("a SEARCH (SEEN", "syntax: SEARCH: blank expected at the end");
    assert_reads("a SEARCH SEEN)", "syntax: SEARCH: blank expected at \")\"");
    assert_reads("a SEARCH (SEEN))", "syntax: SEARCH: blank expected at \")\"");
    assert_reads("a SEARCH (SEEN )", "syntax: SEARCH: key expected at \")\"");
    assert_reads("a SEARCH (SEEN)(DRAFT)", "syntax: SEARCH: blank expected at \"(DRAFT)\"");
    assert_reads("a SEARCH NOT", "syntax: SEARCH: blank expected at the end");
    assert_reads("a SEARCH NOT ", "syntax: SEARCH: key expected at the end");
    assert_reads("a SEARCH OR 1", "syntax: SEARCH: blank expected at the end");
    assert_reads("a SEARCH (OR 1) 2", "syntax: SEARCH: blank expected at \") 2\"");
    assert_reads("a SEARCH (NOT ) 2", "syntax: SEARCH: key expected at \") 2\"");
    assert_reads("a SEARCH SEEN  DRAFT", "syntax: SEARCH: key expected at \" DRAFT\"");
}

/* RFC 4731, RFC 5182, RFC 9051 6.4.4 */
static void returns(void **state)
{
    (void)state;
    assert_reads("a SEARCH RETURN () ALL", "a SEARCH return 4 and(all)");
    assert_reads("a UID SEARCH return (min MAX ALL COUNT SAVE) SEEN",
                 "a uid SEARCH return 31 and(has 1)");
    assert_reads("a SEARCH RETURN (SAVE) 1", "a SEARCH return 16 and(numbers 1)");
    assert_reads("a SEARCH RETURN (MIN) CHARSET UTF-8 SEEN",
                 "a SEARCH return 1 charset 'UTF-8' and(has 1)");
    assert_reads("a SEARCH RETURN ()", "syntax: SEARCH: blank expected at the end");
    assert_reads("a SEARCH RETURN ALL", "syntax: SEARCH: ( expected at \"ALL\"");
    assert_reads("a SEARCH RETURN (PARTIAL 1:10) ALL",
                 "syntax: SEARCH: unknown return option \"PARTIAL\"");
    assert_reads("a SEARCH RETURN (MIN ALL", "syntax: SEARCH: blank or ) expected at the end");
}

static void charsets(void **state)
{
    (void)state;
    assert_reads("a SEARCH CHARSET us-ascii SEEN", "a SEARCH charset 'us-ascii' and(has 1)");
    assert_reads("a SEARCH CHARSET \"KOI8-R\" SUBJECT {1}\r\n\xe9",
                 "a SEARCH charset 'KOI8-R' and(subject '\xe9')");
    assert_reads("a SEARCH CHARSET utf-8 SUBJECT {1}\r\n\xe9",
                 "syntax: SEARCH: a string is not UTF-8");
    assert_reads("a SEARCH CHARSET us-ascii SUBJECT {1}\r\n\xe9",
                 "syntax: SEARCH: a string is not UTF-8");
    assert_reads("a SEARCH CHARSET KOI8-R SUBJECT {1}\r\n\0", "syntax: command: there is a NUL");
    assert_reads("a SEARCH CHARSET KOI8-R", "syntax: SEARCH: blank expected at the end");
    assert_reads("a SEARCH CHARSET", "syntax: SEARCH: blank expected at the end");
}

/* RFC 5256, RFC 5957 */
static void sorts(void **state)
{
    (void)state;
    assert_reads("a SORT (DATE) UTF-8 ALL", "a SORT charset 'UTF-8' by 2 and(all)");
    assert_reads("a UID SORT (reverse arrival CC REVERSE DATE FROM SIZE SUBJECT TO DISPLAYFROM "
                 "DISPLAYTO) US-ASCII SEEN",
                 "a uid SORT charset 'US-ASCII' by 0 reverse by 1 by 2 reverse by 3 by 4 by 5 by 6 "
                 "by 7 by 8 and(has 1)");
    assert_reads("a SORT () UTF-8 ALL", "syntax: SORT: sort key expected at \") UTF-8 ALL\"");
    assert_reads("a SORT (FOO) UTF-8 ALL", "syntax: SORT: unknown sort key \"FOO\"");
    assert_reads("a SORT (REVERSE) UTF-8 ALL", "syntax: SORT: blank expected at \") UTF-8 ALL\"");
    assert_reads("a SORT (REVERSE REVERSE DATE) UTF-8 ALL",
                 "syntax: SORT: unknown sort key \"REVERSE\"");
    assert_reads("a SORT (DATE) ALL", "syntax: SORT: blank expected at the end");
    assert_reads("a SORT RETURN () (DATE) UTF-8 ALL",
                 "syntax: SORT: ( expected at \"RETURN () (DATE) UTF-8 ALL\"");
    assert_int_equal(
        read_kind_of_many("a SORT (TO", " TO", IMAP_COMMAND_SORT_KEYS_MAX - 1, ") UTF-8 ALL"),
        FAULT_NONE);
    assert_int_equal(
        read_kind_of_many("a SORT (TO", " TO", IMAP_COMMAND_SORT_KEYS_MAX, ") UTF-8 ALL"),
        FAULT_LIMIT);
}

static void threads(void **state)
{
    (void)state;
    assert_reads("a THREAD ORDEREDSUBJECT UTF-8 ALL", "a THREAD charset 'UTF-8' and(all)");
    assert_reads("a UID THREAD references US-ASCII SINCE 2-Jan-1970",
                 "a uid THREAD charset 'US-ASCII' algorithm 1 and(since day 1)");
    assert_reads("a THREAD REFS UTF-8 ALL", "syntax: THREAD: unknown algorithm \"REFS\"");
    assert_reads("a THREAD REFERENCES UTF-8", "syntax: THREAD: blank expected at the end");
}

static void limits(void **state)
{
    (void)state;
    const size_t most = IMAP_COMMAND_SEARCH_KEYS_MAX;
    const size_t deepest = IMAP_COMMAND_NESTING_MAX;
    assert_int_equal(read_kind_of_many("a SEARCH 1", " 1", most - 1, ""), FAULT_NONE);
    assert_int_equal(read_kind_of_many("a SEARCH 1", " 1", most, ""), FAULT_LIMIT);
    /* 499 ORs of 500 keys. */
    assert_int_equal(read_kind_of_many("a SEARCH", " OR 1", 499, " 1"), FAULT_NONE);
    assert_int_equal(read_kind_of_many("a SEARCH", " OR 1", 500, " 1"), FAULT_LIMIT);
    assert_int_equal(read_kind_of_many("a SEARCH 1", " OR", 1000, " 1"), FAULT_LIMIT);
    assert_int_equal(read_kind_of_many("a SEARCH", " NOT", deepest, " 1"), FAULT_NONE);
    assert_int_equal(read_kind_of_many("a SEARCH", " NOT", deepest + 1, " 1"), FAULT_LIMIT);
    assert_int_equal(read_kind_of_many("a SEARCH ", "(", deepest + 1, "1"), FAULT_LIMIT);
    assert_int_equal(read_kind_of_many("a SEARCH ", "(", 60000, "1"), FAULT_LIMIT);
    assert_int_equal(read_kind_of_many("a SEARCH ", "(", deepest, "1"), FAULT_SYNTAX);
    assert_int_equal(
        read_kind_of_many("a SEARCH ((((((((((((((((((((((((((((((((1", ")", deepest, ""),
        FAULT_NONE);
}

/* However long a chain of ORs is, who walks the tree does not go deep. */
static void depth(void **state)
{
    (void)state;
    const struct imap_command_mode mode = {0};
    AUTO(arena)
    arena = ARENA(IMAP_COMMAND_ARENA_MAX);
    AUTO(buffer)
    text = BUFFER(READ_PRINT_MAX);
    AUTO(buffer)
    out = BUFFER(READ_PRINT_MAX);
    struct imap_command command;
    buffer_append_string(&text, "a SEARCH");
    for (size_t i = 0; i < 499; i++)
        buffer_append_string(&text, " OR 1");
    buffer_append_string(&text, " 1");
    assert_true(imap_command_parse(buffer_bytes(&text), &mode, &arena, &command, NULL));
    assert_true(print_key(&out, command.search.root) <= LOW);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(flags),    cmocka_unit_test(texts),    cmocka_unit_test(numbers),
    cmocka_unit_test(sets),     cmocka_unit_test(dates),    cmocka_unit_test(modseq),
    cmocka_unit_test(combined), cmocka_unit_test(chains),   cmocka_unit_test(no_keys),
    cmocka_unit_test(returns),  cmocka_unit_test(charsets), cmocka_unit_test(sorts),
    cmocka_unit_test(threads),  cmocka_unit_test(limits),   cmocka_unit_test(depth),
};

UNIT_MAIN(tests)
