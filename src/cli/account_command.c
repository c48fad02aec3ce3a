/* `posthorn account`: who has a mailbox here. */
#include "cli/command.h"

#include <string.h>
#include <sysexits.h>

#include "cli/account_report.h"
#include "cli/admin.h"
#include "cli/password_forms.h"
#include "cli/password_input.h"
#include "cli/report.h"
#include "store/store_news.h"

enum {
    REMOVED_AT_ONCE = 1000 /* messages of one job, so that a server's mail goes in between */
};

static const struct option_row rows[] = {
    OPTION_ROW(0, 0, NULL, NULL, "A new account:"),
    OPTION_ROW(ADMIN_CREATE_DOMAIN, 0, "create-domain", NULL, "make its domain when it is missing"),
    OPTION_ROW(ADMIN_STDIN, 0, "stdin", NULL, "the password is the first line of standard input"),
    OPTION_ROW(ADMIN_GENERATE, 0, "generate", NULL, "make a password up, and show it once"),
    OPTION_ROW(ADMIN_NO_PASSWORD, 0, "no-password", NULL,
               "none: it gets mail, but nobody can log in yet"),
    OPTION_ROW(ADMIN_SCRAM_SHA_1, 0, "scram-sha-1", NULL,
               "keep the password for SCRAM-SHA-1 too, for old clients"),
    ADMIN_ROWS_STORE,
    OPTION_ROW(0, 0, NULL, NULL, "How:"),
    ADMIN_ROW_JSON,
    ADMIN_ROW_YES,
    ADMIN_ROW_HELP,
};

static const struct option_table table = OPTION_TABLE(rows);

/* ---- add ---- */

struct addition {
    const struct password_forms *forms; /* NULL = no password */
};

static bool make_domain(struct admin *admin, struct db *db, struct bytes login, struct fault *fault)
{
    struct address address;
    struct fault refusal;
    if (!address_parse(login, &address, fault))
        return false;
    if (!store_domain_add(db, store_id_make(admin->store), address_domain(&address), &refusal) &&
        refusal.kind != FAULT_DENIED) {
        *fault = refusal;
        return false;
    }
    return true;
}

static bool add(struct admin *admin, struct db *db, void *context, struct fault *fault)
{
    const struct addition *addition = context;
    struct bytes login = admin_operand(admin, 0);
    int64_t id;
    if (admin_has(admin, ADMIN_CREATE_DOMAIN) && !make_domain(admin, db, login, fault))
        return false;
    return store_account_add(admin->store, db, login, &id, fault) &&
           (addition->forms == NULL ||
            password_forms_put(admin->store, db, id, addition->forms, fault));
}

/* Whether it can be made, before a person types a password twice for nothing. */
static int check_addition(struct admin *admin)
{
    struct store_account account;
    struct address address;
    struct fault fault;
    bool is_there;
    struct bytes login = admin_operand(admin, 0);
    if (!address_parse(login, &address, &fault))
        return admin_fail(&fault);
    if (!store_account_find(admin->reader, login, &account, &is_there, &fault))
        return admin_fail(&fault);
    if (is_there) {
        report_error("the account %s is there already; 'posthorn password set %s' changes its "
                     "password",
                     account.login, account.login);
        return EX_CANTCREAT;
    }
    AUTO(store_targets)
    targets = {0};
    if (!store_resolve(admin->reader, &address, &targets, &fault))
        return admin_fail(&fault);
    if (targets.resolution == STORE_DOMAIN_IS_FAR && !admin_has(admin, ADMIN_CREATE_DOMAIN)) {
        report_error("there is no domain %.*s here; 'posthorn domain add %.*s' makes it, and so "
                     "does --create-domain",
                     BYTES_FORMAT(address_domain(&address)),
                     BYTES_FORMAT(address_domain(&address)));
        return EX_NOUSER;
    }
    return EX_OK;
}

static int run_add(struct admin *admin)
{
    AUTO(buffer)
    password = SECRET_BUFFER(PASSWORD_INPUT_MAX);
    struct password_forms forms;
    struct addition addition = {0};
    struct fault fault;
    bool is_made = false;
    bool has_password = !admin_has(admin, ADMIN_NO_PASSWORD);
    if (!has_password && (admin_has(admin, ADMIN_STDIN) || admin_has(admin, ADMIN_GENERATE)))
        return report_usage("--no-password goes with neither --stdin nor --generate");
    int code = check_addition(admin);
    if (code == EX_OK && has_password) {
        code = password_input_read(admin, admin->operands[0], &password, &is_made);
        if (code == EX_OK &&
            !password_forms_make(buffer_bytes(&password), admin_has(admin, ADMIN_SCRAM_SHA_1),
                                 &forms, &fault))
            code = admin_fail(&fault);
        addition.forms = &forms;
    }
    if (code == EX_OK)
        code = admin_job(admin, add, &addition);
    if (code != EX_OK)
        return code;
    report_news(REPORT_GREEN, "The account %s is there.", admin->operands[0]);
    if (is_made)
        printf("%s\n", buffer_string(&password));
    if (!has_password)
        report_news(REPORT_PLAIN, "Nobody can log in yet: 'posthorn password set %s' changes that.",
                    admin->operands[0]);
    return EX_OK;
}

/* ---- remove, enable, disable ---- */

static bool remove_some(struct admin *admin, struct db *db, void *context, struct fault *fault)
{
    return store_account_remove_some(db, admin_operand(admin, 0), REMOVED_AT_ONCE, context, fault);
}

static bool remove_account(struct admin *admin, struct db *db, void *context, struct fault *fault)
{
    (void)context;
    return store_account_remove(db, admin_operand(admin, 0), fault);
}

static bool set_disabled(struct admin *admin, struct db *db, void *context, struct fault *fault)
{
    return store_account_set_disabled(db, admin_operand(admin, 0), context != NULL, fault);
}

/* Servers that work on the store end its sessions. */
static void tell_gone(struct admin *admin, int64_t account)
{
    store_news_publish(admin->store,
                       &(struct store_news){.kind = STORE_NEWS_GONE, .mailbox = account});
}

static int run_remove(struct admin *admin)
{
    char size[QUANTITY_TEXT_SIZE];
    struct store_account account;
    int code = account_report_find(admin, &account);
    if (code == EX_OK)
        code = admin_confirm(admin, "Remove %s with all of its %lld messages (%s)?", account.login,
                             (long long)account.used_messages,
                             quantity_print(account.used_bytes, size));
    /* No new mail comes while the old goes, slice by slice. */
    if (code == EX_OK)
        code = admin_job(admin, set_disabled, admin);
    if (code == EX_OK)
        tell_gone(admin, account.id);
    size_t count = account.used_messages > 0 ? 1 : 0;
    while (code == EX_OK && count > 0)
        code = admin_job(admin, remove_some, &count);
    if (code == EX_OK)
        code = admin_job(admin, remove_account, NULL);
    if (code == EX_OK)
        report_news(REPORT_PLAIN, "The account %s is gone.", account.login);
    return code;
}

static int run_disable(struct admin *admin)
{
    struct store_account account;
    int code = account_report_find(admin, &account);
    if (code == EX_OK)
        code = admin_job(admin, set_disabled, admin);
    if (code == EX_OK)
        tell_gone(admin, account.id);
    if (code == EX_OK)
        report_news(REPORT_PLAIN, "%s gets no mail now, and nobody can log in; its mail stays.",
                    admin->operands[0]);
    return code;
}

static int run_enable(struct admin *admin)
{
    int code = admin_job(admin, set_disabled, NULL);
    if (code == EX_OK)
        report_news(REPORT_GREEN, "%s gets mail and may log in.", admin->operands[0]);
    return code;
}

enum {
    ADD_OPTIONS = ADMIN_BIT(ADMIN_CREATE_DOMAIN) | ADMIN_BIT(ADMIN_STDIN) |
                  ADMIN_BIT(ADMIN_GENERATE) | ADMIN_BIT(ADMIN_NO_PASSWORD) |
                  ADMIN_BIT(ADMIN_SCRAM_SHA_1)
};

static const struct admin_action actions[] = {
    {"add", "ADDRESS", "make one, and set its password", 1, 1, ADD_OPTIONS, true, false, run_add},
    {"list", "[DOMAIN]", "all accounts", 0, 1, ADMIN_BIT(ADMIN_JSON), false, false,
     account_report_list},
    {"show", "ADDRESS", "all about one", 1, 1, ADMIN_BIT(ADMIN_JSON), false, false,
     account_report_show},
    {"disable", "ADDRESS", "no logins and no mail until enabled", 1, 1, 0, false, false,
     run_disable},
    {"enable", "ADDRESS", "end that", 1, 1, 0, false, false, run_enable},
    {"remove", "ADDRESS", "the account and all of its mail", 1, 1, ADMIN_BIT(ADMIN_YES), false,
     false, run_remove},
};

static const struct admin_command command = {
    .name = "posthorn account",
    .summary = "Who has a mailbox here. An account is named by its address.",
    .options = &table,
    .actions = actions,
    .action_count = sizeof(actions) / sizeof(actions[0]),
    .examples = "  posthorn account add ann@example.org\n"
                "  posthorn account add bob@example.org --create-domain --generate\n"
                "  posthorn account list example.org\n"
                "  posthorn account disable bob@example.org\n",
};

static int run(int argc, char **argv)
{
    return admin_run(&command, argc, argv);
}

const struct command account_command = {
    .name = "account",
    .summary = "who has a mailbox here",
    .run = run,
    .options = &table,
    .words = "add list show disable enable remove",
};
