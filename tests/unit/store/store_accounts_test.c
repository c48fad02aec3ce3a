/* Domains, accounts, aliases, credentials and quotas, on both databases. */
#include "failing_allocation.h"
#include "store_fixture.h"

#include <stdio.h>
#include <string.h>

#include "store/store_accounts.h"
#include "store/store_fold.h"
#include "store/store_maildrop.h"

/* ---- one change a job ---- */

enum change {
    DOMAIN_ADD,
    DOMAIN_REMOVE,
    ACCOUNT_ADD,
    ACCOUNT_REMOVE,
    ACCOUNT_DISABLE,
    ACCOUNT_ENABLE,
    ALIAS_ADD,
    ALIAS_REMOVE,
    APP_ADD,
    APP_REMOVE,
    PASSWORD_PUT, /* SCRAM-SHA-256 */
    CRYPT_PUT,
    PASSWORD_REMOVE,
    SETTING_PUT
};

struct changing {
    struct store_job job;
    struct store *store;
    int64_t account;
    enum change change;
    struct bytes one;
    struct bytes two;
};

static bool change_credentials(const struct changing *changing, struct db *db, struct fault *fault)
{
    struct store *store = changing->store;
    int64_t account = changing->account;
    switch (changing->change) {
    case APP_ADD:
        return store_credential_put(store, db, account, STORE_CREDENTIAL_APP, changing->one,
                                    changing->two, fault);
    case APP_REMOVE:
        return store_credential_remove(db, account, changing->one, fault);
    case PASSWORD_PUT:
        return store_credential_put(store, db, account, STORE_CREDENTIAL_SCRAM_SHA_256, BYTES(""),
                                    changing->one, fault);
    case CRYPT_PUT:
        return store_credential_put(store, db, account, STORE_CREDENTIAL_CRYPT, BYTES("ignored"),
                                    changing->one, fault);
    default:
        return store_credential_remove_password(db, account, fault);
    }
}

static bool run_change(struct store_job *job, struct db *db, struct fault *fault)
{
    const struct changing *changing = (const struct changing *)job;
    struct store *store = changing->store;
    char name[64];
    switch (changing->change) {
    case DOMAIN_ADD:
        return store_domain_add(db, store_id_make(store), changing->one, fault);
    case DOMAIN_REMOVE:
        return store_domain_remove(db, changing->one, fault);
    case ACCOUNT_ADD:
        return store_account_add(store, db, changing->one, NULL, fault);
    case ACCOUNT_REMOVE:
        return store_account_remove(db, changing->one, fault);
    case ACCOUNT_DISABLE:
    case ACCOUNT_ENABLE:
        return store_account_set_disabled(db, changing->one, changing->change == ACCOUNT_DISABLE,
                                          fault);
    case ALIAS_ADD:
        return store_alias_add(store, db, changing->one, changing->two, fault);
    case ALIAS_REMOVE:
        return store_alias_remove(db, changing->one, changing->two, fault);
    case SETTING_PUT:
        snprintf(name, sizeof(name), "%.*s", BYTES_FORMAT(changing->one));
        return store_setting_put(db, name, changing->two, fault);
    default:
        return change_credentials(changing, db, fault);
    }
}

static bool try_change(struct store_fixture *fixture, enum change change, const char *one,
                       const char *two, struct fault *fault)
{
    struct changing changing = {.job.run = run_change,
                                .store = fixture->store,
                                .account = fixture->account,
                                .change = change,
                                .one = bytes_from_string(one),
                                .two = bytes_from_string(two)};
    return store_run(fixture->store, &changing.job, fault);
}

static void make(struct store_fixture *fixture, enum change change, const char *one,
                 const char *two)
{
    struct fault fault = {0};
    if (!try_change(fixture, change, one, two, &fault))
        fail_msg("%s %s: %s", one, two, fault.message);
}

/* The change is refused, in words that contain these. */
static void refuse(struct store_fixture *fixture, enum change change, const char *one,
                   const char *two, enum fault_kind kind, const char *words)
{
    struct fault fault = {0};
    if (try_change(fixture, change, one, two, &fault))
        fail_msg("%s %s was done", one, two);
    if (fault.kind != kind || strstr(fault.message, words) == NULL)
        fail_msg("%s %s: %s, %s", one, two, fault_kind_name(fault.kind), fault.message);
}

/* ---- looking ---- */

static struct store_account account_of(struct store_fixture *fixture, const char *login)
{
    struct store_account account;
    struct fault fault = {0};
    bool is_found = false;
    assert_true(
        store_account_find(fixture->reader, bytes_from_string(login), &account, &is_found, &fault));
    if (!is_found)
        fail_msg("there is no %s", login);
    return account;
}

static bool has_account(struct store_fixture *fixture, const char *login)
{
    struct store_account account;
    struct fault fault = {0};
    bool is_found = false;
    assert_true(
        store_account_find(fixture->reader, bytes_from_string(login), &account, &is_found, &fault));
    return is_found;
}

static void resolve(struct store_fixture *fixture, const char *text, struct store_targets *targets)
{
    struct address address;
    struct fault fault = {0};
    assert_true(address_parse(bytes_from_string(text), &address, &fault));
    if (!store_resolve(fixture->reader, &address, targets, &fault))
        fail_msg("%s: %s", text, fault.message);
}

static void assert_resolution(struct store_fixture *fixture, const char *address,
                              enum store_resolution resolution)
{
    AUTO(store_targets)
    targets = {0};
    resolve(fixture, address, &targets);
    if (targets.resolution != resolution)
        fail_msg("%s: %d is not %d", address, targets.resolution, resolution);
    assert_int_equal(targets.count == 0, resolution != STORE_RESOLVED);
}

/* Exactly these, in any order: logins, or far addresses. NULL behind the last. */
static void assert_targets(struct store_fixture *fixture, const char *address,
                           const char *const *expected)
{
    AUTO(store_targets)
    targets = {0};
    size_t count = 0;
    resolve(fixture, address, &targets);
    assert_int_equal(targets.resolution, STORE_RESOLVED);
    for (; expected[count] != NULL; count++) {
        bool is_there = false;
        bool is_ours = has_account(fixture, expected[count]);
        for (size_t i = 0; i < targets.count; i++) {
            const struct store_target *target = &targets.items[i];
            AUTO(buffer)
            far = BUFFER(ADDRESS_TEXT_MAX);
            if (target->account == 0)
                address_print(&target->far, &far);
            is_there |= is_ours
                            ? target->account == account_of(fixture, expected[count]).id &&
                                  target->mailbox == account_of(fixture, expected[count]).inbox
                            : bytes_equal(buffer_bytes(&far), bytes_from_string(expected[count]));
        }
        if (!is_there)
            fail_msg("%s does not lead to %s", address, expected[count]);
    }
    if (count != targets.count)
        fail_msg("%s: %zu targets instead of %zu", address, targets.count, count);
}

#define assert_leads(fixture, address, ...)                                                        \
    assert_targets((fixture), (address), (const char *const[]){__VA_ARGS__, NULL})

static bool owns(struct store_fixture *fixture, const char *login, const char *text)
{
    struct address address;
    struct fault fault = {0};
    bool is_owner = false;
    assert_true(address_parse(bytes_from_string(text), &address, &fault));
    assert_true(store_account_owns(fixture->reader, account_of(fixture, login).id, &address,
                                   &is_owner, &fault));
    return is_owner;
}

struct listing {
    char text[512];
    size_t most; /* lines; 0 = all */
    size_t count;
};

static bool add_line(struct listing *listing, const char *one, const char *two)
{
    size_t length = strlen(listing->text);
    snprintf(listing->text + length, sizeof(listing->text) - length, "%s %s\n", one, two);
    return ++listing->count != listing->most;
}

static bool list_account(void *context, const struct store_account *account)
{
    return add_line(context, account->login, account->is_disabled ? "disabled" : "enabled");
}

static bool list_domain(void *context, const char *name, uint64_t accounts, uint64_t aliases)
{
    char numbers[64];
    snprintf(numbers, sizeof(numbers), "%u %u", (unsigned)accounts, (unsigned)aliases);
    return add_line(context, name, numbers);
}

static bool list_alias(void *context, const char *alias, const char *target)
{
    return add_line(context, alias, target);
}

/* ---- domains and accounts ---- */

static void names_are_folded(void **state)
{
    struct store_fixture *fixture = *state;
    make(fixture, DOMAIN_ADD,
         "B\xC3\xBC"
         "cher.Example",
         "");
    make(fixture, ACCOUNT_ADD,
         "Bob@b\xC3\xBC"
         "cher.example",
         "");
    assert_string_equal(account_of(fixture, "BOB@XN--BCHER-KVA.example").login,
                        "bob@xn--bcher-kva.example");
    assert_leads(fixture, "bOb@xn--bcher-kva.EXAMPLE", "bob@xn--bcher-kva.example");
    make(fixture, ACCOUNT_ADD, "\"Eve X\"@example.org", "");
    assert_string_equal(account_of(fixture, "\"eve x\"@Example.Org").login,
                        "\"eve x\"@example.org");
    /* The quotes are no part of what a local part means. */
    assert_leads(fixture, "\"ann\"@example.org", "ann@example.org");
    assert_false(has_account(fixture, "ann"));
    assert_false(has_account(fixture, ""));
    assert_false(has_account(fixture, "ann@elsewhere.example"));
}

static void refusals_teach(void **state)
{
    struct store_fixture *fixture = *state;
    refuse(fixture, ACCOUNT_ADD, "bob@example.net", "", FAULT_PERMANENT,
           "posthorn domain add example.net");
    refuse(fixture, ACCOUNT_ADD, "ANN@example.org", "", FAULT_DENIED, "there already");
    refuse(fixture, ACCOUNT_ADD, "ann", "", FAULT_SYNTAX, "");
    refuse(fixture, ACCOUNT_ADD, "\"\"@example.org", "", FAULT_SYNTAX, "");
    refuse(fixture, DOMAIN_ADD, "Example.Org", "", FAULT_DENIED, "there already");
    refuse(fixture, DOMAIN_ADD, "exa mple", "", FAULT_SYNTAX, "");
    refuse(fixture, DOMAIN_REMOVE, "example.org", "", FAULT_DENIED, "ann@example.org");
    refuse(fixture, DOMAIN_REMOVE, "example.net", "", FAULT_PERMANENT, "no domain");
    refuse(fixture, ACCOUNT_REMOVE, "bob@example.org", "", FAULT_PERMANENT, "no account");
    make(fixture, ALIAS_ADD, "info@example.org", "ann@example.org");
    refuse(fixture, ACCOUNT_ADD, "info@example.org", "", FAULT_DENIED, "posthorn alias remove");
}

static void an_account_has_its_mailboxes(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement count = {
        "SELECT COUNT(*) FROM mailbox WHERE account = $1 AND parent = 0 AND uidvalidity > 0 AND "
        "((name = 'INBOX' AND role = 1) OR (name = 'Drafts' AND role = 2) OR "
        "(name = 'Sent' AND role = 3) OR (name = 'Junk' AND role = 4) OR "
        "(name = 'Trash' AND role = 5) OR (name = 'Archive' AND role = 6))",
        NULL};
    static const struct db_statement all = {"SELECT COUNT(*) FROM mailbox WHERE account = $1",
                                            NULL};
    assert_int_equal(store_fixture_number(fixture, &count, DB_VALUES(db_number(fixture->account))),
                     6);
    assert_int_equal(store_fixture_number(fixture, &all, DB_VALUES(db_number(fixture->account))),
                     6);
    assert_int_not_equal(fixture->inbox, 0);
}

static void a_domain_goes_with_its_aliases(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement count = {"SELECT COUNT(*) FROM address", NULL};
    make(fixture, DOMAIN_ADD, "example.net", "");
    make(fixture, ALIAS_ADD, "info@example.net", "ann@example.org");
    assert_leads(fixture, "info@example.net", "ann@example.org");
    make(fixture, DOMAIN_REMOVE, "EXAMPLE.net", "");
    assert_resolution(fixture, "info@example.net", STORE_DOMAIN_IS_FAR);
    assert_int_equal(store_fixture_number(fixture, &count, DB_NO_VALUES), 1);
}

/* ---- where mail goes ---- */

static void exact_then_without_detail_then_catch_all(void **state)
{
    struct store_fixture *fixture = *state;
    make(fixture, ACCOUNT_ADD, "bob@example.org", "");
    make(fixture, ACCOUNT_ADD, "ann+work@example.org", "");
    assert_leads(fixture, "ann+work@example.org", "ann+work@example.org");
    assert_leads(fixture, "ann+work+more@example.org", "ann@example.org");
    assert_leads(fixture, "Ann+Play@example.org", "ann@example.org");
    assert_leads(fixture, "ann+@example.org", "ann@example.org");
    assert_resolution(fixture, "+ann@example.org", STORE_UNKNOWN);
    assert_resolution(fixture, "eve@example.org", STORE_UNKNOWN);
    assert_resolution(fixture, "ann@example.net", STORE_DOMAIN_IS_FAR);
    make(fixture, ALIAS_ADD, "@example.org", "bob@example.org");
    assert_leads(fixture, "eve@example.org", "bob@example.org");
    assert_leads(fixture, "eve+x@example.org", "bob@example.org");
    assert_leads(fixture, "ann+x@example.org", "ann@example.org");
}

static void aliases_are_followed_to_their_ends(void **state)
{
    struct store_fixture *fixture = *state;
    make(fixture, ACCOUNT_ADD, "bob@example.org", "");
    make(fixture, ALIAS_ADD, "info@example.org", "ann@example.org");
    make(fixture, ALIAS_ADD, "Info@example.org", "BOB+x@example.org");
    make(fixture, ALIAS_ADD, "info@example.org", "Far@elsewhere.EXAMPLE");
    make(fixture, ALIAS_ADD, "all@example.org", "info@example.org");
    make(fixture, ALIAS_ADD, "all@example.org", "bob@example.org");
    make(fixture, ALIAS_ADD, "all@example.org", "Far@elsewhere.example");
    /* Each once, though three ways lead to bob. */
    assert_leads(fixture, "ALL+x@example.org", "ann@example.org", "bob@example.org",
                 "Far@elsewhere.example");
    /* An account's own mail stays in it when it is sent on as well. */
    make(fixture, ALIAS_ADD, "bob@example.org", "bob@elsewhere.example");
    assert_leads(fixture, "bob@example.org", "bob@example.org", "bob@elsewhere.example");
    make(fixture, ALIAS_REMOVE, "all@example.org", "info@example.org");
    assert_leads(fixture, "all@example.org", "bob@example.org", "bob@elsewhere.example",
                 "Far@elsewhere.example");
    make(fixture, ALIAS_REMOVE, "all@example.org", "");
    assert_resolution(fixture, "all@example.org", STORE_UNKNOWN);
    make(fixture, ALIAS_REMOVE, "bob@example.org", "");
    assert_leads(fixture, "bob@example.org", "bob@example.org");
}

/* What leads somewhere goes on to do so. */
static void aliases_that_others_need(void **state)
{
    struct store_fixture *fixture = *state;
    make(fixture, ACCOUNT_ADD, "bob@example.org", "");
    make(fixture, ALIAS_ADD, "info@example.org", "ann@example.org");
    make(fixture, ALIAS_ADD, "info@example.org", "bob@example.org");
    make(fixture, ALIAS_ADD, "all@example.org", "info+x@example.org");
    refuse(fixture, ALIAS_REMOVE, "info@example.org", "", FAULT_DENIED,
           "the alias all@example.org would lead nowhere");
    make(fixture, ALIAS_REMOVE, "info@example.org", "ann@example.org");
    refuse(fixture, ALIAS_REMOVE, "info@example.org", "bob@example.org", FAULT_DENIED, "all@");
    assert_leads(fixture, "all@example.org", "bob@example.org");
    make(fixture, ALIAS_REMOVE, "all@example.org", "");
    make(fixture, ALIAS_REMOVE, "info@example.org", "");
    /* The catch-all too. */
    make(fixture, ALIAS_ADD, "@example.org", "ann@example.org");
    make(fixture, ALIAS_ADD, "one@example.org", "whoever@example.org");
    make(fixture, ALIAS_ADD, "two@example.org", "bob@example.org");
    refuse(fixture, ALIAS_REMOVE, "@example.org", "", FAULT_DENIED, "one@example.org");
    make(fixture, ALIAS_REMOVE, "one@example.org", "");
    make(fixture, ALIAS_REMOVE, "@example.org", "");
    assert_leads(fixture, "two@example.org", "bob@example.org");
}

static void aliases_that_cannot_be(void **state)
{
    struct store_fixture *fixture = *state;
    make(fixture, ALIAS_ADD, "a@example.org", "ann@example.org");
    make(fixture, ALIAS_ADD, "b@example.org", "a@example.org");
    refuse(fixture, ALIAS_ADD, "a@example.org", "b@example.org", FAULT_DENIED, "round");
    refuse(fixture, ALIAS_ADD, "a@example.org", "A@example.org", FAULT_DENIED, "itself");
    refuse(fixture, ALIAS_ADD, "a@example.org", "ANN@example.org", FAULT_DENIED, "already");
    refuse(fixture, ALIAS_ADD, "a@example.org", "eve@example.org", FAULT_PERMANENT,
           "posthorn account add eve@example.org");
    refuse(fixture, ALIAS_ADD, "a@example.net", "ann@example.org", FAULT_PERMANENT,
           "posthorn domain add example.net");
    refuse(fixture, ALIAS_ADD, "a", "ann@example.org", FAULT_SYNTAX, "");
    refuse(fixture, ALIAS_ADD, "a@example.org", "", FAULT_SYNTAX, "");
    refuse(fixture, ALIAS_REMOVE, "c@example.org", "", FAULT_PERMANENT, "no such alias");
    refuse(fixture, ALIAS_REMOVE, "a@example.org", "eve@x.example", FAULT_PERMANENT,
           "no such alias");
    /* The account's own address is no alias. */
    refuse(fixture, ALIAS_REMOVE, "ann@example.org", "", FAULT_PERMANENT, "no such alias");
    /* What was refused has left nothing behind. */
    assert_leads(fixture, "b@example.org", "ann@example.org");
}

/* Writes what no command makes. */
static void force_alias(struct store_fixture *fixture, const char *local, const char *target)
{
    static const struct db_statement insert = {
        "INSERT INTO address(domain, local, target, account, created) "
        "VALUES((SELECT id FROM domain WHERE name = 'example.org'), $1, $2, NULL, 0)",
        NULL};
    store_fixture_execute(fixture, &insert, DB_VALUES(db_string(local), db_string(target)));
}

static void loops_and_depths_end(void **state)
{
    struct store_fixture *fixture = *state;
    char local[16];
    char target[32] = "ann@example.org";
    force_alias(fixture, "a", "b@example.org");
    force_alias(fixture, "b", "a@example.org");
    assert_resolution(fixture, "a@example.org", STORE_TOO_MANY);
    force_alias(fixture, "c", "c+x@example.org");
    assert_resolution(fixture, "c@example.org", STORE_TOO_MANY);
    for (int i = 0; i <= STORE_ALIAS_DEPTH_MAX; i++) {
        snprintf(local, sizeof(local), "d%d", i);
        force_alias(fixture, local, target);
        snprintf(target, sizeof(target), "%s@example.org", local);
    }
    /* d9 is ten aliases behind one another, d10 is one more. */
    assert_leads(fixture, "d9@example.org", "ann@example.org");
    assert_resolution(fixture, "d10@example.org", STORE_TOO_MANY);
    /* A target that is nobody, or no address at all, does not spoil the others. */
    force_alias(fixture, "e", "nobody@example.org");
    assert_resolution(fixture, "e@example.org", STORE_UNKNOWN);
    force_alias(fixture, "e", "not an address");
    assert_resolution(fixture, "e@example.org", STORE_UNKNOWN);
    force_alias(fixture, "e", "ann@example.org");
    assert_leads(fixture, "e@example.org", "ann@example.org");
}

static void targets_have_a_limit(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement fill = {
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) "
        "INSERT INTO address(domain, local, target, account, created) "
        "SELECT (SELECT id FROM domain WHERE name = 'example.org'), 'many', "
        "'u' || i || '@far.example', NULL, 0 FROM n",
        NULL};
    AUTO(store_targets)
    targets = {0};
    store_fixture_execute(fixture, &fill, DB_VALUES(db_number(STORE_ALIAS_TARGETS_MAX)));
    resolve(fixture, "many@example.org", &targets);
    assert_int_equal(targets.resolution, STORE_RESOLVED);
    assert_int_equal(targets.count, STORE_ALIAS_TARGETS_MAX);
    force_alias(fixture, "many", "one-more@far.example");
    assert_resolution(fixture, "many@example.org", STORE_TOO_MANY);
}

static void disabled_accounts_take_no_mail(void **state)
{
    struct store_fixture *fixture = *state;
    make(fixture, ACCOUNT_ADD, "bob@example.org", "");
    make(fixture, ALIAS_ADD, "info@example.org", "bob@example.org");
    make(fixture, ACCOUNT_DISABLE, "bob@example.org", "");
    assert_true(account_of(fixture, "bob@example.org").is_disabled);
    assert_resolution(fixture, "bob@example.org", STORE_DISABLED);
    assert_resolution(fixture, "info@example.org", STORE_DISABLED);
    make(fixture, ALIAS_ADD, "info@example.org", "ann@example.org");
    assert_leads(fixture, "info@example.org", "ann@example.org");
    make(fixture, ACCOUNT_ENABLE, "bob@example.org", "");
    assert_leads(fixture, "info@example.org", "ann@example.org", "bob@example.org");
}

static void somebody_is_always_postmaster(void **state)
{
    struct store_fixture *fixture = *state;
    AUTO(store_targets)
    targets = {0};
    struct fault fault = {0};
    make(fixture, ACCOUNT_ADD, "bob@example.org", "");
    assert_leads(fixture, "PostMaster@example.org", "ann@example.org");
    make(fixture, DOMAIN_ADD, "example.net", "");
    assert_leads(fixture, "postmaster@example.net", "ann@example.org");
    make(fixture, ACCOUNT_ADD, "eve@example.net", "");
    assert_leads(fixture, "postmaster@example.net", "eve@example.net");
    make(fixture, ACCOUNT_DISABLE, "ann@example.org", "");
    assert_leads(fixture, "postmaster@example.org", "bob@example.org");
    make(fixture, ALIAS_ADD, "postmaster@example.org", "eve@example.net");
    assert_leads(fixture, "postmaster@example.org", "eve@example.net");
    make(fixture, SETTING_PUT, STORE_SETTING_DEFAULT_DOMAIN, "example.net");
    assert_true(store_resolve_postmaster(fixture->reader, &targets, &fault));
    assert_int_equal(targets.count, 1);
    assert_int_equal(targets.items[0].account, account_of(fixture, "eve@example.net").id);
}

static void a_bare_postmaster_without_a_setting(void **state)
{
    struct store_fixture *fixture = *state;
    AUTO(store_targets)
    targets = {0};
    struct fault fault = {0};
    assert_true(store_resolve_postmaster(fixture->reader, &targets, &fault));
    assert_int_equal(targets.count, 1);
    assert_int_equal(targets.items[0].account, fixture->account);
}

static void who_may_send_as_whom(void **state)
{
    struct store_fixture *fixture = *state;
    make(fixture, ACCOUNT_ADD, "bob@example.org", "");
    make(fixture, ALIAS_ADD, "info@example.org", "ann@example.org");
    assert_true(owns(fixture, "ann@example.org", "ANN@example.org"));
    assert_true(owns(fixture, "ann@example.org", "ann+list@example.org"));
    assert_true(owns(fixture, "ann@example.org", "info+x@example.org"));
    assert_false(owns(fixture, "bob@example.org", "info@example.org"));
    assert_false(owns(fixture, "ann@example.org", "bob@example.org"));
    assert_false(owns(fixture, "ann@example.org", "ann@elsewhere.example"));
    assert_false(owns(fixture, "ann@example.org", "eve@example.org"));
    make(fixture, ALIAS_ADD, "@example.org", "ann@example.org");
    assert_true(owns(fixture, "ann@example.org", "eve@example.org"));
    assert_false(owns(fixture, "ann@example.org", "bob@example.org"));
}

/* ---- credentials, quotas, settings ---- */

static size_t read_credentials(struct store_fixture *fixture, struct store_credential *credentials)
{
    struct fault fault = {0};
    size_t count = 0;
    assert_true(
        store_credentials_read(fixture->reader, fixture->account, credentials, &count, &fault));
    return count;
}

static void passwords_replace_and_app_passwords_add(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_credential credentials[STORE_CREDENTIALS_MAX];
    make(fixture, PASSWORD_PUT, "first", "");
    make(fixture, PASSWORD_PUT, "second", "");
    make(fixture, CRYPT_PUT, "$6$hash", "");
    make(fixture, APP_ADD, "phone", "third");
    make(fixture, APP_ADD, "Phone", "fourth");
    refuse(fixture, APP_ADD, "phone", "fifth", FAULT_DENIED, "already");
    assert_int_equal(read_credentials(fixture, credentials), 4);
    assert_string_equal(credentials[0].data, "second");
    assert_int_equal(credentials[0].kind, STORE_CREDENTIAL_SCRAM_SHA_256);
    assert_int_equal(credentials[1].kind, STORE_CREDENTIAL_CRYPT);
    assert_string_equal(credentials[1].label, "");
    assert_string_equal(credentials[2].label, "phone");
    assert_string_equal(credentials[2].data, "third");
    assert_true(credentials[2].created > 0);
    make(fixture, APP_REMOVE, "phone", "");
    refuse(fixture, APP_REMOVE, "phone", "", FAULT_PERMANENT, "no app password");
    make(fixture, PASSWORD_REMOVE, "", "");
    assert_int_equal(read_credentials(fixture, credentials), 1);
    assert_string_equal(credentials[0].label, "Phone");
}

static void credentials_have_limits(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_credential credentials[STORE_CREDENTIALS_MAX];
    char label[STORE_LABEL_MAX + 2];
    char data[STORE_VERIFIER_MAX + 2];
    memset(label, 'l', sizeof(label));
    memset(data, 'd', sizeof(data));
    label[STORE_LABEL_MAX + 1] = '\0';
    data[STORE_VERIFIER_MAX + 1] = '\0';
    refuse(fixture, APP_ADD, label, "x", FAULT_LIMIT, "label");
    refuse(fixture, PASSWORD_PUT, data, "", FAULT_LIMIT, "data");
    refuse(fixture, PASSWORD_PUT, "", "", FAULT_LIMIT, "data");
    refuse(fixture, APP_ADD, "", "x", FAULT_LIMIT, "label");
    refuse(fixture, APP_ADD, "a\nb", "x", FAULT_SYNTAX, "label");
    label[STORE_LABEL_MAX] = '\0';
    data[STORE_VERIFIER_MAX] = '\0';
    make(fixture, APP_ADD, label, data);
    assert_int_equal(read_credentials(fixture, credentials), 1);
    assert_string_equal(credentials[0].label, label);
    assert_string_equal(credentials[0].data, data);
    for (int i = 1; i < STORE_CREDENTIALS_MAX - 3; i++) {
        snprintf(label, sizeof(label), "%d", i);
        make(fixture, APP_ADD, label, "x");
    }
    refuse(fixture, APP_ADD, "one more", "x", FAULT_LIMIT, "at most");
    make(fixture, PASSWORD_PUT, "x", "");
    assert_int_equal(read_credentials(fixture, credentials), STORE_CREDENTIALS_MAX - 2);
}

struct quota_job {
    struct store_job job;
    int64_t bytes;
    int64_t messages;
};

static bool set_quota(struct store_job *job, struct db *db, struct fault *fault)
{
    const struct quota_job *quota = (const struct quota_job *)job;
    return store_quota_set(db, BYTES("ann@example.org"), quota->bytes, quota->messages, fault);
}

static bool quota(struct store_fixture *fixture, int64_t bytes, int64_t messages)
{
    struct fault fault = {0};
    struct quota_job job = {.job.run = set_quota, .bytes = bytes, .messages = messages};
    return store_run(fixture->store, &job.job, &fault);
}

static bool is_full(struct store_fixture *fixture)
{
    AUTO(store_targets)
    targets = {0};
    resolve(fixture, "ann@example.org", &targets);
    assert_int_equal(targets.count, 1);
    return targets.items[0].is_full;
}

static void quotas_tell_when_they_are_used_up(void **state)
{
    struct store_fixture *fixture = *state;
    store_fixture_put(fixture, BYTES("Subject: x\r\n\r\nx\r\n"));
    struct store_account account = account_of(fixture, "ann@example.org");
    assert_int_equal(account.used_messages, 1);
    assert_true(account.used_bytes > 0);
    assert_false(is_full(fixture));
    assert_true(quota(fixture, account.used_bytes + 1, 2));
    assert_false(is_full(fixture));
    assert_true(quota(fixture, account.used_bytes, 0));
    assert_true(is_full(fixture));
    assert_true(quota(fixture, 0, 1));
    assert_true(is_full(fixture));
    assert_int_equal(account_of(fixture, "ann@example.org").quota_messages, 1);
    assert_false(quota(fixture, -1, 0));
    assert_true(quota(fixture, 0, 0));
    assert_false(is_full(fixture));
}

static void settings_are_kept(void **state)
{
    struct store_fixture *fixture = *state;
    AUTO(buffer)
    value = BUFFER(100);
    struct fault fault = {0};
    assert_true(store_setting_get(fixture->reader, "colour", &value, &fault));
    assert_int_equal(value.length, 0);
    make(fixture, SETTING_PUT, "colour", "red");
    make(fixture, SETTING_PUT, "colour", "blue");
    assert_true(store_setting_get(fixture->reader, "colour", &value, &fault));
    assert_bytes(buffer_bytes(&value), "blue");
}

/* ---- without memory ---- */

/* Each allocation fails once, in a reading that goes through aliases, lists and credentials. */
static void running_out_of_memory_is_temporary(void **state)
{
    struct store_fixture *fixture = *state;
    struct address address;
    struct fault fault = {0};
    make(fixture, ALIAS_ADD, "info@example.org", "ann@example.org");
    make(fixture, ALIAS_ADD, "info@example.org", "bob@far.example");
    make(fixture, ALIAS_ADD, "all@example.org", "info@example.org");
    assert_true(address_parse(BYTES("all+x@example.org"), &address, &fault));
    bool is_refused = true;
    size_t count = 0;
    for (; is_refused; count++) {
        AUTO(store_targets)
        targets = {0};
        struct listing listing = {0};
        fault_clear(&fault);
        failing_allocation_start(count);
        bool is_done = store_resolve(fixture->reader, &address, &targets, &fault) &&
                       store_aliases_list(fixture->reader, BYTES(""), list_alias, &listing, &fault);
        is_refused = failing_allocation_stop();
        assert_true(is_done || (is_refused && fault.kind == FAULT_TEMPORARY));
        assert_true(is_refused || targets.count == 2);
    }
    assert_true(count > 3);
}

/* ---- the end of an account ---- */

static int64_t rows_of(struct store_fixture *fixture, const struct db_statement *statement)
{
    return store_fixture_number(fixture, statement, DB_NO_VALUES);
}

static void nothing_is_left_of_an_account(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement bodies = {"SELECT COUNT(*) FROM body", NULL};
    static const struct db_statement rest = {
        "SELECT (SELECT COUNT(*) FROM message) + (SELECT COUNT(*) FROM message_prefix) + "
        "(SELECT COUNT(*) FROM body_meta) + (SELECT COUNT(*) FROM vanished) + "
        "(SELECT COUNT(*) FROM credential) + (SELECT COUNT(*) FROM address) + "
        "(SELECT COUNT(*) FROM mailbox) + (SELECT COUNT(*) FROM account)",
        NULL};
    int64_t bob;
    int64_t bob_inbox;
    store_fixture_add_account(fixture, "bob@example.org", &bob, &bob_inbox);
    make(fixture, ALIAS_ADD, "info@example.org", "ann@example.org");
    make(fixture, PASSWORD_PUT, "x", "");
    for (int i = 0; i < 300; i++)
        store_fixture_put(fixture, BYTES("Subject: x\r\n\r\nx\r\n"));
    /* One body that bob has too. */
    struct store_fixture_letter letter;
    struct store_delivery_local locals[2];
    store_fixture_letter(fixture, &letter, BYTES("Subject: both\r\n\r\nx\r\n"));
    locals[0] = letter.local;
    locals[1] = letter.local;
    locals[1].account = bob;
    locals[1].mailbox = bob_inbox;
    letter.delivery.locals = locals;
    letter.delivery.local_count = 2;
    assert_true(store_fixture_deliver(&letter.delivery));
    store_fixture_letter_clear(&letter);
    assert_int_equal(rows_of(fixture, &bodies), 301);
    make(fixture, ACCOUNT_REMOVE, "Ann@Example.org", "");
    assert_false(has_account(fixture, "ann@example.org"));
    assert_resolution(fixture, "ann@example.org", STORE_UNKNOWN);
    assert_resolution(fixture, "info@example.org", STORE_UNKNOWN);
    assert_int_equal(rows_of(fixture, &bodies), 1);
    uint64_t count;
    uint64_t size;
    struct fault fault = {0};
    assert_true(store_maildrop_count(fixture->reader, bob_inbox, &count, &size, &fault));
    assert_int_equal(count, 1);
    make(fixture, ACCOUNT_REMOVE, "bob@example.org", "");
    assert_int_equal(rows_of(fixture, &bodies), 0);
    assert_int_equal(rows_of(fixture, &rest), 0);
    make(fixture, DOMAIN_REMOVE, "example.org", "");
}

static void aliases_lose_who_goes(void **state)
{
    struct store_fixture *fixture = *state;
    make(fixture, ACCOUNT_ADD, "bob@example.org", "");
    make(fixture, ACCOUNT_ADD, "bob+own@example.org", "");
    make(fixture, ACCOUNT_ADD, "bobby@example.org", "");
    make(fixture, ALIAS_ADD, "info@example.org", "bob@example.org");
    make(fixture, ALIAS_ADD, "info@example.org", "bob+x@example.org");
    make(fixture, ALIAS_ADD, "info@example.org", "bob+own@example.org");
    make(fixture, ALIAS_ADD, "info@example.org", "bobby@example.org");
    make(fixture, ALIAS_ADD, "info@example.org", "bob+x@far.example");
    make(fixture, ACCOUNT_REMOVE, "bob@example.org", "");
    struct listing aliases = {0};
    struct fault fault = {0};
    assert_true(store_aliases_list(fixture->reader, BYTES(""), list_alias, &aliases, &fault));
    assert_string_equal(aliases.text, "info@example.org bob+own@example.org\n"
                                      "info@example.org bob+x@far.example\n"
                                      "info@example.org bobby@example.org\n");
}

struct slice_job {
    struct store_job job;
    size_t most;
    size_t count;
};

static bool remove_slice(struct store_job *job, struct db *db, struct fault *fault)
{
    struct slice_job *slice = (struct slice_job *)job;
    return store_account_remove_some(db, BYTES("ann@example.org"), slice->most, &slice->count,
                                     fault);
}

static void an_account_is_emptied_in_slices(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    for (int i = 0; i < 7; i++)
        store_fixture_put(fixture, BYTES("Subject: x\r\n\r\nx\r\n"));
    static const size_t expected[] = {3, 3, 1, 0};
    size_t left = 7;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        struct slice_job slice = {.job.run = remove_slice, .most = 3};
        assert_true(store_run(fixture->store, &slice.job, &fault));
        assert_int_equal(slice.count, expected[i]);
        left -= expected[i];
        assert_int_equal(account_of(fixture, "ann@example.org").used_messages, left);
    }
    assert_int_equal(account_of(fixture, "ann@example.org").used_bytes, 0);
}

/* ---- lists ---- */

static void lists_are_in_order(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    make(fixture, DOMAIN_ADD, "a.example", "");
    make(fixture, ACCOUNT_ADD, "zoe@a.example", "");
    make(fixture, ACCOUNT_ADD, "Bob@example.org", "");
    make(fixture, ACCOUNT_DISABLE, "bob@example.org", "");
    make(fixture, ALIAS_ADD, "x@example.org", "zoe@a.example");
    make(fixture, ALIAS_ADD, "x@example.org", "ann@example.org");
    make(fixture, ALIAS_ADD, "@a.example", "ann@example.org");
    make(fixture, ALIAS_ADD, "\"b c\"@a.example", "ann@example.org");
    struct listing accounts = {0};
    assert_true(store_accounts_list(fixture->reader, BYTES(""), list_account, &accounts, &fault));
    assert_string_equal(
        accounts.text,
        "ann@example.org enabled\nbob@example.org disabled\nzoe@a.example enabled\n");
    struct listing some = {.most = 1};
    assert_true(
        store_accounts_list(fixture->reader, BYTES("Example.ORG"), list_account, &some, &fault));
    assert_string_equal(some.text, "ann@example.org enabled\n");
    struct listing domains = {0};
    assert_true(store_domains_list(fixture->reader, list_domain, &domains, &fault));
    assert_string_equal(domains.text, "a.example 1 2\nexample.org 2 1\n");
    struct listing aliases = {0};
    assert_true(store_aliases_list(fixture->reader, BYTES(""), list_alias, &aliases, &fault));
    assert_string_equal(aliases.text, "@a.example ann@example.org\n"
                                      "\"b c\"@a.example ann@example.org\n"
                                      "x@example.org ann@example.org\n"
                                      "x@example.org zoe@a.example\n");
    struct listing none = {0};
    assert_false(
        store_aliases_list(fixture->reader, BYTES("b.example"), list_alias, &none, &fault));
    assert_int_equal(fault.kind, FAULT_PERMANENT);
}

static const struct CMUnitTest tests[] = {
    STORE_TEST(names_are_folded),
    STORE_TEST(refusals_teach),
    STORE_TEST(an_account_has_its_mailboxes),
    STORE_TEST(a_domain_goes_with_its_aliases),
    STORE_TEST(exact_then_without_detail_then_catch_all),
    STORE_TEST(aliases_are_followed_to_their_ends),
    STORE_TEST(aliases_that_cannot_be),
    STORE_TEST(aliases_that_others_need),
    STORE_TEST(loops_and_depths_end),
    STORE_TEST(targets_have_a_limit),
    STORE_TEST(disabled_accounts_take_no_mail),
    STORE_TEST(somebody_is_always_postmaster),
    STORE_TEST(a_bare_postmaster_without_a_setting),
    STORE_TEST(who_may_send_as_whom),
    STORE_TEST(passwords_replace_and_app_passwords_add),
    STORE_TEST(credentials_have_limits),
    STORE_TEST(quotas_tell_when_they_are_used_up),
    STORE_TEST(settings_are_kept),
    STORE_TEST(running_out_of_memory_is_temporary),
    STORE_TEST(nothing_is_left_of_an_account),
    STORE_TEST(aliases_lose_who_goes),
    STORE_TEST(an_account_is_emptied_in_slices),
    STORE_TEST(lists_are_in_order),
};

STORE_MAIN(tests)
