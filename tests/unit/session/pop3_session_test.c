/* POP3 sessions over real sockets, loops and workers, and a store in a file. */
#include "session/pop3_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/buffer.h"
#include "sasl/sasl_scram.h"
#include "session/session_letters.h"

enum {
    MANY = 300,
    LARGE = 700 * 1024,
    TRIES_MAX = 20000
};

/* ---- what lies in the mailbox ---- */

/* Message i of many: of a size of its own, the number in its first line. */
static struct bytes make_text(size_t i, char *memory, size_t size)
{
    int length = snprintf(memory, size, "Subject: %zu\r\n\r\n", i);
    for (size_t line = 0; line < i % 40; line++)
        length += snprintf(memory + length, size - (size_t)length, "Line %zu of %zu.\r\n", line, i);
    return bytes_of(memory, (size_t)length);
}

static void put_many(struct house *house, char (*memory)[2048], struct bytes *texts)
{
    for (size_t i = 0; i < MANY; i++)
        texts[i] = make_text(i, memory[i], sizeof memory[i]);
    letters_put(house, texts, MANY);
}

/* ---- clients ---- */

static void log_in(struct caller *caller, const char *start)
{
    caller_ask(caller, "USER ann@home.example\r\n", "+OK");
    caller_ask(caller, "PASS secret\r\n", start);
}

static struct caller call_as_ann(struct house *house)
{
    struct caller caller = house_call(house, HOUSE_POP3);
    log_in(&caller, "+OK Welcome");
    return caller;
}

/* Somebody else's session may take a moment to end: until then it says [IN-USE]. */
static struct caller call_until_free(struct house *house)
{
    for (int i = 0; i < TRIES_MAX; i++) {
        struct caller caller = house_call(house, HOUSE_POP3);
        caller_ask(&caller, "USER ann@home.example\r\n", "+OK");
        const char *reply = caller_ask(&caller, "PASS secret\r\n", "");
        if (reply[0] == '+')
            return caller;
        assert_int_equal(strncmp(reply, "-ERR [IN-USE]", 13), 0);
        caller_hang_up(&caller);
    }
    fail_msg("the mailbox stays in use");
    return (struct caller){.descriptor = -1};
}

static void hear_text(struct caller *caller, struct bytes text)
{
    char *memory = malloc(text.length + 1);
    assert_non_null(memory);
    caller_read(caller, memory, text.length);
    assert_memory_equal(memory, text.data, text.length);
    free(memory);
}

/* The reply to RETR of a text without dots at the start of lines. */
static void hear_message(struct caller *caller, struct bytes text)
{
    caller_hear(caller, "+OK The message follows\r\n");
    hear_text(caller, bytes_from_string(letters_prefix));
    hear_text(caller, text);
    hear_text(caller, BYTES(".\r\n"));
}

static void quit(struct caller *caller)
{
    caller_ask(caller, "QUIT\r\n", "+OK Bye");
    caller_hear_end(caller);
    caller_hang_up(caller);
}

/* ---- tests ---- */

static void serves_a_whole_session(void **state)
{
    struct house *house = *state;
    letters_put_one(house, "Subject: 1\r\n\r\n.\r\n..x\r\nbare\nend");
    letters_put_one(house, "Subject: 2\r\n\r\na\r\nb\r\n");
    struct caller caller = call_as_ann(house);
    caller_ask(&caller, "STAT\r\n", "+OK 2 ");
    caller_ask(&caller, "RETR 1\r\n", "+OK");
    hear_text(&caller, bytes_from_string(letters_prefix));
    hear_text(&caller, BYTES("Subject: 1\r\n\r\n..\r\n...x\r\nbare\r\nend\r\n.\r\n"));
    caller_ask(&caller, "TOP 2 1\r\n", "+OK");
    hear_text(&caller, bytes_from_string(letters_prefix));
    hear_text(&caller, BYTES("Subject: 2\r\n\r\na\r\n.\r\n"));
    caller_ask(&caller, "UIDL 2\r\n", "+OK 2 ");
    caller_ask(&caller, "DELE 1\r\n", "+OK");
    caller_ask(&caller, "RETR 1\r\n", "-ERR");
    quit(&caller);
    assert_int_equal(house_count(house, "ann@home.example"), 1);
    caller = call_as_ann(house);
    caller_ask(&caller, "RETR 1\r\n", "+OK");
    hear_text(&caller, bytes_from_string(letters_prefix));
    hear_text(&caller, BYTES("Subject: 2\r\n\r\na\r\nb\r\n.\r\n"));
    quit(&caller);
    house_wait_for_log(house, "event=pop3.login ");
    house_wait_for_log(house, "removed=1");
    assert_false(house_log_has(house, "secret"));
}

static void unique_ids_stay(void **state)
{
    struct house *house = *state;
    char first[64];
    letters_put_one(house, "1\r\n");
    letters_put_one(house, "2\r\n");
    struct caller caller = call_as_ann(house);
    snprintf(first, sizeof first, "%s", caller_ask(&caller, "UIDL 2\r\n", "+OK 2 "));
    caller_ask(&caller, "DELE 1\r\n", "+OK");
    quit(&caller);
    caller = call_as_ann(house);
    assert_string_equal(caller_ask(&caller, "UIDL 1\r\n", "+OK 1 ") + 6, first + 6);
    quit(&caller);
}

static void speaks_tls(void **state)
{
    struct house *house = *state;
    letters_put_one(house, "Subject: x\r\n\r\nx\r\n");
    struct caller caller = house_call(house, HOUSE_POP3S);
    caller_ask(&caller, "STLS\r\n", "-ERR");
    log_in(&caller, "+OK Welcome: 1 messages");
    caller_ask(&caller, "RETR 1\r\n", "+OK");
    hear_text(&caller, bytes_from_string(letters_prefix));
    hear_text(&caller, BYTES("Subject: x\r\n\r\nx\r\n.\r\n"));
    quit(&caller);
    caller = house_call(house, HOUSE_POP3);
    caller_ask(&caller, "STLS\r\n", "+OK");
    caller_start_tls(&caller);
    /* "\0ann@home.example\0secret" */
    caller_ask(&caller, "AUTH PLAIN AGFubkBob21lLmV4YW1wbGUAc2VjcmV0\r\n", "+OK Welcome");
    quit(&caller);
}

static void tells_wrong_logins(void **state)
{
    struct house *house = *state;
    struct caller caller = house_call(house, HOUSE_POP3);
    caller_ask(&caller, "AUTH PLAIN\r\n", "+ \r\n");
    caller_ask(&caller, "*\r\n", "-ERR");
    caller_ask(&caller, "AUTH PLAIN bm9uc2Vuc2U=\r\n", "-ERR That is no message");
    caller_ask(&caller, "AUTH GUESS\r\n", "-ERR No such mechanism");
    caller_ask(&caller, "USER ann@home.example\r\n", "+OK");
    caller_ask(&caller, "PASS wrong\r\n", "-ERR [AUTH]");
    caller_hang_up(&caller);
    /* Left while a worker, or the throttle, has it. */
    caller = house_call(house, HOUSE_POP3);
    caller_say(&caller, "USER ann@home.example\r\nPASS wrong\r\n");
    caller_reset(&caller);
    house_wait_for_log(house, "event=pop3.closed");
}

/* Walks SCRAM up to the server's last word, which stands behind a plus and waits for `last`. */
static void log_in_by_scram(struct caller *caller, const char *last, const char *start)
{
    const struct sasl_scram_login login = {
        .digest = "SHA256", .user = "ann@home.example", .password = "secret"};
    struct sasl_scram *scram = sasl_scram_new(&login, NULL);
    AUTO(buffer)
    challenge = BUFFER(SASL_SCRAM_MESSAGE_MAX);
    AUTO(buffer)
    response = BUFFER(SASL_SCRAM_MESSAGE_MAX);
    AUTO(buffer)
    line = BUFFER(2 * SASL_SCRAM_MESSAGE_MAX);
    assert_true(sasl_scram_step(scram, BYTES(""), &response, NULL));
    buffer_append_string(&line, "AUTH SCRAM-SHA-256 ");
    while (!sasl_scram_is_finished(scram)) {
        base64_encode(buffer_bytes(&response), &line);
        buffer_append_string(&line, "\r\n");
        const char *reply = caller_ask(caller, buffer_string(&line), "+ ");
        buffer_reset(&challenge);
        buffer_reset(&response);
        buffer_reset(&line);
        assert_true(base64_decode(bytes_trim_end(bytes_from_string(reply + 2)), &challenge));
        assert_true(sasl_scram_step(scram, buffer_bytes(&challenge), &response, NULL));
    }
    assert_int_equal(response.length, 0);
    caller_ask(caller, last, start);
    sasl_scram_free(scram);
}

static void logs_in_by_scram(void **state)
{
    struct house *house = *state;
    struct caller caller = house_call(house, HOUSE_POP3);
    log_in_by_scram(&caller, "*\r\n", "-ERR");
    log_in_by_scram(&caller, "QUJD\r\n", "-ERR An empty response");
    caller_ask(&caller, "STAT\r\n", "-ERR Log in first");
    log_in_by_scram(&caller, "\r\n", "+OK Welcome");
    quit(&caller);
}

static void one_session_has_the_mailbox(void **state)
{
    struct house *house = *state;
    struct caller first = call_as_ann(house);
    struct caller second = house_call(house, HOUSE_POP3);
    log_in(&second, "-ERR [IN-USE]");
    /* It is a mailbox that is locked, not all of them. */
    caller_ask(&second, "USER bob@home.example\r\n", "+OK");
    caller_ask(&second, "PASS secret\r\n", "+OK");
    quit(&second);
    /* Free from the moment when the client may know it. */
    caller_ask(&first, "QUIT\r\n", "+OK");
    second = call_as_ann(house);
    caller_hang_up(&first);
    caller_reset(&second);
    first = call_until_free(house);
    quit(&first);
    house_wait_for_log(house, "event=pop3.in-use ");
}

static void what_was_not_quit_deletes_nothing(void **state)
{
    struct house *house = *state;
    letters_put_one(house, "1\r\n");
    letters_put_one(house, "2\r\n");
    struct caller caller = call_as_ann(house);
    caller_ask(&caller, "DELE 1\r\nDELE 2\r\n", "+OK");
    caller_hear(&caller, "+OK");
    caller_reset(&caller);
    caller = call_until_free(house);
    caller_ask(&caller, "STAT\r\n", "+OK 2 ");
    caller_ask(&caller, "DELE 2\r\n", "+OK");
    caller_hang_up(&caller);
    caller = call_until_free(house);
    caller_ask(&caller, "STAT\r\n", "+OK 2 ");
    quit(&caller);
    assert_int_equal(house_count(house, "ann@home.example"), 2);
}

static void reads_many_one_by_one_and_pipelined(void **state)
{
    struct house *house = *state;
    static char memory[MANY][2048];
    static struct bytes texts[MANY];
    put_many(house, memory, texts);
    struct caller caller = call_as_ann(house);
    char command[32];
    for (size_t i = 0; i < MANY; i++) {
        snprintf(command, sizeof command, "RETR %zu\r\n", i + 1);
        caller_say(&caller, command);
        hear_message(&caller, texts[i]);
    }
    for (size_t i = 0; i < MANY; i++) {
        snprintf(command, sizeof command, "RETR %zu\r\n", i + 1);
        caller_say(&caller, command);
    }
    for (size_t i = 0; i < MANY; i++)
        hear_message(&caller, texts[i]);
    /* Backwards and with holes: what was read ahead does not get in the way. */
    for (size_t i = MANY; i > 0; i -= i > 7 ? 7 : i) {
        snprintf(command, sizeof command, "RETR %zu\r\n", i);
        caller_say(&caller, command);
        hear_message(&caller, texts[i - 1]);
    }
    for (size_t i = 0; i < MANY; i += 3) {
        snprintf(command, sizeof command, "RETR %zu\r\nDELE %zu\r\n", i + 1, i + 1);
        caller_say(&caller, command);
        hear_message(&caller, texts[i]);
        caller_hear(&caller, "+OK");
    }
    quit(&caller);
    assert_int_equal(house_count(house, "ann@home.example"), MANY - (MANY + 2) / 3);
    house_wait_for_log(house, "removed=100");
}

static char *make_large(void)
{
    char *text = malloc(LARGE + 1);
    assert_non_null(text);
    size_t length = (size_t)snprintf(text, LARGE, "Subject: large\r\n\r\n");
    while (length + 32 < LARGE)
        length += (size_t)snprintf(text + length, 32, "Line at %zu\r\n", length);
    text[length] = '\0';
    return text;
}

static void streams_large_messages(void **state)
{
    struct house *house = *state;
    char *text = make_large();
    letters_put_one(house, "small\r\n");
    letters_put_one(house, text);
    letters_put_one(house, "small, too\r\n");
    struct caller caller = call_as_ann(house);
    /* The client reads nothing for a while: others are served meanwhile. */
    caller_say(&caller, "RETR 2\r\nRETR 1\r\nTOP 2 3\r\nRETR 2\r\nRETR 3\r\n");
    struct caller other = house_call(house, HOUSE_POP3);
    caller_ask(&other, "USER bob@home.example\r\n", "+OK");
    caller_ask(&other, "PASS secret\r\n", "+OK");
    quit(&other);
    hear_message(&caller, bytes_from_string(text));
    hear_message(&caller, BYTES("small\r\n"));
    caller_hear(&caller, "+OK");
    hear_text(&caller, bytes_from_string(letters_prefix));
    const char *end = text;
    for (int i = 0; i < 5; i++)
        end = strchr(end, '\n') + 1;
    hear_text(&caller, bytes_of(text, (size_t)(end - text)));
    hear_text(&caller, BYTES(".\r\n"));
    hear_message(&caller, bytes_from_string(text));
    hear_message(&caller, BYTES("small, too\r\n"));
    quit(&caller);
    /* Left in the middle of it. */
    caller = call_as_ann(house);
    caller_ask(&caller, "RETR 2\r\n", "+OK");
    caller_reset(&caller);
    caller = call_until_free(house);
    quit(&caller);
    free(text);
}

static void tells_what_others_removed(void **state)
{
    struct house *house = *state;
    letters_put_one(house, "1\r\n");
    letters_put_one(house, "2\r\n");
    letters_put_one(house, "3\r\n");
    struct caller caller = call_as_ann(house);
    letters_remove(house, 2);
    caller_say(&caller, "RETR 1\r\n");
    hear_message(&caller, BYTES("1\r\n"));
    caller_ask(&caller, "RETR 2\r\n", "-ERR That message was removed");
    caller_say(&caller, "RETR 3\r\n");
    hear_message(&caller, BYTES("3\r\n"));
    caller_ask(&caller, "RETR 2\r\n", "-ERR That message was removed");
    /* To delete what is gone already is done. */
    caller_ask(&caller, "DELE 2\r\n", "+OK");
    quit(&caller);
    assert_int_equal(house_count(house, "ann@home.example"), 2);
}

static void a_store_in_trouble_is_temporary(void **state)
{
    struct house *house = *state;
    letters_put_one(house, "1\r\n");
    struct caller caller = call_as_ann(house);
    house_execute(house, "ALTER TABLE message RENAME TO message_away");
    caller_ask(&caller, "RETR 1\r\n", "-ERR [SYS/TEMP]");
    struct caller second = house_call(house, HOUSE_POP3);
    caller_ask(&second, "USER bob@home.example\r\n", "+OK");
    caller_ask(&second, "PASS secret\r\n", "-ERR [SYS/TEMP]");
    caller_ask(&caller, "DELE 1\r\n", "+OK");
    caller_ask(&caller, "QUIT\r\n", "-ERR [SYS/TEMP]");
    caller_hear_end(&caller);
    caller_hang_up(&caller);
    house_execute(house, "ALTER TABLE message_away RENAME TO message");
    /* On the same connection, and nothing is lost nor locked. */
    caller_ask(&second, "USER bob@home.example\r\n", "+OK");
    caller_ask(&second, "PASS secret\r\n", "+OK");
    quit(&second);
    caller = call_as_ann(house);
    caller_say(&caller, "RETR 1\r\n");
    hear_message(&caller, BYTES("1\r\n"));
    quit(&caller);
}

/* Hangs up behind each thing that can be said, with an answer still on its way. */
static void survives_callers_that_leave(void **state)
{
    struct house *house = *state;
    static const char *const steps[] = {"USER ann@home.example\r\n", "PASS secret\r\n", "LIST\r\n",
                                        "RETR 1\r\nRETR 2\r\n",      "DELE 1\r\n",      "QUIT\r\n"};
    enum {
        STEPS = sizeof steps / sizeof steps[0]
    };
    char *text = make_large();
    letters_put_one(house, text);
    letters_put_one(house, "2\r\n");
    for (size_t round = 0; round < 6; round++) {
        for (size_t last = 0; last + 1 < STEPS; last++) {
            struct caller caller = house_call(house, HOUSE_POP3);
            for (size_t i = 0; i <= last; i++)
                caller_say(&caller, steps[i]);
            if (round % 2 == 0)
                caller_reset(&caller);
            else
                caller_hang_up(&caller);
        }
    }
    struct caller caller = call_until_free(house);
    caller_ask(&caller, "STAT\r\n", "+OK 2 ");
    caller_ask(&caller, "DELE 2\r\n", "+OK");
    caller_say(&caller, "QUIT\r\n");
    caller_reset(&caller);
    caller = call_until_free(house);
    quit(&caller);
    free(text);
}

static void ends_when_the_server_does(void **state)
{
    struct house *house = *state;
    letters_put_one(house, "1\r\n");
    struct caller idle = house_call(house, HOUSE_POP3);
    struct caller busy = call_as_ann(house);
    caller_ask(&busy, "DELE 1\r\n", "+OK");
    house_stop(house);
    caller_hear(&idle, "-ERR [SYS/TEMP]");
    caller_hear_end(&idle);
    caller_hear(&busy, "-ERR [SYS/TEMP]");
    caller_hear_end(&busy);
    caller_hang_up(&idle);
    caller_hang_up(&busy);
    assert_int_equal(house_count(house, "ann@home.example"), 1);
}

static int set_up_with_limits(void **state)
{
    struct house_wish wish = {.limits = {.pop3 = {.errors = 2}}};
    *state = house_open(&wish);
    return 0;
}

static void keeps_the_limits_of_the_services(void **state)
{
    struct house *house = *state;
    struct caller caller = house_call(house, HOUSE_POP3);
    caller_ask(&caller, "ONE\r\n", "-ERR");
    caller_ask(&caller, "TWO\r\n", "-ERR");
    caller_hear_end(&caller);
    caller_hang_up(&caller);
    house_wait_for_log(house, "too many errors");
}

#define HOUSE_TEST(test) cmocka_unit_test_setup_teardown(test, house_set_up, house_tear_down)

static const struct CMUnitTest tests[] = {
    HOUSE_TEST(serves_a_whole_session),
    HOUSE_TEST(unique_ids_stay),
    HOUSE_TEST(speaks_tls),
    HOUSE_TEST(tells_wrong_logins),
    HOUSE_TEST(logs_in_by_scram),
    HOUSE_TEST(one_session_has_the_mailbox),
    HOUSE_TEST(what_was_not_quit_deletes_nothing),
    HOUSE_TEST(reads_many_one_by_one_and_pipelined),
    HOUSE_TEST(streams_large_messages),
    HOUSE_TEST(tells_what_others_removed),
    HOUSE_TEST(a_store_in_trouble_is_temporary),
    HOUSE_TEST(survives_callers_that_leave),
    HOUSE_TEST(ends_when_the_server_does),
    cmocka_unit_test_setup_teardown(keeps_the_limits_of_the_services, set_up_with_limits,
                                    house_tear_down),
};

UNIT_MAIN(tests)
