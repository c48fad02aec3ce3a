/* Changing messages in a test: submits and waits. What a struct has as its answer is the caller's
 * to clear. */
#ifndef STORE_CHANGE_FIXTURE_H
#define STORE_CHANGE_FIXTURE_H

#include "store_fixture.h"

#include "store/store_append.h"
#include "store/store_change.h"

enum {
    STORE_CHANGE_FIXTURE_VIEW_MAX = 1000
};

/* Fill the store of the struct; the answer is job.is_done. */
bool store_change_fixture_flags(struct store_fixture *fixture, struct store_flag_change *change);
bool store_change_fixture_copy(struct store_fixture *fixture, struct store_copy *copy);
bool store_change_fixture_expunge(struct store_fixture *fixture, struct store_expunge *expunge);
bool store_change_fixture_append(struct store_fixture *fixture, struct store_append *append);

/* One message of this text, with flags and at most one keyword (NULL: none); gives its UID. */
uint32_t store_change_fixture_put(struct store_fixture *fixture, int64_t mailbox, const char *text,
                                  uint32_t flags, const char *keyword);
/* The same, the mailbox found by its name. 0: there is none. */
uint32_t store_change_fixture_put_by_name(struct store_fixture *fixture, const char *name,
                                          const char *text);

/* One that SMTP brings to the INBOX, with a prefix. */
void store_change_fixture_deliver(struct store_fixture *fixture, const char *text);

/* Sets (\Deleted) or the like on one range, and expects that it is done. */
uint64_t store_change_fixture_add_flags(struct store_fixture *fixture, int64_t mailbox,
                                        uint32_t first, uint32_t last, uint32_t flags);

/* The special mailbox of the fixture's account. */
int64_t store_change_fixture_mailbox(struct store_fixture *fixture, enum store_role role);

struct store_change_fixture_view {
    struct store_view_message messages[STORE_CHANGE_FIXTURE_VIEW_MAX];
    size_t count;
};
void store_change_fixture_read(struct store_fixture *fixture, int64_t mailbox,
                               struct store_change_fixture_view *view);

/* store_check finds nothing. */
void store_change_fixture_assert_sound(struct store_fixture *fixture);

/* "1:3,5" of ranges; kept until the next call. */
const char *store_change_fixture_show(const struct store_uid_range *ranges, size_t count);

#endif
