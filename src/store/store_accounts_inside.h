/* What the sources behind store_accounts.h share. */
#ifndef STORE_STORE_ACCOUNTS_INSIDE_H
#define STORE_STORE_ACCOUNTS_INSIDE_H

#include "db/db.h"
#include "store/store_accounts.h"
#include "store/store_fold.h"

/* The columns that store_account_from_row reads, of account a with its mailbox m. */
#define STORE_ACCOUNT_COLUMNS                                                                      \
    "a.id, m.id, a.login, a.is_disabled, a.quota_bytes, a.quota_messages, a.used_bytes, "          \
    "a.used_messages"
#define STORE_ACCOUNT_INBOX                                                                        \
    "LEFT JOIN mailbox m ON m.account = a.id AND m.parent = 0 AND m.name = 'INBOX'"

void store_account_from_row(const struct db_rows *rows, struct store_account *account);

/* The account of a login; FAULT_PERMANENT when there is none, FAULT_SYNTAX when it is no address.
 */
bool store_account_require(struct db *db, struct bytes login, struct store_account *account,
                           struct fault *fault);

/* The id of a folded domain; 0 when it is not ours. */
bool store_domain_find(struct db *db, struct bytes name, int64_t *id, struct fault *fault);

/* The same, but FAULT_PERMANENT, with words that say which command makes it. */
bool store_domain_require(struct db *db, struct bytes name, int64_t *id, struct fault *fault);

/* What the lists are narrowed to: 0 for no name. */
bool store_accounts_domain(struct db *db, struct bytes domain_or_empty, int64_t *domain,
                           struct fault *fault);

/* The address has targets besides an account's own mailbox. */
bool store_account_is_alias(struct db *db, int64_t domain, struct bytes local, bool *is_alias,
                            struct fault *fault);

#endif
