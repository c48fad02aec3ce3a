/* Segments pulled through in reads of every size, and streams that lie. */
#include "mail/compose.h"

#include <stdlib.h>

#include "base/auto.h"
#include "failing_allocation.h"
#include "unit.h"

/* Gives a text `step` bytes at a time; -1 after `fails_after` bytes when that is not 0. */
struct stream {
    struct bytes rest;
    size_t step;
    size_t fails_after;
    size_t given;
};

static ssize_t read_stream(void *context, char *out, size_t size)
{
    struct stream *stream = context;
    struct bytes piece = bytes_slice(stream->rest, 0, stream->step);
    if (stream->fails_after > 0 && stream->given >= stream->fails_after)
        return -1;
    if (piece.length > size)
        piece.length = size;
    if (piece.length > 0)
        memcpy(out, piece.data, piece.length);
    stream->rest = bytes_skip(stream->rest, piece.length);
    stream->given += piece.length;
    return (ssize_t)piece.length;
}

/* Everything, read `size` bytes at a time; false on failure. */
static bool read_all(struct compose *composition, size_t size, struct buffer *out)
{
    char piece[300];
    for (;;) {
        ssize_t count = compose_read(composition, piece, size);
        if (count <= 0)
            return count == 0;
        assert_true((size_t)count <= size);
        buffer_append(out, bytes_of(piece, (size_t)count));
    }
}

static void every_kind_in_a_row(void **state)
{
    (void)state;
    for (size_t size = 1; size < 300; size += 7) {
        AUTO(compose)
        composition;
        AUTO(buffer)
        out = BUFFER(10000);
        struct stream plain = {.rest = BYTES("streamed"), .step = 3};
        struct stream encoded = {.rest = BYTES("abcdef"), .step = 4};
        compose_init(&composition);
        buffer_append_string(&composition.text, "header\r\n");
        struct compose_source source = {.memory = BYTES("memory")};
        assert_true(compose_add_source(&composition, &source, TRANSFER_AS_IS, NULL));
        buffer_append_string(&composition.text, "\r\nmiddle\r\n");
        source.memory = BYTES("\xc3\xa4 ");
        assert_true(compose_add_source(&composition, &source, TRANSFER_QUOTED_PRINTABLE, NULL));
        source = (struct compose_source){
            .read = read_stream, .context = &plain, .size = 8, .is_size_known = true};
        assert_true(compose_add_source(&composition, &source, TRANSFER_AS_IS, NULL));
        source = (struct compose_source){
            .read = read_stream, .context = &encoded, .size = 6, .is_size_known = true};
        assert_true(compose_add_source(&composition, &source, TRANSFER_BASE64, NULL));
        source = (struct compose_source){.memory = BYTES("")};
        assert_true(compose_add_source(&composition, &source, TRANSFER_BASE64, NULL));
        buffer_append_string(&composition.text, "end\r\n");
        assert_true(compose_finish(&composition, NULL));
        uint64_t total;
        assert_true(compose_size(&composition, &total));
        assert_true(read_all(&composition, size, &out));
        assert_bytes(buffer_bytes(&out), "header\r\nmemory\r\nmiddle\r\n=C3=A4=20streamed"
                                         "YWJjZGVm\r\nend\r\n");
        assert_int_equal(out.length, total);
        assert_int_equal(compose_read(&composition, (char[1]){0}, 1), 0);
    }
}

static void streams_that_lie(void **state)
{
    (void)state;
    static const struct {
        uint64_t said;
        size_t fails_after;
        bool is_fine;
    } cases[] = {{6, 0, true}, {5, 0, false}, {7, 0, false}, {6, 3, false}, {0, 0, false}};
    static const enum transfer_encoding encodings[] = {TRANSFER_AS_IS, TRANSFER_BASE64};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t j = 0; j < 2; j++) {
            AUTO(compose)
            composition;
            AUTO(buffer)
            out = BUFFER(10000);
            struct stream stream = {
                .rest = BYTES("abcdef"), .step = 3, .fails_after = cases[i].fails_after};
            struct compose_source source = {.read = read_stream,
                                            .context = &stream,
                                            .size = cases[i].said,
                                            .is_size_known = true};
            compose_init(&composition);
            assert_true(compose_add_source(&composition, &source, encodings[j], NULL));
            assert_true(compose_finish(&composition, NULL));
            assert_int_equal(read_all(&composition, 100, &out), cases[i].is_fine);
            /* A failure is for good. */
            assert_int_equal(compose_read(&composition, (char[1]){0}, 1),
                             cases[i].is_fine ? 0 : -1);
        }
    }
}

static void sizes_that_are_not_known(void **state)
{
    (void)state;
    AUTO(compose)
    composition;
    AUTO(buffer)
    out = BUFFER(10000);
    struct stream stream = {.rest = BYTES("abc"), .step = 1};
    struct compose_source source = {.read = read_stream, .context = &stream};
    uint64_t size;
    compose_init(&composition);
    assert_true(compose_add_source(&composition, &source, TRANSFER_BASE64, NULL));
    assert_true(compose_finish(&composition, NULL));
    assert_false(compose_size(&composition, &size));
    assert_true(read_all(&composition, 2, &out));
    assert_bytes(buffer_bytes(&out), "YWJj\r\n");
}

/* More than one piece of memory and of a stream. */
static void long_sources(void **state)
{
    (void)state;
    size_t length = 3 * (size_t)COMPOSE_PIECE + 100;
    char *text = malloc(length);
    assert_non_null(text);
    for (size_t i = 0; i < length; i++)
        text[i] = (char)(i * 31);
    for (int is_stream = 0; is_stream < 2; is_stream++) {
        AUTO(compose)
        composition;
        struct stream stream = {.rest = bytes_of(text, length), .step = 1000};
        struct compose_source source = {.memory = bytes_of(text, length)};
        if (is_stream)
            source = (struct compose_source){
                .read = read_stream, .context = &stream, .size = length, .is_size_known = true};
        compose_init(&composition);
        assert_true(compose_add_source(&composition, &source, TRANSFER_BASE64, NULL));
        assert_true(compose_finish(&composition, NULL));
        uint64_t size;
        assert_true(compose_size(&composition, &size));
        AUTO(buffer)
        out = BUFFER(2 * length);
        AUTO(buffer)
        expected = BUFFER(2 * length);
        assert_true(read_all(&composition, 299, &out));
        assert_int_equal(out.length, size);
        struct base64_encoder encoder;
        base64_encoder_init(&encoder);
        base64_encoder_feed(&encoder, bytes_of(text, length), &expected);
        base64_encoder_finish(&encoder, &expected);
        assert_true(bytes_equal(buffer_bytes(&out), buffer_bytes(&expected)));
    }
    free(text);
}

static void memory_runs_out(void **state)
{
    (void)state;
    bool was_refused = true;
    for (size_t count = 0; was_refused; count++) {
        AUTO(compose)
        composition;
        AUTO(buffer)
        out = BUFFER(1000);
        struct stream stream = {.rest = BYTES("abc"), .step = 1};
        struct compose_source source = {.read = read_stream, .context = &stream};
        compose_init(&composition);
        failing_allocation_start(count);
        buffer_append_string(&composition.text, "header\r\n");
        bool is_made = compose_add_source(&composition, &source, TRANSFER_BASE64, NULL) &&
                       compose_finish(&composition, NULL) && read_all(&composition, 100, &out) &&
                       !buffer_is_failed(&out);
        was_refused = failing_allocation_stop();
        assert_int_equal(is_made, !was_refused);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_kind_in_a_row),      cmocka_unit_test(streams_that_lie),
    cmocka_unit_test(sizes_that_are_not_known), cmocka_unit_test(long_sources),
    cmocka_unit_test(memory_runs_out),
};

UNIT_MAIN(tests)
