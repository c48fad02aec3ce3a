/* FETCH and UID FETCH: from the view where it knows, else by workers in slices, the next only when
 * the last is on its way. \Seen is set by a job beside it. */
#ifndef SESSION_IMAP_FETCHING_H
#define SESSION_IMAP_FETCHING_H

#include "session/imap_selection.h"

struct imap_fetching;

/* The view is loaded. The command is borrowed until imap_fetching_free. NULL: memory. */
struct imap_fetching *imap_fetching_new(struct imap_context *context,
                                        const struct imap_command *command, struct fault *fault);
enum imap_progress imap_fetching_go_on(struct imap_fetching *fetching, struct imap_result *result,
                                       int64_t now);
void imap_fetching_free(struct imap_fetching *fetching); /* at any time; accepts NULL */

#endif
