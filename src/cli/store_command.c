/* `posthorn store`: whether what is kept is sound, and its schema up to date. */
#include "cli/command.h"

#include <sys/stat.h>
#include <sysexits.h>

#include "cli/admin.h"
#include "cli/quantity.h"
#include "cli/report.h"
#include "server/store_place.h"
#include "store/store_accounts.h"
#include "store/store_check.h"

static const struct option_row rows[] = {
    ADMIN_ROWS_STORE,
    OPTION_ROW(0, 0, NULL, NULL, "How:"),
    OPTION_ROW(ADMIN_DRY_RUN, 'n', "dry-run", NULL, "say what would be done, and do not do it"),
    ADMIN_ROW_JSON,
    ADMIN_ROW_HELP,
};

static const struct option_table table = OPTION_TABLE(rows);

/* ---- check ---- */

struct findings {
    bool is_json;
    json_t *array;
};

static void tell_problem(void *context, const char *sentence)
{
    struct findings *findings = context;
    if (findings->is_json) {
        json_array_append_new(findings->array, json_string(sentence));
    } else {
        report_write_safely(stdout, sentence, strlen(sentence));
        fputc('\n', stdout);
    }
}

static int run_check(struct admin *admin)
{
    struct findings findings = {.is_json = admin_has(admin, ADMIN_JSON), .array = json_array()};
    struct fault fault;
    uint64_t problems;
    int code = EX_OK;
    if (!store_check(admin->reader, tell_problem, &findings, &problems, &fault)) {
        json_decref(findings.array);
        return admin_fail(&fault);
    }
    if (findings.is_json)
        code = admin_show(
            admin, NULL,
            json_pack("{s:I, s:O}", "problems", (json_int_t)problems, "sentences", findings.array));
    json_decref(findings.array);
    if (problems > 0)
        report_error("%llu %s wrong", (unsigned long long)problems,
                     problems == 1 ? "thing is" : "things are");
    else
        report_news(REPORT_GREEN, "Everything agrees with everything else.");
    return problems > 0 ? EX_SOFTWARE : code;
}

/* ---- migrate ---- */

static void tell_step(void *context, const char *line)
{
    (void)context;
    report_news(REPORT_PLAIN, "%s", line);
}

static int run_migrate(struct admin *admin)
{
    bool is_dry = admin_has(admin, ADMIN_DRY_RUN);
    struct fault fault;
    int from;
    int to;
    if (!store_migrate(admin->place, is_dry, tell_step, NULL, &from, &to, &fault)) {
        report_error("%s", fault.message);
        return fault.kind == FAULT_TEMPORARY ? EX_TEMPFAIL : EX_CONFIG;
    }
    if (from == to)
        report_news(REPORT_GREEN, "The store has version %d, the newest.", to);
    else
        report_news(REPORT_GREEN, "The store %s from version %d to %d.",
                    is_dry ? "would go" : "went", from, to);
    return EX_OK;
}

/* ---- info ---- */

struct sums {
    uint64_t domains;
    uint64_t accounts;
    uint64_t aliases;
    int64_t messages;
    int64_t bytes;
};

static bool add_domain(void *context, const char *name, uint64_t accounts, uint64_t aliases)
{
    struct sums *sums = context;
    (void)name;
    sums->domains++;
    sums->accounts += accounts;
    sums->aliases += aliases;
    return true;
}

static bool add_account(void *context, const struct store_account *account)
{
    struct sums *sums = context;
    sums->messages += account->used_messages;
    sums->bytes += account->used_bytes;
    return true;
}

static void add_number(struct table *lines, const char *name, uint64_t number)
{
    table_add(lines, name);
    table_add_format(lines, "%llu", (unsigned long long)number);
}

static int show_info(struct admin *admin, const struct sums *sums, int version)
{
    static const char *const headings[] = {"WHAT", "VALUE"};
    AUTO(table)
    lines = TABLE(headings, 0);
    char text[QUANTITY_TEXT_SIZE];
    struct stat status;
    bool is_file = store_place_is_file(admin->place);
    /* What PostgreSQL is reached by may hold a password. */
    const char *place = is_file ? admin->place : "PostgreSQL";
    int64_t size = is_file && stat(admin->place, &status) == 0 ? (int64_t)status.st_size : 0;
    table_add(&lines, "place");
    table_add(&lines, place);
    add_number(&lines, "schema version", (uint64_t)version);
    if (is_file) {
        table_add(&lines, "size of the file");
        table_add(&lines, quantity_print(size, text));
    }
    add_number(&lines, "domains", sums->domains);
    add_number(&lines, "accounts", sums->accounts);
    add_number(&lines, "aliases", sums->aliases);
    add_number(&lines, "messages", (uint64_t)sums->messages);
    table_add(&lines, "bytes in mailboxes");
    table_add(&lines, quantity_print(sums->bytes, text));
    return admin_show(admin, &lines,
                      json_pack("{s:s, s:i, s:o, s:I, s:I, s:I, s:I, s:I}", "place", place,
                                "version", version, "file_bytes",
                                is_file ? json_integer(size) : json_null(), "domains",
                                (json_int_t)sums->domains, "accounts", (json_int_t)sums->accounts,
                                "aliases", (json_int_t)sums->aliases, "messages",
                                (json_int_t)sums->messages, "bytes", (json_int_t)sums->bytes));
}

static int run_info(struct admin *admin)
{
    struct sums sums = {0};
    struct fault fault;
    int from;
    int to;
    if (!store_migrate(admin->place, true, NULL, NULL, &from, &to, &fault) ||
        !store_domains_list(admin->reader, add_domain, &sums, &fault) ||
        !store_accounts_list(admin->reader, BYTES(""), add_account, &sums, &fault))
        return admin_fail(&fault);
    return show_info(admin, &sums, from);
}

static const struct admin_action actions[] = {
    {"check", "", "is everything as it should be?", 0, 0, ADMIN_BIT(ADMIN_JSON), false, false,
     run_check},
    {"info", "", "where it is, and how much is in it", 0, 0, ADMIN_BIT(ADMIN_JSON), false, false,
     run_info},
    {"migrate", "", "bring its schema up to date", 0, 0, ADMIN_BIT(ADMIN_DRY_RUN), false, true,
     run_migrate},
};

static const struct admin_command command = {
    .name = "posthorn store",
    .summary =
        "The store itself. 'check' reads all of it and tells what is wrong, if anything: every\n"
        "counter, every body, every header anew; exit status 70 when something is.",
    .options = &table,
    .actions = actions,
    .action_count = sizeof(actions) / sizeof(actions[0]),
    .examples = "  posthorn store check\n"
                "  posthorn store migrate --dry-run --store postgresql://db.example.org/mail\n",
};

static int run(int argc, char **argv)
{
    return admin_run(&command, argc, argv);
}

const struct command store_command = {
    .name = "store",
    .summary = "check the store, bring it up to date",
    .run = run,
    .options = &table,
    .words = "check info migrate",
};
