/* Names without a domain in the header of a local program's message: "To: root" becomes
   "To: root@example.org", because no far server knows root. */
#ifndef CLI_SENDMAIL_QUALIFY_H
#define CLI_SENDMAIL_QUALIFY_H

#include "base/buffer.h"
#include "base/bytes.h"

/* Appends a header field, line ends and folding as they are. In a field of addresses (From, To, Cc
   and their kin) a mailbox that is one bare word gets "@" and the domain; whatever else stands
   there, be it right or wrong, is left alone. */
void sendmail_qualify(struct bytes field, const char *domain, struct buffer *out);

#endif
