/* The server's mechanisms, against our own clients and against messages that no client should send.
 */
#include "sasl/sasl_server.h"

#include <stdio.h>

#include "base/base64.h"
#include "failing_allocation.h"
#include "sasl/sasl_scram.h"
#include "unit.h"

static const struct sasl_server_place clear_place = {0};
static const struct sasl_server_place tls_place = {.is_encrypted = true};

static struct sasl_server_place bound_place(void)
{
    return (struct sasl_server_place){.is_encrypted = true,
                                      .binding_name = "tls-exporter",
                                      .binding = BYTES("the binding of this session")};
}

static void assert_offers(const struct sasl_server_place *place, const char *expected)
{
    AUTO(buffer)
    offer = BUFFER(256);
    sasl_server_offer(place, &offer);
    assert_true(bytes_equal(buffer_bytes(&offer), bytes_from_string(expected)));
}

static void offers_what_the_place_allows(void **state)
{
    (void)state;
    struct sasl_server_place bound = bound_place();
    struct sasl_server_place lax = {.allows_clear = true};
    struct sasl_server_place open = {.is_encrypted = true, .wants_password = true};
    /* A binding without TLS is none. */
    struct sasl_server_place odd = {.allows_clear = true, .binding_name = "tls-unique"};
    assert_offers(&clear_place, "");
    assert_offers(&tls_place, "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN");
    assert_offers(&lax, "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN");
    assert_offers(&odd, "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN");
    assert_offers(&open, "PLAIN LOGIN");
    assert_offers(&bound,
                  "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN");
}

static void opens_only_what_it_offers(void **state)
{
    (void)state;
    struct fault fault = {0};
    assert_null(sasl_server_new(BYTES("PLAIN"), &clear_place, &fault));
    assert_int_equal(fault.kind, FAULT_SYNTAX);
    assert_null(sasl_server_new(BYTES("SCRAM-SHA-256-PLUS"), &tls_place, &fault));
    assert_null(sasl_server_new(BYTES("DIGEST-MD5"), &tls_place, &fault));
    assert_null(sasl_server_new(BYTES(""), &tls_place, &fault));
    struct sasl_server *server = sasl_server_new(BYTES("plain"), &tls_place, &fault);
    assert_non_null(server);
    sasl_server_free(server);
    sasl_server_free(NULL);
}

static struct sasl_server *open_server(const char *mechanism, const struct sasl_server_place *place)
{
    struct sasl_server *server = sasl_server_new(bytes_from_string(mechanism), place, NULL);
    assert_non_null(server);
    return server;
}

#define assert_step(server, response, status, said)                                                \
    do {                                                                                           \
        AUTO(buffer)                                                                               \
        challenge_ = SECRET_BUFFER(65536);                                                         \
        assert_int_equal(sasl_server_step(server, response, &challenge_), status);                 \
        assert_bytes(buffer_bytes(&challenge_), said);                                             \
    } while (0)

static const struct bytes nothing = {NULL, 0};

static void plain_takes_user_and_password(void **state)
{
    (void)state;
    struct sasl_server *server = open_server("PLAIN", &tls_place);
    assert_step(server, BYTES("\0ann\0secret"), SASL_SERVER_NEEDS_VERDICT, "");
    assert_bytes(sasl_server_user(server), "ann");
    assert_bytes(sasl_server_password(server), "secret");
    assert_bytes(sasl_server_authorization(server), "");
    assert_int_equal(sasl_server_give_verdict(server, true), SASL_SERVER_ACCEPTED);
    assert_bytes(sasl_server_password(server), "");
    assert_bytes(sasl_server_user(server), "ann");
    /* What is over is over. */
    assert_int_equal(sasl_server_give_verdict(server, true), SASL_SERVER_BROKEN);
    assert_step(server, BYTES("\0ann\0secret"), SASL_SERVER_BROKEN, "");
    sasl_server_free(server);

    server = open_server("PLAIN", &tls_place);
    assert_step(server, nothing, SASL_SERVER_CHALLENGE, "");
    assert_step(server, BYTES("bob\0ann\0wrong"), SASL_SERVER_NEEDS_VERDICT, "");
    assert_bytes(sasl_server_authorization(server), "bob");
    assert_int_equal(sasl_server_give_verdict(server, false), SASL_SERVER_REFUSED);
    sasl_server_free(server);
}

static void plain_refuses_what_is_none(void **state)
{
    (void)state;
    static char long_name[1100];
    memset(long_name, 'x', sizeof long_name);
    memcpy(long_name + 1027, "\0p", 2);
    long_name[0] = '\0';
    static char huge[16385];
    const struct bytes bad[] = {
        BYTES(""),
        BYTES("ann"),
        BYTES("\0ann"),
        BYTES("\0\0secret"),
        BYTES("\0ann\0"),
        BYTES("\0ann\0sec\0ret"),
        bytes_of(long_name, 1029),
        bytes_of(huge, sizeof huge),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct sasl_server *server = open_server("PLAIN", &tls_place);
        assert_step(server, bad[i], SASL_SERVER_BROKEN, "");
        sasl_server_free(server);
    }
}

static void login_asks_twice(void **state)
{
    (void)state;
    struct sasl_server *server = open_server("LOGIN", &tls_place);
    assert_step(server, nothing, SASL_SERVER_CHALLENGE, "Username:");
    assert_step(server, BYTES("ann"), SASL_SERVER_CHALLENGE, "Password:");
    assert_step(server, BYTES("secret"), SASL_SERVER_NEEDS_VERDICT, "");
    assert_bytes(sasl_server_user(server), "ann");
    assert_bytes(sasl_server_password(server), "secret");
    assert_int_equal(sasl_server_give_verdict(server, true), SASL_SERVER_ACCEPTED);
    sasl_server_free(server);

    /* The user as initial response, as many clients do. */
    server = open_server("LOGIN", &tls_place);
    assert_step(server, BYTES("ann"), SASL_SERVER_CHALLENGE, "Password:");
    assert_step(server, BYTES(""), SASL_SERVER_BROKEN, "");
    sasl_server_free(server);
    server = open_server("LOGIN", &tls_place);
    assert_step(server, BYTES("a\0b"), SASL_SERVER_BROKEN, "");
    sasl_server_free(server);
}

/* One exchange of our client with our server. */
struct scram_run {
    struct sasl_scram_login login;
    const char *mechanism;
    struct sasl_server_place place;
    const char *verifier_password;
    bool is_unknown;
};

/* The outcome of the server; *is_server_proved: the client is content with the server as well. */
static enum sasl_server_status run_scram(const struct scram_run *run, bool *is_server_proved)
{
    enum sasl_verifier_digest digest =
        strstr(run->mechanism, "SHA-1") != NULL ? SASL_VERIFIER_SHA_1 : SASL_VERIFIER_SHA_256;
    struct sasl_verifier verifier;
    assert_true(
        sasl_verifier_make(digest, bytes_from_string(run->verifier_password), &verifier, NULL));
    struct sasl_server *server = open_server(run->mechanism, &run->place);
    struct sasl_scram *client = sasl_scram_new(&run->login, NULL);
    assert_non_null(client);
    AUTO(buffer)
    said = SECRET_BUFFER(65536);
    AUTO(buffer)
    heard = SECRET_BUFFER(65536);
    assert_true(sasl_scram_step(client, BYTES(""), &said, NULL));
    enum sasl_server_status status = sasl_server_step(server, buffer_bytes(&said), &heard);
    *is_server_proved = false;
    if (status == SASL_SERVER_NEEDS_VERIFIER) {
        status = sasl_server_give_verifier(server, &verifier, !run->is_unknown, &heard);
        assert_int_equal(status, SASL_SERVER_CHALLENGE);
        buffer_reset(&said);
        assert_true(sasl_scram_step(client, buffer_bytes(&heard), &said, NULL));
        buffer_reset(&heard);
        status = sasl_server_step(server, buffer_bytes(&said), &heard);
        *is_server_proved = status == SASL_SERVER_ACCEPTED &&
                            sasl_scram_step(client, buffer_bytes(&heard), &said, NULL);
        if (status != SASL_SERVER_ACCEPTED)
            assert_int_equal(heard.length, 0);
    }
    sasl_scram_free(client);
    sasl_server_free(server);
    return status;
}

static void scram_proves_both_sides(void **state)
{
    (void)state;
    static const struct {
        const char *mechanism;
        const char *digest;
        bool is_bound;
    } rows[] = {
        {"SCRAM-SHA-256", "SHA256", false},
        {"SCRAM-SHA-1", "SHA1", false},
        {"SCRAM-SHA-256-PLUS", "SHA256", true},
        {"SCRAM-SHA-1-PLUS", "SHA1", true},
    };
    for (size_t i = 0; i < 4; i++) {
        struct scram_run run = {
            .login = {.digest = rows[i].digest, .user = "a,n=n", .password = "pencil"},
            .mechanism = rows[i].mechanism,
            .place = rows[i].is_bound ? bound_place() : tls_place,
            .verifier_password = "pencil",
        };
        if (rows[i].is_bound) {
            run.login.binding = SASL_SCRAM_BOUND;
            run.login.binding_name = "tls-exporter";
            run.login.binding_data = BYTES("the binding of this session");
        }
        bool is_server_proved;
        assert_int_equal(run_scram(&run, &is_server_proved), SASL_SERVER_ACCEPTED);
        assert_true(is_server_proved);

        struct scram_run wrong = run;
        wrong.login.password = "pencils";
        assert_int_equal(run_scram(&wrong, &is_server_proved), SASL_SERVER_REFUSED);

        wrong = run;
        wrong.is_unknown = true;
        assert_int_equal(run_scram(&wrong, &is_server_proved), SASL_SERVER_REFUSED);
    }
}

static void scram_holds_to_the_channel(void **state)
{
    (void)state;
    bool is_server_proved;
    struct scram_run run = {
        .login = {.digest = "SHA256",
                  .user = "ann",
                  .password = "pencil",
                  .binding = SASL_SCRAM_BOUND,
                  .binding_name = "tls-exporter",
                  .binding_data = BYTES("the binding of another session")},
        .mechanism = "SCRAM-SHA-256-PLUS",
        .place = bound_place(),
        .verifier_password = "pencil",
    };
    /* Somebody stands between: two sessions of TLS, two bindings. */
    assert_int_equal(run_scram(&run, &is_server_proved), SASL_SERVER_REFUSED);
    run.login.binding_name = "tls-unique";
    assert_int_equal(run_scram(&run, &is_server_proved), SASL_SERVER_REFUSED);
    run.login.binding = SASL_SCRAM_UNBOUND;
    assert_int_equal(run_scram(&run, &is_server_proved), SASL_SERVER_BROKEN);

    /* "y": the client heard no offer of -PLUS. It was made, so it was taken away. */
    run.login.binding = SASL_SCRAM_SERVER_CANNOT;
    run.mechanism = "SCRAM-SHA-256";
    assert_int_equal(run_scram(&run, &is_server_proved), SASL_SERVER_REFUSED);
    run.place = tls_place;
    assert_int_equal(run_scram(&run, &is_server_proved), SASL_SERVER_ACCEPTED);
    /* A bound client at an unbound mechanism. */
    run.login.binding = SASL_SCRAM_BOUND;
    assert_int_equal(run_scram(&run, &is_server_proved), SASL_SERVER_BROKEN);
}

static void scram_refuses_bad_first_messages(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "n",
        "n,,",
        "n,,n=ann",
        "n,,n=,r=abc",
        "n,,r=abc,n=ann",
        "n,,n=ann,r=",
        "n,,m=ext,n=ann,r=abc",
        "n,,n=a=nn,r=abc",
        "n,,n=a=2cnn,r=abc",
        "x,,n=ann,r=abc",
        "n,b=x,n=ann,r=abc",
        "n,a=,n=ann,r=abc",
        "p=tls-exporter,,n=ann,r=abc",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        print_message("# %s\n", bad[i]);
        struct sasl_server *server = open_server("SCRAM-SHA-256", &tls_place);
        assert_step(server, bytes_from_string(bad[i]), SASL_SERVER_BROKEN, "");
        sasl_server_free(server);
    }
}

/* The exchange up to the server's first message, whose nonce is returned in `nonce`. */
static struct sasl_server *open_half(struct buffer *nonce)
{
    struct sasl_verifier verifier;
    assert_true(sasl_verifier_make(SASL_VERIFIER_SHA_256, BYTES("pencil"), &verifier, NULL));
    struct sasl_server *server = open_server("SCRAM-SHA-256", &tls_place);
    assert_step(server, BYTES("n,,n=ann,r=abc"), SASL_SERVER_NEEDS_VERIFIER, "");
    assert_bytes(sasl_server_user(server), "ann");
    AUTO(buffer)
    first = SECRET_BUFFER(4096);
    assert_int_equal(sasl_server_give_verifier(server, &verifier, true, &first),
                     SASL_SERVER_CHALLENGE);
    struct bytes said = buffer_bytes(&first);
    assert_true(bytes_starts_with(said, BYTES("r=abc")));
    buffer_append(nonce, bytes_slice(said, 2, bytes_find_char(said, ',') - 2));
    assert_true(nonce->length > 20);
    return server;
}

static void scram_refuses_bad_final_messages(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        bool has_nonce;
        const char *tail;
        enum sasl_server_status status;
    } rows[] = {
        {"", false, "", SASL_SERVER_BROKEN},
        {"c=biws,r=", true, "", SASL_SERVER_BROKEN},
        {"c=biws,r=", true, ",p=", SASL_SERVER_BROKEN},
        {"c=biws,r=", true, ",p=AAAA", SASL_SERVER_BROKEN},
        {"c=biws,r=", true, ",p=*", SASL_SERVER_BROKEN},
        {"r=", true, ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", SASL_SERVER_BROKEN},
        {"c=biws,r=", true, ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", SASL_SERVER_REFUSED},
        {"c=biws,r=abc", false,
         ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", SASL_SERVER_REFUSED},
        {"c=eSws,r=", true, ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", SASL_SERVER_REFUSED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        AUTO(buffer)
        nonce = SECRET_BUFFER(4096);
        AUTO(buffer)
        message = SECRET_BUFFER(4096);
        struct sasl_server *server = open_half(&nonce);
        buffer_append_string(&message, rows[i].head);
        if (rows[i].has_nonce)
            buffer_append(&message, buffer_bytes(&nonce));
        buffer_append_string(&message, rows[i].tail);
        assert_step(server, buffer_bytes(&message), rows[i].status, "");
        /* There is no second try. */
        assert_step(server, buffer_bytes(&message), SASL_SERVER_BROKEN, "");
        sasl_server_free(server);
    }
}

static void nonces_differ(void **state)
{
    (void)state;
    AUTO(buffer)
    one = SECRET_BUFFER(4096);
    AUTO(buffer)
    other = SECRET_BUFFER(4096);
    sasl_server_free(open_half(&one));
    sasl_server_free(open_half(&other));
    assert_false(bytes_equal(buffer_bytes(&one), buffer_bytes(&other)));
}

static void survives_every_failing_allocation(void **state)
{
    (void)state;
    struct sasl_verifier verifier;
    assert_true(sasl_verifier_make(SASL_VERIFIER_SHA_256, BYTES("pencil"), &verifier, NULL));
    bool was_refused = true;
    for (size_t n = 0; was_refused; n++) {
        AUTO(buffer)
        challenge = SECRET_BUFFER(4096);
        failing_allocation_start(n);
        struct sasl_server *server = sasl_server_new(BYTES("SCRAM-SHA-256"), &tls_place, NULL);
        bool is_open = server != NULL &&
                       sasl_server_step(server, BYTES("n,,n=ann,r=abc"), &challenge) ==
                           SASL_SERVER_NEEDS_VERIFIER &&
                       sasl_server_give_verifier(server, &verifier, true, &challenge) ==
                           SASL_SERVER_CHALLENGE &&
                       !buffer_is_failed(&challenge);
        was_refused = failing_allocation_stop();
        assert_int_equal(is_open, !was_refused);
        sasl_server_free(server);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(offers_what_the_place_allows),
    cmocka_unit_test(opens_only_what_it_offers),
    cmocka_unit_test(plain_takes_user_and_password),
    cmocka_unit_test(plain_refuses_what_is_none),
    cmocka_unit_test(login_asks_twice),
    cmocka_unit_test(scram_proves_both_sides),
    cmocka_unit_test(scram_holds_to_the_channel),
    cmocka_unit_test(scram_refuses_bad_first_messages),
    cmocka_unit_test(scram_refuses_bad_final_messages),
    cmocka_unit_test(nonces_differ),
    cmocka_unit_test(survives_every_failing_allocation),
};

UNIT_MAIN(tests)
