/* What happened, for whoever runs a server: one line an event, key=value or JSON. Made by the
 * floors that serve (session, delivery, server); libraries and engines never log. Thread-safe.
 * Values are quoted and cut so that no peer can forge a line. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"

enum log_level {
    LOG_LEVEL_ERROR = 0,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_INFO, /* the default: connections, logins, messages */
    LOG_LEVEL_DEBUG /* commands and replies, secrets left out */
};

enum log_format {
    LOG_KEY_VALUE = 0, /* time=... level=info event=smtp.kept id=... */
    LOG_JSON
};

enum {
    LOG_LINE_MAX = 4096, /* bytes of a line; what does not fit is left out */
    LOG_VALUE_MAX = 512  /* bytes of one value before quoting */
};

struct log;

/* Writes to the descriptor, which stays the caller's. NULL: out of memory. */
struct log *log_new(int descriptor, enum log_level level, enum log_format format);
void log_free(struct log *log); /* accepts NULL */
void log_change(struct log *log, enum log_level level, enum log_format format);
bool log_wants(const struct log *log, enum log_level level);

/* A line being made; lives on the stack. A NULL log or a level that is not wanted makes it empty
 * and free. */
struct log_line {
    struct log *log; /* NULL = not wanted */
    enum log_format format;
    size_t length;
    char text[LOG_LINE_MAX];
};

/* event: "smtp.connected", a word of the program's own. */
void log_begin(struct log_line *line, struct log *log, enum log_level level, const char *event);
void log_text(struct log_line *line, const char *key, struct bytes value);
void log_string(struct log_line *line, const char *key, const char *value);
void log_number(struct log_line *line, const char *key, int64_t value);
void log_id(struct log_line *line, const char *key, int64_t id);  /* 16 hexadecimal digits */
void log_fault(struct log_line *line, const struct fault *fault); /* kind and message */
void log_end(struct log_line *line);                              /* writes it, by one write(2) */

/* For what may happen a thousand times a second: true once in `milliseconds`; *left_out is how
   often it was not since. Zero at the start; one for each kind of event, and of one thread or under
   its lock. */
struct log_pace {
    int64_t last;
    uint64_t left_out;
};
bool log_pace_allows(struct log_pace *pace, int64_t now, int64_t milliseconds, uint64_t *left_out);

#endif
