/* Log lines, made on the stack and written by one write(2): values are escaped so that no peer can
 * begin a line, a key or a terminal's command. */
#include "base/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"

enum {
    LOG_LINE_END = 2,     /* "}\n" always finds room */
    LOG_ESCAPE_SIZE = 8,  /* "\u0000" and more */
    LOG_NUMBER_SIZE = 24, /* a 64-bit number in digits */
    LOG_STAMP_SIZE = 48   /* "2026-11-23T20:55:07.123456Z", and years that nobody expects */
};

struct log {
    int descriptor;
    _Atomic int level;
    _Atomic int format;
};

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARNING] = "warning",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};

struct log *log_new(int descriptor, enum log_level level, enum log_format format)
{
    struct log *log = calloc(1, sizeof(*log));
    if (log == NULL)
        return NULL;
    log->descriptor = descriptor;
    log_change(log, level, format);
    return log;
}

void log_free(struct log *log)
{
    free(log);
}

void log_change(struct log *log, enum log_level level, enum log_format format)
{
    atomic_store(&log->level, (int)level);
    atomic_store(&log->format, (int)format);
}

bool log_wants(const struct log *log, enum log_level level)
{
    return log != NULL &&
           (int)level <= atomic_load_explicit(&((struct log *)log)->level, memory_order_relaxed);
}

/* False: it did not fit, and nothing of it was appended. */
static bool append(struct log_line *line, struct bytes text)
{
    if (text.length > sizeof(line->text) - LOG_LINE_END - line->length)
        return false;
    memcpy(line->text + line->length, text.data, text.length);
    line->length += text.length;
    return true;
}

static bool append_key(struct log_line *line, const char *key)
{
    bool is_first = line->length == 0;
    if (line->format == LOG_JSON)
        return append(line, is_first ? BYTES("{\"") : BYTES(",\"")) &&
               append(line, bytes_from_string(key)) && append(line, BYTES("\":"));
    return (is_first || append(line, BYTES(" "))) && append(line, bytes_from_string(key)) &&
           append(line, BYTES("="));
}

/* Nothing that a reader of key=value could take for the end of the value. */
static bool is_bare(struct bytes value)
{
    for (size_t i = 0; i < value.length; i++) {
        char c = value.data[i];
        if (c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return value.length > 0;
}

/* Moves the cursor of a terminal, ends a line for some readers, or turns the direction of what
   follows. */
static bool is_harmful(uint32_t code_point)
{
    return code_point < 0x20 || (code_point >= 0x7F && code_point < 0xA0) || code_point == 0x2028 ||
           code_point == 0x2029 || code_point == 0x200E || code_point == 0x200F ||
           (code_point >= 0x202A && code_point <= 0x202E) ||
           (code_point >= 0x2066 && code_point <= 0x2069);
}

static struct bytes escape_of(uint32_t code_point, char text[LOG_ESCAPE_SIZE])
{
    switch (code_point) {
    case '"':
        return BYTES("\\\"");
    case '\\':
        return BYTES("\\\\");
    case '\n':
        return BYTES("\\n");
    case '\r':
        return BYTES("\\r");
    case '\t':
        return BYTES("\\t");
    default:
        snprintf(text, LOG_ESCAPE_SIZE, "\\u%04x", (unsigned)(code_point & 0xFFFF));
        return bytes_from_string(text);
    }
}

static bool append_quoted(struct log_line *line, struct bytes value)
{
    bool is_cut = value.length > LOG_VALUE_MAX;
    if (is_cut) {
        value.length = LOG_VALUE_MAX;
        /* Not in the middle of a character. */
        for (int i = 0; i < 3 && ((unsigned char)value.data[value.length] & 0xC0) == 0x80; i++)
            value.length--;
    }
    bool fits = append(line, BYTES("\""));
    while (fits && value.length > 0) {
        const char *start = value.data;
        char escape[LOG_ESCAPE_SIZE];
        uint32_t code_point;
        if (!utf8_next(&value, &code_point)) {
            value = bytes_skip(value, 1);
            fits = append(line, BYTES("\\ufffd"));
        } else if (code_point == '"' || code_point == '\\' || is_harmful(code_point)) {
            fits = append(line, escape_of(code_point, escape));
        } else {
            fits = append(line, bytes_of(start, (size_t)(value.data - start)));
        }
    }
    return fits && (!is_cut || append(line, BYTES("..."))) && append(line, BYTES("\""));
}

/* A pair goes in whole or not at all. */
static void append_pair(struct log_line *line, const char *key, struct bytes value, bool is_number)
{
    if (line->log == NULL)
        return;
    size_t length = line->length;
    bool is_plain = is_number || (line->format == LOG_KEY_VALUE && value.length <= LOG_VALUE_MAX &&
                                  is_bare(value));
    if (!append_key(line, key) || !(is_plain ? append(line, value) : append_quoted(line, value)))
        line->length = length;
}

static void append_time(struct log_line *line)
{
    int64_t now = clock_wall_microseconds();
    time_t seconds = (time_t)(now / 1000000);
    struct tm parts;
    char text[LOG_STAMP_SIZE];
    if (gmtime_r(&seconds, &parts) == NULL)
        return;
    size_t length = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + length, sizeof(text) - length, ".%06uZ", (unsigned)(now % 1000000));
    append_pair(line, "time", bytes_from_string(text), false);
}

void log_begin(struct log_line *line, struct log *log, enum log_level level, const char *event)
{
    line->length = 0;
    line->log = log_wants(log, level) ? log : NULL;
    if (line->log == NULL)
        return;
    line->format = (enum log_format)atomic_load(&log->format);
    append_time(line);
    log_string(line, "level", level_names[level]);
    log_string(line, "event", event);
}

void log_text(struct log_line *line, const char *key, struct bytes value)
{
    append_pair(line, key, value, false);
}

void log_string(struct log_line *line, const char *key, const char *value)
{
    append_pair(line, key, bytes_from_string(value), false);
}

void log_number(struct log_line *line, const char *key, int64_t value)
{
    char text[LOG_NUMBER_SIZE];
    if (line->log == NULL)
        return;
    snprintf(text, sizeof(text), "%lld", (long long)value);
    append_pair(line, key, bytes_from_string(text), true);
}

void log_id(struct log_line *line, const char *key, int64_t id)
{
    char text[LOG_NUMBER_SIZE];
    if (line->log == NULL)
        return;
    snprintf(text, sizeof(text), "%016llx", (unsigned long long)id);
    append_pair(line, key, bytes_from_string(text), false);
}

void log_fault(struct log_line *line, const struct fault *fault)
{
    log_string(line, "fault", fault_kind_name(fault->kind));
    log_string(line, "reason", fault->message);
}

void log_end(struct log_line *line)
{
    if (line->log == NULL)
        return;
    if (line->format == LOG_JSON)
        line->text[line->length++] = '}';
    line->text[line->length++] = '\n';
    ssize_t written;
    /* What a full disk or a closed pipe does not take is lost: there is nobody to tell. */
    do
        written = write(line->log->descriptor, line->text, line->length);
    while (written < 0 && errno == EINTR);
    line->log = NULL;
}

bool log_pace_allows(struct log_pace *pace, int64_t now, int64_t milliseconds, uint64_t *left_out)
{
    if (pace->last != 0 && now - pace->last < milliseconds) {
        pace->left_out++;
        return false;
    }
    *left_out = pace->left_out;
    pace->left_out = 0;
    /* 0 means that nothing was told yet. */
    pace->last = now == 0 ? 1 : now;
    return true;
}
