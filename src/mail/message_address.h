/* Address lists of real messages into the compact form of envelopes: nothing is refused, what is
 * broken is described as well as can be (RFC 5322 3.4, 4.4, RFC 6532). */
#ifndef MAIL_MESSAGE_ADDRESS_H
#define MAIL_MESSAGE_ADDRESS_H

#include "base/buffer.h"
#include "base/bytes.h"

/* Scratch memory and the count that is shared by all fields of an envelope. */
struct message_address_reader {
    struct buffer text;
    struct buffer comment;
    size_t room; /* addresses that may still be written */
};

/* Appends the addresses of one field's value, in the form that mail/message_envelope.h reads. */
void message_address_read(struct message_address_reader *reader, struct bytes value,
                          struct buffer *out);

#endif
