/* SCRAM against the examples of its RFCs, and against servers that lie. */
#include "sasl/sasl_scram.h"

#include <stdio.h>

#include "failing_allocation.h"
#include "unit.h"

static const struct sasl_scram_login sha1_login = {
    .digest = "SHA1",
    .user = "user",
    .password = "pencil",
    .nonce = "fyko+d2lbbFgONRv9qkxdawL",
};

static const struct sasl_scram_login sha256_login = {
    .digest = "SHA256",
    .user = "user",
    .password = "pencil",
    .nonce = "rOprNGfwEbeRWgbNEkqO",
};

#define SHA256_FIRST                                                                               \
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"

static struct sasl_scram *open_scram(const struct sasl_scram_login *login)
{
    struct fault fault = {0};
    struct sasl_scram *scram = sasl_scram_new(login, &fault);
    assert_string_equal(fault.message, "");
    assert_non_null(scram);
    return scram;
}

#define assert_says(scram, message, expected)                                                      \
    do {                                                                                           \
        AUTO(buffer)                                                                               \
        response_ = SECRET_BUFFER(65536);                                                          \
        struct fault fault_ = {0};                                                                 \
        assert_true(sasl_scram_step(scram, BYTES(message), &response_, &fault_));                  \
        assert_bytes(buffer_bytes(&response_), expected);                                          \
    } while (0)

static void assert_refuses(struct sasl_scram *scram, struct bytes message, enum fault_kind kind)
{
    AUTO(buffer)
    response = SECRET_BUFFER(65536);
    struct fault fault = {0};
    assert_false(sasl_scram_step(scram, message, &response, &fault));
    assert_int_equal(fault.kind, kind);
    assert_true(fault.message[0] != '\0');
    assert_int_equal(response.length, 0);
    assert_false(sasl_scram_is_finished(scram));
}

static void follows_the_example_of_rfc_5802(void **state)
{
    (void)state;
    struct sasl_scram *scram = open_scram(&sha1_login);
    assert_says(scram, "", "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL");
    assert_says(scram, "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
                "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
                "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=");
    assert_false(sasl_scram_is_finished(scram));
    assert_says(scram, "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", "");
    assert_true(sasl_scram_is_finished(scram));
    sasl_scram_free(scram);
}

static void follows_the_example_of_rfc_7677(void **state)
{
    (void)state;
    struct sasl_scram *scram = open_scram(&sha256_login);
    assert_says(scram, "", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    assert_says(scram, SHA256_FIRST,
                "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    assert_says(scram, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "");
    assert_true(sasl_scram_is_finished(scram));
    sasl_scram_free(scram);
}

static void writes_flag_and_names_as_rfc_5802_does(void **state)
{
    (void)state;
    struct sasl_scram_login login = sha1_login;
    login.user = "a=b,c";
    login.authorization_id = "x,y=z";
    struct sasl_scram *scram = open_scram(&login);
    assert_says(scram, "", "n,a=x=2Cy=3Dz,n=a=3Db=2Cc,r=fyko+d2lbbFgONRv9qkxdawL");
    sasl_scram_free(scram);

    login = sha1_login;
    login.binding = SASL_SCRAM_SERVER_CANNOT;
    scram = open_scram(&login);
    assert_says(scram, "", "y,,n=user,r=fyko+d2lbbFgONRv9qkxdawL");
    sasl_scram_free(scram);

    login.binding = SASL_SCRAM_BOUND;
    login.binding_name = "tls-exporter";
    login.binding_data = BYTES("\x01\x02\x03");
    scram = open_scram(&login);
    assert_says(scram, "", "p=tls-exporter,,n=user,r=fyko+d2lbbFgONRv9qkxdawL");
    sasl_scram_free(scram);
}

static void makes_a_new_nonce_each_time(void **state)
{
    (void)state;
    struct sasl_scram_login login = sha256_login;
    login.nonce = NULL;
    AUTO(buffer)
    first = SECRET_BUFFER(1024);
    AUTO(buffer)
    second = SECRET_BUFFER(1024);
    struct sasl_scram *scram = open_scram(&login);
    assert_true(sasl_scram_step(scram, BYTES(""), &first, NULL));
    sasl_scram_free(scram);
    scram = open_scram(&login);
    assert_true(sasl_scram_step(scram, BYTES(""), &second, NULL));
    sasl_scram_free(scram);
    assert_true(first.length > sizeof "n,,n=user,r=" + 24);
    assert_false(bytes_equal(buffer_bytes(&first), buffer_bytes(&second)));
}

static void refuses_a_bad_first_message(void **state)
{
    (void)state;
    static const struct {
        const char *message;
        enum fault_kind kind;
    } rows[] = {
        {"", FAULT_SYNTAX},
        {"nonsense", FAULT_SYNTAX},
        {"s=W22ZaJ0SNY7soEsUEjb6gQ==,r=rOprNGfwEbeRWgbNEkqOx,i=4096", FAULT_SYNTAX},
        {"r=rOprNGfwEbeRWgbNEkqOx,s=W22Z*,i=4096", FAULT_SYNTAX},
        {"r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096", FAULT_SYNTAX},
        {"r=rOprNGfwEbeRWgbNEkqOx,s=W22Z", FAULT_SYNTAX},
        {"r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=", FAULT_SYNTAX},
        {"r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=4096x", FAULT_SYNTAX},
        {"r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=99999999999999999999", FAULT_SYNTAX},
        {"m=ext,r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=4096", FAULT_SYNTAX},
        {"e=other-error", FAULT_SYNTAX},
        /* somebody else's nonce, ours with nothing added, one that only begins as ours */
        {"r=someone,s=W22Z,i=4096", FAULT_DENIED},
        {"r=rOprNGfwEbeRWgbNEkqO,s=W22Z,i=4096", FAULT_DENIED},
        {"r=rOprNGfwEbeRWgbNEkq,s=W22Z,i=4096", FAULT_DENIED},
        {"r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=4095", FAULT_DENIED},
        {"r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=0", FAULT_DENIED},
        {"r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=1000001", FAULT_LIMIT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sasl_scram *scram = open_scram(&sha256_login);
        assert_says(scram, "", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        print_message("# %s\n", rows[i].message);
        assert_refuses(scram, bytes_from_string(rows[i].message), rows[i].kind);
        /* What failed stays failed. */
        assert_refuses(scram, BYTES(SHA256_FIRST), FAULT_SYNTAX);
        sasl_scram_free(scram);
    }
}

static void refuses_a_message_that_is_too_long(void **state)
{
    (void)state;
    static char message[SASL_SCRAM_MESSAGE_MAX + 1];
    memset(message, 'x', sizeof message);
    struct sasl_scram *scram = open_scram(&sha256_login);
    assert_says(scram, "", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    assert_refuses(scram, bytes_of(message, sizeof message), FAULT_LIMIT);
    sasl_scram_free(scram);
}

static void takes_extensions_that_it_does_not_know(void **state)
{
    (void)state;
    struct sasl_scram *scram = open_scram(&sha256_login);
    AUTO(buffer)
    response = SECRET_BUFFER(1024);
    assert_says(scram, "", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    assert_true(sasl_scram_step(scram, BYTES(SHA256_FIRST ",z=later"), &response, NULL));
    sasl_scram_free(scram);
}

static void wants_the_proof_of_the_server(void **state)
{
    (void)state;
    static const struct {
        const char *message;
        enum fault_kind kind;
    } rows[] = {
        {"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G8=", FAULT_DENIED}, /* one bit */
        {"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl9", FAULT_DENIED},     /* cut */
        {"v=", FAULT_DENIED},
        {"v=!", FAULT_SYNTAX},
        {"", FAULT_SYNTAX},
        {"e=invalid-proof", FAULT_DENIED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sasl_scram *scram = open_scram(&sha256_login);
        AUTO(buffer)
        response = SECRET_BUFFER(1024);
        assert_true(sasl_scram_step(scram, BYTES(""), &response, NULL));
        assert_true(sasl_scram_step(scram, BYTES(SHA256_FIRST), &response, NULL));
        print_message("# %s\n", rows[i].message);
        assert_refuses(scram, bytes_from_string(rows[i].message), rows[i].kind);
        sasl_scram_free(scram);
    }
}

static void says_why_the_server_refused(void **state)
{
    (void)state;
    struct sasl_scram *scram = open_scram(&sha256_login);
    AUTO(buffer)
    response = SECRET_BUFFER(1024);
    struct fault fault = {0};
    assert_true(sasl_scram_step(scram, BYTES(""), &response, NULL));
    assert_true(sasl_scram_step(scram, BYTES(SHA256_FIRST), &response, NULL));
    assert_false(sasl_scram_step(scram, BYTES("e=invalid-proof\nX"), &response, &fault));
    assert_string_equal(fault.message, "the server refuses the login: invalid-proof");
    sasl_scram_free(scram);
}

static void prepares_names_and_passwords(void **state)
{
    (void)state;
    /* RFC 4013 3: a soft hyphen goes, U+2168 becomes IX; so both give the same proof. */
    struct sasl_scram_login login = sha256_login;
    login.user = "I\u00ad"
                 "X";
    login.password = "\u2168";
    struct sasl_scram_login plain = sha256_login;
    plain.user = "IX";
    plain.password = "IX";
    struct sasl_scram *one = open_scram(&login);
    struct sasl_scram *other = open_scram(&plain);
    AUTO(buffer)
    from_one = SECRET_BUFFER(1024);
    AUTO(buffer)
    from_other = SECRET_BUFFER(1024);
    assert_says(one, "", "n,,n=IX,r=rOprNGfwEbeRWgbNEkqO");
    assert_says(other, "", "n,,n=IX,r=rOprNGfwEbeRWgbNEkqO");
    assert_true(sasl_scram_step(one, BYTES(SHA256_FIRST), &from_one, NULL));
    assert_true(sasl_scram_step(other, BYTES(SHA256_FIRST), &from_other, NULL));
    assert_true(bytes_equal(buffer_bytes(&from_one), buffer_bytes(&from_other)));
    sasl_scram_free(one);
    sasl_scram_free(other);
}

static void refuses_what_cannot_be_prepared(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "\a", "\u00ad", "\xff", "\u0627z"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct fault fault = {0};
        struct sasl_scram_login login = sha256_login;
        login.password = bad[i];
        assert_null(sasl_scram_new(&login, &fault));
        assert_int_equal(fault.kind, FAULT_SYNTAX);
        login = sha256_login;
        login.user = bad[i];
        assert_null(sasl_scram_new(&login, &fault));
        assert_int_equal(fault.kind, FAULT_SYNTAX);
    }
}

static void survives_every_failing_allocation(void **state)
{
    (void)state;
    bool was_refused = true;
    for (size_t n = 0; was_refused; n++) {
        AUTO(buffer)
        response = SECRET_BUFFER(1024);
        failing_allocation_start(n);
        struct sasl_scram *scram = sasl_scram_new(&sha256_login, NULL);
        bool is_done =
            scram != NULL && sasl_scram_step(scram, BYTES(""), &response, NULL) &&
            sasl_scram_step(scram, BYTES(SHA256_FIRST), &response, NULL) &&
            sasl_scram_step(scram, BYTES("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="),
                            &response, NULL);
        is_done = is_done && !buffer_is_failed(&response);
        was_refused = failing_allocation_stop();
        assert_int_equal(is_done, !was_refused);
        sasl_scram_free(scram);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(follows_the_example_of_rfc_5802),
    cmocka_unit_test(follows_the_example_of_rfc_7677),
    cmocka_unit_test(writes_flag_and_names_as_rfc_5802_does),
    cmocka_unit_test(makes_a_new_nonce_each_time),
    cmocka_unit_test(refuses_a_bad_first_message),
    cmocka_unit_test(refuses_a_message_that_is_too_long),
    cmocka_unit_test(takes_extensions_that_it_does_not_know),
    cmocka_unit_test(wants_the_proof_of_the_server),
    cmocka_unit_test(says_why_the_server_refused),
    cmocka_unit_test(prepares_names_and_passwords),
    cmocka_unit_test(refuses_what_cannot_be_prepared),
    cmocka_unit_test(survives_every_failing_allocation),
};

UNIT_MAIN(tests)
