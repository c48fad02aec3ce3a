/* TLS in every mode, and certificates good and bad. */
#include <posthorn/posthorn.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/client_talk.h"
#include "failing_allocation.h"
#include "unit.h"

#define STARTTLS_DIALOGUE                                                                          \
    "S: 220 mx.test\n"                                                                             \
    "C: EHLO *\n"                                                                                  \
    "S: 250-mx.test\n"                                                                             \
    "S: 250-CLEAR\n"                                                                               \
    "S: 250 STARTTLS\n"                                                                            \
    "C: STARTTLS\n"                                                                                \
    "S: 220 go\n"                                                                                  \
    "T:\n"                                                                                         \
    "C: EHLO *\n"                                                                                  \
    "S: 250-mx.test\n"                                                                             \
    "S: 250-SAFE\n"                                                                                \
    "S: 250 AUTH PLAIN LOGIN\n"

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

/* ---- STARTTLS ---- */

static void starts_tls(void **state)
{
    (void)state;
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_LOOPBACK, STARTTLS_DIALOGUE "C: NOOP\n"
                                                                   "S: 250 ok\n"
                                                                   "E:\n");
    struct ph_smtp_options options = trusting(PH_TLS_DEFAULT);
    struct ph_smtp *smtp = make(&options);
    struct ph_error error = {0};
    assert_true(ph_smtp_connect(smtp, scripted_server_address(server), 0, &error));
    assert_false(ph_smtp_is_encrypted(smtp));
    if (!ph_smtp_starttls(smtp, &error))
        fail_msg("%s", error.message);
    assert_true(ph_smtp_is_encrypted(smtp));
    assert_true(ph_smtp_has_extn(smtp, "safe"));
    assert_false(ph_smtp_has_extn(smtp, "clear"));
    assert_true(ph_smtp_starttls(smtp, &error));
    assert_int_equal(ph_smtp_noop(smtp, &error), 250);
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void starts_tls_by_itself_where_it_is_demanded(void **state)
{
    (void)state;
    /* base64 of NUL bob NUL secret */
    struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, STARTTLS_DIALOGUE
                                                           "C: AUTH PLAIN AGJvYgBzZWNyZXQ=\n"
                                                           "S: 235 welcome\n"
                                                           "E:\n");
    struct ph_smtp_options options = trusting(PH_TLS_STARTTLS);
    struct ph_smtp *smtp = make(&options);
    struct ph_error error = {0};
    assert_true(ph_smtp_connect(smtp, scripted_server_address(server), 0, &error));
    if (!ph_smtp_login(smtp, "bob", "secret", &error))
        fail_msg("%s", error.message);
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void sends_nothing_without_the_tls_that_is_demanded(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, "S: 220 hi\n"
                                                                              "C: EHLO *\n"
                                                                              "S: 250-mx\n"
                                                                              "S: 250 AUTH PLAIN\n"
                                                                              "C: NOOP\n"
                                                                              "S: 250 ok\n"
                                                                              "E:\n");
    struct ph_smtp_options options = trusting(PH_TLS_STARTTLS);
    struct ph_smtp *smtp = make(&options);
    struct ph_error error = {0};
    const char *bob = "bob@x.example";
    assert_true(ph_smtp_connect(smtp, scripted_server_address(server), 0, &error));
    assert_false(ph_smtp_login(smtp, "bob", "secret", &error));
    assert_int_equal(error.kind, PH_ERROR_TLS);
    assert_false(ph_smtp_sendmail(smtp, "a@x.example", &bob, 1, "x", 1, NULL, &error));
    assert_int_equal(error.kind, PH_ERROR_TLS);
    assert_int_equal(ph_smtp_mail(smtp, "a@x.example", NULL, &error), -1);
    assert_int_equal(error.kind, PH_ERROR_TLS);
    assert_false(ph_smtp_starttls(smtp, &error));
    assert_int_equal(error.kind, PH_ERROR_NOT_SUPPORTED);
    assert_int_equal(ph_smtp_noop(smtp, &error), 250);
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void hears_that_starttls_is_refused(void **state)
{
    (void)state;
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_LOOPBACK, "S: 220 hi\n"
                                                 "C: EHLO *\n"
                                                 "S: 250-mx\n"
                                                 "S: 250 STARTTLS\n"
                                                 "C: STARTTLS\n"
                                                 "S: 454 4.7.0 not now\n"
                                                 "C: NOOP\n"
                                                 "S: 250 ok\n"
                                                 "E:\n");
    struct ph_smtp_options options = trusting(PH_TLS_STARTTLS);
    struct ph_smtp *smtp = make(&options);
    struct ph_error error = {0};
    assert_true(ph_smtp_connect(smtp, scripted_server_address(server), 0, &error));
    assert_false(ph_smtp_starttls(smtp, &error));
    assert_int_equal(error.kind, PH_ERROR_RESPONSE);
    assert_int_equal(error.reply_code, 454);
    assert_true(error.retry);
    assert_int_equal(ph_smtp_noop(smtp, &error), 250);
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void refuses_what_is_slipped_in_before_tls(void **state)
{
    (void)state;
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_LOOPBACK, "S: 220 hi\n"
                                                 "C: EHLO *\n"
                                                 "S: 250-mx\n"
                                                 "S: 250 STARTTLS\n"
                                                 "C: STARTTLS\n"
                                                 "s: 220 go\\r\\n250 slipped in\\r\\n\n"
                                                 "E:\n");
    struct ph_smtp_options options = trusting(PH_TLS_STARTTLS);
    struct ph_smtp *smtp = make(&options);
    struct ph_error error = {0};
    assert_true(ph_smtp_connect(smtp, scripted_server_address(server), 0, &error));
    assert_false(ph_smtp_starttls(smtp, &error));
    assert_int_equal(error.kind, PH_ERROR_PROTOCOL);
    assert_false(ph_smtp_is_connected(smtp));
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

/* ---- the other modes ---- */

static void speaks_tls_from_the_start(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, "T:\n"
                                                                              "S: 220 safe\n"
                                                                              "C: EHLO *\n"
                                                                              "S: 250 AUTH LOGIN\n"
                                                                              "C: QUIT\n"
                                                                              "S: 221 bye\n"
                                                                              "E:\n");
    struct ph_smtp_options options = trusting(PH_TLS_IMPLICIT);
    struct ph_smtp *smtp = make(&options);
    struct ph_error error = {0};
    if (!ph_smtp_connect(smtp, scripted_server_address(server), 0, &error))
        fail_msg("%s", error.message);
    assert_true(ph_smtp_is_encrypted(smtp));
    assert_int_equal(ph_smtp_ehlo(smtp, NULL, &error), 250);
    assert_int_equal(ph_smtp_quit(smtp, &error), 221);
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void takes_what_tls_it_gets_when_opportunistic(void **state)
{
    (void)state;
    static const enum scripted_certificate certificates[] = {SCRIPTED_GOOD, SCRIPTED_STRANGE_CA,
                                                             SCRIPTED_EXPIRED};
    for (size_t i = 0; i < 3; i++) {
        struct scripted_server *server = scripted_server_start_tls(
            SCRIPTED_LOOPBACK, certificates[i],
            STARTTLS_DIALOGUE "C: MAIL FROM:<a@x.example>\nS: 250 ok\nE:\n");
        struct ph_smtp_options options = trusting(PH_TLS_OPPORTUNISTIC);
        struct ph_smtp *smtp = make(&options);
        struct ph_error error = {0};
        assert_true(ph_smtp_connect(smtp, scripted_server_address(server), 0, &error));
        assert_int_equal(ph_smtp_mail(smtp, "a@x.example", NULL, &error), 250);
        assert_true(ph_smtp_is_encrypted(smtp));
        ph_smtp_free(smtp);
        scripted_server_finish(server);
    }
}

static void goes_on_in_clear_when_opportunistic(void **state)
{
    (void)state;
    static const char *const scripts[] = {
        "S: 220 hi\nC: EHLO *\nS: 250 mx\nC: MAIL FROM:<a@x.example>\nS: 250 ok\nE:\n",
        "S: 220 hi\nC: EHLO *\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 454 no\n"
        "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RSET\nS: 250 ok\n"
        "C: MAIL FROM:<a@x.example>\nS: 250 ok\nE:\n",
    };
    for (size_t i = 0; i < 2; i++) {
        struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, scripts[i]);
        struct ph_smtp_options options = trusting(PH_TLS_OPPORTUNISTIC);
        struct ph_smtp *smtp = make(&options);
        struct ph_error error = {0};
        assert_true(ph_smtp_connect(smtp, scripted_server_address(server), 0, &error));
        assert_int_equal(ph_smtp_mail(smtp, "a@x.example", NULL, &error), 250);
        assert_false(ph_smtp_is_encrypted(smtp));
        if (i == 1) {
            assert_int_equal(ph_smtp_rset(smtp, &error), 250);
            assert_int_equal(ph_smtp_mail(smtp, "a@x.example", NULL, &error), 250);
        }
        ph_smtp_free(smtp);
        scripted_server_finish(server);
    }
}

/* RFC 8314 3.3: what listens there says nothing before TLS, on this machine neither. */
static void speaks_tls_from_the_start_at_port_465(void **state)
{
    (void)state;
    static const char *const hosts[] = {"localhost:465", "localhost"};
    for (size_t i = 0; i < 2; i++) {
        struct scripted_server *server =
            scripted_server_start(SCRIPTED_PAIR, "T:\nS: 220 hi\nE:\n");
        struct ph_smtp_options options = trusting(PH_TLS_DEFAULT);
        options.port = i == 0 ? 0 : PH_SMTPS_PORT;
        struct ph_smtp *smtp = make(&options);
        struct ph_error error = {0};
        if (!ph_smtp_connect_take_descriptor(smtp, scripted_server_take_descriptor(server),
                                             hosts[i], &error))
            fail_msg("%s", error.message);
        assert_true(ph_smtp_is_encrypted(smtp));
        ph_smtp_free(smtp);
        scripted_server_finish(server);
    }
}

static void demands_tls_of_lmtp_that_is_far_away(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(SCRIPTED_PAIR, "S: 220 hi\n"
                                                                          "C: LHLO *\n"
                                                                          "S: 250 mx\n"
                                                                          "E:\n");
    struct ph_smtp_options options = {.lmtp = true};
    struct ph_smtp *smtp = make(&options);
    struct ph_error error = {0};
    const char *bob = "bob@x.example";
    assert_true(ph_smtp_connect_take_descriptor(smtp, scripted_server_take_descriptor(server),
                                                "far.example", &error));
    assert_false(ph_smtp_sendmail(smtp, "a@x.example", &bob, 1, "x", 1, NULL, &error));
    assert_int_equal(error.kind, PH_ERROR_TLS);
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

/* Many servers close so: the connection is lost, but TLS did not fail. */
static void hears_that_tls_was_cut_off(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, "T:\n"
                                                                              "S: 220 hi\n"
                                                                              "C: NOOP\n"
                                                                              "H:\n");
    struct ph_smtp_options options = trusting(PH_TLS_IMPLICIT);
    struct ph_smtp *smtp = make(&options);
    struct ph_error error = {0};
    assert_true(ph_smtp_connect(smtp, scripted_server_address(server), 0, &error));
    assert_int_equal(ph_smtp_noop(smtp, &error), -1);
    assert_int_equal(error.kind, PH_ERROR_DISCONNECTED);
    assert_true(error.retry);
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

/* ---- certificates ---- */

static void judge(enum scripted_certificate certificate, const struct ph_smtp_options *options,
                  enum ph_error_kind expected)
{
    /* A client that refuses the certificate ends the handshake. */
    struct scripted_server *server = scripted_server_start_tls(
        SCRIPTED_LOOPBACK, certificate, expected == PH_OK ? "T:\nS: 220 hi\nE:\n" : "F:\n");
    struct ph_smtp *smtp = make(options);
    struct ph_error error = {0};
    ph_smtp_connect(smtp, scripted_server_address(server), 0, &error);
    if (error.kind != expected)
        fail_msg("%s: %s", ph_error_kind_name(error.kind), error.message);
    assert_int_equal(ph_smtp_is_connected(smtp), expected == PH_OK);
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void checks_certificates(void **state)
{
    (void)state;
    struct ph_smtp_options options = trusting(PH_TLS_IMPLICIT);
    judge(SCRIPTED_GOOD, &options, PH_OK);
    judge(SCRIPTED_WRONG_NAME, &options, PH_ERROR_CERTIFICATE);
    judge(SCRIPTED_EXPIRED, &options, PH_ERROR_CERTIFICATE);
    judge(SCRIPTED_STRANGE_CA, &options, PH_ERROR_CERTIFICATE);
    options.tls.server_name = "mx.test";
    judge(SCRIPTED_GOOD, &options, PH_OK);
    options.tls.server_name = "other.test";
    judge(SCRIPTED_GOOD, &options, PH_ERROR_CERTIFICATE);
    judge(SCRIPTED_WRONG_NAME, &options, PH_OK);
}

static void trusts_nobody_unknown(void **state)
{
    (void)state;
    struct ph_smtp_options options = {.tls.mode = PH_TLS_IMPLICIT};
    judge(SCRIPTED_GOOD, &options, PH_ERROR_CERTIFICATE);
    options.tls.no_verification = true;
    judge(SCRIPTED_EXPIRED, &options, PH_OK);
}

static void knows_certificates_by_fingerprint(void **state)
{
    (void)state;
    const char *const good[] = {scripted_server_fingerprint(), NULL};
    struct ph_smtp_options options = {.tls = {.mode = PH_TLS_IMPLICIT, .fingerprints = good}};
    judge(SCRIPTED_GOOD, &options, PH_OK);
    judge(SCRIPTED_STRANGE_CA, &options, PH_ERROR_CERTIFICATE);
}

static void hears_that_there_is_no_tls(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, "S: 220 in clear\n");
    struct ph_smtp_options options = trusting(PH_TLS_IMPLICIT);
    struct ph_smtp *smtp = make(&options);
    struct ph_error error = {0};
    assert_false(ph_smtp_connect(smtp, scripted_server_address(server), 0, &error));
    assert_int_equal(error.kind, PH_ERROR_TLS);
    assert_string_equal(error.verb, "TLS");
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void hear_note(void *context, enum ph_trace_kind kind, const char *text, size_t length)
{
    (void)length;
    if (kind == PH_TRACE_NOTE && strstr(text, "not verified") != NULL)
        *(bool *)context = true;
}

static void notes_a_certificate_that_was_not_checked(void **state)
{
    (void)state;
    bool is_noted = false;
    struct ph_smtp_options options = {
        .tls = {.mode = PH_TLS_IMPLICIT, .no_verification = true},
        .trace = hear_note,
        .trace_context = &is_noted,
    };
    judge(SCRIPTED_STRANGE_CA, &options, PH_OK);
    assert_true(is_noted);
}

/* ---- no memory ---- */

static bool log_in_over_tls(struct ph_pool *pool, const char *address, struct ph_error *error)
{
    struct ph_smtp_options options = trusting(PH_TLS_STARTTLS);
    options.host = address;
    const struct ph_login login = {.user = "bob", .password = "secret", .mechanisms = "PLAIN"};
    struct ph_smtp *smtp = ph_pool_get(pool, &options, &login, error);
    ph_pool_put(pool, smtp);
    return smtp != NULL;
}

static void runs_out_of_memory_cleanly(void **state)
{
    (void)state;
    bool is_done = false;
    size_t n;
    for (n = 0; !is_done && n < 500; n++) {
        struct scripted_server *server = scripted_server_start(
            SCRIPTED_LOOPBACK, STARTTLS_DIALOGUE "C: AUTH PLAIN *\nS: 235 ok\nC: QUIT\n");
        struct ph_pool *pool = ph_pool_new(0, 0, NULL);
        struct ph_error error = {0};
        failing_allocation_start(n);
        bool is_in = log_in_over_tls(pool, scripted_server_address(server), &error);
        bool has_refused = failing_allocation_stop();
        is_done = is_in && !has_refused;
        assert_true(is_in || has_refused);
        if (!is_in)
            assert_true(strlen(error.message) > 0 && error.kind != PH_OK);
        ph_pool_free(pool);
        scripted_server_finish_early(server);
    }
    assert_true(is_done && n > 5);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(starts_tls),
    cmocka_unit_test(starts_tls_by_itself_where_it_is_demanded),
    cmocka_unit_test(sends_nothing_without_the_tls_that_is_demanded),
    cmocka_unit_test(hears_that_starttls_is_refused),
    cmocka_unit_test(refuses_what_is_slipped_in_before_tls),
    cmocka_unit_test(speaks_tls_from_the_start),
    cmocka_unit_test(takes_what_tls_it_gets_when_opportunistic),
    cmocka_unit_test(goes_on_in_clear_when_opportunistic),
    cmocka_unit_test(speaks_tls_from_the_start_at_port_465),
    cmocka_unit_test(demands_tls_of_lmtp_that_is_far_away),
    cmocka_unit_test(hears_that_tls_was_cut_off),
    cmocka_unit_test(checks_certificates),
    cmocka_unit_test(trusts_nobody_unknown),
    cmocka_unit_test(knows_certificates_by_fingerprint),
    cmocka_unit_test(hears_that_there_is_no_tls),
    cmocka_unit_test(notes_a_certificate_that_was_not_checked),
    cmocka_unit_test(runs_out_of_memory_cleanly),
};

UNIT_MAIN(tests)
