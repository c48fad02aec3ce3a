/* One connection of the queue: finds the hosts of its route, tries them in order, gives letters to
 * the session as fast as it takes them, and leaves when there are no more. */
#include <stdio.h>
#include <stdlib.h>

#include "delivery/queue_runner_inside.h"

static void go_on(struct queue_courier *courier);
static void try_place(struct queue_courier *courier);

/* ---- letters ---- */

static struct queue_letter *take_ready(struct queue_courier *courier)
{
    struct queue_letter *letter = courier->ready;
    courier->ready = letter->next;
    letter->next = NULL;
    courier->ready_count--;
    return letter;
}

/* The letter goes from the courier's hands back into the plan; due 0 = it is done with. */
static void drop_letter(struct queue_courier *courier, struct queue_letter *letter, int64_t due)
{
    queue_plan_letter_ended(courier->runner->plan, courier->route, letter->message, due);
    courier->in_hand--;
    queue_letter_drop(letter);
}

void queue_courier_letter_over(struct queue_courier *courier, struct queue_letter *letter)
{
    drop_letter(courier, letter, letter->due);
    go_on(courier);
}

static void drop_ready(struct queue_courier *courier)
{
    while (courier->ready != NULL)
        drop_letter(courier, take_ready(courier), queue_runner_now(courier->runner));
}

/* A worker's. */
static void run_reading(struct worker_job *job, void *context)
{
    struct queue_courier *courier =
        (struct queue_courier *)((char *)job - offsetof(struct queue_courier, reading));
    for (struct queue_letter *letter = courier->read; letter != NULL; letter = letter->next)
        queue_letter_read(letter, context, queue_plan_route_name(courier->route), false);
}

/* One that was read: to be given, or done with already. */
static void sort_letter(struct queue_courier *courier, struct queue_letter *letter,
                        struct queue_letter ***end)
{
    if (!letter->is_read) {
        queue_runner_tell_trouble(courier->runner, "queue.read-failed", &letter->fault);
        drop_letter(courier, letter,
                    retry_next(&courier->runner->options.times, 0,
                               queue_runner_now(courier->runner), 1, queue_runner_random()));
        return;
    }
    if (!letter->is_found) {
        drop_letter(courier, letter, 0);
        return;
    }
    if (letter->is_rerouted) {
        queue_letter_reroute(letter);
        return;
    }
    **end = letter;
    *end = &letter->next;
    courier->ready_count++;
}

static void read_done(struct loop_task *task)
{
    struct queue_courier *courier =
        (struct queue_courier *)((char *)task - offsetof(struct queue_courier, reading.done));
    queue_runner_job_back(courier->runner);
    courier->is_reading = false;
    struct queue_letter *letter = courier->read;
    struct queue_letter **end = &courier->ready;
    courier->read = NULL;
    while (*end != NULL)
        end = &(*end)->next;
    while (letter != NULL) {
        struct queue_letter *next = letter->next;
        letter->next = NULL;
        sort_letter(courier, letter, &end);
        letter = next;
    }
    go_on(courier);
}

static bool may_take_more(const struct queue_courier *courier)
{
    const struct queue_runner *runner = courier->runner;
    return !runner->is_stopping && !runner->is_over && !courier->is_reading &&
           queue_runner_is_leased(runner) && runner->unwritten < QUEUE_RUNNER_UNWRITTEN_MAX &&
           (courier->relay.letters == 0 ||
            courier->given + courier->ready_count < courier->relay.letters);
}

/* Has the next letters of the route read, ahead of their turn. False: there are none now. */
static bool read_ahead(struct queue_courier *courier)
{
    if (!may_take_more(courier) || courier->ready_count >= QUEUE_COURIER_AHEAD)
        return courier->is_reading || courier->ready_count > 0;
    struct queue_runner *runner = courier->runner;
    int64_t now = queue_runner_now(runner);
    struct queue_letter **end = &courier->read;
    int64_t message, later = 0;
    unsigned count = 0;
    unsigned most = QUEUE_COURIER_AHEAD;
    if (courier->relay.letters > 0 &&
        courier->relay.letters - courier->given - courier->ready_count < most)
        most = courier->relay.letters - courier->given - (unsigned)courier->ready_count;
    while (count < most &&
           queue_plan_next_letter(runner->plan, courier->route, now, &message, &later)) {
        struct queue_letter *letter = queue_sweep_has(runner->sweep, message)
                                          ? NULL
                                          : queue_letter_new(runner, courier, message);
        if (letter == NULL || !queue_letter_take(letter)) {
            queue_letter_free(letter);
            queue_plan_letter_ended(runner->plan, courier->route, message, now + 1000000);
            break;
        }
        courier->in_hand++;
        *end = letter;
        end = &letter->next;
        count++;
    }
    if (count == 0)
        return courier->ready_count > 0;
    courier->is_reading = true;
    courier->reading = (struct worker_job){
        .run = run_reading, .done = {.run = read_done}, .loop = runner->options.loop};
    queue_runner_submit(runner, &courier->reading);
    return true;
}

/* ---- the end of a courier ---- */

static void set_failure(struct queue_courier *courier, enum reply_judge_phase phase, int code,
                        const char *enhanced, const char *text, const char *host)
{
    struct queue_failure *failure = &courier->failure;
    failure->phase = phase;
    failure->code = code;
    snprintf(failure->enhanced, sizeof(failure->enhanced), "%s", enhanced);
    snprintf(failure->text, sizeof(failure->text), "%s", text);
    snprintf(failure->host, sizeof(failure->host), "%s", host);
}

static void leave_idle(struct queue_courier *courier)
{
    if (!courier->is_idle)
        return;
    HASH_DEL(courier->runner->idle, courier);
    courier->is_idle = false;
    queue_plan_connection_set_kept(courier->runner->plan, courier->route, false);
}

static void log_route(const struct queue_courier *courier)
{
    const struct queue_failure *failure = &courier->failure;
    struct log_line line;
    log_begin(&line, courier->runner->options.log, LOG_LEVEL_WARNING, "queue.route-failed");
    log_text(&line, "route", queue_plan_route_name(courier->route));
    if (failure->host[0] != '\0')
        log_string(&line, "host", failure->host);
    if (failure->code != 0)
        log_number(&line, "code", failure->code);
    log_string(&line, "text", failure->text);
    log_end(&line);
}

static void free_courier(struct queue_courier *courier)
{
    outbound_session_free(courier->session);
    host_lookup_free(courier->lookup);
    host_list_free(courier->hosts);
    free(courier);
}

/* Nothing of it is under way any more. */
static void end(struct queue_courier *courier)
{
    struct queue_runner *runner = courier->runner;
    leave_idle(courier);
    if (courier->outcome == QUEUE_PLAN_BAD)
        log_route(courier);
    queue_runner_route_ended(runner, courier);
    if (courier->previous != NULL)
        courier->previous->next = courier->next;
    else
        runner->couriers = courier->next;
    if (courier->next != NULL)
        courier->next->previous = courier->previous;
    runner->courier_count--;
    free_courier(courier);
    queue_runner_go_on(runner);
}

static bool is_under_way(const struct queue_courier *courier)
{
    return courier->is_reading || courier->in_hand > 0 || courier->session != NULL;
}

/* No new letters; it goes when what is under way is over. */
static void finish(struct queue_courier *courier)
{
    courier->state = QUEUE_COURIER_ENDS;
    leave_idle(courier);
    drop_ready(courier);
    if (courier->session != NULL)
        outbound_session_quit(courier->session);
    else if (!is_under_way(courier))
        end(courier);
}

/* ---- no way to the hosts ---- */

/* The route takes no mail for good: its letters go back, one after the other. */
static void refuse_all(struct queue_courier *courier)
{
    courier->state = QUEUE_COURIER_REFUSES;
    courier->outcome = QUEUE_PLAN_GOOD;
    courier->relay.letters = 0;
    go_on(courier);
}

/* The route is in trouble: nothing was taken, it rests. */
static void give_up(struct queue_courier *courier, enum queue_plan_outcome outcome)
{
    courier->outcome = outcome;
    finish(courier);
}

static void refuse_ready(struct queue_courier *courier)
{
    while (courier->ready != NULL) {
        struct queue_letter *letter = take_ready(courier);
        queue_letter_fail(letter, &courier->failure);
    }
}

/* ---- giving letters to the session ---- */

static void give_refusal(struct queue_courier *courier, struct queue_letter *letter,
                         const struct outbound_refusal *refusal)
{
    struct queue_failure failure = {.phase = REPLY_JUDGE_MESSAGE, .code = refusal->code};
    (void)courier;
    snprintf(failure.enhanced, sizeof(failure.enhanced), "%s", refusal->enhanced);
    snprintf(failure.text, sizeof(failure.text), "%s", refusal->text);
    queue_letter_fail(letter, &failure);
}

static void give(struct queue_courier *courier, struct queue_letter *letter)
{
    struct outbound_refusal refusal = {0};
    if (outbound_session_send(courier->session, &letter->out, &refusal)) {
        letter->is_given = true;
        courier->given++;
        courier->wanted--;
        return;
    }
    if (refusal.needs_downgrade && letter->draft == NULL) {
        queue_letter_want_downgrade(letter);
    } else if (refusal.code == 0) {
        /* The connection ends: another one is to have it. */
        courier->wanted = 0;
        drop_letter(courier, letter, queue_runner_now(courier->runner));
    } else {
        give_refusal(courier, letter, &refusal);
    }
}

/* There is no 7-bit form, and the host takes no other (RFC 6152 3, RFC 6531 3.5). */
static struct queue_failure no_downgrade(const struct queue_letter *letter)
{
    struct queue_failure failure = {.phase = REPLY_JUDGE_MESSAGE, .code = 554};
    const char *enhanced = "5.6.3";
    const char *text = "The host takes 7-bit mail only, and this letter cannot be turned into it";
    if (letter->fault.kind != FAULT_PERMANENT) {
        failure.code = 451;
        enhanced = "4.3.0";
        text = "The letter could not be turned into 7-bit form now";
    } else if (letter->letter.is_utf8) {
        failure.code = 550;
        enhanced = "5.6.7";
        text = "The host does not offer SMTPUTF8, which this letter needs";
    }
    snprintf(failure.enhanced, sizeof(failure.enhanced), "%s", enhanced);
    snprintf(failure.text, sizeof(failure.text), "%s: %.400s", text, letter->fault.message);
    return failure;
}

void queue_courier_downgraded(struct queue_courier *courier, struct queue_letter *letter)
{
    if (!letter->is_read) {
        struct queue_failure failure = no_downgrade(letter);
        queue_letter_fail(letter, &failure);
        return;
    }
    if (courier->session == NULL || courier->state != QUEUE_COURIER_SENDS) {
        drop_letter(courier, letter, queue_runner_now(courier->runner));
        go_on(courier);
        return;
    }
    courier->wanted++; /* one past its window: it has waited long enough */
    give(courier, letter);
    go_on(courier);
}

void queue_courier_piece_read(struct queue_courier *courier, struct queue_letter *letter)
{
    if (!letter->is_given) {
        /* It has ended meanwhile. */
        queue_letter_judge(letter, courier->hosts->places[courier->place].name);
        return;
    }
    if (!letter->is_read || letter->piece.length == 0)
        outbound_session_body_failed(courier->session, &letter->out);
    else
        outbound_session_body(courier->session, &letter->out, buffer_bytes(&letter->piece),
                              letter->is_last_piece);
}

/* Nothing to give now: the connection waits a little for the next letter. */
static void become_idle(struct queue_courier *courier)
{
    struct queue_runner *runner = courier->runner;
    struct queue_courier *other = NULL;
    HASH_FIND_PTR(runner->idle, &courier->route, other);
    if (other != NULL || runner->is_stopping || courier->outcome != QUEUE_PLAN_GOOD ||
        HASH_COUNT(runner->idle) >= QUEUE_RUNNER_IDLE_MAX) {
        finish(courier);
        return;
    }
    courier->is_idle = true;
    courier->idle_until = loop_now(runner->options.loop) + QUEUE_RUNNER_IDLE_TIME;
    HASH_ADD_PTR(runner->idle, route, courier);
    if (courier->is_lost) {
        courier->is_lost = courier->is_idle = false;
        finish(courier);
        return;
    }
    queue_plan_connection_set_kept(runner->plan, courier->route, true);
    queue_runner_go_on(runner);
}

static void send_more(struct queue_courier *courier)
{
    while (courier->wanted > 0 && courier->ready != NULL)
        give(courier, take_ready(courier));
    bool is_more = read_ahead(courier);
    if (is_more)
        leave_idle(courier);
    if (is_more || courier->in_hand > 0 || courier->is_idle)
        return;
    if (courier->relay.letters > 0 && courier->given >= courier->relay.letters)
        finish(courier);
    else
        become_idle(courier);
}

static void go_on(struct queue_courier *courier)
{
    switch (courier->state) {
    case QUEUE_COURIER_LOOKS_UP:
    case QUEUE_COURIER_CONNECTS:
        if (courier->runner->is_stopping && courier->in_hand == 0)
            finish(courier);
        return;
    case QUEUE_COURIER_SENDS:
        if (courier->runner->is_stopping)
            finish(courier);
        else
            send_more(courier);
        return;
    case QUEUE_COURIER_REFUSES:
        refuse_ready(courier);
        if (!read_ahead(courier) && !is_under_way(courier))
            end(courier);
        return;
    case QUEUE_COURIER_ENDS:
        drop_ready(courier);
        if (!is_under_way(courier))
            end(courier);
        return;
    }
}

void queue_courier_wake(struct queue_courier *courier)
{
    leave_idle(courier);
    go_on(courier);
}

int64_t queue_courier_end_idle(struct queue_runner *runner)
{
    struct queue_courier *courier, *next;
    int64_t earliest = 0;
    int64_t now = loop_now(runner->options.loop);
    HASH_ITER(hh, runner->idle, courier, next)
    {
        if (courier->idle_until <= now)
            finish(courier);
        else if (earliest == 0 || courier->idle_until < earliest)
            earliest = courier->idle_until;
    }
    return earliest;
}

/* ---- the session's events ---- */

/* The place could not be used; another of the route may be. */
static void leave_place(struct queue_courier *courier, const struct outbound_event *event)
{
    const struct host_list_place *place = &courier->hosts->places[courier->place];
    struct reply_judge_verdict verdict = reply_judge(event->phase, &event->reply);
    char enhanced[12] = "";
    if (event->reply.enhanced[0] != 0)
        snprintf(enhanced, sizeof(enhanced), "%hu.%hu.%hu", event->reply.enhanced[0],
                 event->reply.enhanced[1], event->reply.enhanced[2]);
    set_failure(courier, event->phase, event->reply.code,
                enhanced[0] != '\0' ? enhanced : reply_judge_status(event->phase, &event->reply),
                event->text == NULL ? "" : event->text, place->name);
    bool may_be_clear = courier->relay.tls == RELAY_TLS_OPPORTUNISTIC && !courier->is_clear;
    outbound_session_free(courier->session);
    courier->session = NULL;
    if (event->is_tls_failure && may_be_clear) {
        courier->is_clear = true;
        try_place(courier);
        return;
    }
    courier->is_clear = false;
    courier->place++;
    if (verdict.scope == REPLY_JUDGE_OF_ROUTE)
        courier->place = courier->hosts->count;
    if (courier->place < courier->hosts->count && !courier->runner->is_stopping)
        try_place(courier);
    else if (verdict.is_permanent && !courier->runner->is_stopping)
        refuse_all(courier);
    else
        give_up(courier, verdict.is_busy ? QUEUE_PLAN_BUSY : QUEUE_PLAN_BAD);
}

static void hear_ready(struct queue_courier *courier)
{
    courier->state = QUEUE_COURIER_SENDS;
    courier->outcome = QUEUE_PLAN_GOOD;
}

static void hear_letter_ended(struct queue_courier *courier, struct queue_letter *letter)
{
    bool is_taken = false;
    letter->is_given = false;
    for (size_t i = 0; i < letter->letter.recipient_count; i++)
        is_taken |= letter->out.results[i].is_accepted;
    if (is_taken)
        queue_plan_route_went_well(courier->runner->plan, courier->route,
                                   queue_runner_now(courier->runner));
    if (!letter->is_reading_piece)
        queue_letter_judge(letter, courier->hosts->places[courier->place].name);
}

static void hear_ended(struct queue_courier *courier, const struct outbound_event *event)
{
    /* A host that takes the connection and ends it without a letter is as good as down. */
    bool is_useless = courier->state == QUEUE_COURIER_CONNECTS ||
                      (courier->state == QUEUE_COURIER_SENDS && courier->given == 0);
    if (is_useless && !event->is_orderly) {
        leave_idle(courier);
        leave_place(courier, event);
        return;
    }
    struct reply_judge_verdict verdict = reply_judge(event->phase, &event->reply);
    if (!event->is_orderly && verdict.is_busy && courier->outcome == QUEUE_PLAN_GOOD)
        courier->outcome = QUEUE_PLAN_BUSY;
    outbound_session_free(courier->session);
    courier->session = NULL;
    courier->state = QUEUE_COURIER_ENDS;
    leave_idle(courier);
    drop_ready(courier);
    if (!is_under_way(courier))
        end(courier);
}

static struct queue_letter *letter_of(struct outbound_letter *out)
{
    return (struct queue_letter *)((char *)out - offsetof(struct queue_letter, out));
}

static void hear(struct loop_task *task)
{
    struct queue_courier *courier =
        (struct queue_courier *)((char *)task - offsetof(struct queue_courier, told));
    struct outbound_event event;
    while (courier->session != NULL && outbound_session_next(courier->session, &event)) {
        switch (event.kind) {
        case OUTBOUND_READY:
            hear_ready(courier);
            break;
        case OUTBOUND_WANTS_LETTER:
            courier->wanted++;
            break;
        case OUTBOUND_WANTS_BODY:
            queue_letter_want_piece(letter_of(event.letter), event.offset);
            break;
        case OUTBOUND_LETTER_ENDED:
            hear_letter_ended(courier, letter_of(event.letter));
            break;
        case OUTBOUND_ENDED:
            hear_ended(courier, &event);
            return; /* the courier may be gone */
        }
    }
    go_on(courier);
}

/* ---- the way there ---- */

static const struct net_address *source_for(const struct queue_runner *runner,
                                            const struct net_address *address)
{
    for (size_t i = 0; i < runner->options.source_count; i++)
        if (runner->options.sources[i].storage.ss_family == address->storage.ss_family)
            return &runner->options.sources[i];
    return NULL;
}

static void try_place(struct queue_courier *courier)
{
    struct queue_runner *runner = courier->runner;
    const struct host_list_place *place = &courier->hosts->places[courier->place];
    courier->plan = (struct outbound_session_plan){
        .place = place,
        .relay = &courier->relay,
        .hello_name = runner->options.name,
        .source = source_for(runner, &place->address),
        .tls = courier->relay.tls == RELAY_TLS_VERIFIED ? runner->options.tls_verified
                                                        : runner->options.tls,
        .is_clear = courier->is_clear,
    };
    struct fault fault = {0};
    courier->state = QUEUE_COURIER_CONNECTS;
    courier->told.run = hear;
    courier->wanted = 0;
    courier->given = 0;
    courier->session =
        outbound_session_new(runner->options.loop, &courier->plan, &courier->told, &fault);
    if (courier->session != NULL)
        return;
    set_failure(courier, REPLY_JUDGE_CONNECT, 0, "4.3.2", fault.message, "");
    queue_runner_tell_trouble(runner, "queue.cannot-connect", &fault);
    give_up(courier, QUEUE_PLAN_BUSY);
}

static void look_at_hosts(struct queue_courier *courier)
{
    const struct host_list *hosts = courier->hosts;
    if (courier->runner->is_stopping) {
        finish(courier);
        return;
    }
    if (hosts == NULL) {
        set_failure(courier, REPLY_JUDGE_CONNECT, 0, "4.3.0", "No memory for the look-up", "");
        give_up(courier, QUEUE_PLAN_BUSY);
        return;
    }
    if (hosts->status == HOST_LIST_FOUND) {
        try_place(courier);
        return;
    }
    set_failure(courier, REPLY_JUDGE_CONNECT, hosts->code, hosts->enhanced, hosts->reason, "");
    if (hosts->status == HOST_LIST_PERMANENT)
        refuse_all(courier);
    else
        give_up(courier, QUEUE_PLAN_BAD);
}

static void looked_up(struct loop_task *task)
{
    struct queue_courier *courier =
        (struct queue_courier *)((char *)task - offsetof(struct queue_courier, looked_up));
    courier->is_looked_up = false;
    courier->hosts = host_lookup_take(courier->lookup);
    host_lookup_free(courier->lookup);
    courier->lookup = NULL;
    look_at_hosts(courier);
}

/* May come from within host_lookup_new. */
static void hear_lookup(struct host_lookup *lookup, void *context)
{
    struct queue_courier *courier = context;
    (void)lookup;
    courier->is_looked_up = true;
    loop_post(courier->runner->options.loop, &courier->looked_up);
}

bool queue_courier_start(struct queue_runner *runner, struct queue_plan_route *route)
{
    struct queue_courier *courier = calloc(1, sizeof(*courier));
    bool is_stale = false;
    struct fault fault = {0};
    if (courier == NULL)
        return false;
    courier->runner = runner;
    courier->route = route;
    courier->failures = queue_plan_route_state(route).failures;
    courier->looked_up.run = looked_up;
    relay_find(runner->options.relays, queue_plan_route_name(route), &courier->relay, &is_stale);
    if (courier->relay.host == NULL)
        courier->relay.port = runner->options.port;
    queue_plan_route_limit(route, courier->relay.connections, courier->relay.letters_minute);
    courier->next = runner->couriers;
    if (courier->next != NULL)
        courier->next->previous = courier;
    runner->couriers = courier;
    runner->courier_count++;
    if (is_stale) {
        /* Nobody is reached by it: whatever is read goes another way. */
        set_failure(courier, REPLY_JUDGE_CONNECT, 451, "4.3.5", "The relay is no longer known", "");
        courier->state = QUEUE_COURIER_REFUSES;
        courier->relay.letters = 0;
        go_on(courier);
        return true;
    }
    courier->lookup =
        host_lookup_new(runner->dns, runner->options.self, queue_plan_route_name(route),
                        &courier->relay, queue_runner_random(), hear_lookup, courier, &fault);
    if (courier->lookup == NULL) {
        set_failure(courier, REPLY_JUDGE_CONNECT, 451, "4.4.3", fault.message, "");
        give_up(courier, QUEUE_PLAN_BUSY);
    }
    return true;
}

void queue_courier_end_all(struct queue_runner *runner)
{
    struct queue_courier *next;
    for (struct queue_courier *courier = runner->couriers; courier != NULL; courier = next) {
        next = courier->next;
        /* What the look-up found is on its way, and ends it when it comes. */
        if (courier->is_looked_up)
            continue;
        if (courier->state == QUEUE_COURIER_LOOKS_UP) {
            host_lookup_free(courier->lookup);
            courier->lookup = NULL;
        }
        finish(courier);
    }
}

void queue_courier_free_all(struct queue_runner *runner)
{
    struct queue_letter *letter, *next;
    HASH_CLEAR(hh, runner->idle);
    HASH_ITER(hh, runner->in_hand, letter, next)
    {
        HASH_DEL(runner->in_hand, letter);
        queue_letter_free(letter);
    }
    while (runner->couriers != NULL) {
        struct queue_courier *courier = runner->couriers;
        runner->couriers = courier->next;
        free_courier(courier);
    }
}
