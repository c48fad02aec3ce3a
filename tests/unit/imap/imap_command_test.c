/* Tags, verbs and the short commands. */
#include "imap/imap_command.h"

#include <stdio.h>

#include "imap_command_read.h"

static void expect_verb(struct bytes text, const char *tag, enum imap_verb verb, bool is_uid,
                        const char *rest)
{
    struct bytes read_tag;
    struct bytes read_rest = BYTES("untouched");
    enum imap_verb read_verb;
    bool is_read_uid;
    struct fault fault;
    char *copy = read_copy(text);
    bool is_read = imap_command_read_verb(bytes_of(copy, text.length), &read_tag, &read_verb,
                                          &is_read_uid, &read_rest, &fault);
    assert_int_equal(is_read, rest != NULL);
    unit_assert_bytes(read_tag, bytes_from_string(tag), __FILE__, __LINE__);
    assert_int_equal(read_verb, verb);
    if (is_read) {
        assert_int_equal(is_read_uid, is_uid);
        unit_assert_bytes(read_rest, bytes_from_string(rest), __FILE__, __LINE__);
    } else {
        assert_int_equal(fault.kind, FAULT_SYNTAX);
    }
    free(copy);
}

static void tag_and_verb(void **state)
{
    (void)state;
    expect_verb(BYTES("a NOOP\r\n"), "a", IMAP_NOOP, false, "\r\n");
    expect_verb(BYTES("a NOOP"), "a", IMAP_NOOP, false, "");
    expect_verb(BYTES("A1.x] fetch 1 ALL\r\n"), "A1.x]", IMAP_FETCH, false, "1 ALL\r\n");
    expect_verb(BYTES("a uid Fetch 1 ALL"), "a", IMAP_FETCH, true, "1 ALL");
    expect_verb(BYTES("a UID EXPUNGE 1"), "a", IMAP_EXPUNGE, true, "1");
    expect_verb(BYTES("a UID"), "a", IMAP_NO_VERB, false, "");
    expect_verb(BYTES("a UID NOOP"), "a", IMAP_NO_VERB, true, "");
    expect_verb(BYTES("a UID SELECT x"), "a", IMAP_NO_VERB, true, "x");
    expect_verb(BYTES("a XYZZY b"), "a", IMAP_NO_VERB, false, "b");
    expect_verb(BYTES("a LOGIN {3}\r\nann {1}\r\nx"), "a", IMAP_LOGIN, false,
                "{3}\r\nann {1}\r\nx");
    /* A tag without a command can be answered, other things not. */
    expect_verb(BYTES("a\r\n"), "a", IMAP_NO_VERB, false, NULL);
    expect_verb(BYTES("a"), "a", IMAP_NO_VERB, false, NULL);
    expect_verb(BYTES("a \r\n"), "a", IMAP_NO_VERB, false, NULL);
    expect_verb(BYTES("a (NOOP)\r\n"), "a", IMAP_NO_VERB, false, NULL);
    expect_verb(BYTES("a UID \r\n"), "a", IMAP_NO_VERB, false, NULL);
    expect_verb(BYTES(""), "", IMAP_NO_VERB, false, NULL);
    expect_verb(BYTES("\r\n"), "", IMAP_NO_VERB, false, NULL);
    expect_verb(BYTES(" NOOP\r\n"), "", IMAP_NO_VERB, false, NULL);
    expect_verb(BYTES("+ NOOP\r\n"), "", IMAP_NO_VERB, false, NULL);
    expect_verb(BYTES("a+b NOOP\r\n"), "", IMAP_NO_VERB, false, NULL);
    expect_verb(BYTES("* NOOP\r\n"), "", IMAP_NO_VERB, false, NULL);
    expect_verb(BYTES("a\tNOOP\r\n"), "", IMAP_NO_VERB, false, NULL);
    expect_verb(BYTES("\0 NOOP\r\n"), "", IMAP_NO_VERB, false, NULL);
}

static void tag_limit(void **state)
{
    (void)state;
    assert_int_equal(read_kind_of_many("", "x", IMAP_TAG_MAX, " NOOP"), FAULT_NONE);
    assert_int_equal(read_kind_of_many("", "x", IMAP_TAG_MAX + 1, " NOOP"), FAULT_SYNTAX);
}

/* Every verb is known by its name, in either case, and no other. */
static void names(void **state)
{
    (void)state;
    for (unsigned i = IMAP_NO_VERB + 1; i < IMAP_VERB_COUNT; i++) {
        char text[64];
        struct bytes tag;
        struct bytes rest;
        enum imap_verb verb;
        bool is_uid;
        snprintf(text, sizeof text, "a %s x", imap_verb_name((enum imap_verb)i));
        assert_true(
            imap_command_read_verb(bytes_from_string(text), &tag, &verb, &is_uid, &rest, NULL));
        assert_int_equal(verb, i);
        for (char *c = text + 2; *c != '\0'; c++)
            *c = bytes_lower_char(*c);
        assert_true(
            imap_command_read_verb(bytes_from_string(text), &tag, &verb, &is_uid, &rest, NULL));
        assert_int_equal(verb, i);
    }
}

static void without_arguments(void **state)
{
    (void)state;
    assert_reads("a CAPABILITY", "a CAPABILITY");
    assert_reads("a noop", "a NOOP");
    assert_reads("a LOGOUT", "a LOGOUT");
    assert_reads("a STARTTLS", "a STARTTLS");
    assert_reads("a NAMESPACE", "a NAMESPACE");
    assert_reads("a IDLE", "a IDLE");
    assert_reads("a CHECK", "a CHECK");
    assert_reads("a CLOSE", "a CLOSE");
    assert_reads("a UNSELECT", "a UNSELECT");
    assert_reads("a EXPUNGE", "a EXPUNGE ");
    assert_reads("a NOOP ", "a NOOP");
    assert_reads("a NOOP x", "syntax: NOOP: end expected at \" x\"");
    assert_reads("a EXPUNGE 1", "syntax: EXPUNGE: end expected at \" 1\"");
    assert_reads("a NOOP\r\n", "syntax: NOOP: end expected at \"\?\?\"");
    assert_reads("a NOOP\0", "syntax: command: there is a NUL");
}

static void unknown(void **state)
{
    (void)state;
    assert_reads("a XYZZY", "syntax: command: unknown \"XYZZY\"");
    assert_reads("a UID", "syntax: command: unknown \"UID\"");
    assert_reads("a UID NOOP", "syntax: UID: unknown \"NOOP\"");
    assert_reads("a UID COMPRESS DEFLATE", "syntax: UID: unknown \"COMPRESS\"");
    assert_reads("a", "syntax: command: begins with a tag and a blank");
    assert_reads("", "syntax: command: begins with a tag and a blank");
    assert_reads("a  NOOP", "syntax: command: command expected at \" NOOP\"");
    assert_reads("a APPEND x {3}", "syntax: APPEND: not read in this way");
}

static void mailboxes(void **state)
{
    (void)state;
    assert_reads("a DELETE x", "a DELETE 'x'");
    assert_reads("a SUBSCRIBE \"a b\"", "a SUBSCRIBE 'a b'");
    assert_reads("a UNSUBSCRIBE {1}\r\nx", "a UNSUBSCRIBE 'x'");
    assert_reads("a GETQUOTAROOT inbox", "a GETQUOTAROOT 'INBOX'");
    assert_reads("a RENAME inbox old/&AMk-", "a RENAME 'INBOX' 'old/\u00c9'");
    assert_reads_enabled(IMAP_ENABLED_REV2, "a RENAME inbox \"old/\u00c9\"",
                         "a RENAME 'INBOX' 'old/\u00c9'");
    assert_reads_enabled(IMAP_ENABLED_REV2, "a DELETE &AMk-", "a DELETE '&AMk-'");
    assert_reads("a DELETE", "syntax: DELETE: blank expected at the end");
    assert_reads("a DELETE ", "syntax: DELETE: mailbox expected at the end");
    assert_reads("a DELETE a b", "syntax: DELETE: end expected at \" b\"");
    assert_reads("a DELETE (a)", "syntax: DELETE: mailbox expected at \"(a)\"");
    assert_reads("a DELETE a*", "syntax: DELETE: end expected at \"*\"");
    assert_reads("a RENAME a", "syntax: RENAME: blank expected at the end");
    assert_reads("a RENAME a b c", "syntax: RENAME: end expected at \" c\"");
    assert_reads("a DELETE \"\u00c9\"", "denied: DELETE: the mailbox name is not modified UTF-7");
    assert_int_equal(read_kind_of_many("a DELETE ", "x", 1024, ""), FAULT_NONE);
    assert_int_equal(read_kind_of_many("a DELETE ", "x", 1025, ""), FAULT_LIMIT);
}

static void create(void **state)
{
    (void)state;
    assert_reads("a CREATE x", "a CREATE 'x' 0");
    /* RFC 9051 6.3.4 */
    assert_reads("a CREATE x/y/", "a CREATE 'x/y' 0");
    assert_reads("a CREATE /", "a CREATE '/' 0");
    /* RFC 6154 5.3 */
    assert_reads("a CREATE x (USE (\\Drafts))", "a CREATE 'x' 4");
    assert_reads("a CREATE x (use (\\sent \\Junk \\TRASH \\Archive))", "a CREATE 'x' 120");
    assert_reads("a CREATE x (USE (\\All \\Sent))", "a CREATE 'x' 1073741832");
    assert_reads("a CREATE x ()", "syntax: CREATE: USE expected at \")\"");
    assert_reads("a CREATE x (USE ())", "syntax: CREATE: special use expected at \"))\"");
    assert_reads("a CREATE x (USE (Sent))", "syntax: CREATE: special use expected at \"Sent))\"");
    assert_reads("a CREATE x (USE (\\Sent)", "syntax: CREATE: ) expected at the end");
    assert_reads("a CREATE x (USE (\\Sent)) y", "syntax: CREATE: end expected at \" y\"");
}

static void login(void **state)
{
    (void)state;
    assert_reads("a LOGIN ann secret", "a LOGIN 'ann' 'secret'");
    assert_reads("a LOGIN \"a b\" \"\"", "a LOGIN 'a b' ''");
    assert_reads("a LOGIN {3}\r\nann {6+}\r\ns\"cre\\", "a LOGIN 'ann' 's\"cre\\'");
    assert_reads("a LOGIN ann \"s\\\"\\\\\"", "a LOGIN 'ann' 's\"\\'");
    assert_reads("a LOGIN ann \"p\u00e4ss\"", "a LOGIN 'ann' 'p\u00e4ss'");
    /* What stands there may be the password. */
    assert_reads("a LOGIN ann", "syntax: LOGIN: blank expected");
    assert_reads("a LOGIN ann ", "syntax: LOGIN: password expected");
    assert_reads("a LOGIN ann my secret", "syntax: LOGIN: end expected");
    assert_reads("a LOGIN ann (secret", "syntax: LOGIN: password expected");
    assert_reads("a LOGIN ann se%cret", "syntax: LOGIN: end expected");
    assert_reads("a LOGIN ann {7}\r\nsecret", "syntax: LOGIN: a literal is not whole");
    assert_reads("a LOGIN ann \"\xff\"", "syntax: LOGIN: a string is not UTF-8");
}

static void authenticate(void **state)
{
    (void)state;
    assert_reads("a AUTHENTICATE plain", "a AUTHENTICATE 'PLAIN' nil");
    /* RFC 4959 3 */
    assert_reads("a AUTHENTICATE PLAIN =", "a AUTHENTICATE 'PLAIN' ''");
    assert_reads("a AUTHENTICATE scram-sha-256 YWJj", "a AUTHENTICATE 'SCRAM-SHA-256' 'abc'");
    assert_reads("a AUTHENTICATE PLAIN YWI=", "a AUTHENTICATE 'PLAIN' 'ab'");
    assert_reads("a AUTHENTICATE PLAIN YWI",
                 "syntax: AUTHENTICATE: the initial response is not base64");
    assert_reads("a AUTHENTICATE PLAIN ==",
                 "syntax: AUTHENTICATE: the initial response is not base64");
    assert_reads("a AUTHENTICATE PLAIN \"YWJj\"",
                 "syntax: AUTHENTICATE: initial response expected");
    assert_reads("a AUTHENTICATE PLAIN YWJj YWJj", "syntax: AUTHENTICATE: end expected");
    assert_reads("a AUTHENTICATE", "syntax: AUTHENTICATE: blank expected");
    assert_reads("a AUTHENTICATE ", "syntax: AUTHENTICATE: mechanism expected");
}

static void id(void **state)
{
    (void)state;
    assert_reads("a ID NIL", "a ID");
    assert_reads("a ID ()", "a ID");
    assert_reads("a ID (\"name\" \"mutt\" \"version\" nil)", "a ID 'name'='mutt' 'version'=nil");
    assert_reads("a ID ({4}\r\nname {4}\r\nmutt)", "a ID 'name'='mutt'");
    assert_reads("a ID", "syntax: ID: blank expected at the end");
    assert_reads("a ID (name \"x\")", "syntax: ID: field expected at \"name ?x?)\"");
    assert_reads("a ID (\"name\")", "syntax: ID: blank expected at \")\"");
    assert_reads("a ID (\"name\" NILL)", "syntax: ID: value expected at \"NILL)\"");
    assert_reads("a ID (\"name\" \"x\"", "syntax: ID: blank or ) expected at the end");
    assert_int_equal(
        read_kind_of_many("a ID (\"a\" \"b\"", " \"a\" \"b\"", IMAP_COMMAND_ID_FIELDS_MAX - 1, ")"),
        FAULT_NONE);
    assert_int_equal(
        read_kind_of_many("a ID (\"a\" \"b\"", " \"a\" \"b\"", IMAP_COMMAND_ID_FIELDS_MAX, ")"),
        FAULT_LIMIT);
}

static void enable(void **state)
{
    (void)state;
    assert_reads("a ENABLE CONDSTORE", "a ENABLE 1");
    assert_reads("a ENABLE qresync", "a ENABLE 3");
    assert_reads("a ENABLE IMAP4rev2 CONDSTORE", "a ENABLE 5");
    assert_reads("a ENABLE UTF8=ACCEPT X-GOOD-IDEA", "a ENABLE 0");
    assert_reads("a ENABLE IMAP4rev2 ", "a ENABLE 4");
    assert_reads("a ENABLE", "syntax: ENABLE: blank expected at the end");
    assert_reads("a ENABLE (QRESYNC)", "syntax: ENABLE: capability expected at \"(QRESYNC)\"");
}

static void status(void **state)
{
    (void)state;
    assert_reads("a STATUS inbox (MESSAGES)", "a STATUS 'INBOX' 1");
    assert_reads("a STATUS x (messages RECENT UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE "
                 "HIGHESTMODSEQ APPENDLIMIT MAILBOXID DELETED-STORAGE)",
                 "a STATUS 'x' 2047");
    assert_reads("a STATUS x ()", "syntax: STATUS: item expected at \")\"");
    assert_reads("a STATUS x MESSAGES", "syntax: STATUS: ( expected at \"MESSAGES\"");
    assert_reads("a STATUS x (FOO)", "syntax: STATUS: unknown item \"FOO\"");
    assert_reads("a STATUS x (MESSAGES) y", "syntax: STATUS: end expected at \" y\"");
    assert_reads("a STATUS x (MESSAGES,UNSEEN)",
                 "syntax: STATUS: blank or ) expected at \",UNSEEN)\"");
}

static void quotas(void **state)
{
    (void)state;
    assert_reads("a GETQUOTA \"\"", "a GETQUOTA ''");
    assert_reads("a GETQUOTA root", "a GETQUOTA 'root'");
    assert_reads("a SETQUOTA \"\" ()", "a SETQUOTA ''");
    assert_reads("a SETQUOTA \"\" (STORAGE 512 MESSAGE 9223372036854775807)", "a SETQUOTA ''");
    assert_reads("a SETQUOTA \"\" (STORAGE)", "syntax: SETQUOTA: blank expected at \")\"");
    assert_reads("a SETQUOTA \"\" (STORAGE 9223372036854775808)",
                 "syntax: SETQUOTA: a number out of range: \"9223372036854775808\"");
    assert_reads("a SETQUOTA \"\"", "syntax: SETQUOTA: blank expected at the end");
}

static void others(void **state)
{
    (void)state;
    assert_reads("a COMPRESS deflate", "a COMPRESS");
    assert_reads("a COMPRESS LZ4", "syntax: COMPRESS: unknown algorithm \"LZ4\"");
    assert_reads("a COPY 1:2,* x", "a COPY 'x' 1:2,*");
    assert_reads("a UID MOVE $ x", "a uid MOVE 'x' $");
    assert_reads("a COPY 1", "syntax: COPY: blank expected at the end");
    assert_reads("a COPY x 1", "syntax: COPY: set of numbers expected at \"x 1\"");
    assert_reads("a COPY 0 x", "syntax: COPY: not a set of numbers: \"0\"");
    assert_reads("a UID EXPUNGE 3:5", "a uid EXPUNGE 3:5");
    assert_reads("a UID EXPUNGE", "syntax: EXPUNGE: blank expected at the end");
}

static void memory(void **state)
{
    (void)state;
    read_failing("a ID (\"a\" \"b\")");
    read_failing("a DELETE &AMk-");
    read_failing("a LOGIN ann \"\\\\\"");
    read_failing("a AUTHENTICATE PLAIN YWJj");
    read_failing("a COPY 1 x");
    read_failing("a LIST () inbox (inbox b)");
    read_failing("a FETCH 1 (FLAGS BODY[1.HEADER.FIELDS (a b)])");
    read_failing("a STORE 1 FLAGS (a b)");
    read_failing("a SORT (DATE) UTF-8 OR OR 1 2 OR 3 NOT (4 5)");
    read_failing("a SELECT inbox (QRESYNC (1 2 3 (4 5)))");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(tag_and_verb), cmocka_unit_test(tag_limit),
    cmocka_unit_test(names),        cmocka_unit_test(without_arguments),
    cmocka_unit_test(unknown),      cmocka_unit_test(mailboxes),
    cmocka_unit_test(create),       cmocka_unit_test(login),
    cmocka_unit_test(authenticate), cmocka_unit_test(id),
    cmocka_unit_test(enable),       cmocka_unit_test(status),
    cmocka_unit_test(quotas),       cmocka_unit_test(others),
    cmocka_unit_test(memory),
};

UNIT_MAIN(tests)
