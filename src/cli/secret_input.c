/* Reads secrets, and wipes every copy that was made on the way. */
#include "cli/secret_input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "base/secret.h"

enum {
    CONTROL_C = 3,
    CONTROL_D = 4,
    CONTROL_H = 8,
    CONTROL_U = 21,
    DELETE = 127
};

bool secret_input_line(int descriptor, struct buffer *secret)
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

enum secret_input_answer secret_input_ask(const char *question, struct buffer *secret)
{
    int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    struct termios before;
    if (terminal < 0 || tcgetattr(terminal, &before) != 0) {
        if (terminal >= 0)
            close(terminal);
        return SECRET_INPUT_NOBODY;
    }
    /* Without ISIG Control-C comes as a key, and the terminal is never left without echo. */
    struct termios silent = before;
    silent.c_lflag &= (tcflag_t) ~(ECHO | ICANON | ISIG);
    tcsetattr(terminal, TCSAFLUSH, &silent);
    dprintf(terminal, "%s", question);
    bool is_given = read_keys(terminal, secret);
    tcsetattr(terminal, TCSAFLUSH, &before);
    dprintf(terminal, "\n");
    close(terminal);
    return is_given ? SECRET_INPUT_GIVEN : SECRET_INPUT_REFUSED;
}
