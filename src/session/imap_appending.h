/* APPEND, with one message or several: each streams into a draft while the MIME parser reads along;
 * one job keeps all. */
#ifndef SESSION_IMAP_APPENDING_H
#define SESSION_IMAP_APPENDING_H

#include "session/imap_context.h"

struct imap_appending;

/* NULL: memory. */
struct imap_appending *imap_appending_new(struct imap_context *context, struct fault *fault);
void imap_appending_free(struct imap_appending *appending); /* at any time; accepts NULL */

/* IMAP_SERVER_APPEND. The first asks the store for mailbox and quota (IMAP_WAITS); IMAP_DONE with
 * result->status IMAP_OK: imap_server_append_go; with another status: imap_server_finish. The event
 * is borrowed until then. */
enum imap_progress imap_appending_begin(struct imap_appending *appending,
                                        const struct imap_server_event *event,
                                        struct imap_result *result, int64_t now);
/* IMAP_SERVER_APPEND_PIECE and _END (an empty piece). IMAP_WAITS: the draft is being written out:
 * no more events are taken until it is IMAP_DONE. A fault is kept for the end. */
enum imap_progress imap_appending_piece(struct imap_appending *appending, struct bytes piece,
                                        bool is_end, int64_t now);
/* IMAP_SERVER_APPEND_DONE: the job. */
enum imap_progress imap_appending_finish(struct imap_appending *appending,
                                         struct imap_result *result, int64_t now);
/* After IMAP_WAITS, when `told` was run: what was begun last goes on. */
enum imap_progress imap_appending_go_on(struct imap_appending *appending,
                                        struct imap_result *result, int64_t now);

#endif
