/* Password hashes of other systems, as crypt(3) makes them. */
#ifndef CLI_PASSWORD_IMPORT_H
#define CLI_PASSWORD_IMPORT_H

#include "cli/admin.h"

/* The action `password import`. All lines or none: one that cannot be taken undoes the others. */
int password_import_run(struct admin *admin);

/* The hash is whole and of a kind that this system's crypt(3) knows. A scheme in braces before it
   ("{SHA512-CRYPT}") was cut off by the caller. *is_weak: of a kind that is quickly guessed. */
bool password_import_check(const char *hash, bool *is_weak, struct fault *fault);

#endif
