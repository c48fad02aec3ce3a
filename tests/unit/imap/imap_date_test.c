/* Dates of SEARCH and APPEND. */
#include "imap/imap_date.h"

#include "unit.h"

enum {
    NO_DAY = INT32_MIN
};

static int32_t day_of(const char *text)
{
    struct scan scan = scan_of(bytes_from_string(text));
    int32_t day;
    return imap_date_take(&scan, &day) && scan_is_at_end(&scan) ? day : NO_DAY;
}

static void days(void **state)
{
    (void)state;
    assert_int_equal(day_of("1-Jan-1970"), 0);
    assert_int_equal(day_of("01-jan-1970"), 0);
    assert_int_equal(day_of("\"2-JAN-1970\""), 1);
    assert_int_equal(day_of("31-Dec-1969"), -1);
    assert_int_equal(day_of("29-Feb-2000"), 11016);
    assert_int_equal(day_of("1-Mar-2000"), 11017);
    assert_int_equal(day_of("31-Dec-9999"), 2932896);
}

static void no_days(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "0-Jan-1970",
                                        "32-Jan-1970",
                                        "29-Feb-1900",
                                        "30-Feb-2000",
                                        "31-Apr-2001",
                                        "1-Foo-1970",
                                        "1-Jan-70",
                                        "1-Jan-19700",
                                        "1 Jan 1970",
                                        "001-Jan-1970",
                                        "1-Janu-1970",
                                        "\"1-Jan-1970",
                                        "1-Jan-1970\"",
                                        " 1-Jan-1970",
                                        "-1-Jan-1970",
                                        "1-1-1970",
                                        "1970-01-01"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(day_of(texts[i]), NO_DAY);
}

/* The place stays where it was. */
static void stays(void **state)
{
    (void)state;
    struct scan scan = scan_of(BYTES("31-Feb-2000"));
    int32_t day;
    int64_t time;
    assert_false(imap_date_take(&scan, &day));
    assert_false(imap_date_take_time(&scan, &time));
    assert_int_equal(scan_rest(&scan).length, 11);
}

static bool time_of(const char *text, int64_t *time)
{
    struct scan scan = scan_of(bytes_from_string(text));
    return imap_date_take_time(&scan, time) && scan_is_at_end(&scan);
}

static void expect_time(const char *text, int64_t seconds)
{
    int64_t time;
    assert_true(time_of(text, &time));
    assert_true(time == seconds * 1000000);
}

static void times(void **state)
{
    (void)state;
    expect_time("\" 1-Jan-1970 00:00:00 +0000\"", 0);
    expect_time("\"01-Jan-1970 00:00:00 -0000\"", 0);
    expect_time("\"1-Jan-1970 00:00:00 +0000\"", 0);
    expect_time("\" 1-Jan-1970 01:00:00 +0100\"", 0);
    expect_time("\"31-Dec-1969 23:59:59 +0000\"", -1);
    expect_time("\"17-Jul-1996 02:44:25 -0700\"", 837596665);
    expect_time("\"31-Dec-2016 23:59:60 +0000\"", 1483228800);
    expect_time("\" 1-Jan-2000 00:00:00 +2359\"", 946684800 - 86340);
}

static void no_times(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "17-Jul-1996 02:44:25 -0700",
        "\"17-Jul-1996 02:44:25 -0700",
        "\"17-Jul-1996 02:44:25\"",
        "\"17-Jul-1996 2:44:25 -0700\"",
        "\"17-Jul-1996 24:00:00 -0700\"",
        "\"17-Jul-1996 02:60:00 -0700\"",
        "\"17-Jul-1996 02:44:61 -0700\"",
        "\"17-Jul-1996 02:44:25 0700\"",
        "\"17-Jul-1996 02:44:25 -2400\"",
        "\"17-Jul-1996 02:44:25 -0760\"",
        "\"17-Jul-1996 02:44:25 PDT\"",
        "\"32-Jul-1996 02:44:25 -0700\"",
        "\"17-Jul-96 02:44:25 -0700\"",
        "\"17-Jul-1996  02:44:25 -0700\"",
        "\"  1-Jul-1996 02:44:25 -0700\"",
        "\"Wed, 17 Jul 1996 02:44:25 -0700\"",
    };
    int64_t time;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_false(time_of(texts[i], &time));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(days),  cmocka_unit_test(no_days),  cmocka_unit_test(stays),
    cmocka_unit_test(times), cmocka_unit_test(no_times),
};

UNIT_MAIN(tests)
