/* Command lines with actions, and what is around the work of each. */
#include "cli/admin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "cli/report.h"
#include "server/config.h"
#include "server/store_place.h"
#include "store/store_jobs.h"

enum {
    COMMON_OPTIONS = ADMIN_BIT(ADMIN_HELP) | ADMIN_BIT(ADMIN_STORE) | ADMIN_BIT(ADMIN_CONFIG),
    SUMMARY_COLUMN = 34, /* where the summaries of actions begin in a help */
    ACTION_NAME_MAX = 64,
    ANSWER_MAX = 64 /* bytes of an answer to a question */
};

static const int codes[] = {
    [FAULT_NONE] = EX_OK,          [FAULT_TEMPORARY] = EX_TEMPFAIL, [FAULT_PERMANENT] = EX_NOUSER,
    [FAULT_DENIED] = EX_CANTCREAT, [FAULT_SYNTAX] = EX_DATAERR,     [FAULT_LIMIT] = EX_DATAERR,
    [FAULT_BUG] = EX_SOFTWARE,
};

int admin_fail(const struct fault *fault)
{
    report_error("%s", fault->message);
    return codes[fault->kind];
}

struct bytes admin_operand(const struct admin *admin, size_t index)
{
    return bytes_from_string(admin->operands[index]);
}

/* ---- the command line ---- */

static void print_help(const struct admin_command *command)
{
    printf("Usage: %s ACTION [OPTION]...\n%s\n\nActions:\n", command->name, command->summary);
    for (size_t i = 0; i < command->action_count; i++) {
        const struct admin_action *action = &command->actions[i];
        int length = printf("  %s %s", action->name, action->operands);
        if (length + 1 > SUMMARY_COLUMN) {
            fputc('\n', stdout);
            length = 0;
        }
        printf("%*s%s\n", SUMMARY_COLUMN - length, "", action->summary);
    }
    fputc('\n', stdout);
    option_print_help(command->options, stdout);
    printf(
        "\nExamples:\n%s\n"
        "The server may be running meanwhile, and hears within two seconds.\n"
        "Exit status: 0 done; 64 wrong usage; 65 not an address, a domain or a size; 67 no such\n"
        "account, domain or alias; 73 refused, because it is there already or still in use; 75 "
        "try\n"
        "again later; 78 the store or the configuration; more in posthorn-admin(8).\n",
        command->examples);
}

static const struct admin_action *find_action(const struct admin_command *command,
                                              const char *const *words, size_t count, size_t *used)
{
    for (size_t i = 0; i < command->action_count; i++) {
        const struct admin_action *action = &command->actions[i];
        struct bytes first;
        struct bytes second;
        bool is_pair = bytes_split(bytes_from_string(action->name), ' ', &first, &second);
        if (!bytes_equal(first, bytes_from_string(words[0])))
            continue;
        if (is_pair && (count < 2 || !bytes_equal(second, bytes_from_string(words[1]))))
            continue;
        *used = is_pair ? 2 : 1;
        return action;
    }
    return NULL;
}

static int unknown_action(const struct admin_command *command, const char *const *words,
                          size_t count)
{
    const char *names[ADMIN_ACTIONS_MAX];
    char given[ACTION_NAME_MAX];
    struct fault fault;
    for (size_t i = 0; i < command->action_count; i++)
        names[i] = command->actions[i].name;
    snprintf(given, sizeof(given), "%s", words[0]);
    const char *near = option_nearest(given, names, command->action_count);
    if (near == NULL && count > 1) {
        snprintf(given, sizeof(given), "%s %s", words[0], words[1]);
        near = option_nearest(given, names, command->action_count);
    }
    if (near != NULL)
        fault_set(&fault, FAULT_SYNTAX, "unknown action \"%s\"; did you mean %s?", given, near);
    else
        fault_set(&fault, FAULT_SYNTAX, "unknown action \"%s\"", given);
    return report_usage(fault.message);
}

static int check_options(const struct admin *admin)
{
    struct fault fault;
    unsigned allowed = admin->action->options | COMMON_OPTIONS;
    const struct option_table *table = admin->command->options;
    for (size_t i = 0; i < table->count; i++) {
        int id = table->rows[i].id;
        if (id != 0 && admin->values[id] != NULL && (allowed & ADMIN_BIT(id)) == 0) {
            fault_set(&fault, FAULT_SYNTAX, "\"%s\" takes no --%s", admin->action->name,
                      table->rows[i].name);
            return report_usage(fault.message);
        }
    }
    return EX_OK;
}

static int settle_action(struct admin *admin, const char *const *words, size_t count)
{
    struct fault fault;
    size_t used = 0;
    admin->action = find_action(admin->command, words, count, &used);
    if (admin->action == NULL)
        return unknown_action(admin->command, words, count);
    size_t operands = count - used;
    if (operands < admin->action->operands_min || operands > admin->action->operands_max) {
        fault_set(&fault, FAULT_SYNTAX, "%s: %s %s %s",
                  operands < admin->action->operands_min ? "something is missing"
                                                         : "that is too much",
                  admin->command->name, admin->action->name, admin->action->operands);
        return report_usage(fault.message);
    }
    for (size_t i = 0; i < operands; i++)
        admin->operands[i] = words[used + i];
    return check_options(admin);
}

/* EX_OK with no action: help was asked for and given. */
static int parse(struct admin *admin, int argc, char **argv)
{
    struct option_reader reader = option_reader_of(admin->command->options, argc, argv);
    struct option_match match;
    struct fault fault;
    const char *words[2 + ADMIN_OPERANDS_MAX + 1];
    size_t count = 0;
    enum option_kind kind;
    while ((kind = option_next(&reader, &match, &fault)) != OPTION_END) {
        if (kind == OPTION_BAD)
            return report_usage(fault.message);
        if (kind == OPTION_FOUND)
            admin->values[match.id] = match.value == NULL ? "" : match.value;
        else if (count < sizeof(words) / sizeof(words[0]))
            words[count++] = match.value;
    }
    if (admin_has(admin, ADMIN_HELP)) {
        print_help(admin->command);
        return report_flush_output() ? EX_OK : EX_IOERR;
    }
    if (count == 0)
        return report_usage("what is to be done? An action is missing");
    return settle_action(admin, words, count);
}

/* ---- the store ---- */

static int no_store(const char *place)
{
    report_error("there is no store at %s yet; 'posthorn domain add DOMAIN' makes one, and --store "
                 "PLACE names another",
                 place);
    return EX_NOINPUT;
}

static int open_store(struct admin *admin)
{
    struct fault fault;
    bool is_file = store_place_is_file(admin->place);
    bool is_there = !is_file || access(admin->place, F_OK) == 0;
    if (!is_there && !admin->action->makes_store)
        return no_store(admin->place);
    if (!is_there && !store_place_make_folder(admin->place, &fault)) {
        report_error("%s", fault.message);
        return EX_CANTCREAT;
    }
    /* An older SQLite schema is brought up to date by whoever comes first. */
    struct store_options options = {.place = admin->place,
                                    .creates = is_file || admin->action->makes_store};
    admin->store = store_open(&options, &fault);
    if (admin->store != NULL)
        admin->reader = store_reader_open(admin->store, &fault);
    if (admin->reader == NULL) {
        report_error("%s", fault.message);
        return fault.kind == FAULT_TEMPORARY ? EX_TEMPFAIL : EX_CONFIG;
    }
    return EX_OK;
}

static int run_action(struct admin *admin)
{
    int code = admin->action->is_store_less ? EX_OK : open_store(admin);
    if (code == EX_OK)
        code = admin->action->run(admin);
    store_reader_close(admin->reader);
    store_close(admin->store);
    if (!report_flush_output() && code == EX_OK)
        code = EX_IOERR;
    return code;
}

int admin_run(const struct admin_command *command, int argc, char **argv)
{
    AUTO(buffer)
    place = BUFFER(STORE_PLACE_MAX);
    struct admin admin = {.command = command};
    struct fault fault;
    report_set_name(command->name);
    int code = parse(&admin, argc, argv);
    if (code != EX_OK || admin.action == NULL)
        return code;
    if (!config_find_store(admin.values[ADMIN_STORE], admin.values[ADMIN_CONFIG], &place, &fault)) {
        report_error("%s", fault.message);
        return EX_CONFIG;
    }
    admin.place = buffer_string(&place);
    if (admin.place == NULL) {
        report_error("out of memory");
        return EX_OSERR;
    }
    return run_action(&admin);
}

/* ---- jobs ---- */

struct job {
    struct store_job job; /* first: the store gives it back */
    struct admin *admin;
    admin_write *write;
    void *context;
};

static bool run_job(struct store_job *store_job, struct db *db, struct fault *fault)
{
    struct job *job = (struct job *)store_job;
    return job->write(job->admin, db, job->context, fault);
}

int admin_job(struct admin *admin, admin_write *write, void *context)
{
    struct fault fault;
    struct job job = {.job = {.run = run_job}, .admin = admin, .write = write, .context = context};
    if (!store_run(admin->store, &job.job, &fault))
        return admin_fail(&fault);
    return EX_OK;
}

/* ---- people ---- */

int admin_confirm(const struct admin *admin, const char *format, ...)
{
    char question[1024];
    char answer[ANSWER_MAX];
    va_list arguments;
    if (admin_has(admin, ADMIN_YES))
        return EX_OK;
    if (isatty(STDIN_FILENO) != 1) {
        report_error("nobody can be asked whether that is meant: say so with --yes");
        return EX_USAGE;
    }
    va_start(arguments, format);
    int length = vsnprintf(question, sizeof(question), format, arguments);
    va_end(arguments);
    report_write_safely(stderr, question,
                        length < (int)sizeof(question) ? (size_t)length : sizeof(question) - 1);
    fputs(" [y/N] ", stderr);
    if (fgets(answer, sizeof(answer), stdin) == NULL)
        answer[0] = '\0';
    if (strcasecmp(answer, "y\n") == 0 || strcasecmp(answer, "yes\n") == 0)
        return EX_OK;
    report_error("nothing was done");
    return EX_UNAVAILABLE;
}

int admin_show(const struct admin *admin, const struct table *table, json_t *value)
{
    bool is_whole;
    if (admin_has(admin, ADMIN_JSON)) {
        is_whole = value != NULL && json_dumpf(value, stdout, JSON_INDENT(2)) == 0;
        if (is_whole)
            fputc('\n', stdout);
    } else {
        is_whole = table_print(table, stdout);
    }
    json_decref(value);
    if (!is_whole && !ferror(stdout)) {
        report_error("out of memory");
        return EX_OSERR;
    }
    return report_flush_output() ? EX_OK : EX_IOERR;
}

const char *admin_time_text(int64_t moment, bool is_json, char text[ADMIN_TIME_SIZE])
{
    time_t seconds = (time_t)(moment / 1000000);
    struct tm parts;
    if (gmtime_r(&seconds, &parts) == NULL ||
        strftime(text, ADMIN_TIME_SIZE, is_json ? "%Y-%m-%dT%H:%M:%SZ" : "%Y-%m-%d %H:%M:%S",
                 &parts) == 0)
        snprintf(text, ADMIN_TIME_SIZE, "%" PRId64, moment);
    return text;
}
