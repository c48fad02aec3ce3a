/* Names of mailboxes in responses. */
#include "imap/imap_write.h"

#include "imap/imap_mailbox_name.h"

void imap_write_mailbox(struct buffer *out, struct bytes name, bool is_utf8)
{
    AUTO(buffer)
    wire = BUFFER(IMAP_WRITE_MAILBOX_MAX);
    imap_mailbox_name_encode(name, is_utf8, &wire);
    if (buffer_is_failed(&wire))
        buffer_fail(out);
    else
        imap_write_astring(out, buffer_bytes(&wire), is_utf8);
}
