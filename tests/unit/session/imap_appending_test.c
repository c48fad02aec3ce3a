/* APPEND in a whole server: one message and many, small and large, and those that are never kept.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/buffer.h"
#include "session/session_house.h"

enum {
    LARGE_SIZE = 3 * 1000 * 1000,
    MANY = 100,
    COMMAND_MAX = 16 * 1024 * 1024,
    MEMORY_TRIES_MAX = 200
};

#define LETTER      "Subject: hello\r\n\r\nHello\r\n"
#define LETTER_SIZE 25

static int set_up(void **state)
{
    static const struct house_wish wish = {.imap = &imap_session_listener_face};
    *state = house_open(&wish);
    return 0;
}

static struct caller call(struct house *house)
{
    struct caller caller = house_call(house, HOUSE_IMAP);
    setsockopt(caller.descriptor, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    caller_command(&caller, "LOGIN ann@home.example secret", "OK");
    caller_command(&caller, "ENABLE IMAP4rev2", "OK");
    return caller;
}

static void expect(struct caller *caller, const char *command, const char *status,
                   const char *expected)
{
    const char *reply = caller_command(caller, command, status);
    size_t length = strlen(expected);
    if (strncmp(reply, expected, length) != 0 || reply[length] != 't' ||
        strchr(reply + length, '\n')[1] != '\0')
        fail_msg("%s: \"%s\", not \"%s\"", command, reply, expected);
}

static void flags_and_dates_are_kept(void **state)
{
    struct caller caller = call(*state);
    caller_command(&caller, "SELECT INBOX", "OK");
    const char *reply = caller_command(
        &caller, "APPEND INBOX (\\Seen $Work) \"17-Jul-1996 02:44:25 -0700\" {25+}\r\n" LETTER,
        "OK [APPENDUID ");
    assert_non_null(strstr(reply, "* 1 EXISTS\r\n"));
    assert_non_null(strstr(reply, " 1] "));
    expect(&caller, "FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE)", "OK",
           "* 1 FETCH (FLAGS (\\Seen $Work) INTERNALDATE \"17-Jul-1996 09:44:25 +0000\" "
           "RFC822.SIZE 25)\r\n");
    expect(&caller, "FETCH 1 BODY.PEEK[]", "OK", "* 1 FETCH (BODY[] {25}\r\n" LETTER ")\r\n");
    caller_hang_up(&caller);
    house_check(*state);
}

static void the_bytes_are_asked_for(void **state)
{
    struct caller caller = call(*state);
    caller_ask(&caller, "a APPEND Drafts (\\Draft) {25}\r\n", "+ ");
    caller_say(&caller, LETTER);
    caller_ask(&caller, "\r\n", "a OK [APPENDUID ");
    /* A mailbox that is not there is said before. */
    caller_ask(&caller, "b APPEND Nowhere {25}\r\n", "b NO [TRYCREATE]");
    caller_ask(&caller, "c APPEND Nowhere {25+}\r\n" LETTER "\r\n", "c NO [TRYCREATE]");
    caller_ask(&caller, "d NOOP\r\n", "d OK");
    caller_hang_up(&caller);
    house_check(*state);
}

/* RFC 5322 2.3. A bare CR is a byte like any other, and a literal8 is kept as it came. */
static void bare_line_feeds_become_line_ends(void **state)
{
    struct caller caller = call(*state);
    caller_command(&caller, "SELECT INBOX", "OK");
    caller_command(&caller, "APPEND INBOX {19+}\r\n\nS: a\n\r\n\nb\rc\r\r\n\n\nde", "OK");
    expect(&caller, "FETCH 1 (RFC822.SIZE BODY.PEEK[])", "OK",
           "* 1 FETCH (RFC822.SIZE 24 BODY[] {24}\r\n"
           "\r\nS: a\r\n\r\n\r\nb\rc\r\r\n\r\n\r\nde)\r\n");
    caller_command(&caller, "APPEND INBOX ~{9+}\r\nS: a\n\nb\r\n", "OK");
    expect(&caller, "FETCH 2 (RFC822.SIZE BODY.PEEK[])", "OK",
           "* 2 FETCH (RFC822.SIZE 9 BODY[] {9}\r\nS: a\n\nb\r\n)\r\n");
    caller_hang_up(&caller);
    house_check(*state);
}

/* In pieces, the CR and its LF apart. */
static void line_feeds_are_found_between_pieces(void **state)
{
    struct caller caller = call(*state);
    caller_command(&caller, "SELECT INBOX", "OK");
    caller_say(&caller, "a APPEND INBOX {13+}\r\n");
    for (const char *letter = "S: a\r\n\nb\n\rc\r\n"; *letter != '\0'; letter++)
        caller_say_bytes(&caller, bytes_of(letter, 1));
    caller_ask(&caller, "\r\n", "* 1 EXISTS");
    caller_hear_until(&caller, "a OK");
    expect(&caller, "FETCH 1 (RFC822.SIZE BODY.PEEK[])", "OK",
           "* 1 FETCH (RFC822.SIZE 15 BODY[] {15}\r\nS: a\r\n\r\nb\r\n\rc\r\n)\r\n");
    caller_hang_up(&caller);
    house_check(*state);
}

/* RFC 3502: all or none. */
static void several_at_once(void **state)
{
    struct caller caller = call(*state);
    caller_command(&caller, "SELECT INBOX", "OK");
    const char *reply = caller_command(&caller,
                                       "APPEND INBOX (\\Seen) {25+}\r\n" LETTER
                                       " (\\Flagged) {25+}\r\n" LETTER " {25+}\r\n" LETTER,
                                       "OK [APPENDUID ");
    assert_non_null(strstr(reply, " 1:3] "));
    assert_non_null(strstr(reply, "* 3 EXISTS\r\n"));
    expect(&caller, "FETCH 1:3 FLAGS", "OK",
           "* 1 FETCH (FLAGS (\\Seen))\r\n* 2 FETCH (FLAGS (\\Flagged))\r\n"
           "* 3 FETCH (FLAGS ())\r\n");
    caller_ask(&caller, "x APPEND INBOX {25+}\r\n" LETTER " (\\Nonsense) {25+}\r\n" LETTER "\r\n",
               "x BAD");
    caller_command(&caller, "SELECT INBOX", "OK");
    expect(&caller, "FETCH * UID", "OK", "* 3 FETCH (UID 3)\r\n");
    caller_hang_up(&caller);
    house_check(*state);
}

static void a_quota_is_said_before_the_bytes(void **state)
{
    struct caller caller = call(*state);
    house_set_quota(*state, "ann@home.example", 1000, 2);
    caller_ask(&caller, "a APPEND INBOX {1001}\r\n", "a NO [OVERQUOTA]");
    caller_command(&caller, "APPEND INBOX {25+}\r\n" LETTER, "OK");
    caller_ask(&caller, "b APPEND INBOX {25+}\r\n" LETTER " {25}\r\n", "b NO [OVERQUOTA]");
    caller_command(&caller, "APPEND INBOX {25+}\r\n" LETTER, "OK");
    caller_ask(&caller, "c APPEND INBOX {25}\r\n", "c NO [OVERQUOTA]");
    caller_hang_up(&caller);
    house_check(*state);
}

static char *make_large(void)
{
    char *text = malloc(LARGE_SIZE);
    assert_non_null(text);
    for (size_t i = 0; i < LARGE_SIZE; i++)
        text[i] = "abcdefghijklmnopqrstuvwxyz 12\r\n"[i % 31];
    memcpy(text, LETTER, LETTER_SIZE);
    return text;
}

static void large_ones_are_written_out(void **state)
{
    AUTO(buffer)
    command = BUFFER(COMMAND_MAX);
    char *text = make_large();
    struct caller caller = call(*state);
    buffer_append_string(&command, "APPEND INBOX");
    for (int i = 0; i < 3; i++) {
        buffer_append_format(&command, " {%d+}\r\n", i == 1 ? LETTER_SIZE : LARGE_SIZE);
        buffer_append(&command, bytes_of(text, i == 1 ? LETTER_SIZE : LARGE_SIZE));
    }
    const char *reply = caller_command(&caller, buffer_string(&command), "OK [APPENDUID ");
    assert_non_null(strstr(reply, " 1:3] "));
    caller_hang_up(&caller);
    for (size_t i = 0; i < 3; i++) {
        char *kept = house_message(*state, "ann@home.example", i);
        assert_int_equal(strlen(kept), i == 1 ? LETTER_SIZE : LARGE_SIZE);
        assert_memory_equal(kept, text, strlen(kept));
        free(kept);
    }
    free(text);
    house_check(*state);
}

/* In the middle of a message, behind it, and while it is kept. */
static void who_goes_leaves_nothing_behind(void **state)
{
    char *text = make_large();
    for (int i = 0; i < 12; i++) {
        struct caller caller = call(*state);
        struct sqlite3 *lock = i % 4 == 3 ? house_lock(*state) : NULL;
        caller_say(&caller,
                   i % 4 == 0 ? "a APPEND INBOX {3000000+}\r\n" : "a APPEND INBOX {25+}\r\n");
        if (i % 4 == 0)
            caller_say_bytes(&caller, bytes_of(text, (size_t)LARGE_SIZE / 2));
        else
            caller_say(&caller, LETTER);
        if (i % 4 >= 2)
            caller_say(&caller, "\r\n");
        caller_reset(&caller);
        if (lock != NULL)
            house_unlock(lock);
    }
    free(text);
    struct caller caller = call(*state);
    caller_command(&caller, "APPEND INBOX {25+}\r\n" LETTER, "OK");
    caller_hang_up(&caller);
    house_check(*state);
}

static void one_after_another(void **state)
{
    struct caller caller = call(*state);
    caller_command(&caller, "SELECT Archive", "OK");
    for (int i = 1; i <= MANY; i++) {
        char exists[40];
        snprintf(exists, sizeof exists, "* %d EXISTS\r\n", i);
        const char *reply = caller_command(&caller, "APPEND Archive {25+}\r\n" LETTER, "OK");
        assert_non_null(strstr(reply, exists));
    }
    caller_hang_up(&caller);
    house_check(*state);
}

static void a_store_that_cannot_write_is_said(void **state)
{
    struct caller caller = call(*state);
    struct sqlite3 *lock = house_lock(*state);
    caller_ask(&caller, "a APPEND INBOX {25+}\r\n" LETTER "\r\n", "a NO [UNAVAILABLE]");
    house_unlock(lock);
    caller_command(&caller, "APPEND INBOX {25+}\r\n" LETTER, "OK [APPENDUID ");
    caller_hang_up(&caller);
    assert_int_equal(house_count(*state, "ann@home.example"), 1);
    house_check(*state);
}

/* A server without memory may go in the middle. */
static void say_while_heard(struct caller *caller, struct bytes bytes)
{
    while (bytes.length > 0) {
        ssize_t count = send(caller->descriptor, bytes.data, bytes.length, MSG_NOSIGNAL);
        if (count <= 0)
            return;
        bytes = bytes_skip(bytes, (size_t)count);
    }
}

static void memory_may_end_anywhere(void **state)
{
    struct house *house = *state;
    char *text = make_large();
    bool has_failed = true;
    size_t kept = 0;
    for (size_t i = 0; has_failed && i < MEMORY_TRIES_MAX; i++) {
        struct caller caller = call(house);
        house_take_memory(house, i);
        say_while_heard(&caller, BYTES("a APPEND INBOX ($Work) {25+}\r\n" LETTER " {300000+}\r\n"));
        say_while_heard(&caller, bytes_of(text, 300 * 1000));
        say_while_heard(&caller, BYTES("\r\nb LOGOUT\r\n"));
        while (caller_hear_code(&caller) != 0)
            continue;
        has_failed = house_restore_memory(house);
        caller_hang_up(&caller);
        /* What was asked for by a session that ended may come later, but never by halves. */
        size_t count = house_count(house, "ann@home.example");
        assert_true(count >= kept && count % 2 == 0);
        kept = count;
    }
    assert_false(has_failed);
    assert_true(kept >= 2);
    free(text);
    house_check(house);
}

#define HOUSE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, house_tear_down)

static const struct CMUnitTest tests[] = {
    HOUSE_TEST(flags_and_dates_are_kept),
    HOUSE_TEST(the_bytes_are_asked_for),
    HOUSE_TEST(bare_line_feeds_become_line_ends),
    HOUSE_TEST(line_feeds_are_found_between_pieces),
    HOUSE_TEST(several_at_once),
    HOUSE_TEST(a_quota_is_said_before_the_bytes),
    HOUSE_TEST(large_ones_are_written_out),
    HOUSE_TEST(who_goes_leaves_nothing_behind),
    HOUSE_TEST(one_after_another),
    HOUSE_TEST(a_store_that_cannot_write_is_said),
    HOUSE_TEST(memory_may_end_anywhere),
};

UNIT_MAIN(tests)
