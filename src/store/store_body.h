/* The bytes of a message that came in, and what was found in them, as rows. */
#ifndef STORE_STORE_BODY_H
#define STORE_STORE_BODY_H

#include "db/db.h"
#include "mail/message_parser.h"
#include "store/store_draft.h"

/* Within a job: keeps them under this id. `created`: microseconds since 1970. */
bool store_body_write(struct db *db, int64_t id, const struct store_draft *draft,
                      const struct message_parsed *parsed, int64_t created, struct fault *fault);

/* About how many bytes that writes. */
size_t store_body_weigh(const struct store_draft *draft, const struct message_parsed *parsed);

#endif
