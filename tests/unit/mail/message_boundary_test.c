/* Open boundaries: what is the whole line wins, else the longest, of equal ones the innermost, and
 * many cost no more than one. */
#include "mail/message_boundary.h"

#include <stdio.h>
#include <stdlib.h>

#include "unit.h"

static void push(struct message_boundaries *boundaries, const char *text)
{
    assert_true(message_boundary_push(boundaries, bytes_from_string(text), boundaries->count));
}

static int find(const struct message_boundaries *boundaries, const char *line)
{
    size_t index;
    return message_boundary_find(boundaries, bytes_from_string(line), &index) ? (int)index : -1;
}

static void prefixes(void **state)
{
    (void)state;
    struct message_boundaries boundaries = {.count = 0};
    assert_int_equal(find(&boundaries, "a"), -1);
    push(&boundaries, "a");
    push(&boundaries, "abc");
    push(&boundaries, "ab");
    push(&boundaries, "b");
    assert_int_equal(find(&boundaries, "a"), 0);
    assert_int_equal(find(&boundaries, "ax"), 0);
    assert_int_equal(find(&boundaries, "ab"), 2);
    assert_int_equal(find(&boundaries, "abd\r\n"), 2);
    assert_int_equal(find(&boundaries, "abc"), 1);
    assert_int_equal(find(&boundaries, "abcde--"), 1);
    assert_int_equal(find(&boundaries, "bc"), 3);
    assert_int_equal(find(&boundaries, "c"), -1);
    assert_int_equal(find(&boundaries, ""), -1);
    message_boundary_shorten(&boundaries, 2);
    assert_int_equal(find(&boundaries, "abd"), 0);
    assert_int_equal(find(&boundaries, "bc"), -1);
    message_boundary_shorten(&boundaries, 5);
    assert_int_equal(boundaries.count, 2);
    message_boundary_clear(&boundaries);
}

static void equal_ones(void **state)
{
    (void)state;
    struct message_boundaries boundaries = {.count = 0};
    push(&boundaries, "same");
    push(&boundaries, "same");
    push(&boundaries, "");
    push(&boundaries, "same");
    assert_int_equal(find(&boundaries, "same--"), 3);
    assert_int_equal(find(&boundaries, "sam"), 2);
    message_boundary_shorten(&boundaries, 3);
    assert_int_equal(find(&boundaries, "same"), 1);
    message_boundary_reset(&boundaries);
    assert_int_equal(find(&boundaries, "same"), -1);
    message_boundary_clear(&boundaries);
}

/* A line may be a boundary that is closed, and begin with one that is longer. */
static void whole_lines(void **state)
{
    (void)state;
    struct message_boundaries boundaries = {.count = 0};
    push(&boundaries, "a-");
    push(&boundaries, "a");
    assert_int_equal(find(&boundaries, "a--"), 1);
    assert_int_equal(find(&boundaries, "a-- \t\r\n"), 1);
    assert_int_equal(find(&boundaries, "a-"), 0);
    assert_int_equal(find(&boundaries, "a---"), 0);
    assert_int_equal(find(&boundaries, "a--x"), 0);
    assert_int_equal(find(&boundaries, "a x"), 1);
    push(&boundaries, "a--");
    assert_int_equal(find(&boundaries, "a--"), 2);
    push(&boundaries, "a");
    assert_int_equal(find(&boundaries, "a--\r\n"), 3);
    assert_int_equal(find(&boundaries, "a----\n"), 2);
    message_boundary_clear(&boundaries);
}

/* What the definition says, in as many steps as it takes. */
static bool is_all(const char *text, const char *line)
{
    size_t length = strlen(text);
    return strcmp(line + length, "") == 0 || strcmp(line + length, "--") == 0;
}

static int find_slowly(char texts[][8], size_t count, const char *line)
{
    int best = -1;
    for (size_t i = 0; i < count; i++) {
        if (strncmp(texts[i], line, strlen(texts[i])) != 0)
            continue;
        bool is_better = best < 0 || strlen(texts[i]) >= strlen(texts[best]);
        if (best >= 0 && is_all(texts[best], line) != is_all(texts[i], line))
            is_better = is_all(texts[i], line);
        else if (best >= 0 && is_all(texts[i], line))
            is_better = true;
        if (is_better)
            best = (int)i;
    }
    return best;
}

static void fill(char *text, unsigned value, unsigned length)
{
    for (unsigned i = 0; i < length; i++)
        text[i] = "-a"[(value >> i) % 2];
    text[length] = '\0';
}

static void random_ones(void **state)
{
    (void)state;
    srand(5);
    for (unsigned round = 0; round < 300; round++) {
        struct message_boundaries boundaries = {.count = 0};
        char texts[100][8];
        size_t count = 1 + (unsigned)rand() % 100;
        for (size_t i = 0; i < count; i++) {
            fill(texts[i], (unsigned)rand(), (unsigned)rand() % 7);
            push(&boundaries, texts[i]);
        }
        if (rand() % 2 == 0) {
            count = (unsigned)rand() % count;
            message_boundary_shorten(&boundaries, count);
        }
        for (unsigned i = 0; i < 100; i++) {
            char line[8];
            fill(line, (unsigned)rand(), (unsigned)rand() % 7);
            assert_int_equal(find(&boundaries, line), find_slowly(texts, count, line));
        }
        message_boundary_clear(&boundaries);
    }
}

/* Only so many bytes count. */
static void long_ones(void **state)
{
    (void)state;
    struct message_boundaries boundaries = {.count = 0};
    char text[MESSAGE_BOUNDARY_MAX + 3];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    push(&boundaries, text);
    text[MESSAGE_BOUNDARY_MAX] = '\0';
    assert_int_equal(find(&boundaries, text), 0);
    text[MESSAGE_BOUNDARY_MAX - 1] = '\0';
    assert_int_equal(find(&boundaries, text), -1);
    message_boundary_clear(&boundaries);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes),    cmocka_unit_test(equal_ones), cmocka_unit_test(whole_lines),
        cmocka_unit_test(random_ones), cmocka_unit_test(long_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
