/* What EHLO says, in the words of servers tidy and untidy. */
#include "smtp/smtp_capability.h"

#include <stdio.h>

#include "failing_allocation.h"
#include "unit.h"

static void read_text(struct smtp_capability *capability, const char *text)
{
    smtp_capability_init(capability);
    assert_true(smtp_capability_read(capability, bytes_from_string(text)));
}

static void test_keywords(void **state)
{
    (void)state;
    struct smtp_capability capability;
    read_text(&capability, "mx.example PIPELINING\nPIPELINING\nsize 35882577\n8bitmime\nChunking\n"
                           "DELIVERBY 240\nFUTURERELEASE 604800 2026-01-01T00:00:00Z\n"
                           "LIMITS RCPTMAX=20 MAILMAX=5\nX-OWN thing  \nMT-PRIORITY NSEP");
    const struct ph_capabilities *known = &capability.known;
    assert_true(known->is_extended);
    assert_int_equal(known->set, PH_CAPABILITY_PIPELINING | PH_CAPABILITY_SIZE |
                                     PH_CAPABILITY_8BITMIME | PH_CAPABILITY_CHUNKING |
                                     PH_CAPABILITY_DELIVERBY | PH_CAPABILITY_FUTURERELEASE |
                                     PH_CAPABILITY_LIMITS | PH_CAPABILITY_MT_PRIORITY);
    assert_int_equal(known->size_limit, 35882577);
    assert_int_equal(known->deliver_by_min, 240);
    assert_int_equal(known->hold_for_max, 604800);
    assert_int_equal(known->recipients_max, 20);
    assert_int_equal(known->messages_max, 5);
    assert_string_equal(smtp_capability_find(&capability, "Size"), "35882577");
    assert_string_equal(smtp_capability_find(&capability, "pipelining"), "");
    assert_string_equal(smtp_capability_find(&capability, "x-own"), "thing");
    assert_null(smtp_capability_find(&capability, "DSN"));
    assert_null(smtp_capability_find(&capability, "mx.example"));
    assert_string_equal(known->mechanisms, "");
    smtp_capability_clear(&capability);
}

static void test_mechanisms_add_up(void **state)
{
    (void)state;
    struct smtp_capability capability;
    read_text(&capability, "mx\nAUTH=LOGIN plain\nauth PLAIN  CRAM-MD5 \nAUTH");
    assert_string_equal(capability.known.mechanisms, "LOGIN PLAIN CRAM-MD5");
    assert_string_equal(smtp_capability_find(&capability, "auth"), "LOGIN PLAIN CRAM-MD5");
    smtp_capability_clear(&capability);
}

static void test_many_mechanisms(void **state)
{
    (void)state;
    static char text[60 * 1024];
    struct smtp_capability capability;
    int length = snprintf(text, sizeof text, "mx\nAUTH %s X0123456789", "A234567890123456789012");
    for (int i = 0; i < 4500; i++)
        length += snprintf(text + length, sizeof text - (size_t)length, " X%d PLAIN", i % 4000);
    read_text(&capability, text);
    struct bytes rest = bytes_from_string(capability.known.mechanisms);
    struct bytes name;
    size_t count = 1;
    while (bytes_split(rest, ' ', &name, &rest))
        count++;
    assert_int_equal(count, 32);
    assert_bytes(name, "X29");
    assert_true(bytes_starts_with(bytes_from_string(capability.known.mechanisms),
                                  BYTES("X0123456789 X0 PLAIN X1 X2 ")));
    smtp_capability_clear(&capability);
}

static void test_what_is_no_capability(void **state)
{
    (void)state;
    struct smtp_capability capability;
    read_text(&capability,
              "mx\n\n   \nSIZE=100\nX_Y foo\n-DSN\nSIZE huge\nSIZE 99999999999999999999\nDSN x");
    assert_int_equal(capability.known.set, PH_CAPABILITY_SIZE | PH_CAPABILITY_DSN);
    assert_int_equal(capability.known.size_limit, 0);
    assert_null(smtp_capability_find(&capability, "X"));
    assert_string_equal(smtp_capability_find(&capability, "DSN"), "x");
    smtp_capability_clear(&capability);
}

static void test_last_of_two_counts(void **state)
{
    (void)state;
    struct smtp_capability capability;
    read_text(&capability, "mx\nSIZE 100\nSIZE 200");
    assert_int_equal(capability.known.size_limit, 200);
    assert_string_equal(smtp_capability_find(&capability, "SIZE"), "200");
    smtp_capability_clear(&capability);
}

static void test_everything_is_forgotten(void **state)
{
    (void)state;
    struct smtp_capability capability;
    read_text(&capability, "mx\nAUTH PLAIN\nSIZE 5");
    smtp_capability_reset(&capability);
    assert_int_equal(capability.known.set, 0);
    assert_false(capability.known.is_extended);
    assert_string_equal(capability.known.mechanisms, "");
    assert_string_equal(capability.known.text, "");
    assert_null(smtp_capability_find(&capability, "AUTH"));
    smtp_capability_clear(&capability);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    bool was_refused = true;
    for (size_t count = 0; was_refused; count++) {
        struct smtp_capability capability;
        smtp_capability_init(&capability);
        failing_allocation_start(count);
        bool is_read = smtp_capability_read(&capability, BYTES("mx\nAUTH PLAIN\nSIZE 5"));
        was_refused = failing_allocation_stop();
        assert_int_equal(is_read, !was_refused);
        assert_int_equal(capability.known.is_extended, is_read);
        smtp_capability_clear(&capability);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_keywords),           cmocka_unit_test(test_mechanisms_add_up),
    cmocka_unit_test(test_many_mechanisms),    cmocka_unit_test(test_what_is_no_capability),
    cmocka_unit_test(test_last_of_two_counts), cmocka_unit_test(test_everything_is_forgotten),
    cmocka_unit_test(test_out_of_memory),
};

UNIT_MAIN(tests)
