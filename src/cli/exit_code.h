/* What the program's exit status says: sysexits.h, and two of our own. */
#ifndef CLI_EXIT_CODE_H
#define CLI_EXIT_CODE_H

#include <sysexits.h>

#include <posthorn/transaction.h>

enum {
    EXIT_CODE_PARTIAL = 79, /* sent, but not to every recipient */
    EXIT_CODE_MAYBE = 80 /* the connection was lost behind the last byte: it may have been sent */
};

/* The status for an error; result (may be NULL) gives the recipients' replies. EX_OK for PH_OK. */
int exit_code_of_error(const struct ph_error *error, const struct ph_result *result);

/* The status for a finished transaction: EX_OK, EXIT_CODE_PARTIAL or as above. */
int exit_code_of_result(const struct ph_result *result);

/* The status as a word: "EX_NOUSER". Never NULL. */
const char *exit_code_name(int code);

#endif
