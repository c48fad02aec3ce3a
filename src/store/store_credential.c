/* Changing what an account may log in by. */
#include "base/clock.h"
#include "base/utf8.h"
#include "store/store_accounts_inside.h"

static bool check(enum store_credential_kind kind, struct bytes label, struct bytes data,
                  struct fault *fault)
{
    if (data.length == 0 || data.length > STORE_VERIFIER_MAX || bytes_has_control(data))
        return fault_set(fault, FAULT_LIMIT, "a credential's data is 1 to %d bytes of text",
                         STORE_VERIFIER_MAX);
    if (kind != STORE_CREDENTIAL_APP)
        return true;
    if (label.length == 0 || label.length > STORE_LABEL_MAX)
        return fault_set(fault, FAULT_LIMIT, "the label of an app password is 1 to %d bytes",
                         STORE_LABEL_MAX);
    if (bytes_has_control(label) || !utf8_is_valid(label))
        return fault_set(fault, FAULT_SYNTAX,
                         "the label of an app password is text without control characters");
    return true;
}

/* There is room for one more app password, of another label than those that are there. */
static bool check_app(struct db *db, int64_t account, struct bytes label, struct fault *fault)
{
    static const struct db_statement statement = {
        "SELECT COUNT(*), COALESCE(SUM(CASE WHEN kind = $2 AND label = $3 THEN 1 ELSE 0 END), 0) "
        "FROM credential WHERE account = $1",
        NULL};
    AUTO(db_rows)
    rows = {0};
    bool is_found;
    if (!db_query_one(
            db, &statement,
            DB_VALUES(db_number(account), db_number(STORE_CREDENTIAL_APP), db_text(label)), &rows,
            &is_found, fault))
        return false;
    if (db_rows_number(&rows, 1) > 0)
        return fault_set(fault, FAULT_DENIED, "there is an app password \"%.*s\" already",
                         BYTES_FORMAT(label));
    /* What is left is for the account's own password in its three forms. */
    if (db_rows_number(&rows, 0) >= STORE_CREDENTIALS_MAX - 3)
        return fault_set(fault, FAULT_LIMIT, "an account has at most %d passwords",
                         STORE_CREDENTIALS_MAX);
    return true;
}

bool store_credential_put(struct store *store, struct db *db, int64_t account,
                          enum store_credential_kind kind, struct bytes label, struct bytes data,
                          struct fault *fault)
{
    static const struct db_statement remove = {
        "DELETE FROM credential WHERE account = $1 AND kind = $2", NULL};
    static const struct db_statement insert = {
        "INSERT INTO credential(id, account, kind, label, data, created) "
        "VALUES($1, $2, $3, $4, $5, $6)",
        NULL};
    bool is_app = kind == STORE_CREDENTIAL_APP;
    if (!check(kind, label, data, fault))
        return false;
    if (is_app
            ? !check_app(db, account, label, fault)
            : !db_execute(db, &remove, DB_VALUES(db_number(account), db_number(kind)), NULL, fault))
        return false;
    return db_execute(db, &insert,
                      DB_VALUES(db_number(store_id_make(store)), db_number(account),
                                db_number(kind), db_text(is_app ? label : BYTES("")), db_text(data),
                                db_number(clock_wall_microseconds())),
                      NULL, fault);
}

bool store_credential_remove(struct db *db, int64_t account, struct bytes label,
                             struct fault *fault)
{
    static const struct db_statement remove = {
        "DELETE FROM credential WHERE account = $1 AND kind = $2 AND label = $3", NULL};
    uint64_t removed;
    if (!db_execute(db, &remove,
                    DB_VALUES(db_number(account), db_number(STORE_CREDENTIAL_APP), db_text(label)),
                    &removed, fault))
        return false;
    if (removed == 0)
        return fault_set(fault, FAULT_PERMANENT, "there is no app password \"%.*s\"",
                         BYTES_FORMAT(label));
    return true;
}

bool store_credential_remove_password(struct db *db, int64_t account, struct fault *fault)
{
    static const struct db_statement remove = {
        "DELETE FROM credential WHERE account = $1 AND kind <> $2", NULL};
    return db_execute(db, &remove, DB_VALUES(db_number(account), db_number(STORE_CREDENTIAL_APP)),
                      NULL, fault);
}
