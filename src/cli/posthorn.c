/* The program `posthorn`: a table of subcommands, and the name it was called by. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/report.h"

enum {
    COMMANDS_MAX = 64
};

const struct command *const command_list[] = {
    &serve_command,      &dev_command,
    &config_command,     &send_command,
    &sendmail_command,   &domain_command,
    &account_command,    &alias_command,
    &password_command,   &quota_command,
    &queue_command,      &store_command,
    &completion_command, NULL,
};

enum {
    MAIN_HELP = 1,
    MAIN_VERSION
};

static const struct option_row rows[] = {
    OPTION_ROW(MAIN_HELP, 'h', "help", NULL, "this text"),
    OPTION_ROW(MAIN_VERSION, 'V', "version", NULL, "the version"),
};

const struct option_table command_main_table = OPTION_TABLE(rows);

/* A closed standard stream's number would go to the next file or socket, and messages meant for
   people would run into it. Reading and writing it fails all the same. */
static void occupy_standard_streams(void)
{
    for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; descriptor++) {
        if (fcntl(descriptor, F_GETFD) < 0 &&
            open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
            _exit(EX_OSERR);
    }
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; command_list[i] != NULL; i++) {
        if (strcmp(command_list[i]->name, name) == 0)
            return command_list[i];
    }
    return NULL;
}

static void print_help(FILE *file)
{
    fprintf(file, "Usage: posthorn COMMAND [OPTION]...\n"
                  "Mail, from the first letter on.\n"
                  "\n"
                  "Commands:\n");
    for (size_t i = 0; command_list[i] != NULL; i++)
        fprintf(file, "  %-12s %s\n", command_list[i]->name, command_list[i]->summary);
    fprintf(file, "\nOptions:\n");
    option_print_help(&command_main_table, file);
    fprintf(
        file,
        "\n"
        "Begin with a letter:\n"
        "  posthorn send --server mail.example.org --user ann --from ann@example.org \\\n"
        "      --to bob@example.net --subject Hello --body 'How are you?'\n"
        "\n"
        "'posthorn COMMAND --help' tells more of each; so do posthorn(1) and posthorn-send(1).\n");
}

static int unknown_command(const char *name)
{
    const char *names[COMMANDS_MAX];
    size_t count = 0;
    for (size_t i = 0; command_list[i] != NULL; i++)
        names[count++] = command_list[i]->name;
    const char *near = option_nearest(name, names, count);
    if (near != NULL)
        report_error("unknown command \"%s\"; did you mean %s?", name, near);
    else
        report_error("unknown command \"%s\"", name);
    fputs("Try 'posthorn --help'.\n", stderr);
    return EX_USAGE;
}

static int run_main(int argc, char **argv)
{
    struct option_reader reader = option_reader_of(&command_main_table, argc, argv);
    struct option_match match;
    struct fault fault;
    switch (option_next(&reader, &match, &fault)) {
    case OPTION_END:
        print_help(stderr);
        return EX_USAGE;
    case OPTION_BAD:
        return report_usage(fault.message);
    case OPTION_FOUND:
        if (match.id == MAIN_HELP)
            print_help(stdout);
        else
            printf("posthorn %s\n", POSTHORN_VERSION);
        return report_flush_output() ? EX_OK : EX_IOERR;
    case OPTION_OPERAND:
        break;
    }
    const struct command *command = find(match.value);
    if (command == NULL)
        return unknown_command(match.value);
    /* What follows the command's name is the command's own. */
    return command->run(argc - reader.index + 1, argv + reader.index - 1);
}

int main(int argc, char **argv)
{
    occupy_standard_streams();
    /* A reader that goes away is an error of the write, told like any other. */
    signal(SIGPIPE, SIG_IGN);
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    const char *name = argc > 0 ? (slash == NULL ? argv[0] : slash + 1) : "posthorn";
    if (strcmp(name, "sendmail") == 0)
        return sendmail_command.run(argc, argv);
    return run_main(argc, argv);
}
