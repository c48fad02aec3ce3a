/* Turns a message of 8-bit text into one of 7-bit MIME, for hosts that take no other (RFC 6152 3,
 * RFC 2045 6, RFC 2047): leaf parts become quoted-printable or base64, raw UTF-8 in header fields
 * becomes encoded words. Reads once, in pieces; memory is bounded. What is 7-bit stays byte for
 * byte, but for a part that is so long that it is not known in time. Signed parts
 * (multipart/signed) lose their signature's truth: is_signed tells. */
#ifndef MAIL_MESSAGE_DOWNGRADE_H
#define MAIL_MESSAGE_DOWNGRADE_H

#include "base/buffer.h"
#include "base/fault.h"

enum {
    /* Room that `out` needs in a call, besides four times the piece: a header of MESSAGE_HEADER_MAX
       with a short word beyond ASCII behind each blank, and what was held back of a body. */
    MESSAGE_DOWNGRADE_ROOM = 16 * 1024 * 1024
};

struct message_downgrade;

/* NULL: no memory. */
struct message_downgrade *message_downgrade_new(struct fault *fault);
void message_downgrade_free(struct message_downgrade *downgrade); /* accepts NULL */

/* The next piece; appends what is settled. False: no memory, or what cannot be said in 7 bits
   (FAULT_PERMANENT): an address beyond ASCII in the header of the message, a header of more than
   MESSAGE_HEADER_MAX. */
bool message_downgrade_feed(struct message_downgrade *downgrade, struct bytes piece,
                            struct buffer *out, struct fault *fault);
bool message_downgrade_finish(struct message_downgrade *downgrade, struct buffer *out,
                              struct fault *fault);
bool message_downgrade_is_signed(const struct message_downgrade *downgrade);

#endif
