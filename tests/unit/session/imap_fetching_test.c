/* FETCH in a whole server: what is answered, by whom, and what it changes; slow readers, messages
 * that go, memory and stores that fail. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "session/session_house.h"

enum {
    LARGE_SIZE = 900 * 1000,
    MANY = 3000,
    ANSWERS = 30,
    COMMAND_MAX = 2 * 1024 * 1024,
    MEMORY_TRIES_MAX = 200
};

static int set_up(void **state)
{
    static const struct house_wish wish = {.imap = &imap_session_listener_face};
    *state = house_open(&wish);
    return 0;
}

/* With IMAP4rev2, in which nothing is \Recent. */
static struct caller log_in(struct house *house, const char *select)
{
    struct caller caller = house_call(house, HOUSE_IMAP);
    /* A command goes out in pieces, none of which is to wait for the one before. */
    setsockopt(caller.descriptor, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    caller_command(&caller, "LOGIN ann@home.example secret", "OK");
    caller_command(&caller, "ENABLE IMAP4rev2 QRESYNC", "OK");
    caller_command(&caller, select, "OK");
    return caller;
}

static void append(struct caller *caller, const char *options, struct bytes text)
{
    AUTO(buffer)
    command = BUFFER(COMMAND_MAX);
    buffer_append_format(&command, "APPEND INBOX %s{%zu+}\r\n", options, text.length);
    buffer_append(&command, text);
    caller_command(caller, buffer_string(&command), "OK");
}

static const char letter[] = "Date: Mon, 7 Feb 1994 21:52:25 -0800\r\nSubject: one\r\n"
                             "From: ann@a.example\r\n\r\nHello you.\r\n";

static void put(struct caller *caller, size_t count)
{
    for (size_t i = 0; i < count; i++)
        append(caller, "\"17-Jul-1996 02:44:25 -0700\" ", bytes_from_string(letter));
    caller_command(caller, "NOOP", "OK");
}

/* All that is said up to the tagged response, without it. */
static void expect(struct caller *caller, const char *command, const char *status,
                   const char *expected)
{
    const char *reply = caller_command(caller, command, status);
    size_t length = strlen(expected);
    if (strncmp(reply, expected, length) != 0 || reply[length] != 't' ||
        strchr(reply + length, '\n')[1] != '\0')
        fail_msg("%s: \"%s\", not \"%s\"", command, reply, expected);
}

static void the_view_answers_what_it_knows(void **state)
{
    struct caller caller = log_in(*state, "SELECT INBOX");
    put(&caller, 3);
    caller_command(&caller, "STORE 2 +FLAGS.SILENT (\\Flagged $Work)", "OK");
    caller_command(&caller, "SELECT INBOX", "OK");
    expect(&caller, "FETCH 1:3 FLAGS", "OK",
           "* 1 FETCH (FLAGS ())\r\n* 2 FETCH (FLAGS (\\Flagged $Work))\r\n"
           "* 3 FETCH (FLAGS ())\r\n");
    expect(&caller, "UID FETCH 2:* (FLAGS)", "OK",
           "* 2 FETCH (FLAGS (\\Flagged $Work) UID 2)\r\n* 3 FETCH (FLAGS () UID 3)\r\n");
    expect(&caller, "FETCH 3,1 (UID)", "OK", "* 1 FETCH (UID 1)\r\n* 3 FETCH (UID 3)\r\n");
    expect(&caller, "UID FETCH 77 FLAGS", "OK", "");
    expect(&caller, "FETCH 4 FLAGS", "BAD", "");
    caller_hang_up(&caller);
}

static void the_store_answers_the_rest(void **state)
{
    struct caller caller = log_in(*state, "EXAMINE INBOX");
    put(&caller, 2);
    caller_command(&caller, "EXAMINE INBOX", "OK");
    expect(&caller, "FETCH 1 (INTERNALDATE RFC822.SIZE)", "OK",
           "* 1 FETCH (INTERNALDATE \"17-Jul-1996 09:44:25 +0000\" RFC822.SIZE 87)\r\n");
    expect(&caller, "FETCH 2 (BODY[HEADER.FIELDS (subject)])", "OK",
           "* 2 FETCH (BODY[HEADER.FIELDS (subject)] {16}\r\nSubject: one\r\n\r\n)\r\n");
    expect(&caller, "UID FETCH 1:2 BODY[TEXT]", "OK",
           "* 1 FETCH (BODY[TEXT] {12}\r\nHello you.\r\n UID 1)\r\n"
           "* 2 FETCH (BODY[TEXT] {12}\r\nHello you.\r\n UID 2)\r\n");
    expect(&caller, "FETCH 1:* (UID PREVIEW)", "OK",
           "* 1 FETCH (UID 1 PREVIEW \"Hello you.\")\r\n"
           "* 2 FETCH (UID 2 PREVIEW \"Hello you.\")\r\n");
    /* Nothing is \Seen in a mailbox that is only read. */
    expect(&caller, "FETCH 1:2 FLAGS", "OK", "* 1 FETCH (FLAGS ())\r\n* 2 FETCH (FLAGS ())\r\n");
    caller_hang_up(&caller);
}

static uint64_t modseq_of(struct caller *caller, unsigned number)
{
    char command[64];
    snprintf(command, sizeof command, "FETCH %u MODSEQ", number);
    const char *reply = strstr(caller_command(caller, command, "OK"), "MODSEQ (");
    assert_non_null(reply);
    return strtoull(reply + strlen("MODSEQ ("), NULL, 10);
}

static void content_that_is_fetched_is_seen(void **state)
{
    static const struct {
        const char *items;
        bool is_seen;
    } cases[] = {
        {"BODY.PEEK[]", false},    {"RFC822.HEADER", false}, {"ENVELOPE", false},
        {"BODYSTRUCTURE", false},  {"PREVIEW", false},       {"BINARY.PEEK[1]", false},
        {"BINARY.SIZE[1]", false}, {"BODY[1]", true},        {"BODY[]<0.1>", true},
        {"RFC822", true},          {"RFC822.TEXT", true},    {"BODY[HEADER.FIELDS (x)]", true},
        {"BINARY[1]", true},
    };
    struct caller caller = log_in(*state, "SELECT INBOX");
    put(&caller, 1);
    caller_command(&caller, "SELECT INBOX", "OK");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char command[100];
        caller_command(&caller, "STORE 1 -FLAGS.SILENT \\Seen", "OK");
        snprintf(command, sizeof command, "FETCH 1 %s", cases[i].items);
        const char *reply = caller_command(&caller, command, "OK");
        bool is_told = strstr(reply, " FLAGS (\\Seen))\r\n") != NULL;
        if (is_told != cases[i].is_seen)
            fail_msg("%s: %s", cases[i].items, reply);
        expect(&caller, "FETCH 1 FLAGS", "OK",
               cases[i].is_seen ? "* 1 FETCH (FLAGS (\\Seen))\r\n" : "* 1 FETCH (FLAGS ())\r\n");
    }
    /* RFC 7162 3.1.11: what is \Seen already does not change. */
    uint64_t modseq = modseq_of(&caller, 1);
    caller_command(&caller, "FETCH 1 BODY[]", "OK");
    assert_true(modseq_of(&caller, 1) == modseq);
    caller_hang_up(&caller);
}

static void only_what_changed_since(void **state)
{
    struct caller caller = log_in(*state, "SELECT INBOX (CONDSTORE)");
    char command[128];
    char expected[256];
    put(&caller, 4);
    caller_command(&caller, "SELECT INBOX (CONDSTORE)", "OK");
    uint64_t since = modseq_of(&caller, 4);
    caller_command(&caller, "STORE 2 +FLAGS.SILENT \\Flagged", "OK");
    uint64_t changed = modseq_of(&caller, 2);
    assert_true(changed > since);
    snprintf(command, sizeof command, "UID FETCH 1:* FLAGS (CHANGEDSINCE %llu)",
             (unsigned long long)since);
    snprintf(expected, sizeof expected, "* 2 FETCH (FLAGS (\\Flagged) UID 2 MODSEQ (%llu))\r\n",
             (unsigned long long)changed);
    expect(&caller, command, "OK", expected);
    /* Only what is given becomes \Seen. */
    snprintf(command, sizeof command, "FETCH 1:* BODY[]<0.1> (CHANGEDSINCE %llu)",
             (unsigned long long)since);
    const char *reply = caller_command(&caller, command, "OK");
    assert_null(strstr(reply, "* 1 FETCH"));
    assert_non_null(strstr(reply, "* 2 FETCH (BODY[]<0> {1}\r\nD MODSEQ ("));
    assert_non_null(strstr(reply, "FLAGS (\\Seen \\Flagged)"));
    expect(&caller, "FETCH 1:4 FLAGS", "OK",
           "* 1 FETCH (FLAGS ())\r\n* 2 FETCH (FLAGS (\\Seen \\Flagged))\r\n"
           "* 3 FETCH (FLAGS ())\r\n* 4 FETCH (FLAGS ())\r\n");
    caller_hang_up(&caller);
}

static void what_vanished_earlier_is_told_first(void **state)
{
    struct caller caller = log_in(*state, "SELECT INBOX");
    put(&caller, 8);
    caller_command(&caller, "SELECT INBOX", "OK");
    uint64_t since = modseq_of(&caller, 8);
    caller_command(&caller, "STORE 2:4,8 +FLAGS.SILENT \\Deleted", "OK");
    caller_command(&caller, "EXPUNGE", "OK");
    caller_command(&caller, "STORE 1 +FLAGS.SILENT \\Flagged", "OK");
    char command[128];
    snprintf(command, sizeof command, "UID FETCH 1:* FLAGS (CHANGEDSINCE %llu VANISHED)",
             (unsigned long long)since);
    const char *reply = caller_command(&caller, command, "OK");
    static const char start[] =
        "* VANISHED (EARLIER) 2:4,8\r\n* 1 FETCH (FLAGS (\\Flagged) UID 1 MODSEQ (";
    assert_int_equal(strncmp(reply, start, strlen(start)), 0);
    snprintf(command, sizeof command, "UID FETCH 3:5 UID (CHANGEDSINCE %llu VANISHED)",
             (unsigned long long)since);
    expect(&caller, command, "OK", "* VANISHED (EARLIER) 3:4\r\n");
    snprintf(command, sizeof command, "FETCH 1 UID (CHANGEDSINCE %llu VANISHED)",
             (unsigned long long)since);
    expect(&caller, command, "BAD", "");
    caller_hang_up(&caller);
}

static void messages_that_went_are_left_out(void **state)
{
    struct house *house = *state;
    struct caller caller = log_in(house, "SELECT INBOX");
    put(&caller, 4);
    caller_command(&caller, "SELECT INBOX", "OK");
    struct caller other = log_in(house, "SELECT INBOX");
    caller_command(&other, "STORE 2:3 +FLAGS.SILENT \\Deleted", "OK");
    caller_command(&other, "EXPUNGE", "OK");
    expect(&caller, "FETCH 1:4 BODY.PEEK[]<0.4>", "NO [EXPUNGEISSUED]",
           "* 1 FETCH (BODY[]<0> {4}\r\nDate)\r\n* 4 FETCH (BODY[]<0> {4}\r\nDate)\r\n");
    expect(&caller, "FETCH 2:3 RFC822.SIZE", "NO [EXPUNGEISSUED]", "");
    /* RFC 9051 6.4.9: UIDs that are not there are no error. */
    expect(&caller, "UID FETCH 2 RFC822.SIZE", "OK", "* VANISHED 2:3\r\n");
    caller_hang_up(&caller);
    caller_hang_up(&other);
}

static void unknown_encodings_are_said(void **state)
{
    struct caller caller = log_in(*state, "SELECT INBOX");
    append(&caller, "",
           BYTES("MIME-Version: 1.0\r\nContent-Transfer-Encoding: x-odd\r\n\r\ntext\r\n"));
    caller_command(&caller, "SELECT INBOX", "OK");
    expect(&caller, "FETCH 1 BINARY.PEEK[1]", "NO [UNKNOWN-CTE]", "");
    caller_hang_up(&caller);
}

/* ---- much ---- */

static void large(struct buffer *out)
{
    buffer_append_string(out, "Subject: large\r\n\r\n");
    while (out->length + 16 <= LARGE_SIZE)
        buffer_append_format(out, "%014zu\r\n", out->length);
}

static void expect_large(struct caller *caller, struct bytes text, const char *behind)
{
    char *got = malloc(text.length);
    assert_non_null(got);
    caller_read(caller, got, text.length);
    assert_true(bytes_equal(bytes_of(got, text.length), text));
    free(got);
    caller_hear(caller, behind);
}

static void large_messages_reach_slow_readers(void **state)
{
    struct house *house = *state;
    struct caller caller = log_in(house, "SELECT INBOX");
    AUTO(buffer)
    text = BUFFER(COMMAND_MAX);
    char head[100];
    large(&text);
    append(&caller, "", buffer_bytes(&text));
    caller_command(&caller, "SELECT INBOX", "OK");
    for (int i = 0; i < 3; i++) {
        caller_say(&caller, "a FETCH 1 (UID BODY.PEEK[] RFC822.SIZE)\r\n");
        snprintf(head, sizeof head, "* 1 FETCH (UID 1 BODY[] {%zu}", text.length);
        caller_hear(&caller, head);
        expect_large(&caller, buffer_bytes(&text), " RFC822.SIZE ");
        caller_hear(&caller, "a OK");
    }
    caller_hang_up(&caller);
}

static void many_messages_come_in_order(void **state)
{
    struct caller caller = log_in(*state, "SELECT INBOX");
    AUTO(buffer)
    command = BUFFER(COMMAND_MAX);
    buffer_append_string(&command, "APPEND INBOX");
    for (size_t i = 0; i < 1000; i++)
        buffer_append_format(&command, " {%zu+}\r\n%s", strlen(letter), letter);
    for (size_t i = 0; i < MANY; i += 1000)
        caller_command(&caller, buffer_string(&command), "OK");
    caller_command(&caller, "SELECT INBOX", "OK");
    static const char *const items[] = {"FLAGS", "RFC822.SIZE", "BODY[TEXT]"};
    for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
        char line[100];
        snprintf(line, sizeof line, "a FETCH 1:* %s\r\n", items[i]);
        caller_say(&caller, line);
        for (unsigned number = 1; number <= MANY; number++) {
            snprintf(line, sizeof line, "* %u FETCH (%s", number, items[i]);
            caller_hear(&caller, line);
            if (i == 2) {
                caller_hear(&caller, "Hello you.");
                /* They are \Seen now. */
                caller_hear(&caller, " FLAGS (\\Seen))");
            }
        }
        for (unsigned number = 1; i == 2 && number <= MANY; number++) {
            snprintf(line, sizeof line, "* %u FETCH (UID %u MODSEQ (", number, number);
            caller_hear(&caller, line);
        }
        caller_hear(&caller, "a OK");
    }
    caller_hang_up(&caller);
}

/* ---- trouble ---- */

static void who_hangs_up_leaves_nothing_behind(void **state)
{
    struct house *house = *state;
    AUTO(buffer)
    text = BUFFER(COMMAND_MAX);
    large(&text);
    struct caller caller = log_in(house, "SELECT INBOX");
    append(&caller, "", buffer_bytes(&text));
    caller_hang_up(&caller);
    for (int i = 0; i < 10; i++) {
        caller = log_in(house, "SELECT INBOX");
        caller_command(&caller, "STORE 1 -FLAGS.SILENT \\Seen", "OK");
        caller_say(&caller, "a FETCH 1 BODY[]\r\n");
        if (i % 2 == 0)
            caller_hear(&caller, "* 1 FETCH (BODY[] {");
        caller_reset(&caller);
    }
}

/* All that comes until the end, or until a command is refused. */
static void read_rest(struct caller *caller, struct buffer *out)
{
    ssize_t count = 1;
    while (count > 0 && bytes_find(bytes_slice(buffer_bytes(out), out->length - 200, 200),
                                   BYTES("\r\na NO ")) == BYTES_NOT_FOUND) {
        char *end = buffer_reserve(out, 4096);
        assert_non_null(end);
        count = recv(caller->descriptor, end, 4096, 0);
        if (count > 0)
            buffer_commit(out, (size_t)count);
    }
}

/* How often the text came; the last time it may have ended early, but is never another. */
static size_t count_whole(struct bytes got, struct bytes text)
{
    size_t count = 0;
    while (got.length > 0) {
        size_t end = bytes_find(got, BYTES("\r\n"));
        size_t line = end == BYTES_NOT_FOUND ? got.length : end + 2;
        bool has_text = bytes_starts_with(got, BYTES("* 1 FETCH (BODY[] {"));
        got = bytes_skip(got, line);
        if (!has_text)
            continue;
        if (got.length < text.length) {
            assert_true(bytes_starts_with(text, got));
            return count;
        }
        assert_true(bytes_starts_with(got, text));
        got = bytes_skip(got, text.length);
        count++;
    }
    return count;
}

static void a_message_that_goes_in_the_middle_ends_the_session(void **state)
{
    struct house *house = *state;
    AUTO(buffer)
    text = BUFFER(COMMAND_MAX);
    AUTO(buffer)
    got = BUFFER(ANSWERS * COMMAND_MAX);
    struct caller caller = log_in(house, "SELECT INBOX");
    large(&text);
    append(&caller, "", buffer_bytes(&text));
    caller_command(&caller, "SELECT INBOX", "OK");
    /* More than sockets hold. */
    for (int i = 0; i < ANSWERS; i++)
        caller_say(&caller, "a FETCH 1 BODY.PEEK[]\r\n");
    caller_read(&caller, buffer_reserve(&got, 1000), 1000);
    buffer_commit(&got, 1000);
    struct caller other = log_in(house, "SELECT INBOX");
    caller_command(&other, "STORE 1 +FLAGS.SILENT \\Deleted", "OK");
    caller_command(&other, "EXPUNGE", "OK");
    caller_hang_up(&other);
    read_rest(&caller, &got);
    assert_true(count_whole(buffer_bytes(&got), buffer_bytes(&text)) < ANSWERS);
    caller_hang_up(&caller);
}

/* \Seen cannot be set; the mail can be read all the same. */
static void a_store_that_cannot_be_written_can_be_read(void **state)
{
    struct house *house = *state;
    struct caller caller = log_in(house, "SELECT INBOX");
    put(&caller, 1);
    caller_command(&caller, "SELECT INBOX", "OK");
    struct sqlite3 *lock = house_lock(house);
    expect(&caller, "FETCH 1 BODY[TEXT]", "OK",
           "* 1 FETCH (BODY[TEXT] {12}\r\nHello you.\r\n FLAGS (\\Seen))\r\n"
           "* 1 FETCH (UID 1 FLAGS () MODSEQ (2))\r\n");
    house_unlock(lock);
    house_wait_for_log(house, "event=store.write-failed");
    expect(&caller, "FETCH 1 FLAGS", "OK", "* 1 FETCH (FLAGS ())\r\n");
    const char *reply = caller_command(&caller, "FETCH 1 BODY[]<0.1>", "OK");
    assert_non_null(strstr(reply, "FLAGS (\\Seen)"));
    caller_hang_up(&caller);
}

static void without_memory_it_says_so(void **state)
{
    struct house *house = *state;
    struct caller caller = log_in(house, "SELECT INBOX");
    put(&caller, 3);
    caller_hang_up(&caller);
    bool has_failed = true;
    for (size_t i = 0; has_failed && i < MEMORY_TRIES_MAX; i++) {
        caller = log_in(house, "SELECT INBOX");
        house_take_memory(house, i);
        caller_say(&caller, "a FETCH 1:3 (FLAGS BODY.PEEK[TEXT])\r\n");
        /* A line of its own shows that the session lives, or the connection ends. */
        char byte;
        while (recv(caller.descriptor, &byte, 1, 0) == 1 && byte != 'a') {
        }
        has_failed = house_restore_memory(house);
        caller_reset(&caller);
    }
    assert_false(has_failed);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(the_view_answers_what_it_knows, set_up, house_tear_down),
    cmocka_unit_test_setup_teardown(the_store_answers_the_rest, set_up, house_tear_down),
    cmocka_unit_test_setup_teardown(content_that_is_fetched_is_seen, set_up, house_tear_down),
    cmocka_unit_test_setup_teardown(only_what_changed_since, set_up, house_tear_down),
    cmocka_unit_test_setup_teardown(what_vanished_earlier_is_told_first, set_up, house_tear_down),
    cmocka_unit_test_setup_teardown(messages_that_went_are_left_out, set_up, house_tear_down),
    cmocka_unit_test_setup_teardown(unknown_encodings_are_said, set_up, house_tear_down),
    cmocka_unit_test_setup_teardown(large_messages_reach_slow_readers, set_up, house_tear_down),
    cmocka_unit_test_setup_teardown(many_messages_come_in_order, set_up, house_tear_down),
    cmocka_unit_test_setup_teardown(who_hangs_up_leaves_nothing_behind, set_up, house_tear_down),
    cmocka_unit_test_setup_teardown(a_message_that_goes_in_the_middle_ends_the_session, set_up,
                                    house_tear_down),
    cmocka_unit_test_setup_teardown(a_store_that_cannot_be_written_can_be_read, set_up,
                                    house_tear_down),
    cmocka_unit_test_setup_teardown(without_memory_it_says_so, set_up, house_tear_down),
};

UNIT_MAIN(tests)
