/* Results of commands, and faults in IMAP's words. */
#include "session/imap_context.h"

#include "base/clock.h"

enum imap_progress imap_result_set(struct imap_result *result, enum imap_status status,
                                   const char *code, const char *text)
{
    result->status = status;
    buffer_reset(&result->code);
    if (code != NULL)
        buffer_append_string(&result->code, code);
    result->text = text;
    return IMAP_DONE;
}

/* RFC 5530 3: why a command that was right was not done. */
static enum imap_progress say_fault(struct imap_result *result, const struct fault *fault)
{
    switch (fault->kind) {
    case FAULT_SYNTAX:
        return imap_result_set(result, IMAP_BAD, "CLIENTBUG", "That cannot be understood");
    case FAULT_LIMIT:
        return imap_result_set(result, IMAP_NO, "LIMIT", "That is more than is allowed");
    case FAULT_DENIED:
        return imap_result_set(result, IMAP_NO, "CANNOT", "That is not possible here");
    case FAULT_PERMANENT:
        return imap_result_set(result, IMAP_NO, "NONEXISTENT", "That is no longer there");
    case FAULT_BUG:
        return imap_result_set(result, IMAP_NO, "SERVERBUG", "An error of this server");
    case FAULT_NONE:
    case FAULT_TEMPORARY:
        break;
    }
    return imap_result_set(result, IMAP_NO, "UNAVAILABLE", "Not possible now, try again later");
}

enum imap_progress imap_result_fault(struct imap_result *result, const struct imap_context *context,
                                     enum session_trouble trouble, const struct fault *fault)
{
    bool is_trouble = fault->kind == FAULT_TEMPORARY || fault->kind == FAULT_BUG ||
                      (fault->kind == FAULT_PERMANENT && trouble == SESSION_TROUBLE_READ);
    if (is_trouble)
        session_services_tell_trouble(context->services, trouble, context->identity->id, fault,
                                      (int64_t)clock_monotonic_milliseconds());
    return say_fault(result, fault);
}
