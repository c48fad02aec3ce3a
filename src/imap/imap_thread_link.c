/* Who answers whom. Links are made and cut while the messages are gone through, and none may close
 * a circle: whether one would is asked of a forest of splay trees (Sleator and Tarjan's link-cut
 * trees), so that no chain of references, however long, costs more than its logarithm. */
#include <stdlib.h>

#include "imap/imap_thread_inside.h"

/* ---- ids to nodes ---- */

/* An id as it stands somewhere. */
struct mention {
    uint64_t hash;
    struct bytes id;
    uint32_t *node; /* where the number is to be put */
};

struct mentions {
    struct mention *items;
    size_t count;
    uint32_t *nodes; /* of all of them, message after message: its own id, its references */
};

static uint64_t hash_of(struct bytes id)
{
    uint64_t hash = UINT64_C(0x9e3779b97f4a7c15) ^ id.length;
    for (; id.length >= 8; id = bytes_skip(id, 8)) {
        uint64_t word;
        memcpy(&word, id.data, sizeof word);
        hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
        hash ^= hash >> 32;
    }
    for (size_t i = 0; i < id.length; i++)
        hash = (hash ^ (unsigned char)id.data[i]) * UINT64_C(0x100000001b3);
    hash = (hash ^ (hash >> 29)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return hash ^ (hash >> 32);
}

/* By hash first, which is quick; equal hashes of different ids cost no more than a comparison. */
static int compare_mentions(const void *one, const void *other)
{
    const struct mention *left = one;
    const struct mention *right = other;
    if (left->hash != right->hash)
        return left->hash < right->hash ? -1 : 1;
    int result = bytes_compare(left->id, right->id);
    if (result != 0)
        return result;
    /* In the order of the messages. */
    return (left->node > right->node) - (left->node < right->node);
}

static size_t count_mentions(const struct imap_thread_forest *forest)
{
    size_t count = 0;
    for (uint32_t i = 0; i < forest->message_count; i++)
        count += 1 + forest->messages[i].reference_count;
    return count;
}

static void collect(const struct imap_thread_forest *forest, struct mentions *mentions)
{
    uint32_t *node = mentions->nodes;
    for (uint32_t i = 0; i < forest->message_count; i++) {
        const struct imap_thread_message *message = &forest->messages[i];
        *node = i + 1;
        if (message->message_id.length > 0)
            mentions->items[mentions->count++] =
                (struct mention){hash_of(message->message_id), message->message_id, node};
        node++;
        for (size_t k = 0; k < message->reference_count; k++, node++)
            mentions->items[mentions->count++] =
                (struct mention){hash_of(message->references[k]), message->references[k], node};
    }
}

/* Every id gets the node of the first message that has it as its own (of several, the others have
   no id: RFC 5256 3), or a dummy. A place that has a number already is a message's own. */
static void number(struct imap_thread_forest *forest, const struct mentions *mentions)
{
    for (size_t start = 0, end; start < mentions->count; start = end) {
        const struct mention *items = mentions->items;
        uint32_t node = IMAP_THREAD_NONE;
        for (end = start; end < mentions->count && items[end].hash == items[start].hash &&
                          bytes_equal(items[end].id, items[start].id);
             end++) {
            if (node == IMAP_THREAD_NONE)
                node = *items[end].node;
        }
        if (node == IMAP_THREAD_NONE)
            node = ++forest->node_count;
        for (size_t i = start; i < end; i++) {
            if (*items[i].node == IMAP_THREAD_NONE)
                *items[i].node = node;
        }
    }
}

/* ---- circles ---- */

/* A node of a splay tree; the tree's root has the node above the path as `up`. */
struct splay {
    uint32_t up;
    uint32_t children[2]; /* nearer to the root, and farther from it */
};

static bool is_splay_root(const struct splay *trees, uint32_t node)
{
    uint32_t up = trees[node].up;
    return up == IMAP_THREAD_NONE ||
           (trees[up].children[0] != node && trees[up].children[1] != node);
}

static void rotate(struct splay *trees, uint32_t node)
{
    uint32_t up = trees[node].up;
    uint32_t above = trees[up].up;
    int side = trees[up].children[1] == node;
    uint32_t inner = trees[node].children[!side];
    if (!is_splay_root(trees, up))
        trees[above].children[trees[above].children[1] == up] = node;
    trees[up].children[side] = inner;
    if (inner != IMAP_THREAD_NONE)
        trees[inner].up = up;
    trees[node].children[!side] = up;
    trees[up].up = node;
    trees[node].up = above;
}

static void splay(struct splay *trees, uint32_t node)
{
    while (!is_splay_root(trees, node)) {
        uint32_t up = trees[node].up;
        uint32_t above = trees[up].up;
        if (!is_splay_root(trees, up)) {
            bool is_straight = (trees[up].children[1] == node) == (trees[above].children[1] == up);
            rotate(trees, is_straight ? up : node);
        }
        rotate(trees, node);
    }
}

/* Makes the way from the root to the node one path, with the node at the top of its tree. */
static void expose(struct splay *trees, uint32_t node)
{
    uint32_t below = IMAP_THREAD_NONE;
    for (uint32_t at = node; at != IMAP_THREAD_NONE; at = trees[at].up) {
        splay(trees, at);
        trees[at].children[1] = below;
        below = at;
    }
    splay(trees, node);
}

static uint32_t find_root(struct splay *trees, uint32_t node)
{
    expose(trees, node);
    while (trees[node].children[0] != IMAP_THREAD_NONE)
        node = trees[node].children[0];
    splay(trees, node);
    return node;
}

/* ---- links ---- */

struct linker {
    struct imap_thread_forest *forest;
    struct splay *trees;
    uint32_t *child_counts;
};

static void cut(struct linker *linker, uint32_t child)
{
    uint32_t *parent = &linker->forest->parents[child];
    if (*parent == IMAP_THREAD_NONE)
        return;
    expose(linker->trees, child);
    uint32_t nearer = linker->trees[child].children[0];
    linker->trees[nearer].up = IMAP_THREAD_NONE;
    linker->trees[child].children[0] = IMAP_THREAD_NONE;
    linker->child_counts[*parent]--;
    *parent = IMAP_THREAD_NONE;
}

/* The child has no parent: it closes a circle only where it is the root of what it is put below,
   and then it has children. */
static void link_nodes(struct linker *linker, uint32_t parent, uint32_t child)
{
    if (parent == child ||
        (linker->child_counts[child] > 0 && find_root(linker->trees, parent) == child))
        return;
    expose(linker->trees, child);
    linker->trees[child].up = parent;
    linker->forest->parents[child] = parent;
    linker->child_counts[parent]++;
}

static void link_message(struct linker *linker, uint32_t message, const uint32_t *references,
                         size_t count)
{
    /* (1) (A) */
    for (size_t i = 1; i < count; i++) {
        if (linker->forest->parents[references[i]] == IMAP_THREAD_NONE)
            link_nodes(linker, references[i - 1], references[i]);
    }
    /* (1) (B) */
    if (count > 0 && linker->forest->parents[message] == references[count - 1])
        return;
    cut(linker, message);
    if (count > 0)
        link_nodes(linker, references[count - 1], message);
}

static bool link_all(struct imap_thread_forest *forest, const uint32_t *nodes, struct fault *fault)
{
    size_t count = (size_t)forest->node_count + 1;
    struct linker linker = {.forest = forest,
                            .trees = calloc(count, sizeof *linker.trees),
                            .child_counts = calloc(count, sizeof *linker.child_counts)};
    forest->capacity = forest->node_count + forest->message_count;
    forest->parents = calloc((size_t)forest->capacity + 1, sizeof *forest->parents);
    bool has_memory =
        linker.trees != NULL && linker.child_counts != NULL && forest->parents != NULL;
    for (uint32_t i = 0; has_memory && i < forest->message_count; i++) {
        size_t references = forest->messages[i].reference_count;
        link_message(&linker, i + 1, nodes + 1, references);
        nodes += 1 + references;
    }
    free(linker.trees);
    free(linker.child_counts);
    return has_memory || fault_set_memory(fault);
}

bool imap_thread_link(struct imap_thread_forest *forest, struct fault *fault)
{
    size_t count = count_mentions(forest);
    if (count > UINT32_MAX / 2)
        return fault_set(fault, FAULT_LIMIT, "too many references");
    struct mentions mentions = {.items = malloc((count + 1) * sizeof *mentions.items),
                                .nodes = calloc(count + 1, sizeof *mentions.nodes)};
    forest->node_count = forest->message_count;
    bool is_linked = mentions.items != NULL && mentions.nodes != NULL;
    if (is_linked) {
        collect(forest, &mentions);
        qsort(mentions.items, mentions.count, sizeof *mentions.items, compare_mentions);
        number(forest, &mentions);
        is_linked = link_all(forest, mentions.nodes, fault);
    } else {
        fault_set_memory(fault);
    }
    free(mentions.items);
    free(mentions.nodes);
    return is_linked;
}
