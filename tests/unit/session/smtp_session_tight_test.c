/* Mailboxes that are remembered for a while. */
#include "session/smtp_session_tight.h"

#include "failing_allocation.h"
#include "unit.h"

static void they_are_remembered_for_a_while(void **state)
{
    (void)state;
    struct smtp_session_tight *tight = smtp_session_tight_new(NULL);
    assert_non_null(tight);
    assert_false(smtp_session_tight_has(tight, 7, 100));
    smtp_session_tight_add(tight, 7, 100);
    assert_true(smtp_session_tight_has(tight, 7, 100));
    assert_false(smtp_session_tight_has(tight, 8, 100));
    assert_true(smtp_session_tight_has(tight, 7, 99 + SMTP_SESSION_TIGHT_TIME));
    assert_false(smtp_session_tight_has(tight, 7, 100 + SMTP_SESSION_TIGHT_TIME));
    smtp_session_tight_add(tight, 7, 200);
    assert_true(smtp_session_tight_has(tight, 7, 100 + SMTP_SESSION_TIGHT_TIME));
    smtp_session_tight_free(tight);
    smtp_session_tight_free(NULL);
}

static void the_oldest_goes(void **state)
{
    (void)state;
    struct smtp_session_tight *tight = smtp_session_tight_new(NULL);
    assert_non_null(tight);
    for (int64_t mailbox = 1; mailbox <= SMTP_SESSION_TIGHT_MAX + 1; mailbox++)
        smtp_session_tight_add(tight, mailbox, 1);
    assert_false(smtp_session_tight_has(tight, 1, 1));
    for (int64_t mailbox = 2; mailbox <= SMTP_SESSION_TIGHT_MAX + 1; mailbox++)
        assert_true(smtp_session_tight_has(tight, mailbox, 1));
    smtp_session_tight_free(tight);
}

static void no_memory(void **state)
{
    (void)state;
    struct fault fault = {0};
    failing_allocation_start(0);
    struct smtp_session_tight *none = smtp_session_tight_new(&fault);
    assert_true(failing_allocation_stop());
    assert_null(none);
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(they_are_remembered_for_a_while),
    cmocka_unit_test(the_oldest_goes),
    cmocka_unit_test(no_memory),
};

UNIT_MAIN(tests)
