/* Logins against a real store: who gets in, who does not, and that nobody can tell why. */
#include "auth/auth_exchange.h"

#include <crypt.h>
#include <stdio.h>

#include "auth/auth_password.h"
#include "sasl/sasl_scram.h"
#include "store/store_jobs.h"
#include "unit.h"

static struct store *store;
static struct db *reader;
static struct auth *auth;

/* A write as a function of the running job's handle. */
struct write_job {
    struct store_job job;
    bool (*write)(struct db *db, struct fault *fault);
};

static bool run_write(struct store_job *job, struct db *db, struct fault *fault)
{
    return ((struct write_job *)job)->write(db, fault);
}

static void write_store(bool (*write)(struct db *db, struct fault *fault))
{
    struct fault fault = {0};
    struct write_job job = {.job = {.run = run_write}, .write = write};
    bool is_done = store_run(store, &job.job, &fault);
    assert_string_equal(fault.message, "");
    assert_true(is_done);
}

static bool put_verifier(struct db *db, int64_t account, enum store_credential_kind kind,
                         const char *label, const char *password, struct fault *fault)
{
    struct sasl_verifier verifier;
    AUTO(buffer)
    text = BUFFER(STORE_VERIFIER_MAX);
    enum sasl_verifier_digest digest =
        kind == STORE_CREDENTIAL_SCRAM_SHA_1 ? SASL_VERIFIER_SHA_1 : SASL_VERIFIER_SHA_256;
    if (!sasl_verifier_make(digest, bytes_from_string(password), &verifier, fault))
        return false;
    sasl_verifier_print(&verifier, &text);
    return store_credential_put(store, db, account, kind, bytes_from_string(label),
                                buffer_bytes(&text), fault);
}

/* ann has a verifier and an app password, ben an imported hash, carl is disabled, dora has none. */
static bool make_people(struct db *db, struct fault *fault)
{
    static const char *const logins[] = {"ann@here.test", "ben@here.test", "carl@here.test",
                                         "dora@here.test"};
    int64_t ids[4];
    struct crypt_data data = {0};
    if (!store_domain_add(db, store_id_make(store), BYTES("here.test"), fault))
        return false;
    for (size_t i = 0; i < 4; i++) {
        if (!store_account_add(store, db, bytes_from_string(logins[i]), &ids[i], fault))
            return false;
    }
    const char *hash = crypt_r("ben-secret", "$5$saltsalt$", &data);
    return put_verifier(db, ids[0], STORE_CREDENTIAL_SCRAM_SHA_256, "", "ann-secret", fault) &&
           put_verifier(db, ids[0], STORE_CREDENTIAL_APP, "phone", "app-secret", fault) &&
           store_credential_put(store, db, ids[1], STORE_CREDENTIAL_CRYPT, BYTES(""),
                                bytes_from_string(hash), fault) &&
           put_verifier(db, ids[2], STORE_CREDENTIAL_SCRAM_SHA_256, "", "carl-secret", fault) &&
           store_account_set_disabled(db, BYTES("carl@here.test"), true, fault) &&
           store_setting_put(db, "default.domain", BYTES("here.test"), fault);
}

static int open_store(void **state)
{
    (void)state;
    struct store_options options = {.place = ":memory:", .creates = true};
    struct fault fault = {0};
    store = store_open(&options, &fault);
    assert_string_equal(fault.message, "");
    reader = store_reader_open(store, &fault);
    auth = auth_new(store, &fault);
    assert_string_equal(fault.message, "");
    write_store(make_people);
    return 0;
}

static int close_store(void **state)
{
    (void)state;
    auth_free(auth);
    store_reader_close(reader);
    store_close(store);
    return 0;
}

static const struct sasl_server_place tls_place = {.is_encrypted = true};

/* The outcome of one plain login. */
static enum auth_status log_in(const char *user, const char *password)
{
    AUTO(buffer)
    challenge = SECRET_BUFFER(1024);
    struct auth_exchange *exchange =
        auth_exchange_new_plain(auth, bytes_from_string(user), bytes_from_string(password), NULL);
    assert_non_null(exchange);
    assert_bytes(bytes_slice(auth_exchange_user(exchange), 0, 0), "");
    enum auth_status status = auth_exchange_step(exchange, reader, BYTES(""), &challenge);
    if (status == AUTH_ACCEPTED)
        assert_true(auth_exchange_account(exchange)->id > 0);
    assert_int_equal(challenge.length, 0);
    auth_exchange_free(exchange);
    return status;
}

static void takes_the_right_password_only(void **state)
{
    (void)state;
    assert_int_equal(log_in("ann@here.test", "ann-secret"), AUTH_ACCEPTED);
    assert_int_equal(log_in("Ann@HERE.test", "ann-secret"), AUTH_ACCEPTED);
    assert_int_equal(log_in("ann", "ann-secret"), AUTH_ACCEPTED);
    assert_int_equal(log_in("ann@here.test", "app-secret"), AUTH_ACCEPTED);
    assert_int_equal(log_in("ben@here.test", "ben-secret"), AUTH_ACCEPTED);
    static const char *const wrong[][2] = {
        {"ann@here.test", ""},
        {"ann@here.test", "ann-secre"},
        {"ann@here.test", "ann-secret "},
        {"ann@here.test", "ben-secret"},
        {"ben@here.test", "ann-secret"},
        {"ben@here.test", ""},
        {"carl@here.test", "carl-secret"},
        {"dora@here.test", ""},
        {"dora@here.test", "dora"},
        {"nobody@here.test", "ann-secret"},
        {"ann@there.test", "ann-secret"},
        {"", ""},
        {"ann@here.test\n", "ann-secret"},
        {"' OR 1=1 --", "x"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(log_in(wrong[i][0], wrong[i][1]), AUTH_REFUSED);
}

static bool change_ann(struct db *db, struct fault *fault)
{
    struct store_account account;
    bool is_found;
    return store_account_find(db, BYTES("ann@here.test"), &account, &is_found, fault) && is_found &&
           put_verifier(db, account.id, STORE_CREDENTIAL_SCRAM_SHA_256, "", "new", fault) &&
           store_credential_remove(db, account.id, BYTES("phone"), fault);
}

static void a_change_holds_at_once(void **state)
{
    (void)state;
    /* Proved right, and so remembered; but of the old credential. */
    assert_int_equal(log_in("ann", "ann-secret"), AUTH_ACCEPTED);
    assert_int_equal(log_in("ann", "app-secret"), AUTH_ACCEPTED);
    assert_int_equal(log_in("ann", "app-secret"), AUTH_ACCEPTED);
    write_store(change_ann);
    assert_int_equal(log_in("ann", "ann-secret"), AUTH_REFUSED);
    assert_int_equal(log_in("ann", "app-secret"), AUTH_REFUSED);
    assert_int_equal(log_in("ann", "new"), AUTH_ACCEPTED);
}

/* PLAIN with its three parts. */
static enum auth_status plain(struct bytes message)
{
    AUTO(buffer)
    challenge = SECRET_BUFFER(1024);
    struct auth_exchange *exchange = auth_exchange_new(auth, BYTES("PLAIN"), &tls_place, NULL);
    assert_non_null(exchange);
    enum auth_status status = auth_exchange_step(exchange, reader, message, &challenge);
    auth_exchange_free(exchange);
    return status;
}

static void nobody_acts_as_somebody_else(void **state)
{
    (void)state;
    assert_int_equal(plain(BYTES("\0ann\0ann-secret")), AUTH_ACCEPTED);
    assert_int_equal(plain(BYTES("ann@here.test\0ann\0ann-secret")), AUTH_ACCEPTED);
    assert_int_equal(plain(BYTES("ben@here.test\0ann\0ann-secret")), AUTH_REFUSED);
    assert_int_equal(plain(BYTES("nobody@here.test\0ann\0ann-secret")), AUTH_REFUSED);
    assert_int_equal(plain(BYTES("\0ann")), AUTH_BROKEN);
}

static enum auth_status scram(const char *user, const char *password, const char *mechanism)
{
    struct sasl_scram_login login = {
        .digest = strstr(mechanism, "256") != NULL ? "SHA256" : "SHA1",
        .user = user,
        .password = password,
    };
    struct sasl_scram *client = sasl_scram_new(&login, NULL);
    struct auth_exchange *exchange =
        auth_exchange_new(auth, bytes_from_string(mechanism), &tls_place, NULL);
    assert_non_null(exchange);
    AUTO(buffer)
    said = SECRET_BUFFER(8192);
    AUTO(buffer)
    heard = SECRET_BUFFER(8192);
    assert_true(sasl_scram_step(client, BYTES(""), &said, NULL));
    assert_int_equal(auth_exchange_step(exchange, reader, buffer_bytes(&said), &heard),
                     AUTH_CHALLENGE);
    buffer_reset(&said);
    assert_true(sasl_scram_step(client, buffer_bytes(&heard), &said, NULL));
    buffer_reset(&heard);
    enum auth_status status = auth_exchange_step(exchange, reader, buffer_bytes(&said), &heard);
    if (status == AUTH_ACCEPTED)
        assert_true(sasl_scram_step(client, buffer_bytes(&heard), &said, NULL));
    auth_exchange_free(exchange);
    sasl_scram_free(client);
    return status;
}

static void scram_hides_who_is_there(void **state)
{
    (void)state;
    assert_int_equal(scram("ann", "ann-secret", "SCRAM-SHA-256"), AUTH_ACCEPTED);
    assert_int_equal(scram("ann", "wrong", "SCRAM-SHA-256"), AUTH_REFUSED);
    /* No verifier of this kind, a disabled account, an unknown user: each has a challenge, and
       fails where a wrong password does. */
    assert_int_equal(scram("ann", "ann-secret", "SCRAM-SHA-1"), AUTH_REFUSED);
    assert_int_equal(scram("ben", "ben-secret", "SCRAM-SHA-256"), AUTH_REFUSED);
    assert_int_equal(scram("carl", "carl-secret", "SCRAM-SHA-256"), AUTH_REFUSED);
    assert_int_equal(scram("nobody", "x", "SCRAM-SHA-256"), AUTH_REFUSED);
}

static void without_a_store_it_is_temporary(void **state)
{
    (void)state;
    AUTO(buffer)
    challenge = SECRET_BUFFER(1024);
    struct auth_exchange *exchange =
        auth_exchange_new_plain(auth, BYTES("ann"), BYTES("ann-secret"), NULL);
    assert_int_equal(auth_exchange_step(exchange, NULL, BYTES(""), &challenge), AUTH_UNAVAILABLE);
    auth_exchange_free(exchange);
}

static void all_nodes_share_the_secret(void **state)
{
    (void)state;
    /* The salt that an unknown user is shown is the same after a restart. */
    AUTO(buffer)
    first = SECRET_BUFFER(8192);
    AUTO(buffer)
    second = SECRET_BUFFER(8192);
    struct buffer *heard[] = {&first, &second};
    for (size_t i = 0; i < 2; i++) {
        struct auth *node = auth_new(store, NULL);
        struct auth_exchange *exchange =
            auth_exchange_new(node, BYTES("SCRAM-SHA-256"), &tls_place, NULL);
        assert_int_equal(auth_exchange_step(exchange, reader, BYTES("n,,n=nobody,r=abc"), heard[i]),
                         AUTH_CHALLENGE);
        auth_exchange_free(exchange);
        auth_free(node);
    }
    struct bytes one = buffer_bytes(&first), other = buffer_bytes(&second);
    one = bytes_skip(one, bytes_find(one, BYTES(",s=")));
    other = bytes_skip(other, bytes_find(other, BYTES(",s=")));
    assert_true(bytes_equal(one, other));
}

static void everybody_may_be_let_in(void **state)
{
    (void)state;
    struct auth *open = auth_new(store, NULL);
    struct auth *guarded = auth;
    auth_accept_everybody(open, BYTES("dev.test"));
    auth = open;
    assert_int_equal(log_in("new@there.test", "anything"), AUTH_ACCEPTED);
    assert_int_equal(log_in("new@there.test", "something else"), AUTH_ACCEPTED);
    assert_int_equal(log_in("app", "x"), AUTH_ACCEPTED);
    assert_null(auth_exchange_new(open, BYTES("SCRAM-SHA-256"), &tls_place, NULL));
    auth = guarded;
    auth_free(open);
    struct store_account account;
    bool is_found = false;
    assert_true(store_account_find(reader, BYTES("app@dev.test"), &account, &is_found, NULL));
    assert_true(is_found);
}

static void knows_what_crypt_can_do(void **state)
{
    (void)state;
    assert_true(auth_password_is_crypt(BYTES("$6$saltsalt$")));
    assert_true(auth_password_is_crypt(BYTES("$y$j9T$F5Jx5fExrKuPp53xLKQ..1$")));
    assert_false(auth_password_is_crypt(BYTES("")));
    assert_false(auth_password_is_crypt(BYTES("$99$saltsalt$")));
    assert_false(auth_password_is_crypt(BYTES("*")));
}

#define AUTH_TEST(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)

static const struct CMUnitTest tests[] = {
    AUTH_TEST(takes_the_right_password_only),   AUTH_TEST(a_change_holds_at_once),
    AUTH_TEST(nobody_acts_as_somebody_else),    AUTH_TEST(scram_hides_who_is_there),
    AUTH_TEST(without_a_store_it_is_temporary), AUTH_TEST(all_nodes_share_the_secret),
    AUTH_TEST(everybody_may_be_let_in),         cmocka_unit_test(knows_what_crypt_can_do),
};

UNIT_MAIN(tests)
