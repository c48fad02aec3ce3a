/* The store as the server finds it: handed over by root to whom the server becomes, and with what
 * must be in it. */
#ifndef SERVER_SERVER_STORE_H
#define SERVER_SERVER_STORE_H

#include "server/privileges.h"
#include "store/store.h"

/* While still root: makes the store's folder and the data directory where they are missing, and
   gives them, an embedded store that root made, and the log file (-1 = none), to the user. What
   belongs to somebody else stays so. */
bool server_store_hand_over(const char *place, const char *data_directory, int log_descriptor,
                            const struct privileges_user *user, struct fault *fault);

/* Adds the domains that are missing (NULL-terminated, or NULL), and writes down the default domain
   (NULL = the store's stays). */
bool server_store_prepare(struct store *store, const char *const *domains,
                          const char *default_domain, struct fault *fault);

#endif
