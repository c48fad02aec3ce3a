/* \Seen for messages whose content is fetched (RFC 9051 6.4.5): a job of the store, beside the
 * reading. */
#ifndef SESSION_IMAP_FETCHING_SEEN_H
#define SESSION_IMAP_FETCHING_SEEN_H

#include "session/imap_selection.h"

struct imap_fetching_seen;

/* Of the messages of these numbers those that lack \Seen and have a higher modseq than that; `told`
   is run when it is done. *seen is NULL where there are none. False: memory. */
bool imap_fetching_seen_begin(struct imap_context *context, const struct imap_range *numbers,
                              size_t count, uint64_t changed_since,
                              struct imap_fetching_seen **seen, struct fault *fault);
bool imap_fetching_seen_is_done(const struct imap_fetching_seen *seen);
/* When it is done: the view takes it in. The client was told with what it fetched; where the job
   failed it will be told again how things are. */
void imap_fetching_seen_apply(struct imap_fetching_seen *seen, struct imap_context *context,
                              int64_t now);
void imap_fetching_seen_free(struct imap_fetching_seen *seen); /* at any time; accepts NULL */

#endif
