/* Reads new passwords so that no other program and no other person sees them. */
#include "cli/password_input.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/random.h"
#include "base/secret.h"
#include "cli/report.h"
#include "cli/secret_input.h"

enum {
    GROUPS = 4,
    GROUP_SIZE = 5,
    QUESTION_MAX = 512 /* bytes of a question; a longer one is cut */
};

bool password_input_make(struct buffer *password, struct fault *fault)
{
    /* 32 of them, so that 5 bits of each byte choose evenly; without l, o, 0 and 1. */
    static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
    unsigned char random[GROUPS * GROUP_SIZE];
    if (!random_fill(random, sizeof(random), fault))
        return false;
    for (size_t i = 0; i < sizeof(random); i++) {
        if (i > 0 && i % GROUP_SIZE == 0)
            buffer_append_char(password, '-');
        buffer_append_char(password, letters[random[i] % 32]);
    }
    secret_wipe(random, sizeof(random));
    return buffer_is_failed(password) ? fault_set_memory(fault) : true;
}

static int check(const struct buffer *password)
{
    struct bytes bytes = buffer_bytes(password);
    if (buffer_is_failed(password)) {
        report_error("the password is longer than %d bytes", PASSWORD_INPUT_MAX);
        return EX_DATAERR;
    }
    if (bytes.length == 0) {
        report_error("the password is empty");
        return EX_DATAERR;
    }
    if (bytes_has_control(bytes)) {
        report_error("there is a control character in the password");
        return EX_DATAERR;
    }
    return EX_OK;
}

static int ask_once(const char *words, const char *login, struct buffer *password)
{
    char question[QUESTION_MAX];
    snprintf(question, sizeof(question), "%s for %s: ", words, login);
    switch (secret_input_ask(question, password)) {
    case SECRET_INPUT_NOBODY:
        report_error("there is no terminal to ask for the password: give --stdin or --generate");
        return EX_USAGE;
    case SECRET_INPUT_REFUSED:
        report_error("no password was given; nothing was done");
        return EX_UNAVAILABLE;
    case SECRET_INPUT_GIVEN:
        break;
    }
    return EX_OK;
}

static int ask(const char *login, struct buffer *password)
{
    AUTO(buffer)
    again = SECRET_BUFFER(PASSWORD_INPUT_MAX);
    int code = ask_once("New password", login, password);
    if (code == EX_OK)
        code = check(password);
    if (code == EX_OK)
        code = ask_once("The same again", login, &again);
    if (code == EX_OK && !bytes_equal(buffer_bytes(password), buffer_bytes(&again))) {
        report_error("the two passwords differ; nothing was done");
        code = EX_DATAERR;
    }
    return code;
}

int password_input_read(const struct admin *admin, const char *login, struct buffer *password,
                        bool *is_made)
{
    struct fault fault;
    *is_made = admin_has(admin, ADMIN_GENERATE);
    if (*is_made && admin_has(admin, ADMIN_STDIN))
        return report_usage("--stdin and --generate: give one");
    if (*is_made)
        return password_input_make(password, &fault) ? EX_OK : admin_fail(&fault);
    if (!admin_has(admin, ADMIN_STDIN))
        return ask(login, password);
    if (!secret_input_line(STDIN_FILENO, password)) {
        report_error("cannot read standard input: %s", strerror(errno));
        return EX_NOINPUT;
    }
    return check(password);
}
