/* What a worker writes for a FETCH: every item, every kind of section, messages of any size, on
 * both stores. */
#include "store/store_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "failing_allocation.h"
#include "imap/imap_command.h"
#include "mail/message_parser.h"
#include "session/imap_context.h"
#include "session/imap_fetching_slice.h"

#define PREFIX "Return-Path: <bob@example.net>\r\n"

enum {
    ARENA_MAX = 1024 * 1024,
    TEXT_MAX = 64 * 1024 * 1024,
    SLOTS = 300,
    LARGE_SIZE = 700 * 1000,
    ALLOCATIONS_MAX = 400
};

/* ---- messages ---- */

static void deliver(struct store_fixture *fixture, struct bytes text, const char *structure)
{
    struct store_fixture_letter letter;
    struct fault fault = {0};
    struct message_parser *parser = message_parser_new(&fault);
    assert_non_null(parser);
    assert_true(message_parser_feed(parser, text, &fault));
    store_fixture_letter(fixture, &letter, text);
    assert_true(message_parser_finish(parser, &letter.parsed, &fault));
    if (structure != NULL)
        letter.parsed.structure = bytes_from_string(structure);
    if (!store_fixture_deliver(&letter.delivery))
        fail_msg("%s", letter.delivery.job.fault.message);
    store_fixture_letter_clear(&letter);
    message_parser_free(parser);
}

static void put(struct store_fixture *fixture, const char *text)
{
    deliver(fixture, bytes_from_string(text), NULL);
}

static void remove_message(struct store_fixture *fixture, uint32_t uid)
{
    static const struct db_statement remove = {
        "DELETE FROM message WHERE mailbox = $1 AND uid = $2", NULL};
    store_fixture_execute(fixture, &remove, DB_VALUES(db_number(fixture->inbox), db_number(uid)));
}

/* ---- asking ---- */

struct asking {
    struct store_fixture *fixture;
    struct arena arena;
    struct imap_fetching_plan plan;
    struct imap_fetching_slice slice;
    struct imap_fetching_slot slots[SLOTS];
    struct buffer text; /* of all slices */
    size_t slices;
    size_t largest;
};

static const struct bytes keywords[] = {BYTES_INIT("$Forwarded"), BYTES_INIT("work")};

/* Messages 1 to count have these numbers and UIDs. */
static struct asking *ask(struct store_fixture *fixture, const char *items, size_t count,
                          bool is_rev2)
{
    struct asking *asking = calloc(1, sizeof *asking);
    struct imap_command_mode mode = {is_rev2 ? IMAP_ENABLED_REV2 : 0};
    struct imap_command command;
    struct fault fault = {0};
    AUTO(buffer)
    line = BUFFER(TEXT_MAX);
    assert_non_null(asking);
    asking->fixture = fixture;
    asking->arena = ARENA(ARENA_MAX);
    asking->text = BUFFER(TEXT_MAX);
    buffer_append_format(&line, "a FETCH 1:* %s", items);
    if (!imap_command_parse(buffer_bytes(&line), &mode, &asking->arena, &command, &fault) ||
        !imap_fetching_plan_init(&asking->plan, &command.fetch, is_rev2, &fault))
        fail_msg("%s: %s", items, fault.message);
    for (size_t i = 0; i < count; i++)
        asking->slots[i] = (struct imap_fetching_slot){
            .number = (uint32_t)i + 1, .uid = (uint32_t)i + 1, .flags = 0, .modseq = 70 + i};
    asking->slice = (struct imap_fetching_slice){.plan = &asking->plan,
                                                 .mailbox = fixture->inbox,
                                                 .keywords = keywords,
                                                 .keyword_count = 2,
                                                 .slots = asking->slots,
                                                 .count = count,
                                                 .size = IMAP_SLICE,
                                                 .scratch = BUFFER(TEXT_MAX),
                                                 .decoded = BUFFER(TEXT_MAX),
                                                 .text = BUFFER(TEXT_MAX)};
    return asking;
}

static bool run(struct asking *asking, struct fault *fault)
{
    struct imap_fetching_slice *slice = &asking->slice;
    while (slice->done < slice->count) {
        buffer_reset(&slice->text);
        if (!imap_fetching_slice_run(slice, asking->fixture->reader, fault))
            return false;
        asking->slices++;
        if (slice->text.length > asking->largest)
            asking->largest = slice->text.length;
        buffer_append(&asking->text, buffer_bytes(&slice->text));
    }
    assert_false(slice->rest.is_open);
    return true;
}

static void answer(struct asking *asking)
{
    struct fault fault = {0};
    if (!run(asking, &fault))
        fail_msg("%s", fault.message);
    assert_false(buffer_is_failed(&asking->text));
}

static void asking_free(struct asking *asking)
{
    imap_fetching_slice_clear(&asking->slice);
    imap_fetching_plan_clear(&asking->plan);
    buffer_clear(&asking->text);
    arena_clear(&asking->arena);
    free(asking);
}

/* Message 1 alone. */
static void expect_item(struct store_fixture *fixture, const char *items, const char *expected)
{
    struct asking *asking = ask(fixture, items, 1, false);
    AUTO(buffer)
    line = BUFFER(TEXT_MAX);
    buffer_append_format(&line, "* 1 FETCH (%s)\r\n", expected);
    answer(asking);
    if (!bytes_equal(buffer_bytes(&asking->text), buffer_bytes(&line)))
        fail_msg("%s\nwas: %s\nnot: %s", items, buffer_string(&asking->text), buffer_string(&line));
    asking_free(asking);
}

/* ---- items ---- */

static const char letter[] = "Date: Mon, 7 Feb 1994 21:52:25 -0800\r\nSubject: all\r\n"
                             "From: Ann <ann@a.example>\r\nMIME-Version: 1.0\r\n"
                             "Content-Type: multipart/mixed; boundary=a\r\n\r\n"
                             "--a\r\n\r\nHello  you.\r\n\r\n"
                             "--a\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
                             "Content-Transfer-Encoding: base64\r\n\r\nZ3L832U=\r\n"
                             "--a\r\nContent-Type: message/rfc822\r\n\r\n"
                             "Subject: inner\r\nTo: b@b.example\r\n\r\nwithin\r\n\r\n"
                             "--a\r\nContent-Transfer-Encoding: x-odd\r\n\r\n???\r\n--a--\r\n";

static void every_item_is_answered(void **state)
{
    static const struct {
        const char *items;
        const char *answer;
    } cases[] = {
        {"FLAGS", "FLAGS ()"},
        {"UID", "UID 1"},
        {"MODSEQ", "MODSEQ (70)"},
        {"THREADID", "THREADID NIL"},
        {"INTERNALDATE", "INTERNALDATE \"01-Jan-1970 00:00:02 +0000\""},
        {"SAVEDATE", "SAVEDATE \"01-Jan-1970 00:00:02 +0000\""},
        {"RFC822.SIZE", "RFC822.SIZE 430"},
        {"FAST", "FLAGS () INTERNALDATE \"01-Jan-1970 00:00:02 +0000\" RFC822.SIZE 430"},
        {"ENVELOPE", "ENVELOPE (\"Mon, 7 Feb 1994 21:52:25 -0800\" \"all\" "
                     "((\"Ann\" NIL \"ann\" \"a.example\")) ((\"Ann\" NIL \"ann\" \"a.example\")) "
                     "((\"Ann\" NIL \"ann\" \"a.example\")) NIL NIL NIL NIL NIL)"},
        {"BODY",
         "BODY ((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 13 1)"
         "(\"text\" \"plain\" (\"charset\" \"iso-8859-1\") NIL NIL \"base64\" 8 0)"
         "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 43 "
         "(NIL \"inner\" NIL NIL NIL ((NIL NIL \"b\" \"b.example\")) NIL NIL NIL NIL) "
         "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 8 1) 4)"
         "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"x-odd\" 3 0) \"mixed\")"},
        {"PREVIEW", "PREVIEW \"Hello you.\""},
        {"PREVIEW (LAZY)", "PREVIEW \"Hello you.\""},
        {"BODY[1]", "BODY[1] {13}\r\nHello  you.\r\n"},
        {"BODY.PEEK[1]", "BODY[1] {13}\r\nHello  you.\r\n"},
        {"BODY[1]<2.4>", "BODY[1]<2> {4}\r\nllo "},
        {"BODY[1]<12.100>", "BODY[1]<12> {1}\r\n\n"},
        {"BODY[1]<13.100>", "BODY[1]<13> \"\""},
        {"BODY[1]<4000000000.1>", "BODY[1]<4000000000> \"\""},
        {"BODY[9]", "BODY[9] NIL"},
        {"BODY[9]<1.2>", "BODY[9]<1> NIL"},
        {"BODY[1.HEADER]", "BODY[1.HEADER] NIL"},
        {"BODY[2.MIME]", "BODY[2.MIME] {83}\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
                         "Content-Transfer-Encoding: base64\r\n\r\n"},
        {"BODY[3]", "BODY[3] {43}\r\nSubject: inner\r\nTo: b@b.example\r\n\r\nwithin\r\n"},
        {"BODY[3.HEADER]", "BODY[3.HEADER] {35}\r\nSubject: inner\r\nTo: b@b.example\r\n\r\n"},
        {"BODY[3.TEXT]", "BODY[3.TEXT] {8}\r\nwithin\r\n"},
        {"BODY[3.1]", "BODY[3.1] {8}\r\nwithin\r\n"},
        {"BODY[3.HEADER.FIELDS (to)]",
         "BODY[3.HEADER.FIELDS (to)] {19}\r\nTo: b@b.example\r\n\r\n"},
        {"BODY[3.HEADER.FIELDS.NOT (to)]<4.100>",
         "BODY[3.HEADER.FIELDS.NOT (to)]<4> {14}\r\nect: inner\r\n\r\n"},
        {"BODY[HEADER.FIELDS (SUBJECT Return-Path)]",
         "BODY[HEADER.FIELDS (SUBJECT Return-Path)] {48}\r\n" PREFIX "Subject: all\r\n\r\n"},
        {"BODY[HEADER.FIELDS (x-none)]", "BODY[HEADER.FIELDS (x-none)] {2}\r\n\r\n"},
        {"BODY[HEADER.FIELDS.NOT (content-type date from mime-version)]",
         "BODY[HEADER.FIELDS.NOT (content-type date from mime-version)] {48}\r\n" PREFIX
         "Subject: all\r\n\r\n"},
        {"BODY[HEADER]<0.14>", "BODY[HEADER]<0> {14}\r\nReturn-Path: <"},
        {"RFC822.HEADER",
         "RFC822.HEADER {175}\r\n" PREFIX "Date: Mon, 7 Feb 1994 21:52:25 -0800\r\nSubject: all\r\n"
         "From: Ann <ann@a.example>\r\nMIME-Version: 1.0\r\n"
         "Content-Type: multipart/mixed; boundary=a\r\n\r\n"},
        {"BODY[TEXT]<0.5>", "BODY[TEXT]<0> {5}\r\n--a\r\n"},
        {"BINARY[2]", "BINARY[2] {5}\r\ngr\xfc\xdf"
                      "e"},
        {"BINARY.PEEK[2]<2.1>", "BINARY[2]<2> {1}\r\n\xfc"},
        {"BINARY.SIZE[2]", "BINARY.SIZE[2] 5"},
        {"BINARY.SIZE[1]", "BINARY.SIZE[1] 13"},
        {"BINARY.SIZE[9]", "BINARY.SIZE[9] 0"},
        {"BINARY[9]", "BINARY[9] NIL"},
        {"BINARY[3]", "BINARY[3] {43}\r\nSubject: inner\r\nTo: b@b.example\r\n\r\nwithin\r\n"},
        {"BINARY[1]<13.1>", "BINARY[1]<13> \"\""},
        {"(UID BODY[1]<0.1> FLAGS BODY[3.TEXT] RFC822.SIZE)",
         "UID 1 BODY[1]<0> {1}\r\nH FLAGS () BODY[3.TEXT] {8}\r\nwithin\r\n RFC822.SIZE 430"},
    };
    struct store_fixture *fixture = *state;
    put(fixture, letter);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_item(fixture, cases[i].items, cases[i].answer);
}

static void wholes_are_whole(void **state)
{
    static const char *const items[] = {"BODY[]", "RFC822", "BINARY[]"};
    struct store_fixture *fixture = *state;
    AUTO(buffer)
    expected = BUFFER(TEXT_MAX);
    put(fixture, letter);
    for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
        buffer_reset(&expected);
        buffer_append_format(&expected, "%s {%zu}\r\n%s%s", items[i],
                             strlen(PREFIX) + strlen(letter), PREFIX, letter);
        expect_item(fixture, items[i], buffer_string(&expected));
    }
    const char *text = strstr(letter, "--a");
    buffer_reset(&expected);
    buffer_append_format(&expected, "RFC822.TEXT {%zu}\r\n%s", strlen(text), text);
    expect_item(fixture, "RFC822.TEXT", buffer_string(&expected));
}

static void flags_are_those_of_the_view(void **state)
{
    struct store_fixture *fixture = *state;
    put(fixture, letter);
    for (int is_rev2 = 0; is_rev2 < 2; is_rev2++) {
        struct asking *asking = ask(fixture, "(FLAGS RFC822.SIZE)", 1, is_rev2 == 1);
        asking->slots[0].flags = (uint64_t)1 << 63 | (uint64_t)1 << 7 | 3 << 8 | 1;
        answer(asking);
        assert_string_equal(buffer_string(&asking->text),
                            is_rev2 == 1 ? "* 1 FETCH (FLAGS (\\Seen $Forwarded work) RFC822.SIZE "
                                           "430)\r\n"
                                         : "* 1 FETCH (FLAGS (\\Seen \\Recent $Forwarded work) "
                                           "RFC822.SIZE 430)\r\n");
        asking_free(asking);
    }
}

static void ids_of_messages_are_those_of_bodies(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement find = {"SELECT body FROM message WHERE mailbox = $1", NULL};
    char expected[64];
    put(fixture, letter);
    int64_t id = store_fixture_number(fixture, &find, DB_VALUES(db_number(fixture->inbox)));
    snprintf(expected, sizeof expected, "EMAILID (M%016llx)", (unsigned long long)id);
    expect_item(fixture, "EMAILID", expected);
}

/* ---- what cannot be given ---- */

static void what_is_gone_is_left_out(void **state)
{
    struct store_fixture *fixture = *state;
    for (int i = 0; i < 7; i++)
        put(fixture, "Subject: x\r\n\r\ntext\r\n");
    remove_message(fixture, 1);
    remove_message(fixture, 4);
    remove_message(fixture, 7);
    struct asking *asking = ask(fixture, "(UID RFC822.SIZE)", 7, false);
    answer(asking);
    assert_string_equal(buffer_string(&asking->text), "* 2 FETCH (UID 2 RFC822.SIZE 52)\r\n"
                                                      "* 3 FETCH (UID 3 RFC822.SIZE 52)\r\n"
                                                      "* 5 FETCH (UID 5 RFC822.SIZE 52)\r\n"
                                                      "* 6 FETCH (UID 6 RFC822.SIZE 52)\r\n");
    assert_true(asking->slice.has_gone);
    asking_free(asking);
}

static void numbers_may_have_gaps(void **state)
{
    static const uint32_t numbers[] = {1, 2, 4, 7, 20, 21, 40};
    struct store_fixture *fixture = *state;
    AUTO(buffer)
    expected = BUFFER(TEXT_MAX);
    for (int i = 0; i < 40; i++)
        put(fixture, "Subject: x\r\n\r\ntext\r\n");
    struct asking *asking = ask(fixture, "(UID BODY[TEXT])", 7, false);
    for (size_t i = 0; i < 7; i++) {
        asking->slots[i].number = asking->slots[i].uid = numbers[i];
        buffer_append_format(&expected, "* %u FETCH (UID %u BODY[TEXT] {6}\r\ntext\r\n)\r\n",
                             numbers[i], numbers[i]);
    }
    answer(asking);
    assert_string_equal(buffer_string(&asking->text), buffer_string(&expected));
    assert_false(asking->slice.has_gone);
    asking_free(asking);
}

static void an_unknown_encoding_leaves_the_message_out(void **state)
{
    static const char *const items[] = {"(UID BINARY[4])", "(UID BINARY.SIZE[4])"};
    struct store_fixture *fixture = *state;
    put(fixture, letter);
    put(fixture, "Subject: x\r\n\r\ntext\r\n");
    for (size_t i = 0; i < 2; i++) {
        struct asking *asking = ask(fixture, items[i], 2, false);
        answer(asking);
        assert_true(asking->slice.has_unknown_encoding);
        assert_true(bytes_starts_with(buffer_bytes(&asking->text), BYTES("* 2 FETCH (UID 2 ")));
        asking_free(asking);
    }
    expect_item(fixture, "BODY[4]", "BODY[4] {3}\r\n???");
}

static void damage_leaves_the_message_out(void **state)
{
    static const char *const items[] = {"(UID BODYSTRUCTURE)", "(UID BODY[1])", "(UID PREVIEW)",
                                        "(UID BODY[TEXT])"};
    struct store_fixture *fixture = *state;
    deliver(fixture, BYTES("Subject: x\r\n\r\ntext\r\n"), "damaged");
    put(fixture, "Subject: x\r\n\r\ntext\r\n");
    for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
        struct asking *asking = ask(fixture, items[i], 2, false);
        answer(asking);
        assert_true(asking->slice.is_damaged);
        assert_int_equal(asking->slice.damage.kind, FAULT_PERMANENT);
        assert_true(bytes_starts_with(buffer_bytes(&asking->text), BYTES("* 2 FETCH (UID 2 ")));
        asking_free(asking);
    }
    expect_item(fixture, "BODY[]<0.6>", "BODY[]<0> {6}\r\nReturn");
}

/* ---- NUL ---- */

static void nul_is_given_by_binary_only(void **state)
{
    struct store_fixture *fixture = *state;
    deliver(fixture, BYTES("Subject: a\0b\r\n\r\nx\0y\r\n"), NULL);
    expect_item(fixture, "BODY[1]", "BODY[1] {5}\r\nx\x80y\r\n");
    expect_item(fixture, "BODY[HEADER.FIELDS (subject)]",
                "BODY[HEADER.FIELDS (subject)] {16}\r\nSubject: a\x80"
                "b\r\n\r\n");
    struct asking *asking = ask(fixture, "BINARY[1]", 1, false);
    answer(asking);
    assert_bytes(buffer_bytes(&asking->text), "* 1 FETCH (BINARY[1] ~{5}\r\nx\0y\r\n)\r\n");
    asking_free(asking);
}

/* ---- large messages ---- */

/* A text of lines that tell their places, so that every byte is where it should be. */
static void append_lines(struct buffer *out, size_t size)
{
    size_t start = out->length;
    while (out->length - start + 16 <= size)
        buffer_append_format(out, "%014zu\r\n", out->length - start);
    while (out->length - start < size)
        buffer_append_char(out, '.');
}

static void expect_literal(const struct asking *asking, const char *before, struct bytes content,
                           const char *after)
{
    AUTO(buffer)
    expected = BUFFER(TEXT_MAX);
    buffer_append_format(&expected, "* 1 FETCH (%s {%zu}\r\n", before, content.length);
    buffer_append(&expected, content);
    buffer_append_string(&expected, after);
    buffer_append_string(&expected, ")\r\n");
    assert_int_equal(asking->text.length, expected.length);
    assert_true(bytes_equal(buffer_bytes(&asking->text), buffer_bytes(&expected)));
}

static void large_messages_come_in_slices(void **state)
{
    struct store_fixture *fixture = *state;
    AUTO(buffer)
    text = BUFFER(TEXT_MAX);
    buffer_append(&text, BYTES(PREFIX "Subject: x\r\n\r\n"));
    append_lines(&text, LARGE_SIZE);
    struct bytes whole = buffer_bytes(&text);
    deliver(fixture, bytes_skip(whole, strlen(PREFIX)), NULL);
    static const struct {
        const char *items;
        const char *before;
        size_t start;
        size_t size;
        const char *after;
    } cases[] = {
        {"BODY[]", "BODY[]", 0, SIZE_MAX, ""},
        {"(UID BODY[] FLAGS)", "UID 1 BODY[]", 0, SIZE_MAX, " FLAGS ()"},
        {"(BODY[]<10.600000> RFC822.SIZE BODY[1]<5.1>)", "BODY[]<10>", 10, 600000,
         " RFC822.SIZE 700046 BODY[1]<5> {1}\r\n0"},
        {"BODY[]<300000.100>", "BODY[]<300000>", 300000, 100, ""},
        {"BODY[1]", "BODY[1]", 46, SIZE_MAX, ""},
        {"BODY[TEXT]<262000.300000>", "BODY[TEXT]<262000>", 262046, 300000, ""},
        {"(BINARY[1] UID)", "BINARY[1]", 46, SIZE_MAX, " UID 1"},
        {"BINARY[]<100.500000>", "BINARY[]<100>", 100, 500000, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct asking *asking = ask(fixture, cases[i].items, 1, false);
        answer(asking);
        expect_literal(asking, cases[i].before, bytes_slice(whole, cases[i].start, cases[i].size),
                       cases[i].after);
        assert_true(asking->largest <= IMAP_SLICE + STORE_FETCH_DATA_MAX);
        assert_true(asking->slices >= asking->text.length / STORE_FETCH_DATA_MAX);
        asking_free(asking);
    }
}

static void large_sections_are_decoded_in_slices(void **state)
{
    struct store_fixture *fixture = *state;
    AUTO(buffer)
    content = BUFFER(TEXT_MAX);
    AUTO(buffer)
    text = BUFFER(TEXT_MAX);
    struct base64_encoder encoder;
    append_lines(&content, LARGE_SIZE);
    content.memory[content.start + LARGE_SIZE - 1] = '\0';
    buffer_append(&text, BYTES("MIME-Version: 1.0\r\nContent-Type: application/x\r\n"
                               "Content-Transfer-Encoding: base64\r\n\r\n"));
    base64_encoder_init(&encoder);
    base64_encoder_feed(&encoder, buffer_bytes(&content), &text);
    base64_encoder_finish(&encoder, &text);
    deliver(fixture, buffer_bytes(&text), NULL);
    expect_item(fixture, "BINARY.SIZE[1]", "BINARY.SIZE[1] 700000");
    struct asking *asking = ask(fixture, "BINARY[1]", 1, false);
    answer(asking);
    assert_true(asking->largest <= IMAP_SLICE + STORE_FETCH_DATA_MAX);
    struct bytes got = buffer_bytes(&asking->text);
    static const char head[] = "* 1 FETCH (BINARY[1] ~{700000}\r\n";
    assert_true(bytes_starts_with(got, bytes_from_string(head)));
    assert_true(bytes_equal(bytes_slice(got, strlen(head), LARGE_SIZE), buffer_bytes(&content)));
    assert_bytes(bytes_skip(got, strlen(head) + LARGE_SIZE), ")\r\n");
    asking_free(asking);
    asking = ask(fixture, "BINARY[1]<300001.100000>", 1, false);
    answer(asking);
    static const char part[] = "* 1 FETCH (BINARY[1]<300001> ~{100000}\r\n";
    got = buffer_bytes(&asking->text);
    assert_true(bytes_starts_with(got, bytes_from_string(part)));
    assert_true(bytes_equal(bytes_slice(got, strlen(part), 100000),
                            bytes_slice(buffer_bytes(&content), 300001, 100000)));
    asking_free(asking);
}

static void a_message_that_goes_in_the_middle_is_a_fault(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    AUTO(buffer)
    text = BUFFER(TEXT_MAX);
    buffer_append(&text, BYTES("Subject: x\r\n\r\n"));
    append_lines(&text, LARGE_SIZE);
    deliver(fixture, buffer_bytes(&text), NULL);
    struct asking *asking = ask(fixture, "BODY[]", 1, false);
    assert_true(imap_fetching_slice_run(&asking->slice, fixture->reader, &fault));
    assert_true(asking->slice.rest.is_open);
    remove_message(fixture, 1);
    assert_false(run(asking, &fault));
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
    asking_free(asking);
}

static void many_messages_come_in_slices(void **state)
{
    struct store_fixture *fixture = *state;
    AUTO(buffer)
    text = BUFFER(TEXT_MAX);
    AUTO(buffer)
    expected = BUFFER(TEXT_MAX);
    buffer_append(&text, BYTES("Subject: x\r\n\r\n"));
    append_lines(&text, 4000);
    for (size_t i = 0; i < 60; i++) {
        deliver(fixture, buffer_bytes(&text), NULL);
        buffer_append_format(&expected, "* %zu FETCH (BODY[] {%zu}\r\n" PREFIX "%s)\r\n", i + 1,
                             strlen(PREFIX) + text.length, buffer_string(&text));
    }
    struct asking *asking = ask(fixture, "BODY[]", 60, false);
    answer(asking);
    assert_true(bytes_equal(buffer_bytes(&asking->text), buffer_bytes(&expected)));
    assert_true(asking->slices >= 3 && asking->slices <= 5);
    asking_free(asking);
}

/* Groups of nobody, which are the shorter stored than printed. */
static void a_structure_as_large_as_a_book_is_told_as_one_part(void **state)
{
    struct store_fixture *fixture = *state;
    AUTO(buffer)
    text = BUFFER(TEXT_MAX);
    char expected[200];
    buffer_append_string(&text, "MIME-Version: 1.0\r\n"
                                "Content-Type: multipart/mixed; boundary=a\r\n\r\n");
    size_t header = text.length;
    for (size_t i = 0; i < 40; i++) {
        buffer_append_string(&text, "--a\r\nContent-Type: message/rfc822\r\n\r\nTo: ");
        for (size_t k = 0; k < 5000; k++)
            buffer_append_string(&text, "a:;,");
        buffer_append_string(&text, "\r\n\r\ntext\r\n");
    }
    deliver(fixture, buffer_bytes(&text), NULL);
    put(fixture, letter);
    snprintf(expected, sizeof expected,
             "BODY (\"application\" \"octet-stream\" NIL NIL NIL \"binary\" %zu)",
             text.length - header);
    expect_item(fixture, "BODY", expected);
    snprintf(expected, sizeof expected,
             "BODYSTRUCTURE (\"application\" \"octet-stream\" NIL NIL NIL \"binary\" %zu NIL NIL "
             "NIL NIL)",
             text.length - header);
    expect_item(fixture, "BODYSTRUCTURE", expected);
    struct asking *asking = ask(fixture, "(BODY ENVELOPE BODY[39.TEXT])", 2, false);
    answer(asking);
    assert_true(bytes_find(buffer_bytes(&asking->text), BYTES(" BODY[39.TEXT] {4}\r\ntext)\r\n"
                                                              "* 2 FETCH (BODY ((")) !=
                BYTES_NOT_FOUND);
    asking_free(asking);
}

/* ---- difficult messages ---- */

static void read_file(const char *path, struct buffer *out)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t count = 1;
    while (count > 0) {
        char piece[4096];
        count = fread(piece, 1, sizeof piece, file);
        buffer_append(out, bytes_of(piece, count));
    }
    fclose(file);
}

/* What stands between two texts. */
static struct bytes between(struct bytes text, struct bytes start, struct bytes end)
{
    size_t from = bytes_find(text, start);
    assert_true(from != BYTES_NOT_FOUND);
    text = bytes_skip(text, from + start.length);
    size_t to = bytes_find(text, end);
    assert_true(to != BYTES_NOT_FOUND);
    return bytes_slice(text, 0, to);
}

static void check_difficult(struct store_fixture *fixture, uint32_t uid, struct bytes message,
                            struct bytes expected)
{
    AUTO(buffer)
    line = BUFFER(TEXT_MAX);
    AUTO(buffer)
    safe = BUFFER(TEXT_MAX);
    struct asking *asking =
        ask(fixture, "(ENVELOPE BODYSTRUCTURE BODY[] BODY[HEADER] BODY[TEXT])", 1, false);
    asking->slots[0].number = asking->slots[0].uid = uid;
    answer(asking);
    buffer_append(&safe, BYTES(PREFIX));
    buffer_append(&safe, message);
    for (size_t i = 0; i < safe.length; i++)
        if (safe.memory[safe.start + i] == '\0')
            safe.memory[safe.start + i] = (char)0x80;
    struct message_parsed parsed;
    struct message_parser *parser = message_parser_new(NULL);
    assert_non_null(parser);
    assert_true(message_parser_feed(parser, message, NULL));
    assert_true(message_parser_finish(parser, &parsed, NULL));
    size_t header = strlen(PREFIX) + parsed.header.length;
    message_parser_free(parser);
    buffer_append_format(&line, "* %u FETCH (ENVELOPE ", uid);
    buffer_append(&line, between(expected, BYTES("ENVELOPE "), BYTES("\nBODYSTRUCTURE ")));
    buffer_append(&line, BYTES(" BODYSTRUCTURE "));
    buffer_append(&line, between(expected, BYTES("\nBODYSTRUCTURE "), BYTES("\nmessage header ")));
    buffer_append_format(&line, " BODY[] {%zu}\r\n", safe.length);
    buffer_append(&line, buffer_bytes(&safe));
    buffer_append_format(&line, " BODY[HEADER] {%zu}\r\n", header);
    buffer_append(&line, bytes_slice(buffer_bytes(&safe), 0, header));
    if (safe.length > header)
        buffer_append_format(&line, " BODY[TEXT] {%zu}\r\n", safe.length - header);
    else
        buffer_append(&line, BYTES(" BODY[TEXT] \"\""));
    buffer_append(&line, bytes_skip(buffer_bytes(&safe), header));
    buffer_append(&line, BYTES(")\r\n"));
    if (!bytes_equal(buffer_bytes(&asking->text), buffer_bytes(&line)))
        fail_msg("message %u is answered otherwise than expected", uid);
    asking_free(asking);
}

static void difficult_messages_are_told_as_they_are(void **state)
{
    struct store_fixture *fixture = *state;
    char path[512];
    snprintf(path, sizeof path, "%s/tests/message/structure", getenv("POSTHORN_SOURCE"));
    DIR *folder = opendir(path);
    assert_non_null(folder);
    uint32_t uid = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        struct bytes name = bytes_from_string(entry->d_name);
        AUTO(buffer)
        message = BUFFER(TEXT_MAX);
        AUTO(buffer)
        expected = BUFFER(TEXT_MAX);
        if (!bytes_ends_with(name, BYTES(".eml")))
            continue;
        snprintf(path, sizeof path, "%s/tests/message/structure/%s", getenv("POSTHORN_SOURCE"),
                 entry->d_name);
        read_file(path, &message);
        memcpy(strrchr(path, '.'), ".expected", sizeof ".expected");
        read_file(path, &expected);
        deliver(fixture, buffer_bytes(&message), NULL);
        check_difficult(fixture, ++uid, buffer_bytes(&message), buffer_bytes(&expected));
    }
    closedir(folder);
    assert_true(uid > 50);
}

/* ---- memory ---- */

static void every_allocation_may_fail(void **state)
{
    static const char *const items[] = {"(FLAGS UID ENVELOPE BODYSTRUCTURE BODY[] "
                                        "BODY[HEADER.FIELDS (subject)] BINARY[2] PREVIEW)"};
    struct store_fixture *fixture = *state;
    put(fixture, letter);
    struct asking *good = ask(fixture, items[0], 1, false);
    answer(good);
    bool has_refused = true;
    for (size_t i = 0; has_refused && i < ALLOCATIONS_MAX; i++) {
        struct fault fault = {0};
        struct asking *asking = ask(fixture, items[0], 1, false);
        failing_allocation_start(i);
        bool is_done = imap_fetching_slice_run(&asking->slice, fixture->reader, &fault);
        has_refused = failing_allocation_stop();
        if (is_done && !asking->slice.is_damaged)
            assert_true(bytes_equal(buffer_bytes(&asking->slice.text), buffer_bytes(&good->text)));
        else if (!is_done)
            assert_int_equal(fault.kind, FAULT_TEMPORARY);
        assert_true(has_refused || is_done);
        asking_free(asking);
    }
    assert_false(has_refused);
    asking_free(good);
}

static const struct CMUnitTest tests[] = {
    STORE_TEST(every_item_is_answered),
    STORE_TEST(wholes_are_whole),
    STORE_TEST(flags_are_those_of_the_view),
    STORE_TEST(ids_of_messages_are_those_of_bodies),
    STORE_TEST(what_is_gone_is_left_out),
    STORE_TEST(numbers_may_have_gaps),
    STORE_TEST(an_unknown_encoding_leaves_the_message_out),
    STORE_TEST(damage_leaves_the_message_out),
    STORE_TEST(nul_is_given_by_binary_only),
    STORE_TEST(large_messages_come_in_slices),
    STORE_TEST(large_sections_are_decoded_in_slices),
    STORE_TEST(a_message_that_goes_in_the_middle_is_a_fault),
    STORE_TEST(many_messages_come_in_slices),
    STORE_TEST(a_structure_as_large_as_a_book_is_told_as_one_part),
    STORE_TEST(difficult_messages_are_told_as_they_are),
    STORE_TEST(every_allocation_may_fail),
};

STORE_MAIN(tests)
