/* Letters to far recipients for tests of the queue, and what becomes of them. */
#ifndef STORE_OUTBOUND_FIXTURE_H
#define STORE_OUTBOUND_FIXTURE_H

#include "store_fixture.h"

#include "store/store_maildrop.h"
#include "store/store_outbound.h"

enum {
    OUTBOUND_TIME = 2000000 /* when letters come in */
};

#define OUTBOUND_LETTER "Subject: far\r\n\r\nhello\r\n"
#define OUTBOUND_PREFIX "Received: by us\r\n"

/* This process is a runner: what it puts into the queue is its own. */
void outbound_begin(struct store_fixture *fixture);

/* One round of a process; fails the test when the job fails. */
struct store_outbound_lease outbound_lease(struct store *store, bool is_leaving);

/* Puts a letter to these recipients into the queue; `routes` has one for each, separated by spaces
   as the recipients are. Gives the message. */
int64_t outbound_put(struct store_fixture *fixture, const char *recipients, const char *routes);
/* The same by any store on the fixture's place. */
int64_t outbound_put_by(struct store_fixture *fixture, struct store *store, const char *recipients,
                        const char *routes);
/* The same, with a copy for the fixture's INBOX. */
int64_t outbound_put_both(struct store_fixture *fixture, const char *recipients,
                          const char *routes);

/* Submits and waits; gives is_ours. Fails the test when the job fails. */
bool outbound_finish(struct store_outbound_finish *finish);
/* One result for one recipient. */
bool outbound_finish_one(struct store *store, int64_t message,
                         const struct store_outbound_result *result);

/* All at once, with a job among them that fails, so that its batch is run again. */
void outbound_finish_together(struct store_fixture *fixture, struct store_outbound_finish *finishes,
                              size_t count);

void outbound_remove(struct store_removal *removal);

/* Writes what is known of a route. */
void outbound_set_route(struct store *store, const struct store_outbound_route *route,
                        int64_t forget_before);

/* What is listed, as text: "message route due;" with messages numbered from 1 in the
   order of `messages`. */
void outbound_list(struct store_fixture *fixture, struct store *store, const int64_t *messages,
                   size_t count, struct buffer *text);

int64_t outbound_count(struct store_fixture *fixture, const char *table);

/* Nothing is wrong in the store. */
void outbound_check(struct store_fixture *fixture);

#endif
