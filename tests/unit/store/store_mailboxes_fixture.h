/* Changing mailboxes in a test: submits and waits. */
#ifndef STORE_MAILBOXES_FIXTURE_H
#define STORE_MAILBOXES_FIXTURE_H

#include "store_fixture.h"

#include "store/store_mailboxes.h"

/* The outcome; fails the test where the store does. */
enum store_mailbox_outcome store_mailboxes_fixture_change(struct store_fixture *fixture,
                                                          struct store_mailbox_change *change);

enum store_mailbox_outcome store_mailboxes_fixture_create(struct store_fixture *fixture,
                                                          const char *name);
enum store_mailbox_outcome store_mailboxes_fixture_delete(struct store_fixture *fixture,
                                                          const char *name);
enum store_mailbox_outcome store_mailboxes_fixture_rename(struct store_fixture *fixture,
                                                          const char *name, const char *new_name);

/* The mailbox of this name; fails the test when there is none. */
struct store_mailbox store_mailboxes_fixture_find(struct store_fixture *fixture, const char *name);
bool store_mailboxes_fixture_is_there(struct store_fixture *fixture, const char *name);

#endif
