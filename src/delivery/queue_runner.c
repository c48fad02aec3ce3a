/* The heart of the queue: hears what comes, gives connections to routes as the plan says, keeps the
 * lease, and looks after the rest by the clock. */
#include "delivery/queue_runner.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "delivery/queue_runner_inside.h"

enum {
    NEWS_MAX = 100 * 1000,         /* entries that wait for the loop; past it the store is read */
    TROUBLE_PACE = 60 * 1000,      /* milliseconds between two log lines of trouble */
    FORGET_PACE = 60 * 60 * 1000,  /* and between looks for old notes of routes without mail */
    FORGET_SECONDS = 24 * 60 * 60, /* that such a note is kept */
    LEASE_PACE = STORE_OUTBOUND_LEASE_MILLISECONDS / 6,
    LEASE_TRUST = STORE_OUTBOUND_LEASE_MILLISECONDS * 3 / 4 /* behind the last renewal */
};

/* ---- what commits put into the queue ---- */

struct news_entry {
    struct news_entry *next;
    int64_t message;
    int64_t account;
    int64_t due;
    size_t route_length;
    char route[];
};

/* Between the store's threads and the loop. */
struct queue_news {
    struct queue_runner *runner;
    pthread_mutex_t lock;
    struct news_entry *first, **end;
    size_t count;
    bool is_lost;   /* something could not be kept: the store is read again */
    bool is_posted; /* the task is on its way */
    struct loop_task task;
};

static struct news_entry *new_entry(const struct store_outbound_entry *from)
{
    struct news_entry *entry = malloc(sizeof(*entry) + from->route.length);
    if (entry == NULL)
        return NULL;
    *entry = (struct news_entry){.message = from->message,
                                 .account = from->account,
                                 .due = from->due,
                                 .route_length = from->route.length};
    if (from->route.length > 0)
        memcpy(entry->route, from->route.data, from->route.length);
    return entry;
}

static void append_entry(struct queue_news *news, const struct store_outbound_entry *from)
{
    struct news_entry *entry = news->count < NEWS_MAX ? new_entry(from) : NULL;
    if (entry == NULL) {
        news->is_lost = true;
        return;
    }
    *news->end = entry;
    news->end = &entry->next;
    news->count++;
}

/* On a thread of the store. */
static void hear_commit(struct store_outbound_watch *watch,
                        const struct store_outbound_entry *entries, size_t count)
{
    struct queue_runner *runner =
        (struct queue_runner *)((char *)watch - offsetof(struct queue_runner, watch));
    struct queue_news *news = runner->news;
    pthread_mutex_lock(&news->lock);
    for (size_t i = 0; i < count; i++)
        append_entry(news, &entries[i]);
    bool is_first = !news->is_posted;
    news->is_posted = true;
    pthread_mutex_unlock(&news->lock);
    if (is_first)
        loop_post(runner->options.loop, &news->task);
}

static struct news_entry *take_news(struct queue_news *news, bool *is_lost)
{
    pthread_mutex_lock(&news->lock);
    struct news_entry *first = news->first;
    *is_lost = news->is_lost;
    news->first = NULL;
    news->end = &news->first;
    news->count = 0;
    news->is_lost = false;
    news->is_posted = false;
    pthread_mutex_unlock(&news->lock);
    return first;
}

static void hear_news(struct loop_task *task)
{
    struct queue_news *news =
        (struct queue_news *)((char *)task - offsetof(struct queue_news, task));
    struct queue_runner *runner = news->runner;
    bool is_lost;
    struct news_entry *entry = take_news(news, &is_lost);
    while (entry != NULL) {
        struct news_entry *next = entry->next;
        struct bytes route = bytes_of(entry->route, entry->route_length);
        is_lost |= !queue_plan_add(runner->plan, route, entry->account, entry->message, entry->due,
                                   NULL) &&
                   !queue_plan_is_cut(runner->plan);
        free(entry);
        entry = next;
    }
    if (runner->is_over || runner->is_stopping)
        return;
    if (is_lost)
        queue_load_begin(runner->load);
    queue_runner_go_on(runner);
}

static struct queue_news *new_news(struct queue_runner *runner)
{
    struct queue_news *news = calloc(1, sizeof(*news));
    if (news == NULL)
        return NULL;
    news->runner = runner;
    news->end = &news->first;
    news->task.run = hear_news;
    pthread_mutex_init(&news->lock, NULL);
    return news;
}

static void free_news(struct queue_news *news)
{
    if (news == NULL)
        return;
    bool is_lost;
    struct news_entry *entry = take_news(news, &is_lost);
    while (entry != NULL) {
        struct news_entry *next = entry->next;
        free(entry);
        entry = next;
    }
    pthread_mutex_destroy(&news->lock);
    free(news);
}

/* ---- small services ---- */

int64_t queue_runner_now(const struct queue_runner *runner)
{
    (void)runner;
    return clock_wall_microseconds();
}

uint32_t queue_runner_random(void)
{
    uint32_t random = 0;
    random_fill(&random, sizeof(random), NULL);
    return random;
}

void queue_runner_submit(struct queue_runner *runner, struct worker_job *job)
{
    if (runner->is_over)
        return;
    runner->jobs++;
    worker_submit(runner->options.workers, job);
}

void queue_runner_job_back(struct queue_runner *runner)
{
    runner->jobs--;
    if (runner->is_stopping)
        queue_runner_go_on(runner);
}

void queue_runner_tell_trouble(struct queue_runner *runner, const char *what,
                               const struct fault *fault)
{
    uint64_t left_out = 0;
    if (!log_pace_allows(&runner->trouble_pace, (int64_t)clock_monotonic_milliseconds(),
                         TROUBLE_PACE, &left_out))
        return;
    struct log_line line;
    log_begin(&line, runner->options.log, LOG_LEVEL_ERROR, what);
    log_fault(&line, fault);
    if (left_out > 0)
        log_number(&line, "left_out", (int64_t)left_out);
    log_end(&line);
}

/* ---- routes in trouble, written down ---- */

struct route_note {
    struct store_outbound_route_job job;
    struct queue_runner *runner;
    struct loop_task told;
    struct queue_failure failure;
    size_t route_length;
    char route[];
};

static void note_told(struct loop_task *task)
{
    struct route_note *note =
        (struct route_note *)((char *)task - offsetof(struct route_note, told));
    queue_runner_job_back(note->runner);
    if (!note->job.job.is_done)
        queue_runner_tell_trouble(note->runner, "queue.write-failed", &note->job.job.fault);
    free(note);
}

/* On a thread of the store. */
static void note_written(struct store_job *job)
{
    struct route_note *note =
        (struct route_note *)((char *)job - offsetof(struct route_note, job.job));
    loop_post(note->runner->options.loop, &note->told);
}

static void write_note(struct queue_runner *runner, struct route_note *note,
                       const struct queue_plan_state *state)
{
    note->runner = runner;
    note->told.run = note_told;
    note->job.job.done = note_written;
    note->job.store = runner->options.store;
    note->job.route = (struct store_outbound_route){
        .route = bytes_of(note->route, note->route_length),
        .resting_until = state->resting_until,
        .failures = state->failures,
        .code = note->failure.code,
        .text = bytes_from_string(note->failure.text),
        .failed = queue_runner_now(runner),
    };
    int64_t now = loop_now(runner->options.loop);
    if (now >= runner->next_forget) {
        runner->next_forget = now + FORGET_PACE;
        note->job.forget_before = queue_runner_now(runner) - (int64_t)FORGET_SECONDS * 1000 * 1000;
    }
    runner->jobs++;
    store_outbound_route_submit(&note->job);
}

void queue_runner_route_ended(struct queue_runner *runner, const struct queue_courier *courier)
{
    struct bytes name = queue_plan_route_name(courier->route);
    struct route_note *note = malloc(sizeof(*note) + name.length);
    if (note != NULL) {
        *note = (struct route_note){.failure = courier->failure, .route_length = name.length};
        memcpy(note->route, name.data, name.length);
    }
    queue_plan_connection_ended(runner->plan, courier->route, courier->outcome,
                                queue_runner_now(runner), queue_runner_random());
    if (note == NULL)
        return; /* only people miss it */
    struct queue_plan_state state =
        queue_plan_state_of(runner->plan, bytes_of(note->route, note->route_length));
    if (state.failures == courier->failures || runner->is_over)
        free(note);
    else
        write_note(runner, note, &state);
}

/* ---- the lease ---- */

static void lease_written(struct store_job *job)
{
    struct queue_runner *runner =
        (struct queue_runner *)((char *)job - offsetof(struct queue_runner, lease.job));
    loop_post(runner->options.loop, &runner->lease_told);
}

static void ask_for_lease(struct queue_runner *runner, bool is_leaving)
{
    runner->is_lease_asked = true;
    runner->lease = (struct store_outbound_lease){
        .job = {.done = lease_written},
        .store = runner->options.store,
        .now = queue_runner_now(runner),
        .is_leaving = is_leaving,
    };
    runner->jobs++;
    store_outbound_lease_submit(&runner->lease);
}

static void lease_told(struct loop_task *task)
{
    struct queue_runner *runner =
        (struct queue_runner *)((char *)task - offsetof(struct queue_runner, lease_told));
    runner->is_lease_asked = false;
    queue_runner_job_back(runner);
    if (!runner->lease.job.is_done) {
        queue_runner_tell_trouble(runner, "queue.lease-failed", &runner->lease.job.fault);
        return;
    }
    if (runner->lease.is_leaving)
        return;
    runner->leased_until = loop_now(runner->options.loop) + LEASE_TRUST;
    if (runner->lease.is_lost)
        queue_plan_empty(runner->plan);
    if (runner->lease.is_lost || runner->lease.taken > 0)
        queue_load_begin(runner->load);
    queue_runner_go_on(runner);
}

bool queue_runner_is_leased(const struct queue_runner *runner)
{
    return !store_is_shared(runner->options.store) ||
           loop_now(runner->options.loop) < runner->leased_until;
}

/* ---- the turn ---- */

static void give_connection(struct queue_runner *runner, struct queue_plan_route *route)
{
    struct queue_courier *idle = NULL;
    HASH_FIND_PTR(runner->idle, &route, idle);
    if (idle == NULL && queue_courier_start(runner, route))
        return;
    /* The one that stands open serves as well; without memory, a later turn does. */
    queue_plan_connection_ended(runner->plan, route,
                                idle == NULL ? QUEUE_PLAN_BUSY : QUEUE_PLAN_GOOD,
                                queue_runner_now(runner), queue_runner_random());
    if (idle != NULL)
        queue_courier_wake(idle);
}

static int64_t earlier(int64_t left, int64_t right)
{
    if (left == 0 || right == 0)
        return left == 0 ? right : left;
    return left < right ? left : right;
}

/* From microseconds of the plan to the loop's clock. */
static int64_t plan_time(const struct queue_runner *runner, int64_t now)
{
    int64_t wall = queue_runner_now(runner);
    int64_t next = queue_plan_next_time(runner->plan, wall);
    if (next == INT64_MAX)
        return 0;
    return next <= wall ? now + 1 : now + (next - wall) / 1000 + 1;
}

static void do_by_clock(struct queue_runner *runner, int64_t now)
{
    if (now >= runner->next_lease && !runner->is_lease_asked) {
        runner->next_lease = now + LEASE_PACE;
        ask_for_lease(runner, false);
    }
    if (now >= runner->next_look) {
        runner->next_look = now + QUEUE_RUNNER_PACE;
        queue_load_look(runner->load);
    }
    if (now >= runner->next_sweep && queue_runner_is_leased(runner)) {
        runner->next_sweep = now + runner->sweep_pace;
        queue_sweep_begin(runner->sweep, queue_runner_now(runner));
    }
}

static void serve(struct queue_runner *runner)
{
    int64_t now = loop_now(runner->options.loop);
    do_by_clock(runner, now);
    bool may = queue_runner_is_leased(runner) && runner->unwritten < QUEUE_RUNNER_UNWRITTEN_MAX;
    struct queue_plan_route *route;
    while (may && (route = queue_plan_next_route(runner->plan, queue_runner_now(runner))) != NULL)
        give_connection(runner, route);
    int64_t when = earlier(runner->next_lease, runner->next_look);
    when = earlier(when, runner->next_sweep);
    when = earlier(when, queue_courier_end_idle(runner));
    if (may)
        when = earlier(when, plan_time(runner, now));
    alarm_set(runner->alarm, when);
}

/* ---- the end ---- */

static void close_services(struct queue_runner *runner)
{
    watcher_free(runner->dns_watcher);
    runner->dns_watcher = NULL;
    alarm_free(runner->alarm);
    runner->alarm = NULL;
}

static void stop(struct queue_runner *runner)
{
    runner->is_stopping = true;
    store_outbound_watch_set(runner->options.store, NULL);
    queue_courier_end_all(runner);
}

/* The loop ends when all has been said. */
static void end_if_done(struct queue_runner *runner)
{
    if (runner->couriers != NULL || runner->jobs > 0 || runner->alarm == NULL)
        return;
    if (!runner->is_left && store_is_shared(runner->options.store)) {
        runner->is_left = true;
        ask_for_lease(runner, true);
        return;
    }
    close_services(runner);
}

static void going_on(struct loop_task *task)
{
    struct queue_runner *runner =
        (struct queue_runner *)((char *)task - offsetof(struct queue_runner, going_on));
    runner->is_going_on = false;
    if (runner->is_over || runner->alarm == NULL)
        return;
    if (!runner->is_stopping && alarm_is_stopping(runner->alarm))
        stop(runner);
    if (runner->is_stopping)
        end_if_done(runner);
    else
        serve(runner);
}

void queue_runner_go_on(struct queue_runner *runner)
{
    if (runner->is_going_on)
        return;
    runner->is_going_on = true;
    loop_post(runner->options.loop, &runner->going_on);
}

static void rang(struct loop_task *task)
{
    struct queue_runner *runner =
        (struct queue_runner *)((char *)task - offsetof(struct queue_runner, rang));
    queue_runner_go_on(runner);
}

static void hear_dns(struct loop_task *task)
{
    struct queue_runner *runner =
        (struct queue_runner *)((char *)task - offsetof(struct queue_runner, dns_told));
    net_dns_process(runner->dns);
}

/* ---- life ---- */

static void start(struct loop_task *task)
{
    struct queue_runner *runner =
        (struct queue_runner *)((char *)task - offsetof(struct queue_runner, started));
    struct fault fault = {0};
    runner->alarm = alarm_new(runner->options.loop, &runner->rang, &fault);
    runner->dns_watcher = runner->alarm == NULL
                              ? NULL
                              : watcher_new(runner->options.loop, net_dns_descriptor(runner->dns),
                                            &runner->dns_told, &fault);
    if (runner->dns_watcher == NULL) {
        queue_runner_tell_trouble(runner, "queue.cannot-start", &fault);
        close_services(runner);
        return;
    }
    int64_t now = loop_now(runner->options.loop);
    runner->next_lease = now;
    runner->next_look = now; /* the first look finds everything new, and reads it */
    runner->next_sweep = now + runner->sweep_pace;
    store_outbound_watch_set(runner->options.store, &runner->watch);
    queue_runner_go_on(runner);
}

/* Short lifetimes, as those of tests, are looked at more often. */
static int64_t sweep_pace_of(const struct retry_times *times)
{
    int64_t shortest = retry_end(times, 0) / 1000;
    int64_t warning = retry_warning(times) / 1000;
    if (warning > 0 && warning < shortest)
        shortest = warning;
    int64_t pace = shortest / 10;
    if (pace > QUEUE_RUNNER_SWEEP_PACE)
        return QUEUE_RUNNER_SWEEP_PACE;
    return pace < QUEUE_RUNNER_PACE ? QUEUE_RUNNER_PACE : pace;
}

static bool open_rooms(struct queue_runner *runner, struct fault *fault)
{
    runner->plan = queue_plan_new(&runner->options.limits, fault);
    if (runner->plan == NULL)
        return false;
    runner->dns = net_dns_new(runner->options.dns, fault);
    if (runner->dns == NULL)
        return false;
    runner->load = queue_load_new(runner, fault);
    if (runner->load == NULL)
        return false;
    runner->sweep = queue_sweep_new(runner, fault);
    if (runner->sweep == NULL)
        return false;
    runner->news = new_news(runner);
    return runner->news != NULL || fault_set_memory(fault);
}

struct queue_runner *queue_runner_new(const struct queue_runner_options *options,
                                      struct fault *fault)
{
    struct queue_runner *runner = calloc(1, sizeof(*runner));
    if (runner == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    runner->options = *options;
    runner->rang.run = rang;
    runner->started.run = start;
    runner->going_on.run = going_on;
    runner->dns_told.run = hear_dns;
    runner->lease_told.run = lease_told;
    runner->watch.hear = hear_commit;
    runner->sweep_pace = sweep_pace_of(&options->times);
    if (open_rooms(runner, fault))
        return runner;
    queue_runner_free(runner);
    return NULL;
}

void queue_runner_start(struct queue_runner *runner)
{
    loop_post(runner->options.loop, &runner->started);
}

void queue_runner_end(struct queue_runner *runner)
{
    if (runner == NULL)
        return;
    runner->is_stopping = true;
    runner->is_over = true;
    store_outbound_watch_set(runner->options.store, NULL);
}

bool queue_runner_is_busy(const struct queue_runner *runner)
{
    return runner != NULL && runner->jobs > 0;
}

void queue_runner_free(struct queue_runner *runner)
{
    if (runner == NULL)
        return;
    close_services(runner);
    queue_courier_free_all(runner);
    queue_sweep_free(runner->sweep);
    queue_load_free(runner->load);
    net_dns_free(runner->dns);
    queue_plan_free(runner->plan);
    free_news(runner->news);
    free(runner);
}
