/* What SORT and THREAD keep of the messages that they are about, until all are there. */
#ifndef SESSION_IMAP_SEARCHING_KEPT_H
#define SESSION_IMAP_SEARCHING_KEPT_H

#include "imap/imap_sort.h"
#include "imap/imap_thread.h"
#include "session/imap_searching_match.h"

struct imap_searching_kept;

/* For a SORT or THREAD, whose criteria are copied; is_uid: threads name UIDs. NULL: memory. */
struct imap_searching_kept *imap_searching_kept_new(const struct imap_command *command,
                                                    struct fault *fault);
void imap_searching_kept_free(struct imap_searching_kept *kept); /* accepts NULL */

/* Of store_fetch. */
unsigned imap_searching_kept_wants(const struct imap_searching_kept *kept);
/* Messages come in ascending order. False: memory, or FAULT_LIMIT (IMAP_SEARCHING_TEXTS_MAX). */
bool imap_searching_kept_add(struct imap_searching_kept *kept,
                             const struct imap_searching_candidate *candidate,
                             const struct store_fetched *message, struct fault *fault);

/* The highest among all that were added. */
uint64_t imap_searching_kept_modseq(const struct imap_searching_kept *kept);

/* Appends what stands behind "* SORT" or "* THREAD", a blank before it. A matter of some time: for
   a worker. */
bool imap_searching_kept_finish(struct imap_searching_kept *kept, struct buffer *out,
                                struct fault *fault);

#endif
