/* What the sources behind store_mailboxes.h share: the tree of an account's mailboxes, whose
 * account is locked by the job. */
#ifndef STORE_STORE_MAILBOXES_INSIDE_H
#define STORE_STORE_MAILBOXES_INSIDE_H

#include "db/db.h"
#include "store/store_mailboxes.h"

/* What stands in `parent` (0 = at the top) under this name of one level. */
bool store_mailbox_tree_level(struct db *db, int64_t account, int64_t parent, struct bytes level,
                              struct store_mailbox *mailbox, bool *is_found, struct fault *fault);

/* A UIDVALIDITY that is larger than that of any mailbox that the account ever had (RFC 9051
   2.3.1.1): whatever name a mailbox gets, there was none of this name with its UIDVALIDITY.
   FAULT_PERMANENT: there is no account. */
bool store_mailbox_tree_uidvalidity(struct db *db, int64_t account, int64_t *uidvalidity,
                                    struct fault *fault);

/* One level that is not there yet. */
struct store_mailbox_level {
    int64_t account;
    int64_t parent;
    struct bytes name;
    enum store_role role;
    bool is_selectable;
};
bool store_mailbox_tree_add(struct store *store, struct db *db,
                            const struct store_mailbox_level *level, int64_t *id,
                            struct fault *fault);

/* How far down a whole name leads. */
struct store_mailbox_path {
    struct store_mailbox mailbox; /* the last that is there; id 0 = nothing is */
    int64_t parent;               /* what that stands in */
    struct bytes missing;         /* what is not: empty = the name is there */
};
bool store_mailbox_tree_walk(struct db *db, int64_t account, struct bytes name,
                             struct store_mailbox_path *path, struct fault *fault);

/* Makes the levels of path->missing; the last, which gets the role, is *id. *is_full: there would
   be more mailboxes than are allowed, and nothing was made. */
bool store_mailbox_tree_make(struct store *store, struct db *db, int64_t account,
                             const struct store_mailbox_path *path, enum store_role role,
                             int64_t *id, bool *is_full, struct fault *fault);

bool store_mailbox_tree_has_children(struct db *db, int64_t account, int64_t id, bool *has_children,
                                     struct fault *fault);

/* Removes `id` when it is a level only and has no children, and so on with its parents. 0 = the
   top. */
bool store_mailbox_tree_prune(struct db *db, int64_t account, int64_t id, struct fault *fault);

/* Without the "/" at its end (RFC 9051 6.3.4). */
struct bytes store_mailbox_tree_name(struct bytes name);

/* No level of it is empty. */
bool store_mailbox_tree_is_name(struct bytes name);

bool store_mailbox_change_subscribe(struct db *db, int64_t account, struct bytes name,
                                    struct fault *fault);

/* RENAME, inside the job. */
bool store_mailbox_rename_run(struct store_mailbox_change *change, struct db *db,
                              struct fault *fault);

#endif
