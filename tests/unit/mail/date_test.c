/* Dates: written, read, and the calendar's corners. */
#include "mail/date.h"

#include "base/auto.h"
#include "unit.h"

struct date_case {
    int64_t seconds;
    int offset;
    const char *text;
};

static void writing(void **state)
{
    (void)state;
    static const struct date_case cases[] = {
        {0, 0, "Thu, 1 Jan 1970 00:00:00 +0000"},
        {-1, 0, "Wed, 31 Dec 1969 23:59:59 +0000"},
        {0, -1, "Wed, 31 Dec 1969 23:59:00 -0001"},
        {951782400, 0, "Tue, 29 Feb 2000 00:00:00 +0000"},
        {951868800, 0, "Wed, 1 Mar 2000 00:00:00 +0000"},
        {1795456088, 60, "Mon, 23 Nov 2026 18:48:08 +0100"},
        {1795456088, -570, "Mon, 23 Nov 2026 08:18:08 -0930"},
        {4107542399, 0, "Sun, 28 Feb 2100 23:59:59 +0000"},
        {4107542400, 0, "Mon, 1 Mar 2100 00:00:00 +0000"},
        {DATE_SECONDS_MIN, 0, "Mon, 1 Jan 1900 00:00:00 +0000"},
        {DATE_SECONDS_MAX, 0, "Fri, 31 Dec 9999 23:59:59 +0000"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO(buffer)
        out = BUFFER(100);
        int64_t seconds;
        int offset;
        assert_true(date_write(&out, cases[i].seconds, cases[i].offset, NULL));
        assert_string_equal(buffer_string(&out), cases[i].text);
        assert_true(date_parse(buffer_bytes(&out), &seconds, &offset));
        assert_true(seconds == cases[i].seconds);
        assert_int_equal(offset, cases[i].offset);
    }
}

static void out_of_range(void **state)
{
    (void)state;
    static const struct date_case cases[] = {
        {DATE_SECONDS_MIN - 1, 0, ""},
        {DATE_SECONDS_MAX + 1, 0, ""},
        {DATE_SECONDS_MAX, 1, ""},
        {DATE_SECONDS_MIN, -1, ""},
        {INT64_MAX, 1, ""},
        {INT64_MIN, -1, ""},
        {0, DATE_OFFSET_MAX + 1, ""},
        {0, -DATE_OFFSET_MAX - 1, ""},
        {0, INT32_MAX, ""},
    };
    AUTO(buffer)
    out = BUFFER(100);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_false(date_write(&out, cases[i].seconds, cases[i].offset, NULL));
    assert_int_equal(out.length, 0);
}

static void every_day(void **state)
{
    (void)state;
    for (int64_t day = -25567; day < 60000; day++) {
        AUTO(buffer)
        out = BUFFER(100);
        int64_t seconds;
        int offset;
        assert_true(date_write(&out, day * 86400 + 43200, 0, NULL));
        assert_true(date_parse(buffer_bytes(&out), &seconds, &offset));
        assert_true(seconds == day * 86400 + 43200);
    }
}

static void reading(void **state)
{
    (void)state;
    static const struct date_case cases[] = {
        /* RFC 5322 A.1.1, A.5, A.6.2 */
        {880127706, -360, "Fri, 21 Nov 1997 09:55:06 -0600"},
        {-1, 0, "Wed, 31 Dec 1969 23:59:59 -0000"},
        {-27723480, -210, "Thu,\t13 Feb 1969 23:32 -0330 (Newfoundland Time)"},
        {880106106, 0, "21 Nov 97 09(comment):55:06 -0000"},
        {880106106, 0, "Fri, 21 Nov 1997 09(comment):  55  :  06 GMT"},
        {0, 0, "1 Jan 70 00:00 UT"},
        {0, 0, "1 Jan 1970 0:00:00 Z"},
        {0, 0, "1 Jan 1970 0:00:00 A"},
        {0, 0, "1 Jan 1970 0:00:00"},
        {18000, -300, "1 Jan 1970 00:00:00 EST"},
        {25200, -420, "1 Jan 1970 00:00:00 pdt"},
        {946684800, 0, "1 Jan 100 00:00:00 +0000"},
        {946684800, 0, "01 jan 00 00:00:00 +0000 (a (nested \\) one))"},
        {915148800, 0, "31 Dec 1998 23:59:60 +0000"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t seconds = 1;
        int offset = 1;
        if (!date_parse(bytes_from_string(cases[i].text), &seconds, &offset))
            fail_msg("%s", cases[i].text);
        assert_int_equal(offset, cases[i].offset);
        assert_true(seconds == cases[i].seconds);
    }
}

static void dates_that_are_not(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "Mon",
        "Mon, ",
        "23 Nov 2026",
        "23 Nov 2026 17:48:08 +01000",
        "23 Nov 2026 17:48:08 +010",
        "23 Nov 2026 17:48:08 +0160",
        "23 Nov 2026 17:48:08 +2400",
        "23 Nov 2026 24:00:00 +0000",
        "23 Nov 2026 17:60:00 +0000",
        "23 Nov 2026 17:48:61 +0000",
        "23 Nov 2026 17:48:08 +0000 x",
        "0 Nov 2026 17:48:08 +0000",
        "31 Nov 2026 17:48:08 +0000",
        "29 Feb 2025 00:00:00 +0000",
        "29 Feb 2100 00:00:00 +0000",
        "23 Nox 2026 17:48:08 +0000",
        "23 Nov 1 17:48:08 +0000",
        "23 Nov 10000 17:48:08 +0000",
        "23 Nov 1899 17:48:08 +0000",
        "2026-11-23T17:48:08Z",
        "Mon 23 Nov 2026 17:48:08 +0000",
        "-1 Nov 2026 17:48:08 +0000",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t seconds;
        int offset;
        if (date_parse(bytes_from_string(cases[i]), &seconds, &offset))
            fail_msg("taken: %s", cases[i]);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(writing), cmocka_unit_test(out_of_range),       cmocka_unit_test(every_day),
    cmocka_unit_test(reading), cmocka_unit_test(dates_that_are_not),
};

UNIT_MAIN(tests)
