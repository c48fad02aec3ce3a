/* Replies, right and wrong, whole and in pieces. */
#include "smtp/smtp_reply.h"

#include <stdio.h>
#include <string.h>

#include <posthorn/protocol.h>

#include "failing_allocation.h"
#include "unit.h"

/* Reads all of text in pieces of `size` bytes; the status of the last call. */
static enum smtp_reply_status read_in_pieces(struct smtp_reply *reply, struct bytes text,
                                             size_t size, struct fault *fault)
{
    enum smtp_reply_status status = SMTP_REPLY_MORE;
    while (text.length > 0 && status != SMTP_REPLY_BROKEN) {
        struct bytes piece = bytes_slice(text, 0, size);
        size_t before = piece.length;
        status = smtp_reply_read(reply, &piece, fault);
        text = bytes_skip(text, before - piece.length);
    }
    return status;
}

static const struct {
    const char *input;
    int code;
    const char *enhanced;
    const char *text;
} right[] = {
    {"250 ok\r\n", 250, "0.0.0", "ok"},
    {"250\r\n", 250, "0.0.0", ""},
    {"250 \r\n", 250, "0.0.0", ""},
    {"250\tok\r\n", 250, "0.0.0", "ok"},
    {"250 ok\n", 250, "0.0.0", "ok"},
    {"559 x\r\n", 559, "0.0.0", "x"},
    {"250-a\r\n250-b\r\n250 c\r\n", 250, "0.0.0", "a\nb\nc"},
    {"250-a\r\n250\r\n", 250, "0.0.0", "a\n"},
    {"250-\r\n250 b\r\n", 250, "0.0.0", "\nb"},
    {"250 2.1.5 ok\r\n", 250, "2.1.5", "ok"},
    {"550 5.7.1 no\r\n", 550, "5.7.1", "no"},
    {"550 5.7.1\r\n", 550, "5.7.1", ""},
    {"550-5.7.1 no\r\n550 5.7.1 relay\r\n", 550, "5.7.1", "no\nrelay"},
    {"550-5.7.1 no\r\n550 5.7.2 relay\r\n", 550, "5.7.1", "no\n5.7.2 relay"},
    {"550-no\r\n550 5.7.2 relay\r\n", 550, "0.0.0", "no\n5.7.2 relay"},
    {"550 4.7.1 another class\r\n", 550, "0.0.0", "4.7.1 another class"},
    {"550 5.7 short\r\n", 550, "0.0.0", "5.7 short"},
    {"550 5.7.1x\r\n", 550, "0.0.0", "5.7.1x"},
    {"550 5.1000.1 long\r\n", 550, "0.0.0", "5.1000.1 long"},
    {"354 3.0.0 none such\r\n", 354, "0.0.0", "3.0.0 none such"},
    {"250 a\rb\x01\x7F\tc\r\n", 250, "0.0.0", "a?b?? c"},
    {"250 \xC3\xA9\r\n", 250, "0.0.0", "\xC3\xA9"},
    {"250 a\r\r\n", 250, "0.0.0", "a?"},
};

static void check_right(size_t i, size_t size)
{
    struct fault fault = {.kind = FAULT_NONE};
    struct smtp_reply reply;
    smtp_reply_init(&reply);
    struct bytes input = bytes_from_string(right[i].input);
    assert_int_equal(read_in_pieces(&reply, input, size, &fault), SMTP_REPLY_DONE);
    assert_false(smtp_reply_is_begun(&reply));
    struct ph_reply value = smtp_reply_value(&reply);
    char enhanced[32];
    snprintf(enhanced, sizeof enhanced, "%hu.%hu.%hu", value.enhanced[0], value.enhanced[1],
             value.enhanced[2]);
    assert_int_equal(value.code, right[i].code);
    assert_string_equal(enhanced, right[i].enhanced);
    assert_string_equal(value.text, right[i].text);
    assert_int_equal(value.text_length, strlen(right[i].text));
    smtp_reply_clear(&reply);
}

static void test_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        for (size_t size = 1; size < 40; size++)
            check_right(i, size);
    }
}

static void test_nul_is_replaced(void **state)
{
    (void)state;
    struct fault fault;
    struct smtp_reply reply;
    struct bytes input = BYTES("250 a\0b\r\n");
    smtp_reply_init(&reply);
    assert_int_equal(smtp_reply_read(&reply, &input, &fault), SMTP_REPLY_DONE);
    assert_string_equal(smtp_reply_value(&reply).text, "a?b");
    smtp_reply_clear(&reply);
}

static void test_wrong(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "\r\n",
        "25\r\n",
        "+20 x\r\n",
        " 220 x\r\n",
        "2_2 x\r\n",
        "199 x\r\n",
        "600 x\r\n",
        "260 x\r\n",
        "25a x\r\n",
        "220x\r\n",
        "2200 x\r\n",
        "220_x\r\n",
        "220-a\r\n221 b\r\n",
        "hello\r\n",
        "250-a\r\nb\r\n",
        "\xEF\xBB\xBF"
        "220 x\r\n",
        "HTTP/1.1 200 OK\r\n",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        for (size_t size = 1; size < 30; size++) {
            struct fault fault = {.kind = FAULT_NONE};
            struct smtp_reply reply;
            smtp_reply_init(&reply);
            assert_int_equal(read_in_pieces(&reply, bytes_from_string(wrong[i]), size, &fault),
                             SMTP_REPLY_BROKEN);
            assert_int_equal(fault.kind, FAULT_SYNTAX);
            smtp_reply_clear(&reply);
        }
    }
}

static void test_one_after_the_other(void **state)
{
    (void)state;
    struct fault fault;
    struct smtp_reply reply;
    struct bytes input = BYTES("250-2.1.0 a\r\n250 b\r\n354 go\r\n");
    smtp_reply_init(&reply);
    assert_int_equal(smtp_reply_read(&reply, &input, &fault), SMTP_REPLY_LINE);
    assert_bytes(smtp_reply_line(&reply), "250-2.1.0 a");
    assert_true(smtp_reply_is_begun(&reply));
    assert_int_equal(smtp_reply_read(&reply, &input, &fault), SMTP_REPLY_DONE);
    assert_int_equal(smtp_reply_value(&reply).enhanced[1], 1);
    assert_int_equal(smtp_reply_read(&reply, &input, &fault), SMTP_REPLY_DONE);
    assert_int_equal(smtp_reply_value(&reply).code, 354);
    assert_int_equal(smtp_reply_value(&reply).enhanced[1], 0);
    assert_int_equal(input.length, 0);
    smtp_reply_clear(&reply);
}

static enum smtp_reply_status read_line_of(size_t length, struct fault *fault)
{
    static char line[PH_ENGINE_LINE_MAX + 2];
    struct smtp_reply reply;
    smtp_reply_init(&reply);
    memset(line, 'x', sizeof line);
    memcpy(line, "250 ", 4);
    memcpy(line + length - 2, "\r\n", 2);
    enum smtp_reply_status status = read_in_pieces(&reply, bytes_of(line, length), 1000, fault);
    smtp_reply_clear(&reply);
    return status;
}

static void test_line_limit(void **state)
{
    (void)state;
    struct fault fault;
    assert_int_equal(read_line_of(PH_ENGINE_LINE_MAX, &fault), SMTP_REPLY_DONE);
    assert_int_equal(read_line_of(PH_ENGINE_LINE_MAX + 1, &fault), SMTP_REPLY_BROKEN);
    assert_int_equal(fault.kind, FAULT_LIMIT);
}

/* `count` lines that go on and one that ends, each of `length` bytes. */
static enum smtp_reply_status read_lines(size_t count, size_t length, struct fault *fault)
{
    char line[2000];
    struct smtp_reply reply;
    enum smtp_reply_status status = SMTP_REPLY_LINE;
    smtp_reply_init(&reply);
    memset(line, 'x', sizeof line);
    memcpy(line + length - 2, "\r\n", 2);
    for (size_t i = 0; i <= count && status == SMTP_REPLY_LINE; i++) {
        memcpy(line, i == count ? "250 " : "250-", 4);
        struct bytes in = bytes_of(line, length);
        status = smtp_reply_read(&reply, &in, fault);
    }
    smtp_reply_clear(&reply);
    return status;
}

static void test_reply_limits(void **state)
{
    (void)state;
    struct fault fault;
    assert_int_equal(read_lines(PH_ENGINE_REPLY_LINES_MAX - 1, 10, &fault), SMTP_REPLY_DONE);
    assert_int_equal(read_lines(PH_ENGINE_REPLY_LINES_MAX, 10, &fault), SMTP_REPLY_BROKEN);
    assert_int_equal(fault.kind, FAULT_LIMIT);
    assert_int_equal(read_lines(63, 1024, &fault), SMTP_REPLY_DONE);
    assert_int_equal(read_lines(64, 1024, &fault), SMTP_REPLY_BROKEN);
    assert_int_equal(fault.kind, FAULT_LIMIT);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (size_t count = 0;; count++) {
        struct fault fault = {.kind = FAULT_NONE};
        struct smtp_reply reply;
        smtp_reply_init(&reply);
        failing_allocation_start(count);
        enum smtp_reply_status status =
            read_in_pieces(&reply, BYTES("250-2.0.0 hello\r\n250 world\r\n"), 3, &fault);
        bool was_refused = failing_allocation_stop();
        smtp_reply_clear(&reply);
        if (!was_refused) {
            assert_int_equal(status, SMTP_REPLY_DONE);
            return;
        }
        assert_int_equal(status, SMTP_REPLY_BROKEN);
        assert_int_equal(fault.kind, FAULT_TEMPORARY);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_right),         cmocka_unit_test(test_nul_is_replaced),
    cmocka_unit_test(test_wrong),         cmocka_unit_test(test_one_after_the_other),
    cmocka_unit_test(test_line_limit),    cmocka_unit_test(test_reply_limits),
    cmocka_unit_test(test_out_of_memory),
};

UNIT_MAIN(tests)
