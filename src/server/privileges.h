/* From root to a user of no importance, for good. */
#ifndef SERVER_PRIVILEGES_H
#define SERVER_PRIVILEGES_H

#include <sys/types.h>

#include "base/fault.h"

enum {
    PRIVILEGES_NAME_SIZE = 64
};

struct privileges_user {
    char name[PRIVILEGES_NAME_SIZE];
    uid_t user;
    gid_t group;
};

/* Who is to be become: a user's name or number. FAULT_PERMANENT: there is no such user. */
bool privileges_find(const char *name, struct privileges_user *user, struct fault *fault);

/* Becomes the user with its groups, proves that there is no way back, and gives up every capability
   and the hope of new ones (no_new_privs). Root may be "become" as well: then only the last is
   done. Before the first thread is made. On a fault the process must end: it may be half changed.
 */
bool privileges_drop(const struct privileges_user *user, struct fault *fault);

/* The same for a process that was not started as root. */
bool privileges_drop_rest(struct fault *fault);

/* Lets as many descriptors be open as the system allows. Returns how many that is. */
unsigned privileges_raise_descriptors(void);

#endif
