/* `posthorn send`: one message, from the command line or ready, to a server. */
#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/exit_code.h"
#include "cli/report.h"
#include "cli/send_delivery.h"
#include "cli/send_output.h"
#include "cli/send_profile.h"
#include "cli/send_request.h"

static const char introduction[] =
    "Usage: posthorn send [OPTION]...\n"
    "Send one message.\n"
    "\n"
    "  A letter with a file to it:\n"
    "    echo 'See you at eight.' | posthorn send --server mail.example.org --user ann \\\n"
    "        --from ann@example.org --to bob@example.net --subject Dinner --text - --attach "
    "map.pdf\n"
    "  A ready message to those whom it names:\n"
    "    posthorn send -t < letter.eml\n"
    "  Look at a message before it goes:\n"
    "    posthorn send --dry-run --from a@x.example --to b@y.example --body Hello\n"
    "  See what a server says:\n"
    "    posthorn send --transcript --server localhost:1025 --from a@x.example --to b@y.example "
    "\\\n"
    "        --body Test\n"
    "\n";

static const char conclusion[] =
    "\n"
    "An account is kept in ~/.config/posthorn/send.conf, so that server, user and sender need not "
    "be\n"
    "said again:\n"
    "    account home {\n"
    "        server = \"mail.example.org\"\n"
    "        user = ann\n"
    "        from = \"Ann <ann@example.org>\"\n"
    "        password-command = \"pass mail/ann\"\n"
    "    }\n"
    "\n"
    "Exit status: 0 sent; 79 sent, but not to every recipient; 80 perhaps sent; 64 wrong usage;\n"
    "67 no such recipient; 75 try again later; 77 login refused; 78 configuration; more in\n"
    "posthorn-send(1).\n";

/* The account: the profile, and over it what the command line says. */
static int settle_account(const struct send_request *request, struct send_account *account)
{
    struct fault fault;
    /* A server given by name gets no other account's password. */
    bool asks_profile = request->account_name != NULL ||
                        send_account_value(&request->account, SEND_ACCOUNT_SERVER) == NULL;
    if (!asks_profile && request->config_path != NULL && !request->quiet)
        report_warning("%s is not read, because --server is given and --account is not",
                       request->config_path);
    if (asks_profile) {
        int code = send_profile_load(request->config_path, request->account_name, NULL, account);
        if (code != EX_OK)
            return code;
    }
    if (!send_account_overlay(account, &request->account, &fault)) {
        report_error("%s", fault.message);
        return EX_OSERR;
    }
    if (send_account_value(account, SEND_ACCOUNT_SERVER) == NULL && !request->dry_run) {
        report_error("there is no server: give --server HOST, or an account in "
                     "~/.config/posthorn/send.conf");
        return EX_USAGE;
    }
    return EX_OK;
}

static int deliver(const struct send_request *request, struct send_account *account,
                   const struct send_letter *letter)
{
    struct send_delivery delivery = {0};
    struct ph_result result = {0};
    struct ph_error error = {0};
    const char *server = send_account_value(account, SEND_ACCOUNT_SERVER);
    if (send_account_value(account, SEND_ACCOUNT_INSECURE) != NULL && !request->quiet)
        report_warning("the server's certificate is not verified (insecure): anyone may be reading "
                       "this mail and the password");
    bool shows_progress = !request->quiet && !request->transcript && send_output_has_terminal();
    int code = send_delivery_open(&delivery, account, request->transcript ? stderr : NULL,
                                  shows_progress, &error);
    bool is_told = code != EX_OK && error.kind == PH_OK;
    if (code == EX_OK) {
        if (send_delivery_send(&delivery, letter, &request->wishes, &result, &error))
            code = exit_code_of_result(&result);
        else
            code = exit_code_of_error(&error, &result);
    }
    if (!is_told) {
        send_output_summary(letter, &result, &error, request->quiet || request->json);
        if (request->json && !send_output_json(server, letter, &result, &error, code))
            code = code == EX_OK ? EX_IOERR : code;
    }
    ph_result_clear(&result);
    send_delivery_clear(&delivery);
    return code;
}

static int run_request(const struct send_request *request)
{
    AUTO(send_account)
    account = {0};
    AUTO(send_letter)
    letter = SEND_LETTER;
    /* Known before a byte is sent: a result that nobody can read is no result. */
    bool writes = request->json || request->dry_run;
    if (writes && (fcntl(STDOUT_FILENO, F_GETFL) & O_ACCMODE) == O_RDONLY) {
        report_error("standard output is closed: --json and --dry-run write to it");
        return EX_IOERR;
    }
    int code = settle_account(request, &account);
    if (code == EX_OK)
        code = send_letter_make(&letter, request, &account);
    if (code != EX_OK)
        return code;
    if (request->dry_run)
        return send_output_dry_run(send_account_value(&account, SEND_ACCOUNT_SERVER), &letter,
                                   request->json, request->quiet);
    return deliver(request, &account, &letter);
}

static int run(int argc, char **argv)
{
    AUTO(send_request)
    request = {0};
    struct fault fault;
    report_set_name("posthorn send");
    if (!send_request_parse(argc, argv, &request, &fault))
        return report_usage(fault.message);
    if (request.wants_help) {
        fputs(introduction, stdout);
        option_print_help(&send_request_table, stdout);
        fputs(conclusion, stdout);
        return report_flush_output() ? EX_OK : EX_IOERR;
    }
    if (request.wants_version) {
        printf("posthorn %s\n", POSTHORN_VERSION);
        return report_flush_output() ? EX_OK : EX_IOERR;
    }
    return run_request(&request);
}

const struct command send_command = {
    .name = "send",
    .summary = "send a message",
    .run = run,
    .options = &send_request_table,
};
