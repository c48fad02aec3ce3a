/* One holder a mailbox, whoever asks, and whatever memory says. */
#include "session/pop3_locks.h"

#include <pthread.h>
#include <stdlib.h>

#include "failing_allocation.h"
#include "unit.h"

enum {
    MAILBOXES = 100,
    THREADS = 4,
    ROUNDS = 20000
};

static void one_has_it(void **state)
{
    (void)state;
    struct pop3_locks *locks = pop3_locks_new(NULL);
    for (int64_t i = 0; i < MAILBOXES; i++)
        assert_int_equal(pop3_locks_take(locks, i << 40), POP3_LOCKS_TAKEN);
    for (int64_t i = 0; i < MAILBOXES; i++)
        assert_int_equal(pop3_locks_take(locks, i << 40), POP3_LOCKS_IN_USE);
    pop3_locks_give(locks, INT64_C(7) << 40);
    pop3_locks_give(locks, 12345); /* nobody has it */
    assert_int_equal(pop3_locks_take(locks, INT64_C(7) << 40), POP3_LOCKS_TAKEN);
    assert_int_equal(pop3_locks_take(locks, INT64_C(8) << 40), POP3_LOCKS_IN_USE);
    pop3_locks_free(locks);
    pop3_locks_free(NULL);
}

static void nothing_is_taken_without_memory(void **state)
{
    (void)state;
    struct fault fault = {0};
    failing_allocation_start(0);
    assert_null(pop3_locks_new(&fault));
    assert_true(failing_allocation_stop());
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
    struct pop3_locks *locks = pop3_locks_new(NULL);
    /* Enough of them that the table has to grow in between. */
    for (int64_t mailbox = 1; mailbox < 1000; mailbox++) {
        bool was_refused = true;
        for (size_t count = 0; was_refused; count++) {
            failing_allocation_start(count);
            enum pop3_locks_outcome outcome = pop3_locks_take(locks, mailbox);
            was_refused = failing_allocation_stop();
            assert_true(outcome == POP3_LOCKS_TAKEN || was_refused);
            if (outcome == POP3_LOCKS_TAKEN)
                break;
            assert_int_equal(outcome, POP3_LOCKS_NO_MEMORY);
        }
        assert_int_equal(pop3_locks_take(locks, mailbox), POP3_LOCKS_IN_USE);
    }
    pop3_locks_free(locks);
}

struct crowd {
    struct pop3_locks *locks;
    int holders[MAILBOXES];
};

static void *take_and_give(void *argument)
{
    struct crowd *crowd = argument;
    for (int i = 0; i < ROUNDS; i++) {
        int mailbox = i % 3;
        if (pop3_locks_take(crowd->locks, mailbox) != POP3_LOCKS_TAKEN)
            continue;
        /* Plain: whoever holds the lock is alone with it. */
        if (++crowd->holders[mailbox] != 1)
            abort();
        crowd->holders[mailbox]--;
        pop3_locks_give(crowd->locks, mailbox);
    }
    return NULL;
}

static void threads_take_turns(void **state)
{
    (void)state;
    struct crowd crowd = {.locks = pop3_locks_new(NULL)};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &crowd), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pop3_locks_free(crowd.locks);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(one_has_it),
    cmocka_unit_test(nothing_is_taken_without_memory),
    cmocka_unit_test(threads_take_turns),
};

UNIT_MAIN(tests)
