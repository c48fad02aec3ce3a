/* Finds secrets, and wipes every copy that was made on the way. */
#include "cli/send_secret.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

#include "base/secret.h"
#include "cli/report.h"

enum {
    CONTROL_C = 3,
    CONTROL_D = 4,
    CONTROL_H = 8,
    CONTROL_U = 21,
    DELETE = 127
};

/* Reads to the end; the first line is the secret. False: errno. */
static bool read_first_line(int descriptor, struct buffer *secret)
{
    char piece[512];
    ssize_t count;
    bool is_whole = false;
    while ((count = read(descriptor, piece, sizeof(piece))) != 0) {
        if (count < 0) {
            if (errno == EINTR)
                continue;
            return false;
        }
        /* What follows is read as well, so that a command is not ended by a broken pipe. */
        struct bytes line;
        struct bytes rest;
        if (!is_whole) {
            is_whole = bytes_split(bytes_of(piece, (size_t)count), '\n', &line, &rest);
            buffer_append(secret, line);
        }
        secret_wipe(piece, sizeof(piece));
    }
    if (secret->length > 0 && bytes_ends_with(buffer_bytes(secret), BYTES("\r")))
        buffer_truncate(secret, secret->length - 1);
    return true;
}

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
    bool is_read = descriptor >= 0 && read_first_line(descriptor, secret);
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
    bool is_read = read_first_line(ends[0], secret);
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

static void erase_last(struct buffer *secret)
{
    while (secret->length > 0) {
        char last = buffer_bytes(secret).data[secret->length - 1];
        buffer_truncate(secret, secret->length - 1);
        if (((unsigned char)last & 0xC0) != 0x80)
            break;
    }
}

/* Reads keys until Return. False on Control-C or Control-D. */
static bool read_keys(int terminal, struct buffer *secret)
{
    for (;;) {
        char key;
        ssize_t count = read(terminal, &key, 1);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0 || key == CONTROL_C || key == CONTROL_D)
            return false;
        if (key == '\r' || key == '\n')
            return true;
        if (key == CONTROL_H || key == DELETE)
            erase_last(secret);
        else if (key == CONTROL_U)
            buffer_truncate(secret, 0);
        else
            buffer_append_char(secret, key);
    }
}

static int from_terminal(const struct send_account *account, struct buffer *secret)
{
    int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    struct termios before;
    if (terminal < 0 || tcgetattr(terminal, &before) != 0) {
        if (terminal >= 0)
            close(terminal);
        report_error("no password: set " SEND_SECRET_VARIABLE
                     ", or give --password-file or --password-command");
        return EX_NOPERM;
    }
    const char *user = send_account_value(account, SEND_ACCOUNT_USER);
    const char *server = send_account_value(account, SEND_ACCOUNT_SERVER);
    /* Without ISIG Control-C comes as a key, and the terminal is never left without echo. */
    struct termios silent = before;
    silent.c_lflag &= (tcflag_t) ~(ECHO | ICANON | ISIG);
    tcsetattr(terminal, TCSAFLUSH, &silent);
    dprintf(terminal, "Password for %s at %s: ", user == NULL ? "login" : user,
            server == NULL ? "localhost" : server);
    bool is_given = read_keys(terminal, secret);
    tcsetattr(terminal, TCSAFLUSH, &before);
    dprintf(terminal, "\n");
    close(terminal);
    if (!is_given) {
        report_error("no password was given; nothing was sent");
        return EX_NOPERM;
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
