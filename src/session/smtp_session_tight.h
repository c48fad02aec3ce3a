/* Mailboxes that had no room for a message which others were to have too. Such a message is put off
 * for all; when it comes again, these are to come by themselves, so that nobody waits for them.
 * From any thread. */
#ifndef SESSION_SMTP_SESSION_TIGHT_H
#define SESSION_SMTP_SESSION_TIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"

enum {
    SMTP_SESSION_TIGHT_MAX = 256,              /* mailboxes that are remembered; the oldest goes */
    SMTP_SESSION_TIGHT_TIME = 24 * 3600 * 1000 /* milliseconds: senders come again for days */
};

struct smtp_session_tight;

struct smtp_session_tight *smtp_session_tight_new(struct fault *fault); /* NULL: memory */
void smtp_session_tight_free(struct smtp_session_tight *tight);         /* accepts NULL */

void smtp_session_tight_add(struct smtp_session_tight *tight, int64_t mailbox, int64_t now);
bool smtp_session_tight_has(struct smtp_session_tight *tight, int64_t mailbox, int64_t now);

#endif
