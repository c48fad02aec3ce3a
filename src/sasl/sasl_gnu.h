/* The mechanisms that GNU SASL does for us: EXTERNAL, PLAIN, LOGIN, CRAM-MD5. */
#ifndef SASL_SASL_GNU_H
#define SASL_SASL_GNU_H

#include <posthorn/protocol.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"

struct sasl_gnu;

/* Each exchange has a library context of its own, so that there are no globals. login is borrowed
 * until sasl_gnu_free. NULL: fault. */
struct sasl_gnu *sasl_gnu_new(const char *mechanism, const struct ph_login *login,
                              struct fault *fault);

/* Frees, and wipes what GNU SASL lets be reached. It leaves behind what it copied while it worked:
 * the prepared form of the password in CRAM-MD5. NULL is allowed. */
void sasl_gnu_free(struct sasl_gnu *gnu);

/* Appends the answer to a challenge. */
bool sasl_gnu_step(struct sasl_gnu *gnu, struct bytes challenge, struct buffer *response,
                   struct fault *fault);

/* The mechanism has nothing more to say. */
bool sasl_gnu_is_finished(const struct sasl_gnu *gnu);

#endif
