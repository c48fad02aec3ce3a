/* `posthorn dev`: a mail server for people who test programs that send mail. */
#include "cli/command.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/scan.h"
#include "cli/report.h"
#include "cli/serve_start.h"
#include "server/privileges.h"

enum {
    DEV_HELP = 1,
    DEV_STORE,
    DEV_HOST,
    DEV_PORT_OFFSET,
    DEV_SET
};

#define DEV_HOST_DEFAULT "127.0.0.1"
#define DEV_USER         "nobody"

enum {
    DEV_PORT_OFFSET_MAX = 60000,
    DEV_PLACE_SIZE = 128,
};

static const struct option_row rows[] = {
    OPTION_ROW(DEV_STORE, 's', "store", "FILE",
               "keep the mail in this file; else it is gone when the server ends",
               .completion = OPTION_FILE),
    OPTION_ROW(DEV_HOST, 0, "host", "ADDRESS",
               "the address to listen on (" DEV_HOST_DEFAULT "); \"*\" = all of them"),
    OPTION_ROW(DEV_PORT_OFFSET, 0, "port-offset", "NUMBER",
               "add this to every port, for a second server"),
    OPTION_ROW(DEV_SET, 'o', "set", "NAME=VALUE",
               "an option as posthorn.conf has it; may be repeated"),
    OPTION_ROW(DEV_HELP, 'h', "help", NULL, "this text"),
};

static const struct option_table table = OPTION_TABLE(rows);

static const struct {
    enum config_id id;
    unsigned port;
} ports[] = {
    {CONFIG_LISTEN_SMTP, 2525}, {CONFIG_LISTEN_SUBMISSION, 2587}, {CONFIG_LISTEN_SUBMISSIONS, 2465},
    {CONFIG_LISTEN_POP3, 2110}, {CONFIG_LISTEN_IMAP, 2143},
};

struct wishes {
    const char *store;
    const char *host;
    uint64_t port_offset;
    bool is_help;
};

static void print_help(void)
{
    printf("Usage: posthorn dev [--store FILE] [OPTION]...\n"
           "A mail server for testing: no configuration, every address has a mailbox, every login\n"
           "is right. It is the server that `posthorn serve` is, with the same limits.\n"
           "\n");
    option_print_help(&table, stdout);
    printf(
        "\n"
        "Point the program under test at localhost:2525, with TLS or without, with a login or\n"
        "without. Read what came by IMAP on port 2143 or by POP3 on port 2110: the login is the\n"
        "address, any password will do.\n");
}

static int set(struct config *config, enum config_id id, const char *text)
{
    struct fault fault;
    return config_set(config, id, &text, 1, &fault) ? EX_OK : serve_start_fail(&fault);
}

static int set_places(struct config *config, const struct wishes *wishes)
{
    char place[DEV_PLACE_SIZE];
    bool needs_brackets = strchr(wishes->host, ':') != NULL && wishes->host[0] != '[';
    int code = EX_OK;
    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]) && code == EX_OK; i++) {
        int length = snprintf(place, sizeof(place), needs_brackets ? "[%s]:%u" : "%s:%u",
                              wishes->host, ports[i].port + (unsigned)wishes->port_offset);
        if (length >= (int)sizeof(place))
            return report_usage("--host: the address is too long");
        code = set(config, ports[i].id, place);
    }
    return code;
}

/* Root has no need to stay root where nothing is kept. The certificate then goes into a folder of
   the other user's own; `folder` is its template. */
static int set_user(struct config *config, const struct wishes *wishes, char *folder)
{
    struct privileges_user user;
    struct fault fault;
    if (geteuid() != 0 || wishes->store != NULL || config_text(config, CONFIG_USER) != NULL ||
        config_text(config, CONFIG_DATA_DIRECTORY) != NULL) {
        *folder = '\0';
        return EX_OK;
    }
    if (!privileges_find(DEV_USER, &user, &fault)) {
        *folder = '\0';
        return serve_start_fail(&fault);
    }
    if (mkdtemp(folder) == NULL || lchown(folder, user.user, user.group) != 0) {
        report_error("cannot make a folder in /tmp: %s", strerror(errno));
        return EX_CANTCREAT;
    }
    int code = set(config, CONFIG_USER, DEV_USER);
    return code == EX_OK ? set(config, CONFIG_DATA_DIRECTORY, folder) : code;
}

static void welcome(const struct server *server, bool is_kept)
{
    printf("Posthorn %s for testing: every address has a mailbox, every login is right.\n\n",
           POSTHORN_VERSION);
    serve_start_print_place(server, CONFIG_LISTEN_SMTP, "send by SMTP", "STARTTLS if you like");
    serve_start_print_place(server, CONFIG_LISTEN_SUBMISSION, "or by submission",
                            "with a login; STARTTLS if you like");
    serve_start_print_place(server, CONFIG_LISTEN_SUBMISSIONS, "or by submissions",
                            "TLS from the first byte");
    serve_start_print_place(server, CONFIG_LISTEN_IMAP, "read by IMAP",
                            "login: the address; any password");
    serve_start_print_place(server, CONFIG_LISTEN_POP3, "or by POP3",
                            "login: the address; any password");
    printf("\n  The mail is kept in %s.\n"
           "  The certificate, to be trusted by clients that verify: %s\n\n"
           "Control-C ends the server.\n\n",
           is_kept ? server_store(server) : "memory until the server ends",
           server_certificate(server));
    fflush(stdout);
}

static void remove_folder(const char *folder)
{
    static const char *const files[] = {"certificate.pem", "certificate.key"};
    char path[DEV_PLACE_SIZE];
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
        unlink(path);
    }
    rmdir(folder);
}

static int run_server(struct config *config, const struct wishes *wishes)
{
    static const char *const domains[] = {"localhost", NULL};
    char folder[] = "/tmp/posthorn-dev-XXXXXX";
    struct server_options options = {.config = config, .is_dev = true, .domains = domains};
    int code = set_user(config, wishes, folder);
    struct server *server = code == EX_OK ? serve_start(&options, &code) : NULL;
    if (server != NULL) {
        welcome(server, wishes->store != NULL);
        code = serve_start_run(server);
    }
    if (*folder != '\0')
        remove_folder(folder);
    return code;
}

/* pass 0 reads what the command is about, 1 what is set on top of that. */
static int read_options(int argc, char **argv, int pass, struct wishes *wishes,
                        struct config *config)
{
    struct option_reader reader = option_reader_of(&table, argc, argv);
    struct option_match match;
    struct fault fault;
    enum option_kind kind;
    int code = EX_OK;
    while (code == EX_OK && (kind = option_next(&reader, &match, &fault)) != OPTION_END) {
        struct scan scan = scan_of(bytes_from_string(match.value));
        if (kind == OPTION_BAD)
            return report_usage(fault.message);
        if (kind == OPTION_OPERAND)
            return report_usage("dev takes no operands");
        switch (match.id) {
        case DEV_HELP:
            wishes->is_help = true;
            break;
        case DEV_STORE:
            wishes->store = match.value;
            break;
        case DEV_HOST:
            wishes->host = match.value;
            break;
        case DEV_PORT_OFFSET:
            if (!scan_take_number(&scan, DEV_PORT_OFFSET_MAX, &wishes->port_offset) ||
                !scan_is_at_end(&scan))
                return report_usage("--port-offset takes a number up to 60000");
            break;
        case DEV_SET:
            if (pass == 1)
                serve_start_set(config, match.value, &code);
            break;
        }
    }
    return code;
}

static int run(int argc, char **argv)
{
    struct wishes wishes = {.host = DEV_HOST_DEFAULT};
    struct config config;
    struct fault fault;
    report_set_name("posthorn dev");
    if (!config_init(&config, &fault))
        return serve_start_fail(&fault);
    int code = read_options(argc, argv, 0, &wishes, &config);
    if (code == EX_OK && wishes.is_help) {
        print_help();
        config_clear(&config);
        return report_flush_output() ? EX_OK : EX_IOERR;
    }
    if (code == EX_OK)
        code = set_places(&config, &wishes);
    if (code == EX_OK)
        code = set(&config, CONFIG_HOST_NAME, "localhost");
    static const enum config_id unused[] = {CONFIG_LISTEN_POP3S, CONFIG_LISTEN_IMAPS};
    for (size_t i = 0; i < sizeof(unused) / sizeof(unused[0]) && code == EX_OK; i++)
        code = config_set(&config, unused[i], NULL, 0, &fault) ? EX_OK : serve_start_fail(&fault);
    if (code == EX_OK)
        code = set(&config, CONFIG_STORE, wishes.store == NULL ? ":memory:" : wishes.store);
    if (code == EX_OK)
        code = read_options(argc, argv, 1, &wishes, &config);
    if (code == EX_OK)
        code = run_server(&config, &wishes);
    config_clear(&config);
    return code;
}

const struct command dev_command = {
    .name = "dev",
    .summary = "a mail server for testing: no configuration, any address, any login",
    .run = run,
    .options = &table,
};
