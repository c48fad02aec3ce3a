/* The commands on mailboxes: LIST, LSUB, STATUS, CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE,
 * GETQUOTA, GETQUOTAROOT, SETQUOTA. */
#ifndef SESSION_IMAP_MAILBOXES_H
#define SESSION_IMAP_MAILBOXES_H

#include "session/imap_context.h"

struct imap_mailboxes;

/* The command is borrowed until imap_mailboxes_free. NULL: memory. */
struct imap_mailboxes *imap_mailboxes_new(struct imap_context *context,
                                          const struct imap_command *command, struct fault *fault);
enum imap_progress imap_mailboxes_go_on(struct imap_mailboxes *mailboxes,
                                        struct imap_result *result, int64_t now);
void imap_mailboxes_free(struct imap_mailboxes *mailboxes); /* at any time; accepts NULL */

/* Into a LIST response for IMAP4rev2, behind the name: the form in which the client wrote it
 * (imap_command.supplied); nothing where its length is 0. */
void imap_mailboxes_write_old_name(struct buffer *out, struct bytes supplied);

#endif
