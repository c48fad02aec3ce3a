/* Sizes as people write them, read and printed. */
#include "cli/quantity.h"

#include "unit.h"

static void read_by_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t quantity;
    } cases[] = {
        {"0", 0},
        {"none", 0},
        {"NONE", 0},
        {"1", 1},
        {"512b", 512},
        {"1k", 1024},
        {"1KB", 1024},
        {"1KiB", 1024},
        {"1.5K", 1536},
        {"0.001K", 1},
        {"20M", 20971520},
        {"2G", 2147483648},
        {"3t", 3298534883328},
        {"7E", 8070450532247928832},
        {"7.999E", 9222219115350168961},
        {"9223372036854775807", INT64_MAX},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t quantity = -1;
        if (!quantity_parse(cases[i].text, &quantity))
            fail_msg("%s", cases[i].text);
        assert_int_equal(quantity, cases[i].quantity);
    }
}

static void what_is_no_quantity(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "-1",
        "+1",
        "1.5",
        "1.K",
        ".5K",
        "1.2345K",
        "1X",
        "1 K",
        "1KK",
        "K",
        "1iB",
        "no",
        "1.5.5K",
        "8E",
        "9223372036854775808",
        "99999999999999999999999",
        "1K ",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int64_t quantity = 42;
        if (quantity_parse(texts[i], &quantity))
            fail_msg("%s was taken", texts[i]);
        assert_int_equal(quantity, 42);
    }
}

static void printed_short(void **state)
{
    (void)state;
    static const struct {
        int64_t quantity;
        const char *text;
    } cases[] = {
        {0, "0"},           {1023, "1023"},      {1024, "1K"},        {1536, "1.5K"},
        {1048575, "1023K"}, {1048576, "1M"},     {104857600, "100M"}, {157286400, "150M"},
        {2147483648, "2G"}, {INT64_MAX, "7.9E"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[QUANTITY_TEXT_SIZE];
        assert_string_equal(quantity_print(cases[i].quantity, text), cases[i].text);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(read_by_units),
    cmocka_unit_test(what_is_no_quantity),
    cmocka_unit_test(printed_short),
};

UNIT_MAIN(tests)
