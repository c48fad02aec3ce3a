/* What SORT and THREAD keep of the messages that they are about, until all are there: which they
 * are, and the columns of their keys. */
#ifndef SESSION_IMAP_SEARCHING_KEPT_H
#define SESSION_IMAP_SEARCHING_KEPT_H

#include "session/imap_searching_key.h"
#include "session/imap_searching_match.h"
#include "session/imap_searching_memory.h"

struct imap_searching_kept;

/* For a SORT or THREAD, whose criteria are copied; is_uid: the answer names UIDs. `count`: messages
   of the mailbox, about. NULL: memory. */
struct imap_searching_kept *imap_searching_kept_new(const struct imap_command *command,
                                                    struct imap_searching_memory *memory,
                                                    int64_t mailbox, size_t count,
                                                    struct fault *fault);
void imap_searching_kept_free(struct imap_searching_kept *kept); /* accepts NULL */

/* A message that fits; they come in ascending order. *is_known: nothing is to be read of it, else
   imap_searching_kept_read is to follow, in ascending order too. False: memory, or FAULT_LIMIT
   (IMAP_SEARCHING_TEXTS_MAX). */
bool imap_searching_kept_add(struct imap_searching_kept *kept,
                             const struct imap_searching_candidate *candidate, bool *is_known,
                             struct fault *fault);
/* Of store_fetch. */
unsigned imap_searching_kept_wants(const struct imap_searching_kept *kept);
/* What was read of one that was not known. False: as above. */
bool imap_searching_kept_read(struct imap_searching_kept *kept, const struct store_fetched *message,
                              struct fault *fault);

/* The highest among all that were added. */
uint64_t imap_searching_kept_modseq(const struct imap_searching_kept *kept);

/* Appends what stands behind "* SORT" or "* THREAD", a blank before it. What was not read after all
   is left out: it is no longer there. A matter of some time: for a worker. */
bool imap_searching_kept_finish(struct imap_searching_kept *kept, struct buffer *out,
                                struct fault *fault);

#endif
