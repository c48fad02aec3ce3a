/* Threads: the examples of RFC 5256, and random mailboxes against its text followed word by word.
 */
#include "imap/imap_thread.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/auto.h"
#include "imap/imap_column.h"
#include "failing_allocation.h"
#include "unit.h"

enum {
    TEXT_MAX = 64 * 1024 * 1024,
    MESSAGES_MAX = 12,
    REFERENCES_MAX = 5
};

/* A message in words. */
struct letter_in_words {
    int64_t sent;
    struct bytes subject;
    bool is_reply;
    struct bytes message_id; /* empty = none */
    const struct bytes *references;
    size_t reference_count;
};

/* The same in ranks. */
struct ranked {
    struct imap_column *dates;
    struct imap_column *subjects;
    struct imap_column *ids;
    struct imap_thread_message *messages;
    struct imap_thread_mailbox mailbox;
};

static struct imap_column *join(struct imap_column_draft *draft)
{
    struct fault fault;
    struct imap_column *column = imap_column_join(NULL, draft, &fault);
    assert_non_null(column);
    imap_column_draft_clear(draft);
    return column;
}

static void fill_columns(struct ranked *ranked, const struct letter_in_words *letters, size_t count)
{
    struct imap_column_draft dates = IMAP_COLUMN_DRAFT(IMAP_COLUMN_TEXTS, TEXT_MAX);
    struct imap_column_draft subjects = IMAP_COLUMN_DRAFT(IMAP_COLUMN_TEXTS, TEXT_MAX);
    struct imap_column_draft ids = IMAP_COLUMN_DRAFT(IMAP_COLUMN_IDS, TEXT_MAX);
    for (size_t i = 0; i < count; i++) {
        uint32_t uid = (uint32_t)i + 1;
        assert_true(imap_column_draft_begin(&dates, uid));
        assert_true(imap_column_draft_add_number(&dates, letters[i].sent));
        assert_true(imap_column_draft_begin(&subjects, uid));
        assert_true(imap_column_draft_add(&subjects, letters[i].subject, false));
        assert_true(imap_column_draft_begin(&ids, uid));
        assert_true(imap_column_draft_add(&ids, letters[i].message_id, false));
        for (size_t k = 0; k < letters[i].reference_count; k++)
            assert_true(imap_column_draft_add(&ids, letters[i].references[k], false));
    }
    ranked->dates = join(&dates);
    ranked->subjects = join(&subjects);
    ranked->ids = join(&ids);
}

static void rank(struct ranked *ranked, const struct letter_in_words *letters, size_t count)
{
    fill_columns(ranked, letters, count);
    ranked->messages = calloc(count + 1, sizeof *ranked->messages);
    for (size_t i = 0; i < count; i++) {
        size_t values;
        const uint32_t *ids = imap_column_ranks(ranked->ids, i, &values);
        bool has_id = letters[i].message_id.length > 0;
        ranked->messages[i] =
            (struct imap_thread_message){.name = (uint32_t)i + 1,
                                         .sent = ranked->dates->ranks[i],
                                         .subject = ranked->subjects->ranks[i],
                                         .has_subject = letters[i].subject.length > 0,
                                         .is_reply = letters[i].is_reply,
                                         .id = has_id ? ids[0] : IMAP_THREAD_NO_ID,
                                         .references = ids + 1,
                                         .reference_count = values - 1};
    }
    ranked->mailbox = (struct imap_thread_mailbox){.messages = ranked->messages,
                                                   .count = count,
                                                   .sent_count = ranked->dates->value_count,
                                                   .subject_count = ranked->subjects->value_count,
                                                   .id_count = ranked->ids->value_count};
}

static void ranked_clear(struct ranked *ranked)
{
    imap_column_free(ranked->dates);
    imap_column_free(ranked->subjects);
    imap_column_free(ranked->ids);
    free(ranked->messages);
}

static void thread(enum imap_thread_algorithm algorithm, const struct letter_in_words *letters,
                   size_t count, struct buffer *out)
{
    struct fault fault;
    struct ranked ranked;
    rank(&ranked, letters, count);
    buffer_reset(out);
    assert_true(imap_thread(algorithm, &ranked.mailbox, out, &fault));
    ranked_clear(&ranked);
}

/* ---- cases ---- */

/* "id<ref ref|subject@date": a subject in capitals is a reply's. Numbers from 1. */
struct letter {
    const char *id;
    const char *references; /* with blanks between them */
    const char *subject;
    bool is_reply;
    int64_t sent;
};

struct box {
    struct letter_in_words messages[MESSAGES_MAX];
    struct bytes references[MESSAGES_MAX][REFERENCES_MAX];
    size_t count;
};

static void fill(struct box *box, const struct letter *letters, size_t count)
{
    box->count = count;
    for (size_t i = 0; i < count; i++) {
        struct bytes rest = bytes_from_string(letters[i].references);
        size_t references = 0;
        while (rest.length > 0)
            bytes_split(rest, ' ', &box->references[i][references++], &rest);
        box->messages[i] =
            (struct letter_in_words){.sent = letters[i].sent,
                                     .subject = bytes_from_string(letters[i].subject),
                                     .is_reply = letters[i].is_reply,
                                     .message_id = bytes_from_string(letters[i].id),
                                     .references = box->references[i],
                                     .reference_count = references};
    }
}

static void check(enum imap_thread_algorithm algorithm, const struct letter *letters, size_t count,
                  const char *expected)
{
    struct box box;
    AUTO(buffer)
    out = BUFFER(TEXT_MAX);
    fill(&box, letters, count);
    thread(algorithm, box.messages, box.count, &out);
    if (!bytes_equal(buffer_bytes(&out), bytes_from_string(expected)))
        fail_msg("%.*s, not %s", BYTES_FORMAT(buffer_bytes(&out)), expected);
}

#define CHECK(algorithm, letters, expected)                                                        \
    check(algorithm, letters, sizeof(letters) / sizeof(letters)[0], expected)

static void nothing(void **state)
{
    (void)state;
    AUTO(buffer)
    out = BUFFER(TEXT_MAX);
    thread(IMAP_THREAD_REFERENCES, NULL, 0, &out);
    assert_bytes(buffer_bytes(&out), "");
    thread(IMAP_THREAD_ORDEREDSUBJECT, NULL, 0, &out);
    assert_bytes(buffer_bytes(&out), "");
}

/* RFC 5256 4: the shape "(2)(3 6 (4 23)(44 7 96))", with names of its own order. */
static void shape(void **state)
{
    (void)state;
    static const struct letter letters[] = {
        {"two", "", "x", false, 1},       {"three", "", "y", false, 2},
        {"six", "three", "y", true, 3},   {"four", "three six", "y", true, 4},
        {"23", "six four", "y", true, 5}, {"44", "six", "y", true, 6},
        {"7", "44", "y", true, 7},        {"96", "44 7", "y", true, 8},
    };
    CHECK(IMAP_THREAD_REFERENCES, letters, "(1)(2 3 (4 5)(6 7 8))");
}

/* RFC 5256 4, the last example: "((3)(5))", where the parent is not in the mailbox. */
static void missing_parent(void **state)
{
    (void)state;
    static const struct letter letters[] = {
        {"a", "gone", "x", true, 2},
        {"b", "gone", "x", true, 1},
        {"c", "other gone2", "z", true, 3},
    };
    CHECK(IMAP_THREAD_REFERENCES, letters, "((2)(1))(3)");
}

static void circles(void **state)
{
    (void)state;
    static const struct letter itself[] = {{"a", "a", "", false, 1}};
    static const struct letter pair[] = {{"a", "b", "", false, 1}, {"b", "a", "", false, 2}};
    static const struct letter three[] = {
        {"a", "c", "", false, 1}, {"b", "a", "", false, 2}, {"c", "b", "", false, 3}};
    static const struct letter within[] = {{"a", "x y x y x", "", false, 1},
                                           {"b", "y x", "", false, 2}};
    CHECK(IMAP_THREAD_REFERENCES, itself, "(1)");
    CHECK(IMAP_THREAD_REFERENCES, pair, "(2 1)");
    CHECK(IMAP_THREAD_REFERENCES, three, "(3 1 2)");
    CHECK(IMAP_THREAD_REFERENCES, within, "((1)(2))");
}

static void same_ids(void **state)
{
    (void)state;
    static const struct letter letters[] = {{"a", "", "", false, 1},
                                            {"a", "", "", false, 2},
                                            {"", "", "", false, 3},
                                            {"", "a", "", false, 4},
                                            {"c", "a", "", false, 5}};
    CHECK(IMAP_THREAD_REFERENCES, letters, "(1 (4)(5))(2)(3)");
}

/* RFC 5256 3, REFERENCES (5) */
static void subjects_come_together(void **state)
{
    (void)state;
    static const struct letter reply_first[] = {{"a", "", "x", true, 1}, {"b", "", "x", false, 2}};
    static const struct letter two_alike[] = {{"a", "", "x", false, 1}, {"b", "", "x", false, 2}};
    static const struct letter two_replies[] = {{"a", "", "x", true, 1}, {"b", "", "x", true, 2}};
    static const struct letter to_dummy[] = {{"a", "gone", "x", true, 1},
                                             {"b", "gone", "x", true, 2},
                                             {"c", "", "x", false, 3},
                                             {"d", "lost", "x", true, 4},
                                             {"e", "lost", "x", true, 5}};
    static const struct letter no_subject[] = {{"a", "", "", false, 1}, {"b", "", "", true, 2}};
    CHECK(IMAP_THREAD_REFERENCES, reply_first, "(2 1)");
    CHECK(IMAP_THREAD_REFERENCES, two_alike, "((1)(2))");
    CHECK(IMAP_THREAD_REFERENCES, two_replies, "((1)(2))");
    CHECK(IMAP_THREAD_REFERENCES, to_dummy, "((1)(2)(3)(4)(5))");
    CHECK(IMAP_THREAD_REFERENCES, no_subject, "(1)(2)");
}

static void by_subject(void **state)
{
    (void)state;
    static const struct letter letters[] = {
        {"", "", "b", false, 5}, {"", "", "a", false, 9}, {"", "", "b", true, 3},
        {"", "", "c", true, 3},  {"", "", "b", true, 7},  {"", "", "a", true, 10},
    };
    CHECK(IMAP_THREAD_ORDEREDSUBJECT, letters, "(3 (1)(5))(4)(2 6)");
}

/* ---- word by word ---- */

enum {
    NODES_MAX = 200
};

struct node {
    int message; /* -1: a dummy */
    int parent;
    int children[NODES_MAX];
    int child_count;
};

struct plain {
    const struct box *box;
    struct node nodes[NODES_MAX];
    int node_count;
    struct bytes ids[NODES_MAX];
};

static int new_node(struct plain *plain, int message, struct bytes id)
{
    struct node *node = &plain->nodes[plain->node_count];
    *node = (struct node){.message = message, .parent = -1};
    plain->ids[plain->node_count] = id;
    return plain->node_count++;
}

static int find_id(const struct plain *plain, struct bytes id)
{
    for (int i = 0; i < plain->node_count; i++) {
        if (id.length > 0 && bytes_equal(plain->ids[i], id))
            return i;
    }
    return -1;
}

static bool is_above(const struct plain *plain, int above, int node)
{
    for (; node >= 0; node = plain->nodes[node].parent) {
        if (node == above)
            return true;
    }
    return false;
}

static void link_plain(struct plain *plain, int parent, int child)
{
    if (!is_above(plain, child, parent))
        plain->nodes[child].parent = parent;
}

static void add_child(struct plain *plain, int parent, int child)
{
    struct node *node = &plain->nodes[parent];
    node->children[node->child_count++] = child;
}

/* The message whose date and subject a node has. */
static const struct letter_in_words *face(const struct plain *plain, int node)
{
    while (plain->nodes[node].message < 0)
        node = plain->nodes[node].children[0];
    return &plain->box->messages[plain->nodes[node].message];
}

static void sort_children(struct plain *plain, int parent, bool is_deep)
{
    struct node *node = &plain->nodes[parent];
    for (int i = 0; i < node->child_count; i++) {
        if (is_deep || plain->nodes[node->children[i]].message < 0)
            sort_children(plain, node->children[i], is_deep);
    }
    for (int i = 1; i < node->child_count; i++) {
        for (int k = i; k > 0; k--) {
            int left = node->children[k - 1];
            int right = node->children[k];
            const struct letter_in_words *one = face(plain, left);
            const struct letter_in_words *other = face(plain, right);
            if (one->sent < other->sent || (one->sent == other->sent && one < other))
                break;
            node->children[k - 1] = right;
            node->children[k] = left;
        }
    }
}

/* (3) */
static void prune_children(struct plain *plain, int parent, bool is_root)
{
    struct node before = plain->nodes[parent];
    plain->nodes[parent].child_count = 0;
    for (int i = 0; i < before.child_count; i++) {
        int child = before.children[i];
        struct node *node = &plain->nodes[child];
        prune_children(plain, child, false);
        if (node->message < 0 && node->child_count == 0)
            continue;
        if (node->message >= 0 || (is_root && node->child_count > 1)) {
            add_child(plain, parent, child);
            continue;
        }
        for (int k = 0; k < node->child_count; k++)
            add_child(plain, parent, node->children[k]);
    }
}

static bool is_plain_reply(const struct plain *plain, int node)
{
    int message = plain->nodes[node].message;
    return message >= 0 && plain->box->messages[message].is_reply;
}

/* (5) */
static void join_plain(struct plain *plain, int root)
{
    struct node before = plain->nodes[root];
    int table[NODES_MAX];
    struct bytes subjects[NODES_MAX];
    int count = 0;
    for (int i = 0; i < before.child_count; i++) {
        int node = before.children[i];
        struct bytes subject = face(plain, node)->subject;
        int at = 0;
        if (subject.length == 0)
            continue;
        while (at < count && !bytes_equal(subjects[at], subject))
            at++;
        if (at == count) {
            subjects[count] = subject;
            table[count++] = node;
        } else if (plain->nodes[table[at]].message >= 0 &&
                   (plain->nodes[node].message < 0 ||
                    (is_plain_reply(plain, table[at]) && !is_plain_reply(plain, node)))) {
            table[at] = node;
        }
    }
    bool is_gone[NODES_MAX] = {false};
    for (int i = 0; i < before.child_count; i++) {
        int node = before.children[i];
        struct bytes subject = face(plain, node)->subject;
        int at = 0;
        if (subject.length == 0)
            continue;
        while (!bytes_equal(subjects[at], subject))
            at++;
        int other = table[at];
        if (other == node || is_gone[node])
            continue;
        is_gone[node] = true;
        if (plain->nodes[other].message < 0 && plain->nodes[node].message < 0) {
            for (int k = 0; k < plain->nodes[node].child_count; k++)
                add_child(plain, other, plain->nodes[node].children[k]);
        } else if (plain->nodes[other].message < 0 ||
                   (is_plain_reply(plain, node) && !is_plain_reply(plain, other))) {
            add_child(plain, other, node);
        } else {
            int dummy = new_node(plain, -1, BYTES(""));
            add_child(plain, dummy, other);
            add_child(plain, dummy, node);
            is_gone[other] = true;
            table[at] = dummy;
        }
    }
    plain->nodes[root].child_count = 0;
    for (int i = 0; i < before.child_count; i++) {
        if (!is_gone[before.children[i]])
            add_child(plain, root, before.children[i]);
    }
    for (int i = 0; i < count; i++) {
        bool is_new = true;
        for (int k = 0; k < before.child_count; k++)
            is_new = is_new && before.children[k] != table[i];
        if (is_new)
            add_child(plain, root, table[i]);
    }
}

static void write_plain(const struct plain *plain, int at, struct buffer *out)
{
    const struct node *node = &plain->nodes[at];
    if (node->message >= 0)
        buffer_append_unsigned(out, (uint64_t)node->message + 1);
    if (node->message >= 0 && node->child_count > 0)
        buffer_append_char(out, ' ');
    for (int i = 0; i < node->child_count; i++) {
        if (node->child_count > 1)
            buffer_append_char(out, '(');
        write_plain(plain, node->children[i], out);
        if (node->child_count > 1)
            buffer_append_char(out, ')');
    }
}

static void thread_plainly(const struct box *box, struct buffer *out)
{
    struct plain *plain = calloc(1, sizeof *plain);
    plain->box = box;
    for (size_t i = 0; i < box->count; i++) {
        struct bytes id = box->messages[i].message_id;
        new_node(plain, (int)i, find_id(plain, id) < 0 ? id : BYTES(""));
    }
    for (size_t i = 0; i < box->count; i++) {
        int before = -1;
        for (size_t k = 0; k < box->messages[i].reference_count; k++) {
            int node = find_id(plain, box->references[i][k]);
            if (node < 0)
                node = new_node(plain, -1, box->references[i][k]);
            if (before >= 0 && plain->nodes[node].parent < 0)
                link_plain(plain, before, node);
            before = node;
        }
        plain->nodes[i].parent = -1;
        if (before >= 0)
            link_plain(plain, before, (int)i);
    }
    int linked = plain->node_count;
    int root = new_node(plain, -1, BYTES(""));
    for (int i = 0; i < linked; i++)
        add_child(plain, plain->nodes[i].parent < 0 ? root : plain->nodes[i].parent, i);
    prune_children(plain, root, true);
    sort_children(plain, root, false);
    join_plain(plain, root);
    sort_children(plain, root, true);
    for (int i = 0; i < plain->nodes[root].child_count; i++) {
        buffer_append_char(out, '(');
        write_plain(plain, plain->nodes[root].children[i], out);
        buffer_append_char(out, ')');
    }
    free(plain);
}

static void fill_randomly(struct box *box)
{
    static const char *const ids[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    static const char *const subjects[] = {"", "x", "y", "z"};
    size_t id_count = 3 + (size_t)rand() % 8;
    size_t subject_count = 1 + (size_t)rand() % 4;
    box->count = 1 + (size_t)rand() % MESSAGES_MAX;
    for (size_t i = 0; i < box->count; i++) {
        size_t references = (size_t)rand() % (REFERENCES_MAX + 1);
        for (size_t k = 0; k < references; k++)
            box->references[i][k] = bytes_from_string(ids[(size_t)rand() % id_count]);
        box->messages[i] = (struct letter_in_words){
            .sent = rand() % 6,
            .subject = bytes_from_string(subjects[(size_t)rand() % subject_count]),
            .is_reply = rand() % 2 == 0,
            .message_id =
                rand() % 8 == 0 ? BYTES("") : bytes_from_string(ids[(size_t)rand() % id_count]),
            .references = box->references[i],
            .reference_count = references};
    }
}

static void random_mailboxes(void **state)
{
    (void)state;
    srand(2);
    for (unsigned round = 0; round < 30000; round++) {
        struct box box;
        AUTO(buffer)
        expected = BUFFER(TEXT_MAX);
        AUTO(buffer)
        out = BUFFER(TEXT_MAX);
        fill_randomly(&box);
        thread_plainly(&box, &expected);
        thread(IMAP_THREAD_REFERENCES, box.messages, box.count, &out);
        if (!bytes_equal(buffer_bytes(&out), buffer_bytes(&expected)))
            fail_msg("round %u: %.*s, not %.*s", round, BYTES_FORMAT(buffer_bytes(&out)),
                     BYTES_FORMAT(buffer_bytes(&expected)));
    }
}

/* ---- large ones ---- */

/* Every message answers the next: each link is made below a chain that grows, and each is asked
   whether it closes a circle. The last closes one. */
static void long_chains(void **state)
{
    (void)state;
    enum {
        COUNT = 100000
    };
    struct letter_in_words *messages = calloc(COUNT, sizeof *messages);
    struct bytes *references = calloc(COUNT, sizeof *references);
    char(*ids)[8] = calloc(COUNT, sizeof *ids);
    AUTO(buffer)
    out = BUFFER(TEXT_MAX);
    for (size_t i = 0; i < COUNT; i++)
        snprintf(ids[i], sizeof ids[i], "%06zu", i);
    for (size_t i = 0; i < COUNT; i++) {
        references[i] = bytes_of(ids[(i + 1) % COUNT], 6);
        messages[i] = (struct letter_in_words){.sent = (int64_t)i,
                                               .message_id = bytes_of(ids[i], 6),
                                               .references = &references[i],
                                               .reference_count = 1};
    }
    thread(IMAP_THREAD_REFERENCES, messages, COUNT, &out);
    assert_true(bytes_starts_with(buffer_bytes(&out), BYTES("(100000 99999 99998 ")));
    assert_true(bytes_ends_with(buffer_bytes(&out), BYTES(" 3 2 1)")));
    free(messages);
    free(references);
    free(ids);
}

static void out_of_memory(void **state)
{
    (void)state;
    static const struct letter letters[] = {{"a", "x", "s", false, 1},
                                            {"b", "x", "s", true, 2},
                                            {"c", "y", "s", true, 3},
                                            {"d", "a", "t", true, 4}};
    struct box box;
    struct ranked ranked;
    fill(&box, letters, 4);
    rank(&ranked, box.messages, box.count);
    for (int algorithm = 0; algorithm < 2; algorithm++) {
        bool was_refused = true;
        for (size_t n = 0; was_refused; n++) {
            AUTO(buffer)
            out = BUFFER(TEXT_MAX);
            struct fault fault;
            failing_allocation_start(n);
            bool is_done =
                imap_thread((enum imap_thread_algorithm)algorithm, &ranked.mailbox, &out, &fault);
            was_refused = failing_allocation_stop();
            assert_true(is_done || was_refused);
            assert_true(is_done || fault.kind == FAULT_TEMPORARY);
        }
    }
    ranked_clear(&ranked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing),        cmocka_unit_test(shape),
        cmocka_unit_test(missing_parent), cmocka_unit_test(circles),
        cmocka_unit_test(same_ids),       cmocka_unit_test(subjects_come_together),
        cmocka_unit_test(by_subject),     cmocka_unit_test(random_mailboxes),
        cmocka_unit_test(long_chains),    cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
