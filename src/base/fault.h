/* Why something could not be done: what a function fills when it returns false. */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdarg.h>
#include <stdbool.h>

enum fault_kind {
    FAULT_NONE = 0,
    FAULT_TEMPORARY, /* the same call may succeed later: memory, disk, network */
    FAULT_PERMANENT, /* it will not */
    FAULT_DENIED,    /* a rule or a credential forbids it */
    FAULT_SYNTAX,    /* the input is not what it should be */
    FAULT_LIMIT,     /* a named limit was met */
    FAULT_BUG,       /* the caller or we ourselves are wrong */
};

/* Longer messages are cut. */
enum {
    FAULT_MESSAGE_SIZE = 256
};

struct fault {
    enum fault_kind kind;
    int system_error; /* errno, or 0 */
    char message[FAULT_MESSAGE_SIZE];
};

/* Fills *fault and returns false, so that `return fault_set(...)` reads well. The message is a
   sentence for people without an end of line. A NULL fault is allowed: nobody asks. */
bool fault_set(struct fault *fault, enum fault_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool fault_set_list(struct fault *fault, enum fault_kind kind, const char *format,
                    va_list arguments) __attribute__((format(printf, 3, 0)));

/* The same with ": " and the text of `system_error` behind the message. */
bool fault_set_system(struct fault *fault, enum fault_kind kind, int system_error,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Memory ran out: temporary, ENOMEM. */
bool fault_set_memory(struct fault *fault);

/* Back to FAULT_NONE. */
void fault_clear(struct fault *fault);

/* The kind as a word: "temporary", "limit"... */
const char *fault_kind_name(enum fault_kind kind);

#endif
