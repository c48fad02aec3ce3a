/* Types by name, and boundaries. */
#include "mail/mime.h"

#include "base/auto.h"
#include "unit.h"

static void types(void **state)
{
    (void)state;
    assert_string_equal(mime_type_by_name(BYTES("a.pdf")), "application/pdf");
    assert_string_equal(mime_type_by_name(BYTES("a.b.JPEG")), "image/jpeg");
    assert_string_equal(mime_type_by_name(BYTES("mail.eml")), "message/rfc822");
    assert_string_equal(mime_type_by_name(BYTES("pdf")), "application/octet-stream");
    assert_string_equal(mime_type_by_name(BYTES("a.")), "application/octet-stream");
    assert_string_equal(mime_type_by_name(BYTES("")), "application/octet-stream");
    assert_string_equal(mime_type_by_name(BYTES("a.unheard-of")), "application/octet-stream");
}

static void boundaries(void **state)
{
    (void)state;
    AUTO(buffer)
    one = BUFFER(MIME_BOUNDARY_MAX);
    AUTO(buffer)
    other = BUFFER(MIME_BOUNDARY_MAX);
    assert_true(mime_boundary_make(&one, NULL));
    assert_true(mime_boundary_make(&other, NULL));
    assert_false(buffer_is_failed(&one));
    assert_true(bytes_starts_with(buffer_bytes(&one), BYTES("=_")));
    assert_int_equal(one.length, 34);
    assert_false(bytes_equal(buffer_bytes(&one), buffer_bytes(&other)));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(types),
    cmocka_unit_test(boundaries),
};

UNIT_MAIN(tests)
