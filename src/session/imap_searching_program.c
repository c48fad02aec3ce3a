/* Making the keys of a SEARCH ready. */
#include "session/imap_searching_program.h"

#include <stdlib.h>

#include "imap/imap_object_id.h"

enum {
    /* Bytes of nodes and sets: those of a command are bounded already. */
    ARENA_MAX = 16 * 1024 * 1024
};

#define MICROSECONDS INT64_C(1000000)

struct compiler {
    struct imap_searching_program *program;
    struct imap_selection *selection;
    struct bytes charset;
    int64_t now;
    struct fault *fault;
};

static enum imap_searching_level level_of(enum imap_search_kind kind)
{
    switch (kind) {
    case IMAP_SEARCH_LARGER:
    case IMAP_SEARCH_SMALLER:
    case IMAP_SEARCH_BEFORE:
    case IMAP_SEARCH_ON:
    case IMAP_SEARCH_SINCE:
    case IMAP_SEARCH_SAVEDBEFORE:
    case IMAP_SEARCH_SAVEDON:
    case IMAP_SEARCH_SAVEDSINCE:
    case IMAP_SEARCH_OLDER:
    case IMAP_SEARCH_YOUNGER:
    case IMAP_SEARCH_EMAILID:
        return IMAP_SEARCHING_ROW;
    case IMAP_SEARCH_FROM:
    case IMAP_SEARCH_TO:
    case IMAP_SEARCH_CC:
    case IMAP_SEARCH_BCC:
    case IMAP_SEARCH_SUBJECT:
    case IMAP_SEARCH_SENTBEFORE:
    case IMAP_SEARCH_SENTON:
    case IMAP_SEARCH_SENTSINCE:
        return IMAP_SEARCHING_ENVELOPE;
    case IMAP_SEARCH_HEADER:
        return IMAP_SEARCHING_HEADER;
    case IMAP_SEARCH_BODY:
    case IMAP_SEARCH_TEXT:
        return IMAP_SEARCHING_DATA;
    default:
        return IMAP_SEARCHING_VIEW;
    }
}

static bool has_needle(enum imap_search_kind kind)
{
    switch (kind) {
    case IMAP_SEARCH_FROM:
    case IMAP_SEARCH_TO:
    case IMAP_SEARCH_CC:
    case IMAP_SEARCH_BCC:
    case IMAP_SEARCH_SUBJECT:
    case IMAP_SEARCH_HEADER:
    case IMAP_SEARCH_BODY:
    case IMAP_SEARCH_TEXT:
        return true;
    default:
        return false;
    }
}

static bool add_needle(struct compiler *compiler, struct imap_searching_node *node,
                       struct bytes text)
{
    struct imap_searching_program *program = compiler->program;
    struct message_needle **larger =
        realloc(program->needles, (program->needle_count + 1) * sizeof *larger);
    if (larger == NULL)
        return fault_set_memory(compiler->fault);
    program->needles = larger;
    node->needle = message_needle_new(text, compiler->charset, compiler->fault);
    if (node->needle == NULL)
        return false;
    program->needles[program->needle_count++] = node->needle;
    return true;
}

static bool resolve(struct compiler *compiler, struct imap_searching_node *node,
                    const struct imap_sequence *sequence, bool is_uid)
{
    struct imap_range *ranges;
    if (!imap_selection_resolve(compiler->selection, sequence, is_uid, &compiler->program->arena,
                                &ranges, &node->range_count, compiler->fault))
        return false;
    node->ranges = ranges;
    return true;
}

/* RFC 9051 2.3.2: keywords are the same in any case. One that the mailbox does not have is on no
   message. */
static uint64_t keyword_bit(struct imap_selection *selection, struct bytes name)
{
    const struct store_keywords *keywords = &imap_selection_view(selection)->keywords;
    for (size_t i = 0; i < keywords->count; i++) {
        if (keywords->names[i].length > 0 && bytes_equal_ignoring_case(keywords->names[i], name))
            return UINT64_C(1) << (STORE_KEYWORD_FIRST + i);
    }
    return 0;
}

/* RFC 5032: seconds before now, which may lie before all time. */
static int64_t moment_before(int64_t now, uint64_t seconds)
{
    return seconds > (uint64_t)(INT64_MAX / MICROSECONDS) / 2
               ? INT64_MIN
               : now - (int64_t)seconds * MICROSECONDS;
}

static bool copy_name(struct compiler *compiler, struct imap_searching_node *node,
                      struct bytes name)
{
    char *copy = arena_copy_string(&compiler->program->arena, name);
    if (copy == NULL)
        return fault_set_memory(compiler->fault);
    node->name = bytes_of(copy, name.length);
    return true;
}

static bool fill(struct compiler *compiler, struct imap_searching_node *node,
                 const struct imap_search_key *key)
{
    node->bits = key->flags;
    node->number = key->number;
    node->day = key->day;
    if (has_needle(key->kind) && !add_needle(compiler, node, key->text))
        return false;
    switch (key->kind) {
    case IMAP_SEARCH_SEQUENCE:
        return resolve(compiler, node, &key->sequence, false);
    case IMAP_SEARCH_UIDS:
        return resolve(compiler, node, &key->sequence, true);
    case IMAP_SEARCH_KEYWORD:
    case IMAP_SEARCH_NO_KEYWORD:
        node->bits = keyword_bit(compiler->selection, key->text);
        return true;
    case IMAP_SEARCH_OLDER:
    case IMAP_SEARCH_YOUNGER:
        node->moment = moment_before(compiler->now, key->number);
        return true;
    case IMAP_SEARCH_EMAILID:
        /* No body has the id 0. */
        if (!imap_object_id_read(key->text, 'M', &node->moment))
            node->moment = 0;
        return true;
    case IMAP_SEARCH_HEADER:
        return copy_name(compiler, node, key->name);
    default:
        return true;
    }
}

/* Cheap ones first; among equals as the client wrote them. */
static void insert(struct imap_searching_node **list, struct imap_searching_node *node)
{
    while (*list != NULL && (*list)->level <= node->level)
        list = &(*list)->next;
    node->next = *list;
    *list = node;
}

static struct imap_searching_node *compile(struct compiler *compiler,
                                           const struct imap_search_key *key)
{
    struct imap_searching_program *program = compiler->program;
    struct imap_searching_node *node = arena_allocate(&program->arena, sizeof *node);
    if (node == NULL) {
        fault_set_memory(compiler->fault);
        return NULL;
    }
    node->kind = key->kind;
    node->level = level_of(key->kind);
    if (!fill(compiler, node, key))
        return NULL;
    for (const struct imap_search_key *child = key->children; child != NULL; child = child->next) {
        struct imap_searching_node *made = compile(compiler, child);
        if (made == NULL)
            return NULL;
        if (made->level > node->level)
            node->level = made->level;
        insert(&node->children, made);
    }
    if (key->children == NULL)
        program->has_level[node->level] = true;
    return node;
}

static void fill_wants(struct imap_searching_program *program)
{
    static const unsigned wants[IMAP_SEARCHING_LEVELS] = {
        [IMAP_SEARCHING_ENVELOPE] = STORE_FETCH_ENVELOPE,
        [IMAP_SEARCHING_HEADER] = STORE_FETCH_HEADER,
        [IMAP_SEARCHING_DATA] = STORE_FETCH_STRUCTURE | STORE_FETCH_DATA,
    };
    unsigned all = 0;
    for (unsigned level = 0; level < IMAP_SEARCHING_LEVELS; level++) {
        if (program->has_level[level])
            all |= wants[level];
        program->wants[level] = all;
    }
}

struct imap_searching_program *imap_searching_program_new(struct imap_selection *selection,
                                                          const struct imap_search *search,
                                                          int64_t now, struct fault *fault)
{
    if (search->charset.data != NULL && !message_text_knows_charset(search->charset)) {
        fault_set(fault, FAULT_DENIED, "unknown charset");
        return NULL;
    }
    struct imap_searching_program *program = calloc(1, sizeof *program);
    if (program == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    struct compiler compiler = {program, selection, search->charset, now, fault};
    arena_init(&program->arena, ARENA_MAX);
    program->root = compile(&compiler, search->root);
    if (program->root == NULL) {
        imap_searching_program_free(program);
        return NULL;
    }
    fill_wants(program);
    return program;
}

void imap_searching_program_free(struct imap_searching_program *program)
{
    if (program == NULL)
        return;
    for (size_t i = 0; i < program->needle_count; i++)
        message_needle_free(program->needles[i]);
    free(program->needles);
    arena_clear(&program->arena);
    free(program);
}
