/* STORE, COPY, MOVE, EXPUNGE and CLOSE in a whole server: what the client is told, what others hear
 * of it, and what is left when a session goes in the middle. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "session/session_house.h"

enum {
    MANY = 300,
    SLICE = 20000, /* IMAP_MESSAGES_MOVE_SLICE */
    GOING = 40,    /* sessions that go in the middle of a command */
    COMMAND_MAX = 1024 * 1024,
    MEMORY_TRIES_MAX = 300
};

static int set_up(void **state)
{
    static const struct house_wish wish = {.imap = &imap_session_listener_face};
    *state = house_open(&wish);
    return 0;
}

static struct caller call(struct house *house, const char *enable, const char *select)
{
    struct caller caller = house_call(house, HOUSE_IMAP);
    setsockopt(caller.descriptor, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    caller_command(&caller, "LOGIN ann@home.example secret", "OK");
    if (enable != NULL)
        caller_command(&caller, enable, "OK");
    caller_command(&caller, select, "OK");
    return caller;
}

/* So many messages in one command. */
static void put(struct caller *caller, size_t count)
{
    AUTO(buffer)
    command = BUFFER(COMMAND_MAX);
    buffer_append_string(&command, "APPEND INBOX");
    for (size_t i = 0; i < count; i++)
        buffer_append_format(&command, " {%zu+}\r\nSubject: %05zu\r\n\r\nHello\r\n", (size_t)25, i);
    caller_command(caller, buffer_string(&command), "OK");
    caller_command(caller, "NOOP", "OK");
}

/* All that is said up to the tagged response, and how that begins. */
static void expect(struct caller *caller, const char *command, const char *status,
                   const char *expected)
{
    const char *reply = caller_command(caller, command, status);
    size_t length = strlen(expected);
    if (strncmp(reply, expected, length) != 0 || reply[length] != 't' ||
        strchr(reply + length, '\n')[1] != '\0')
        fail_msg("%s: \"%s\", not \"%s\"", command, reply, expected);
}

/* ---- STORE ---- */

static void what_was_stored_is_told(void **state)
{
    struct caller caller = call(*state, "ENABLE IMAP4rev2", "SELECT INBOX");
    put(&caller, 3);
    expect(&caller, "STORE 1:2 +FLAGS (\\Seen)", "OK",
           "* 1 FETCH (FLAGS (\\Seen))\r\n* 2 FETCH (FLAGS (\\Seen))\r\n");
    expect(&caller, "STORE 2 FLAGS.SILENT (\\Flagged \\Answered)", "OK", "");
    expect(&caller, "FETCH 1:3 FLAGS", "OK",
           "* 1 FETCH (FLAGS (\\Seen))\r\n* 2 FETCH (FLAGS (\\Answered \\Flagged))\r\n"
           "* 3 FETCH (FLAGS ())\r\n");
    expect(&caller, "UID STORE 2:9 -FLAGS \\Flagged", "OK",
           "* 2 FETCH (UID 2 FLAGS (\\Answered))\r\n* 3 FETCH (UID 3 FLAGS ())\r\n");
    /* What it has already is told as well. */
    expect(&caller, "STORE 1 +FLAGS \\Seen", "OK", "* 1 FETCH (FLAGS (\\Seen))\r\n");
    expect(&caller, "STORE 4 +FLAGS \\Seen", "BAD", "");
    expect(&caller, "UID STORE 77 +FLAGS \\Seen", "OK", "");
    expect(&caller, "STORE 1 +FLAGS \\Recent", "BAD", "");
    caller_hang_up(&caller);
    house_check(*state);
}

static void a_new_keyword_is_told_first(void **state)
{
    struct caller caller = call(*state, "ENABLE IMAP4rev2", "SELECT INBOX");
    struct caller other = call(*state, "ENABLE IMAP4rev2", "SELECT INBOX");
    put(&caller, 1);
    caller_command(&other, "NOOP", "OK");
    const char *reply = caller_command(&caller, "STORE 1 +FLAGS ($Work)", "OK");
    const char *flags = strstr(reply, "* FLAGS (");
    const char *fetch = strstr(reply, "* 1 FETCH (FLAGS ($Work))");
    assert_true(flags != NULL && fetch != NULL && flags < fetch);
    assert_non_null(strstr(flags, "$Work"));
    assert_non_null(strstr(reply, "PERMANENTFLAGS"));
    expect(&caller, "STORE 1 -FLAGS.SILENT ($WORK)", "OK", "");
    caller_command(&caller, "STORE 1 +FLAGS.SILENT ($Other)", "OK");
    reply = caller_command(&other, "NOOP", "OK");
    assert_non_null(strstr(reply, "* 1 FETCH (FLAGS ($Other))"));
    caller_hang_up(&caller);
    caller_hang_up(&other);
    house_check(*state);
}

static uint64_t modseq_of(struct caller *caller, unsigned number)
{
    char command[64];
    snprintf(command, sizeof command, "FETCH %u MODSEQ", number);
    const char *reply = strstr(caller_command(caller, command, "OK"), "MODSEQ (");
    assert_non_null(reply);
    return strtoull(reply + strlen("MODSEQ ("), NULL, 10);
}

/* RFC 7162 3.1.3 */
static void what_changed_since_is_refused(void **state)
{
    char command[100];
    char expected[200];
    struct caller caller = call(*state, "ENABLE CONDSTORE", "SELECT INBOX");
    struct caller other = call(*state, NULL, "SELECT INBOX");
    put(&caller, 5);
    caller_command(&other, "NOOP", "OK");
    uint64_t since = modseq_of(&caller, 5);
    caller_command(&other, "STORE 2,4:5 +FLAGS.SILENT \\Flagged", "OK");
    snprintf(command, sizeof command, "STORE 1:5 (UNCHANGEDSINCE %llu) +FLAGS.SILENT (\\Flagged)",
             (unsigned long long)since);
    const char *reply = caller_command(&caller, command, "OK [MODIFIED 2,4:5]");
    /* Those that were changed are told with their new modseq, silent or not. */
    snprintf(expected, sizeof expected, "MODSEQ (%llu))\r\n* 2 FETCH (",
             (unsigned long long)since + 2);
    if (strstr(reply, expected) == NULL)
        fail_msg("\"%s\" is not in %s", expected, reply);
    snprintf(command, sizeof command, "UID STORE 2:3 (UNCHANGEDSINCE %llu) +FLAGS (\\Seen)",
             (unsigned long long)since);
    caller_command(&caller, command, "OK [MODIFIED 2:3]");
    caller_hang_up(&caller);
    caller_hang_up(&other);
    house_check(*state);
}

static void store_unchanged(struct caller *caller, const char *set, uint64_t since,
                            const char *change, const char *status, const char *told)
{
    char command[200];
    snprintf(command, sizeof command, "STORE %s (UNCHANGEDSINCE %llu) %s", set,
             (unsigned long long)since, change);
    const char *reply = caller_command(caller, command, status);
    if (strstr(reply, told) == NULL)
        fail_msg("%s: \"%s\" is not in %s", command, told, reply);
}

/* RFC 7162 3.1.3, 3.1.12: only changes of the flags that are named count. */
static void other_flags_may_have_changed(void **state)
{
    char told[100];
    struct caller caller = call(*state, "ENABLE CONDSTORE", "SELECT INBOX");
    struct caller other = call(*state, NULL, "SELECT INBOX");
    put(&caller, 5);
    caller_command(&other, "NOOP", "OK");
    uint64_t since = modseq_of(&caller, 5);
    caller_command(&other, "STORE 2,4:5 +FLAGS.SILENT (\\Flagged $Work)", "OK");
    caller_command(&other, "STORE 3 +FLAGS.SILENT \\Seen", "OK");
    snprintf(told, sizeof told, "* 2 FETCH (FLAGS (\\Seen \\Flagged \\Recent $Work) MODSEQ (%llu))",
             (unsigned long long)since + 4);
    store_unchanged(&caller, "1:4", since, "+FLAGS.SILENT (\\Seen)", "OK [MODIFIED 3]", told);
    /* What the client was told of since is no excuse. */
    store_unchanged(&caller, "5", since, "+FLAGS.SILENT (\\Seen)", "OK [MODIFIED 5]", "");
    since = modseq_of(&caller, 5);
    caller_command(&other, "STORE 5 -FLAGS.SILENT (\\Flagged)", "OK");
    store_unchanged(&caller, "5", since, "-FLAGS (\\Flagged)", "OK [MODIFIED 5]", "* 5 FETCH");
    since = modseq_of(&caller, 5);
    caller_command(&other, "STORE 5 +FLAGS.SILENT (\\Answered)", "OK");
    store_unchanged(&caller, "5", since, "-FLAGS ($Work)", "OK STORE",
                    "* 5 FETCH (FLAGS (\\Answered \\Recent) ");
    since = modseq_of(&caller, 5);
    caller_command(&other, "STORE 5 +FLAGS.SILENT (\\Draft)", "OK");
    store_unchanged(&caller, "5", since, "+FLAGS ($New)", "OK STORE", "$New");
    since = modseq_of(&caller, 5);
    caller_command(&other, "STORE 5 -FLAGS.SILENT (\\Draft)", "OK");
    store_unchanged(&caller, "5", since, "FLAGS.SILENT (\\Seen)", "OK [MODIFIED 5]", "");
    store_unchanged(&caller, "5", 0, "+FLAGS.SILENT (\\Seen)", "OK [MODIFIED 5]", "");
    caller_hang_up(&caller);
    caller_hang_up(&other);
    house_check(*state);
}

static void nothing_is_stored_in_what_is_only_read(void **state)
{
    struct caller caller = call(*state, NULL, "SELECT INBOX");
    put(&caller, 2);
    caller_command(&caller, "STORE 1 +FLAGS \\Deleted", "OK");
    caller_command(&caller, "EXAMINE INBOX", "OK");
    expect(&caller, "STORE 1 +FLAGS \\Seen", "NO", "");
    expect(&caller, "EXPUNGE", "NO", "");
    expect(&caller, "MOVE 1 Trash", "NO", "");
    expect(&caller, "COPY 1 Trash", "OK [COPYUID ", "");
    expect(&caller, "CLOSE", "OK", "");
    expect(&caller, "STATUS INBOX (MESSAGES)", "OK", "* STATUS INBOX (MESSAGES 2)\r\n");
    caller_hang_up(&caller);
    house_check(*state);
}

/* ---- EXPUNGE ---- */

static void what_is_deleted_goes(void **state)
{
    struct caller caller = call(*state, NULL, "SELECT INBOX");
    struct caller other = call(*state, NULL, "SELECT INBOX");
    put(&caller, 6);
    caller_command(&other, "NOOP", "OK");
    expect(&caller, "EXPUNGE", "OK", "");
    caller_command(&caller, "STORE 2:3,5 +FLAGS.SILENT \\Deleted", "OK");
    expect(&caller, "UID EXPUNGE 4:9", "OK", "* 5 EXPUNGE\r\n");
    /* Who has not been told yet expunges what others have marked. */
    const char *reply = caller_command(&other, "EXPUNGE", "OK");
    assert_non_null(strstr(reply, "* 2 EXPUNGE\r\n"));
    reply = caller_command(&caller, "NOOP", "OK");
    assert_non_null(strstr(reply, "* 2 EXPUNGE\r\n* 2 EXPUNGE\r\n"));
    caller_command(&caller, "STORE 1 +FLAGS.SILENT \\Deleted", "OK");
    expect(&caller, "CLOSE", "OK", "");
    expect(&caller, "FETCH 1 FLAGS", "BAD", "");
    reply = caller_command(&caller, "SELECT INBOX", "OK");
    assert_non_null(strstr(reply, "* 2 EXISTS"));
    caller_hang_up(&caller);
    caller_hang_up(&other);
    house_check(*state);
}

/* RFC 7162 3.2.7 */
static void vanished_and_where_the_mailbox_stands(void **state)
{
    struct caller caller = call(*state, "ENABLE QRESYNC", "SELECT INBOX");
    put(&caller, 4);
    caller_command(&caller, "STORE 2:3 +FLAGS.SILENT \\Deleted", "OK");
    expect(&caller, "EXPUNGE", "OK [HIGHESTMODSEQ ", "* VANISHED 2:3\r\n");
    caller_command(&caller, "STORE 1 +FLAGS.SILENT \\Deleted", "OK");
    expect(&caller, "CLOSE", "OK Completed", "");
    caller_hang_up(&caller);
    house_check(*state);
}

/* ---- COPY and MOVE ---- */

static void copies_get_uids(void **state)
{
    struct caller caller = call(*state, "ENABLE IMAP4rev2", "SELECT INBOX");
    put(&caller, 5);
    caller_command(&caller, "STORE 2 +FLAGS.SILENT (\\Seen $Work)", "OK");
    const char *reply = caller_command(&caller, "COPY 1:2,4 Trash", "OK [COPYUID ");
    assert_non_null(strstr(reply, " 1:2,4 1:3] "));
    expect(&caller, "UID COPY 77 Trash", "OK ", "");
    expect(&caller, "COPY 1 Nowhere", "NO [TRYCREATE]", "");
    expect(&caller, "COPY 9 Trash", "BAD", "");
    reply = caller_command(&caller, "COPY 5 INBOX", "OK [COPYUID ");
    assert_non_null(strstr(reply, "* 6 EXISTS\r\n"));
    caller_command(&caller, "SELECT Trash", "OK");
    expect(&caller, "FETCH 1:3 FLAGS", "OK",
           "* 1 FETCH (FLAGS ())\r\n* 2 FETCH (FLAGS (\\Seen $Work))\r\n* 3 FETCH (FLAGS ())\r\n");
    caller_hang_up(&caller);
    house_check(*state);
}

static void moves_take_away(void **state)
{
    struct caller caller = call(*state, "ENABLE IMAP4rev2", "SELECT INBOX");
    struct caller other = call(*state, "ENABLE IMAP4rev2", "SELECT INBOX");
    put(&caller, 5);
    caller_command(&other, "NOOP", "OK");
    const char *reply = caller_command(&caller, "MOVE 2,4 Trash", "OK ");
    const char *code = strstr(reply, "* OK [COPYUID ");
    const char *gone = strstr(reply, "EXPUNGE\r\n");
    assert_true(code == reply && strstr(code, " 2,4 1:2] ") != NULL);
    assert_true(gone != NULL && strstr(gone + 1, "EXPUNGE\r\n") != NULL);
    expect(&caller, "MOVE 1 Nowhere", "NO [TRYCREATE]", "");
    reply = caller_command(&caller, "UID MOVE 5 INBOX", "OK ");
    assert_non_null(strstr(reply, " 5 6] "));
    assert_non_null(strstr(reply, "* 3 EXPUNGE\r\n"));
    assert_non_null(strstr(reply, "* 3 EXISTS\r\n"));
    reply = caller_command(&other, "NOOP", "OK");
    assert_non_null(strstr(reply, "* 3 EXISTS\r\n"));
    expect(&other, "UID FETCH 1:* FLAGS", "OK",
           "* 1 FETCH (FLAGS () UID 1)\r\n* 2 FETCH (FLAGS () UID 3)\r\n"
           "* 3 FETCH (FLAGS () UID 6)\r\n");
    caller_hang_up(&caller);
    caller_hang_up(&other);
    house_check(*state);
}

static void a_full_account_may_move(void **state)
{
    struct caller caller = call(*state, NULL, "SELECT INBOX");
    put(&caller, 3);
    house_set_quota(*state, "ann@home.example", 0, 4);
    expect(&caller, "COPY 1:2 Trash", "NO [OVERQUOTA]", "");
    caller_command(&caller, "MOVE 1:2 Trash", "OK");
    expect(&caller, "COPY 1 Trash", "OK", "");
    caller_hang_up(&caller);
    house_check(*state);
}

/* RFC 2180 4.2.2, 4.4.1, RFC 5530 3: named by number, and gone meanwhile. What the session finds
   out is the same as what it knew already and must not tell yet. */
static void what_went_is_not_changed_or_copied_in_silence(void **state)
{
    struct caller caller = call(*state, NULL, "SELECT INBOX");
    struct caller other = call(*state, NULL, "SELECT INBOX");
    put(&caller, 6);
    caller_command(&other, "NOOP", "OK");
    caller_command(&caller, "STORE 2:3 +FLAGS.SILENT \\Deleted", "OK");
    caller_command(&caller, "EXPUNGE", "OK");
    for (int i = 0; i < 2; i++) {
        expect(&other, "STORE 2:3 +FLAGS (\\Flagged)", "NO [EXPUNGEISSUED]", "");
        /* 4.2.1 */
        expect(&other, "STORE 2:3 +FLAGS.SILENT (\\Flagged)", "OK", "");
    }
    expect(&other, "STORE 1:3 +FLAGS (\\Flagged)", "OK", "* 1 FETCH (FLAGS (\\Flagged))\r\n");
    expect(&other, "COPY 2:3 Trash", "NO [EXPUNGEISSUED]", "* 2 EXPUNGE\r\n* 2 EXPUNGE\r\n");
    const char *const commands[] = {"COPY 1 Trash", "MOVE 1 Trash", "UID COPY 5 Trash"};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        caller_command(&caller, "STORE 1 +FLAGS.SILENT \\Deleted", "OK");
        caller_command(&other, "NOOP", "OK");
        caller_command(&caller, "EXPUNGE", "OK");
        expect(&other, commands[i], i < 2 ? "NO [EXPUNGEISSUED]" : "OK", "* 1 EXPUNGE\r\n");
    }
    expect(&other, "STATUS Trash (MESSAGES)", "OK", "* STATUS Trash (MESSAGES 0)\r\n");
    caller_hang_up(&caller);
    caller_hang_up(&other);
    house_check(*state);
}

/* ---- much, and trouble ---- */

/* Every second message of many. */
static void many_are_changed_at_once(void **state)
{
    AUTO(buffer)
    set = BUFFER(COMMAND_MAX);
    char *command = malloc(COMMAND_MAX);
    assert_non_null(command);
    struct caller caller = call(*state, "ENABLE IMAP4rev2", "SELECT INBOX");
    put(&caller, MANY);
    for (size_t i = 1; i <= MANY; i += 2)
        buffer_append_format(&set, "%s%zu", i == 1 ? "" : ",", i);
    snprintf(command, COMMAND_MAX, "STORE %s +FLAGS (\\Deleted)", buffer_string(&set));
    const char *reply = caller_command(&caller, command, "OK");
    size_t told = 0;
    for (; (reply = strstr(reply, "FETCH (FLAGS (\\Deleted))")) != NULL; reply++)
        told++;
    assert_int_equal(told, MANY / 2);
    snprintf(command, COMMAND_MAX, "COPY %s Trash", buffer_string(&set));
    caller_command(&caller, command, "OK [COPYUID ");
    caller_command(&caller, "EXPUNGE", "OK");
    expect(&caller, "STATUS INBOX (MESSAGES DELETED)", "OK",
           "* STATUS INBOX (MESSAGES 150 DELETED 0)\r\n");
    caller_command(&caller, "MOVE 1:* Trash", "OK");
    expect(&caller, "STATUS Trash (MESSAGES DELETED)", "OK",
           "* STATUS Trash (MESSAGES 300 DELETED 150)\r\n");
    free(command);
    caller_hang_up(&caller);
    house_check(*state);
}

/* RFC 9051 6.4.8: so many go at a time, each with its COPYUID before it is told as removed. COPY is
   one (6.4.7). */
static void a_great_move_goes_in_slices(void **state)
{
    struct caller caller = call(*state, "ENABLE QRESYNC", "SELECT INBOX");
    size_t count = MANY;
    put(&caller, MANY);
    for (; count <= SLICE; count *= 2) {
        const char *copied = strstr(caller_command(&caller, "COPY 1:* INBOX", "OK"), "COPYUID ");
        assert_null(strstr(copied + 1, "COPYUID "));
    }
    const char *reply = caller_command(&caller, "MOVE 1:* Trash", "OK [HIGHESTMODSEQ ");
    const char *first = strstr(reply, "* OK [COPYUID ");
    const char *second = first == NULL ? NULL : strstr(first + 1, "* OK [COPYUID ");
    const char *gone = strstr(reply, "* VANISHED ");
    assert_true(second != NULL && gone != NULL && first < second && second < gone);
    assert_non_null(strstr(first, " 1:20000 1:20000] "));
    assert_non_null(strstr(second, " 20001:38400 20001:38400] "));
    assert_int_equal(count, 38400);
    expect(&caller, "STATUS Trash (MESSAGES)", "OK", "* STATUS Trash (MESSAGES 38400)\r\n");
    expect(&caller, "STATUS INBOX (MESSAGES)", "OK", "* STATUS INBOX (MESSAGES 0)\r\n");
    caller_hang_up(&caller);
    house_check(*state);
}

/* Whoever has asked and goes leaves the job to itself. */
static void a_session_that_goes_is_not_waited_for(void **state)
{
    static const char *const commands[] = {
        "x STORE 1:* +FLAGS (\\Seen $Label)\r\n", "x COPY 1:* Trash\r\n", "x MOVE 1:5 Drafts\r\n",
        "x STORE 1:3 +FLAGS (\\Deleted)\r\nx EXPUNGE\r\n", "x CLOSE\r\n"};
    struct caller caller = call(*state, NULL, "SELECT INBOX");
    put(&caller, MANY);
    for (size_t i = 0; i < GOING; i++) {
        struct caller other = call(*state, NULL, "SELECT INBOX");
        struct sqlite3 *lock = i % 2 == 0 ? house_lock(*state) : NULL;
        caller_say(&other, commands[i % (sizeof commands / sizeof *commands)]);
        caller_reset(&other);
        if (lock != NULL)
            house_unlock(lock);
    }
    caller_command(&caller, "NOOP", "OK");
    caller_hang_up(&caller);
    house_check(*state);
}

static void a_store_that_cannot_write_is_said(void **state)
{
    struct caller caller = call(*state, NULL, "SELECT INBOX");
    put(&caller, 3);
    struct sqlite3 *lock = house_lock(*state);
    expect(&caller, "STORE 1 +FLAGS.SILENT \\Seen", "NO [UNAVAILABLE]", "");
    expect(&caller, "COPY 1 Trash", "NO [UNAVAILABLE]", "");
    house_unlock(lock);
    caller_command(&caller, "STORE 1 +FLAGS.SILENT \\Seen", "OK");
    caller_hang_up(&caller);
    house_check(*state);
}

/* Every command is done whole or not at all, and no session is left hanging. */
static void memory_may_end_anywhere(void **state)
{
    struct house *house = *state;
    struct caller caller = call(house, NULL, "SELECT INBOX");
    put(&caller, 20);
    caller_hang_up(&caller);
    bool has_failed = true;
    for (size_t i = 0; has_failed && i < MEMORY_TRIES_MAX; i++) {
        struct caller other = call(house, NULL, "SELECT INBOX");
        house_take_memory(house, i);
        caller_say(&other, "a STORE 1:5,7 +FLAGS (\\Flagged)\r\nb COPY 1:2 Trash\r\n"
                           "c MOVE 1 Drafts\r\nf STORE 1:3 (UNCHANGEDSINCE 1) +FLAGS (\\Seen)"
                           "\r\nd EXPUNGE\r\ne LOGOUT\r\n");
        while (caller_hear_code(&other) != 0)
            continue;
        has_failed = house_restore_memory(house);
        caller_hang_up(&other);
        if (i % 10 == 9) {
            caller = call(house, NULL, "SELECT INBOX");
            put(&caller, 10);
            caller_hang_up(&caller);
        }
    }
    assert_false(has_failed);
    house_check(house);
}

#define HOUSE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, house_tear_down)

static const struct CMUnitTest tests[] = {
    HOUSE_TEST(what_was_stored_is_told),
    HOUSE_TEST(a_new_keyword_is_told_first),
    HOUSE_TEST(what_changed_since_is_refused),
    HOUSE_TEST(other_flags_may_have_changed),
    HOUSE_TEST(nothing_is_stored_in_what_is_only_read),
    HOUSE_TEST(what_is_deleted_goes),
    HOUSE_TEST(vanished_and_where_the_mailbox_stands),
    HOUSE_TEST(copies_get_uids),
    HOUSE_TEST(moves_take_away),
    HOUSE_TEST(a_full_account_may_move),
    HOUSE_TEST(what_went_is_not_changed_or_copied_in_silence),
    HOUSE_TEST(many_are_changed_at_once),
    HOUSE_TEST(a_great_move_goes_in_slices),
    HOUSE_TEST(a_session_that_goes_is_not_waited_for),
    HOUSE_TEST(a_store_that_cannot_write_is_said),
    HOUSE_TEST(memory_may_end_anywhere),
};

UNIT_MAIN(tests)
