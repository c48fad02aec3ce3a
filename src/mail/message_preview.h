/* The first words of a message, for lists of messages (RFC 8970). */
#ifndef MAIL_MESSAGE_PREVIEW_H
#define MAIL_MESSAGE_PREVIEW_H

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"

enum {
    MESSAGE_PREVIEW_MAX = 200,            /* characters (RFC 8970 3.3) */
    MESSAGE_PREVIEW_READ_MAX = 16 * 1024, /* bytes of the part that are looked at */
    MESSAGE_PREVIEW_NESTING_MAX = 32      /* parts in parts */
};

/* Appends them in UTF-8: of the first text part, without its markup, with one blank between two
   words; nothing where there is no text. `body` is the front of the message, or all of it. False:
   the structure is damaged (FAULT_PERMANENT), or memory. */
bool message_preview_write(struct bytes structure, struct bytes body, struct buffer *out,
                           struct fault *fault);

#endif
