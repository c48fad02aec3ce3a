/* What a server says of itself in its reply to EHLO or LHLO (RFC 5321 4.1.1.1): as text, as a typed
 * set, and by keyword. */
#ifndef SMTP_SMTP_CAPABILITY_H
#define SMTP_SMTP_CAPABILITY_H

#include <posthorn/protocol.h>

#include "base/buffer.h"
#include "base/bytes.h"

/* init, then read `known`; leave the rest alone. */
struct smtp_capability {
    struct ph_capabilities known;
    struct buffer text;
    struct buffer mechanisms; /* of all AUTH lines, each once, SASL_MECHANISMS_MAX at most */
    size_t mechanism_count;
    struct buffer entries; /* keyword NUL parameters NUL, for each line */
};

void smtp_capability_init(struct smtp_capability *capability);
void smtp_capability_clear(struct smtp_capability *capability); /* accepts NULL */

/* Forgets everything: before each EHLO, after HELO, after STARTTLS (RFC 3207 4.2). */
void smtp_capability_reset(struct smtp_capability *capability);

/* Reads the text of the reply, lines joined by '\n', the first being the greeting. Keywords in any
 * case; lines that are no capability are kept in the text only; of a keyword that comes twice the
 * last line counts, but AUTH lines add up. False: out of memory, and everything is forgotten. */
bool smtp_capability_read(struct smtp_capability *capability, struct bytes text);

/* The parameters of a keyword in any case, "" without any; NULL when it is not offered. Until the
 * next change. */
const char *smtp_capability_find(const struct smtp_capability *capability, const char *keyword);

#endif
