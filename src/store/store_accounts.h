/* Who has mail here: domains, accounts, addresses, credentials, quotas. Reading takes any handle;
 * writing takes that of a running job. Names are as people write them; they are compared without
 * regard to the case of ASCII letters, and kept folded (domains as A-labels in lower case). */
#ifndef STORE_STORE_ACCOUNTS_H
#define STORE_STORE_ACCOUNTS_H

#include <stdint.h>

#include "base/bytes.h"
#include "mail/address.h"
#include "store/store.h"

enum {
    STORE_ALIAS_TARGETS_MAX = 1000, /* mailboxes and far addresses behind one address, in all */
    STORE_ALIAS_DEPTH_MAX = 10,     /* aliases of aliases */
    STORE_LOGIN_MAX = 320,          /* bytes of a login */
    STORE_LABEL_MAX = 100,          /* bytes of the label of an app password */
    STORE_VERIFIER_MAX = 512        /* bytes of a credential's data */
};

/* What a mailbox is for (RFC 8457, RFC 9051 7.3.1); kept in mailbox.role. */
enum store_role {
    STORE_ROLE_NONE = 0,
    STORE_ROLE_INBOX,
    STORE_ROLE_DRAFTS,
    STORE_ROLE_SENT,
    STORE_ROLE_JUNK,
    STORE_ROLE_TRASH,
    STORE_ROLE_ARCHIVE
};

struct store_account {
    int64_t id;
    int64_t inbox;                   /* its mailbox INBOX */
    char login[STORE_LOGIN_MAX + 1]; /* "ann@example.org", the primary address */
    bool is_disabled;                /* may not log in and gets no mail */
    int64_t quota_bytes;             /* 0 = none */
    int64_t quota_messages;
    int64_t used_bytes;
    int64_t used_messages;
};

enum store_credential_kind {
    STORE_CREDENTIAL_SCRAM_SHA_256 = 1, /* RFC 5803 text: rounds, salt, stored key, server key */
    STORE_CREDENTIAL_SCRAM_SHA_1,
    STORE_CREDENTIAL_CRYPT, /* a crypt(3) hash */
    STORE_CREDENTIAL_APP    /* an app password: a SCRAM-SHA-256 verifier, with a label */
};

struct store_credential {
    int64_t id;
    int64_t account;
    enum store_credential_kind kind;
    char label[STORE_LABEL_MAX + 1];
    char data[STORE_VERIFIER_MAX + 1];
    int64_t created; /* microseconds since 1970, UTC */
};

/* *is_found tells whether there is one; false is a fault of the store. */
bool store_account_find(struct db *db, struct bytes login, struct store_account *account,
                        bool *is_found, struct fault *fault);
bool store_account_get(struct db *db, int64_t id, struct store_account *account, bool *is_found,
                       struct fault *fault);

enum {
    STORE_CREDENTIALS_MAX = 64 /* of one account */
};

/* Fills at most STORE_CREDENTIALS_MAX of them. */
bool store_credentials_read(struct db *db, int64_t account, struct store_credential *credentials,
                            size_t *count, struct fault *fault);

/* ---- where mail for an address goes ---- */

enum store_resolution {
    STORE_RESOLVED = 0,  /* there are targets */
    STORE_DOMAIN_IS_FAR, /* not one of our domains */
    STORE_UNKNOWN,       /* our domain, nobody there: 550 5.1.1 */
    STORE_DISABLED,      /* the account takes no mail: 550 5.2.1 */
    STORE_TOO_MANY       /* an alias that goes round, or has too many targets: 550 5.4.6 */
};

struct store_target {
    int64_t account; /* 0: a far address, in `far` */
    int64_t mailbox; /* the INBOX of the account */
    bool is_full;    /* the quota is used up already */
    int64_t room;    /* bytes that it still allows; INT64_MAX where there is none */
    struct address far;
};

struct store_targets {
    enum store_resolution resolution;
    struct store_target *items;
    size_t count;
};
void store_targets_clear(struct store_targets *targets);

/* Looks an address up, in this order: exact (the local part in any case), without its "+detail",
   catch-all of the domain. Aliases are followed to their ends, each mailbox coming once.
   "postmaster" of a domain of ours that has nobody of this name goes to the first account that was
   made in the domain (RFC 5321 4.5.1), and the bare "Postmaster" to that of the default domain. */
bool store_resolve(struct db *db, const struct address *address, struct store_targets *targets,
                   struct fault *fault);
bool store_resolve_postmaster(struct db *db, struct store_targets *targets, struct fault *fault);

/* May the account send in the name of this address: is it its login or an alias that leads to it
   (with or without "+detail"), or in a domain whose catch-all it is? */
bool store_account_owns(struct db *db, int64_t account, const struct address *address, bool *owns,
                        struct fault *fault);

/* ---- changing: inside a job ---- */

bool store_domain_add(struct db *db, int64_t id, struct bytes name, struct fault *fault);
bool store_domain_remove(struct db *db, struct bytes name, struct fault *fault);

/* Makes the account, its address and its mailboxes (INBOX and the special ones: Drafts, Sent, Junk,
   Trash, Archive). The domain must be there. Ids are made by the store. */
bool store_account_add(struct store *store, struct db *db, struct bytes login, int64_t *id,
                       struct fault *fault);

/* With all its mail, its credentials, and what makes it the target of aliases. */
bool store_account_remove(struct db *db, struct bytes login, struct fault *fault);
/* Only messages, up to `most`: whoever removes a large account calls this first, a job each, so
   that others can write in between. *count is how many went; 0 = there are none left. */
bool store_account_remove_some(struct db *db, struct bytes login, size_t most, size_t *count,
                               struct fault *fault);
bool store_account_set_disabled(struct db *db, struct bytes login, bool is_disabled,
                                struct fault *fault);
bool store_quota_set(struct db *db, struct bytes login, int64_t bytes, int64_t messages,
                     struct fault *fault);

/* An alias: "info@example.org", or "@example.org" for the domain's catch-all; the target is an
   address here or elsewhere. One alias may have many targets. */
bool store_alias_add(struct store *store, struct db *db, struct bytes alias, struct bytes target,
                     struct fault *fault);
/* Empty target: all of them. */
bool store_alias_remove(struct db *db, struct bytes alias, struct bytes target,
                        struct fault *fault);

/* Replaces the credentials of the same kind, but for app passwords, which are added. */
bool store_credential_put(struct store *store, struct db *db, int64_t account,
                          enum store_credential_kind kind, struct bytes label, struct bytes data,
                          struct fault *fault);
/* Removes the app password with the label. */
bool store_credential_remove(struct db *db, int64_t account, struct bytes label,
                             struct fault *fault);
/* Removes the account's own password in all its forms; app passwords stay. */
bool store_credential_remove_password(struct db *db, int64_t account, struct fault *fault);

/* ---- listing, in alphabetical order, by a function that is called for each and may end it ---- */

typedef bool store_each_account(void *context, const struct store_account *account);
typedef bool store_each_domain(void *context, const char *name, uint64_t accounts,
                               uint64_t aliases);
typedef bool store_each_alias(void *context, const char *alias, const char *target);
bool store_accounts_list(struct db *db, struct bytes domain_or_empty, store_each_account *each,
                         void *context, struct fault *fault);
bool store_domains_list(struct db *db, store_each_domain *each, void *context, struct fault *fault);
bool store_aliases_list(struct db *db, struct bytes domain_or_empty, store_each_alias *each,
                        void *context, struct fault *fault);

/* The domain of the bare "Postmaster"; without it, the one that was made first. */
#define STORE_SETTING_DEFAULT_DOMAIN "default-domain"

/* Settings of the store itself: secrets that all nodes share, the default domain. *value is empty
   when there is none. */
bool store_setting_get(struct db *db, const char *name, struct buffer *value, struct fault *fault);
bool store_setting_put(struct db *db, const char *name, struct bytes value, struct fault *fault);

#endif
