/* Which mechanism is chosen, and exchanges of each with a server that GNU SASL plays. */
#include "sasl/sasl_client.h"

#include <errno.h>
#include <stdio.h>

#include "failing_allocation.h"
#include "sasl/gnu_server.h"
#include "unit.h"

#define EVERY                                                                                      \
    "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS XOAUTH2 "  \
    "OAUTHBEARER EXTERNAL GSSAPI NTLM"

static const unsigned char binding[] = "binding of thirty-two bytes.....";

static const struct ph_tls_facts bound = {
    .binding_name = "tls-exporter", .binding = binding, .binding_length = 32};
static const struct ph_tls_facts unbound = {0};
static const struct ph_tls_facts certified = {.has_client_certificate = true};

static const struct sasl_place in_clear = {.service = "smtp", .host = "mx.example", .port = 587};
static const struct sasl_place under_tls = {
    .service = "smtp", .host = "mx.example", .port = 587, .is_encrypted = true, .facts = &unbound};
static const struct sasl_place under_bound_tls = {
    .service = "smtp", .host = "mx.example", .port = 587, .is_encrypted = true, .facts = &bound};
static const struct sasl_place under_certified_tls = {.service = "smtp",
                                                      .host = "mx.example",
                                                      .port = 587,
                                                      .is_encrypted = true,
                                                      .facts = &certified};

static const struct ph_login with_password = {.user = "user", .password = "pencil"};
static const struct ph_login with_token = {.user = "user", .access_token = "token"};
static const struct ph_login with_nothing = {0};
static const struct ph_login with_both = {
    .user = "user", .password = "pencil", .access_token = "token"};

static bool count_up(void *context, const char *challenge, size_t challenge_length, char *response,
                     size_t size, size_t *response_length)
{
    unsigned *steps = context;
    if (challenge != NULL && challenge_length == 4 && memcmp(challenge, "stop", 4) == 0)
        return false;
    assert_true(size >= 16);
    *response_length = (size_t)snprintf(response, size, "%u:%.*s", ++*steps, (int)challenge_length,
                                        challenge == NULL ? "" : challenge);
    return true;
}

/* ---- choosing ---- */

/* All that is chosen one after the other, joined by spaces. */
static void assert_order(const struct ph_login *login, const struct sasl_place *place,
                         const char *offered, const char *expected)
{
    struct sasl_attempts attempts = {0};
    struct fault fault = {0};
    AUTO(buffer)
    order = BUFFER(1024);
    const char *name;
    while ((name = sasl_client_choose(&attempts, login, place, offered, &fault)) != NULL) {
        if (order.length > 0)
            buffer_append_char(&order, ' ');
        buffer_append_string(&order, name);
    }
    assert_string_equal(buffer_string(&order), expected);
    assert_true(fault.message[0] != '\0');
}

static void takes_the_strongest_first(void **state)
{
    (void)state;
    assert_order(
        &with_password, &under_bound_tls, EVERY,
        "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN CRAM-MD5");
    assert_order(&with_password, &under_tls, EVERY,
                 "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN CRAM-MD5");
    assert_order(&with_both, &under_tls, EVERY,
                 "SCRAM-SHA-256 SCRAM-SHA-1 OAUTHBEARER XOAUTH2 PLAIN LOGIN CRAM-MD5");
    assert_order(&with_token, &under_tls, EVERY, "OAUTHBEARER XOAUTH2");
    assert_order(&with_password, &under_tls, "LOGIN PLAIN", "PLAIN LOGIN");
    assert_order(&with_password, &under_tls, "PLAINER", "");
    assert_order(&with_password, &under_tls, "", "");
    assert_order(&with_nothing, &under_bound_tls, EVERY, "");
}

static void shows_no_secret_in_clear(void **state)
{
    (void)state;
    assert_order(&with_password, &in_clear, EVERY, "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5");
    assert_order(&with_token, &in_clear, EVERY, "");
    struct ph_login careless = with_both;
    careless.allow_cleartext = true;
    assert_order(&careless, &in_clear, EVERY,
                 "SCRAM-SHA-256 SCRAM-SHA-1 OAUTHBEARER XOAUTH2 PLAIN LOGIN CRAM-MD5");
}

static void takes_external_for_a_certificate_alone(void **state)
{
    (void)state;
    struct ph_login named = with_password;
    named.mechanisms = "EXTERNAL";
    assert_order(&with_nothing, &under_certified_tls, EVERY, "EXTERNAL");
    assert_order(&with_nothing, &under_tls, EVERY, "");
    assert_order(&with_token, &under_certified_tls, EVERY, "OAUTHBEARER XOAUTH2");
    assert_order(&with_password, &under_certified_tls, EVERY,
                 "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN CRAM-MD5");
    assert_order(&named, &in_clear, EVERY, "EXTERNAL");
}

static void obeys_the_users_list(void **state)
{
    (void)state;
    struct ph_login login = with_password;
    login.mechanisms = "login  plain UNKNOWN scram-sha-256-plus";
    assert_order(&login, &under_bound_tls, EVERY, "LOGIN PLAIN SCRAM-SHA-256-PLUS");
    assert_order(&login, &under_tls, EVERY, "LOGIN PLAIN");
    assert_order(&login, &in_clear, EVERY, "");
    login.mechanisms = "XOAUTH2";
    assert_order(&login, &under_tls, EVERY, "");
    login.mechanisms = "";
    assert_order(&login, &under_tls, EVERY, "");
}

static void tries_the_users_own_mechanism_first(void **state)
{
    (void)state;
    const struct ph_mechanism own = {.name = "X-TOKEN", .step = count_up};
    struct ph_login login = with_password;
    login.own = &own;
    assert_order(&login, &under_tls, "PLAIN X-TOKEN", "X-TOKEN PLAIN");
    assert_order(&login, &under_tls, "PLAIN", "PLAIN");
    assert_order(&login, &in_clear, "PLAIN X-TOKEN", "X-TOKEN");
}

static void never_acts_as_somebody_else_than_asked(void **state)
{
    (void)state;
    struct ph_login login = with_password;
    login.authorization_id = "boss";
    assert_order(&login, &under_tls, EVERY, "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN");
}

static void looks_at_so_many_mechanisms_and_no_more(void **state)
{
    (void)state;
    AUTO(buffer)
    offered = BUFFER(1024);
    for (int i = 1; i < SASL_MECHANISMS_MAX; i++)
        buffer_append_string(&offered, "X ");
    buffer_append_string(&offered, "PLAIN");
    assert_order(&with_password, &under_tls, buffer_string(&offered), "PLAIN");
    buffer_reset(&offered);
    for (int i = 0; i < SASL_MECHANISMS_MAX; i++)
        buffer_append_string(&offered, "X ");
    buffer_append_string(&offered, "PLAIN");
    assert_order(&with_password, &under_tls, buffer_string(&offered), "");
}

static void says_why_nothing_is_chosen(void **state)
{
    (void)state;
    static const struct {
        const struct ph_login *login;
        const struct sasl_place *place;
        const char *offered;
        enum fault_kind kind;
        const char *word;
    } rows[] = {
        {&with_password, &in_clear, "PLAIN LOGIN", FAULT_DENIED, "not encrypted"},
        {&with_token, &in_clear, "XOAUTH2", FAULT_DENIED, "not encrypted"},
        {&with_password, &under_tls, "XOAUTH2 NTLM", FAULT_PERMANENT, "XOAUTH2 NTLM"},
        {&with_nothing, &in_clear, "PLAIN", FAULT_PERMANENT, "PLAIN"},
        {&with_password, &under_tls, "", FAULT_PERMANENT, "no login"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sasl_attempts attempts = {0};
        struct fault fault = {0};
        assert_null(
            sasl_client_choose(&attempts, rows[i].login, rows[i].place, rows[i].offered, &fault));
        assert_int_equal(fault.kind, rows[i].kind);
        assert_non_null(strstr(fault.message, rows[i].word));
    }
}

static void falls_back_only_where_nothing_more_is_given_away(void **state)
{
    (void)state;
    static const struct {
        const char *refused;
        const char *next;
        bool in_clear;
    } rows[] = {
        {"SCRAM-SHA-256", "SCRAM-SHA-1", true},
        {"SCRAM-SHA-1", "PLAIN", false},
        {"SCRAM-SHA-1", "LOGIN", false},
        {"SCRAM-SHA-256", "CRAM-MD5", false},
        {"CRAM-MD5", "PLAIN", false},
        {"PLAIN", "LOGIN", true},
        {"LOGIN", "CRAM-MD5", true},
        {"OAUTHBEARER", "XOAUTH2", true},
        {"XOAUTH2", "PLAIN", false},
        {"XOAUTH2", "CRAM-MD5", false},
        {"X-OWN", "SCRAM-SHA-1", true},
        {"X-OWN", "PLAIN", false},
        {"EXTERNAL", "SCRAM-SHA-256", true},
        {"SCRAM-SHA-256", "XOAUTH2", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("# %s, then %s\n", rows[i].refused, rows[i].next);
        assert_int_equal(sasl_client_may_fall_back(rows[i].refused, rows[i].next, &in_clear),
                         rows[i].in_clear);
        assert_true(sasl_client_may_fall_back(rows[i].refused, rows[i].next, &under_tls));
    }
}

static void assert_next(struct sasl_attempts *attempts, const struct ph_login *login,
                        const char *expected)
{
    const char *next = sasl_client_choose(attempts, login, &under_tls, EVERY, NULL);
    assert_string_equal(next == NULL ? "" : next, expected);
}

static void brings_a_refused_secret_no_second_time(void **state)
{
    (void)state;
    struct sasl_attempts attempts = {0};
    /* Somebody without a verifier for SCRAM may still know the password. */
    assert_next(&attempts, &with_password, "SCRAM-SHA-256");
    sasl_client_note_refusal(&attempts, &with_password, "SCRAM-SHA-256");
    assert_next(&attempts, &with_password, "SCRAM-SHA-1");
    assert_next(&attempts, &with_password, "PLAIN");
    sasl_client_note_refusal(&attempts, &with_password, "PLAIN");
    assert_next(&attempts, &with_password, "");

    /* A token that is refused says nothing about the password. */
    struct ph_login both = with_both;
    attempts = (struct sasl_attempts){0};
    sasl_client_note_refusal(&attempts, &both, "OAUTHBEARER");
    assert_next(&attempts, &both, "SCRAM-SHA-256");
    assert_next(&attempts, &both, "SCRAM-SHA-1");
    assert_next(&attempts, &both, "PLAIN");

    both.mechanisms = "PLAIN LOGIN";
    attempts = (struct sasl_attempts){0};
    assert_next(&attempts, &both, "PLAIN");
    sasl_client_note_refusal(&attempts, &both, "PLAIN");
    assert_next(&attempts, &both, "LOGIN");
    sasl_client_note_refusal(&attempts, &both, "X-OWN");
}

/* ---- exchanges ---- */

static struct sasl_client *start(const char *mechanism, const struct ph_login *login,
                                 const struct sasl_place *place)
{
    struct fault fault = {0};
    struct sasl_client *client = sasl_client_new(mechanism, login, place, &fault);
    assert_string_equal(fault.message, "");
    assert_non_null(client);
    return client;
}

/* Plays the exchange to its end; with_first: the initial response goes with the command. */
static bool play(const char *mechanism, const struct ph_login *login,
                 const struct sasl_place *place, const struct gnu_server_account *account,
                 bool with_first, const char *authorization_id)
{
    struct sasl_client *client = start(mechanism, login, place);
    struct gnu_server *server = gnu_server_new(mechanism, account);
    AUTO(buffer)
    challenge = BUFFER(65536);
    AUTO(buffer)
    response = SECRET_BUFFER(65536);
    enum gnu_server_verdict verdict = GNU_SERVER_GOES_ON;
    bool is_good = true;
    if (with_first)
        is_good = sasl_client_step(client, (struct bytes){0}, &response, NULL);
    /* A server's last words come as a challenge, to which an empty response is given (RFC 4954 4).
     */
    while (is_good && verdict == GNU_SERVER_GOES_ON) {
        buffer_reset(&challenge);
        verdict = gnu_server_step(server, buffer_bytes(&response), &challenge);
        buffer_reset(&response);
        if (verdict == GNU_SERVER_GOES_ON ||
            (verdict == GNU_SERVER_ACCEPTS && challenge.length > 0))
            is_good = sasl_client_step(client, buffer_bytes(&challenge), &response, NULL);
    }
    is_good = is_good && verdict == GNU_SERVER_ACCEPTS && sasl_client_finish(client, NULL);
    if (is_good && authorization_id != NULL)
        assert_string_equal(gnu_server_authorization_id(server), authorization_id);
    sasl_client_free(client);
    gnu_server_free(server);
    return is_good;
}

static const struct gnu_server_account account = {
    .user = "user", .password = "pencil", .binding_name = NULL};
static const struct gnu_server_account bound_account = {.user = "user",
                                                        .password = "pencil",
                                                        .binding_name = "tls-exporter",
                                                        .binding = {(const char *)binding, 32}};

static void agrees_with_a_server(void **state)
{
    (void)state;
    static const char *const names[] = {"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "CRAM-MD5",
                                        "LOGIN"};
    struct ph_login wrong = with_password;
    wrong.password = "pencils";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct sasl_client *client = start(names[i], &with_password, &under_tls);
        bool speaks_first = sasl_client_speaks_first(client);
        sasl_client_free(client);
        assert_int_equal(speaks_first, strcmp(names[i], "CRAM-MD5") != 0);
        print_message("# mechanism %zu\n", i);
        /* GNU SASL's server has the first word in LOGIN. */
        bool with_first = speaks_first && strcmp(names[i], "LOGIN") != 0;
        assert_true(play(names[i], &with_password, &under_tls, &account, with_first, NULL));
        assert_false(play(names[i], &wrong, &under_tls, &account, with_first, NULL));
    }
}

static void binds_to_the_channel(void **state)
{
    (void)state;
    static const char *const names[] = {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"};
    static const unsigned char other[] = "binding of somebody in between..";
    struct ph_tls_facts facts = bound;
    struct sasl_place place = under_bound_tls;
    place.facts = &facts;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        facts = bound;
        assert_true(play(names[i], &with_password, &place, &bound_account, true, NULL));
        facts.binding = other;
        assert_false(play(names[i], &with_password, &place, &bound_account, true, NULL));
    }
    struct gnu_server_account unique = bound_account;
    unique.binding_name = "tls-unique";
    facts = bound;
    facts.binding_name = "tls-unique";
    assert_true(play(names[0], &with_password, &place, &unique, true, NULL));
}

static void tells_a_server_without_binding_that_it_could(void **state)
{
    (void)state;
    static const struct {
        const struct sasl_place *place;
        const char *offered;
        const char *start;
    } rows[] = {
        {&under_bound_tls, "SCRAM-SHA-256 PLAIN", "y,,"},
        {&under_bound_tls, "SCRAM-SHA-256 SCRAM-SHA-256-PLUS", "n,,"},
        {&under_bound_tls, "SCRAM-SHA-256 SCRAM-SHA-1-PLUS", "n,,"},
        {&under_bound_tls, NULL, "n,,"},
        {&under_tls, "SCRAM-SHA-256", "n,,"},
        {&in_clear, "SCRAM-SHA-256", "n,,"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sasl_place place = *rows[i].place;
        place.offered = rows[i].offered;
        AUTO(buffer)
        response = SECRET_BUFFER(1024);
        struct sasl_client *client = start("SCRAM-SHA-256", &with_password, &place);
        assert_true(sasl_client_step(client, (struct bytes){0}, &response, NULL));
        assert_true(bytes_starts_with(buffer_bytes(&response), bytes_from_string(rows[i].start)));
        sasl_client_free(client);
    }
    struct sasl_place place = under_bound_tls;
    place.offered = "SCRAM-SHA-256 PLAIN";
    assert_true(play("SCRAM-SHA-256", &with_password, &place, &account, true, NULL));
}

static void acts_as_whom_it_is_told(void **state)
{
    (void)state;
    struct ph_login login = with_password;
    login.authorization_id = "boss";
    assert_true(play("SCRAM-SHA-256", &login, &under_tls, &account, true, "boss"));
    assert_true(play("PLAIN", &login, &under_tls, &account, true, "boss"));
    login.mechanisms = "EXTERNAL";
    assert_true(play("EXTERNAL", &login, &under_tls, &account, true, "boss"));
}

static void prepares_a_password_that_is_not_ascii(void **state)
{
    (void)state;
    /* U+212B, the Angstrom sign, is U+00C5 once prepared (RFC 4013 2.2, NFKC). */
    struct ph_login login = {.user = "us\u00adr", .password = "\u212bngstr\u00f6m"};
    const struct gnu_server_account prepared = {.user = "usr", .password = "\u00c5ngstr\u00f6m"};
    assert_true(play("SCRAM-SHA-256", &login, &under_tls, &prepared, true, NULL));
    assert_true(play("CRAM-MD5", &login, &under_tls, &prepared, false, NULL));
}

#define assert_answers(client, challenge, expected)                                                \
    do {                                                                                           \
        AUTO(buffer)                                                                               \
        response_ = SECRET_BUFFER(65536);                                                          \
        struct fault fault_ = {0};                                                                 \
        assert_true(sasl_client_step(client, challenge, &response_, &fault_));                     \
        assert_bytes(buffer_bytes(&response_), expected);                                          \
    } while (0)

static void assert_gives_up(struct sasl_client *client, struct bytes challenge,
                            enum fault_kind kind)
{
    AUTO(buffer)
    response = SECRET_BUFFER(65536);
    struct fault fault = {0};
    assert_false(sasl_client_step(client, challenge, &response, &fault));
    assert_int_equal(fault.kind, kind);
    assert_true(fault.message[0] != '\0');
    assert_false(sasl_client_finish(client, &fault));
}

static const struct bytes no_challenge = {NULL, 0};

static void follows_the_example_of_rfc_2195(void **state)
{
    (void)state;
    const struct ph_login tim = {.user = "tim", .password = "tanstaaftanstaaf"};
    struct sasl_client *client = start("CRAM-MD5", &tim, &in_clear);
    assert_false(sasl_client_speaks_first(client));
    assert_answers(client, BYTES("<1896.697170952@postoffice.reston.mci.net>"),
                   "tim b913a602c7eda7a495b4e6e7334d3890");
    assert_true(sasl_client_finish(client, NULL));
    assert_gives_up(client, BYTES("<again>"), FAULT_SYNTAX);
    sasl_client_free(client);
}

static void refuses_an_unusable_cram_md5_challenge(void **state)
{
    (void)state;
    struct sasl_client *client = start("CRAM-MD5", &with_password, &in_clear);
    assert_gives_up(client, no_challenge, FAULT_BUG);
    sasl_client_free(client);
    client = start("CRAM-MD5", &with_password, &in_clear);
    assert_gives_up(client, BYTES(""), FAULT_SYNTAX);
    sasl_client_free(client);
    client = start("CRAM-MD5", &with_password, &in_clear);
    assert_gives_up(client, BYTES("<a\0b>"), FAULT_SYNTAX);
    sasl_client_free(client);
}

static void follows_the_example_of_rfc_4616(void **state)
{
    (void)state;
    const struct ph_login tim = {.user = "tim", .password = "tanstaaftanstaaf"};
    struct sasl_client *client = start("PLAIN", &tim, &under_tls);
    assert_answers(client, no_challenge, "\0tim\0tanstaaftanstaaf");
    assert_true(sasl_client_finish(client, NULL));
    /* It is said once. */
    assert_gives_up(client, BYTES(""), FAULT_SYNTAX);
    sasl_client_free(client);
}

static void gives_login_user_and_password_whatever_is_asked(void **state)
{
    (void)state;
    struct sasl_client *client = start("LOGIN", &with_password, &under_tls);
    assert_answers(client, BYTES("Benutzer\0"), "user");
    assert_false(sasl_client_finish(client, NULL));
    assert_answers(client, BYTES("Username:"), "pencil");
    assert_true(sasl_client_finish(client, NULL));
    assert_gives_up(client, BYTES("Password:"), FAULT_SYNTAX);
    sasl_client_free(client);

    client = start("LOGIN", &with_password, &under_tls);
    assert_answers(client, no_challenge, "user");
    assert_answers(client, BYTES(""), "pencil");
    sasl_client_free(client);
}

static void follows_the_example_of_rfc_7628(void **state)
{
    (void)state;
    const struct ph_login login = {.user = "user@example.com", .access_token = "vF9dft4qmT"};
    const struct sasl_place place = {
        .host = "server.example.com", .port = 143, .is_encrypted = true};
    struct sasl_client *client = start("OAUTHBEARER", &login, &place);
    assert_answers(client, no_challenge,
                   "n,a=user@example.com,\1host=server.example.com\1port=143\1"
                   "auth=Bearer vF9dft4qmT\1\1");
    assert_true(sasl_client_finish(client, NULL));
    /* RFC 7628 3.2.3: a reason is answered by one %x01. */
    assert_answers(client, BYTES("{\"status\":\"invalid_token\"}"), "\1");
    assert_gives_up(client, BYTES(""), FAULT_SYNTAX);
    sasl_client_free(client);
}

static void says_xoauth2(void **state)
{
    (void)state;
    const struct ph_login login = {.user = "someuser@example.com", .access_token = "ya29.vF9"};
    struct sasl_client *client = start("XOAUTH2", &login, &under_tls);
    assert_answers(client, no_challenge, "user=someuser@example.com\1auth=Bearer ya29.vF9\1\1");
    assert_answers(client, BYTES("{\"status\":\"401\"}"), "");
    assert_gives_up(client, BYTES(""), FAULT_SYNTAX);
    sasl_client_free(client);
    /* Without an initial response the first challenge is empty and asks for it. */
    client = start("XOAUTH2", &login, &under_tls);
    assert_answers(client, BYTES(""), "user=someuser@example.com\1auth=Bearer ya29.vF9\1\1");
    sasl_client_free(client);
}

static void keeps_its_limits(void **state)
{
    (void)state;
    static char secret[SASL_SECRET_MAX + 2];
    static char name[SASL_NAME_MAX + 2];
    memset(secret, 'x', SASL_SECRET_MAX);
    memset(name, ',', SASL_NAME_MAX);
    static const char *const names[] = {"OAUTHBEARER", "XOAUTH2", "PLAIN", "SCRAM-SHA-256"};
    struct ph_login login = {
        .user = name, .authorization_id = name, .password = secret, .access_token = secret};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct sasl_client *client = start(names[i], &login, &under_tls);
        AUTO(buffer)
        response = SECRET_BUFFER(SASL_RESPONSE_MAX);
        assert_true(sasl_client_step(client, no_challenge, &response, NULL));
        assert_true(response.length > SASL_NAME_MAX);
        sasl_client_free(client);
    }
    const struct ph_login rows[] = {
        {.user = name, .password = secret, .authorization_id = "x"},
        {.user = "x", .password = secret, .authorization_id = name},
        {.user = "x", .password = secret},
        {.user = "x", .password = "x", .access_token = secret},
    };
    name[SASL_NAME_MAX] = ',';
    secret[SASL_SECRET_MAX] = 'x';
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fault fault = {0};
        assert_null(sasl_client_new("PLAIN", &rows[i], &under_tls, &fault));
        assert_int_equal(fault.kind, FAULT_LIMIT);
    }
}

static void refuses_what_would_break_a_token_message(void **state)
{
    (void)state;
    static const struct ph_login rows[] = {
        {.user = "user", .access_token = "to\1ken"},
        {.user = "user", .access_token = "to ken"},
        {.user = "user", .access_token = ""},
        {.user = "us\1er", .access_token = "token"},
        {.user = "us\ner", .access_token = "token"},
        {.user = "user", .access_token = "tok\xc3\xa4n"},
        {.user = "user", .access_token = "token\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sasl_client *client = start("OAUTHBEARER", &rows[i], &under_tls);
        assert_gives_up(client, no_challenge, FAULT_SYNTAX);
        sasl_client_free(client);
        client = start("XOAUTH2", &rows[i], &under_tls);
        assert_gives_up(client, no_challenge, FAULT_SYNTAX);
        sasl_client_free(client);
    }
}

static void lets_the_user_do_a_mechanism(void **state)
{
    (void)state;
    unsigned steps = 0;
    const struct ph_mechanism own = {
        .name = "X-COUNT", .has_initial_response = true, .step = count_up, .context = &steps};
    const struct ph_login login = {.own = &own};
    struct sasl_client *client = start("X-COUNT", &login, &in_clear);
    assert_true(sasl_client_speaks_first(client));
    assert_answers(client, no_challenge, "1:");
    assert_answers(client, BYTES("two"), "2:two");
    assert_true(sasl_client_finish(client, NULL));
    assert_gives_up(client, BYTES("stop"), FAULT_DENIED);
    assert_gives_up(client, BYTES("go"), FAULT_SYNTAX);
    sasl_client_free(client);
}

static void believes_no_success_without_proof(void **state)
{
    (void)state;
    struct sasl_client *client = start("SCRAM-SHA-256", &with_password, &under_tls);
    struct fault fault = {0};
    assert_false(sasl_client_finish(client, &fault));
    assert_int_equal(fault.kind, FAULT_DENIED);
    AUTO(buffer)
    response = SECRET_BUFFER(1024);
    assert_true(sasl_client_step(client, no_challenge, &response, NULL));
    assert_false(sasl_client_finish(client, &fault));
    assert_int_equal(fault.kind, FAULT_DENIED);
    sasl_client_free(client);
}

static void refuses_logins_that_a_mechanism_cannot_serve(void **state)
{
    (void)state;
    static const struct {
        const char *mechanism;
        struct ph_login login;
        enum fault_kind kind;
    } rows[] = {
        {"PLAIN", {.user = "user"}, FAULT_PERMANENT},
        {"PLAIN", {.password = "pencil"}, FAULT_PERMANENT},
        {"XOAUTH2", {.user = "user", .password = "pencil"}, FAULT_PERMANENT},
        {"SCRAM-SHA-256-PLUS", {.user = "user", .password = "pencil"}, FAULT_PERMANENT},
        {"NTLM", {.user = "user", .password = "pencil"}, FAULT_PERMANENT},
        {"PLAIN", {.user = "us\xff-r", .password = "pencil"}, FAULT_SYNTAX},
        {"PLAIN", {.user = "user", .password = "p\xe4ss"}, FAULT_SYNTAX},
        {"SCRAM-SHA-256", {.user = "user", .password = "\a"}, FAULT_SYNTAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fault fault = {0};
        assert_null(sasl_client_new(rows[i].mechanism, &rows[i].login, &under_tls, &fault));
        assert_int_equal(fault.kind, rows[i].kind);
    }
}

static void refuses_an_endless_challenge(void **state)
{
    (void)state;
    static char challenge[SASL_CHALLENGE_MAX + 1];
    struct sasl_client *client = start("LOGIN", &with_password, &under_tls);
    assert_gives_up(client, bytes_of(challenge, sizeof challenge), FAULT_LIMIT);
    sasl_client_free(client);
}

static void survives_every_failing_allocation(void **state)
{
    (void)state;
    static const char *const names[] = {"SCRAM-SHA-256", "PLAIN", "LOGIN", "OAUTHBEARER"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        bool was_refused = true;
        for (size_t n = 0; was_refused; n++) {
            AUTO(buffer)
            response = SECRET_BUFFER(1024);
            struct fault fault = {0};
            failing_allocation_start(n);
            struct sasl_client *client = sasl_client_new(names[i], &with_both, &under_tls, &fault);
            bool is_done =
                client != NULL && sasl_client_step(client, no_challenge, &response, &fault);
            was_refused = failing_allocation_stop();
            assert_int_equal(is_done, !was_refused);
            assert_int_equal(fault.system_error, is_done ? 0 : ENOMEM);
            sasl_client_free(client);
        }
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(takes_the_strongest_first),
    cmocka_unit_test(shows_no_secret_in_clear),
    cmocka_unit_test(takes_external_for_a_certificate_alone),
    cmocka_unit_test(obeys_the_users_list),
    cmocka_unit_test(tries_the_users_own_mechanism_first),
    cmocka_unit_test(never_acts_as_somebody_else_than_asked),
    cmocka_unit_test(looks_at_so_many_mechanisms_and_no_more),
    cmocka_unit_test(says_why_nothing_is_chosen),
    cmocka_unit_test(falls_back_only_where_nothing_more_is_given_away),
    cmocka_unit_test(brings_a_refused_secret_no_second_time),
    cmocka_unit_test(agrees_with_a_server),
    cmocka_unit_test(binds_to_the_channel),
    cmocka_unit_test(tells_a_server_without_binding_that_it_could),
    cmocka_unit_test(acts_as_whom_it_is_told),
    cmocka_unit_test(prepares_a_password_that_is_not_ascii),
    cmocka_unit_test(follows_the_example_of_rfc_2195),
    cmocka_unit_test(refuses_an_unusable_cram_md5_challenge),
    cmocka_unit_test(follows_the_example_of_rfc_4616),
    cmocka_unit_test(gives_login_user_and_password_whatever_is_asked),
    cmocka_unit_test(follows_the_example_of_rfc_7628),
    cmocka_unit_test(says_xoauth2),
    cmocka_unit_test(keeps_its_limits),
    cmocka_unit_test(refuses_what_would_break_a_token_message),
    cmocka_unit_test(lets_the_user_do_a_mechanism),
    cmocka_unit_test(believes_no_success_without_proof),
    cmocka_unit_test(refuses_logins_that_a_mechanism_cannot_serve),
    cmocka_unit_test(refuses_an_endless_challenge),
    cmocka_unit_test(survives_every_failing_allocation),
};

UNIT_MAIN(tests)
