/* Mail in a house: delivered to ann past SMTP, and removed past POP3. */
#ifndef SESSION_LETTERS_H
#define SESSION_LETTERS_H

#include "session/session_house.h"
#include "store/store_accounts.h"

/* What stands in front of every text. */
extern const char letters_prefix[];

struct store_account letters_ann(struct house *house);

/* Delivers them all to ann, in this order; waits until they are there. */
void letters_put(struct house *house, const struct bytes *texts, size_t count);
void letters_put_one(struct house *house, const char *text);

/* Removes one of hers; waits until it is gone. */
void letters_remove(struct house *house, uint32_t uid);

#endif
