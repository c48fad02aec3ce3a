/* Brings what waits in the store into the plan, some thousand rows at a time, so that neither a
 * reader nor the loop is held for long; and looks whether persons changed the queue meanwhile. */
#include <stdlib.h>

#include "delivery/queue_runner_inside.h"

/* An entry on its way from the worker to the loop; the route stands in the text. */
struct load_entry {
    int64_t message;
    int64_t account;
    int64_t due;
    size_t route;
    size_t route_length;
};

struct queue_load {
    struct queue_runner *runner;
    struct worker_job job;
    bool is_under_way;
    bool is_wanted_again;
    bool is_routes_read;
    int64_t after; /* message */
    /* What a step read. */
    bool is_done;
    bool is_last;
    struct fault fault;
    struct load_entry *entries;
    size_t count;
    struct buffer text;
    int64_t nudge;

    struct worker_job look;
    bool is_looking;
    bool is_looked;
    int64_t known_nudge;
    bool is_nudge_known;
};

enum {
    LOAD_TEXT_MAX = 64 * 1024 * 1024, /* bytes of the routes of one step */
    LOAD_ENTRIES_MAX = 2 * QUEUE_RUNNER_LOAD_ROWS + STORE_OUTBOUND_RECIPIENTS_MAX
};

struct queue_load *queue_load_new(struct queue_runner *runner, struct fault *fault)
{
    struct queue_load *load = calloc(1, sizeof(*load));
    if (load == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    load->runner = runner;
    buffer_init(&load->text, LOAD_TEXT_MAX);
    return load;
}

void queue_load_free(struct queue_load *load)
{
    if (load == NULL)
        return;
    free(load->entries);
    buffer_clear(&load->text);
    free(load);
}

bool queue_load_is_under_way(const struct queue_load *load)
{
    return load->is_under_way;
}

/* ---- routes in trouble ---- */

/* A worker's: resting routes come back as entries without a message. */
static bool note_route(void *context, const struct store_outbound_route *route)
{
    struct queue_load *load = context;
    load->entries[load->count++] = (struct load_entry){.account = route->failures,
                                                       .due = route->resting_until,
                                                       .route = load->text.length,
                                                       .route_length = route->route.length};
    buffer_append(&load->text, route->route);
    return load->count < LOAD_ENTRIES_MAX;
}

/* ---- a step ---- */

static bool read_entries(struct queue_load *load, struct db *reader)
{
    AUTO(store_outbound_list)
    list = {0};
    struct store_outbound_entry entry;
    if (!store_outbound_list_open(&list, load->runner->options.store, reader, load->after,
                                  QUEUE_RUNNER_LOAD_ROWS, &load->fault))
        return false;
    while (load->count < LOAD_ENTRIES_MAX && store_outbound_list_next(&list, &entry)) {
        load->entries[load->count++] = (struct load_entry){.message = entry.message,
                                                           .account = entry.account,
                                                           .due = entry.due,
                                                           .route = load->text.length,
                                                           .route_length = entry.route.length};
        buffer_append(&load->text, entry.route);
        load->after = entry.message;
    }
    bool is_cut = load->count == LOAD_ENTRIES_MAX;
    if (!store_outbound_list_finish(&list, &load->fault))
        return false;
    load->is_last = !is_cut && list.is_over;
    return !buffer_is_failed(&load->text) || fault_set_memory(&load->fault);
}

/* A worker's. */
static void run_step(struct worker_job *job, void *context)
{
    struct queue_load *load = (struct queue_load *)((char *)job - offsetof(struct queue_load, job));
    load->is_done = false;
    load->count = 0;
    buffer_reset(&load->text);
    if (load->entries == NULL)
        load->entries = calloc(LOAD_ENTRIES_MAX, sizeof(*load->entries));
    if (load->entries == NULL) {
        fault_set_memory(&load->fault);
        return;
    }
    if (context == NULL) {
        fault_set(&load->fault, FAULT_TEMPORARY, "no reader of the store");
        return;
    }
    if (load->after == 0 && !load->is_routes_read)
        load->is_done = store_outbound_route_list(context, note_route, load, &load->fault);
    else
        load->is_done = read_entries(load, context);
}

static bool take_entry(struct queue_load *load, const struct load_entry *entry)
{
    struct queue_plan *plan = load->runner->plan;
    struct bytes route = bytes_slice(buffer_bytes(&load->text), entry->route, entry->route_length);
    struct queue_plan_state state = {.resting_until = entry->due,
                                     .failures = (unsigned)entry->account};
    if (entry->message == 0)
        return queue_plan_set_state(plan, route, &state, &load->fault);
    return queue_plan_add(plan, route, entry->account, entry->message, entry->due, &load->fault);
}

static void submit_step(struct queue_load *load);

/* All that waits is known. */
static void tell_loaded(const struct queue_load *load)
{
    struct log_line line;
    log_begin(&line, load->runner->options.log, LOG_LEVEL_INFO, "queue.loaded");
    log_number(&line, "letters", (int64_t)queue_plan_count(load->runner->plan));
    if (queue_plan_is_cut(load->runner->plan))
        log_string(&line, "note", "the rest waits until there is room");
    log_end(&line);
}

static void over(struct queue_load *load)
{
    load->is_under_way = false;
    free(load->entries);
    load->entries = NULL;
    buffer_clear(&load->text);
    if (load->is_wanted_again)
        queue_load_begin(load);
}

static void step_done(struct loop_task *task)
{
    struct queue_load *load =
        (struct queue_load *)((char *)task - offsetof(struct queue_load, job.done));
    struct queue_runner *runner = load->runner;
    queue_runner_job_back(runner);
    if (!load->is_done) {
        queue_runner_tell_trouble(runner, "queue.read-failed", &load->fault);
        load->is_wanted_again = false;
        load->is_nudge_known = false; /* the next look begins it anew */
        over(load);
        return;
    }
    bool is_full = false;
    for (size_t i = 0; i < load->count && !is_full; i++)
        is_full = !take_entry(load, &load->entries[i]);
    bool were_routes = !load->is_routes_read;
    load->is_routes_read = true;
    queue_runner_go_on(runner);
    bool is_last = is_full || (!were_routes && load->is_last);
    if (is_last)
        tell_loaded(load);
    if (runner->is_stopping || runner->is_over || is_last)
        over(load);
    else
        submit_step(load);
}

static void submit_step(struct queue_load *load)
{
    load->job = (struct worker_job){
        .run = run_step, .done = {.run = step_done}, .loop = load->runner->options.loop};
    queue_runner_submit(load->runner, &load->job);
}

void queue_load_begin(struct queue_load *load)
{
    if (load->runner->is_stopping || load->runner->is_over)
        return;
    if (load->is_under_way) {
        load->is_wanted_again = true;
        return;
    }
    load->is_under_way = true;
    load->is_wanted_again = false;
    load->is_routes_read = false;
    load->after = 0;
    submit_step(load);
}

/* ---- what persons changed ---- */

/* A worker's. */
static void run_look(struct worker_job *job, void *context)
{
    struct queue_load *load =
        (struct queue_load *)((char *)job - offsetof(struct queue_load, look));
    load->is_looked =
        context != NULL && store_outbound_nudge_read(context, &load->nudge, &load->fault);
}

static void looked(struct loop_task *task)
{
    struct queue_load *load =
        (struct queue_load *)((char *)task - offsetof(struct queue_load, look.done));
    struct queue_runner *runner = load->runner;
    queue_runner_job_back(runner);
    load->is_looking = false;
    if (!load->is_looked || runner->is_stopping || runner->is_over)
        return;
    bool is_new = !load->is_nudge_known || load->nudge != load->known_nudge;
    /* What did not fit is read when there is room again. */
    bool has_room = queue_plan_is_cut(runner->plan) &&
                    queue_plan_count(runner->plan) < QUEUE_PLAN_LETTERS_MAX / 2;
    if (!is_new && !has_room)
        return;
    if (load->is_nudge_known) {
        queue_plan_empty(runner->plan);
        if (is_new)
            queue_plan_wake(runner->plan, BYTES(""));
    }
    load->known_nudge = load->nudge;
    load->is_nudge_known = true;
    queue_load_begin(load);
}

void queue_load_look(struct queue_load *load)
{
    if (load->is_looking)
        return;
    load->is_looking = true;
    load->look = (struct worker_job){
        .run = run_look, .done = {.run = looked}, .loop = load->runner->options.loop};
    queue_runner_submit(load->runner, &load->look);
}
