/* What IMAP answers to FETCH ENVELOPE (RFC 3501 7.4.2, RFC 9051 7.5.2), in a compact form that is
 * made once when the message comes in and read ever after. Values are as the message has them but
 * unfolded, subject and names with one blank between two words: encoded words and bytes beyond
 * ASCII stay.
 *
 * The form: a byte for the version, then strings and address lists as in the struct below. Readers
 * check every length; a damaged one gives FAULT_PERMANENT. */
#ifndef MAIL_MESSAGE_ENVELOPE_H
#define MAIL_MESSAGE_ENVELOPE_H

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"

enum {
    MESSAGE_ENVELOPE_VERSION = 1
};

/* What stands in for the parts of an address that are missing or broken, for in IMAP an address
   without them would be a group. They are the words that clients know from other servers. */
#define MESSAGE_ENVELOPE_MISSING_MAILBOX "MISSING_MAILBOX"
#define MESSAGE_ENVELOPE_MISSING_HOST    "MISSING_DOMAIN"
#define MESSAGE_ENVELOPE_SYNTAX_ERROR    "SYNTAX_ERROR" /* a host */
#define MESSAGE_ENVELOPE_INVALID_ROUTE   "INVALID_ROUTE"

/* Borrowed from the compact form. A string that the message does not have has data NULL; NIL in
   IMAP. Lists are taken apart by message_envelope_next; a missing one is empty. Sender and
   Reply-To that are missing are for the printer to take from From. */
struct message_envelope {
    struct bytes date;
    struct bytes subject;
    struct bytes from;
    struct bytes sender;
    struct bytes reply_to;
    struct bytes to;
    struct bytes cc;
    struct bytes bcc;
    struct bytes in_reply_to;
    struct bytes message_id;
};

/* One item of a list, just as IMAP prints it: a group begins with an item that has a mailbox (the
   group's name) but no host, and ends with one that has neither. */
struct message_envelope_address {
    struct bytes name;
    struct bytes route;
    struct bytes mailbox;
    struct bytes host;
};

/* Appends the envelope of a message with this header section. Of several fields of a name the lists
   are joined, and of Date, Subject and the ids the last counts. */
void message_envelope_write(struct bytes section, struct buffer *out);

bool message_envelope_read(struct bytes compact, struct message_envelope *envelope,
                           struct fault *fault);

/* Takes the next address off a list. False: there is none, or the list is damaged, which
   message_envelope_read has ruled out. */
bool message_envelope_next(struct bytes *list, struct message_envelope_address *address);

#endif
