/* OpenSSL's error queue read out. */
#include "net/net_tls_fault.h"

#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

bool net_tls_fault_set(struct fault *fault, enum fault_kind kind, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fault_set_list(fault, kind, format, arguments);
    va_end(arguments);
    /* The first error is the cause, those behind it only say what could not be done because of it.
     */
    unsigned long error = ERR_get_error();
    ERR_clear_error();
    if (fault == NULL || error == 0)
        return false;
    char system_text[128];
    const char *reason = ERR_SYSTEM_ERROR(error)
                             ? strerror_r(ERR_GET_REASON(error), system_text, sizeof system_text)
                             : ERR_reason_error_string(error);
    size_t length = strlen(fault->message);
    snprintf(fault->message + length, sizeof fault->message - length, ": %s",
             reason == NULL ? "OpenSSL gives no reason" : reason);
    return false;
}
