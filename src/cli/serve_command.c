/* `posthorn serve`: the server, by a configuration or, without one, for a first look. */
#include "cli/command.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/report.h"
#include "cli/serve_start.h"

enum {
    SERVE_HELP = 1,
    SERVE_CONFIG,
    SERVE_SET
};

static const struct option_row rows[] = {
    OPTION_ROW(SERVE_CONFIG, 'c', "config", "FILE",
               "the configuration; as root, " CONFIG_SYSTEM_FILE " unless told otherwise",
               .completion = OPTION_FILE),
    OPTION_ROW(SERVE_SET, 'o', "set", "NAME=VALUE",
               "an option of the configuration, on top of the file; may be repeated"),
    OPTION_ROW(SERVE_HELP, 'h', "help", NULL, "this text"),
};

static const struct option_table table = OPTION_TABLE(rows);

/* Where a server without a configuration listens: high ports of this machine alone. */
static const struct {
    enum config_id id;
    const char *place;
} local_places[] = {
    {CONFIG_LISTEN_SMTP, "127.0.0.1:2525"},        {CONFIG_LISTEN_SUBMISSION, "127.0.0.1:2587"},
    {CONFIG_LISTEN_SUBMISSIONS, "127.0.0.1:2465"}, {CONFIG_LISTEN_POP3, "127.0.0.1:2110"},
    {CONFIG_LISTEN_POP3S, "127.0.0.1:2995"},       {CONFIG_LISTEN_IMAP, "127.0.0.1:2143"},
    {CONFIG_LISTEN_IMAPS, "127.0.0.1:2993"},
};

static void print_help(void)
{
    printf("Usage: posthorn serve [-c FILE] [-o NAME=VALUE]...\n"
           "Serve mail: SMTP in, POP3 and IMAP out.\n"
           "\n"
           "Without a configuration a local domain is served, on high ports of this machine, with\n"
           "a store in your data directory and a certificate of its own making.\n"
           "\n");
    option_print_help(&table, stdout);
    printf("\n"
           "SIGHUP reads the configuration again, SIGTERM ends when what is in hand is done.\n"
           "'posthorn config explain' tells of every option; see also posthorn-serve(8).\n");
}

static bool make_local(struct config *config, struct fault *fault)
{
    for (size_t i = 0; i < sizeof(local_places) / sizeof(local_places[0]); i++) {
        if (!config_set(config, local_places[i].id, &local_places[i].place, 1, fault))
            return false;
    }
    return true;
}

/* For whoever starts it for the first time; a service manager wants no such words. */
static void welcome(const struct server *server)
{
    if (!isatty(STDOUT_FILENO))
        return;
    printf("Posthorn %s serves mail for localhost and %s.\n\n", POSTHORN_VERSION,
           server_host_name(server));
    serve_start_print_place(server, CONFIG_LISTEN_SMTP, "SMTP", "mail from outside");
    serve_start_print_place(server, CONFIG_LISTEN_SUBMISSION, "submission", "STARTTLS and login");
    serve_start_print_place(server, CONFIG_LISTEN_SUBMISSIONS, "submissions", "TLS and login");
    serve_start_print_place(server, CONFIG_LISTEN_POP3, "POP3", "STLS and login");
    serve_start_print_place(server, CONFIG_LISTEN_POP3S, "POP3S", "TLS and login");
    serve_start_print_place(server, CONFIG_LISTEN_IMAP, "IMAP", "STARTTLS and login");
    serve_start_print_place(server, CONFIG_LISTEN_IMAPS, "IMAPS", "TLS and login");
    printf("\n  The store:             %s\n"
           "  The certificate:       %s\n\n"
           "Make an account, in another terminal:\n\n"
           "    posthorn account add ann@localhost --store %s\n\n"
           "Control-C ends the server.\n\n",
           server_store(server), server_certificate(server), server_store(server));
    fflush(stdout);
}

static int run_server(struct config *config, bool is_local)
{
    const char *domains[] = {"localhost", NULL, NULL};
    struct server_options options = {.config = config, .domains = is_local ? domains : NULL};
    AUTO(buffer)
    name = BUFFER(CONFIG_NAME_MAX);
    struct fault fault;
    int code;
    if (is_local && !config_host_name(config, &name, &fault))
        return serve_start_fail(&fault);
    if (is_local)
        domains[1] = buffer_string(&name);
    struct server *server = serve_start(&options, &code);
    if (server == NULL)
        return code;
    if (is_local)
        welcome(server);
    return serve_start_run(server);
}

static int prepare(int argc, char **argv, struct config *config)
{
    struct option_reader reader = option_reader_of(&table, argc, argv);
    struct option_match match;
    struct fault fault;
    const char *path = NULL;
    enum option_kind kind;
    int code;
    /* The file comes first, wherever it is named. */
    for (int pass = 0; pass < 2; pass++) {
        reader = option_reader_of(&table, argc, argv);
        while ((kind = option_next(&reader, &match, &fault)) != OPTION_END) {
            if (kind == OPTION_BAD)
                return report_usage(fault.message);
            if (kind == OPTION_OPERAND)
                return report_usage("serve takes no operands");
            if (match.id == SERVE_HELP) {
                print_help();
                return report_flush_output() ? EX_OK : EX_IOERR;
            }
            if (match.id == SERVE_CONFIG)
                path = match.value;
            else if (pass == 1 && !serve_start_set(config, match.value, &code))
                return code;
        }
        if (pass == 1)
            break;
        if (path == NULL && geteuid() == 0 && access(CONFIG_SYSTEM_FILE, F_OK) == 0)
            path = CONFIG_SYSTEM_FILE;
        bool is_ready =
            path == NULL ? make_local(config, &fault) : config_read(config, path, &fault);
        if (!is_ready)
            return serve_start_fail(&fault);
    }
    return run_server(config, path == NULL);
}

static int run(int argc, char **argv)
{
    struct config config;
    struct fault fault;
    report_set_name("posthorn serve");
    if (!config_init(&config, &fault))
        return serve_start_fail(&fault);
    int code = prepare(argc, argv, &config);
    config_clear(&config);
    return code;
}

const struct command serve_command = {
    .name = "serve",
    .summary = "serve mail: SMTP in, POP3 and IMAP out",
    .run = run,
    .options = &table,
};
