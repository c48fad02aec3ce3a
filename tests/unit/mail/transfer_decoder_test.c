/* Decoders: what real mail does to the encodings, and pieces of any size. */
#include "mail/transfer_decoder.h"

#include "base/auto.h"
#include "failing_allocation.h"
#include "unit.h"

static void decode(enum transfer_encoding encoding, struct bytes in, size_t piece,
                   struct buffer *out)
{
    struct transfer_decoder decoder;
    buffer_reset(out);
    transfer_decoder_begin(&decoder, encoding);
    for (size_t start = 0; start < in.length; start += piece)
        transfer_decoder_feed(&decoder, bytes_slice(in, start, piece), out);
    transfer_decoder_finish(&decoder, out);
    assert_false(buffer_is_failed(out));
}

struct decoding_case {
    struct bytes in;
    struct bytes out;
};

static void check_all_pieces(enum transfer_encoding encoding, const struct decoding_case *cases,
                             size_t count)
{
    AUTO(buffer)
    out = BUFFER(10000);
    for (size_t i = 0; i < count; i++) {
        for (size_t piece = 1; piece <= cases[i].in.length + 1; piece++) {
            decode(encoding, cases[i].in, piece, &out);
            if (!bytes_equal(buffer_bytes(&out), cases[i].out))
                fail_msg("\"%.*s\" in pieces of %zu: \"%.*s\"", BYTES_FORMAT(cases[i].in), piece,
                         BYTES_FORMAT(buffer_bytes(&out)));
        }
    }
}

static void quoted_printable(void **state)
{
    (void)state;
    static const struct decoding_case cases[] = {
        {BYTES_INIT(""), BYTES_INIT("")},
        {BYTES_INIT("plain\r\ntext"), BYTES_INIT("plain\r\ntext")},
        {BYTES_INIT("=C3=A4=c3=b6"), BYTES_INIT("\xc3\xa4\xc3\xb6")},
        {BYTES_INIT("soft=\r\nline"), BYTES_INIT("softline")},
        {BYTES_INIT("soft=\nline"), BYTES_INIT("softline")},
        {BYTES_INIT("soft= \t\r\nline"), BYTES_INIT("softline")},
        {BYTES_INIT("blanks  \t\r\nend"), BYTES_INIT("blanks\r\nend")},
        {BYTES_INIT("blanks \nend  "), BYTES_INIT("blanks\nend")},
        {BYTES_INIT("in  between"), BYTES_INIT("in  between")},
        {BYTES_INIT("=20\r\n=09"), BYTES_INIT(" \r\n\t")},
        {BYTES_INIT("a=b=ZZ=4"), BYTES_INIT("a=b=ZZ=4")},
        {BYTES_INIT("a==41"), BYTES_INIT("a=A")},
        {BYTES_INIT("a=4=41"), BYTES_INIT("a=4A")},
        {BYTES_INIT("a=\r\n"), BYTES_INIT("a")},
        {BYTES_INIT("a="), BYTES_INIT("a")},
        {BYTES_INIT("a=  b"), BYTES_INIT("a=  b")},
        {BYTES_INIT("a=\rb"), BYTES_INIT("a=\rb")},
        {BYTES_INIT("a\rb\r"), BYTES_INIT("a\rb\r")},
        {BYTES_INIT("a\r\r\nb"), BYTES_INIT("a\r\r\nb")},
        {BYTES_INIT("a \r \r\nb"), BYTES_INIT("a \r\r\nb")},
        {BYTES_INIT("=00=FF\0"), BYTES_INIT("\0\xff\0")},
        {BYTES_INIT("\n\n=\n\n"), BYTES_INIT("\n\n\n")},
    };
    check_all_pieces(TRANSFER_QUOTED_PRINTABLE, cases, sizeof cases / sizeof *cases);
}

static void base64(void **state)
{
    (void)state;
    static const struct decoding_case cases[] = {
        {BYTES_INIT(""), BYTES_INIT("")},
        {BYTES_INIT("aGVsbG8gd29ybGQ="), BYTES_INIT("hello world")},
        {BYTES_INIT("aGVs\r\nbG8g\r\nd29y\r\nbGQ=\r\n"), BYTES_INIT("hello world")},
        {BYTES_INIT("aGVsbG8"), BYTES_INIT("hello")},
        {BYTES_INIT("aGVsbA"), BYTES_INIT("hell")},
        {BYTES_INIT("aGVsbG"), BYTES_INIT("hell")},
        {BYTES_INIT("aGVsb"), BYTES_INIT("hel")},
        {BYTES_INIT("a G\tV*s-b_G!8="), BYTES_INIT("hello")},
        {BYTES_INIT("aGVsbG8=aGVsbG8="), BYTES_INIT("hellohello")},
        {BYTES_INIT("===="), BYTES_INIT("")},
        {BYTES_INIT("a==="), BYTES_INIT("")},
        {BYTES_INIT("+/+/"), BYTES_INIT("\xfb\xff\xbf")},
        {BYTES_INIT("AAAA"), BYTES_INIT("\0\0\0")},
    };
    check_all_pieces(TRANSFER_BASE64, cases, sizeof cases / sizeof *cases);
}

static void as_it_is(void **state)
{
    (void)state;
    static const struct decoding_case cases[] = {
        {BYTES_INIT("a =41 \r\n"), BYTES_INIT("a =41 \r\n")},
    };
    check_all_pieces(TRANSFER_AS_IS, cases, 1);
}

/* What the encoders wrote comes back. */
static void round_trip(void **state)
{
    (void)state;
    AUTO(buffer)
    encoded = BUFFER(100000);
    AUTO(buffer)
    out = BUFFER(100000);
    char text[4096];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * i >> 3);
    static const enum transfer_encoding encodings[] = {TRANSFER_BASE64, TRANSFER_QUOTED_PRINTABLE};
    for (size_t i = 0; i < 2; i++) {
        struct transfer_encoder encoder;
        struct bytes in = bytes_of(text, sizeof text);
        /* Line ends of a text are made CRLF by the encoder: none here. */
        for (size_t k = 0; i == 1 && k < sizeof text; k++)
            text[k] = (char)(text[k] == '\r' || text[k] == '\n' ? 'x' : text[k]);
        buffer_reset(&encoded);
        transfer_encoding_begin(&encoder, encodings[i]);
        transfer_encoding_feed(&encoder, in, &encoded);
        transfer_encoding_finish(&encoder, &encoded);
        decode(encodings[i], buffer_bytes(&encoded), 100, &out);
        assert_true(bytes_equal(buffer_bytes(&out), in));
    }
}

/* A run of blanks that is too long to be held is text. */
static void bounded(void **state)
{
    (void)state;
    AUTO(buffer)
    out = BUFFER(100000);
    AUTO(buffer)
    in = BUFFER(100000);
    for (size_t i = 0; i < 1000; i++)
        buffer_append_char(&in, ' ');
    buffer_append_string(&in, "\r\n");
    decode(TRANSFER_QUOTED_PRINTABLE, buffer_bytes(&in), in.length, &out);
    assert_int_equal(out.length, 1000 / TRANSFER_DECODER_HELD_MAX * TRANSFER_DECODER_HELD_MAX + 2);
    AUTO(buffer)
    again = BUFFER(100000);
    decode(TRANSFER_QUOTED_PRINTABLE, buffer_bytes(&in), 7, &again);
    assert_true(bytes_equal(buffer_bytes(&out), buffer_bytes(&again)));
}

static void names(void **state)
{
    (void)state;
    enum transfer_encoding encoding = TRANSFER_7BIT;
    assert_true(transfer_decoder_named(BYTES("BASE64"), &encoding));
    assert_int_equal(encoding, TRANSFER_BASE64);
    assert_true(transfer_decoder_named(BYTES("Quoted-Printable"), &encoding));
    assert_int_equal(encoding, TRANSFER_QUOTED_PRINTABLE);
    assert_true(transfer_decoder_named(BYTES(""), &encoding));
    assert_int_equal(encoding, TRANSFER_AS_IS);
    assert_true(transfer_decoder_named(BYTES("binary"), &encoding));
    assert_false(transfer_decoder_named(BYTES("x-uuencode"), &encoding));
    assert_false(transfer_decoder_named(BYTES("base64 "), &encoding));
}

static void memory_runs_out(void **state)
{
    (void)state;
    AUTO(buffer)
    out = BUFFER(1000);
    struct transfer_decoder decoder;
    transfer_decoder_begin(&decoder, TRANSFER_BASE64);
    failing_allocation_start(0);
    transfer_decoder_feed(&decoder, BYTES("aGVsbG8gd29ybGQ="), &out);
    assert_true(failing_allocation_stop());
    assert_true(buffer_is_failed(&out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quoted_printable), cmocka_unit_test(base64),  cmocka_unit_test(as_it_is),
        cmocka_unit_test(round_trip),       cmocka_unit_test(bounded), cmocka_unit_test(names),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
