/* `posthorn config check|show|explain`: looks at the configuration, and tells of its options. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/scan.h"
#include "cli/report.h"
#include "cli/serve_start.h"
#include "server/config_value.h"

enum {
    CONFIG_HELP = 1,
    CONFIG_FILE,
    CONFIG_DEFAULTS
};

enum {
    TEXT_WIDTH = 78,        /* columns of help texts and of comments in files */
    DESCRIPTION_MAX = 1024, /* bytes of a description of what may be written */
    OPERANDS_MAX = 2
};

static const struct option_row rows[] = {
    OPTION_ROW(CONFIG_FILE, 'c', "config", "FILE",
               "the configuration to look at; as root, " CONFIG_SYSTEM_FILE
               " unless told otherwise",
               .completion = OPTION_FILE),
    OPTION_ROW(CONFIG_DEFAULTS, 0, "defaults", NULL,
               "show: every option with its default and its help, to begin a file with"),
    OPTION_ROW(CONFIG_HELP, 'h', "help", NULL, "this text"),
};

static const struct option_table table = OPTION_TABLE(rows);

static void print_help(void)
{
    printf("Usage: posthorn config check|show|explain [OPTION]...\n"
           "Look at the configuration of the server.\n"
           "\n"
           "  check             say whether the file is right, or what is wrong in which line\n"
           "  show              every option with the value that holds\n"
           "  explain [NAME]    what an option means; without a name, all of them in a line each\n"
           "\n");
    option_print_help(&table, stdout);
    printf("\n"
           "Begin a file:  posthorn config show --defaults > posthorn.conf\n");
}

/* Words in lines of TEXT_WIDTH columns, each with `margin` before it; a blank line between
   paragraphs. */
static void print_wrapped(const char *text, const char *margin)
{
    struct bytes rest = bytes_from_string(text), paragraph, word;
    while (rest.length > 0) {
        size_t end = bytes_find(rest, BYTES("\n\n"));
        paragraph = bytes_slice(rest, 0, end);
        rest = end == BYTES_NOT_FOUND ? BYTES("") : bytes_skip(rest, end + 2);
        size_t column = 0;
        while (paragraph.length > 0) {
            bytes_split(paragraph, ' ', &word, &paragraph);
            bool is_fitting = column > 0 && column + 1 + word.length <= TEXT_WIDTH;
            if (!is_fitting) {
                printf("%s%s", column > 0 ? "\n" : "", margin);
                column = strlen(margin);
            } else {
                column += 1;
                fputc(' ', stdout);
            }
            printf("%.*s", BYTES_FORMAT(word));
            column += word.length;
        }
        printf("\n");
        if (rest.length > 0)
            printf("%.*s\n", (int)bytes_trim_end(bytes_from_string(margin)).length, margin);
    }
}

/* A value as the file has it: numbers and what has a unit plain, all else quoted. */
static void print_value(const struct config_option *option, const char *text)
{
    bool is_plain = option->type == CONFIG_NUMBER || option->type == CONFIG_SIZE ||
                    option->type == CONFIG_TIME || option->type == CONFIG_WORD;
    if (is_plain) {
        printf("%s", text);
        return;
    }
    /* Between these quotes nothing but the quote and the backslash has a meaning. */
    fputc('\'', stdout);
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\')
            fputc('\\', stdout);
        fputc(*text, stdout);
    }
    fputc('\'', stdout);
}

static void print_setting(const struct config_option *option, const struct config_setting *setting)
{
    bool is_list = config_option_is_list(option);
    if (!is_list && setting->count == 0) {
        printf("# %s =\n", option->name);
        return;
    }
    printf("%s = %s", option->name, is_list ? "{" : "");
    for (size_t i = 0; i < setting->count; i++) {
        printf("%s", i > 0 ? ", " : "");
        print_value(option, setting->values[i].text);
    }
    printf("%s\n", is_list ? "}" : "");
}

static void print_description(const struct config_option *option, const char *margin)
{
    AUTO(buffer)
    text = BUFFER(DESCRIPTION_MAX);
    buffer_append_string(&text, config_option_is_list(option) ? "A list of: " : "A value: ");
    config_value_describe(option, &text);
    buffer_append_string(&text, ".");
    if (option->value == NULL)
        buffer_append_format(&text, " Not set: %s.", option->without);
    buffer_append_string(&text, option->change == CONFIG_AT_RELOAD
                                    ? " A change holds from the next reload on."
                                    : " A change holds from the next start on.");
    const char *words = buffer_string(&text);
    if (words != NULL)
        print_wrapped(words, margin);
}

static void print_heading(const struct config_option *option, size_t index)
{
    if (option->section != NULL)
        printf("%s# ==== %s ====\n", index > 0 ? "\n" : "", option->section);
}

/* A file that changes nothing: every line is a comment. */
static int show_defaults(const struct config *config)
{
    printf("# Posthorn's configuration: every option with its default. What is commented out holds "
           "all\n# the same. 'posthorn config check -c FILE' says whether a file is right; "
           "posthorn.conf(5)\n# tells how values are written.\n\n");
    for (size_t i = 0; i < CONFIG_OPTIONS; i++) {
        const struct config_option *option = config_option_of((enum config_id)i);
        AUTO(buffer)
        summary = BUFFER(DESCRIPTION_MAX);
        print_heading(option, i);
        buffer_append_format(&summary, "%s.%s%s", option->summary, *option->text ? " " : "",
                             option->text);
        fputc('\n', stdout);
        if (buffer_string(&summary) != NULL)
            print_wrapped(buffer_string(&summary), "# ");
        print_description(option, "# ");
        if (config->settings[i].count > 0 || config_option_is_list(option))
            printf("# ");
        print_setting(option, &config->settings[i]);
    }
    return EX_OK;
}

static int show(const struct config *config)
{
    if (config->file != NULL)
        printf("# %s, and the defaults\n", config->file);
    else
        printf("# the defaults\n");
    for (size_t i = 0; i < CONFIG_OPTIONS; i++)
        print_setting(config_option_of((enum config_id)i), &config->settings[i]);
    return EX_OK;
}

static int check(const struct config *config)
{
    struct fault fault;
    if (!config_check(config, &fault))
        return serve_start_fail(&fault);
    printf("%s: no faults\n", config->file == NULL ? "no file, only defaults" : config->file);
    return EX_OK;
}

static int explain_all(void)
{
    for (size_t i = 0; i < CONFIG_OPTIONS; i++) {
        const struct config_option *option = config_option_of((enum config_id)i);
        if (option->section != NULL)
            printf("%s%s\n", i > 0 ? "\n" : "", option->section);
        printf("  %-26s %s\n", option->name, option->summary);
    }
    return EX_OK;
}

static int explain(const char *name)
{
    enum config_id id = config_option_find(name);
    if (id == CONFIG_OPTIONS)
        return serve_start_unknown_option(name);
    const struct config_option *option = config_option_of(id);
    struct config defaults;
    struct fault fault;
    if (!config_init(&defaults, &fault))
        return serve_start_fail(&fault);
    print_setting(option, &defaults.settings[id]);
    config_clear(&defaults);
    printf("\n%s.\n\n", option->summary);
    if (*option->text != '\0') {
        print_wrapped(option->text, "");
        fputc('\n', stdout);
    }
    print_description(option, "");
    return EX_OK;
}

static int act(const char *action, const char *path, bool wants_defaults)
{
    struct config config;
    struct fault fault;
    int code = EX_OK;
    if (path == NULL && !wants_defaults && geteuid() == 0 && access(CONFIG_SYSTEM_FILE, F_OK) == 0)
        path = CONFIG_SYSTEM_FILE;
    if (!config_init(&config, &fault))
        return serve_start_fail(&fault);
    if (path != NULL && !config_read(&config, path, &fault))
        code = serve_start_fail(&fault);
    else if (strcmp(action, "check") == 0)
        code = check(&config);
    else
        code = wants_defaults ? show_defaults(&config) : show(&config);
    config_clear(&config);
    return code;
}

static int run(int argc, char **argv)
{
    struct option_reader reader = option_reader_of(&table, argc, argv);
    struct option_match match;
    struct fault fault;
    const char *operands[OPERANDS_MAX] = {NULL};
    const char *path = NULL;
    size_t count = 0;
    bool wants_defaults = false;
    enum option_kind kind;
    int code;
    report_set_name("posthorn config");
    while ((kind = option_next(&reader, &match, &fault)) != OPTION_END) {
        if (kind == OPTION_BAD)
            return report_usage(fault.message);
        if (kind == OPTION_OPERAND && count == OPERANDS_MAX)
            return report_usage("too many operands");
        if (kind == OPTION_OPERAND)
            operands[count++] = match.value;
        else if (match.id == CONFIG_FILE)
            path = match.value;
        else if (match.id == CONFIG_DEFAULTS)
            wants_defaults = true;
        else {
            print_help();
            return report_flush_output() ? EX_OK : EX_IOERR;
        }
    }
    bool is_explain = count > 0 && strcmp(operands[0], "explain") == 0;
    bool is_show = count == 1 && strcmp(operands[0], "show") == 0;
    bool is_check = count == 1 && strcmp(operands[0], "check") == 0;
    if (!is_explain && !is_show && !is_check)
        return report_usage("what shall be done? check, show, or explain [NAME]");
    if (wants_defaults && (!is_show || path != NULL))
        return report_usage("--defaults goes with show, and without a file");
    if (is_explain)
        code = operands[1] == NULL ? explain_all() : explain(operands[1]);
    else
        code = act(operands[0], path, wants_defaults);
    if (!report_flush_output() && code == EX_OK)
        code = EX_IOERR;
    return code;
}

const struct command config_command = {
    .name = "config",
    .summary = "check, show and explain the server's configuration",
    .run = run,
    .options = &table,
};
