/* The loop's thread owns all but the log, the lists of letters and the wishes. */
#include "delivery/outbound_lab.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net/net_tls.h"
#include "unit.h"

enum {
    PATIENCE_SECONDS = 30,
    LOG_MAX = 256 * 1024
};

struct outbound_lab {
    struct outbound_lab_options options;
    struct host_list_place place;
    struct net_address source;
    struct net_tls_context *context;
    struct outbound_session_plan plan;
    struct loop_group *group;
    bool is_stopped;
    struct outbound_session *session;
    struct loop_task told;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct buffer log;
    struct buffer line;
    struct outbound_lab_letter *letters[OUTBOUND_LAB_LETTERS];
    size_t letter_count;
    size_t given; /* letters that were offered to the session */
    size_t ended; /* or were refused */
};

/* ---- the log ---- */

static void note(struct outbound_lab *lab, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void note(struct outbound_lab *lab, const char *format, ...)
{
    va_list arguments;
    pthread_mutex_lock(&lab->mutex);
    va_start(arguments, format);
    buffer_append_format_list(&lab->log, format, arguments);
    va_end(arguments);
    pthread_cond_broadcast(&lab->changed);
    pthread_mutex_unlock(&lab->mutex);
}

const char *outbound_lab_log(struct outbound_lab *lab)
{
    pthread_mutex_lock(&lab->mutex);
    const char *text = buffer_string(&lab->log);
    pthread_mutex_unlock(&lab->mutex);
    return text;
}

void outbound_lab_await(struct outbound_lab *lab, const char *text)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_SECONDS;
    pthread_mutex_lock(&lab->mutex);
    bool is_late = false;
    while (strstr(buffer_string(&lab->log), text) == NULL && !is_late)
        is_late = pthread_cond_timedwait(&lab->changed, &lab->mutex, &until) != 0;
    if (is_late)
        print_error("\"%s\" was not told, but\n%s", text, buffer_string(&lab->log));
    pthread_mutex_unlock(&lab->mutex);
    assert_false(is_late);
}

static const char *const phases[] = {"connect", "greeting",  "hello",   "tls", "login",
                                     "sender",  "recipient", "message", "lost"};

static void note_letter(struct outbound_lab *lab, const struct outbound_lab_letter *letter)
{
    struct buffer *line = &lab->line;
    buffer_reset(line);
    buffer_append_format(line, "letter %s:", letter->name);
    for (size_t i = 0; i < letter->stored.recipient_count; i++) {
        const struct outbound_recipient_result *result = &letter->results[i];
        buffer_append_format(line, "%s %s %d%s%s %s", i == 0 ? "" : ";",
                             result->is_accepted ? "accepted" : phases[result->phase], result->code,
                             *result->enhanced == '\0' ? "" : " ", result->enhanced, result->text);
    }
    note(lab, "%.*s\n", BYTES_FORMAT(buffer_bytes(line)));
}

/* ---- the owner ---- */

static struct outbound_lab_letter *owner_of(struct outbound_lab *lab,
                                            const struct outbound_letter *letter)
{
    for (size_t i = 0; i < lab->letter_count; i++)
        if (&lab->letters[i]->letter == letter)
            return lab->letters[i];
    return NULL;
}

static void quit_if_done(struct outbound_lab *lab)
{
    if (!lab->options.stays && lab->letter_count > 0 && lab->ended == lab->letter_count)
        outbound_session_quit(lab->session);
}

static void offer(struct outbound_lab *lab)
{
    struct outbound_lab_letter *letter = NULL;
    pthread_mutex_lock(&lab->mutex);
    if (lab->given < lab->letter_count)
        letter = lab->letters[lab->given++];
    pthread_mutex_unlock(&lab->mutex);
    if (letter == NULL || outbound_session_send(lab->session, &letter->letter, &letter->refusal))
        return;
    letter->was_refused = true;
    lab->ended++;
    note(lab, "refused %s: %d %s%s %s\n", letter->name, letter->refusal.code,
         letter->refusal.enhanced, letter->refusal.needs_downgrade ? " downgrade" : "",
         letter->refusal.text);
    offer(lab);
    quit_if_done(lab);
}

static void give_piece(struct outbound_lab *lab, struct outbound_lab_letter *letter,
                       uint64_t offset)
{
    if (letter->fails) {
        outbound_session_body_failed(lab->session, &letter->letter);
        return;
    }
    size_t start = (size_t)offset;
    size_t left = letter->body.length - start;
    size_t size = letter->piece_size < left ? letter->piece_size : left;
    outbound_session_body(lab->session, &letter->letter, bytes_slice(letter->body, start, size),
                          size == left);
}

static void hear(struct outbound_lab *lab, const struct outbound_event *event)
{
    struct outbound_lab_letter *letter = owner_of(lab, event->letter);
    switch (event->kind) {
    case OUTBOUND_READY:
        note(lab, "ready\n");
        break;
    case OUTBOUND_WANTS_LETTER:
        offer(lab);
        break;
    case OUTBOUND_WANTS_BODY:
        note(lab, "body %s %llu\n", letter->name, (unsigned long long)event->offset);
        if (!letter->is_slow)
            give_piece(lab, letter, event->offset);
        break;
    case OUTBOUND_LETTER_ENDED:
        note_letter(lab, letter);
        lab->ended++;
        quit_if_done(lab);
        break;
    case OUTBOUND_ENDED:
        note(lab, "end %s %d%s%s %s\n", phases[event->phase], event->reply.code,
             event->is_orderly ? " orderly" : "", event->is_tls_failure ? " tls" : "", event->text);
        break;
    }
}

static void hear_told(struct loop_task *task)
{
    struct outbound_lab *lab =
        (struct outbound_lab *)(void *)((char *)task - offsetof(struct outbound_lab, told));
    struct outbound_event event;
    while (outbound_session_next(lab->session, &event))
        hear(lab, &event);
}

/* ---- what the test wants done on the loop ---- */

struct errand {
    struct loop_task task;
    struct outbound_lab *lab;
    void (*run)(struct outbound_lab *lab, void *argument);
    void *argument;
    bool is_done;
};

static void run_errand(struct loop_task *task)
{
    struct errand *errand = (struct errand *)task;
    struct outbound_lab *lab = errand->lab;
    errand->run(lab, errand->argument);
    pthread_mutex_lock(&lab->mutex);
    errand->is_done = true;
    pthread_cond_broadcast(&lab->changed);
    pthread_mutex_unlock(&lab->mutex);
}

static void run_on_loop(struct outbound_lab *lab,
                        void (*run)(struct outbound_lab *lab, void *argument), void *argument)
{
    struct errand errand = {.task.run = run_errand, .lab = lab, .run = run, .argument = argument};
    loop_post(loop_group_at(lab->group, 0), &errand.task);
    pthread_mutex_lock(&lab->mutex);
    while (!errand.is_done)
        pthread_cond_wait(&lab->changed, &lab->mutex);
    pthread_mutex_unlock(&lab->mutex);
}

static void open_session(struct outbound_lab *lab, void *argument)
{
    struct fault *fault = argument;
    lab->session =
        outbound_session_new(loop_group_at(lab->group, 0), &lab->plan, &lab->told, fault);
}

static void free_session(struct outbound_lab *lab, void *argument)
{
    (void)argument;
    outbound_session_free(lab->session);
    lab->session = NULL;
}

static void quit_session(struct outbound_lab *lab, void *argument)
{
    (void)argument;
    outbound_session_quit(lab->session);
}

static void offer_now(struct outbound_lab *lab, void *argument)
{
    (void)argument;
    offer(lab);
}

static void give_body_now(struct outbound_lab *lab, void *argument)
{
    struct outbound_lab_letter *letter = argument;
    give_piece(lab, letter, 0);
}

void outbound_lab_give(struct outbound_lab *lab)
{
    run_on_loop(lab, offer_now, NULL);
}

void outbound_lab_give_body(struct outbound_lab *lab, struct outbound_lab_letter *letter)
{
    run_on_loop(lab, give_body_now, letter);
}

void outbound_lab_quit(struct outbound_lab *lab)
{
    run_on_loop(lab, quit_session, NULL);
}

void outbound_lab_free_session(struct outbound_lab *lab)
{
    run_on_loop(lab, free_session, NULL);
}

/* ---- letters ---- */

struct outbound_lab_letter *outbound_lab_letter(struct outbound_lab *lab, const char *name,
                                                size_t recipients, struct bytes body)
{
    static const char addresses[OUTBOUND_LAB_RECIPIENTS][16] = {
        "r0@to.test", "r1@to.test", "r2@to.test", "r3@to.test", "r4@to.test", "r5@to.test",
    };
    struct outbound_lab_letter *letter = calloc(1, sizeof *letter);
    assert_non_null(letter);
    snprintf(letter->name, sizeof letter->name, "%s", name);
    letter->body = body;
    letter->piece_size = 65536;
    letter->stored = (struct store_outbound_letter){
        .sender = BYTES("a@from.test"),
        .size = body.length,
        .recipients = letter->recipients,
        .recipient_count = recipients,
    };
    for (size_t i = 0; i < recipients; i++)
        letter->recipients[i].address = bytes_from_string(addresses[i]);
    letter->letter = (struct outbound_letter){
        .letter = &letter->stored,
        .size = body.length,
        .first = body,
        .results = letter->results,
    };
    pthread_mutex_lock(&lab->mutex);
    lab->letters[lab->letter_count++] = letter;
    pthread_mutex_unlock(&lab->mutex);
    return letter;
}

/* ---- the house ---- */

static void set_plan(struct outbound_lab *lab, const char *address)
{
    struct fault fault;
    unsigned port = (unsigned)atoi(strrchr(address, ':') + 1);
    snprintf(lab->place.name, sizeof lab->place.name, "%s",
             lab->options.name == NULL ? "mx.test" : lab->options.name);
    assert_true(net_address_parse("127.0.0.1", port, &lab->place.address));
    assert_true(net_address_parse("127.0.0.1", 0, &lab->source));
    if (!lab->options.has_no_tls) {
        lab->context = net_tls_context_new(
            &(struct net_tls_policy){.ca_file = lab->options.ca_file,
                                     .no_verification = lab->options.ca_file == NULL},
            &fault);
        assert_non_null(lab->context);
    }
    lab->plan = (struct outbound_session_plan){
        .place = &lab->place,
        .relay = &lab->options.relay,
        .hello_name = "us.test",
        .source = lab->options.has_source ? &lab->source : NULL,
        .tls = lab->context,
        .is_clear = lab->options.is_clear,
        .timeouts = &lab->options.timeouts,
    };
}

struct outbound_lab *outbound_lab_new(const char *address,
                                      const struct outbound_lab_options *options)
{
    struct fault fault;
    struct outbound_lab *lab = calloc(1, sizeof *lab);
    assert_non_null(lab);
    if (options != NULL)
        lab->options = *options;
    lab->log = BUFFER(LOG_MAX);
    lab->line = BUFFER(LOG_MAX);
    /* The memory is there, though that of the session may fail. */
    assert_non_null(buffer_reserve(&lab->log, LOG_MAX - 1));
    assert_non_null(buffer_reserve(&lab->line, LOG_MAX - 1));
    lab->told.run = hear_told;
    pthread_mutex_init(&lab->mutex, NULL);
    pthread_cond_init(&lab->changed, NULL);
    set_plan(lab, address);
    lab->group = loop_group_new(1, &fault);
    assert_non_null(lab->group);
    assert_true(loop_group_start(lab->group, &fault));
    return lab;
}

bool outbound_lab_start(struct outbound_lab *lab)
{
    struct fault fault;
    run_on_loop(lab, open_session, &fault);
    if (lab->session == NULL)
        note(lab, "fault %s\n", fault.message);
    return lab->session != NULL;
}

void outbound_lab_stop(struct outbound_lab *lab, int64_t grace)
{
    loop_group_stop(lab->group, grace);
    loop_group_settle(lab->group);
    lab->is_stopped = true;
}

void outbound_lab_close(struct outbound_lab *lab)
{
    if (!lab->is_stopped) {
        run_on_loop(lab, free_session, NULL);
        outbound_lab_stop(lab, 10000);
    } else {
        free_session(lab, NULL);
    }
    loop_group_free(lab->group);
    net_tls_context_free(lab->context);
    for (size_t i = 0; i < lab->letter_count; i++)
        free(lab->letters[i]);
    buffer_clear(&lab->log);
    buffer_clear(&lab->line);
    pthread_mutex_destroy(&lab->mutex);
    pthread_cond_destroy(&lab->changed);
    free(lab);
}
