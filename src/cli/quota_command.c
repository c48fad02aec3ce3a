/* `posthorn quota`: how much an account may keep. */
#include "cli/command.h"

#include <sysexits.h>

#include "cli/account_report.h"
#include "cli/admin.h"
#include "cli/report.h"

static const struct option_row rows[] = {
    OPTION_ROW(0, 0, NULL, NULL, "The quota:"),
    OPTION_ROW(ADMIN_MESSAGES, 0, "messages", "COUNT", "so many messages at most, or none"),
    ADMIN_ROWS_STORE,
    OPTION_ROW(0, 0, NULL, NULL, "How:"),
    ADMIN_ROW_JSON,
    ADMIN_ROW_HELP,
};

static const struct option_table table = OPTION_TABLE(rows);

struct quota {
    int64_t bytes;
    int64_t messages;
};

static bool set(struct admin *admin, struct db *db, void *context, struct fault *fault)
{
    const struct quota *quota = context;
    return store_quota_set(db, admin_operand(admin, 0), quota->bytes, quota->messages, fault);
}

static int refuse(const char *text)
{
    report_error("\"%s\" is no quota: say 500M, 2G, 10000 or none", text);
    return EX_DATAERR;
}

static int run_set(struct admin *admin)
{
    char text[QUANTITY_TEXT_SIZE];
    struct store_account account;
    const char *bytes = admin->operands[1];
    const char *messages = admin->values[ADMIN_MESSAGES];
    if (bytes == NULL && messages == NULL)
        return report_usage("how much? SIZE, --messages COUNT or both");
    int code = account_report_find(admin, &account);
    if (code != EX_OK)
        return code;
    struct quota quota = {.bytes = account.quota_bytes, .messages = account.quota_messages};
    if (bytes != NULL && !quantity_parse(bytes, &quota.bytes))
        return refuse(bytes);
    if (messages != NULL && !quantity_parse(messages, &quota.messages))
        return refuse(messages);
    code = admin_job(admin, set, &quota);
    if (code == EX_OK && quota.bytes > 0 && account.used_bytes >= quota.bytes)
        report_warning("%s has %s already: nothing more comes in until some of it goes",
                       account.login, quantity_print(account.used_bytes, text));
    return code;
}

static const struct admin_action actions[] = {
    {"show", "[ADDRESS]", "what is used, of how much", 0, 1, ADMIN_BIT(ADMIN_JSON), false, false,
     account_report_quota},
    {"set", "ADDRESS [SIZE]", "change it; \"none\" ends it", 1, 2, ADMIN_BIT(ADMIN_MESSAGES), false,
     false, run_set},
};

static const struct admin_command command = {
    .name = "posthorn quota",
    .summary =
        "How much an account may keep, in bytes (K, M, G and T count in 1024s) and messages.\n"
        "What would go beyond is refused, or tried again later by the server that sends it.",
    .options = &table,
    .actions = actions,
    .action_count = sizeof(actions) / sizeof(actions[0]),
    .examples = "  posthorn quota set ann@example.org 2G\n"
                "  posthorn quota set ann@example.org none --messages 10000\n"
                "  posthorn quota show\n",
};

static int run(int argc, char **argv)
{
    return admin_run(&command, argc, argv);
}

const struct command quota_command = {
    .name = "quota",
    .summary = "how much an account may keep",
    .run = run,
    .options = &table,
    .words = "show set",
};
