/* Parameters: tokens, quotes, and RFC 2231. */
#include "mail/parameter.h"

#include "base/auto.h"
#include "unit.h"

static void write(struct buffer *out, const char *value)
{
    struct header_writer writer;
    buffer_reset(out);
    header_writer_begin(&writer, out, BYTES("Content-Disposition"));
    header_writer_word(&writer, BYTES(" "), BYTES("attachment"));
    parameter_write(&writer, BYTES("filename"), bytes_from_string(value));
    assert_true(header_writer_end(&writer, NULL));
}

static void values(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        const char *written;
    } cases[] = {
        {"a.txt", " filename=a.txt"},
        {"", " filename=\"\""},
        {"a b.txt", " filename=\"a b.txt\""},
        {"a\"b\\c", " filename=\"a\\\"b\\\\c\""},
        {"a;b=c", " filename=\"a;b=c\""},
        {"=?x?=", " filename*=UTF-8''%3D%3Fx%3F%3D"},
        {"ä'*%.txt", " filename*=UTF-8''%C3%A4%27%2A%25.txt"},
        {"€ rates", " filename*=UTF-8''%E2%82%AC%20rates"},
    };
    AUTO(buffer)
    out = BUFFER(10000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write(&out, cases[i].value);
        struct bytes written =
            bytes_skip(buffer_bytes(&out), sizeof "Content-Disposition: attachment;" - 1);
        if (bytes_starts_with(written, BYTES("\r\n")))
            written = bytes_skip(written, 2);
        assert_true(bytes_ends_with(written, BYTES("\r\n")));
        assert_true(bytes_equal(bytes_trim_end(written), bytes_from_string(cases[i].written)));
    }
}

/* Long values go in pieces, none of which cuts a character; all lines are short. */
static void long_values(void **state)
{
    (void)state;
    AUTO(buffer)
    out = BUFFER(100000);
    AUTO(buffer)
    value = BUFFER(10000);
    for (int i = 0; i < 500; i++)
        buffer_append_string(&value, i % 3 == 0 ? "ü" : "a");
    write(&out, buffer_string(&value));
    struct bytes rest = buffer_bytes(&out);
    unsigned number = 0;
    while (rest.length > 0) {
        size_t end = bytes_find(rest, BYTES("\r\n"));
        struct bytes line = bytes_slice(rest, 0, end);
        assert_true(line.length <= 78);
        size_t percent = 0;
        for (size_t i = 0; i < line.length; i++)
            percent += line.data[i] == '%';
        assert_int_equal(percent % 2, 0);
        rest = bytes_skip(rest, end + 2);
        number++;
    }
    assert_true(number > 10);
    assert_true(bytes_find(buffer_bytes(&out), BYTES(" filename*0*=UTF-8''")) != BYTES_NOT_FOUND);
    assert_true(bytes_find(buffer_bytes(&out), BYTES(" filename*10*=")) != BYTES_NOT_FOUND);
}

static bool write_type(struct buffer *out, struct bytes text, struct fault *fault)
{
    struct header_writer writer;
    buffer_reset(out);
    header_writer_begin(&writer, out, BYTES("T"));
    return parameter_write_content_type(&writer, text, fault) && header_writer_end(&writer, fault);
}

static void content_types(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *written;
    } cases[] = {
        {"text/plain", "T: text/plain\r\n"},
        {" Text/X-C ; charset=utf-8;name=\"a b\"; ",
         "T: Text/X-C; charset=utf-8; name=\"a b\"\r\n"},
        {"a/b;c=\"d\\\"e\"", "T: a/b; c=\"d\\\"e\"\r\n"},
        {"a/b;c=\"plain\"", "T: a/b; c=plain\r\n"},
        {"a/b;name=\"ä\"", "T: a/b; name*=UTF-8''%C3%A4\r\n"},
    };
    AUTO(buffer)
    out = BUFFER(10000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(write_type(&out, bytes_from_string(cases[i].text), NULL));
        assert_string_equal(buffer_string(&out), cases[i].written);
    }
    static const struct bytes invalid[] = {
        BYTES_INIT(""),
        BYTES_INIT("text"),
        BYTES_INIT("text/"),
        BYTES_INIT("/plain"),
        BYTES_INIT("a/b/c"),
        BYTES_INIT("a/b c"),
        BYTES_INIT("a/b;c"),
        BYTES_INIT("a/b;c="),
        BYTES_INIT("a/b;=d"),
        BYTES_INIT("a/b;c=\"d"),
        BYTES_INIT("a/b;c=\"d\re\""),
        BYTES_INIT("a/b\r\nBcc: x"),
        BYTES_INIT("a/b;c=d e"),
        BYTES_INIT("ä/b"),
        BYTES_INIT("a/b;c=\"\0\""),
    };
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++) {
        struct fault fault = {0};
        assert_false(write_type(&out, invalid[i], &fault));
        assert_int_equal(fault.kind, FAULT_SYNTAX);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(values),
    cmocka_unit_test(long_values),
    cmocka_unit_test(content_types),
};

UNIT_MAIN(tests)
