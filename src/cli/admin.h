/* What the commands for the store share (domain, account, alias, password, quota, queue, store): a
 * command line of an action, operands and options; the store; jobs; questions; lists and JSON. */
#ifndef CLI_ADMIN_H
#define CLI_ADMIN_H

#include <jansson.h>

#include "base/fault.h"
#include "cli/command.h"
#include "cli/table.h"
#include "store/store.h"

enum {
    ADMIN_OPERANDS_MAX = 3,
    ADMIN_ACTIONS_MAX = 16
};

enum admin_option {
    ADMIN_HELP = 1,
    ADMIN_STORE,
    ADMIN_CONFIG,
    ADMIN_JSON,
    ADMIN_YES,
    ADMIN_STDIN,
    ADMIN_GENERATE,
    ADMIN_NO_PASSWORD,
    ADMIN_CREATE_DOMAIN,
    ADMIN_SCRAM_SHA_1,
    ADMIN_BYTES,
    ADMIN_MESSAGES,
    ADMIN_DRY_RUN,
    /* Conditions of the queue, the first and the last in this order. */
    ADMIN_SENDER,
    ADMIN_RECIPIENT,
    ADMIN_ROUTE,
    ADMIN_ACCOUNT,
    ADMIN_OLDER,
    ADMIN_NEWER,
    ADMIN_HELD,
    ADMIN_WAITING,
    ADMIN_FAILED,
    ADMIN_ALL,
    ADMIN_LIMIT,
    ADMIN_OPTIONS_COUNT
};

/* The bit of an option in admin_action.options. */
#define ADMIN_BIT(option) (1U << (option))

/* The rows that every command has. */
#define ADMIN_ROWS_STORE                                                                           \
    OPTION_ROW(0, 0, NULL, NULL, "Which store:"),                                                  \
        OPTION_ROW(ADMIN_STORE, 's', "store", "PLACE",                                             \
                   "the store: a file, or postgresql://...; else that of the configuration, of "   \
                   "$POSTHORN_STORE, or the one in your data directory",                           \
                   .completion = OPTION_FILE),                                                     \
        OPTION_ROW(ADMIN_CONFIG, 'c', "config", "FILE",                                            \
                   "the server's configuration, for its "                                          \
                   "store",                                                                        \
                   .completion = OPTION_FILE)
#define ADMIN_ROW_JSON OPTION_ROW(ADMIN_JSON, 0, "json", NULL, "JSON instead of a table")
#define ADMIN_ROW_YES                                                                              \
    OPTION_ROW(ADMIN_YES, 'y', "yes", NULL, "do it without asking whether that is meant")
#define ADMIN_ROW_HELP OPTION_ROW(ADMIN_HELP, 'h', "help", NULL, "this text")

struct admin;

struct admin_action {
    const char *name;     /* "add", or two words: "app add" */
    const char *operands; /* as the help shows them: "LOGIN [LABEL]" */
    const char *summary;
    size_t operands_min;
    size_t operands_max;
    unsigned options;   /* those it takes besides store, config and help */
    bool makes_store;   /* a store that is not there yet is made */
    bool is_store_less; /* the store is not opened for it */
    int (*run)(struct admin *admin);
};

struct admin_command {
    const char *name; /* "posthorn account" */
    const char *summary;
    const struct option_table *options;
    const struct admin_action *actions;
    size_t action_count;
    const char *examples; /* for the help, indented by 2 */
};

/* One run of a command. */
struct admin {
    const struct admin_command *command;
    const struct admin_action *action;
    const char *operands[ADMIN_OPERANDS_MAX]; /* NULL where there is none */
    /* By option: its value, "" for one that takes none; NULL = not given. */
    const char *values[ADMIN_OPTIONS_COUNT];
    const char *place;
    struct store *store;
    struct db *reader;
};

/* Reads the command line, opens the store, runs the action, closes the store. Returns the exit
   status. */
int admin_run(const struct admin_command *command, int argc, char **argv);

static inline bool admin_has(const struct admin *admin, enum admin_option option)
{
    return admin->values[option] != NULL;
}

/* The operand, or no bytes. */
struct bytes admin_operand(const struct admin *admin, size_t index);

/* One job; `write` may be called again, so it must not change what it reads. Tells the fault.
   Returns the exit status. */
typedef bool admin_write(struct admin *admin, struct db *db, void *context, struct fault *fault);
int admin_job(struct admin *admin, admin_write *write, void *context);

/* Tells the fault, and returns the exit status that belongs to it. */
int admin_fail(const struct fault *fault);

/* Asks on the terminal unless --yes was given: EX_OK when it is meant. Without a terminal it is
   refused, with words that name --yes. */
int admin_confirm(const struct admin *admin, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Writes the table, or with --json the value, which is released. The exit status. */
int admin_show(const struct admin *admin, const struct table *table, json_t *value);

/* Microseconds since 1970 as "2026-11-23 20:55:14" UTC with a blank, or with T and Z for JSON. */
enum {
    ADMIN_TIME_SIZE = 40
};
const char *admin_time_text(int64_t time, bool is_json, char text[ADMIN_TIME_SIZE]);

#endif
