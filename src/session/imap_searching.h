/* SEARCH, SORT and THREAD with their UID forms: keys that the view can answer first, then those of
 * envelopes, headers and bodies, by workers in slices. */
#ifndef SESSION_IMAP_SEARCHING_H
#define SESSION_IMAP_SEARCHING_H

#include "session/imap_selection.h"

enum {
    IMAP_SEARCHING_SLICE_MESSAGES = 10000, /* that a worker looks at before it lets others */
    IMAP_SEARCHING_SLICE_BYTES = 16 * 1024 * 1024,
    IMAP_SEARCHING_TEXTS_MAX = 256 * 1024 * 1024 /* bytes of what SORT and THREAD keep in memory */
};

struct imap_searching;

/* The view is loaded. The command is borrowed until imap_searching_free. NULL: memory. */
struct imap_searching *imap_searching_new(struct imap_context *context,
                                          const struct imap_command *command, struct fault *fault);
enum imap_progress imap_searching_go_on(struct imap_searching *searching,
                                        struct imap_result *result, int64_t now);
void imap_searching_free(struct imap_searching *searching); /* at any time; accepts NULL */

#endif
