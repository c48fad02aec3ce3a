/* Accounts: finding them, making them, switching them off. */
#include <string.h>

#include "base/clock.h"
#include "store/store_accounts_inside.h"
#include "store/store_mailboxes_inside.h"

void store_account_from_row(const struct db_rows *rows, struct store_account *account)
{
    struct bytes login = bytes_slice(db_rows_bytes(rows, 2), 0, STORE_LOGIN_MAX);
    *account = (struct store_account){
        .id = db_rows_number(rows, 0),
        .inbox = db_rows_number(rows, 1),
        .is_disabled = db_rows_number(rows, 3) != 0,
        .quota_bytes = db_rows_number(rows, 4),
        .quota_messages = db_rows_number(rows, 5),
        .used_bytes = db_rows_number(rows, 6),
        .used_messages = db_rows_number(rows, 7),
    };
    if (login.length > 0)
        memcpy(account->login, login.data, login.length);
}

static bool read_one(struct db *db, const struct db_statement *statement, struct db_value key,
                     struct store_account *account, bool *is_found, struct fault *fault)
{
    AUTO(db_rows)
    rows = {0};
    bool is_there;
    if (!db_query_one(db, statement, &key, 1, &rows, &is_there, fault))
        return false;
    if (is_there)
        store_account_from_row(&rows, account);
    *is_found = is_there;
    return true;
}

bool store_account_find(struct db *db, struct bytes login, struct store_account *account,
                        bool *is_found, struct fault *fault)
{
    static const struct db_statement statement = {"SELECT " STORE_ACCOUNT_COLUMNS
                                                  " FROM account a " STORE_ACCOUNT_INBOX
                                                  " WHERE a.login = $1",
                                                  NULL};
    AUTO(buffer)
    name = BUFFER(STORE_LOGIN_MAX);
    struct store_folded folded;
    struct fault syntax;
    if (!store_fold_login(login, &folded, &syntax)) {
        if (syntax.kind == FAULT_TEMPORARY) {
            *fault = syntax;
            return false;
        }
        *is_found = false;
        return true;
    }
    store_fold_print(&folded, &name);
    if (buffer_is_failed(&name)) {
        *is_found = false;
        return true;
    }
    return read_one(db, &statement, db_text(buffer_bytes(&name)), account, is_found, fault);
}

bool store_account_get(struct db *db, int64_t id, struct store_account *account, bool *is_found,
                       struct fault *fault)
{
    static const struct db_statement statement = {
        "SELECT " STORE_ACCOUNT_COLUMNS " FROM account a " STORE_ACCOUNT_INBOX " WHERE a.id = $1",
        NULL};
    return read_one(db, &statement, db_number(id), account, is_found, fault);
}

bool store_account_require(struct db *db, struct bytes login, struct store_account *account,
                           struct fault *fault)
{
    struct store_folded folded;
    bool is_found = false;
    /* Once more for its own words: "no such account" helps nobody who forgot the domain. */
    if (!store_fold_login(login, &folded, fault) ||
        !store_account_find(db, login, account, &is_found, fault))
        return false;
    if (!is_found)
        return fault_set(fault, FAULT_PERMANENT, "there is no account %.*s",
                         BYTES_FORMAT(bytes_slice(login, 0, STORE_LOGIN_MAX)));
    return true;
}

bool store_account_is_alias(struct db *db, int64_t domain, struct bytes local, bool *is_alias,
                            struct fault *fault)
{
    static const struct db_statement statement = {
        "SELECT 1 FROM address WHERE domain = $1 AND local = $2 AND target <> '' LIMIT 1", NULL};
    AUTO(db_rows)
    rows = {0};
    return db_query_one(db, &statement, DB_VALUES(db_number(domain), db_text(local)), &rows,
                        is_alias, fault);
}

static bool add_mailboxes(struct store *store, struct db *db, int64_t account, struct fault *fault)
{
    static const struct {
        const char *name;
        enum store_role role;
    } mailboxes[] = {
        {"INBOX", STORE_ROLE_INBOX}, {"Drafts", STORE_ROLE_DRAFTS}, {"Sent", STORE_ROLE_SENT},
        {"Junk", STORE_ROLE_JUNK},   {"Trash", STORE_ROLE_TRASH},   {"Archive", STORE_ROLE_ARCHIVE},
    };
    for (size_t i = 0; i < sizeof(mailboxes) / sizeof(mailboxes[0]); i++) {
        struct store_mailbox_level level = {.account = account,
                                            .name = bytes_from_string(mailboxes[i].name),
                                            .role = mailboxes[i].role,
                                            .is_selectable = true};
        int64_t id;
        if (!store_mailbox_tree_add(store, db, &level, &id, fault) ||
            !store_mailbox_change_subscribe(db, account, level.name, fault))
            return false;
    }
    return true;
}

/* The name is free, and *domain is there. */
static bool check_new(struct db *db, const struct store_folded *folded, struct bytes login,
                      int64_t *domain, struct fault *fault)
{
    struct store_account account;
    bool is_there = false;
    if (folded->local_length == 0)
        return fault_set(fault, FAULT_SYNTAX, "an account's address needs something before the @");
    if (!store_domain_require(db, store_folded_domain(folded), domain, fault) ||
        !store_account_find(db, login, &account, &is_there, fault))
        return false;
    if (is_there)
        return fault_set(fault, FAULT_DENIED, "the account %.*s is there already",
                         BYTES_FORMAT(login));
    if (!store_account_is_alias(db, *domain, store_folded_local(folded), &is_there, fault))
        return false;
    if (is_there)
        return fault_set(fault, FAULT_DENIED,
                         "%.*s is an alias; 'posthorn alias remove %.*s' makes room for an account",
                         BYTES_FORMAT(login), BYTES_FORMAT(login));
    return true;
}

bool store_account_add(struct store *store, struct db *db, struct bytes login, int64_t *id,
                       struct fault *fault)
{
    static const struct db_statement insert_account = {
        "INSERT INTO account(id, domain, login, created) VALUES($1, $2, $3, $4)", NULL};
    static const struct db_statement insert_address = {
        "INSERT INTO address(domain, local, target, account, created) VALUES($1, $2, '', $3, $4)",
        NULL};
    AUTO(buffer)
    name = BUFFER(STORE_LOGIN_MAX);
    struct store_folded folded;
    int64_t domain;
    if (!store_fold_login(login, &folded, fault))
        return false;
    store_fold_print(&folded, &name);
    if (buffer_is_failed(&name))
        return fault_set(fault, FAULT_LIMIT, "a login has at most %d bytes", STORE_LOGIN_MAX);
    if (!check_new(db, &folded, buffer_bytes(&name), &domain, fault))
        return false;
    int64_t account = store_id_make(store);
    int64_t now = clock_wall_microseconds();
    if (!db_execute(db, &insert_account,
                    DB_VALUES(db_number(account), db_number(domain), db_text(buffer_bytes(&name)),
                              db_number(now)),
                    NULL, fault) ||
        !db_execute(db, &insert_address,
                    DB_VALUES(db_number(domain), db_text(store_folded_local(&folded)),
                              db_number(account), db_number(now)),
                    NULL, fault) ||
        !add_mailboxes(store, db, account, fault))
        return false;
    if (id != NULL)
        *id = account;
    return true;
}

bool store_account_set_disabled(struct db *db, struct bytes login, bool is_disabled,
                                struct fault *fault)
{
    static const struct db_statement update = {"UPDATE account SET is_disabled = $2 WHERE id = $1",
                                               NULL};
    struct store_account account;
    return store_account_require(db, login, &account, fault) &&
           db_execute(db, &update, DB_VALUES(db_number(account.id), db_number(is_disabled)), NULL,
                      fault);
}

bool store_account_owns(struct db *db, int64_t account, const struct address *address, bool *owns,
                        struct fault *fault)
{
    AUTO(store_targets)
    targets = {0};
    if (!store_resolve(db, address, &targets, fault))
        return false;
    *owns = false;
    for (size_t i = 0; i < targets.count && !*owns; i++)
        *owns = targets.items[i].account == account;
    return true;
}
