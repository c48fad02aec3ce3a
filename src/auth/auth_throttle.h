/* Slows down whoever guesses passwords: failures are counted by account and by the prefix of the
 * address, and fade. Thread-safe; times are monotonic milliseconds. */
#ifndef AUTH_AUTH_THROTTLE_H
#define AUTH_AUTH_THROTTLE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/fault.h"

enum {
    AUTH_THROTTLE_DELAY_FIRST = 2000, /* milliseconds before a refusal is told */
    AUTH_THROTTLE_DELAY_MAX = 17000,
    AUTH_THROTTLE_FADE = 60000,       /* a failure is forgotten after so long */
    AUTH_THROTTLE_ENTRIES_MAX = 65536 /* accounts and prefixes remembered; the oldest go first */
};

struct auth_throttle;
struct auth_throttle *auth_throttle_new(struct fault *fault);
void auth_throttle_free(struct auth_throttle *throttle); /* accepts NULL */

/* A login failed: notes it, and says for how long the answer is to be held back, counted from when
   the login began, so that what the check cost does not show. prefix: the text
   of the /24 or /48, "" for a local socket. */
int64_t auth_throttle_failed(struct auth_throttle *throttle, struct bytes user, struct bytes prefix,
                             int64_t now);

/* Before a login is looked at: milliseconds to wait first, because of earlier failures. */
int64_t auth_throttle_wait(struct auth_throttle *throttle, struct bytes user, struct bytes prefix,
                           int64_t now);

/* It went well: the account's own failures from this prefix are forgotten. */
void auth_throttle_succeeded(struct auth_throttle *throttle, struct bytes user,
                             struct bytes prefix);

#endif
