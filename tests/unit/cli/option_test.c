/* Command lines by table: what is found, what is refused, and near words. */
#include "cli/option.h"

#include <stdio.h>
#include <stdlib.h>

#include "unit.h"

enum {
    ID_TEXT = 1,
    ID_QUIET,
    ID_TIME,
    ID_HIDDEN
};

static const struct option_row rows[] = {
    {.text = "A heading:"},
    {.id = ID_TEXT, .letter = 't', .name = "text", .value = "FILE", .text = "a text"},
    {.id = ID_QUIET, .letter = 'q', .name = "quiet", .text = "say nothing"},
    {.id = ID_TIME, .letter = 'T', .value = "[TIME]", .text = "time", .is_attached_or_none = true},
    {.id = ID_HIDDEN, .name = "hidden"},
};
static const struct option_table table = OPTION_TABLE(rows);

#define READER(...)                                                                                \
    option_reader_of(&table, sizeof((const char *[]){"program", __VA_ARGS__}) / sizeof(char *),    \
                     (char **)(const char *[]){"program", __VA_ARGS__})

static void assert_next(struct option_reader *reader, enum option_kind kind, int id,
                        const char *value)
{
    struct option_match match = {0};
    struct fault fault = {0};
    assert_int_equal(option_next(reader, &match, &fault), kind);
    assert_int_equal(match.id, id);
    if (value == NULL)
        assert_null(match.value);
    else
        assert_string_equal(match.value, value);
}

static void assert_bad(struct option_reader reader, const char *message)
{
    struct option_match match;
    struct fault fault = {0};
    assert_int_equal(option_next(&reader, &match, &fault), OPTION_BAD);
    assert_string_equal(fault.message, message);
}

static void long_names(void **state)
{
    (void)state;
    struct option_reader reader =
        READER("--text", "a", "--text=b", "--text=", "--text", "--quiet", "--quiet");
    assert_next(&reader, OPTION_FOUND, ID_TEXT, "a");
    assert_next(&reader, OPTION_FOUND, ID_TEXT, "b");
    assert_next(&reader, OPTION_FOUND, ID_TEXT, "");
    /* A value is a value, whatever it looks like. */
    assert_next(&reader, OPTION_FOUND, ID_TEXT, "--quiet");
    assert_next(&reader, OPTION_FOUND, ID_QUIET, NULL);
    assert_next(&reader, OPTION_END, 0, NULL);
}

static void letters(void **state)
{
    (void)state;
    struct option_reader reader =
        READER("-qt", "a", "-qtb", "-t", "-q", "-qT", "x", "-T5m", "-qq", "-Tqt");
    assert_next(&reader, OPTION_FOUND, ID_QUIET, NULL);
    assert_next(&reader, OPTION_FOUND, ID_TEXT, "a");
    assert_next(&reader, OPTION_FOUND, ID_QUIET, NULL);
    assert_next(&reader, OPTION_FOUND, ID_TEXT, "b");
    assert_next(&reader, OPTION_FOUND, ID_TEXT, "-q");
    assert_next(&reader, OPTION_FOUND, ID_QUIET, NULL);
    assert_next(&reader, OPTION_FOUND, ID_TIME, NULL);
    assert_next(&reader, OPTION_OPERAND, 0, "x");
    assert_next(&reader, OPTION_FOUND, ID_TIME, "5m");
    assert_next(&reader, OPTION_FOUND, ID_QUIET, NULL);
    assert_next(&reader, OPTION_FOUND, ID_QUIET, NULL);
    assert_next(&reader, OPTION_FOUND, ID_TIME, "qt");
    assert_next(&reader, OPTION_END, 0, NULL);
}

static void operands(void **state)
{
    (void)state;
    struct option_reader reader = READER("a", "-", "", "-q", "--", "-q", "--", "--text");
    assert_next(&reader, OPTION_OPERAND, 0, "a");
    assert_next(&reader, OPTION_OPERAND, 0, "-");
    assert_next(&reader, OPTION_OPERAND, 0, "");
    assert_next(&reader, OPTION_FOUND, ID_QUIET, NULL);
    assert_next(&reader, OPTION_OPERAND, 0, "-q");
    assert_next(&reader, OPTION_OPERAND, 0, "--");
    assert_next(&reader, OPTION_OPERAND, 0, "--text");
    assert_next(&reader, OPTION_END, 0, NULL);
    assert_next(&reader, OPTION_END, 0, NULL);
}

static void no_arguments(void **state)
{
    (void)state;
    char *argv[] = {NULL};
    struct option_reader reader = option_reader_of(&table, 0, argv);
    assert_next(&reader, OPTION_END, 0, NULL);
}

static void mistakes(void **state)
{
    (void)state;
    assert_bad(READER("--txet"), "unknown option --txet; did you mean --text?");
    assert_bad(READER("--txet=secret"), "unknown option --txet; did you mean --text?");
    assert_bad(READER("--zzz"), "unknown option --zzz");
    /* What is not shown is not suggested, and no name may be cut short. */
    assert_bad(READER("--hiddn"), "unknown option --hiddn");
    assert_bad(READER("--qui"), "unknown option --qui; did you mean --quiet?");
    assert_bad(READER("--=x"), "unknown option --");
    assert_bad(READER("--text"), "--text needs a value: --text FILE");
    assert_bad(READER("-t"), "-t needs a value: -t FILE");
    assert_bad(READER("--quiet=yes"), "--quiet takes no value");
    assert_bad(READER("-x"), "unknown option -x");
}

static void near_words(void **state)
{
    (void)state;
    static const char *const words[] = {"send", "sendmail", "serve", "completion"};
    assert_string_equal(option_nearest("sned", words, 4), "send");
    assert_string_equal(option_nearest("snd", words, 4), "send");
    assert_string_equal(option_nearest("sendd", words, 4), "send");
    assert_string_equal(option_nearest("compl", words, 4), "completion");
    assert_string_equal(option_nearest("servr", words, 4), "serve");
    assert_null(option_nearest("quit", words, 4));
    assert_null(option_nearest("s", words, 4));
    assert_null(option_nearest("", words, 4));
    assert_null(option_nearest("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", words, 4));
    assert_null(option_nearest("send", words, 0));
}

static void help(void **state)
{
    (void)state;
    char *text = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&text, &length);
    assert_non_null(file);
    option_print_help(&table, file);
    fclose(file);
    assert_bytes(bytes_of(text, length), "A heading:\n"
                                         "  -t, --text FILE             a text\n"
                                         "  -q, --quiet                 say nothing\n"
                                         "  -T[TIME]                    time\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_names),   cmocka_unit_test(letters),  cmocka_unit_test(operands),
        cmocka_unit_test(no_arguments), cmocka_unit_test(mistakes), cmocka_unit_test(near_words),
        cmocka_unit_test(help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
