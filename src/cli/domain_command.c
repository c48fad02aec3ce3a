/* `posthorn domain`: the domains whose mail is kept here. */
#include "cli/command.h"

#include <sysexits.h>

#include "cli/admin.h"
#include "cli/report.h"
#include "store/store_accounts.h"

static const struct option_row rows[] = {
    ADMIN_ROWS_STORE, OPTION_ROW(0, 0, NULL, NULL, "How:"), ADMIN_ROW_JSON, ADMIN_ROW_YES,
    ADMIN_ROW_HELP,
};

static const struct option_table table = OPTION_TABLE(rows);

/* ---- add, remove ---- */

static bool add(struct admin *admin, struct db *db, void *context, struct fault *fault)
{
    (void)context;
    return store_domain_add(db, store_id_make(admin->store), admin_operand(admin, 0), fault);
}

static int run_add(struct admin *admin)
{
    int code = admin_job(admin, add, NULL);
    if (code == EX_OK)
        report_news(REPORT_GREEN,
                    "The domain %s is there; 'posthorn account add NAME@%s' makes an "
                    "account in it.",
                    admin->operands[0], admin->operands[0]);
    return code;
}

static bool remove_domain(struct admin *admin, struct db *db, void *context, struct fault *fault)
{
    (void)context;
    return store_domain_remove(db, admin_operand(admin, 0), fault);
}

static int run_remove(struct admin *admin)
{
    int code = admin_confirm(admin, "Remove the domain %s with its aliases?", admin->operands[0]);
    if (code == EX_OK)
        code = admin_job(admin, remove_domain, NULL);
    if (code == EX_OK)
        report_news(REPORT_PLAIN, "The domain %s is gone.", admin->operands[0]);
    return code;
}

/* ---- list, show ---- */

struct listing {
    struct table *table;
    json_t *array;
};

static bool list_domain(void *context, const char *name, uint64_t accounts, uint64_t aliases)
{
    struct listing *listing = context;
    table_add(listing->table, name);
    table_add_format(listing->table, "%llu", (unsigned long long)accounts);
    table_add_format(listing->table, "%llu", (unsigned long long)aliases);
    json_array_append_new(listing->array,
                          json_pack("{s:s, s:I, s:I}", "name", name, "accounts",
                                    (json_int_t)accounts, "aliases", (json_int_t)aliases));
    return true;
}

static int run_list(struct admin *admin)
{
    static const char *const headings[] = {"DOMAIN", "ACCOUNTS", "ALIASES"};
    AUTO(table)
    lines = TABLE(headings, 6);
    struct fault fault;
    struct listing listing = {.table = &lines, .array = json_array()};
    if (!store_domains_list(admin->reader, list_domain, &listing, &fault)) {
        json_decref(listing.array);
        return admin_fail(&fault);
    }
    return admin_show(admin, &lines, listing.array);
}

static bool show_account(void *context, const struct store_account *account)
{
    struct listing *listing = context;
    table_add(listing->table, account->is_disabled ? "account, disabled" : "account");
    table_add(listing->table, account->login);
    table_add(listing->table, "");
    json_array_append_new(listing->array, json_string(account->login));
    return true;
}

static bool show_alias(void *context, const char *alias, const char *target)
{
    struct listing *listing = context;
    table_add(listing->table, alias[0] == '@' ? "catch-all" : "alias");
    table_add(listing->table, alias);
    table_add(listing->table, target);
    json_array_append_new(listing->array,
                          json_pack("{s:s, s:s}", "alias", alias, "target", target));
    return true;
}

static int run_show(struct admin *admin)
{
    static const char *const headings[] = {"KIND", "ADDRESS", "TARGET"};
    AUTO(table)
    lines = TABLE(headings, 0);
    struct fault fault;
    struct bytes name = admin_operand(admin, 0);
    struct listing accounts = {.table = &lines, .array = json_array()};
    struct listing aliases = {.table = &lines, .array = json_array()};
    if (!store_accounts_list(admin->reader, name, show_account, &accounts, &fault) ||
        !store_aliases_list(admin->reader, name, show_alias, &aliases, &fault)) {
        json_decref(accounts.array);
        json_decref(aliases.array);
        return admin_fail(&fault);
    }
    return admin_show(admin, &lines,
                      json_pack("{s:s, s:o, s:o}", "name", admin->operands[0], "accounts",
                                accounts.array, "aliases", aliases.array));
}

static const struct admin_action actions[] = {
    {"add", "DOMAIN", "keep mail for a domain", 1, 1, 0, true, false, run_add},
    {"list", "", "all domains", 0, 0, ADMIN_BIT(ADMIN_JSON), false, false, run_list},
    {"show", "DOMAIN", "its accounts and aliases", 1, 1, ADMIN_BIT(ADMIN_JSON), false, false,
     run_show},
    {"remove", "DOMAIN", "one without accounts", 1, 1, ADMIN_BIT(ADMIN_YES), false, false,
     run_remove},
};

static const struct admin_command command = {
    .name = "posthorn domain",
    .summary =
        "The domains whose mail is kept here. A name in any script is kept in its ASCII form.",
    .options = &table,
    .actions = actions,
    .action_count = sizeof(actions) / sizeof(actions[0]),
    .examples = "  posthorn domain add example.org\n"
                "  posthorn domain list --json\n",
};

static int run(int argc, char **argv)
{
    return admin_run(&command, argc, argv);
}

const struct command domain_command = {
    .name = "domain",
    .summary = "the domains whose mail is kept here",
    .run = run,
    .options = &table,
    .words = "add list show remove",
};
