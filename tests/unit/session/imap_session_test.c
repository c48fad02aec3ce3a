/* What a session tells who comes back, whom it is \Recent for, and when it must end: in a whole
 * server. */
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "session/session_house.h"
#include "store/store_accounts.h"
#include "store/store_news.h"

enum {
    COMMAND_MAX = 64 * 1024
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
    caller_command(&caller, "LOGIN ann@home.example secret", "OK");
    if (enable != NULL)
        caller_command(&caller, enable, "OK");
    if (select != NULL)
        caller_command(&caller, select, "OK");
    return caller;
}

static void put(struct caller *caller, size_t count)
{
    AUTO(buffer)
    command = BUFFER(COMMAND_MAX);
    buffer_append_string(&command, "APPEND INBOX");
    for (size_t i = 0; i < count; i++)
        buffer_append_string(&command, " {15+}\r\nSubject: x\r\n\r\nx");
    caller_command(caller, buffer_string(&command), "OK");
}

static uint64_t number_behind(const char *reply, const char *name)
{
    const char *found = strstr(reply, name);
    if (found == NULL)
        fail_msg("\"%s\" is not in %s", name, reply);
    return strtoull(found + strlen(name), NULL, 10);
}

/* ---- QRESYNC ---- */

/* What a client knows of the INBOX. */
struct known {
    unsigned long long uidvalidity;
    unsigned long long modseq;
};

static struct known learn(struct caller *caller)
{
    const char *reply = caller_command(caller, "STATUS INBOX (UIDVALIDITY HIGHESTMODSEQ)", "OK");
    return (struct known){number_behind(reply, "UIDVALIDITY "),
                          number_behind(reply, "HIGHESTMODSEQ ")};
}

/* SELECT with what is known; `rest` stands behind the modseq. The line of VANISHED is expected,
   NULL = none. */
static void expect_vanished(struct caller *caller, const struct known *known, const char *rest,
                            const char *expected)
{
    char command[200];
    snprintf(command, sizeof command, "SELECT INBOX (QRESYNC (%llu %llu%s))", known->uidvalidity,
             known->modseq, rest);
    const char *reply = caller_command(caller, command, "OK [READ-WRITE]");
    const char *line = strstr(reply, "* VANISHED ");
    if ((expected == NULL) != (line == NULL) ||
        (line != NULL && strncmp(line, expected, strlen(expected)) != 0))
        fail_msg("%s: \"%s\", not \"%s\"", command, reply, expected == NULL ? "" : expected);
}

/* RFC 7162 3.2.5, 3.2.5.2 */
static void who_comes_back_hears_what_went(void **state)
{
    struct caller caller = call(*state, "ENABLE QRESYNC", "SELECT INBOX");
    put(&caller, 10);
    caller_command(&caller, "STORE 3 +FLAGS.SILENT \\Deleted", "OK");
    caller_command(&caller, "EXPUNGE", "OK");
    struct known known = learn(&caller);
    caller_command(&caller, "UID STORE 5,8 +FLAGS.SILENT \\Deleted", "OK");
    caller_command(&caller, "EXPUNGE", "OK");

    expect_vanished(&caller, &known, "", "* VANISHED (EARLIER) 5,8\r\n");
    expect_vanished(&caller, &known, " 1:6", "* VANISHED (EARLIER) 5\r\n");
    /* The client's third message is still the third. */
    expect_vanished(&caller, &known, " 1:10 (3,4 4,5)", "* VANISHED (EARLIER) 5,8\r\n");
    /* Whoever has the right numbers behind what went knows of it. */
    expect_vanished(&caller, &known, " (4 6)", "* VANISHED (EARLIER) 8\r\n");
    expect_vanished(&caller, &known, " (7 10)", NULL);
    /* Another UIDVALIDITY: nothing of what it knows is there. */
    known.uidvalidity++;
    expect_vanished(&caller, &known, "", NULL);
    caller_hang_up(&caller);
    house_check(*state);
}

/* RFC 7162 3.2.5.2, 3.2.10.1: then it is every UID that is not there, but for what the client shows
   to know. */
static void who_was_away_too_long_hears_of_all_that_is_not_there(void **state)
{
    struct caller caller = call(*state, "ENABLE QRESYNC", "SELECT INBOX");
    put(&caller, 10);
    caller_command(&caller, "STORE 3 +FLAGS.SILENT \\Deleted", "OK");
    caller_command(&caller, "EXPUNGE", "OK");
    struct known known = learn(&caller);
    caller_command(&caller, "UID STORE 5,8 +FLAGS.SILENT \\Deleted", "OK");
    caller_command(&caller, "EXPUNGE", "OK");
    caller_command(&caller, "UNSELECT", "OK");
    house_execute(*state, "DELETE FROM vanished");
    house_execute(*state, "UPDATE mailbox SET vanished_floor = modseq WHERE name = 'INBOX'");

    expect_vanished(&caller, &known, "", "* VANISHED (EARLIER) 3,5,8\r\n");
    expect_vanished(&caller, &known, " 4:9", "* VANISHED (EARLIER) 5,8\r\n");
    expect_vanished(&caller, &known, " 1:10 (1:3,5,8 1,2,4,6,9)", "* VANISHED (EARLIER) 5,8\r\n");
    expect_vanished(&caller, &known, " 1:10 (3:6 4,6:7,9)", NULL);
    /* All that was changed since is told, whatever is known of what went. */
    caller_command(&caller, "STORE 1 +FLAGS.SILENT \\Seen", "OK");
    char command[200];
    snprintf(command, sizeof command, "SELECT INBOX (QRESYNC (%llu %llu 1:10 (7 10)))",
             known.uidvalidity, known.modseq);
    const char *reply = caller_command(&caller, command, "OK");
    assert_null(strstr(reply, "VANISHED"));
    assert_non_null(strstr(reply, "* 1 FETCH (UID 1 FLAGS (\\Seen"));
    assert_null(strstr(reply, "* 2 FETCH"));
    caller_hang_up(&caller);
    house_check(*state);
}

/* ---- \Recent ---- */

static void expect(struct caller *caller, const char *command, const char *part)
{
    const char *reply = caller_command(caller, command, "OK");
    if (strstr(reply, part) == NULL)
        fail_msg("%s: \"%s\" has no \"%s\"", command, reply, part);
}

/* RFC 3501 2.3.2 */
static void recent_is_told_to_one_session(void **state)
{
    struct caller first = call(*state, NULL, "SELECT INBOX");
    struct caller second = call(*state, NULL, "SELECT INBOX");
    struct caller beside = call(*state, NULL, NULL);
    put(&beside, 3);
    expect(&beside, "STATUS INBOX (RECENT)", "(RECENT 3)");
    expect(&first, "NOOP", "* 3 EXISTS\r\n* 3 RECENT\r\n");
    expect(&second, "NOOP", "* 3 EXISTS\r\n* 0 RECENT\r\n");
    expect(&first, "FETCH 1 FLAGS", "(FLAGS (\\Recent))");
    expect(&second, "FETCH 1 FLAGS", "(FLAGS ())");
    expect(&beside, "STATUS INBOX (RECENT)", "(RECENT 0)");
    put(&beside, 1);
    expect(&second, "NOOP", "* 4 EXISTS\r\n* 1 RECENT\r\n");
    expect(&first, "NOOP", "* 4 EXISTS\r\n* 3 RECENT\r\n");
    expect(&beside, "SELECT INBOX", "* 0 RECENT\r\n");
    caller_hang_up(&second);
    /* What is told is kept when the session ends, and nobody is told meanwhile. */
    caller_command(&first, "UNSELECT", "OK");
    caller_command(&beside, "UNSELECT", "OK");
    expect(&first, "SELECT INBOX", "* 0 RECENT\r\n");
    caller_hang_up(&first);
    caller_hang_up(&beside);
    house_check(*state);
}

/* RFC 3501 6.3.2, 6.3.10 */
static void who_only_looks_leaves_them_recent(void **state)
{
    struct caller beside = call(*state, NULL, NULL);
    struct caller looking = call(*state, NULL, "EXAMINE INBOX");
    struct caller rev2 = call(*state, "ENABLE IMAP4rev2", "SELECT INBOX");
    put(&beside, 4);
    expect(&looking, "NOOP", "* 4 EXISTS\r\n* 4 RECENT\r\n");
    expect(&rev2, "NOOP", "* 4 EXISTS\r\n");
    expect(&rev2, "STORE 2 +FLAGS.SILENT \\Deleted", "OK");
    expect(&rev2, "EXPUNGE", "* 2 EXPUNGE");
    expect(&beside, "STATUS INBOX (RECENT)", "(RECENT 3)");
    expect(&beside, "LIST \"\" INBOX RETURN (STATUS (RECENT))", "(RECENT 3)");
    expect(&looking, "EXAMINE INBOX", "* 3 RECENT\r\n");
    expect(&beside, "SELECT INBOX", "* 3 RECENT\r\n");
    expect(&looking, "EXAMINE INBOX", "* 0 RECENT\r\n");
    caller_hang_up(&beside);
    caller_hang_up(&looking);
    caller_hang_up(&rev2);
    house_check(*state);
}

/* ---- accounts ---- */

static int set_up_for_two(void **state)
{
    static const struct house_wish wish = {.imap = &imap_session_listener_face,
                                           .limits = {.account_sessions = 2}};
    *state = house_open(&wish);
    return 0;
}

static void an_account_has_so_many_sessions(void **state)
{
    struct caller first = call(*state, NULL, NULL);
    struct caller second = call(*state, NULL, NULL);
    struct caller third = house_call(*state, HOUSE_IMAP);
    caller_command(&third, "LOGIN ann@home.example secret", "NO [LIMIT]");
    caller_command(&third, "AUTHENTICATE PLAIN AGFubkBob21lLmV4YW1wbGUAc2VjcmV0", "NO [LIMIT]");
    assert_true(house_log_has(*state, "imap.too-many-sessions"));
    caller_command(&third, "LOGIN bob@home.example secret", "OK");
    caller_command(&first, "LOGOUT", "OK");
    caller_hear_end(&first);
    house_wait_for_log(*state, "imap.closed");
    struct caller fourth = call(*state, NULL, "SELECT INBOX");
    caller_hang_up(&first);
    caller_hang_up(&second);
    caller_hang_up(&third);
    caller_hang_up(&fourth);
    house_check(*state);
}

static void tell_gone(struct house *house, const char *login)
{
    struct store_account account;
    bool is_found = false;
    assert_true(
        store_account_find(house->reader, bytes_from_string(login), &account, &is_found, NULL) &&
        is_found);
    store_news_publish(house->store,
                       &(struct store_news){.kind = STORE_NEWS_GONE, .mailbox = account.id});
}

static void sessions_of_an_account_that_goes_end(void **state)
{
    struct caller idle = call(*state, NULL, "SELECT INBOX");
    struct caller quiet = call(*state, NULL, NULL);
    struct caller reading = house_call(*state, HOUSE_POP3);
    struct caller other = house_call(*state, HOUSE_IMAP);
    caller_command(&other, "LOGIN bob@home.example secret", "OK");
    caller_ask(&reading, "USER ann@home.example\r\n", "+OK");
    caller_ask(&reading, "PASS secret\r\n", "+OK");
    caller_say(&idle, "i IDLE\r\n");
    caller_hear(&idle, "+ ");
    tell_gone(*state, "ann@home.example");
    caller_hear(&idle, "* BYE [CONTACTADMIN] ");
    caller_hear_end(&idle);
    caller_hear(&quiet, "* BYE [CONTACTADMIN] ");
    caller_hear_end(&quiet);
    caller_hear_end(&reading);
    caller_command(&other, "NOOP", "OK");
    caller_hang_up(&idle);
    caller_hang_up(&quiet);
    caller_hang_up(&reading);
    caller_hang_up(&other);
    house_check(*state);
}

#define HOUSE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, house_tear_down)

static const struct CMUnitTest tests[] = {
    HOUSE_TEST(who_comes_back_hears_what_went),
    HOUSE_TEST(who_was_away_too_long_hears_of_all_that_is_not_there),
    HOUSE_TEST(recent_is_told_to_one_session),
    HOUSE_TEST(who_only_looks_leaves_them_recent),
    cmocka_unit_test_setup_teardown(an_account_has_so_many_sessions, set_up_for_two,
                                    house_tear_down),
    HOUSE_TEST(sessions_of_an_account_that_goes_end),
};

UNIT_MAIN(tests)
