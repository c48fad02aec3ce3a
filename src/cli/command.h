/* The subcommands of the program: each is one row of the table in posthorn.c and one file. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "cli/option.h"

struct command {
    const char *name;
    const char *summary;
    /* argv[0] is the subcommand's name. Returns the program's exit status (sysexits.h). */
    int (*run)(int argc, char **argv);
    const struct option_table *options; /* NULL = none */
    const char
        *words; /* what a shell offers beside the options, with blanks between; NULL = none */
};

extern const struct command send_command;
extern const struct command sendmail_command;
extern const struct command serve_command;
extern const struct command dev_command;
extern const struct command config_command;
extern const struct command domain_command;
extern const struct command account_command;
extern const struct command alias_command;
extern const struct command password_command;
extern const struct command quota_command;
extern const struct command queue_command;
extern const struct command store_command;
extern const struct command completion_command;

/* All of them, NULL behind the last. */
extern const struct command *const command_list[];

/* The options of the program itself, before the subcommand. */
extern const struct option_table command_main_table;

#endif
