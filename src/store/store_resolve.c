/* From an address to mailboxes and far addresses: a walk through aliases, each visited once. */
#include <stdlib.h>
#include <string.h>

#include "store/store_accounts_inside.h"

/* An address of ours that was met on the walk. */
struct visit {
    int64_t domain;
    unsigned short local_length;
    bool is_open; /* on the way from the start to where the walk is: meeting it again is a loop */
    char local[ADDRESS_LOCAL_PART_MAX];
};

struct walk {
    struct db *db;
    struct store_target *targets;
    size_t target_count;
    size_t target_capacity;
    struct visit *visits;
    size_t visit_count;
    size_t visit_capacity;
};

/* What one address leads to at once. */
struct row {
    bool is_disabled;
    struct store_target target; /* account 0: an address, here or far */
};

struct rows {
    struct row *items;
    size_t count;
    size_t capacity;
};

static void rows_clear(struct rows *rows)
{
    free(rows->items);
}

static void walk_clear(struct walk *walk)
{
    free(walk->targets);
    free(walk->visits);
}

/* Room for one more. */
static bool grow(void **items, size_t count, size_t *capacity, size_t size, struct fault *fault)
{
    if (count < *capacity)
        return true;
    size_t more = *capacity == 0 ? 1 : 4 * *capacity;
    void *grown = realloc(*items, more * size);
    if (grown == NULL)
        return fault_set_memory(fault);
    *items = grown;
    *capacity = more;
    return true;
}

static bool is_full(int64_t quota, int64_t used)
{
    return quota > 0 && used >= quota;
}

static int64_t room_of(int64_t quota, int64_t used)
{
    if (quota <= 0)
        return INT64_MAX;
    return used < quota ? quota - used : 0;
}

/* An alias whose target is no address is skipped: nothing could be done with it. */
static bool add_row(struct rows *rows, const struct db_rows *found, struct fault *fault)
{
    if (!grow((void **)&rows->items, rows->count, &rows->capacity, sizeof(*rows->items), fault))
        return false;
    struct row *row = &rows->items[rows->count];
    *row = (struct row){.target = {.room = INT64_MAX}};
    if (!db_rows_is_null(found, 1)) {
        row->target.account = db_rows_number(found, 1);
        row->target.mailbox = db_rows_number(found, 2);
        row->is_disabled = db_rows_number(found, 3) != 0;
        row->target.is_full = is_full(db_rows_number(found, 4), db_rows_number(found, 6)) ||
                              is_full(db_rows_number(found, 5), db_rows_number(found, 7));
        row->target.room = room_of(db_rows_number(found, 4), db_rows_number(found, 6));
    } else if (!address_parse(db_rows_bytes(found, 0), &row->target.far, NULL)) {
        return true;
    }
    rows->count++;
    return true;
}

/* Appends what stands for the local part; nothing when there is no such address. */
static bool read_rows(struct db *db, int64_t domain, struct bytes local, struct rows *rows,
                      struct fault *fault)
{
    static const struct db_statement statement = {
        "SELECT t.target, t.account, m.id, a.is_disabled, a.quota_bytes, a.quota_messages, "
        "a.used_bytes, a.used_messages FROM address t LEFT JOIN account a ON a.id = t.account "
        "LEFT JOIN mailbox m ON m.account = t.account AND m.parent = 0 AND m.name = 'INBOX' "
        "WHERE t.domain = $1 AND t.local = $2 ORDER BY t.target LIMIT $3",
        NULL};
    AUTO(db_rows)
    found = {0};
    if (!db_query(
            db, &statement,
            DB_VALUES(db_number(domain), db_text(local), db_number(STORE_ALIAS_TARGETS_MAX + 1)),
            &found, fault))
        return false;
    while (db_rows_next(&found)) {
        if (!add_row(rows, &found, fault))
            return false;
    }
    return db_rows_finish(&found, fault);
}

/* RFC 5321 4.5.1: mail for the postmaster is always taken. */
static bool read_first_account(struct db *db, int64_t domain, struct rows *rows,
                               struct fault *fault)
{
    static const struct db_statement statement = {
        "SELECT '', a.id, m.id, 0, a.quota_bytes, a.quota_messages, a.used_bytes, a.used_messages "
        "FROM account a JOIN mailbox m ON m.account = a.id AND m.parent = 0 AND m.name = 'INBOX' "
        "WHERE a.is_disabled = 0 AND (a.domain = $1 OR $1 = 0) ORDER BY a.created, a.id LIMIT 1",
        NULL};
    AUTO(db_rows)
    found = {0};
    bool is_found;
    if (!db_query_one(db, &statement, DB_VALUES(db_number(domain)), &found, &is_found, fault))
        return false;
    return !is_found || add_row(rows, &found, fault);
}

/* The rows for the address, and in *local which local part they were kept under: its own, that
   without the detail, or none (the catch-all). */
static bool find_rows(struct db *db, int64_t domain, struct bytes *local, struct rows *rows,
                      struct fault *fault)
{
    struct bytes name = *local;
    size_t plus = bytes_find_char(name, '+');
    if (!read_rows(db, domain, name, rows, fault))
        return false;
    if (rows->count == 0 && plus != BYTES_NOT_FOUND && plus > 0) {
        *local = bytes_slice(name, 0, plus);
        if (!read_rows(db, domain, *local, rows, fault))
            return false;
    }
    struct bytes person = *local;
    if (rows->count == 0 && name.length > 0) {
        *local = BYTES("");
        if (!read_rows(db, domain, *local, rows, fault))
            return false;
    }
    if (rows->count == 0 && bytes_equal(person, BYTES("postmaster"))) {
        *local = person;
        return read_first_account(db, domain, rows, fault) &&
               (rows->count > 0 || read_first_account(db, 0, rows, fault));
    }
    return true;
}

enum meeting {
    MEETING_FIRST,
    MEETING_AGAIN, /* a second way to the same address: its targets are there already */
    MEETING_LOOP,
    MEETING_TOO_MANY
};

static bool meet(struct walk *walk, int64_t domain, struct bytes local, enum meeting *meeting,
                 struct fault *fault)
{
    for (size_t i = 0; i < walk->visit_count; i++) {
        const struct visit *visit = &walk->visits[i];
        if (visit->domain == domain &&
            bytes_equal(bytes_of(visit->local, visit->local_length), local)) {
            *meeting = visit->is_open ? MEETING_LOOP : MEETING_AGAIN;
            return true;
        }
    }
    /* Each of them may be an address on the way or a mailbox at an end. */
    if (walk->visit_count > 2 * STORE_ALIAS_TARGETS_MAX) {
        *meeting = MEETING_TOO_MANY;
        return true;
    }
    if (!grow((void **)&walk->visits, walk->visit_count, &walk->visit_capacity,
              sizeof(*walk->visits), fault))
        return false;
    struct visit *visit = &walk->visits[walk->visit_count++];
    visit->domain = domain;
    visit->is_open = true;
    visit->local_length = (unsigned short)local.length;
    if (local.length > 0)
        memcpy(visit->local, local.data, local.length);
    *meeting = MEETING_FIRST;
    return true;
}

/* Each target comes once. */
static bool add_target(struct walk *walk, const struct store_target *target, bool *is_too_many,
                       struct fault *fault)
{
    for (size_t i = 0; i < walk->target_count; i++) {
        const struct store_target *other = &walk->targets[i];
        if (target->account != 0 ? other->mailbox == target->mailbox
                                 : other->account == 0 && address_equal(&other->far, &target->far))
            return true;
    }
    if (walk->target_count >= STORE_ALIAS_TARGETS_MAX) {
        *is_too_many = true;
        return true;
    }
    if (!grow((void **)&walk->targets, walk->target_count, &walk->target_capacity,
              sizeof(*walk->targets), fault))
        return false;
    walk->targets[walk->target_count++] = *target;
    return true;
}

static bool follow(struct walk *walk, const struct address *address, unsigned depth,
                   enum store_resolution *resolution, struct fault *fault);

static bool follow_row(struct walk *walk, const struct row *row, unsigned depth,
                       enum store_resolution *resolution, struct fault *fault)
{
    bool is_too_many = false;
    *resolution = STORE_RESOLVED;
    if (row->target.account != 0 && row->is_disabled) {
        *resolution = STORE_DISABLED;
        return true;
    }
    if (row->target.account == 0) {
        if (!follow(walk, &row->target.far, depth + 1, resolution, fault))
            return false;
        if (*resolution != STORE_DOMAIN_IS_FAR)
            return true;
    }
    if (!add_target(walk, &row->target, &is_too_many, fault))
        return false;
    *resolution = is_too_many ? STORE_TOO_MANY : STORE_RESOLVED;
    return true;
}

/* All rows of one address: a target that nobody gets mail for does not spoil the others. */
static bool follow_rows(struct walk *walk, const struct rows *rows, unsigned depth,
                        enum store_resolution *resolution, struct fault *fault)
{
    enum store_resolution all = STORE_UNKNOWN;
    for (size_t i = 0; i < rows->count && all != STORE_TOO_MANY; i++) {
        enum store_resolution one;
        if (!follow_row(walk, &rows->items[i], depth, &one, fault))
            return false;
        if (one == STORE_TOO_MANY || one == STORE_RESOLVED ||
            (one == STORE_DISABLED && all != STORE_RESOLVED))
            all = one;
    }
    *resolution = all;
    return true;
}

static bool follow(struct walk *walk, const struct address *address, unsigned depth,
                   enum store_resolution *resolution, struct fault *fault)
{
    struct store_folded folded;
    int64_t domain;
    enum meeting meeting;
    struct fault syntax;
    if (!store_fold_address(address, &folded, &syntax)) {
        *resolution = STORE_DOMAIN_IS_FAR;
        if (syntax.kind == FAULT_TEMPORARY) {
            *fault = syntax;
            return false;
        }
        return true;
    }
    if (!store_domain_find(walk->db, store_folded_domain(&folded), &domain, fault))
        return false;
    if (domain == 0) {
        *resolution = STORE_DOMAIN_IS_FAR;
        return true;
    }
    __attribute__((cleanup(rows_clear))) struct rows rows = {0};
    struct bytes local = store_folded_local(&folded);
    if (!find_rows(walk->db, domain, &local, &rows, fault) ||
        !meet(walk, domain, local, &meeting, fault))
        return false;
    if (meeting == MEETING_AGAIN) {
        *resolution = STORE_RESOLVED;
        return true;
    }
    if (meeting != MEETING_FIRST || depth > STORE_ALIAS_DEPTH_MAX ||
        rows.count > STORE_ALIAS_TARGETS_MAX) {
        *resolution = STORE_TOO_MANY;
        return true;
    }
    size_t here = walk->visit_count - 1;
    if (!follow_rows(walk, &rows, depth, resolution, fault))
        return false;
    walk->visits[here].is_open = false;
    return true;
}

/* Hands over what was found; a walk that led nowhere gives no targets. */
static void settle(struct walk *walk, enum store_resolution resolution,
                   struct store_targets *targets)
{
    *targets = (struct store_targets){.resolution = resolution};
    if (resolution == STORE_RESOLVED) {
        targets->items = walk->targets;
        targets->count = walk->target_count;
        walk->targets = NULL;
    }
}

bool store_resolve(struct db *db, const struct address *address, struct store_targets *targets,
                   struct fault *fault)
{
    __attribute__((cleanup(walk_clear))) struct walk walk = {.db = db};
    enum store_resolution resolution;
    if (!follow(&walk, address, 0, &resolution, fault))
        return false;
    settle(&walk, resolution, targets);
    return true;
}

/* The default domain, or the one that was made first; empty when there is none. */
static bool read_default_domain(struct db *db, struct buffer *name, struct fault *fault)
{
    static const struct db_statement first = {
        "SELECT name FROM domain ORDER BY created, id LIMIT 1", NULL};
    AUTO(db_rows)
    rows = {0};
    bool is_found;
    if (!store_setting_get(db, STORE_SETTING_DEFAULT_DOMAIN, name, fault))
        return false;
    if (name->length > 0)
        return true;
    if (!db_query_one(db, &first, DB_NO_VALUES, &rows, &is_found, fault))
        return false;
    if (is_found)
        buffer_append(name, db_rows_bytes(&rows, 0));
    return true;
}

bool store_resolve_postmaster(struct db *db, struct store_targets *targets, struct fault *fault)
{
    AUTO(buffer)
    domain = BUFFER(DOMAIN_OCTETS_MAX);
    struct address address;
    if (!read_default_domain(db, &domain, fault))
        return false;
    if (buffer_is_failed(&domain))
        return fault_set_memory(fault);
    if (!address_make(BYTES("postmaster"), buffer_bytes(&domain), &address, NULL)) {
        *targets = (struct store_targets){.resolution = STORE_UNKNOWN};
        return true;
    }
    return store_resolve(db, &address, targets, fault);
}
