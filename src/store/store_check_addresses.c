/* Aliases that lead nowhere, credentials that nobody could log in by. */
#include "sasl/sasl_verifier.h"
#include "store/store_accounts.h"
#include "store/store_check_inside.h"

/* The listing cannot fail from within, so a fault waits here for its end. */
struct walk {
    struct store_checking *checking;
    struct fault *fault;
    bool is_failed;
};

static bool check_alias(void *context, const char *alias, const char *target)
{
    struct walk *walk = context;
    AUTO(store_targets)
    targets = {0};
    struct address address;
    if (!address_parse(bytes_from_string(target), &address, NULL)) {
        store_check_problem(walk->checking, "the alias %s leads to \"%s\", which is no address",
                            alias, target);
        return true;
    }
    if (!store_resolve(walk->checking->db, &address, &targets, walk->fault)) {
        walk->is_failed = true;
        return false;
    }
    if (targets.resolution == STORE_UNKNOWN)
        store_check_problem(walk->checking, "the alias %s leads to %s, where nobody is", alias,
                            target);
    else if (targets.resolution == STORE_TOO_MANY)
        store_check_problem(walk->checking,
                            "the alias %s leads to %s, which goes round or to too many", alias,
                            target);
    return true;
}

static bool check_credentials(struct store_checking *checking, struct fault *fault)
{
    static const struct db_statement statement = {
        "SELECT c.kind, c.label, c.data, a.login FROM credential c "
        "JOIN account a ON a.id = c.account",
        NULL};
    AUTO(db_rows)
    rows = {0};
    if (!db_query(checking->db, &statement, DB_NO_VALUES, &rows, fault))
        return false;
    while (db_rows_next(&rows)) {
        struct sasl_verifier verifier;
        struct bytes data = db_rows_bytes(&rows, 2);
        int64_t kind = db_rows_number(&rows, 0);
        bool is_sound = kind == STORE_CREDENTIAL_CRYPT
                            ? data.length > 0 && data.length <= STORE_VERIFIER_MAX
                            : sasl_verifier_parse(data, &verifier, NULL);
        if (kind < STORE_CREDENTIAL_SCRAM_SHA_256 || kind > STORE_CREDENTIAL_APP || !is_sound)
            store_check_problem(checking, "%.*s: what is kept of the password \"%.*s\" is broken",
                                BYTES_FORMAT(db_rows_bytes(&rows, 3)),
                                BYTES_FORMAT(db_rows_bytes(&rows, 1)));
    }
    return db_rows_finish(&rows, fault);
}

bool store_check_addresses(struct store_checking *checking, struct fault *fault)
{
    struct walk walk = {.checking = checking, .fault = fault};
    return store_aliases_list(checking->db, BYTES(""), check_alias, &walk, fault) &&
           !walk.is_failed && check_credentials(checking, fault);
}
