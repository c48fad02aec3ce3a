/* Message ids: RFC 5322 3.6.4. */
#ifndef MAIL_MESSAGE_ID_H
#define MAIL_MESSAGE_ID_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"

enum {
    MESSAGE_ID_MAX = 900 /* octets with the brackets: it must fit on a line */
};

/* Appends "<128 random bits@domain>"; the domain is one that domain_write_ascii takes. */
bool message_id_make(struct bytes domain, struct buffer *out, struct fault *fault);

/* Takes the next id, brackets included, off *rest; blanks and commas before it are skipped. Inside
   the brackets may be whatever prints, ASCII or UTF-8, as ids of other programs hold it. False:
   there is none (*rest is then empty) or something else stands there. */
bool message_id_take(struct bytes *rest, struct bytes *id);

/* One id as this message's own: "<left@right>", nothing else. */
bool message_id_is_valid(struct bytes id);

#endif
