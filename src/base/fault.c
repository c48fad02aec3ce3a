/* How faults are filled. */
#include "base/fault.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool fault_set_list(struct fault *fault, enum fault_kind kind, const char *format,
                    va_list arguments)
{
    if (fault == NULL)
        return false;
    /* Written apart first: an argument may be the message of the same fault. */
    char message[FAULT_MESSAGE_SIZE];
    vsnprintf(message, sizeof message, format, arguments);
    fault->kind = kind;
    fault->system_error = 0;
    memcpy(fault->message, message, sizeof message);
    return false;
}

bool fault_set(struct fault *fault, enum fault_kind kind, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fault_set_list(fault, kind, format, arguments);
    va_end(arguments);
    return false;
}

bool fault_set_system(struct fault *fault, enum fault_kind kind, int system_error,
                      const char *format, ...)
{
    if (fault == NULL)
        return false;
    va_list arguments;
    va_start(arguments, format);
    fault_set_list(fault, kind, format, arguments);
    va_end(arguments);
    fault->system_error = system_error;
    size_t length = strlen(fault->message);
    char text[128];
    snprintf(fault->message + length, sizeof fault->message - length, ": %s",
             strerror_r(system_error, text, sizeof text));
    return false;
}

bool fault_set_memory(struct fault *fault)
{
    if (fault != NULL) {
        fault_set(fault, FAULT_TEMPORARY, "out of memory");
        fault->system_error = ENOMEM;
    }
    return false;
}

void fault_clear(struct fault *fault)
{
    *fault = (struct fault){0};
}

const char *fault_kind_name(enum fault_kind kind)
{
    switch (kind) {
    case FAULT_NONE:
        return "none";
    case FAULT_TEMPORARY:
        return "temporary";
    case FAULT_PERMANENT:
        return "permanent";
    case FAULT_DENIED:
        return "denied";
    case FAULT_SYNTAX:
        return "syntax";
    case FAULT_LIMIT:
        return "limit";
    case FAULT_BUG:
        return "bug";
    }
    return "unknown";
}
