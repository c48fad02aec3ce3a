/* What an account may log in by, as a list. */
#include <string.h>

#include "store/store_accounts_inside.h"

static void copy(char *text, size_t size, struct bytes bytes)
{
    struct bytes kept = bytes_slice(bytes, 0, size - 1);
    if (kept.length > 0)
        memcpy(text, kept.data, kept.length);
    text[kept.length] = '\0';
}

bool store_credentials_read(struct db *db, int64_t account, struct store_credential *credentials,
                            size_t *count, struct fault *fault)
{
    static const struct db_statement statement = {
        "SELECT id, kind, label, data, created FROM credential WHERE account = $1 "
        "ORDER BY kind, id LIMIT $2",
        NULL};
    AUTO(db_rows)
    rows = {0};
    size_t found = 0;
    if (!db_query(db, &statement, DB_VALUES(db_number(account), db_number(STORE_CREDENTIALS_MAX)),
                  &rows, fault))
        return false;
    while (found < STORE_CREDENTIALS_MAX && db_rows_next(&rows)) {
        struct store_credential *credential = &credentials[found++];
        credential->id = db_rows_number(&rows, 0);
        credential->account = account;
        credential->kind = (enum store_credential_kind)db_rows_number(&rows, 1);
        copy(credential->label, sizeof(credential->label), db_rows_bytes(&rows, 2));
        copy(credential->data, sizeof(credential->data), db_rows_bytes(&rows, 3));
        credential->created = db_rows_number(&rows, 4);
    }
    if (!db_rows_finish(&rows, fault))
        return false;
    *count = found;
    return true;
}
