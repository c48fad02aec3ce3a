/* What all logins of a server share. */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include "auth/auth_memory.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"
#include "store/store.h"

/* Shared by all exchanges of a server; thread-safe. Holds the secret behind made-up verifiers and
 * the passwords that were proved right a short while ago (keyed digests of them, bound to the
 * credential as it then was). */
struct auth;

/* Reads the secret from the store's settings, or makes it, by a job. NULL: fault. */
struct auth *auth_new(struct store *store, struct fault *fault);
void auth_free(struct auth *auth); /* wipes; accepts NULL */

/* Any user and any password log in, and an account is made on the way: for `posthorn dev`. */
void auth_accept_everybody(struct auth *auth, struct bytes default_domain);

/* ---- for auth_exchange.h ---- */

struct store *auth_store(const struct auth *auth);
struct auth_memory *auth_memory_of(const struct auth *auth);
struct bytes auth_secret(const struct auth *auth);
bool auth_accepts_everybody(const struct auth *auth);

/* Appends the login that a name stands for: one without a domain is in the default domain, which
   `posthorn dev` sets and else the store names. */
bool auth_write_login(const struct auth *auth, struct db *reader, struct bytes user,
                      struct buffer *login, struct fault *fault);

#endif
