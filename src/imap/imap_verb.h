/* The names of commands. */
#ifndef IMAP_IMAP_VERB_H
#define IMAP_IMAP_VERB_H

#include "imap/imap_command.h"

/* In any case of letters; with is_uid those that may stand behind UID. Unknown: IMAP_NO_VERB. */
enum imap_verb imap_verb_find(struct bytes word, bool is_uid);

#endif
