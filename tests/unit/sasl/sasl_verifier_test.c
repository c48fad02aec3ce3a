/* Verifiers against the examples of the RFCs. */
#include "sasl/sasl_verifier.h"

#include <stdio.h>

#include "failing_allocation.h"
#include "unit.h"

/* The keys of user "user", password "pencil" in RFC 5802 5 and RFC 7677 3. */
#define SHA_1_TEXT                                                                                 \
    "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE="
#define SHA_256_TEXT                                                                               \
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"    \
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

static void knows_the_passwords_of_the_examples(void **state)
{
    (void)state;
    static const char *const texts[] = {SHA_1_TEXT, SHA_256_TEXT};
    for (size_t i = 0; i < 2; i++) {
        struct fault fault = {0};
        struct sasl_verifier verifier;
        assert_true(sasl_verifier_parse(bytes_from_string(texts[i]), &verifier, &fault));
        assert_int_equal(verifier.rounds, 4096);
        assert_int_equal(verifier.digest, i == 0 ? SASL_VERIFIER_SHA_1 : SASL_VERIFIER_SHA_256);
        assert_true(sasl_verifier_check(&verifier, BYTES("pencil")));
        assert_false(sasl_verifier_check(&verifier, BYTES("pencil ")));
        assert_false(sasl_verifier_check(&verifier, BYTES("")));
        assert_false(sasl_verifier_check(&verifier, BYTES("pencil\0")));
        AUTO(buffer)
        printed = BUFFER(1024);
        sasl_verifier_print(&verifier, &printed);
        assert_true(bytes_equal(buffer_bytes(&printed), bytes_from_string(texts[i])));
    }
}

static void makes_what_it_can_check(void **state)
{
    (void)state;
    struct fault fault = {0};
    struct sasl_verifier one, other;
    assert_true(sasl_verifier_make(SASL_VERIFIER_SHA_256, BYTES("gr\u00fcn"), &one, &fault));
    assert_true(sasl_verifier_make(SASL_VERIFIER_SHA_256, BYTES("gr\u00fcn"), &other, &fault));
    assert_true(sasl_verifier_check(&one, BYTES("gr\u00fcn")));
    assert_false(sasl_verifier_check(&one, BYTES("grun")));
    /* SASLprep: the same letter, written with a combining mark (RFC 4013 2.2). */
    assert_true(sasl_verifier_check(&one, BYTES("gru\u0308n")));
    assert_memory_not_equal(one.salt, other.salt, SASL_VERIFIER_SALT);
    assert_memory_not_equal(one.stored_key, other.stored_key, 32);
}

static void refuses_passwords_that_nobody_may_have(void **state)
{
    (void)state;
    struct sasl_verifier verifier;
    struct fault fault = {0};
    static const char long_one[4097] = {0};
    assert_false(sasl_verifier_make(SASL_VERIFIER_SHA_256, BYTES(""), &verifier, &fault));
    assert_int_equal(fault.kind, FAULT_SYNTAX);
    assert_false(sasl_verifier_make(SASL_VERIFIER_SHA_256, BYTES("a\0b"), &verifier, &fault));
    assert_int_equal(fault.kind, FAULT_SYNTAX);
    assert_false(sasl_verifier_make(SASL_VERIFIER_SHA_256, BYTES("\a"), &verifier, &fault));
    assert_int_equal(fault.kind, FAULT_SYNTAX);
    assert_false(sasl_verifier_make(SASL_VERIFIER_SHA_256, bytes_of(long_one, sizeof long_one),
                                    &verifier, &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
}

static void refuses_damaged_text(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "pencil",
        "SCRAM-SHA-256",
        "SCRAM-SHA-256$",
        "SCRAM-SHA-256$4096",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=",
        "SCRAM-SHA-256$0:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        "SCRAM-SHA-256$1000001:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4q"
        "Y=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        "SCRAM-SHA-512$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        "SCRAM-SHA-256$4096:$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        /* keys of the other digest's size */
        "SCRAM-SHA-256$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:"
        "D+CSWLOshSulAsxiupA+qs2/fTE=",
        SHA_256_TEXT "x",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct fault fault = {0};
        struct sasl_verifier verifier = {.rounds = 7};
        assert_false(sasl_verifier_parse(bytes_from_string(bad[i]), &verifier, &fault));
        assert_int_equal(fault.kind, FAULT_SYNTAX);
        assert_int_equal(verifier.rounds, 7);
    }
}

static void pretends_always_the_same(void **state)
{
    (void)state;
    struct bytes secret = BYTES("0123456789abcdef0123456789abcdef");
    struct sasl_verifier one, same, other, elsewhere;
    sasl_verifier_pretend(SASL_VERIFIER_SHA_256, BYTES("nobody"), secret, &one);
    sasl_verifier_pretend(SASL_VERIFIER_SHA_256, BYTES("NoBody"), secret, &same);
    sasl_verifier_pretend(SASL_VERIFIER_SHA_256, BYTES("nobody2"), secret, &other);
    sasl_verifier_pretend(SASL_VERIFIER_SHA_256, BYTES("nobody"),
                          BYTES("another secret of another store."), &elsewhere);
    assert_memory_equal(&one, &same, sizeof one);
    assert_memory_not_equal(one.salt, other.salt, SASL_VERIFIER_SALT);
    assert_memory_not_equal(one.salt, elsewhere.salt, SASL_VERIFIER_SALT);
    assert_int_equal(one.rounds, SASL_VERIFIER_ROUNDS);
    assert_int_equal(one.salt_length, SASL_VERIFIER_SALT);
    assert_false(sasl_verifier_check(&one, BYTES("nobody")));
}

static void survives_every_failing_allocation(void **state)
{
    (void)state;
    bool was_refused = true;
    for (size_t n = 0; was_refused; n++) {
        struct sasl_verifier verifier;
        failing_allocation_start(n);
        bool is_made = sasl_verifier_make(SASL_VERIFIER_SHA_256, BYTES("pencil"), &verifier, NULL);
        bool is_checked = is_made && sasl_verifier_check(&verifier, BYTES("pencil"));
        was_refused = failing_allocation_stop();
        assert_int_equal(is_checked, !was_refused);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(knows_the_passwords_of_the_examples),
    cmocka_unit_test(makes_what_it_can_check),
    cmocka_unit_test(refuses_passwords_that_nobody_may_have),
    cmocka_unit_test(refuses_damaged_text),
    cmocka_unit_test(pretends_always_the_same),
    cmocka_unit_test(survives_every_failing_allocation),
};

UNIT_MAIN(tests)
