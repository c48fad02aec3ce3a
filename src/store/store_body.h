/* The bytes of a message that came in, and what was found in them, as rows. */
#ifndef STORE_STORE_BODY_H
#define STORE_STORE_BODY_H

#include "db/db.h"
#include "mail/message_parser.h"
#include "store/store_draft.h"

/* Within a job: keeps them under this id. `created`: microseconds since 1970. */
bool store_body_write(struct db *db, int64_t id, const struct store_draft *draft,
                      const struct message_parsed *parsed, int64_t created, struct fault *fault);

/* Appends [offset, offset + size), which must lie in it. *is_found: all of it was there. */
bool store_body_read(struct db *db, int64_t id, uint64_t offset, size_t size, struct buffer *out,
                     bool *is_found, struct fault *fault);

/* Within a job: of these bodies ("1,2,3") those go that neither a message nor the queue uses. */
bool store_body_remove_unused(struct db *db, struct bytes ids, struct fault *fault);

/* About how many bytes that writes. */
size_t store_body_weigh(const struct store_draft *draft, const struct message_parsed *parsed);

#endif
