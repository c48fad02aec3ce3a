/* SORT, and the base subject of RFC 5256 2.1. */
#include "imap/imap_sort.h"

#include <stdlib.h>

#include "base/auto.h"
#include "unit.h"

enum {
    TEXT_MAX = 1024 * 1024
};

static void base_subjects(void **state)
{
    (void)state;
    static const struct {
        const char *subject;
        const char *base;
        bool is_reply;
    } cases[] = {
        {"", "", false},
        {"Hello", "Hello", false},
        {"  Hello \t  World  ", "Hello World", false},
        {"Re: Hello", "Hello", true},
        {"RE:Hello", "Hello", true},
        {"re : Hello", "Hello", true},
        {"Re: re: RE: Hello", "Hello", true},
        {"Fw: Hello", "Hello", true},
        {"Fwd: Hello", "Hello", true},
        {"FWD:Hello", "Hello", true},
        {"Fwdd: Hello", "Fwdd: Hello", false},
        {"Ref: Hello", "Ref: Hello", false},
        {"Re Hello", "Re Hello", false},
        {"Re[2]: Hello", "Hello", true},
        {"Re [2] : Hello", "Hello", true},
        {"Re[2][3]: Hello", "Re[2][3]: Hello", false},
        {"[list] Hello", "Hello", false},
        {"[list] Re: Hello", "Hello", true},
        {"[list] [other] Re: Hello", "Hello", true},
        {"Re: [list] Re: Hello", "Hello", true},
        {"[list]", "[list]", false},
        {"[a] [b]", "[b]", false},
        {"Re: [list]", "[list]", true},
        {"[a[b] Hello", "[a[b] Hello", false},
        {"[list Hello", "[list Hello", false},
        {"Hello (fwd)", "Hello", true},
        {"Hello (FWD) (fwd)  ", "Hello", true},
        {"(fwd)", "", true},
        {"[fwd: Hello]", "Hello", true},
        {"[Fwd: Re: Hello (fwd)]", "Hello", true},
        {"[fwd: [fwd: Hello]]", "Hello", true},
        {"[fwd: Hello] ", "Hello", true},
        {"[fwd:]", "", true},
        {"[fwd: Hello] x", "x", false},
        {"Re: ", "", true},
        {"Re: [x] Fwd[1]: [y] Hello (fwd)", "Hello", true},
        {"R\xc3\xa9: x", "R\xc3\xa9: x", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO(buffer)
        out = BUFFER(TEXT_MAX);
        bool is_reply;
        buffer_append_string(&out, "before ");
        imap_sort_base_subject(bytes_from_string(cases[i].subject), &out, &is_reply);
        struct bytes base = bytes_skip(buffer_bytes(&out), 7);
        if (!bytes_equal(base, bytes_from_string(cases[i].base)) || is_reply != cases[i].is_reply)
            fail_msg("\"%s\": \"%.*s\", %d", cases[i].subject, BYTES_FORMAT(base), is_reply);
    }
}

/* Whatever is repeated a hundred thousand times takes no time to speak of. */
static void long_subjects(void **state)
{
    (void)state;
    static const char *const pieces[] = {"Re:", "[x]", "[x] Re:", "[fwd:", "(fwd)", "[", "] "};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        AUTO(buffer)
        subject = BUFFER(TEXT_MAX);
        AUTO(buffer)
        out = BUFFER(TEXT_MAX);
        bool is_reply;
        for (size_t k = 0; k < 100000; k++)
            buffer_append_string(&subject, pieces[i]);
        imap_sort_base_subject(buffer_bytes(&subject), &out, &is_reply);
        assert_false(buffer_is_failed(&out));
    }
}

static void check_order(struct imap_sort_message *messages, size_t count,
                        const struct imap_sort_criterion *criteria, size_t criterion_count,
                        const char *expected)
{
    AUTO(buffer)
    out = BUFFER(TEXT_MAX);
    imap_sort(messages, count, criteria, criterion_count);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_char(&out, ' ');
        buffer_append_unsigned(&out, messages[i].number);
    }
    if (!bytes_equal(buffer_bytes(&out), bytes_from_string(expected)))
        fail_msg("%.*s, not %s", BYTES_FORMAT(buffer_bytes(&out)), expected);
}

static void orders(void **state)
{
    (void)state;
    static const struct bytes texts[5][2] = {{BYTES_INIT("b"), BYTES_INIT("x")},
                                             {BYTES_INIT("a"), BYTES_INIT("y")},
                                             {BYTES_INIT("b"), BYTES_INIT("")},
                                             {BYTES_INIT(""), BYTES_INIT("z")},
                                             {BYTES_INIT("ab"), BYTES_INIT("x")}};
    struct imap_sort_message messages[5];
    for (uint32_t i = 0; i < 5; i++)
        messages[i] = (struct imap_sort_message){.number = i + 1,
                                                 .uid = 10 * i,
                                                 .arrival = 5 - (int64_t)i,
                                                 .sent = i % 2,
                                                 .size = i * 7 % 5,
                                                 .texts = texts[i]};
    static const struct imap_sort_criterion subject[] = {{IMAP_SORT_SUBJECT, false},
                                                         {IMAP_SORT_FROM, false}};
    static const struct imap_sort_criterion reverse[] = {{IMAP_SORT_SUBJECT, true},
                                                         {IMAP_SORT_FROM, false}};
    static const struct imap_sort_criterion arrival[] = {{IMAP_SORT_ARRIVAL, false}};
    static const struct imap_sort_criterion date[] = {{IMAP_SORT_DATE, false}};
    static const struct imap_sort_criterion date_reverse[] = {{IMAP_SORT_DATE, true}};
    static const struct imap_sort_criterion size[] = {{IMAP_SORT_SIZE, false}};
    check_order(messages, 5, subject, 2, "4 2 5 3 1");
    check_order(messages, 5, subject, 1, "4 2 5 1 3");
    check_order(messages, 5, reverse, 2, "3 1 5 2 4");
    check_order(messages, 5, arrival, 1, "5 4 3 2 1");
    check_order(messages, 5, date, 1, "1 3 5 2 4");
    check_order(messages, 5, date_reverse, 1, "2 4 1 3 5");
    check_order(messages, 5, size, 1, "1 4 2 5 3");
    check_order(messages, 0, size, 1, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base_subjects),
        cmocka_unit_test(long_subjects),
        cmocka_unit_test(orders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
