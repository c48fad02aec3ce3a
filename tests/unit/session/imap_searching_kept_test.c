/* SORT and THREAD of random mailboxes in which messages come and go: with what is kept of them the
 * answers are those that are made anew, and only what is new is read. */
#include "session/imap_searching_kept.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/auto.h"
#include "unit.h"

enum {
    MESSAGES = 120, /* that ever come into the mailbox */
    ROUNDS = 400,
    ANSWER_MAX = 64 * 1024,
    HEADER_MAX = 1024,
    MAILBOX = 7,
    MEMORY_MAX = 1024 * 1024
};

struct letter {
    char header[HEADER_MAX];
    struct buffer envelope;
    struct store_fetched fetched;
    bool is_there; /* in the mailbox, as this session knows it */
    bool is_gone;  /* from the store */
};

static void make_letter(struct letter *letter, uint32_t uid)
{
    static const char *const subjects[] = {
        "apple", "Re: Apple", "=?utf-8?q?=C3=84pfel?=", "[list] banana", "Fwd: BANANA (fwd)", ""};
    static const char *const names[] = {"Ann <ann", "bob <BOB", "\"\" <ann", "Zed <carl"};
    int length = snprintf(letter->header, HEADER_MAX,
                          "From: %s@a.example>\r\nTo: %s@b.example>\r\nCc: %s@c.example>\r\n"
                          "Subject: %s\r\nMessage-ID: <%d@a.example>\r\n",
                          names[rand() % 4], names[rand() % 4], names[rand() % 4],
                          subjects[rand() % 6], rand() % MESSAGES);
    for (int i = rand() % 3; i > 0; i--)
        length += snprintf(letter->header + length, HEADER_MAX - (size_t)length,
                           "%s: <%d@a.example> <\"%d\"@a.example>\r\n",
                           rand() % 2 == 0 ? "References" : "In-Reply-To", rand() % MESSAGES,
                           rand() % MESSAGES);
    struct bytes header = bytes_of(letter->header, (size_t)length);
    buffer_init(&letter->envelope, ANSWER_MAX);
    message_envelope_write(header, &letter->envelope);
    letter->fetched = (struct store_fetched){.uid = uid,
                                             .received = rand() % 20,
                                             .sent = rand() % 3 == 0 ? 0 : rand() % 20,
                                             .size = (uint64_t)rand() % 20,
                                             .header = header,
                                             .envelope = buffer_bytes(&letter->envelope)};
    letter->is_there = true;
    letter->is_gone = false;
}

static void make_command(struct imap_command *command)
{
    *command = (struct imap_command){.verb = rand() % 2 == 0 ? IMAP_SORT : IMAP_THREAD,
                                     .is_uid = rand() % 2 == 0};
    struct imap_search *search = &command->search;
    if (command->verb == IMAP_THREAD) {
        search->algorithm = rand() % 2 == 0 ? IMAP_THREAD_ORDEREDSUBJECT : IMAP_THREAD_REFERENCES;
        return;
    }
    search->sort_count = 1 + (size_t)rand() % 3;
    for (size_t i = 0; i < search->sort_count; i++)
        search->sort[i] = (struct imap_sort_criterion){
            (enum imap_sort_key)(rand() % (IMAP_SORT_DISPLAYTO + 1)), rand() % 2 == 0};
}

/* The answer about those of the messages that are chosen; how many of them were read. */
static size_t ask(struct imap_searching_memory *memory, const struct imap_command *command,
                  const struct letter *letters, const bool *is_chosen, struct buffer *answer)
{
    struct fault fault;
    size_t there = 0;
    size_t read = 0;
    for (uint32_t i = 0; i < MESSAGES; i++)
        there += letters[i].is_there;
    struct imap_searching_kept *kept =
        imap_searching_kept_new(command, memory, MAILBOX, there, &fault);
    assert_non_null(kept);
    uint32_t number = 0;
    for (uint32_t i = 0; i < MESSAGES; i++) {
        bool is_known;
        number += letters[i].is_there;
        if (!letters[i].is_there || !is_chosen[i])
            continue;
        struct imap_searching_candidate candidate = {
            .number = number, .uid = letters[i].fetched.uid, .modseq = i};
        assert_true(imap_searching_kept_add(kept, &candidate, &is_known, &fault));
        if (is_known || letters[i].is_gone)
            continue;
        assert_true(imap_searching_kept_read(kept, &letters[i].fetched, &fault));
        read++;
    }
    buffer_reset(answer);
    assert_true(imap_searching_kept_finish(kept, answer, &fault));
    imap_searching_kept_free(kept);
    return read;
}

static void choose(bool *is_chosen)
{
    int part = rand() % 4;
    for (size_t i = 0; i < MESSAGES; i++)
        is_chosen[i] = part == 0 || rand() % 4 < part;
}

static void change(struct letter *letters, size_t *count)
{
    for (int i = rand() % 4; i > 0 && *count < MESSAGES; i--) {
        make_letter(&letters[*count], 10 + 3 * (uint32_t)*count);
        (*count)++;
    }
    for (int i = rand() % 3; i > 0 && *count > 0; i--)
        letters[(size_t)rand() % *count].is_there = false;
}

static void play(size_t limit)
{
    struct letter *letters = calloc(MESSAGES, sizeof *letters);
    struct fault fault;
    struct imap_searching_memory *memory = imap_searching_memory_new(limit, &fault);
    struct imap_searching_memory *nothing = imap_searching_memory_new(0, &fault);
    AUTO(buffer)
    expected = BUFFER(ANSWER_MAX);
    AUTO(buffer)
    answer = BUFFER(ANSWER_MAX);
    size_t count = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct imap_command command;
        bool is_chosen[MESSAGES];
        change(letters, &count);
        make_command(&command);
        choose(is_chosen);
        ask(nothing, &command, letters, is_chosen, &expected);
        ask(memory, &command, letters, is_chosen, &answer);
        if (!bytes_equal(buffer_bytes(&answer), buffer_bytes(&expected)))
            fail_msg("round %u: %.*s, not %.*s", round, BYTES_FORMAT(buffer_bytes(&answer)),
                     BYTES_FORMAT(buffer_bytes(&expected)));
        size_t columns;
        assert_true(imap_searching_memory_size(memory, &columns) <= limit);
    }
    for (size_t i = 0; i < count; i++)
        buffer_clear(&letters[i].envelope);
    free(letters);
    imap_searching_memory_free(memory);
    imap_searching_memory_free(nothing);
}

static void random_mailboxes(void **state)
{
    (void)state;
    srand(6);
    for (unsigned i = 0; i < 10; i++)
        play(MEMORY_MAX);
}

/* Columns drive each other out all the time. */
static void little_memory(void **state)
{
    (void)state;
    srand(7);
    for (unsigned i = 0; i < 10; i++)
        play(4000);
}

/* A mailbox of some letters, and SORT (SUBJECT REVERSE SIZE) of it. */
struct box {
    struct letter letters[MESSAGES];
    bool is_chosen[MESSAGES];
    struct imap_command command;
    struct imap_searching_memory *memory;
    struct buffer answer;
};

static int set_up(void **state)
{
    struct box *box = calloc(1, sizeof *box);
    struct fault fault;
    srand(8);
    for (uint32_t i = 0; i < MESSAGES - 1; i++)
        make_letter(&box->letters[i], i + 1);
    for (size_t i = 0; i < MESSAGES; i++)
        box->is_chosen[i] = true;
    box->command = (struct imap_command){.verb = IMAP_SORT};
    box->command.search.sort[0] = (struct imap_sort_criterion){IMAP_SORT_SUBJECT, false};
    box->command.search.sort[1] = (struct imap_sort_criterion){IMAP_SORT_SIZE, true};
    box->command.search.sort_count = 2;
    box->memory = imap_searching_memory_new(MEMORY_MAX, &fault);
    buffer_init(&box->answer, ANSWER_MAX);
    *state = box;
    return 0;
}

static int tear_down(void **state)
{
    struct box *box = *state;
    for (size_t i = 0; i < MESSAGES; i++)
        buffer_clear(&box->letters[i].envelope);
    buffer_clear(&box->answer);
    imap_searching_memory_free(box->memory);
    free(box);
    return 0;
}

static size_t sort(struct box *box)
{
    return ask(box->memory, &box->command, box->letters, box->is_chosen, &box->answer);
}

static void only_new_ones_are_read(void **state)
{
    struct box *box = *state;
    assert_int_equal(sort(box), MESSAGES - 1);
    assert_int_equal(sort(box), 0);
    make_letter(&box->letters[MESSAGES - 1], MESSAGES);
    assert_int_equal(sort(box), 1);
    box->letters[3].is_there = false;
    assert_int_equal(sort(box), 0);
    /* Another key of the same, and one that is known. */
    box->command.search.sort[1].key = IMAP_SORT_FROM;
    assert_int_equal(sort(box), MESSAGES - 1);
    assert_int_equal(sort(box), 0);
    box->command.search.sort_count = 1;
    assert_int_equal(sort(box), 0);
}

/* What others removed while we read it is not in the answer, and takes nobody's place. */
static void gone_ones_are_left_out(void **state)
{
    struct box *box = *state;
    box->command.search.sort[0] = (struct imap_sort_criterion){IMAP_SORT_SIZE, true};
    box->command.search.sort_count = 1;
    for (size_t i = 0; i < MESSAGES; i++)
        box->letters[i].is_gone = i != 4 && i != 60;
    assert_int_equal(sort(box), 2);
    bool is_falling = box->letters[4].fetched.size >= box->letters[60].fetched.size;
    assert_true(
        bytes_equal(buffer_bytes(&box->answer), is_falling ? BYTES(" 5 61") : BYTES(" 61 5")));
    for (size_t i = 0; i < MESSAGES; i++)
        box->letters[i].is_gone = false;
    assert_int_equal(sort(box), MESSAGES - 3);
}

/* A column that is mostly of messages that are gone is made anew. */
static void stale_columns_go(void **state)
{
    struct box *box = *state;
    size_t columns;
    enum {
        MANY = 3000
    };
    struct imap_column_draft draft = IMAP_COLUMN_DRAFT(IMAP_COLUMN_TEXTS, MEMORY_MAX);
    struct fault fault;
    for (uint32_t uid = 1; uid <= MANY; uid++) {
        assert_true(imap_column_draft_begin(&draft, 1000 + uid));
        assert_true(imap_column_draft_add(&draft, BYTES(""), false));
    }
    struct imap_searching_memory_column held = {.column = imap_column_join(NULL, &draft, &fault)};
    imap_column_draft_clear(&draft);
    assert_true(imap_searching_memory_put(box->memory, MAILBOX, IMAP_SORT_SUBJECT, &held));
    imap_searching_memory_give_back(box->memory, &held);
    box->command.search.sort_count = 1;
    assert_true(imap_searching_memory_size(box->memory, &columns) > MANY * 8);
    assert_int_equal(sort(box), MESSAGES - 1);
    assert_true(imap_searching_memory_size(box->memory, &columns) < MANY * 8);
    assert_int_equal(columns, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_mailboxes),
        cmocka_unit_test(little_memory),
        TEST(only_new_ones_are_read),
        TEST(gone_ones_are_left_out),
        TEST(stale_columns_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
