/* Names of mailboxes on the wire: modified UTF-7 (RFC 3501 5.1.3), UTF-8 (RFC 9051 5.1), and the
 * patterns of LIST. Inside, a name is UTF-8 with "/" between its levels, and INBOX in capitals. */
#ifndef IMAP_IMAP_MAILBOX_NAME_H
#define IMAP_IMAP_MAILBOX_NAME_H

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"

enum {
    IMAP_MAILBOX_NAME_MAX = 1024, /* bytes of a whole name in UTF-8 */
    IMAP_MAILBOX_LEVEL_MAX = 255, /* bytes of one level */
    IMAP_MAILBOX_DEPTH_MAX = 32   /* levels */
};

/* Appends what the client means. is_utf8: it has enabled IMAP4rev2 (names are UTF-8); else they are
   modified UTF-7. INBOX, also as the first of several levels, is put into capitals. FAULT_DENIED
   (NO [CANNOT]): not a form that is allowed; FAULT_LIMIT: longer than IMAP_MAILBOX_NAME_MAX; the
   message is for the client. Nothing is said of whether it may be made: imap_mailbox_name_check.
 */
bool imap_mailbox_name_decode(struct bytes wire, bool is_utf8, struct buffer *out,
                              struct fault *fault);

/* Appends the name as the client is to see it, without quotes. */
void imap_mailbox_name_encode(struct bytes name, bool is_utf8, struct buffer *out);

/* May a mailbox of this name be made? No empty level, no "*" or "%", no control characters or
   U+2028, U+2029 (RFC 9051 5.1), valid UTF-8 in normal form C's spirit, within the limits.
   FAULT_DENIED or FAULT_LIMIT with a message for the client. */
bool imap_mailbox_name_check(struct bytes name, struct fault *fault);

/* Does a name fit a pattern of LIST: "*" is anything, "%" anything but "/"? INBOX fits in any case.
   Takes time in proportion to the product of the lengths at most. */
bool imap_mailbox_name_fits(struct bytes pattern, struct bytes name);

#endif
