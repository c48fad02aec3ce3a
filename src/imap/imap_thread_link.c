/* Who answers whom. Links are made and cut while the messages are gone through, and none may close
 * a circle: whether one would is asked of a forest of splay trees (Sleator and Tarjan's link-cut
 * trees), so that no chain of references, however long, costs more than its logarithm. */
#include <stdlib.h>

#include "imap/imap_thread_inside.h"

/* ---- ids to nodes ---- */

/* Every id gets the node of the first message that has it as its own (of several, the others have
   no id: RFC 5256 3), or a dummy. NULL: memory. */
static uint32_t *number(struct imap_thread_forest *forest, struct fault *fault)
{
    uint32_t *nodes = calloc((size_t)forest->mailbox->id_count + 1, sizeof *nodes);
    if (nodes == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    for (uint32_t i = 0; i < forest->message_count; i++) {
        uint32_t id = forest->messages[i].id;
        if (id != IMAP_THREAD_NO_ID && nodes[id] == IMAP_THREAD_NONE)
            nodes[id] = i + 1;
    }
    forest->node_count = forest->message_count;
    for (uint32_t i = 0; i < forest->message_count; i++) {
        const struct imap_thread_message *message = &forest->messages[i];
        for (size_t k = 0; k < message->reference_count; k++) {
            uint32_t *node = &nodes[message->references[k]];
            if (*node == IMAP_THREAD_NONE)
                *node = ++forest->node_count;
        }
    }
    return nodes;
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
    const uint32_t *nodes; /* by id */
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

static void link_message(struct linker *linker, uint32_t node,
                         const struct imap_thread_message *message)
{
    uint32_t parent = IMAP_THREAD_NONE;
    /* (1) (A) */
    for (size_t i = 0; i < message->reference_count; i++) {
        uint32_t child = linker->nodes[message->references[i]];
        if (i > 0 && linker->forest->parents[child] == IMAP_THREAD_NONE)
            link_nodes(linker, parent, child);
        parent = child;
    }
    /* (1) (B) */
    if (parent != IMAP_THREAD_NONE && linker->forest->parents[node] == parent)
        return;
    cut(linker, node);
    if (parent != IMAP_THREAD_NONE)
        link_nodes(linker, parent, node);
}

static bool link_all(struct imap_thread_forest *forest, const uint32_t *nodes, struct fault *fault)
{
    size_t count = (size_t)forest->node_count + 1;
    struct linker linker = {.forest = forest,
                            .nodes = nodes,
                            .trees = calloc(count, sizeof *linker.trees),
                            .child_counts = calloc(count, sizeof *linker.child_counts)};
    forest->capacity = forest->node_count + forest->message_count;
    forest->parents = calloc((size_t)forest->capacity + 1, sizeof *forest->parents);
    bool has_memory =
        linker.trees != NULL && linker.child_counts != NULL && forest->parents != NULL;
    for (uint32_t i = 0; has_memory && i < forest->message_count; i++)
        link_message(&linker, i + 1, &forest->messages[i]);
    free(linker.trees);
    free(linker.child_counts);
    return has_memory || fault_set_memory(fault);
}

bool imap_thread_link(struct imap_thread_forest *forest, struct fault *fault)
{
    uint32_t *nodes = number(forest, fault);
    bool is_linked = nodes != NULL && link_all(forest, nodes, fault);
    free(nodes);
    return is_linked;
}
