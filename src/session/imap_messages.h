/* The commands that change messages: STORE, COPY, MOVE, EXPUNGE and their UID forms; CLOSE, which
 * removes without telling. */
#ifndef SESSION_IMAP_MESSAGES_H
#define SESSION_IMAP_MESSAGES_H

#include "session/imap_selection.h"

struct imap_messages;

/* The view is loaded (for CLOSE of a mailbox without \Deleted messages it need not be). The command
 * is borrowed until imap_messages_free. NULL: memory. */
struct imap_messages *imap_messages_new(struct imap_context *context,
                                        const struct imap_command *command, struct fault *fault);
enum imap_progress imap_messages_go_on(struct imap_messages *messages, struct imap_result *result,
                                       int64_t now);
void imap_messages_free(struct imap_messages *messages); /* at any time; accepts NULL */

#endif
