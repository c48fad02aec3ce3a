/* Asks the store and judges what it says; words of the verdicts; what a loop remembers. */
#include "delivery/route.h"

#include <stdlib.h>

/* An allocation that fails must come back as a table without the entry, not as exit(). */
#define HASH_NONFATAL_OOM                 1
#define uthash_nonfatal_oom(lost_element) ((lost_element)->is_lost = true)
#include <uthash.h>

const struct route_words *route_words_of(enum route_verdict verdict)
{
    static const struct route_words words[] = {
        [ROUTE_TAKEN] = {250, "2.1.5", "Recipient ok"},
        [ROUTE_UNKNOWN] = {550, "5.1.1", "Nobody has this address here"},
        [ROUTE_DISABLED] = {550, "5.2.1", "This mailbox takes no mail"},
        [ROUTE_FULL] = {552, "5.2.2", "The mailbox is full"},
        [ROUTE_LOOPS] = {550, "5.4.6", "The alias goes round in a circle or leads to too many"},
        [ROUTE_NO_RELAY] = {550, "5.7.1",
                            "Relay denied: no domain of ours, and nobody is logged in"},
        [ROUTE_NULL_SENDER_REFUSED] = {550, "5.7.1", "This address takes no bounces"},
    };
    return &words[verdict];
}

void route_answer_clear(struct route_answer *answer)
{
    store_targets_clear(&answer->targets);
    answer->verdict = ROUTE_TAKEN;
}

/* Of an address that leads somewhere; to a far one as well, when an alias forwards. */
static enum route_verdict judge_targets(const struct store_targets *targets)
{
    for (size_t i = 0; i < targets->count; i++)
        if (targets->items[i].is_full)
            return ROUTE_FULL;
    return targets->count == 0 ? ROUTE_UNKNOWN : ROUTE_TAKEN;
}

static enum route_verdict judge(const struct store_targets *targets, int64_t account)
{
    switch (targets->resolution) {
    case STORE_RESOLVED:
        return judge_targets(targets);
    case STORE_DOMAIN_IS_FAR:
        return account == 0 ? ROUTE_NO_RELAY : ROUTE_TAKEN;
    case STORE_UNKNOWN:
        return ROUTE_UNKNOWN;
    case STORE_DISABLED:
        return ROUTE_DISABLED;
    case STORE_TOO_MANY:
        return ROUTE_LOOPS;
    }
    return ROUTE_UNKNOWN;
}

/* The address itself is the one target. */
static bool add_far(const struct address *address, struct store_targets *targets,
                    struct fault *fault)
{
    targets->items = calloc(1, sizeof(*targets->items));
    if (targets->items == NULL)
        return fault_set_memory(fault);
    targets->items[0] = (struct store_target){.room = INT64_MAX, .far = *address};
    targets->count = 1;
    return true;
}

bool route_has_room(const struct route_answer *answer, uint64_t size)
{
    uint64_t needed = size == 0 ? 0 : size + ROUTE_TRACE_SIZE;
    for (size_t i = 0; i < answer->targets.count; i++)
        if ((uint64_t)answer->targets.items[i].room < needed)
            return false;
    return true;
}

bool route_find(struct db *reader, const struct route_question *question,
                struct route_answer *answer, struct fault *fault)
{
    struct store_targets targets = {0};
    struct address address;
    if (address_is_bare_postmaster(question->address)) {
        if (!store_resolve_postmaster(reader, &targets, fault))
            return false;
    } else {
        if (!address_parse(question->address, &address, fault) ||
            !store_resolve(reader, &address, &targets, fault))
            return false;
    }
    enum route_verdict verdict = judge(&targets, question->account);
    if (verdict != ROUTE_TAKEN)
        store_targets_clear(&targets);
    else if (targets.resolution == STORE_DOMAIN_IS_FAR && !add_far(&address, &targets, fault))
        return false;
    *answer = (struct route_answer){.verdict = verdict, .targets = targets};
    return true;
}

/* ---- what a loop remembers ---- */

/* Far targets are never kept, so this is all there is to one. */
struct route_target {
    int64_t account;
    int64_t mailbox;
    int64_t room;
};

struct route_entry {
    UT_hash_handle hh;
    int64_t end; /* when it is forgotten */
    bool is_lost;
    unsigned char target_count;
    struct route_target targets[]; /* at most ROUTE_MEMORY_TARGETS; the key stands behind them */
};

enum {
    /* account, local part, separator, domain */
    KEY_SIZE = sizeof(int64_t) + ADDRESS_TEXT_MAX + 1
};

struct route_memory {
    struct route_entry *entries; /* in the order in which they were kept, which is that of `end` */
    size_t count;
    struct store_target targets[ROUTE_MEMORY_TARGETS]; /* what the last answer shows */
    struct route_answer answer;
};

struct route_memory *route_memory_new(struct fault *fault)
{
    struct route_memory *memory = calloc(1, sizeof(*memory));
    if (memory == NULL)
        fault_set_memory(fault);
    return memory;
}

static void forget(struct route_memory *memory, struct route_entry *entry)
{
    HASH_DEL(memory->entries, entry);
    memory->count--;
    free(entry);
}

void route_memory_free(struct route_memory *memory)
{
    if (memory == NULL)
        return;
    while (memory->entries != NULL)
        forget(memory, memory->entries);
    free(memory);
}

/* Writes the question as a key: what differs in the case of ASCII letters is the same address here.
   0: it is too long to be one. */
static size_t write_key(const struct route_question *question, char key[KEY_SIZE])
{
    if (question->address.length > KEY_SIZE - sizeof(int64_t))
        return 0;
    memcpy(key, &question->account, sizeof(int64_t));
    char *end = key + sizeof(int64_t);
    for (size_t i = 0; i < question->address.length; i++)
        end[i] = bytes_lower_char(question->address.data[i]);
    return sizeof(int64_t) + question->address.length;
}

static void forget_old(struct route_memory *memory, int64_t now)
{
    while (memory->entries != NULL && memory->entries->end <= now)
        forget(memory, memory->entries);
}

static struct route_entry *find_entry(struct route_memory *memory, const char *key, size_t length)
{
    struct route_entry *entry = NULL;
    HASH_FIND(hh, memory->entries, key, length, entry);
    return entry;
}

bool route_memory_find(struct route_memory *memory, const struct route_question *question,
                       int64_t now, const struct route_answer **answer)
{
    forget_old(memory, now);
    char key[KEY_SIZE];
    size_t length = write_key(question, key);
    struct route_entry *entry = length == 0 ? NULL : find_entry(memory, key, length);
    if (entry == NULL)
        return false;
    for (size_t i = 0; i < entry->target_count; i++)
        memory->targets[i] = (struct store_target){.account = entry->targets[i].account,
                                                   .mailbox = entry->targets[i].mailbox,
                                                   .room = entry->targets[i].room};
    memory->answer = (struct route_answer){.verdict = ROUTE_TAKEN,
                                           .targets = {.resolution = STORE_RESOLVED,
                                                       .items = memory->targets,
                                                       .count = entry->target_count}};
    *answer = &memory->answer;
    return true;
}

static bool may_be_kept(const struct route_answer *answer)
{
    if (answer->verdict != ROUTE_TAKEN || answer->targets.count == 0 ||
        answer->targets.count > ROUTE_MEMORY_TARGETS)
        return false;
    for (size_t i = 0; i < answer->targets.count; i++)
        if (answer->targets.items[i].account == 0)
            return false;
    return true;
}

void route_memory_keep(struct route_memory *memory, const struct route_question *question,
                       const struct route_answer *answer, int64_t now)
{
    forget_old(memory, now);
    char key[KEY_SIZE];
    size_t length = write_key(question, key);
    if (length == 0 || !may_be_kept(answer))
        return;
    struct route_entry *old = find_entry(memory, key, length);
    if (old != NULL)
        forget(memory, old);
    if (memory->count >= ROUTE_MEMORY_ENTRIES)
        forget(memory, memory->entries);

    size_t count = answer->targets.count;
    size_t size = sizeof(struct route_entry) + count * sizeof(struct route_target);
    struct route_entry *entry = calloc(1, size + length);
    if (entry == NULL)
        return; /* it is looked up again, that is all */
    entry->end = now + ROUTE_MEMORY_TIME;
    entry->target_count = (unsigned char)count;
    for (size_t i = 0; i < count; i++)
        entry->targets[i] = (struct route_target){.account = answer->targets.items[i].account,
                                                  .mailbox = answer->targets.items[i].mailbox,
                                                  .room = answer->targets.items[i].room};
    char *kept_key = (char *)entry + size;
    memcpy(kept_key, key, length);
    HASH_ADD_KEYPTR(hh, memory->entries, kept_key, length, entry);
    if (entry->is_lost)
        free(entry);
    else
        memory->count++;
}
