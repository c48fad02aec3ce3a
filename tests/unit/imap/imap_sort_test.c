/* SORT, and the base subject of RFC 5256 2.1. */
#include "imap/imap_sort.h"

#include <stdlib.h>

#include "base/auto.h"
#include "failing_allocation.h"
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

static void check_order(const struct imap_sort_criterion_ranks *criteria, size_t criterion_count,
                        size_t count, const char *expected)
{
    AUTO(buffer)
    out = BUFFER(TEXT_MAX);
    uint32_t order[5];
    struct fault fault;
    assert_true(imap_sort(criteria, criterion_count, order, count, &fault));
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_char(&out, ' ');
        buffer_append_unsigned(&out, order[i] + 1);
    }
    if (!bytes_equal(buffer_bytes(&out), bytes_from_string(expected)))
        fail_msg("%.*s, not %s", BYTES_FORMAT(buffer_bytes(&out)), expected);
}

static void orders(void **state)
{
    (void)state;
    static const uint32_t letters[] = {2, 1, 2, 0, 1};
    static const uint32_t others[] = {1, 2, 0, 3, 1};
    static const uint32_t falling[] = {4, 3, 2, 1, 0};
    static const uint32_t same[] = {0, 0, 0, 0, 0};
    static const struct imap_sort_criterion_ranks two[] = {{letters, 3, false}, {others, 4, false}};
    static const struct imap_sort_criterion_ranks reverse[] = {{letters, 3, true},
                                                               {others, 4, false}};
    static const struct imap_sort_criterion_ranks later[] = {{letters, 3, false},
                                                             {others, 4, true}};
    static const struct imap_sort_criterion_ranks down[] = {{falling, 5, false}};
    static const struct imap_sort_criterion_ranks equal[] = {{same, 1, true}, {same, 1, false}};
    check_order(two, 2, 5, "4 5 2 3 1");
    check_order(two, 1, 5, "4 2 5 1 3");
    check_order(reverse, 2, 5, "3 1 5 2 4");
    check_order(reverse, 1, 5, "1 3 2 5 4");
    check_order(later, 2, 5, "4 2 5 1 3");
    check_order(down, 1, 5, "5 4 3 2 1");
    check_order(equal, 2, 5, "1 2 3 4 5");
    check_order(down, 1, 1, "1");
    check_order(equal, 2, 0, "");
}

static void out_of_memory(void **state)
{
    (void)state;
    static const uint32_t ranks[] = {1, 0};
    static const struct imap_sort_criterion_ranks criterion = {ranks, 2, false};
    bool was_refused = true;
    for (size_t n = 0; was_refused; n++) {
        uint32_t order[2];
        struct fault fault;
        failing_allocation_start(n);
        bool is_done = imap_sort(&criterion, 1, order, 2, &fault);
        was_refused = failing_allocation_stop();
        assert_true(is_done != was_refused);
        assert_true(is_done || fault.kind == FAULT_TEMPORARY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base_subjects),
        cmocka_unit_test(long_subjects),
        cmocka_unit_test(orders),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
