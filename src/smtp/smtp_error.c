/* Sentences are cut where the caller's memory ends: they are for people. */
#include "smtp/smtp_error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool is_worth_a_retry(enum ph_error_kind kind)
{
    return kind == PH_ERROR_DISCONNECTED || kind == PH_ERROR_TIMEOUT || kind == PH_ERROR_MEMORY;
}

static void begin(struct ph_error *error, enum ph_error_kind kind, const char *verb,
                  const char *format, va_list arguments)
{
    *error = (struct ph_error){.kind = kind, .retry = is_worth_a_retry(kind)};
    snprintf(error->verb, sizeof error->verb, "%s", verb);
    vsnprintf(error->message, sizeof error->message, format, arguments);
}

static void go_on(struct ph_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void go_on(struct ph_error *error, const char *format, ...)
{
    size_t length = strlen(error->message);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message + length, sizeof error->message - length, format, arguments);
    va_end(arguments);
}

bool smtp_error_set(struct ph_error *error, enum ph_error_kind kind, const char *verb,
                    const char *format, ...)
{
    if (error == NULL)
        return false;
    va_list arguments;
    va_start(arguments, format);
    begin(error, kind, verb, format, arguments);
    va_end(arguments);
    return false;
}

bool smtp_error_memory(struct ph_error *error)
{
    smtp_error_set(error, PH_ERROR_MEMORY, "", "out of memory");
    if (error != NULL)
        error->system_error = ENOMEM;
    return false;
}

bool smtp_error_from_fault(struct ph_error *error, enum ph_error_kind kind, const char *verb,
                           const struct fault *fault, const char *format, ...)
{
    if (error == NULL)
        return false;
    if (fault->system_error == ENOMEM)
        return smtp_error_memory(error);
    va_list arguments;
    va_start(arguments, format);
    begin(error, kind, verb, format, arguments);
    va_end(arguments);
    error->system_error = fault->system_error;
    error->retry |= fault->kind == FAULT_TEMPORARY;
    go_on(error, ": %s", fault->message);
    return false;
}

/* The reply's text as far as it goes, its lines joined for the sentence. */
static void add_reply(struct ph_error *error, const struct ph_reply *reply)
{
    error->reply_code = reply->code;
    memcpy(error->reply_enhanced, reply->enhanced, sizeof error->reply_enhanced);
    snprintf(error->reply_text, sizeof error->reply_text, "%s", reply->text);
    error->retry = reply->code < 500;
    go_on(error, ": %d", reply->code);
    if (reply->enhanced[0] != 0)
        go_on(error, " %hu.%hu.%hu", reply->enhanced[0], reply->enhanced[1], reply->enhanced[2]);
    size_t start = strlen(error->message);
    if (reply->text_length > 0)
        go_on(error, " %s", reply->text);
    for (char *c = error->message + start; *c != '\0'; c++) {
        if (*c == '\n')
            *c = ' ';
    }
}

bool smtp_error_from_reply(struct ph_error *error, enum ph_error_kind kind, const char *verb,
                           const struct ph_reply *reply, const char *format, ...)
{
    if (error == NULL)
        return false;
    va_list arguments;
    va_start(arguments, format);
    begin(error, kind, verb, format, arguments);
    va_end(arguments);
    add_reply(error, reply);
    return false;
}
