/* What becomes of the links: dummies go, threads of one subject come together. */
#include <stdlib.h>

#include "imap/imap_sort.h"
#include "imap/imap_thread_inside.h"

/* ---- dummies (RFC 5256 3, REFERENCES (3)) ---- */

/* The node that a dummy's children come to stand under: the next message above it, else the topmost
   dummy. Found once, then remembered in `above`. */
static uint32_t find_above(const struct imap_thread_forest *forest, uint32_t dummy, uint32_t *above)
{
    uint32_t top = dummy;
    while (imap_thread_is_dummy(forest, top) && above[top] == IMAP_THREAD_NONE &&
           forest->parents[top] != IMAP_THREAD_NONE)
        top = forest->parents[top];
    uint32_t found =
        imap_thread_is_dummy(forest, top) && above[top] != IMAP_THREAD_NONE ? above[top] : top;
    for (uint32_t node = dummy; node != top; node = forest->parents[node])
        above[node] = found;
    return found;
}

static bool prune(struct imap_thread_forest *forest, struct fault *fault)
{
    size_t count = (size_t)forest->node_count + 1;
    uint32_t *above = calloc(count, sizeof *above);
    uint32_t *counts = calloc(count, sizeof *counts);
    if (above == NULL || counts == NULL) {
        free(above);
        free(counts);
        return fault_set_memory(fault);
    }
    for (uint32_t node = 1; node <= forest->message_count; node++) {
        uint32_t parent = forest->parents[node];
        if (parent != IMAP_THREAD_NONE && imap_thread_is_dummy(forest, parent))
            parent = find_above(forest, parent, above);
        /* Dummies have their parents until all are through. */
        forest->parents[node] = parent;
        counts[parent]++;
    }
    for (uint32_t node = 1; node <= forest->message_count; node++) {
        uint32_t parent = forest->parents[node];
        if (imap_thread_is_dummy(forest, parent) && counts[parent] == 1)
            forest->parents[node] = IMAP_THREAD_NONE;
    }
    for (uint32_t node = forest->message_count + 1; node <= forest->node_count; node++)
        forest->parents[node] = IMAP_THREAD_NONE;
    free(above);
    free(counts);
    return true;
}

/* ---- subjects (REFERENCES (5)) ---- */

/* (5) (B) (i) */
static const struct imap_thread_message *speaker(const struct imap_thread_forest *forest,
                                                 uint32_t node)
{
    if (imap_thread_is_dummy(forest, node))
        node = forest->first_children[node];
    return &forest->messages[node - 1];
}

/* A dummy is never a reply. */
static bool is_reply(const struct imap_thread_forest *forest, uint32_t node)
{
    return !imap_thread_is_dummy(forest, node) && forest->messages[node - 1].is_reply;
}

/* (5) (B) (iv): who stands for the subject. */
static uint32_t choose(const struct imap_thread_forest *forest, const uint32_t *roots,
                       const uint32_t *order, size_t count)
{
    uint32_t chosen = roots[order[0]];
    for (size_t i = 1; i < count; i++) {
        uint32_t node = roots[order[i]];
        if (!imap_thread_is_dummy(forest, chosen) &&
            (imap_thread_is_dummy(forest, node) ||
             (is_reply(forest, chosen) && !is_reply(forest, node))))
            chosen = node;
    }
    return chosen;
}

static void adopt_children(struct imap_thread_forest *forest, uint32_t from, uint32_t to)
{
    for (uint32_t child = forest->first_children[from]; child != IMAP_THREAD_NONE;
         child = forest->siblings[child])
        forest->parents[child] = to;
}

/* (5) (C) (iv), for the threads of one subject: the roots at `count` places of the order. */
static void merge(struct imap_thread_forest *forest, const uint32_t *roots, const uint32_t *order,
                  size_t count)
{
    uint32_t chosen = choose(forest, roots, order, count);
    for (size_t i = 0; i < count; i++) {
        uint32_t node = roots[order[i]];
        if (node == chosen)
            continue;
        if (imap_thread_is_dummy(forest, chosen)) {
            if (imap_thread_is_dummy(forest, node))
                adopt_children(forest, node, chosen);
            else
                forest->parents[node] = chosen;
        } else if (is_reply(forest, node) && !is_reply(forest, chosen)) {
            forest->parents[node] = chosen;
        } else {
            uint32_t dummy = ++forest->node_count;
            forest->parents[chosen] = dummy;
            forest->parents[node] = dummy;
            chosen = dummy;
        }
    }
}

static size_t count_roots(const struct imap_thread_forest *forest)
{
    size_t count = 0;
    for (uint32_t node = forest->first_root; node != IMAP_THREAD_NONE;
         node = forest->siblings[node])
        count++;
    return count;
}

/* The threads of each subject, which stand together in the order. */
static void merge_all(struct imap_thread_forest *forest, const uint32_t *roots,
                      const uint32_t *order, size_t count)
{
    for (size_t start = 0, end; start < count; start = end) {
        const struct imap_thread_message *first = speaker(forest, roots[order[start]]);
        for (end = start + 1;
             end < count && speaker(forest, roots[order[end]])->subject == first->subject;)
            end++;
        /* (5) (B) (ii) */
        if (first->has_subject && end - start > 1)
            merge(forest, roots, &order[start], end - start);
    }
}

static bool join_subjects(struct imap_thread_forest *forest, struct fault *fault)
{
    size_t count = count_roots(forest);
    uint32_t *roots = malloc((count + 1) * sizeof *roots);
    uint32_t *subjects = malloc((count + 1) * sizeof *subjects);
    uint32_t *order = malloc((count + 1) * sizeof *order);
    const struct imap_sort_criterion_ranks criterion = {subjects, forest->mailbox->subject_count,
                                                        false};
    bool is_done = roots != NULL && subjects != NULL && order != NULL;
    size_t place = 0;
    for (uint32_t node = forest->first_root; is_done && node != IMAP_THREAD_NONE;
         node = forest->siblings[node], place++) {
        roots[place] = node;
        subjects[place] = speaker(forest, node)->subject;
    }
    is_done = is_done ? imap_sort(&criterion, 1, order, count, fault) : fault_set_memory(fault);
    if (is_done)
        merge_all(forest, roots, order, count);
    free(roots);
    free(subjects);
    free(order);
    return is_done;
}

bool imap_thread_gather(struct imap_thread_forest *forest, struct fault *fault)
{
    if (!prune(forest, fault))
        return false;
    imap_thread_list(forest); /* (4) */
    if (!join_subjects(forest, fault))
        return false;
    imap_thread_list(forest); /* (6) */
    return true;
}
