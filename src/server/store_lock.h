/* One server to an embedded store: two of them would tell their readers nothing of each other's
 * mail. A lock on a file beside the store, which the system takes back however the server ends;
 * admin commands do not ask for it. */
#ifndef SERVER_STORE_LOCK_H
#define SERVER_STORE_LOCK_H

#include "base/fault.h"

/* *lock is a descriptor that holds the lock until it is closed; -1 for a store that is no file.
   FAULT_TEMPORARY, system_error EWOULDBLOCK: another server has it, and the fault says which. */
bool store_lock_take(const char *place, int *lock, struct fault *fault);

#endif
