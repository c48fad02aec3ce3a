/* Replies as hosts really give them, and what is to be made of them. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "delivery/reply_judge.h"

/* "421 4.7.28 text": as smtp_reply would have it. */
static struct ph_reply parse(const char *line)
{
    struct ph_reply reply = {.text = ""};
    unsigned class, subject, detail;
    int used = 0;
    if (*line == '\0')
        return reply;
    assert_int_equal(sscanf(line, "%d%n", &reply.code, &used), 1);
    line += used;
    if (sscanf(line, " %u.%u.%u%n", &class, &subject, &detail, &used) == 3) {
        reply.enhanced[0] = (unsigned short)class;
        reply.enhanced[1] = (unsigned short)subject;
        reply.enhanced[2] = (unsigned short)detail;
        line += used;
    }
    reply.text = *line == ' ' ? line + 1 : line;
    reply.text_length = strlen(reply.text);
    return reply;
}

struct sample {
    enum reply_judge_phase phase;
    const char *line;
    const char *verdict; /* "good", or "temporary" or "permanent", scope, "busy" */
};

static void print_verdict(struct reply_judge_verdict verdict, char out[64])
{
    static const char *const scopes[] = {"recipient", "message", "address", "route"};
    snprintf(out, 64, "%s %s%s", verdict.is_permanent ? "permanent" : "temporary",
             scopes[verdict.scope], verdict.is_busy ? " busy" : "");
    if (verdict.is_good)
        strcpy(out, "good");
}

static void assert_samples(const struct sample *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct ph_reply reply = parse(samples[i].line);
        char verdict[64];
        print_verdict(reply_judge(samples[i].phase, &reply), verdict);
        if (strcmp(verdict, samples[i].verdict) != 0)
            fail_msg("\"%s\" in phase %d: %s, not %s", samples[i].line, (int)samples[i].phase,
                     verdict, samples[i].verdict);
    }
}

#define COUNT_OF(array) (sizeof(array) / sizeof(array[0]))

/* RFC 5321 4.2.1: the first digit says it. */
static void judges_by_the_first_digit(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {REPLY_JUDGE_RECIPIENT, "250 2.1.5 Ok", "good"},
        {REPLY_JUDGE_RECIPIENT, "251 User not local; will forward", "good"},
        {REPLY_JUDGE_RECIPIENT, "299 Whatever", "good"},
        {REPLY_JUDGE_RECIPIENT, "450 4.2.1 The mailbox is busy", "temporary recipient"},
        {REPLY_JUDGE_RECIPIENT, "499 Never heard of", "temporary recipient"},
        {REPLY_JUDGE_RECIPIENT, "550 5.1.1 No such user", "permanent recipient"},
        {REPLY_JUDGE_RECIPIENT, "599 Never heard of", "permanent recipient"},
        {REPLY_JUDGE_RECIPIENT, "551 User not local", "permanent recipient"},
        {REPLY_JUDGE_RECIPIENT, "556 5.1.10 Null MX", "permanent recipient"},
        {REPLY_JUDGE_SENDER, "250 2.1.0 Ok", "good"},
        {REPLY_JUDGE_SENDER, "451 4.3.0 Try later", "temporary message"},
        {REPLY_JUDGE_SENDER, "450 4.1.8 Domain not found", "temporary message"},
        {REPLY_JUDGE_SENDER, "550 5.7.1 We do not take mail from you", "permanent message"},
        {REPLY_JUDGE_SENDER, "555 5.5.4 Unsupported option", "permanent message"},
        {REPLY_JUDGE_MESSAGE, "250 2.0.0 Queued as 1", "good"},
        {REPLY_JUDGE_MESSAGE, "451 4.3.0 Error in processing", "temporary message"},
        {REPLY_JUDGE_MESSAGE, "554 5.7.1 Spam", "permanent message"},
        {REPLY_JUDGE_MESSAGE, "552 5.3.4 Too big", "permanent message"},
        {REPLY_JUDGE_MESSAGE, "354 Go ahead", "temporary message"},
        {REPLY_JUDGE_GREETING, "220 mx ESMTP", "good"},
        {REPLY_JUDGE_GREETING, "300 What", "temporary address"},
    };
    assert_samples(samples, COUNT_OF(samples));
}

static void other_hosts_may_do(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {REPLY_JUDGE_CONNECT, "", "temporary address"},
        {REPLY_JUDGE_GREETING, "", "temporary address"},
        {REPLY_JUDGE_GREETING, "421 4.3.2 Too many connections", "temporary address busy"},
        {REPLY_JUDGE_GREETING, "450 4.7.1 Come back", "temporary address busy"},
        {REPLY_JUDGE_GREETING, "451 Temporary failure", "temporary address"},
        {REPLY_JUDGE_GREETING, "452 Too many connections from you", "temporary address busy"},
        {REPLY_JUDGE_GREETING, "554 No SMTP service here", "permanent address"},
        {REPLY_JUDGE_GREETING, "521 mx does not accept mail", "permanent address"},
        {REPLY_JUDGE_HELLO, "550 5.7.1 Your name is bad", "permanent address"},
        {REPLY_JUDGE_HELLO, "421 Shutting down", "temporary address busy"},
        {REPLY_JUDGE_HELLO, "", "temporary address"},
        {REPLY_JUDGE_LOST, "", "temporary address"},
        {REPLY_JUDGE_LOST, "421 4.4.2 Timeout", "temporary address busy"},
        {REPLY_JUDGE_SENDER, "421 4.7.0 [TSS04] Deferred", "temporary address busy"},
        {REPLY_JUDGE_SENDER, "452 4.3.1 Insufficient system storage", "temporary address"},
        {REPLY_JUDGE_SENDER, "452 Insufficient system storage", "temporary message"},
        {REPLY_JUDGE_RECIPIENT, "421 4.7.28 Unusual rate", "temporary address busy"},
        {REPLY_JUDGE_MESSAGE, "452 4.3.1 Disk full", "temporary address"},
        {REPLY_JUDGE_MESSAGE, "451 4.4.5 Congested", "temporary address busy"},
        {REPLY_JUDGE_RECIPIENT, "450 4.3.2 Service unavailable", "temporary address busy"},
    };
    assert_samples(samples, COUNT_OF(samples));
}

/* What is wrong with our login or with TLS returns no letter. */
static void our_own_faults_are_mended(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {REPLY_JUDGE_LOGIN, "235 2.7.0 Welcome", "good"},
        {REPLY_JUDGE_LOGIN, "535 5.7.8 Bad credentials", "temporary route"},
        {REPLY_JUDGE_LOGIN, "534 5.7.9 Too weak", "temporary route"},
        {REPLY_JUDGE_LOGIN, "454 4.7.0 Try later", "temporary route"},
        {REPLY_JUDGE_LOGIN, "421 4.7.0 Too many login attempts", "temporary route busy"},
        {REPLY_JUDGE_LOGIN, "504 5.5.4 Mechanism", "temporary route"},
        {REPLY_JUDGE_LOGIN, "", "temporary route"},
        {REPLY_JUDGE_SENDER, "530 5.7.0 Must issue STARTTLS first", "temporary route"},
        {REPLY_JUDGE_SENDER, "530 5.7.0 Authentication required", "temporary route"},
        {REPLY_JUDGE_RECIPIENT, "530 5.7.0 Authentication required", "temporary route"},
        {REPLY_JUDGE_TLS, "454 4.7.0 TLS not available", "temporary address"},
        {REPLY_JUDGE_TLS, "501 5.5.4 No", "temporary address"},
        {REPLY_JUDGE_TLS, "", "temporary address"},
    };
    assert_samples(samples, COUNT_OF(samples));
}

static void too_fast_is_not_greylisted(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {REPLY_JUDGE_RECIPIENT, "450 4.7.1 Greylisted, come back", "temporary recipient"},
        {REPLY_JUDGE_RECIPIENT, "451 4.7.1 Please try again", "temporary recipient"},
        {REPLY_JUDGE_RECIPIENT, "450 4.2.0 Recipient address rejected: Greylisted",
         "temporary recipient"},
        {REPLY_JUDGE_RECIPIENT, "451 4.7.0 Graylisting in action", "temporary recipient"},
        {REPLY_JUDGE_MESSAGE, "451 4.7.1 Greylisting", "temporary message"},
        {REPLY_JUDGE_RECIPIENT, "451 4.7.500 Server busy", "temporary recipient busy"},
        {REPLY_JUDGE_RECIPIENT, "450 4.7.28 Too fast", "temporary recipient busy"},
        {REPLY_JUDGE_SENDER, "450 4.7.1 Too much mail", "temporary message busy"},
        {REPLY_JUDGE_MESSAGE, "450 4.7.26 Unauthenticated", "temporary message busy"},
        {REPLY_JUDGE_MESSAGE, "550 5.7.26 Unauthenticated", "permanent message"},
    };
    assert_samples(samples, COUNT_OF(samples));
}

/* RFC 5321 4.5.3.1.10. */
static void too_many_recipients_is_temporary(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {REPLY_JUDGE_RECIPIENT, "452 4.5.3 Too many recipients", "temporary recipient"},
        {REPLY_JUDGE_RECIPIENT, "452 Too many recipients", "temporary recipient"},
        {REPLY_JUDGE_RECIPIENT, "552 Too many recipients", "temporary recipient"},
        {REPLY_JUDGE_RECIPIENT, "552 5.5.3 Enough", "temporary recipient"},
        {REPLY_JUDGE_RECIPIENT, "552 5.2.2 Mailbox full, too many messages", "permanent recipient"},
        {REPLY_JUDGE_RECIPIENT, "552 Quota exceeded", "permanent recipient"},
        {REPLY_JUDGE_MESSAGE, "552 Too many of them", "permanent message"},
    };
    assert_samples(samples, COUNT_OF(samples));
}

static void contradictions_are_not_believed(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {REPLY_JUDGE_RECIPIENT, "550 4.7.1 Greylisted", "permanent recipient"},
        {REPLY_JUDGE_RECIPIENT, "450 5.1.1 No such user", "temporary recipient"},
        {REPLY_JUDGE_RECIPIENT, "550 2.1.5 Ok", "permanent recipient"},
        {REPLY_JUDGE_MESSAGE, "451 5.7.1 Spam", "temporary message"},
        {REPLY_JUDGE_MESSAGE, "250 5.7.1 Spam", "good"},
        {REPLY_JUDGE_SENDER, "452 5.3.1 Full", "temporary message"},
    };
    assert_samples(samples, COUNT_OF(samples));
}

static void assert_status(enum reply_judge_phase phase, const char *line, const char *status)
{
    struct ph_reply reply = parse(line);
    assert_string_equal(reply_judge_status(phase, &reply), status);
}

static void gives_a_status_where_there_is_none(void **state)
{
    (void)state;
    assert_status(REPLY_JUDGE_CONNECT, "", "4.4.1");
    assert_status(REPLY_JUDGE_GREETING, "", "4.4.2");
    assert_status(REPLY_JUDGE_LOST, "", "4.4.2");
    assert_status(REPLY_JUDGE_MESSAGE, "", "4.4.2");
    assert_status(REPLY_JUDGE_TLS, "", "4.7.5");
    assert_status(REPLY_JUDGE_LOGIN, "", "4.7.0");
    assert_status(REPLY_JUDGE_RECIPIENT, "250 Ok", "2.1.5");
    assert_status(REPLY_JUDGE_MESSAGE, "250 Ok", "2.0.0");
    assert_status(REPLY_JUDGE_RECIPIENT, "550 No such user", "5.1.1");
    assert_status(REPLY_JUDGE_SENDER, "550 No", "5.7.1");
    assert_status(REPLY_JUDGE_RECIPIENT, "551 Elsewhere", "5.1.6");
    assert_status(REPLY_JUDGE_RECIPIENT, "552 Full", "5.2.2");
    assert_status(REPLY_JUDGE_RECIPIENT, "552 Too many", "4.5.3");
    assert_status(REPLY_JUDGE_MESSAGE, "552 Big", "5.3.4");
    assert_status(REPLY_JUDGE_RECIPIENT, "553 Bad", "5.1.3");
    assert_status(REPLY_JUDGE_SENDER, "553 Bad", "5.1.7");
    assert_status(REPLY_JUDGE_MESSAGE, "554 No", "5.0.0");
    assert_status(REPLY_JUDGE_GREETING, "554 No", "5.3.2");
    assert_status(REPLY_JUDGE_RECIPIENT, "556 Null MX", "5.1.10");
    assert_status(REPLY_JUDGE_MESSAGE, "599 Odd", "5.0.0");
    assert_status(REPLY_JUDGE_GREETING, "421 Busy", "4.3.2");
    assert_status(REPLY_JUDGE_RECIPIENT, "450 Later", "4.2.0");
    assert_status(REPLY_JUDGE_RECIPIENT, "452 Too many", "4.5.3");
    assert_status(REPLY_JUDGE_MESSAGE, "452 Full", "4.3.1");
    assert_status(REPLY_JUDGE_LOGIN, "535 No", "4.7.0");
    assert_status(REPLY_JUDGE_SENDER, "530 Log in", "4.7.0");
    assert_status(REPLY_JUDGE_GREETING, "300 What", "4.4.2");
}

/* Whatever comes, action and status of a report agree, and what is good is nothing else. */
static void every_reply_has_one_verdict(void **state)
{
    (void)state;
    for (int phase = REPLY_JUDGE_CONNECT; phase <= REPLY_JUDGE_LOST; phase++) {
        for (int code = -1; code < 700; code++) {
            struct ph_reply reply = {.code = code, .text = "text", .text_length = 4};
            struct reply_judge_verdict verdict = reply_judge((enum reply_judge_phase)phase, &reply);
            const char *status = reply_judge_status((enum reply_judge_phase)phase, &reply);
            assert_int_equal(status[0], verdict.is_good ? '2' : verdict.is_permanent ? '5' : '4');
            assert_false(verdict.is_good && (verdict.is_permanent || verdict.is_busy));
            assert_false(verdict.is_permanent && verdict.is_busy);
            if (code / 100 != 5)
                assert_false(verdict.is_permanent);
        }
    }
    struct ph_reply none = {0};
    assert_false(reply_judge(REPLY_JUDGE_CONNECT, &none).is_good);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(judges_by_the_first_digit),
    cmocka_unit_test(other_hosts_may_do),
    cmocka_unit_test(our_own_faults_are_mended),
    cmocka_unit_test(too_fast_is_not_greylisted),
    cmocka_unit_test(too_many_recipients_is_temporary),
    cmocka_unit_test(contradictions_are_not_believed),
    cmocka_unit_test(gives_a_status_where_there_is_none),
    cmocka_unit_test(every_reply_has_one_verdict),
};

UNIT_MAIN(tests)
