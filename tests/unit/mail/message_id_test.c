/* Message ids: made, taken off lists, refused. */
#include "mail/message_id.h"

#include "base/auto.h"
#include "unit.h"

static void made_ones_are_valid_and_differ(void **state)
{
    (void)state;
    AUTO(buffer)
    one = BUFFER(MESSAGE_ID_MAX);
    AUTO(buffer)
    other = BUFFER(MESSAGE_ID_MAX);
    assert_true(message_id_make(BYTES("bücher.example"), &one, NULL));
    assert_true(message_id_make(BYTES("bücher.example"), &other, NULL));
    assert_true(message_id_is_valid(buffer_bytes(&one)));
    assert_true(bytes_ends_with(buffer_bytes(&one), BYTES("@xn--bcher-kva.example>")));
    assert_int_equal(one.length, 1 + 32 + 1 + 21 + 1);
    assert_false(bytes_equal(buffer_bytes(&one), buffer_bytes(&other)));
    buffer_reset(&one);
    assert_false(message_id_make(BYTES("not a domain"), &one, NULL));
    assert_int_equal(one.length, 0);
}

static void ids_that_are(void **state)
{
    (void)state;
    static const char *const valid[] = {"<a@b>", "<1234.5678@[192.0.2.1]>", "<\"a..b\"@c>",
                                        "<a$b+c%d@e.f>", "<jörg@x>"};
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++)
        assert_true(message_id_is_valid(bytes_from_string(valid[i])));
    static const char *const invalid[] = {
        "",        "a@b",       "<a@b",    "a@b>",        "<>",           "<a>",
        "<@b>",    "<a@>",      "<a b@c>", "<a@b> <c@d>", "<a\r\n@b>",    "<a@b>x",
        " <a@b>x", "<a@b\177>", "<a<@b>",  "<a\xff@b>",   "<a\xc2\x85@b>"};
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++)
        assert_false(message_id_is_valid(bytes_from_string(invalid[i])));
    assert_false(message_id_is_valid(BYTES("<a\0@b>")));
}

static void lists(void **state)
{
    (void)state;
    struct bytes rest = BYTES(" <a@b>\t<c>,<d@e>  ");
    struct bytes id;
    assert_true(message_id_take(&rest, &id));
    assert_bytes(id, "<a@b>");
    assert_true(message_id_take(&rest, &id));
    assert_bytes(id, "<c>");
    assert_true(message_id_take(&rest, &id));
    assert_bytes(id, "<d@e>");
    assert_false(message_id_take(&rest, &id));
    assert_int_equal(rest.length, 0);
    rest = BYTES("<a@b> words");
    assert_true(message_id_take(&rest, &id));
    assert_false(message_id_take(&rest, &id));
    assert_bytes(rest, "words");
}

static void limit(void **state)
{
    (void)state;
    char text[MESSAGE_ID_MAX + 1];
    memset(text, 'a', sizeof text);
    text[0] = '<';
    text[5] = '@';
    text[MESSAGE_ID_MAX - 1] = '>';
    assert_true(message_id_is_valid(bytes_of(text, MESSAGE_ID_MAX)));
    text[MESSAGE_ID_MAX - 1] = 'a';
    text[MESSAGE_ID_MAX] = '>';
    assert_false(message_id_is_valid(bytes_of(text, MESSAGE_ID_MAX + 1)));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(made_ones_are_valid_and_differ),
    cmocka_unit_test(ids_that_are),
    cmocka_unit_test(lists),
    cmocka_unit_test(limit),
};

UNIT_MAIN(tests)
