/* How the engine fills a struct ph_error whole. The pointer may be NULL: nobody asks. All return
 * false, so that `return smtp_error_set(...)` reads well. */
#ifndef SMTP_SMTP_ERROR_H
#define SMTP_SMTP_ERROR_H

#include <posthorn/error.h>

#include "base/fault.h"

/* verb: the command it belongs to, or "". The format gives the sentence. Network trouble and memory
 * are worth a retry. */
bool smtp_error_set(struct ph_error *error, enum ph_error_kind kind, const char *verb,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same with ": " and the fault's words behind the sentence; a fault for want of memory is
 * PH_ERROR_MEMORY whatever kind says. */
bool smtp_error_from_fault(struct ph_error *error, enum ph_error_kind kind, const char *verb,
                           const struct fault *fault, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* The same with ": 550 5.7.1 text" behind the sentence; 4yz is worth a retry, 5yz is not. */
bool smtp_error_from_reply(struct ph_error *error, enum ph_error_kind kind, const char *verb,
                           const struct ph_reply *reply, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

bool smtp_error_memory(struct ph_error *error);

#endif
