/* Accounts shown to people and programs. */
#ifndef CLI_ACCOUNT_REPORT_H
#define CLI_ACCOUNT_REPORT_H

#include "cli/admin.h"
#include "cli/quantity.h"
#include "store/store_accounts.h"

/* The account that the first operand names. Returns EX_OK, or the exit status after a message. */
int account_report_find(struct admin *admin, struct store_account *account);

/* The actions `account list`, `account show`, `quota show` and `password app list`. */
int account_report_list(struct admin *admin);
int account_report_show(struct admin *admin);
int account_report_quota(struct admin *admin);
int account_report_app_passwords(struct admin *admin);

#endif
