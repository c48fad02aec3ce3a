/* Commands of IMAP in words, as talks expect them. */
#ifndef TALK_IMAP_COMMAND_H
#define TALK_IMAP_COMMAND_H

#include "imap/imap_command.h"
#include "talk.h"

/* "FETCH uid 1:* (FLAGS,UID)" and the like. */
void talk_imap_command_describe(struct talk_event *event, const struct imap_command *command);

/* Control characters stand as "<00>". */
void talk_imap_command_add_bytes(struct talk_event *event, const char *key, struct bytes bytes);
/* flags=(\Seen,$Junk) */
void talk_imap_command_add_flags(struct talk_event *event, const struct imap_flags *flags);

#endif
