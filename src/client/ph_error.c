/* The names of the kinds of error. */
#include <posthorn/error.h>

const char *ph_error_kind_name(enum ph_error_kind kind)
{
    switch (kind) {
    case PH_OK:
        return "no error";
    case PH_ERROR_DISCONNECTED:
        return "disconnected";
    case PH_ERROR_RESPONSE:
        return "refused";
    case PH_ERROR_SENDER_REFUSED:
        return "sender refused";
    case PH_ERROR_RECIPIENTS_REFUSED:
        return "recipients refused";
    case PH_ERROR_DATA_REFUSED:
        return "message refused";
    case PH_ERROR_CONNECT:
        return "cannot connect";
    case PH_ERROR_HELO:
        return "greeting refused";
    case PH_ERROR_AUTHENTICATION:
        return "login failed";
    case PH_ERROR_NOT_SUPPORTED:
        return "not supported by the server";
    case PH_ERROR_ARGUMENT:
        return "invalid argument";
    case PH_ERROR_RESOLVE:
        return "host not found";
    case PH_ERROR_TIMEOUT:
        return "timed out";
    case PH_ERROR_PROTOCOL:
        return "protocol broken by the server";
    case PH_ERROR_TLS:
        return "no safe connection";
    case PH_ERROR_CERTIFICATE:
        return "certificate not accepted";
    case PH_ERROR_PROXY:
        return "proxy failed";
    case PH_ERROR_TOO_LARGE:
        return "message too large";
    case PH_ERROR_BODY:
        return "message cannot be read or sent";
    case PH_ERROR_LIMIT:
        return "limit exceeded";
    case PH_ERROR_MEMORY:
        return "out of memory";
    case PH_ERROR_CANCELLED:
        return "cancelled";
    }
    return "unknown error";
}
