/* What SORT and THREAD need of a message, made of what the store has of it: one value for each
 * key. It never changes, for a message never does. */
#ifndef SESSION_IMAP_SEARCHING_KEY_H
#define SESSION_IMAP_SEARCHING_KEY_H

#include "imap/imap_column.h"
#include "imap/imap_command.h"
#include "mail/message_envelope.h"
#include "store/store_fetch.h"

/* Those of enum imap_sort_key, and what THREAD needs besides. */
enum imap_searching_key {
    IMAP_SEARCHING_KEY_IDS = IMAP_SORT_DISPLAYTO + 1, /* its own, "" = none; then whom it answers */
    IMAP_SEARCHING_KEYS
};

/* Room for texts while they are made. Zero at the start but for the limits. */
struct imap_searching_key_maker {
    struct buffer text;
    struct buffer base; /* of a subject */
    struct buffer folded;
    const struct store_fetched *message;
    struct message_envelope envelope;
};
void imap_searching_key_maker_init(struct imap_searching_key_maker *maker);
void imap_searching_key_maker_clear(struct imap_searching_key_maker *maker);

/* Of store_fetch. */
unsigned imap_searching_key_wants(unsigned key);

enum imap_column_kind imap_searching_key_kind(unsigned key);

/* The message that the next values are of: read with what its keys want, borrowed. */
void imap_searching_key_begin(struct imap_searching_key_maker *maker,
                              const struct store_fetched *message);
/* Adds the message to the draft, with its values. A subject that had more than its base is marked.
   False: memory, or a limit. */
bool imap_searching_key_add(struct imap_searching_key_maker *maker, unsigned key,
                            struct imap_column_draft *draft);

#endif
