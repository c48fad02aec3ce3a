/* Starts servers for the commands serve and dev. */
#include "cli/serve_start.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cli/option.h"
#include "cli/report.h"

static const int codes[] = {
    [FAULT_NONE] = EX_OK,       [FAULT_TEMPORARY] = EX_TEMPFAIL, [FAULT_PERMANENT] = EX_UNAVAILABLE,
    [FAULT_DENIED] = EX_NOPERM, [FAULT_SYNTAX] = EX_CONFIG,      [FAULT_LIMIT] = EX_CONFIG,
    [FAULT_BUG] = EX_SOFTWARE,
};

int serve_start_fail(const struct fault *fault)
{
    report_error("%s", fault->message);
    if (fault->system_error == EACCES || fault->system_error == EPERM)
        return EX_NOPERM;
    return codes[fault->kind];
}

int serve_start_unknown_option(const char *name)
{
    const char *names[CONFIG_OPTIONS];
    for (size_t i = 0; i < CONFIG_OPTIONS; i++)
        names[i] = config_option_of((enum config_id)i)->name;
    const char *near = option_nearest(name, names, CONFIG_OPTIONS);
    if (near != NULL)
        report_error("there is no option \"%s\"; did you mean %s?", name, near);
    else
        report_error("there is no option \"%s\"; 'posthorn config explain' lists those there are",
                     name);
    return EX_USAGE;
}

/* The values of a list are cut out of the text, in place. */
static bool set_values(struct config *config, enum config_id id, char *text, struct fault *fault)
{
    const char *values[CONFIG_VALUES_MAX + 1];
    size_t count = 0;
    char *rest = text;
    if (!config_option_is_list(config_option_of(id)))
        return config_set(config, id, &(const char *){text}, 1, fault);
    while (rest != NULL && *text != '\0' && count <= CONFIG_VALUES_MAX)
        values[count++] = strsep(&rest, ",");
    return config_set(config, id, values, count, fault);
}

bool serve_start_set(struct config *config, const char *text, int *code)
{
    struct fault fault;
    char *copy = strdup(text);
    char *equals = copy == NULL ? NULL : strchr(copy, '=');
    *code = EX_OK;
    if (copy == NULL) {
        report_error("out of memory");
        *code = EX_OSERR;
    } else if (equals == NULL) {
        report_error("--set takes NAME=VALUE, not \"%s\"", text);
        *code = EX_USAGE;
    } else {
        *equals = '\0';
        enum config_id id = config_option_find(copy);
        if (id == CONFIG_OPTIONS) {
            *code = serve_start_unknown_option(copy);
        } else if (!set_values(config, id, equals + 1, &fault)) {
            report_error("%s", fault.message);
            *code = EX_USAGE;
        }
    }
    free(copy);
    return *code == EX_OK;
}

struct server *serve_start(const struct server_options *options, int *code)
{
    struct fault fault;
    struct server *server = NULL;
    *code = EX_OK;
    if (config_check(options->config, &fault))
        server = server_new(options, &fault);
    if (server == NULL)
        *code = serve_start_fail(&fault);
    return server;
}

int serve_start_run(struct server *server)
{
    server_run(server);
    server_free(server);
    return EX_OK;
}

void serve_start_print_place(const struct server *server, enum config_id id, const char *what,
                             const char *how)
{
    const char *place;
    for (size_t i = 0; (place = server_place(server, id, i)) != NULL; i++)
        printf("  %-22s %-22s %s\n", what, place, how);
}
