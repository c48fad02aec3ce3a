/* The list of domains. */
#include "store/store_accounts_inside.h"

bool store_domains_list(struct db *db, store_each_domain *each, void *context, struct fault *fault)
{
#define COLUMNS                                                                                    \
    "SELECT d.name, (SELECT COUNT(*) FROM account a WHERE a.domain = d.id), "                      \
    "(SELECT COUNT(DISTINCT t.local) FROM address t WHERE t.domain = d.id AND t.target <> '') "    \
    "FROM domain d ORDER BY d.name"
    static const struct db_statement statement = {COLUMNS, COLUMNS " COLLATE \"C\""};
#undef COLUMNS
    AUTO(buffer)
    name = BUFFER(DOMAIN_OCTETS_MAX);
    AUTO(db_rows)
    rows = {0};
    if (!db_query(db, &statement, DB_NO_VALUES, &rows, fault))
        return false;
    while (db_rows_next(&rows)) {
        buffer_reset(&name);
        buffer_append(&name, db_rows_bytes(&rows, 0));
        const char *text = buffer_string(&name);
        if (text == NULL)
            return fault_set_memory(fault);
        if (!each(context, text, (uint64_t)db_rows_number(&rows, 1),
                  (uint64_t)db_rows_number(&rows, 2)))
            break;
    }
    return db_rows_finish(&rows, fault);
}
