/* Logins through a session: every mechanism, channel bindings of both TLS versions, delays, and
 * callers that leave in the middle. */
#include "session/session_house.h"

#include <stdio.h>

#include "base/base64.h"
#include "base/clock.h"
#include "sasl/sasl_client.h"

enum {
    LINE_LIMIT = 4096
};

/* What the TLS of the caller binds to. */
static struct ph_tls_facts binding_of(struct caller *caller, unsigned char binding[64])
{
    struct ph_tls_facts facts = {.binding = binding};
    if (SSL_version(caller->ssl) == TLS1_3_VERSION) {
        facts.binding_name = "tls-exporter"; /* RFC 9266 */
        facts.binding_length = 32;
        assert_int_equal(SSL_export_keying_material(caller->ssl, binding, 32,
                                                    "EXPORTER-Channel-Binding", 24,
                                                    (const unsigned char *)"", 0, 1),
                         1);
    } else {
        facts.binding_name = "tls-unique"; /* RFC 5929 3: the client's Finished */
        facts.binding_length = SSL_session_reused(caller->ssl)
                                   ? SSL_get_peer_finished(caller->ssl, binding, 64)
                                   : SSL_get_finished(caller->ssl, binding, 64);
    }
    return facts;
}

static void say_coded(struct caller *caller, const char *before, struct bytes response)
{
    AUTO(buffer)
    line = BUFFER(LINE_LIMIT);
    buffer_append_string(&line, before);
    base64_encode(response, &line);
    buffer_append_string(&line, "\r\n");
    caller_say_bytes(caller, buffer_bytes(&line));
}

/* Logs in and gives the code of the reply. */
static int log_in(struct caller *caller, const char *mechanism, const char *user,
                  const char *password, unsigned char flip)
{
    unsigned char binding[64] = {0};
    struct ph_tls_facts facts = {0};
    if (caller->ssl != NULL)
        facts = binding_of(caller, binding);
    binding[0] ^= flip;
    struct ph_login login = {.user = user, .password = password, .allow_cleartext = true};
    struct sasl_place place = {.service = "smtp",
                               .host = "mx.home.example",
                               .is_encrypted = caller->ssl != NULL,
                               .facts = caller->ssl != NULL ? &facts : NULL};
    struct fault fault = {0};
    struct sasl_client *client = sasl_client_new(mechanism, &login, &place, &fault);
    if (client == NULL)
        fail_msg("%s", fault.message);
    AUTO(buffer)
    response = SECRET_BUFFER(LINE_LIMIT);
    char command[128];
    snprintf(command, sizeof(command), "AUTH %s%s", mechanism,
             sasl_client_speaks_first(client) ? " " : "");
    if (sasl_client_speaks_first(client))
        assert_true(sasl_client_step(client, (struct bytes){0}, &response, &fault));
    say_coded(caller, command, buffer_bytes(&response));
    int code;
    for (;;) {
        const char *reply = caller_hear(caller, "");
        code = atoi(reply);
        if (code != 334)
            break;
        AUTO(buffer)
        challenge = BUFFER(LINE_LIMIT);
        struct bytes text = bytes_trim(bytes_skip(bytes_from_string(reply), 4));
        assert_true(base64_decode(text, &challenge));
        buffer_reset(&response);
        if (!sasl_client_step(client, buffer_bytes(&challenge), &response, &fault))
            fail_msg("%s", fault.message);
        say_coded(caller, "", buffer_bytes(&response));
    }
    if (code == 235)
        assert_true(sasl_client_finish(client, &fault));
    sasl_client_free(client);
    return code;
}

static struct caller call_with_tls(struct house *house, int version)
{
    struct caller caller = house_call(house, HOUSE_SUBMISSION);
    caller.version = version;
    caller_ask(&caller, "EHLO client.example\r\n", "250 ");
    caller_ask(&caller, "STARTTLS\r\n", "220 ");
    caller_start_tls(&caller);
    caller_ask(&caller, "EHLO client.example\r\n", "250 ");
    return caller;
}

static void assert_logs_in(struct house *house, int version, const char *mechanism)
{
    struct caller caller = call_with_tls(house, version);
    int code = log_in(&caller, mechanism, "ann@home.example", "secret", 0);
    if (code != 235)
        fail_msg("%s: %d", mechanism, code);
    caller_ask(&caller, "MAIL FROM:<ann@home.example>\r\n", "250 ");
    caller_ask(&caller, "AUTH PLAIN\r\n", "503 ");
    caller_hang_up(&caller);
}

static void logs_in_by_every_mechanism(void **state)
{
    struct house *house = *state;
    static const char *const mechanisms[] = {"PLAIN", "LOGIN", "SCRAM-SHA-256"};
    for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++) {
        assert_logs_in(house, 0, mechanisms[i]);
        struct caller caller = house_call(house, HOUSE_CLEAR);
        caller_ask(&caller, "EHLO client.example\r\n", "250 ");
        assert_int_equal(log_in(&caller, mechanisms[i], "ann@home.example", "secret", 0), 235);
        caller_hang_up(&caller);
    }
}

static void binds_the_channel(void **state)
{
    struct house *house = *state;
    assert_logs_in(house, TLS1_3_VERSION, "SCRAM-SHA-256-PLUS");
    assert_logs_in(house, TLS1_2_VERSION, "SCRAM-SHA-256-PLUS");
}

static void refuses_another_channel(void **state)
{
    struct house *house = *state;
    struct caller caller = call_with_tls(house, 0);
    assert_int_equal(log_in(&caller, "SCRAM-SHA-256-PLUS", "ann@home.example", "secret", 1), 535);
    caller_ask(&caller, "MAIL FROM:<ann@home.example>\r\n", "530 ");
    caller_hang_up(&caller);
}

static void answers_unknown_and_wrong_alike(void **state)
{
    struct house *house = *state;
    static const char *const mechanisms[] = {"PLAIN", "SCRAM-SHA-256"};
    for (size_t i = 0; i < 2; i++) {
        struct caller caller = house_call(house, HOUSE_CLEAR);
        caller_ask(&caller, "EHLO client.example\r\n", "250 ");
        assert_int_equal(log_in(&caller, mechanisms[i], "ann@home.example", "wrong", 0), 535);
        assert_int_equal(log_in(&caller, mechanisms[i], "nobody@home.example", "secret", 0), 535);
        caller_hang_up(&caller);
    }
}

/* Failures from elsewhere slow the account down before the password is looked at, once a login. */
static void waits_because_of_earlier_failures(void **state)
{
    struct house *house = *state;
    for (int i = 0; i < 30; i++) {
        char prefix[32];
        snprintf(prefix, sizeof(prefix), "192.0.%d.0/24", i);
        auth_throttle_failed(house->throttle, BYTES("ann@home.example"), bytes_from_string(prefix),
                             (int64_t)clock_monotonic_milliseconds());
    }
    static const char *const mechanisms[] = {"PLAIN", "SCRAM-SHA-256"};
    int64_t wait =
        auth_throttle_wait(house->throttle, BYTES("ann@home.example"), BYTES("127.0.0.0/24"),
                           (int64_t)clock_monotonic_milliseconds());
    assert_true(wait > 0);
    struct caller caller = house_call(house, HOUSE_CLEAR);
    caller_ask(&caller, "EHLO client.example\r\n", "250 ");
    uint64_t before = clock_monotonic_milliseconds();
    assert_int_equal(log_in(&caller, mechanisms[0], "ann@home.example", "secret", 0), 235);
    assert_true(clock_monotonic_milliseconds() - before >= (uint64_t)wait);
    caller_hang_up(&caller);
    /* Who logged in well from there is trusted. */
    assert_int_equal(auth_throttle_wait(house->throttle, BYTES("ann@home.example"),
                                        BYTES("127.0.0.0/24"),
                                        (int64_t)clock_monotonic_milliseconds()),
                     0);
    /* One who leaves while waiting is forgotten. */
    for (int i = 0; i < 30; i++) {
        char prefix[32];
        snprintf(prefix, sizeof(prefix), "192.0.%d.0/24", i);
        auth_throttle_failed(house->throttle, BYTES("bob@home.example"), bytes_from_string(prefix),
                             (int64_t)clock_monotonic_milliseconds());
    }
    caller = house_call(house, HOUSE_CLEAR);
    caller_ask(&caller, "EHLO client.example\r\n", "250 ");
    /* "\0bob@home.example\0secret" */
    caller_say(&caller, "AUTH PLAIN AGJvYkBob21lLmV4YW1wbGUAc2VjcmV0\r\n");
    caller_reset(&caller);
    house_wait_for_log(house, "event=submission.closed");
    assert_false(house_log_has(house, "user=bob@home.example"));
}

static void ends_after_three_failures(void **state)
{
    struct house *house = *state;
    struct caller caller = house_call(house, HOUSE_CLEAR);
    caller_ask(&caller, "EHLO client.example\r\n", "250 ");
    assert_int_equal(log_in(&caller, "PLAIN", "bob@home.example", "one", 0), 535);
    assert_int_equal(log_in(&caller, "PLAIN", "carl@home.example", "two", 0), 535);
    assert_int_equal(log_in(&caller, "PLAIN", "ann@home.example", "three", 0), 535);
    caller_hear(&caller, "421 4.7.0");
    caller_hear_end(&caller);
    caller_hang_up(&caller);
}

static void survives_callers_that_leave_in_the_middle(void **state)
{
    struct house *house = *state;
    for (int i = 0; i < 12; i++) {
        struct caller caller = house_call(house, HOUSE_CLEAR);
        caller_ask(&caller, "EHLO client.example\r\n", "250 ");
        caller_say(&caller, "AUTH LOGIN\r\n");
        if (i % 3 > 0)
            caller_hear(&caller, "334 ");
        if (i % 3 > 1)
            caller_ask(&caller, "YW5uQGhvbWUuZXhhbXBsZQ==\r\n", "334 ");
        if (i % 2 == 0)
            caller_say(&caller, "c2VjcmV0\r\n");
        if (i % 4 < 2)
            caller_reset(&caller);
        else
            caller_hang_up(&caller);
    }
    struct caller caller = house_call(house, HOUSE_CLEAR);
    caller_ask(&caller, "EHLO client.example\r\n", "250 ");
    assert_int_equal(log_in(&caller, "LOGIN", "ann@home.example", "secret", 0), 235);
    caller_hang_up(&caller);
}

static void tls_makes_a_new_beginning(void **state)
{
    struct house *house = *state;
    struct caller caller = house_call(house, HOUSE_OUTSIDE);
    caller_ask(&caller, "EHLO liar.example\r\n", "250 ");
    caller_ask(&caller, "MAIL FROM:<a@away.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<ann@home.example>\r\n", "250 ");
    caller_ask(&caller, "RSET\r\n", "250 ");
    caller_ask(&caller, "STARTTLS\r\n", "220 ");
    caller_start_tls(&caller);
    caller_ask(&caller, "MAIL FROM:<a@away.example>\r\n", "503 ");
    caller_ask(&caller, "EHLO client.example\r\n", "250 ");
    caller_ask(&caller, "DATA\r\n", "503 ");
    caller_ask(&caller, "MAIL FROM:<a@away.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<bob@home.example>\r\n", "250 ");
    caller_ask(&caller, "DATA\r\n", "354 ");
    caller_ask(&caller, "\r\n.\r\n", "250 2.0.0");
    caller_hang_up(&caller);
    assert_int_equal(house_count(house, "ann@home.example"), 0);
    char *message = house_message(house, "bob@home.example", 0);
    assert_null(strstr(message, "liar"));
    assert_non_null(strstr(message, "with ESMTPS"));
    free(message);
}

#define HOUSE_TEST(test) cmocka_unit_test_setup_teardown(test, house_set_up, house_tear_down)

static const struct CMUnitTest tests[] = {
    HOUSE_TEST(logs_in_by_every_mechanism),
    HOUSE_TEST(binds_the_channel),
    HOUSE_TEST(refuses_another_channel),
    HOUSE_TEST(answers_unknown_and_wrong_alike),
    HOUSE_TEST(waits_because_of_earlier_failures),
    HOUSE_TEST(ends_after_three_failures),
    HOUSE_TEST(survives_callers_that_leave_in_the_middle),
    HOUSE_TEST(tls_makes_a_new_beginning),
};

UNIT_MAIN(tests)
