/* Addresses that lead to other addresses. */
#include "base/clock.h"
#include "store/store_accounts_inside.h"

/* "info@example.org", or "@example.org" for the catch-all. */
static bool fold_alias(struct bytes alias, struct store_folded *folded, struct fault *fault)
{
    if (bytes_starts_with(alias, BYTES("@")))
        return store_fold_domain(bytes_skip(alias, 1), folded, fault);
    if (!store_fold_login(alias, folded, fault))
        return false;
    if (folded->local_length == 0)
        return fault_set(fault, FAULT_SYNTAX,
                         "an alias has something before the @; a catch-all is @%.*s",
                         BYTES_FORMAT(store_folded_domain(folded)));
    return true;
}

/* The target's one form: an address of ours folded, a far one as its owner writes it, but for the
   domain. */
static bool write_target(struct db *db, struct bytes target, struct buffer *out, bool *is_far,
                         struct fault *fault)
{
    struct address address;
    struct address far;
    struct store_folded folded;
    int64_t domain;
    if (!address_parse(target, &address, fault) || !store_fold_address(&address, &folded, fault) ||
        !store_domain_find(db, store_folded_domain(&folded), &domain, fault))
        return false;
    *is_far = domain == 0;
    if (!*is_far) {
        store_fold_print(&folded, out);
    } else {
        if (!address_make(address_local_part(&address), store_folded_domain(&folded), &far, fault))
            return false;
        address_print(&far, out);
    }
    return buffer_is_failed(out) ? fault_set_memory(fault) : true;
}

/* An alias to nobody would swallow mail, so it is not made. */
static bool check_target(struct db *db, struct bytes target, struct fault *fault)
{
    AUTO(store_targets)
    targets = {0};
    struct address address;
    if (!address_parse(target, &address, fault) || !store_resolve(db, &address, &targets, fault))
        return false;
    switch (targets.resolution) {
    case STORE_RESOLVED:
    case STORE_DOMAIN_IS_FAR:
    case STORE_DISABLED:
        return true;
    case STORE_TOO_MANY:
        return fault_set(fault, FAULT_DENIED,
                         "%.*s goes round in circles or has more than %d mailboxes behind it",
                         BYTES_FORMAT(target), STORE_ALIAS_TARGETS_MAX);
    case STORE_UNKNOWN:
        break;
    }
    return fault_set(fault, FAULT_PERMANENT,
                     "there is nobody at %.*s; 'posthorn account add %.*s' makes an account",
                     BYTES_FORMAT(target), BYTES_FORMAT(target));
}

static bool has_row(struct db *db, int64_t domain, struct bytes local, struct bytes target,
                    bool *has, struct fault *fault)
{
    static const struct db_statement statement = {
        "SELECT 1 FROM address WHERE domain = $1 AND local = $2 AND target = $3", NULL};
    AUTO(db_rows)
    rows = {0};
    return db_query_one(db, &statement,
                        DB_VALUES(db_number(domain), db_text(local), db_text(target)), &rows, has,
                        fault);
}

bool store_alias_add(struct store *store, struct db *db, struct bytes alias, struct bytes target,
                     struct fault *fault)
{
    static const struct db_statement insert = {
        "INSERT INTO address(domain, local, target, account, created) VALUES($1, $2, $3, NULL, $4)",
        NULL};
    AUTO(buffer)
    name = BUFFER(ADDRESS_TEXT_MAX);
    AUTO(buffer)
    text = BUFFER(ADDRESS_TEXT_MAX);
    struct store_folded folded;
    int64_t domain;
    bool is_far;
    bool is_there;
    (void)store;
    if (!fold_alias(alias, &folded, fault) ||
        !store_domain_require(db, store_folded_domain(&folded), &domain, fault) ||
        !write_target(db, target, &text, &is_far, fault))
        return false;
    store_fold_print(&folded, &name);
    if (bytes_equal(buffer_bytes(&name), buffer_bytes(&text)))
        return fault_set(fault, FAULT_DENIED, "%.*s cannot be an alias of itself",
                         BYTES_FORMAT(buffer_bytes(&text)));
    if (!has_row(db, domain, store_folded_local(&folded), buffer_bytes(&text), &is_there, fault))
        return false;
    if (is_there)
        return fault_set(fault, FAULT_DENIED, "the alias %.*s leads to %.*s already",
                         BYTES_FORMAT(buffer_bytes(&name)), BYTES_FORMAT(buffer_bytes(&text)));
    if (!is_far && !check_target(db, buffer_bytes(&text), fault))
        return false;
    if (!db_execute(db, &insert,
                    DB_VALUES(db_number(domain), db_text(store_folded_local(&folded)),
                              db_text(buffer_bytes(&text)), db_number(clock_wall_microseconds())),
                    NULL, fault))
        return false;
    /* With the new row: does the walk still come to an end? The job is undone if not. */
    return is_far || check_target(db, buffer_bytes(&text), fault);
}

/* An alias that leads to what is removed would lead nowhere, and mail for it come back. */
static bool check_leading_here(struct db *db, const struct store_folded *folded,
                               struct fault *fault)
{
    static const struct db_statement find = {
        "SELECT a.local, d.name, a.target FROM address a JOIN domain d ON d.id = a.domain "
        "WHERE a.target = $1 OR (SUBSTR(a.target, 1, LENGTH($2)) = $2 "
        "AND SUBSTR(a.target, LENGTH(a.target) - LENGTH($3) + 1) = $3) ORDER BY d.name, a.local",
        NULL};
    AUTO(buffer)
    whole = BUFFER(ADDRESS_TEXT_MAX);
    AUTO(buffer)
    start = BUFFER(ADDRESS_TEXT_MAX);
    AUTO(buffer)
    end = BUFFER(ADDRESS_TEXT_MAX);
    AUTO(db_rows)
    rows = {0};
    store_fold_print(folded, &whole);
    /* With a detail behind the name too; a catch-all is for whatever stands before the "@". */
    if (folded->local_length > 0) {
        buffer_append(&start, store_folded_local(folded));
        buffer_append_char(&start, '+');
    }
    buffer_append_char(&end, '@');
    buffer_append(&end, store_folded_domain(folded));
    if (buffer_is_failed(&whole) || buffer_is_failed(&start) || buffer_is_failed(&end))
        return fault_set_memory(fault);
    if (!db_query(db, &find,
                  DB_VALUES(db_text(buffer_bytes(&whole)), db_text(buffer_bytes(&start)),
                            db_text(buffer_bytes(&end))),
                  &rows, fault))
        return false;
    while (db_rows_next(&rows)) {
        struct fault why;
        if (check_target(db, db_rows_bytes(&rows, 2), &why))
            continue;
        if (why.kind != FAULT_PERMANENT) {
            *fault = why;
            return false;
        }
        return fault_set(fault, FAULT_DENIED,
                         "the alias %.*s@%.*s would lead nowhere; remove it first, or give it "
                         "another target",
                         BYTES_FORMAT(db_rows_bytes(&rows, 0)),
                         BYTES_FORMAT(db_rows_bytes(&rows, 1)));
    }
    return db_rows_finish(&rows, fault);
}

bool store_alias_remove(struct db *db, struct bytes alias, struct bytes target, struct fault *fault)
{
    static const struct db_statement remove_all = {
        "DELETE FROM address WHERE domain = $1 AND local = $2 AND target <> ''", NULL};
    static const struct db_statement remove_one = {
        "DELETE FROM address WHERE domain = $1 AND local = $2 AND target = $3", NULL};
    AUTO(buffer)
    text = BUFFER(ADDRESS_TEXT_MAX);
    struct store_folded folded;
    int64_t domain;
    uint64_t removed;
    bool is_far;
    if (!fold_alias(alias, &folded, fault) ||
        !store_domain_require(db, store_folded_domain(&folded), &domain, fault))
        return false;
    if (target.length == 0) {
        if (!db_execute(db, &remove_all,
                        DB_VALUES(db_number(domain), db_text(store_folded_local(&folded))),
                        &removed, fault))
            return false;
    } else if (!write_target(db, target, &text, &is_far, fault) ||
               !db_execute(db, &remove_one,
                           DB_VALUES(db_number(domain), db_text(store_folded_local(&folded)),
                                     db_text(buffer_bytes(&text))),
                           &removed, fault)) {
        return false;
    }
    if (removed == 0)
        return fault_set(fault, FAULT_PERMANENT, "there is no such alias: %.*s%s%.*s",
                         BYTES_FORMAT(alias), target.length == 0 ? "" : " to ",
                         BYTES_FORMAT(target));
    return check_leading_here(db, &folded, fault);
}
