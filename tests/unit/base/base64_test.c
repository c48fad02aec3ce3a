/* Base64: the vectors of RFC 4648, strictness, and lines of 76. */
#include "base/base64.h"

#include "unit.h"

/* RFC 4648 section 10. */
static const struct {
    struct bytes plain;
    struct bytes encoded;
} vectors[] = {
    {BYTES_INIT(""), BYTES_INIT("")},
    {BYTES_INIT("f"), BYTES_INIT("Zg==")},
    {BYTES_INIT("fo"), BYTES_INIT("Zm8=")},
    {BYTES_INIT("foo"), BYTES_INIT("Zm9v")},
    {BYTES_INIT("foob"), BYTES_INIT("Zm9vYg==")},
    {BYTES_INIT("fooba"), BYTES_INIT("Zm9vYmE=")},
    {BYTES_INIT("foobar"), BYTES_INIT("Zm9vYmFy")},
    {BYTES_INIT("\x00\xFF\xFE\x10"), BYTES_INIT("AP/+EA==")},
};

static void known_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        AUTO(buffer)
        out = BUFFER(100);
        base64_encode(vectors[i].plain, &out);
        assert_true(bytes_equal(buffer_bytes(&out), vectors[i].encoded));
        assert_int_equal(out.length, base64_encoded_length(vectors[i].plain.length));
        buffer_reset(&out);
        assert_true(base64_decode(vectors[i].encoded, &out));
        assert_true(bytes_equal(buffer_bytes(&out), vectors[i].plain));
    }
}

static void decoding_is_strict(void **state)
{
    (void)state;
    static const struct bytes wrong[] = {
        BYTES_INIT("Z"),        BYTES_INIT("Zg"),        BYTES_INIT("Zg="),
        BYTES_INIT("===="),     BYTES_INIT("Z==="),      BYTES_INIT("=Zg="),
        BYTES_INIT("Zg==Zg=="), BYTES_INIT("Zh=="),      BYTES_INIT("Zm9="),
        BYTES_INIT("Zm9\n"),    BYTES_INIT("Zm 9"),      BYTES_INIT("Zm-_"),
        BYTES_INIT("Zm9v\r\n"), BYTES_INIT("Zm9\0Zm9v"), BYTES_INIT("Z\xC3\xA4=")};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        AUTO(buffer)
        out = BUFFER(100);
        assert_false(base64_decode(wrong[i], &out));
        assert_int_equal(out.length, 0);
    }
}

static void every_byte_and_length_survives(void **state)
{
    (void)state;
    char plain[512];
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (char)(i * 7 + i / 256);
    for (size_t length = 0; length <= sizeof plain; length++) {
        AUTO(buffer)
        encoded = BUFFER(1000);
        AUTO(buffer)
        decoded = BUFFER(1000);
        base64_encode(bytes_of(plain, length), &encoded);
        assert_true(base64_decode(buffer_bytes(&encoded), &decoded));
        assert_true(bytes_equal(buffer_bytes(&decoded), bytes_of(plain, length)));
    }
}

static void the_limit_is_the_buffers(void **state)
{
    (void)state;
    AUTO(buffer)
    out = BUFFER(7);
    base64_encode(BYTES("foobar"), &out);
    assert_true(buffer_is_failed(&out));
    assert_int_equal(out.length, 0);
    AUTO(buffer)
    small = BUFFER(5);
    assert_true(base64_decode(BYTES("Zm9vYmFy"), &small));
    assert_true(buffer_is_failed(&small));
}

/* The lines do not depend on how the body was cut. */
static void lines_in_pieces_or_whole(void **state)
{
    (void)state;
    char body[400];
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char)(i ^ 0x5A);
    static const size_t lengths[] = {0, 1, 56, 57, 58, 113, 114, 115, 171, 400};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        size_t length = lengths[i];
        AUTO(buffer)
        whole = BUFFER(2000);
        struct base64_encoder encoder;
        base64_encoder_init(&encoder);
        base64_encoder_feed(&encoder, bytes_of(body, length), &whole);
        base64_encoder_finish(&encoder, &whole);
        assert_int_equal(whole.length, base64_encoded_lines_length(length));

        struct bytes rest = buffer_bytes(&whole);
        AUTO(buffer)
        joined = BUFFER(2000);
        while (rest.length > 0) {
            size_t end = bytes_find(rest, BYTES("\r\n"));
            assert_true(end <= BASE64_LINE_COLUMNS);
            buffer_append(&joined, bytes_slice(rest, 0, end));
            rest = bytes_skip(rest, end + 2);
        }
        AUTO(buffer)
        plain = BUFFER(2000);
        assert_true(base64_decode(buffer_bytes(&joined), &plain));
        assert_true(bytes_equal(buffer_bytes(&plain), bytes_of(body, length)));

        for (size_t step = 1; step < 130; step++) {
            AUTO(buffer)
            pieces = BUFFER(2000);
            base64_encoder_init(&encoder);
            for (size_t at = 0; at < length; at += step)
                base64_encoder_feed(&encoder, bytes_slice(bytes_of(body, length), at, step),
                                    &pieces);
            base64_encoder_finish(&encoder, &pieces);
            assert_true(bytes_equal(buffer_bytes(&pieces), buffer_bytes(&whole)));
        }
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(known_values),
    cmocka_unit_test(decoding_is_strict),
    cmocka_unit_test(every_byte_and_length_survives),
    cmocka_unit_test(the_limit_is_the_buffers),
    cmocka_unit_test(lines_in_pieces_or_whole),
};

UNIT_MAIN(tests)
