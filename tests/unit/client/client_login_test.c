/* Logins through a session: never in clear off the loopback; mechanisms of one's own; certificates
 * that the client shows. */
#include <posthorn/posthorn.h>

#include <string.h>

#include "client/client_talk.h"
#include "unit.h"

static struct ph_smtp *make(const struct ph_smtp_options *options)
{
    struct ph_error error = {0};
    struct ph_smtp *smtp = ph_smtp_new(options, &error);
    if (smtp == NULL)
        fail_msg("%s", error.message);
    return smtp;
}

static struct ph_smtp_options trusting(enum ph_tls_mode mode)
{
    return (struct ph_smtp_options){.tls = {.mode = mode, .ca_file = scripted_server_ca_file()}};
}

#define OFFERS                                                                                     \
    "S: 220 hi\n"                                                                                  \
    "C: EHLO *\n"                                                                                  \
    "S: 250-mx\n"                                                                                  \
    "S: 250 AUTH PLAIN LOGIN\n"

static void logs_in_on_the_loopback(void **state)
{
    (void)state;
    struct client_talk talk = client_talk_begin(NULL, OFFERS "C: AUTH PLAIN AGJvYgBzZWNyZXQ=\n"
                                                             "S: 235 2.7.0 welcome\n"
                                                             "E:\n");
    struct ph_error error = {0};
    assert_true(ph_smtp_login(talk.smtp, "bob", "secret", &error));
    assert_int_equal(ph_smtp_reply(talk.smtp)->code, 235);
    client_talk_end(&talk);
}

static void hears_that_the_password_is_wrong(void **state)
{
    (void)state;
    struct client_talk talk = client_talk_begin(NULL, OFFERS "C: AUTH PLAIN *\n"
                                                             "S: 535 5.7.8 no\n"
                                                             "C: NOOP\n"
                                                             "S: 250 ok\n"
                                                             "E:\n");
    struct ph_error error = {0};
    const struct ph_login login = {.user = "bob", .password = "wrong", .mechanisms = "PLAIN"};
    assert_false(ph_smtp_auth(talk.smtp, &login, &error));
    assert_int_equal(error.kind, PH_ERROR_AUTHENTICATION);
    assert_int_equal(error.reply_code, 535);
    assert_int_equal(ph_smtp_noop(talk.smtp, &error), 250);
    client_talk_end(&talk);
}

/* A socket pair whose other end is said to be far away. */
static struct ph_smtp *connect_far(struct scripted_server *server, enum ph_tls_mode mode)
{
    struct ph_smtp_options options = {.tls.mode = mode};
    struct ph_smtp *smtp = make(&options);
    struct ph_error error = {0};
    if (!ph_smtp_connect_take_descriptor(smtp, scripted_server_take_descriptor(server),
                                         "far.example", &error))
        fail_msg("%s", error.message);
    return smtp;
}

static void never_logs_in_in_clear_off_the_loopback(void **state)
{
    (void)state;
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_PAIR, OFFERS "C: AUTH PLAIN AGJvYgBzZWNyZXQ=\n"
                                                    "S: 235 welcome\n"
                                                    "E:\n");
    struct ph_smtp *smtp = connect_far(server, PH_TLS_NONE);
    struct ph_error error = {0};
    assert_false(ph_smtp_login(smtp, "bob", "secret", &error));
    assert_int_equal(error.kind, PH_ERROR_TLS);
    assert_int_equal(ph_smtp_docmd(smtp, "AUTH", "PLAIN AGJvYgBzZWNyZXQ=", &error), -1);
    assert_int_equal(error.kind, PH_ERROR_TLS);
    assert_false(ph_smtp_putcmd(smtp, "auth plain", NULL, &error));
    assert_int_equal(error.kind, PH_ERROR_TLS);
    const struct ph_login login = {.user = "bob", .password = "secret", .allow_cleartext = true};
    assert_true(ph_smtp_auth(smtp, &login, &error));
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void demands_tls_off_the_loopback_by_default(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(SCRIPTED_PAIR, OFFERS "E:\n");
    struct ph_smtp *smtp = connect_far(server, PH_TLS_DEFAULT);
    struct ph_error error = {0};
    assert_int_equal(ph_smtp_docmd(smtp, "MAIL", "FROM:<a@x.example>", &error), -1);
    assert_int_equal(error.kind, PH_ERROR_TLS);
    const char *bob = "bob@x.example";
    assert_false(ph_smtp_sendmail(smtp, "a@x.example", &bob, 1, "x", 1, NULL, &error));
    assert_int_equal(error.kind, PH_ERROR_TLS);
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void does_not_believe_a_descriptor_without_a_name(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(SCRIPTED_PAIR, OFFERS "E:\n");
    struct ph_smtp *smtp = make(NULL);
    struct ph_error error = {0};
    assert_true(ph_smtp_connect_take_descriptor(smtp, scripted_server_take_descriptor(server), NULL,
                                                &error));
    assert_false(ph_smtp_login(smtp, "bob", "secret", &error));
    assert_int_equal(error.kind, PH_ERROR_TLS);
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static bool answer(void *context, const char *challenge, size_t challenge_length, char *response,
                   size_t size, size_t *response_length)
{
    unsigned *calls = context;
    (void)challenge_length;
    if (size < 5 || (*calls)++ > 0)
        return false;
    assert_null(challenge);
    memcpy(response, "token", 5);
    *response_length = 5;
    return true;
}

static void logs_in_by_a_mechanism_of_ones_own(void **state)
{
    (void)state;
    struct client_talk talk = client_talk_begin(NULL, "S: 220 hi\n"
                                                      "C: EHLO *\n"
                                                      "S: 250-mx\n"
                                                      "S: 250 AUTH X-TOKEN\n"
                                                      "C: AUTH X-TOKEN dG9rZW4=\n"
                                                      "S: 235 welcome\n"
                                                      "E:\n");
    unsigned calls = 0;
    const struct ph_mechanism own = {
        .name = "X-TOKEN", .has_initial_response = true, .step = answer, .context = &calls};
    const struct ph_login login = {.user = "bob", .own = &own};
    struct ph_error error = {0};
    if (!ph_smtp_auth(talk.smtp, &login, &error))
        fail_msg("%s", error.message);
    assert_int_equal(calls, 1);
    client_talk_end(&talk);
}

/* A server that asks for a certificate gets the one that was named, and EXTERNAL is then the way to
 * log in. */
static void shows_a_certificate_of_its_own(void **state)
{
    (void)state;
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_LOOPBACK, "Q:\nT:\n"
                                                 "S: 220 hi\n"
                                                 "C: EHLO *\n"
                                                 "S: 250-mx\n"
                                                 "S: 250 AUTH EXTERNAL PLAIN\n"
                                                 "C: AUTH EXTERNAL =\n"
                                                 "S: 235 welcome\n"
                                                 "E:\n");
    struct ph_smtp_options options = trusting(PH_TLS_IMPLICIT);
    options.tls.certificate_file = scripted_server_certificate_file();
    struct ph_smtp *smtp = make(&options);
    struct ph_error error = {0};
    if (!ph_smtp_connect(smtp, scripted_server_address(server), 0, &error))
        fail_msg("%s", error.message);
    const struct ph_login login = {0};
    if (!ph_smtp_auth(smtp, &login, &error))
        fail_msg("%s", error.message);
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void refuses_a_certificate_without_a_key(void **state)
{
    (void)state;
    struct ph_smtp_options options = {.tls.certificate_file = scripted_server_ca_file()};
    struct ph_error error = {0};
    assert_null(ph_smtp_new(&options, &error));
    assert_int_equal(error.kind, PH_ERROR_TLS);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(logs_in_on_the_loopback),
    cmocka_unit_test(hears_that_the_password_is_wrong),
    cmocka_unit_test(never_logs_in_in_clear_off_the_loopback),
    cmocka_unit_test(demands_tls_off_the_loopback_by_default),
    cmocka_unit_test(does_not_believe_a_descriptor_without_a_name),
    cmocka_unit_test(logs_in_by_a_mechanism_of_ones_own),
    cmocka_unit_test(shows_a_certificate_of_its_own),
    cmocka_unit_test(refuses_a_certificate_without_a_key),
};

UNIT_MAIN(tests)
