/* The keywords of a mailbox: names of bits in message.flags, in any case of letters. */
#include <stdlib.h>
#include <string.h>

#include "db/db.h"
#include "store/store_mailboxes.h"

void store_keywords_clear(struct store_keywords *keywords)
{
    if (keywords == NULL)
        return;
    free(keywords->memory);
    *keywords = (struct store_keywords){0};
}

/* Lengths first, while the text may still move. */
static bool take_names(struct store_keywords *keywords, const struct buffer *text,
                       struct fault *fault)
{
    if (keywords->count == 0)
        return true;
    keywords->memory = malloc(text->length + 1);
    if (keywords->memory == NULL)
        return fault_set_memory(fault);
    memcpy(keywords->memory, buffer_bytes(text).data, text->length);
    return true;
}

bool store_keywords_read(struct db *db, int64_t mailbox, struct store_keywords *keywords,
                         struct fault *fault)
{
    static const struct db_statement read = {
        "SELECT bit, name FROM keyword WHERE mailbox = $1 ORDER BY bit", NULL};
    struct store_keywords made = {0};
    size_t starts[STORE_KEYWORDS_MAX];
    AUTO(buffer)
    text = BUFFER(STORE_KEYWORDS_MAX * STORE_KEYWORD_NAME_MAX);
    AUTO(db_rows)
    rows = {0};
    if (!db_query(db, &read, DB_VALUES(db_number(mailbox)), &rows, fault))
        return false;
    while (db_rows_next(&rows)) {
        int64_t bit = db_rows_number(&rows, 0) - STORE_KEYWORD_FIRST;
        struct bytes name = bytes_slice(db_rows_bytes(&rows, 1), 0, STORE_KEYWORD_NAME_MAX);
        if (bit < 0 || bit >= STORE_KEYWORDS_MAX)
            continue;
        starts[bit] = text.length;
        made.names[bit].length = name.length;
        made.count = (size_t)bit + 1;
        buffer_append(&text, name);
    }
    if (!db_rows_finish(&rows, fault))
        return false;
    if (buffer_is_failed(&text))
        return fault_set_memory(fault);
    if (!take_names(&made, &text, fault))
        return false;
    for (size_t i = 0; i < made.count; i++)
        if (made.names[i].length > 0)
            made.names[i].data = made.memory + starts[i];
    *keywords = made;
    return true;
}

/* ---- making ---- */

/* The keywords as they stand while names are added to them. */
struct making {
    struct db *db;
    int64_t mailbox;
    struct store_keywords known;
    struct bytes added[STORE_KEYWORDS_MAX]; /* by bit */
    uint64_t wanted;                        /* bits of the names so far: nobody takes them over */
    bool knows_used;
    uint64_t used; /* bits that some message has, once it was asked */
    bool is_changed;
};

static struct bytes name_of(const struct making *making, size_t index)
{
    return making->added[index].length > 0 ? making->added[index] : making->known.names[index];
}

static uint64_t bit_of(size_t index)
{
    return (uint64_t)1 << (STORE_KEYWORD_FIRST + index);
}

static bool find_name(const struct making *making, struct bytes name, size_t *index)
{
    for (size_t i = 0; i < STORE_KEYWORDS_MAX; i++) {
        if (bytes_equal_ignoring_case(name_of(making, i), name)) {
            *index = i;
            return true;
        }
    }
    return false;
}

/* Messages have few different sets of flags, however many they are. */
static bool read_used(struct making *making, struct fault *fault)
{
    static const struct db_statement read = {
        "SELECT DISTINCT flags FROM message WHERE mailbox = $1", NULL};
    AUTO(db_rows)
    rows = {0};
    if (making->knows_used)
        return true;
    if (!db_query(making->db, &read, DB_VALUES(db_number(making->mailbox)), &rows, fault))
        return false;
    while (db_rows_next(&rows))
        making->used |= (uint64_t)db_rows_number(&rows, 0);
    making->knows_used = true;
    return db_rows_finish(&rows, fault);
}

/* A bit without a name, or whose name no message has. */
static bool find_room(struct making *making, size_t *index, struct fault *fault)
{
    for (size_t i = 0; i < STORE_KEYWORDS_MAX; i++) {
        if (name_of(making, i).length == 0) {
            *index = i;
            return true;
        }
    }
    if (!read_used(making, fault))
        return false;
    for (size_t i = 0; i < STORE_KEYWORDS_MAX; i++) {
        if (((making->used | making->wanted) & bit_of(i)) == 0) {
            *index = i;
            return true;
        }
    }
    return fault_set(fault, FAULT_LIMIT, "a mailbox has at most %d keywords", STORE_KEYWORDS_MAX);
}

static bool make_name(struct making *making, struct bytes name, size_t *index, struct fault *fault)
{
    static const struct db_statement write = {
        "INSERT INTO keyword(mailbox, bit, name) VALUES($1, $2, $3) "
        "ON CONFLICT (mailbox, bit) DO UPDATE SET name = excluded.name",
        NULL};
    if (name.length == 0 || name.length > STORE_KEYWORD_NAME_MAX)
        return fault_set(fault, FAULT_LIMIT, "a keyword has 1 to %d bytes", STORE_KEYWORD_NAME_MAX);
    if (!find_room(making, index, fault) ||
        !db_send(making->db, &write,
                 DB_VALUES(db_number(making->mailbox),
                           db_number(STORE_KEYWORD_FIRST + (int64_t)*index), db_text(name)),
                 fault))
        return false;
    making->added[*index] = name;
    making->is_changed = true;
    return true;
}

bool store_keywords_make(struct db *db, int64_t mailbox, const struct bytes *names, size_t count,
                         uint64_t *bits, bool *is_changed, struct fault *fault)
{
    struct making making = {.db = db, .mailbox = mailbox};
    bool is_done = count == 0 || store_keywords_read(db, mailbox, &making.known, fault);
    /* Those that are there first, so that none of them is taken over for another. */
    for (size_t i = 0; is_done && i < count; i++) {
        size_t index;
        if (find_name(&making, names[i], &index))
            making.wanted |= bit_of(index);
    }
    for (size_t i = 0; is_done && i < count; i++) {
        size_t index;
        is_done =
            find_name(&making, names[i], &index) || make_name(&making, names[i], &index, fault);
        if (is_done)
            making.wanted |= bit_of(index);
    }
    store_keywords_clear(&making.known);
    if (!is_done)
        return false;
    *bits = making.wanted;
    *is_changed = making.is_changed;
    return true;
}
