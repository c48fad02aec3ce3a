/* `posthorn completion bash|zsh`: completion for shells, written from the tables of options. */
#include "cli/command.h"

#include <string.h>
#include <sysexits.h>

#include "base/bytes.h"
#include "cli/report.h"

enum {
    COMPLETION_HELP = 1
};

static const struct option_row rows[] = {
    OPTION_ROW(COMPLETION_HELP, 'h', "help", NULL, "this text"),
};

static const struct option_table table = OPTION_TABLE(rows);

static bool is_shown(const struct option_row *row)
{
    return row->id != 0 && row->text != NULL;
}

/* The names of all options, a blank before each. */
static void print_names(const struct option_table *options)
{
    for (size_t i = 0; options != NULL && i < options->count; i++) {
        const struct option_row *row = &options->rows[i];
        if (is_shown(row) && row->name != NULL)
            printf(" --%s", row->name);
        if (is_shown(row) && row->letter != 0)
            printf(" -%c", row->letter);
    }
}

/* ---- bash ---- */

static void print_bash_label(const char *command, const struct option_row *row)
{
    fputs("    ", stdout);
    if (row->name != NULL)
        printf("'%s --%s'", command, row->name);
    if (row->letter != 0)
        printf("%s'%s -%c'", row->name != NULL ? "|" : "", command, row->letter);
    fputs(")\n", stdout);
}

static void print_bash_values(const struct command *command)
{
    for (size_t i = 0; command->options != NULL && i < command->options->count; i++) {
        const struct option_row *row = &command->options->rows[i];
        if (!is_shown(row) || row->value == NULL)
            continue;
        print_bash_label(command->name, row);
        switch (row->completion) {
        case OPTION_FILE:
            printf("        compopt -o filenames 2>/dev/null\n"
                   "        mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n");
            break;
        case OPTION_DIRECTORY:
            printf("        compopt -o filenames 2>/dev/null\n"
                   "        mapfile -t COMPREPLY < <(compgen -d -- \"$current\")\n");
            break;
        case OPTION_WORDS:
            printf("        mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$current\")\n",
                   row->words);
            break;
        case OPTION_ANYTHING:
            break;
        }
        printf("        return ;;\n");
    }
}

static void print_bash(void)
{
    printf("# bash completion for posthorn; written by 'posthorn completion bash'.\n"
           "_posthorn()\n"
           "{\n"
           "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
           "    local command=${COMP_WORDS[1]}\n"
           "    COMPREPLY=()\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
           "        mapfile -t COMPREPLY < <(compgen -W '");
    for (size_t i = 0; command_list[i] != NULL; i++)
        printf("%s ", command_list[i]->name);
    print_names(&command_main_table);
    printf("' -- \"$current\")\n"
           "        return\n"
           "    fi\n"
           "    # --option=value comes as three words.\n"
           "    if [ \"$current\" = '=' ]; then\n"
           "        current=\n"
           "    elif [ \"$previous\" = '=' ]; then\n"
           "        previous=${COMP_WORDS[COMP_CWORD - 2]}\n"
           "    fi\n"
           "    case \"$command $previous\" in\n");
    for (size_t i = 0; command_list[i] != NULL; i++)
        print_bash_values(command_list[i]);
    printf("    'completion completion')\n"
           "        mapfile -t COMPREPLY < <(compgen -W 'bash zsh' -- \"$current\")\n"
           "        return ;;\n"
           "    esac\n"
           "    case \"$command\" in\n");
    for (size_t i = 0; command_list[i] != NULL; i++) {
        printf("    %s)\n        mapfile -t COMPREPLY < <(compgen -W '", command_list[i]->name);
        if (command_list[i]->words != NULL)
            fputs(command_list[i]->words, stdout);
        print_names(command_list[i]->options);
        printf("' -- \"$current\") ;;\n");
    }
    printf("    esac\n"
           "}\n"
           "complete -F _posthorn posthorn\n");
}

/* ---- zsh ---- */

/* Within '...[...]...': brackets, colons and quotes have a meaning there. */
static void print_zsh_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            fputs("'\\''", stdout);
        else if (strchr("[]:\\", *text) != NULL)
            printf("\\%c", *text);
        else
            fputc(*text, stdout);
    }
}

static void print_zsh_row(const struct option_row *row)
{
    fputs("            '*'", stdout);
    if (row->letter != 0 && row->name != NULL)
        printf("{-%c,--%s}", row->letter, row->name);
    else if (row->name != NULL)
        printf("--%s", row->name);
    else
        printf("-%c", row->letter);
    fputs("'[", stdout);
    print_zsh_text(row->text);
    fputc(']', stdout);
    if (row->value != NULL) {
        fputc(':', stdout);
        print_zsh_text(row->value);
        if (row->completion == OPTION_FILE)
            fputs(":_files", stdout);
        else if (row->completion == OPTION_DIRECTORY)
            fputs(":_files -/", stdout);
        else if (row->completion == OPTION_WORDS)
            printf(":(%s)", row->words);
        else
            fputs(": ", stdout);
    }
    fputs("' \\\n", stdout);
}

static void print_zsh(void)
{
    printf("#compdef posthorn\n"
           "# zsh completion for posthorn; written by 'posthorn completion zsh'.\n"
           "_posthorn()\n"
           "{\n"
           "    local -a commands=(\n");
    for (size_t i = 0; command_list[i] != NULL; i++) {
        printf("        '%s:", command_list[i]->name);
        print_zsh_text(command_list[i]->summary);
        printf("'\n");
    }
    printf("    )\n"
           "    if (( CURRENT == 2 )); then\n"
           "        _describe command commands\n"
           "        return\n"
           "    fi\n"
           "    local command=$words[2]\n"
           "    shift words\n"
           "    (( CURRENT-- ))\n"
           "    case $command in\n");
    for (size_t i = 0; command_list[i] != NULL; i++) {
        const struct option_table *options = command_list[i]->options;
        printf("    %s)\n        _arguments \\\n", command_list[i]->name);
        for (size_t j = 0; options != NULL && j < options->count; j++) {
            if (is_shown(&options->rows[j]))
                print_zsh_row(&options->rows[j]);
        }
        if (command_list[i]->words != NULL)
            printf("            '1: :(%s)' \\\n", command_list[i]->words);
        printf("            '*: : ' ;;\n");
    }
    printf("    esac\n"
           "}\n"
           "_posthorn \"$@\"\n");
}

static void print_help(void)
{
    printf("Usage: posthorn completion bash|zsh\n"
           "Write completion for a shell.\n"
           "\n"
           "  Now:          . <(posthorn completion bash)\n"
           "  For always:   posthorn completion bash > "
           "~/.local/share/bash-completion/completions/posthorn\n"
           "                posthorn completion zsh > a folder of $fpath, as _posthorn\n"
           "\n");
    option_print_help(&table, stdout);
}

static int run(int argc, char **argv)
{
    struct option_reader reader = option_reader_of(&table, argc, argv);
    struct option_match match;
    struct fault fault;
    const char *shell = NULL;
    enum option_kind kind;
    report_set_name("posthorn completion");
    while ((kind = option_next(&reader, &match, &fault)) != OPTION_END) {
        if (kind == OPTION_BAD)
            return report_usage(fault.message);
        if (kind == OPTION_FOUND) {
            print_help();
            return report_flush_output() ? EX_OK : EX_IOERR;
        }
        shell = match.value;
    }
    if (shell != NULL && strcmp(shell, "bash") == 0)
        print_bash();
    else if (shell != NULL && strcmp(shell, "zsh") == 0)
        print_zsh();
    else
        return report_usage("which shell? bash or zsh");
    return report_flush_output() ? EX_OK : EX_IOERR;
}

const struct command completion_command = {
    .name = "completion",
    .summary = "completion for bash and zsh",
    .run = run,
    .options = &table,
};
