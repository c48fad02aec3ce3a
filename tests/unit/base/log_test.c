/* Log lines: nothing that a peer says can begin a line, a key, or end a string. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/log.h"

enum {
    OUTPUT_SIZE = 65536
};

struct place {
    int descriptors[2];
    struct log *log;
    char output[OUTPUT_SIZE];
    size_t length;
};

static void open_place(struct place *place, enum log_level level, enum log_format format)
{
    assert_int_equal(pipe(place->descriptors), 0);
    place->log = log_new(place->descriptors[1], level, format);
    assert_non_null(place->log);
    place->length = 0;
}

/* What was logged, with a NUL behind it. */
static const char *close_place(struct place *place)
{
    ssize_t count;
    log_free(place->log);
    close(place->descriptors[1]);
    while ((count = read(place->descriptors[0], place->output + place->length,
                         OUTPUT_SIZE - 1 - place->length)) > 0)
        place->length += (size_t)count;
    close(place->descriptors[0]);
    place->output[place->length] = '\0';
    return place->output;
}

/* The line behind its time, which differs from run to run. */
static const char *behind_time(const char *output)
{
    assert_int_equal(strncmp(output, "time=", 5), 0);
    return strchr(output, ' ') + 1;
}

static size_t lines_of(const char *output)
{
    size_t count = 0;
    for (; *output != '\0'; output++)
        count += *output == '\n';
    return count;
}

static void one_line_an_event(void **state)
{
    static struct place place;
    struct log_line line;
    struct fault fault;
    (void)state;
    fault_set(&fault, FAULT_TEMPORARY, "the disk is full");
    open_place(&place, LOG_LEVEL_INFO, LOG_KEY_VALUE);
    log_begin(&line, place.log, LOG_LEVEL_WARNING, "smtp.refused");
    log_text(&line, "peer", BYTES("192.0.2.1"));
    log_number(&line, "count", -3);
    log_id(&line, "id", 0x1a2b);
    log_fault(&line, &fault);
    log_end(&line);
    assert_string_equal(behind_time(close_place(&place)),
                        "level=warning event=smtp.refused peer=192.0.2.1 count=-3 "
                        "id=0000000000001a2b fault=temporary reason=\"the disk is full\"\n");
}

static void time_is_utc_with_microseconds(void **state)
{
    static struct place place;
    struct log_line line;
    (void)state;
    open_place(&place, LOG_LEVEL_INFO, LOG_KEY_VALUE);
    log_begin(&line, place.log, LOG_LEVEL_INFO, "x");
    log_end(&line);
    const char *output = close_place(&place);
    static const char form[] = "time=dddd-dd-ddTdd:dd:dd.ddddddZ ";
    for (size_t i = 0; i < sizeof(form) - 1; i++) {
        if (form[i] == 'd' && i >= 5)
            assert_in_range(output[i], '0', '9');
        else
            assert_int_equal(output[i], form[i]);
    }
}

static void peers_cannot_forge_lines_or_keys(void **state)
{
    static struct place place;
    static const struct {
        struct bytes value;
        const char *shown;
    } cases[] = {
        {BYTES_INIT("a\nlevel=error event=forged"), "\"a\\nlevel=error event=forged\""},
        {BYTES_INIT("a b=c"), "\"a b=c\""},
        {BYTES_INIT("k=v"), "\"k=v\""},
        {BYTES_INIT("\" x=y"), "\"\\\" x=y\""},
        {BYTES_INIT("back\\slash"), "\"back\\\\slash\""},
        {BYTES_INIT(""), "\"\""},
        {BYTES_INIT("\r\t\x1b[31m\x7f"), "\"\\r\\t\\u001b[31m\\u007f\""},
        {BYTES_INIT("\0x"), "\"\\u0000x\""},
        {BYTES_INIT("\xff\xc3"), "\"\\ufffd\\ufffd\""},
        {BYTES_INIT("gr\xc3\xbc\xc3\x9f"), "\"gr\xc3\xbc\xc3\x9f\""},
        {BYTES_INIT("\xc2\x85\xe2\x80\xa8\xe2\x80\xae"), "\"\\u0085\\u2028\\u202e\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct log_line line;
        char expected[256];
        open_place(&place, LOG_LEVEL_INFO, LOG_KEY_VALUE);
        log_begin(&line, place.log, LOG_LEVEL_INFO, "x");
        log_text(&line, "v", cases[i].value);
        log_end(&line);
        snprintf(expected, sizeof(expected), "level=info event=x v=%s\n", cases[i].shown);
        assert_string_equal(behind_time(close_place(&place)), expected);
    }
}

static void json_is_json_whatever_is_said(void **state)
{
    static struct place place;
    struct log_line line;
    char all[256];
    (void)state;
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (char)i;
    open_place(&place, LOG_LEVEL_INFO, LOG_JSON);
    log_begin(&line, place.log, LOG_LEVEL_INFO, "x");
    log_text(&line, "all", bytes_of(all, sizeof(all)));
    log_text(&line, "half", BYTES("a\xe2\x80"));
    log_number(&line, "number", INT64_MIN);
    log_end(&line);
    const char *output = close_place(&place);
    assert_int_equal(lines_of(output), 1);
    json_t *value = json_loads(output, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    assert_non_null(value);
    assert_string_equal(json_string_value(json_object_get(value, "event")), "x");
    assert_string_equal(json_string_value(json_object_get(value, "half")),
                        "a\xef\xbf\xbd\xef\xbf\xbd");
    assert_true(json_integer_value(json_object_get(value, "number")) == INT64_MIN);
    assert_non_null(json_object_get(value, "all"));
    json_decref(value);
}

static void long_values_are_cut_between_characters(void **state)
{
    static struct place place;
    struct log_line line;
    char value[LOG_VALUE_MAX + 3];
    (void)state;
    memset(value, 'a', sizeof(value));
    /* A character of two bytes that the cut would go through. */
    value[LOG_VALUE_MAX - 1] = '\xc3';
    value[LOG_VALUE_MAX] = '\xbc';
    open_place(&place, LOG_LEVEL_INFO, LOG_KEY_VALUE);
    log_begin(&line, place.log, LOG_LEVEL_INFO, "x");
    log_text(&line, "v", bytes_of(value, sizeof(value)));
    log_text(&line, "w", bytes_of(value, LOG_VALUE_MAX - 1));
    log_end(&line);
    const char *output = behind_time(close_place(&place));
    char expected[2 * LOG_VALUE_MAX + 64];
    snprintf(expected, sizeof(expected), "level=info event=x v=\"%.*s...\" w=%.*s\n",
             LOG_VALUE_MAX - 1, value, LOG_VALUE_MAX - 1, value);
    assert_string_equal(output, expected);
}

static void what_does_not_fit_is_left_out_whole(void **state)
{
    static struct place place;
    struct log_line line;
    char value[LOG_VALUE_MAX];
    (void)state;
    memset(value, '"', sizeof(value));
    for (int format = LOG_KEY_VALUE; format <= LOG_JSON; format++) {
        open_place(&place, LOG_LEVEL_INFO, (enum log_format)format);
        log_begin(&line, place.log, LOG_LEVEL_INFO, "x");
        for (int i = 0; i < 20; i++)
            log_text(&line, "v", bytes_of(value, sizeof(value)));
        log_string(&line, "last", "small");
        log_end(&line);
        const char *output = close_place(&place);
        assert_int_equal(lines_of(output), 1);
        assert_true(place.length <= LOG_LINE_MAX);
        assert_non_null(strstr(output, "small"));
        if (format == LOG_JSON) {
            json_t *parsed = json_loads(output, 0, NULL);
            assert_non_null(parsed);
            json_decref(parsed);
        }
    }
}

static void levels_that_are_not_wanted_cost_nothing(void **state)
{
    static struct place place;
    struct log_line line;
    (void)state;
    open_place(&place, LOG_LEVEL_WARNING, LOG_KEY_VALUE);
    assert_false(log_wants(place.log, LOG_LEVEL_INFO));
    log_begin(&line, place.log, LOG_LEVEL_INFO, "quiet");
    log_number(&line, "n", 1);
    log_end(&line);
    log_change(place.log, LOG_LEVEL_DEBUG, LOG_KEY_VALUE);
    log_begin(&line, place.log, LOG_LEVEL_DEBUG, "loud");
    log_end(&line);
    log_begin(&line, NULL, LOG_LEVEL_ERROR, "nobody");
    log_text(&line, "n", BYTES("x"));
    log_end(&line);
    assert_false(log_wants(NULL, LOG_LEVEL_ERROR));
    assert_string_equal(behind_time(close_place(&place)), "level=debug event=loud\n");
}

static void a_pace_counts_what_it_left_out(void **state)
{
    struct log_pace pace = {0};
    uint64_t left_out = 99;
    (void)state;
    assert_true(log_pace_allows(&pace, 0, 1000, &left_out));
    assert_int_equal(left_out, 0);
    assert_false(log_pace_allows(&pace, 500, 1000, &left_out));
    assert_false(log_pace_allows(&pace, 999, 1000, &left_out));
    assert_true(log_pace_allows(&pace, 1001, 1000, &left_out));
    assert_int_equal(left_out, 2);
    assert_false(log_pace_allows(&pace, 2000, 1000, &left_out));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(one_line_an_event),
    cmocka_unit_test(time_is_utc_with_microseconds),
    cmocka_unit_test(peers_cannot_forge_lines_or_keys),
    cmocka_unit_test(json_is_json_whatever_is_said),
    cmocka_unit_test(long_values_are_cut_between_characters),
    cmocka_unit_test(what_does_not_fit_is_left_out_whole),
    cmocka_unit_test(levels_that_are_not_wanted_cost_nothing),
    cmocka_unit_test(a_pace_counts_what_it_left_out),
};

UNIT_MAIN(tests)
