/* The transcript on standard error, in smtplib's words. */
#include "client/client_trace.h"

#include <stdio.h>
#include <time.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/utf8.h"

static const char *word_of(enum ph_trace_kind kind)
{
    switch (kind) {
    case PH_TRACE_SENT:
        return "send";
    case PH_TRACE_RECEIVED:
        return "reply";
    case PH_TRACE_BODY:
        return "data";
    case PH_TRACE_NOTE:
        return "connect";
    }
    return "?";
}

/* A server's words may hold what a terminal takes for commands. Returns false for what is not a
   character, and for control characters: C0, DEL and C1. */
static bool is_harmless(struct bytes *rest)
{
    uint32_t code_point;
    if (!utf8_next(rest, &code_point)) {
        *rest = bytes_skip(*rest, 1);
        return false;
    }
    return code_point >= ' ' && (code_point < 0x7F || code_point > 0x9F);
}

static void print_text(struct bytes rest)
{
    while (!bytes_is_empty(rest)) {
        const char *start = rest.data;
        if (is_harmless(&rest))
            fwrite(start, 1, (size_t)(rest.data - start), stderr);
        else
            putc('?', stderr);
    }
}

static void print(void *context, enum ph_trace_kind kind, const char *text, size_t length)
{
    const struct ph_smtp *smtp = context;
    char now[32] = "";
    if (smtp->debug_level > 1) {
        int64_t wall = clock_wall_microseconds();
        time_t seconds = (time_t)(wall / 1000000);
        struct tm parts;
        localtime_r(&seconds, &parts);
        snprintf(now, sizeof now, "%02d:%02d:%02d.%06d ", parts.tm_hour, parts.tm_min, parts.tm_sec,
                 (int)(wall % 1000000));
    }
    flockfile(stderr);
    fprintf(stderr, "%s%s: ", now, word_of(kind));
    print_text(bytes_of(text, length));
    putc('\n', stderr);
    funlockfile(stderr);
}

/* To the user's function, which may not call back. */
static void relay(void *context, enum ph_trace_kind kind, const char *text, size_t length)
{
    struct ph_smtp *smtp = context;
    bool was_in_callback = smtp->is_in_callback;
    smtp->is_in_callback = true;
    smtp->options.trace(smtp->options.trace_context, kind, text, length);
    smtp->is_in_callback = was_in_callback;
}

ph_trace *client_trace_function(const struct ph_smtp *smtp)
{
    if (smtp->debug_level > 0)
        return print;
    return smtp->options.trace == NULL ? NULL : relay;
}

void client_trace_line(struct ph_smtp *smtp, enum ph_trace_kind kind, struct bytes line,
                       bool has_secret)
{
    ph_trace *trace = client_trace_function(smtp);
    if (trace == NULL)
        return;
    AUTO(buffer)
    text = BUFFER(PH_ENGINE_COMMAND_MAX);
    buffer_append(&text, line);
    if (has_secret)
        buffer_append_string(&text, "****");
    const char *string = buffer_string(&text);
    if (string != NULL)
        trace(smtp, kind, string, text.length);
}
