/* The transcript on standard error, in smtplib's words. */
#include "client/client_trace.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"

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
    fprintf(stderr, "%s%s: %.*s\n", now, word_of(kind), (int)length, text);
}

ph_trace *client_trace_function(const struct ph_smtp *smtp)
{
    return smtp->debug_level > 0 ? print : smtp->options.trace;
}

void *client_trace_context(struct ph_smtp *smtp)
{
    return smtp->debug_level > 0 ? smtp : smtp->options.trace_context;
}
