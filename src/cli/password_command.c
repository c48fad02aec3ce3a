/* `posthorn password`: what an account logs in by. */
#include "cli/command.h"

#include <sysexits.h>

#include "cli/account_report.h"
#include "cli/admin.h"
#include "cli/password_forms.h"
#include "cli/password_import.h"
#include "cli/password_input.h"
#include "cli/report.h"

static const struct option_row rows[] = {
    OPTION_ROW(0, 0, NULL, NULL, "The password (asked for twice when nothing is said):"),
    OPTION_ROW(ADMIN_STDIN, 0, "stdin", NULL, "it is the first line of standard input"),
    OPTION_ROW(ADMIN_GENERATE, 0, "generate", NULL, "make it up, and show it once"),
    OPTION_ROW(ADMIN_SCRAM_SHA_1, 0, "scram-sha-1", NULL,
               "keep it for SCRAM-SHA-1 too, for old clients"),
    ADMIN_ROWS_STORE,
    OPTION_ROW(0, 0, NULL, NULL, "How:"),
    ADMIN_ROW_JSON,
    ADMIN_ROW_YES,
    ADMIN_ROW_HELP,
};

static const struct option_table table = OPTION_TABLE(rows);

/* What the job keeps. */
struct change {
    int64_t account;
    struct password_forms forms;
};

static void show_made(const struct admin *admin, struct buffer *password)
{
    if (admin_has(admin, ADMIN_JSON)) {
        json_t *value = json_pack("{s:s, s:s}", "login", admin->operands[0], "password",
                                  buffer_string(password));
        json_dumpf(value, stdout, JSON_INDENT(2));
        fputc('\n', stdout);
        json_decref(value);
    } else {
        printf("%s\n", buffer_string(password));
    }
}

/* ---- the account's own ---- */

static bool put_own(struct admin *admin, struct db *db, void *context, struct fault *fault)
{
    const struct change *change = context;
    return password_forms_put(admin->store, db, change->account, &change->forms, fault);
}

static int set_own(struct admin *admin, bool makes)
{
    AUTO(buffer)
    password = SECRET_BUFFER(PASSWORD_INPUT_MAX);
    struct store_account account;
    struct change change;
    struct fault fault;
    bool is_made = true;
    int code = account_report_find(admin, &account);
    if (code != EX_OK)
        return code;
    if (!makes)
        code = password_input_read(admin, account.login, &password, &is_made);
    else if (!password_input_make(&password, &fault))
        code = admin_fail(&fault);
    if (code != EX_OK)
        return code;
    change.account = account.id;
    if (!password_forms_make(buffer_bytes(&password), admin_has(admin, ADMIN_SCRAM_SHA_1),
                             &change.forms, &fault))
        return admin_fail(&fault);
    code = admin_job(admin, put_own, &change);
    if (code != EX_OK)
        return code;
    report_news(REPORT_GREEN, "%s has a new password; app passwords stay as they are.",
                account.login);
    if (is_made)
        show_made(admin, &password);
    return EX_OK;
}

static int run_set(struct admin *admin)
{
    return set_own(admin, false);
}

static int run_make(struct admin *admin)
{
    return set_own(admin, true);
}

/* ---- app passwords ---- */

static bool put_app(struct admin *admin, struct db *db, void *context, struct fault *fault)
{
    const struct change *change = context;
    return store_credential_put(admin->store, db, change->account, STORE_CREDENTIAL_APP,
                                admin_operand(admin, 1),
                                bytes_from_string(change->forms.scram_sha_256), fault);
}

static int run_app_add(struct admin *admin)
{
    AUTO(buffer)
    password = SECRET_BUFFER(PASSWORD_INPUT_MAX);
    struct store_account account;
    struct change change;
    struct fault fault;
    int code = account_report_find(admin, &account);
    if (code != EX_OK)
        return code;
    change.account = account.id;
    if (!password_input_make(&password, &fault) ||
        !password_forms_make(buffer_bytes(&password), false, &change.forms, &fault))
        return admin_fail(&fault);
    code = admin_job(admin, put_app, &change);
    if (code != EX_OK)
        return code;
    report_news(REPORT_GREEN,
                "The app password \"%s\" of %s; it is not shown again:", admin->operands[1],
                account.login);
    show_made(admin, &password);
    return EX_OK;
}

static bool remove_app(struct admin *admin, struct db *db, void *context, struct fault *fault)
{
    const struct store_account *account = context;
    return store_credential_remove(db, account->id, admin_operand(admin, 1), fault);
}

static int run_app_remove(struct admin *admin)
{
    struct store_account account;
    int code = account_report_find(admin, &account);
    if (code == EX_OK)
        code = admin_confirm(admin, "Take the app password \"%s\" from %s?", admin->operands[1],
                             account.login);
    if (code == EX_OK)
        code = admin_job(admin, remove_app, &account);
    if (code == EX_OK)
        report_news(REPORT_PLAIN, "The app password \"%s\" no longer logs in.", admin->operands[1]);
    return code;
}

enum {
    SET_OPTIONS = ADMIN_BIT(ADMIN_STDIN) | ADMIN_BIT(ADMIN_GENERATE) |
                  ADMIN_BIT(ADMIN_SCRAM_SHA_1) | ADMIN_BIT(ADMIN_JSON),
    MAKE_OPTIONS = ADMIN_BIT(ADMIN_SCRAM_SHA_1) | ADMIN_BIT(ADMIN_JSON)
};

static const struct admin_action actions[] = {
    {"set", "ADDRESS", "a new password for the account", 1, 1, SET_OPTIONS, false, false, run_set},
    {"make", "ADDRESS", "the same, made up and shown once", 1, 1, MAKE_OPTIONS, false, false,
     run_make},
    {"app add", "ADDRESS LABEL", "make one for a program or a device", 2, 2, ADMIN_BIT(ADMIN_JSON),
     false, false, run_app_add},
    {"app list", "ADDRESS", "which there are", 1, 1, ADMIN_BIT(ADMIN_JSON), false, false,
     account_report_app_passwords},
    {"app remove", "ADDRESS LABEL", "it no longer logs in", 2, 2, ADMIN_BIT(ADMIN_YES), false,
     false, run_app_remove},
    {"import", "[ADDRESS]", "crypt(3) hashes from standard input", 0, 1, 0, false, false,
     password_import_run},
};

static const struct admin_command command = {
    .name = "posthorn password",
    .summary =
        "What an account logs in by. Kept are SCRAM-SHA-256 verifiers, never passwords; a new\n"
        "password replaces the old one in all its forms. 'import' takes the crypt(3) hash of "
        "ADDRESS\nfrom the first line of standard input, or, without ADDRESS, lines ADDRESS:HASH.",
    .options = &table,
    .actions = actions,
    .action_count = sizeof(actions) / sizeof(actions[0]),
    .examples = "  posthorn password set ann@example.org\n"
                "  pass mail/ann | posthorn password set ann@example.org --stdin\n"
                "  posthorn password app add ann@example.org 'her telephone'\n"
                "  posthorn password import < old-users\n",
};

static int run(int argc, char **argv)
{
    return admin_run(&command, argc, argv);
}

const struct command password_command = {
    .name = "password",
    .summary = "what an account logs in by",
    .run = run,
    .options = &table,
    .words = "set make app import",
};
