/* The list of aliases. */
#include "store/store_accounts_inside.h"

bool store_aliases_list(struct db *db, struct bytes domain_or_empty, store_each_alias *each,
                        void *context, struct fault *fault)
{
    static const struct db_statement statement = {
        "SELECT d.name, t.local, t.target FROM address t JOIN domain d ON d.id = t.domain "
        "WHERE t.target <> '' AND (d.id = $1 OR $1 = 0) ORDER BY d.name, t.local, t.target",
        "SELECT d.name, t.local, t.target FROM address t JOIN domain d ON d.id = t.domain "
        "WHERE t.target <> '' AND (d.id = $1 OR $1 = 0) "
        "ORDER BY d.name COLLATE \"C\", t.local COLLATE \"C\", t.target COLLATE \"C\""};
    AUTO(buffer)
    alias = BUFFER(ADDRESS_TEXT_MAX);
    AUTO(buffer)
    target = BUFFER(ADDRESS_TEXT_MAX);
    AUTO(db_rows)
    rows = {0};
    int64_t domain;
    if (!store_accounts_domain(db, domain_or_empty, &domain, fault) ||
        !db_query(db, &statement, DB_VALUES(db_number(domain)), &rows, fault))
        return false;
    while (db_rows_next(&rows)) {
        struct address address;
        struct bytes name = db_rows_bytes(&rows, 0);
        struct bytes local = db_rows_bytes(&rows, 1);
        buffer_reset(&alias);
        buffer_reset(&target);
        if (local.length > 0 && address_make(local, name, &address, NULL))
            address_print(&address, &alias);
        else
            buffer_append_format(&alias, "@%.*s", BYTES_FORMAT(name));
        buffer_append(&target, db_rows_bytes(&rows, 2));
        const char *alias_text = buffer_string(&alias);
        const char *target_text = buffer_string(&target);
        if (alias_text == NULL || target_text == NULL)
            return fault_set_memory(fault);
        if (!each(context, alias_text, target_text))
            break;
    }
    return db_rows_finish(&rows, fault);
}
