/* FETCH: items, sections, partials, modifiers, limits. */
#include "imap_command_read.h"

static void items(void **state)
{
    (void)state;
    assert_reads("a FETCH 1 FLAGS", "a FETCH 1 flags");
    assert_reads("a FETCH 1:* (flags Uid)", "a FETCH 1:* flags uid");
    assert_reads("a FETCH $ (INTERNALDATE RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE)",
                 "a FETCH $ internaldate size envelope body structure");
    assert_reads("a FETCH 1 (RFC822 RFC822.HEADER RFC822.TEXT)",
                 "a FETCH 1 rfc822 rfc822.header rfc822.text");
    assert_reads("a FETCH 1 (MODSEQ SAVEDATE EMAILID THREADID)",
                 "a FETCH 1 modseq savedate emailid threadid");
    /* RFC 8970 */
    assert_reads("a FETCH 1 PREVIEW", "a FETCH 1 preview");
    assert_reads("a FETCH 1 (PREVIEW (lazy) UID)", "a FETCH 1 preview lazy uid");
    assert_reads("a FETCH 1 PREVIEW (LAZY)", "a FETCH 1 preview lazy");
    assert_reads("a FETCH 1 (PREVIEW (LAZY) PREVIEW)", "a FETCH 1 preview");
    assert_reads("a FETCH 1 (PREVIEW PREVIEW (LAZY))", "a FETCH 1 preview");
}

static void macros(void **state)
{
    (void)state;
    assert_reads("a FETCH 1 ALL", "a FETCH 1 flags internaldate size envelope");
    assert_reads("a FETCH 1 fast", "a FETCH 1 flags internaldate size");
    assert_reads("a UID FETCH 1 FULL", "a uid FETCH 1 flags internaldate size envelope body uid");
    /* RFC 9051 6.4.5: not with others. */
    assert_reads("a FETCH 1 (ALL)", "syntax: FETCH: unknown item \"ALL\"");
    assert_reads("a FETCH 1 (FLAGS FAST)", "syntax: FETCH: unknown item \"FAST\"");
    assert_reads("a FETCH 1 ALLL", "syntax: FETCH: unknown item \"ALLL\"");
}

static void doubles(void **state)
{
    (void)state;
    assert_reads("a FETCH 1 (FLAGS UID FLAGS)", "a FETCH 1 flags uid");
    assert_reads("a UID FETCH 1 FLAGS", "a uid FETCH 1 flags uid");
    assert_reads("a UID FETCH 1 (UID FLAGS)", "a uid FETCH 1 uid flags");
    assert_reads("a FETCH 1 (BODY[] BODY[])", "a FETCH 1 section[] section[]");
    assert_reads("a FETCH 1 (BODY BODY BODY[])", "a FETCH 1 body section[]");
}

static void sections(void **state)
{
    (void)state;
    assert_reads("a FETCH 1 BODY[]", "a FETCH 1 section[]");
    assert_reads("a FETCH 1 body.peek[]", "a FETCH 1 section[] peek");
    assert_reads("a FETCH 1 BODY[1]", "a FETCH 1 section[1]");
    assert_reads("a FETCH 1 BODY[1.2.30]", "a FETCH 1 section[1.2.30]");
    assert_reads("a FETCH 1 BODY[HEADER]", "a FETCH 1 section[ header]");
    assert_reads("a FETCH 1 BODY[text]", "a FETCH 1 section[ text]");
    assert_reads("a FETCH 1 BODY[4.1.HEADER]", "a FETCH 1 section[4.1 header]");
    assert_reads("a FETCH 1 BODY[4.1.MIME]", "a FETCH 1 section[4.1 mime]");
    assert_reads("a FETCH 1 BODY[4.TEXT]", "a FETCH 1 section[4 text]");
    assert_reads("a FETCH 1 BODY[HEADER.FIELDS (From \"To\" {2}\r\nCc)]",
                 "a FETCH 1 section[ fields 'From' 'To' 'Cc']");
    assert_reads("a FETCH 1 BODY.PEEK[2.HEADER.FIELDS.NOT (From])]",
                 "a FETCH 1 section[2 fields-not 'From]'] peek");
    assert_reads("a FETCH 1 (BODY[1] FLAGS)", "a FETCH 1 section[1] flags");
}

static void no_sections(void **state)
{
    (void)state;
    assert_reads("a FETCH 1 BODY[MIME]", "syntax: FETCH: MIME stands behind a part's number");
    assert_reads("a FETCH 1 BODY[0]", "syntax: FETCH: a number out of range: \"0\"");
    assert_reads("a FETCH 1 BODY[1.0]", "syntax: FETCH: a number out of range: \"0\"");
    assert_reads("a FETCH 1 BODY[4294967296]",
                 "syntax: FETCH: a number out of range: \"4294967296\"");
    assert_reads("a FETCH 1 BODY[1.]", "syntax: FETCH: section expected at \"]\"");
    assert_reads("a FETCH 1 BODY[.1]", "syntax: FETCH: unknown section \".1\"");
    assert_reads("a FETCH 1 BODY[1..2]", "syntax: FETCH: unknown section \".2\"");
    assert_reads("a FETCH 1 BODY[1.FOO]", "syntax: FETCH: unknown section \"FOO\"");
    assert_reads("a FETCH 1 BODY[HEADER.FIELDS]", "syntax: FETCH: blank expected at \"]\"");
    assert_reads("a FETCH 1 BODY[HEADER.FIELDS ()]",
                 "syntax: FETCH: header field expected at \")]\"");
    assert_reads("a FETCH 1 BODY[HEADER (From)]", "syntax: FETCH: ] expected at \" (From)]\"");
    assert_reads("a FETCH 1 BODY[", "syntax: FETCH: section expected at the end");
    assert_reads("a FETCH 1 BODY[1", "syntax: FETCH: ] expected at the end");
    assert_reads("a FETCH 1 BODY []", "syntax: FETCH: ( expected at \"[]\"");
    assert_reads("a FETCH 1 BODY.PEEK", "syntax: FETCH: [ expected at the end");
    assert_reads("a FETCH 1 RFC822.PEEK[]", "syntax: FETCH: unknown item \"RFC822.PEEK\"");
    assert_reads("a FETCH 1 FLAGS[]", "syntax: FETCH: blank expected at \"[]\"");
}

static void partials(void **state)
{
    (void)state;
    assert_reads("a FETCH 1 BODY[]<0.1>", "a FETCH 1 section[]<0.1>");
    assert_reads("a FETCH 1 BODY.PEEK[1.TEXT]<100.2000>",
                 "a FETCH 1 section[1 text]<100.2000> peek");
    assert_reads("a FETCH 1 BODY[]<9223372036854775807.9223372036854775807>",
                 "a FETCH 1 section[]<9223372036854775807.4294967295>");
    assert_reads("a FETCH 1 BODY[]<9223372036854775808.1>",
                 "syntax: FETCH: a number out of range: \"9223372036854775808\"");
    assert_reads("a FETCH 1 BODY[]<0.0>", "syntax: FETCH: a number out of range: \"0\"");
    assert_reads("a FETCH 1 BODY[]<0>", "syntax: FETCH: . expected at \">\"");
    assert_reads("a FETCH 1 BODY[]<.5>", "syntax: FETCH: offset expected at \".5>\"");
    assert_reads("a FETCH 1 BODY[]<0.5", "syntax: FETCH: > expected at the end");
    assert_reads("a FETCH 1 BODY<0.5>", "syntax: FETCH: blank expected at \"<0.5>\"");
}

static void binary(void **state)
{
    (void)state;
    assert_reads("a FETCH 1 BINARY[]", "a FETCH 1 binary[]");
    assert_reads("a FETCH 1 BINARY.PEEK[1.2]<3.4>", "a FETCH 1 binary[1.2]<3.4> peek");
    assert_reads("a FETCH 1 BINARY.SIZE[1]", "a FETCH 1 binary.size[1] peek");
    assert_reads("a FETCH 1 BINARY.SIZE[]", "a FETCH 1 binary.size[] peek");
    assert_reads("a FETCH 1 BINARY.SIZE[1]<0.1>", "syntax: FETCH: blank expected at \"<0.1>\"");
    assert_reads("a FETCH 1 BINARY[1.TEXT]", "syntax: FETCH: BINARY takes a part's number only");
    assert_reads("a FETCH 1 BINARY[HEADER]", "syntax: FETCH: BINARY takes a part's number only");
    assert_reads("a FETCH 1 BINARY[1.]", "syntax: FETCH: BINARY takes a part's number only");
    assert_reads("a FETCH 1 BINARY", "syntax: FETCH: [ expected at the end");
}

/* RFC 7162 3.1.4.1 and 3.2.6 */
static void modifiers(void **state)
{
    (void)state;
    assert_reads("a FETCH 1 FLAGS (CHANGEDSINCE 12345)", "a FETCH 1 flags modseq since 12345");
    assert_reads("a FETCH 1 MODSEQ (changedsince 0)", "a FETCH 1 modseq since 0");
    assert_reads("a FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775807)",
                 "a FETCH 1 flags modseq since 9223372036854775807");
    assert_reads("a FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775808)",
                 "syntax: FETCH: a number out of range: \"9223372036854775808\"");
    assert_reads_enabled(IMAP_ENABLED_QRESYNC, "a UID FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
                         "a uid FETCH 1 flags uid modseq since 1 vanished");
    assert_reads_enabled(IMAP_ENABLED_QRESYNC, "a UID FETCH 1 FLAGS (VANISHED CHANGEDSINCE 1)",
                         "a uid FETCH 1 flags uid modseq since 1 vanished");
    assert_reads("a UID FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
                 "syntax: FETCH: QRESYNC is not enabled");
    assert_reads_enabled(IMAP_ENABLED_QRESYNC, "a FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
                         "syntax: FETCH: VANISHED goes with CHANGEDSINCE in UID FETCH");
    assert_reads_enabled(IMAP_ENABLED_QRESYNC, "a UID FETCH 1 FLAGS (VANISHED)",
                         "syntax: FETCH: VANISHED goes with CHANGEDSINCE in UID FETCH");
    assert_reads("a FETCH 1 FLAGS ()", "syntax: FETCH: modifier expected at \")\"");
    assert_reads("a FETCH 1 FLAGS (PARTIAL 1:5)", "syntax: FETCH: unknown modifier \"PARTIAL\"");
    assert_reads("a FETCH 1 FLAGS (CHANGEDSINCE)", "syntax: FETCH: blank expected at \")\"");
    assert_reads("a FETCH 1 FLAGS x", "syntax: FETCH: ( expected at \"x\"");
}

static void no_items(void **state)
{
    (void)state;
    assert_reads("a FETCH 1", "syntax: FETCH: blank expected at the end");
    assert_reads("a FETCH 1 ", "syntax: FETCH: item expected at the end");
    assert_reads("a FETCH 1 ()", "syntax: FETCH: item expected at \")\"");
    assert_reads("a FETCH 1 (FLAGS", "syntax: FETCH: blank or ) expected at the end");
    assert_reads("a FETCH 1 (FLAGS,UID)", "syntax: FETCH: blank or ) expected at \",UID)\"");
    assert_reads("a FETCH 1 (FLAGS  UID)", "syntax: FETCH: item expected at \" UID)\"");
    assert_reads("a FETCH 1 BODX", "syntax: FETCH: unknown item \"BODX\"");
    assert_reads("a FETCH 1 FLAGS UID", "syntax: FETCH: ( expected at \"UID\"");
    assert_reads("a FETCH FLAGS", "syntax: FETCH: set of numbers expected at \"FLAGS\"");
    assert_reads("a FETCH 0 FLAGS", "syntax: FETCH: not a set of numbers: \"0\"");
    assert_reads("a FETCH 1,$ FLAGS", "syntax: FETCH: not a set of numbers: \"1,$\"");
}

static void limits(void **state)
{
    (void)state;
    assert_int_equal(read_kind_of_many("a UID FETCH 1 (BODY[]", " BODY[]",
                                       IMAP_COMMAND_FETCH_ITEMS_MAX - 1, ") (CHANGEDSINCE 1)"),
                     FAULT_NONE);
    assert_int_equal(
        read_kind_of_many("a FETCH 1 (BODY[]", " BODY[]", IMAP_COMMAND_FETCH_ITEMS_MAX, ")"),
        FAULT_LIMIT);
    assert_int_equal(
        read_kind_of_many("a FETCH 1 BODY[1", ".1", IMAP_COMMAND_SECTION_DEPTH_MAX - 1, "]"),
        FAULT_NONE);
    assert_int_equal(
        read_kind_of_many("a FETCH 1 BODY[1", ".1", IMAP_COMMAND_SECTION_DEPTH_MAX, "]"),
        FAULT_LIMIT);
    assert_int_equal(read_kind_of_many("a FETCH 1 BODY[HEADER.FIELDS (x", " x",
                                       IMAP_COMMAND_HEADER_NAMES_MAX - 1, ")]"),
                     FAULT_NONE);
    assert_int_equal(read_kind_of_many("a FETCH 1 BODY[HEADER.FIELDS (x", " x",
                                       IMAP_COMMAND_HEADER_NAMES_MAX, ")]"),
                     FAULT_LIMIT);
    assert_int_equal(read_kind_of_many("a FETCH 1", ",1", IMAP_SEQUENCE_RANGES_MAX - 1, " FLAGS"),
                     FAULT_NONE);
    assert_int_equal(read_kind_of_many("a FETCH 1", ",1", IMAP_SEQUENCE_RANGES_MAX, " FLAGS"),
                     FAULT_LIMIT);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(items),    cmocka_unit_test(macros),      cmocka_unit_test(doubles),
    cmocka_unit_test(sections), cmocka_unit_test(no_sections), cmocka_unit_test(partials),
    cmocka_unit_test(binary),   cmocka_unit_test(modifiers),   cmocka_unit_test(no_items),
    cmocka_unit_test(limits),
};

UNIT_MAIN(tests)
