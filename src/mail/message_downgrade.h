/* Turns a message of 8-bit text into one of 7-bit MIME, for hosts that take no other (RFC 6152 3,
 * RFC 2045 6, RFC 2047): leaf parts become quoted-printable or base64, raw UTF-8 in header fields
 * becomes encoded words. Reads once, in pieces; memory is bounded. What is 7-bit stays byte for
 * byte. Signed parts (multipart/signed) lose their signature's truth: is_signed tells. */
#ifndef MAIL_MESSAGE_DOWNGRADE_H
#define MAIL_MESSAGE_DOWNGRADE_H

#include "base/buffer.h"
#include "base/fault.h"

struct message_downgrade;

/* NULL: no memory. */
struct message_downgrade *message_downgrade_new(struct fault *fault);
void message_downgrade_free(struct message_downgrade *downgrade); /* accepts NULL */

/* The next piece; appends what is settled. False: no memory, or a header field that cannot be said
   in 7 bits (an address beyond ASCII: FAULT_PERMANENT). */
bool message_downgrade_feed(struct message_downgrade *downgrade, struct bytes piece,
                            struct buffer *out, struct fault *fault);
bool message_downgrade_finish(struct message_downgrade *downgrade, struct buffer *out,
                              struct fault *fault);
bool message_downgrade_is_signed(const struct message_downgrade *downgrade);

#endif
