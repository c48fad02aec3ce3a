/* UTF-8: every code point goes there and back, and what RFC 3629 forbids is refused. */
#include "base/utf8.h"

#include "unit.h"

static void every_code_point_survives(void **state)
{
    (void)state;
    AUTO(buffer)
    out = BUFFER(4);
    for (uint32_t code_point = 0; code_point <= 0x10FFFF; code_point++) {
        if (code_point >= 0xD800 && code_point <= 0xDFFF)
            continue;
        buffer_reset(&out);
        utf8_append(&out, code_point);
        struct bytes rest = buffer_bytes(&out);
        uint32_t back = UINT32_MAX;
        if (!utf8_next(&rest, &back) || back != code_point || rest.length != 0)
            fail_msg("U+%04X did not survive", code_point);
    }
    assert_false(buffer_is_failed(&out));
}

static void invalid_sequences(void **state)
{
    (void)state;
    static const struct bytes wrong[] = {
        BYTES_INIT("\x80"),             /* a continuation with no start */
        BYTES_INIT("\xC0\x80"),         /* overlong NUL */
        BYTES_INIT("\xC1\xBF"),         /* overlong U+007F */
        BYTES_INIT("\xE0\x9F\xBF"),     /* overlong U+07FF */
        BYTES_INIT("\xF0\x8F\xBF\xBF"), /* overlong U+FFFF */
        BYTES_INIT("\xED\xA0\x80"),     /* the first surrogate */
        BYTES_INIT("\xED\xBF\xBF"),     /* the last surrogate */
        BYTES_INIT("\xF4\x90\x80\x80"), /* U+110000 */
        BYTES_INIT("\xF8\x88\x80\x80\x80"),
        BYTES_INIT("\xFE"),
        BYTES_INIT("\xFF"),
        BYTES_INIT("\xC3"), /* cut */
        BYTES_INIT("\xE2\x82"),
        BYTES_INIT("\xF0\x9F\x98"),
        BYTES_INIT("\xC3\x28"), /* no continuation */
        BYTES_INIT("\xE2\x28\xA1"),
        BYTES_INIT("\xE2\x82\x28"),
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct bytes rest = wrong[i];
        uint32_t code_point = 42;
        assert_false(utf8_next(&rest, &code_point));
        assert_int_equal(code_point, 42);
        assert_ptr_equal(rest.data, wrong[i].data);
        assert_false(utf8_is_valid(wrong[i]));
    }
}

static void validity_at_every_place(void **state)
{
    (void)state;
    assert_true(utf8_is_valid(BYTES("")));
    assert_true(utf8_is_valid(bytes_of(NULL, 0)));
    assert_true(utf8_is_valid(BYTES("plain ASCII, longer than a word")));
    assert_true(utf8_is_valid(BYTES("Gr\xC3\xBC\xC3\x9F"
                                    "e \xE2\x82\xAC \xF0\x9F\x98\x80 end")));
    for (size_t i = 0; i < 24; i++) {
        char text[24];
        memset(text, 'a', sizeof text);
        text[i] = (char)0xBF;
        assert_false(utf8_is_valid(bytes_of(text, sizeof text)));
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_code_point_survives),
    cmocka_unit_test(invalid_sequences),
    cmocka_unit_test(validity_at_every_place),
};

UNIT_MAIN(tests)
