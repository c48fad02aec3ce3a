/* `posthorn alias`: addresses that lead to others. */
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

static bool add(struct admin *admin, struct db *db, void *context, struct fault *fault)
{
    (void)context;
    return store_alias_add(admin->store, db, admin_operand(admin, 0), admin_operand(admin, 1),
                           fault);
}

static int run_add(struct admin *admin)
{
    int code = admin_job(admin, add, NULL);
    if (code == EX_OK)
        report_news(REPORT_GREEN, "Mail for %s goes to %s.", admin->operands[0],
                    admin->operands[1]);
    return code;
}

static bool remove_alias(struct admin *admin, struct db *db, void *context, struct fault *fault)
{
    (void)context;
    return store_alias_remove(db, admin_operand(admin, 0), admin_operand(admin, 1), fault);
}

static int run_remove(struct admin *admin)
{
    const char *target = admin->operands[1];
    int code = target != NULL ? EX_OK
                              : admin_confirm(admin, "Remove the alias %s with all its targets?",
                                              admin->operands[0]);
    if (code == EX_OK)
        code = admin_job(admin, remove_alias, NULL);
    if (code != EX_OK)
        return code;
    if (target != NULL)
        report_news(REPORT_PLAIN, "Mail for %s no longer goes to %s.", admin->operands[0], target);
    else
        report_news(REPORT_PLAIN, "The alias %s is gone.", admin->operands[0]);
    return EX_OK;
}

struct listing {
    struct table *table;
    json_t *array;
};

static bool list_alias(void *context, const char *alias, const char *target)
{
    struct listing *listing = context;
    table_add(listing->table, alias);
    table_add(listing->table, target);
    json_array_append_new(listing->array,
                          json_pack("{s:s, s:s}", "alias", alias, "target", target));
    return true;
}

static int run_list(struct admin *admin)
{
    static const char *const headings[] = {"ALIAS", "TARGET"};
    AUTO(table)
    lines = TABLE(headings, 0);
    struct fault fault;
    struct listing listing = {.table = &lines, .array = json_array()};
    if (!store_aliases_list(admin->reader, admin_operand(admin, 0), list_alias, &listing, &fault)) {
        json_decref(listing.array);
        return admin_fail(&fault);
    }
    return admin_show(admin, &lines, listing.array);
}

static const struct admin_action actions[] = {
    {"add", "ALIAS TARGET", "mail for ALIAS goes to TARGET", 2, 2, 0, false, false, run_add},
    {"list", "[DOMAIN]", "all aliases", 0, 1, ADMIN_BIT(ADMIN_JSON), false, false, run_list},
    {"remove", "ALIAS [TARGET]", "one target, or the whole alias", 1, 2, ADMIN_BIT(ADMIN_YES),
     false, false, run_remove},
};

static const struct admin_command command = {
    .name = "posthorn alias",
    .summary =
        "Addresses that lead to others, here or elsewhere. One alias may have many targets;\n"
        "@DOMAIN is the catch-all: mail for whoever is not there. NAME+ANYTHING goes to NAME "
        "by\nitself.",
    .options = &table,
    .actions = actions,
    .action_count = sizeof(actions) / sizeof(actions[0]),
    .examples = "  posthorn alias add info@example.org ann@example.org\n"
                "  posthorn alias add info@example.org bob@elsewhere.example\n"
                "  posthorn alias add @example.org ann@example.org\n"
                "  posthorn alias remove info@example.org bob@elsewhere.example\n",
};

static int run(int argc, char **argv)
{
    return admin_run(&command, argc, argv);
}

const struct command alias_command = {
    .name = "alias",
    .summary = "addresses that lead to others",
    .run = run,
    .options = &table,
    .words = "add list remove",
};
