/* Threads by subject, and the answer written. */
#include "imap/imap_thread.h"

#include <stdlib.h>

#include "imap/imap_sort.h"
#include "imap/imap_thread_inside.h"
#include "imap/imap_write.h"

/* ---- order ---- */

/* The nodes of the messages by date, or by subject and then by date. NULL: memory. RFC 5256 2.2:
   equal dates, then the order of the mailbox. */
static uint32_t *order(const struct imap_thread_mailbox *mailbox, bool by_subject,
                       struct fault *fault)
{
    size_t count = mailbox->count;
    uint32_t *nodes = malloc((count + 1) * sizeof *nodes);
    uint32_t *subjects = malloc((count + 1) * sizeof *subjects);
    uint32_t *dates = malloc((count + 1) * sizeof *dates);
    const struct imap_sort_criterion_ranks criteria[] = {{subjects, mailbox->subject_count, false},
                                                         {dates, mailbox->sent_count, false}};
    bool is_done = nodes != NULL && subjects != NULL && dates != NULL;
    for (size_t i = 0; is_done && i < count; i++) {
        subjects[i] = mailbox->messages[i].subject;
        dates[i] = mailbox->messages[i].sent;
    }
    is_done = is_done ? imap_sort(by_subject ? criteria : &criteria[1], by_subject ? 2 : 1, nodes,
                                  count, fault)
                      : fault_set_memory(fault);
    free(subjects);
    free(dates);
    for (size_t i = 0; is_done && i < count; i++)
        nodes[i]++;
    if (is_done)
        return nodes;
    free(nodes);
    return NULL;
}

static void append_root(struct imap_thread_forest *forest, uint32_t node)
{
    if (forest->first_root == IMAP_THREAD_NONE)
        forest->first_root = node;
    else
        forest->siblings[forest->last_root] = node;
    forest->last_root = node;
}

static void append_child(struct imap_thread_forest *forest, uint32_t parent, uint32_t node)
{
    if (forest->first_children[parent] == IMAP_THREAD_NONE)
        forest->first_children[parent] = node;
    else
        forest->siblings[forest->last_children[parent]] = node;
    forest->last_children[parent] = node;
}

void imap_thread_list(struct imap_thread_forest *forest)
{
    size_t size = ((size_t)forest->capacity + 1) * sizeof(uint32_t);
    memset(forest->first_children, 0, size);
    memset(forest->last_children, 0, size);
    memset(forest->siblings, 0, size);
    forest->first_root = IMAP_THREAD_NONE;
    for (uint32_t i = 0; i < forest->message_count; i++) {
        uint32_t node = forest->by_date[i];
        uint32_t parent = forest->parents[node];
        if (parent == IMAP_THREAD_NONE) {
            append_root(forest, node);
            continue;
        }
        if (imap_thread_is_dummy(forest, parent) &&
            forest->first_children[parent] == IMAP_THREAD_NONE)
            append_root(forest, parent);
        append_child(forest, parent, node);
    }
}

/* ---- ORDEREDSUBJECT ---- */

/* The first of a subject is the parent of the others of it. */
static bool group_subjects(struct imap_thread_forest *forest, struct fault *fault)
{
    const struct imap_thread_message *messages = forest->messages;
    forest->parents = calloc((size_t)forest->message_count + 1, sizeof *forest->parents);
    if (forest->parents == NULL)
        return fault_set_memory(fault);
    uint32_t *nodes = order(forest->mailbox, true, fault);
    if (nodes == NULL)
        return false;
    uint32_t first = IMAP_THREAD_NONE;
    for (uint32_t i = 0; i < forest->message_count; i++) {
        uint32_t node = nodes[i];
        if (first != IMAP_THREAD_NONE && messages[first - 1].subject == messages[node - 1].subject)
            forest->parents[node] = first;
        else
            first = node;
    }
    free(nodes);
    forest->node_count = forest->message_count;
    forest->capacity = forest->message_count;
    return true;
}

/* ---- the answer (RFC 5256 4, 5) ---- */

static void write_name(const struct imap_thread_forest *forest, uint32_t node, struct buffer *out)
{
    if (!imap_thread_is_dummy(forest, node))
        imap_write_number(out, forest->messages[node - 1].name);
}

/* Down to the first message without children. */
static uint32_t write_down(const struct imap_thread_forest *forest, uint32_t node,
                           struct buffer *out)
{
    for (;;) {
        uint32_t child = forest->first_children[node];
        write_name(forest, node, out);
        if (child == IMAP_THREAD_NONE)
            return node;
        if (!imap_thread_is_dummy(forest, node))
            buffer_append_char(out, ' ');
        if (forest->siblings[child] != IMAP_THREAD_NONE)
            buffer_append_char(out, '(');
        node = child;
    }
}

/* Up to the next message that has not been written; NONE: the thread is whole. */
static uint32_t write_up(const struct imap_thread_forest *forest, uint32_t node, uint32_t root,
                         struct buffer *out)
{
    while (node != root) {
        uint32_t parent = forest->parents[node];
        uint32_t sibling = forest->siblings[node];
        if (sibling != IMAP_THREAD_NONE) {
            buffer_append_string(out, ")(");
            return sibling;
        }
        if (forest->first_children[parent] != node)
            buffer_append_char(out, ')');
        node = parent;
    }
    return IMAP_THREAD_NONE;
}

static void write_thread(const struct imap_thread_forest *forest, uint32_t root, struct buffer *out)
{
    buffer_append_char(out, '(');
    for (uint32_t node = root; node != IMAP_THREAD_NONE;) {
        node = write_down(forest, node, out);
        node = write_up(forest, node, root, out);
    }
    buffer_append_char(out, ')');
}

static bool make_lists(struct imap_thread_forest *forest, struct fault *fault)
{
    size_t count = (size_t)forest->capacity + 1;
    forest->first_children = calloc(count, sizeof *forest->first_children);
    forest->last_children = calloc(count, sizeof *forest->last_children);
    forest->siblings = calloc(count, sizeof *forest->siblings);
    if (forest->first_children == NULL || forest->last_children == NULL || forest->siblings == NULL)
        return fault_set_memory(fault);
    forest->by_date = order(forest->mailbox, false, fault);
    return forest->by_date != NULL;
}

static bool make_threads(enum imap_thread_algorithm algorithm, struct imap_thread_forest *forest,
                         struct fault *fault)
{
    if (algorithm == IMAP_THREAD_REFERENCES)
        return imap_thread_link(forest, fault) && make_lists(forest, fault) &&
               imap_thread_gather(forest, fault);
    if (!group_subjects(forest, fault) || !make_lists(forest, fault))
        return false;
    imap_thread_list(forest);
    return true;
}

bool imap_thread(enum imap_thread_algorithm algorithm, const struct imap_thread_mailbox *mailbox,
                 struct buffer *out, struct fault *fault)
{
    if (mailbox->count > UINT32_MAX / 8)
        return fault_set(fault, FAULT_LIMIT, "too many messages to thread");
    struct imap_thread_forest forest = {.mailbox = mailbox,
                                        .messages = mailbox->messages,
                                        .message_count = (uint32_t)mailbox->count};
    bool is_made = make_threads(algorithm, &forest, fault);
    for (uint32_t root = is_made ? forest.first_root : IMAP_THREAD_NONE; root != IMAP_THREAD_NONE;
         root = forest.siblings[root])
        write_thread(&forest, root, out);
    free(forest.parents);
    free(forest.first_children);
    free(forest.last_children);
    free(forest.siblings);
    free(forest.by_date);
    return is_made && (!buffer_is_failed(out) || fault_set_memory(fault));
}
