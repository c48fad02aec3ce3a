/* Finds secrets, and wipes every copy that was made on the way. */
#include "cli/send_secret.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/report.h"
#include "cli/secret_input.h"

enum {
    QUESTION_MAX = 1024 /* bytes of a question to a person; a longer one is cut */
};

static int check(const struct buffer *secret, const char *where)
{
    if (buffer_is_failed(secret)) {
        report_error("%s: longer than %d bytes", where, SEND_SECRET_MAX);
        return EX_CONFIG;
    }
    if (secret->length == 0) {
        report_error("%s: gave an empty secret", where);
        return EX_CONFIG;
    }
    if (bytes_find_char(buffer_bytes(secret), '\0') != BYTES_NOT_FOUND) {
        report_error("%s: there is a NUL byte in the secret's line, so it is no text", where);
        return EX_CONFIG;
    }
    return EX_OK;
}

static int from_file(const char *path, struct buffer *secret)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    bool is_read = descriptor >= 0 && secret_input_line(descriptor, secret);
    int system_error = errno;
    if (descriptor >= 0)
        close(descriptor);
    if (!is_read) {
        report_error("cannot read %s: %s", path, strerror(system_error));
        return EX_NOINPUT;
    }
    return check(secret, path);
}

/* The child's side: standard input is empty, because ours may hold the message. */
_Noreturn static void run_child(const char *command, int output)
{
    int null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0)
        _exit(126);
    signal(SIGPIPE, SIG_DFL);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

static int from_command(const char *command, struct buffer *secret)
{
    int ends[2];
    /* The command goes before the variable, which is not its business. */
    unsetenv(SEND_SECRET_VARIABLE);
    if (pipe2(ends, O_CLOEXEC) != 0) {
        report_error("cannot make a pipe: %s", strerror(errno));
        return EX_OSERR;
    }
    pid_t child = fork();
    if (child == 0)
        run_child(command, ends[1]);
    close(ends[1]);
    if (child < 0) {
        report_error("cannot start a process: %s", strerror(errno));
        close(ends[0]);
        return EX_OSERR;
    }
    bool is_read = secret_input_line(ends[0], secret);
    close(ends[0]);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (!is_read || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        report_error("the command for the secret failed with status %d: %s",
                     WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), command);
        return EX_CONFIG;
    }
    return check(secret, command);
}

static int from_terminal(const struct send_account *account, struct buffer *secret)
{
    const char *user = send_account_value(account, SEND_ACCOUNT_USER);
    const char *server = send_account_value(account, SEND_ACCOUNT_SERVER);
    char question[QUESTION_MAX];
    snprintf(question, sizeof(question), "Password for %s at %s: ", user == NULL ? "login" : user,
             server == NULL ? "localhost" : server);
    switch (secret_input_ask(question, secret)) {
    case SECRET_INPUT_NOBODY:
        report_error("no password: set " SEND_SECRET_VARIABLE
                     ", or give --password-file or --password-command");
        return EX_NOPERM;
    case SECRET_INPUT_REFUSED:
        report_error("no password was given; nothing was sent");
        return EX_NOPERM;
    case SECRET_INPUT_GIVEN:
        break;
    }
    return check(secret, "the terminal");
}

/* True when no mechanism that may be used asks for a secret. */
static bool needs_none(const struct send_account *account)
{
    const char *mechanism = send_account_value(account, SEND_ACCOUNT_MECHANISM);
    return mechanism != NULL &&
           (strcmp(mechanism, "EXTERNAL") == 0 || strcmp(mechanism, "ANONYMOUS") == 0);
}

int send_secret_find(const struct send_account *account, struct buffer *password,
                     struct buffer *token)
{
    char *const *values = account->values;
    if (values[SEND_ACCOUNT_TOKEN_FILE] != NULL)
        return from_file(values[SEND_ACCOUNT_TOKEN_FILE], token);
    if (values[SEND_ACCOUNT_TOKEN_COMMAND] != NULL)
        return from_command(values[SEND_ACCOUNT_TOKEN_COMMAND], token);
    if (needs_none(account))
        return EX_OK;
    if (values[SEND_ACCOUNT_PASSWORD_FILE] != NULL)
        return from_file(values[SEND_ACCOUNT_PASSWORD_FILE], password);
    if (values[SEND_ACCOUNT_PASSWORD_COMMAND] != NULL)
        return from_command(values[SEND_ACCOUNT_PASSWORD_COMMAND], password);
    const char *variable = getenv(SEND_SECRET_VARIABLE);
    if (variable != NULL && *variable != '\0') {
        buffer_append_string(password, variable);
        return check(password, SEND_SECRET_VARIABLE);
    }
    if (values[SEND_ACCOUNT_PASSWORD] != NULL) {
        buffer_append_string(password, values[SEND_ACCOUNT_PASSWORD]);
        return check(password, "the profile's password");
    }
    return from_terminal(account, password);
}
