/* Messages from a pipe: the lone dot, headers that are mended, and the file without a name. */
#include "cli/send_spool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "unit.h"

enum {
    CONTENT_MAX = 1 << 20
};

static const struct send_spool_rules as_it_is = {0};
static const struct send_spool_rules dot = {.lone_dot_ends = true};
static const struct send_spool_rules mend = {.mends_header = true};

/* Copies `in` and gives what is in the file afterwards. */
static struct bytes copy(struct bytes in, struct send_spool_rules rules, struct buffer *out)
{
    struct fault fault;
    uint64_t size = 0;
    FILE *source = tmpfile();
    assert_non_null(source);
    assert_int_equal(fwrite(in.data, 1, in.length, source), in.length);
    rewind(source);
    int descriptor = send_spool_copy(fileno(source), rules, &size, &fault);
    assert_true(descriptor >= 0);
    struct stat status;
    assert_int_equal(fstat(descriptor, &status), 0);
    assert_int_equal(status.st_nlink, 0);
    buffer_reset(out);
    char piece[4096];
    ssize_t count;
    while ((count = read(descriptor, piece, sizeof(piece))) > 0)
        buffer_append(out, bytes_of(piece, (size_t)count));
    close(descriptor);
    fclose(source);
    return buffer_bytes(out);
}

static void as_it_comes(void **state)
{
    (void)state;
    AUTO(buffer)
    out = BUFFER(CONTENT_MAX);
    assert_bytes(copy(BYTES(""), as_it_is, &out), "");
    assert_bytes(copy(BYTES("a\n.\nb\0c"), as_it_is, &out), "a\n.\nb\0c");
    assert_bytes(copy(BYTES("From x\n.\n"), as_it_is, &out), "From x\n.\n");
}

static void lone_dots(void **state)
{
    (void)state;
    AUTO(buffer)
    out = BUFFER(CONTENT_MAX);
    assert_bytes(copy(BYTES("a\n.\nb\n"), dot, &out), "a\n");
    assert_bytes(copy(BYTES("a\r\n.\r\nb\r\n"), dot, &out), "a\r\n");
    assert_bytes(copy(BYTES(".\nb\n"), dot, &out), "");
    assert_bytes(copy(BYTES("a\n."), dot, &out), "a\n");
    assert_bytes(copy(BYTES("a.\n..\n. \n .\nb"), dot, &out), "a.\n..\n. \n .\nb");
}

static void lines_longer_than_the_reader(void **state)
{
    (void)state;
    AUTO(buffer)
    in = BUFFER(CONTENT_MAX);
    AUTO(buffer)
    out = BUFFER(CONTENT_MAX);
    /* A dot where a piece of a long line begins is no dot at a line's start. */
    for (size_t i = 0; i < 65536; i++)
        buffer_append_char(&in, 'x');
    buffer_append_string(&in, ".\nend\n.\nbehind\n");
    struct bytes copied = copy(buffer_bytes(&in), dot, &out);
    assert_int_equal(copied.length, 65536 + 6);
    assert_true(bytes_ends_with(copied, BYTES("x.\nend\n")));
}

static void headers_are_mended(void **state)
{
    (void)state;
    AUTO(buffer)
    out = BUFFER(CONTENT_MAX);
    assert_bytes(copy(BYTES("hello\nyou\n"), mend, &out), "\nhello\nyou\n");
    assert_bytes(copy(BYTES("A: b\nhello\n"), mend, &out), "A: b\n\nhello\n");
    assert_bytes(copy(BYTES("A: b\n c\n\td\n\nhello\n"), mend, &out), "A: b\n c\n\td\n\nhello\n");
    assert_bytes(copy(BYTES("A : b\n\nx"), mend, &out), "A : b\n\nx");
    assert_bytes(copy(BYTES("From ann Mon\nA: b\n\nFrom here\n"), mend, &out),
                 "A: b\n\nFrom here\n");
    assert_bytes(copy(BYTES(">From ann Mon\nA: b\n\n"), mend, &out), "A: b\n\n");
    assert_bytes(copy(BYTES(" a\nA: b\n"), mend, &out), "\n a\nA: b\n");
    assert_bytes(copy(BYTES(": b\n"), mend, &out), "\n: b\n");
    assert_bytes(copy(BYTES("A: b\r\n\r\nhello\r\n"), mend, &out), "A: b\r\n\r\nhello\r\n");
    /* A header that nothing follows is ended. */
    assert_bytes(copy(BYTES("A: b\n"), mend, &out), "A: b\n\n");
    assert_bytes(copy(BYTES(""), mend, &out), "\n");
}

static void bare_names_get_a_domain(void **state)
{
    (void)state;
    static const struct send_spool_rules rules = {.mends_header = true, .domain = "d.example"};
    AUTO(buffer)
    out = BUFFER(CONTENT_MAX);
    assert_bytes(copy(BYTES("From ann Mon\nTo: a,\n b\nSubject: c\nCc: d\n\nTo: e\n"), rules, &out),
                 "To: a@d.example,\n b@d.example\nSubject: c\nCc: d@d.example\n\nTo: e\n");
    assert_bytes(copy(BYTES("To: a\ntext\n"), rules, &out), "To: a@d.example\n\ntext\n");
    assert_bytes(copy(BYTES("To: a"), rules, &out), "To: a@d.example\n");
}

static void a_field_that_is_too_long(void **state)
{
    (void)state;
    struct fault fault = {0};
    uint64_t size;
    FILE *source = tmpfile();
    assert_non_null(source);
    fputs("To: ", source);
    for (size_t i = 0; i < (1 << 20); i++)
        fputc('x', source);
    rewind(source);
    assert_int_equal(send_spool_copy(fileno(source), mend, &size, &fault), -1);
    assert_int_equal(fault.system_error, EMSGSIZE);
    fclose(source);
}

static void faults(void **state)
{
    (void)state;
    struct fault fault = {0};
    uint64_t size;
    assert_int_equal(send_spool_copy(-1, as_it_is, &size, &fault), -1);
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
    assert_int_not_equal(fault.system_error, 0);
    assert_int_equal(setenv("TMPDIR", "/nonexistent/folder", 1), 0);
    assert_int_equal(send_spool_open(&fault), -1);
    assert_true(bytes_find(bytes_from_string(fault.message), BYTES("/nonexistent/folder")) !=
                BYTES_NOT_FOUND);
    unsetenv("TMPDIR");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_it_comes),
        cmocka_unit_test(lone_dots),
        cmocka_unit_test(lines_longer_than_the_reader),
        cmocka_unit_test(headers_are_mended),
        cmocka_unit_test(bare_names_get_a_domain),
        cmocka_unit_test(a_field_that_is_too_long),
        cmocka_unit_test(faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
