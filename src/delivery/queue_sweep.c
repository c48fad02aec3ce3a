/* Looks once a minute for letters that are late, whose senders are told, and for those that have
 * waited for as long as a letter may: they go back, also when only their route was at fault. */
#include <stdlib.h>

#include "delivery/queue_runner_inside.h"

struct queue_sweep {
    struct queue_runner *runner;
    struct worker_job job;
    bool is_under_way;
    bool is_warning; /* looks for late ones; else for those that are too old */
    int64_t now;
    int64_t after;        /* message that was looked at last */
    int64_t warned_up_to; /* all that came before were warned of, as far as they are to be */
    bool is_done;
    struct fault fault;
    int64_t messages[QUEUE_RUNNER_SWEEP_MESSAGES];
    size_t count;
    size_t index;
    bool is_held_up; /* one was in a courier's hands: it is looked at the next time */
    struct queue_letter *letter;
};

struct queue_sweep *queue_sweep_new(struct queue_runner *runner, struct fault *fault)
{
    struct queue_sweep *sweep = calloc(1, sizeof(*sweep));
    if (sweep == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    sweep->runner = runner;
    return sweep;
}

void queue_sweep_free(struct queue_sweep *sweep)
{
    if (sweep == NULL)
        return;
    free(sweep);
}

static void submit_find(struct queue_sweep *sweep);
static void next_letter(struct queue_sweep *sweep);

static const struct retry_times *times_of(const struct queue_sweep *sweep)
{
    return &sweep->runner->options.times;
}

/* How long before now the letters that are looked for came. */
static int64_t age_of(const struct queue_sweep *sweep)
{
    return sweep->is_warning ? retry_warning(times_of(sweep)) : retry_end(times_of(sweep), 0);
}

/* Behind one kind comes the other. */
static void kind_over(struct queue_sweep *sweep)
{
    if (sweep->is_warning && !sweep->is_held_up && sweep->is_done)
        sweep->warned_up_to = sweep->after;
    if (sweep->is_warning || retry_warning(times_of(sweep)) < 0 || sweep->runner->is_stopping ||
        !sweep->is_done) {
        sweep->is_under_way = false;
        return;
    }
    sweep->is_warning = true;
    sweep->is_held_up = false;
    sweep->after = sweep->warned_up_to;
    submit_find(sweep);
}

/* ---- one letter ---- */

/* A worker's. */
static void run_read(struct worker_job *job, void *context)
{
    struct queue_sweep *sweep =
        (struct queue_sweep *)((char *)job - offsetof(struct queue_sweep, job));
    queue_letter_read(sweep->letter, context, BYTES(""), true);
}

static void drop_letter(struct queue_sweep *sweep)
{
    struct queue_letter *letter = sweep->letter;
    sweep->letter = NULL;
    queue_letter_drop(letter);
}

static void read_done(struct loop_task *task)
{
    struct queue_sweep *sweep =
        (struct queue_sweep *)((char *)task - offsetof(struct queue_sweep, job.done));
    queue_runner_job_back(sweep->runner);
    struct queue_letter *letter = sweep->letter;
    sweep->is_held_up |= !letter->is_read;
    if (!letter->is_read)
        queue_runner_tell_trouble(sweep->runner, "queue.read-failed", &letter->fault);
    if (letter->is_read && letter->is_found && !sweep->runner->is_stopping) {
        queue_letter_age(letter);
        return;
    }
    drop_letter(sweep);
    next_letter(sweep);
}

void queue_sweep_letter_over(struct queue_sweep *sweep, struct queue_letter *letter)
{
    bool is_more = letter->finish.job.is_done && letter->finish.is_ours &&
                   letter->letter.recipient_count == STORE_OUTBOUND_RECIPIENTS_MAX;
    /* Late ones that could not be told of are looked at again. */
    if (letter->letter.recipient_count > 0 && !letter->finish.job.is_done)
        sweep->is_held_up = true;
    drop_letter(sweep);
    if (is_more)
        sweep->index--; /* the same message has more of them */
    next_letter(sweep);
}

static void next_letter(struct queue_sweep *sweep)
{
    struct queue_runner *runner = sweep->runner;
    struct queue_letter *taken;
    while (sweep->index < sweep->count && !runner->is_stopping) {
        int64_t message = sweep->messages[sweep->index++];
        HASH_FIND(hh, runner->in_hand, &message, sizeof(message), taken);
        if (taken != NULL) {
            sweep->is_held_up = true;
            continue;
        }
        sweep->letter = queue_letter_new(runner, NULL, message);
        if (sweep->letter == NULL || !queue_letter_take(sweep->letter)) {
            queue_letter_free(sweep->letter);
            sweep->letter = NULL;
            sweep->is_held_up = true;
            continue;
        }
        sweep->job = (struct worker_job){
            .run = run_read, .done = {.run = read_done}, .loop = runner->options.loop};
        queue_runner_submit(runner, &sweep->job);
        return;
    }
    if (sweep->count == QUEUE_RUNNER_SWEEP_MESSAGES && !runner->is_stopping)
        submit_find(sweep);
    else
        kind_over(sweep);
}

/* ---- finding them ---- */

/* A worker's. */
static void run_find(struct worker_job *job, void *context)
{
    struct queue_sweep *sweep =
        (struct queue_sweep *)((char *)job - offsetof(struct queue_sweep, job));
    sweep->count = 0;
    sweep->is_done =
        context != NULL || fault_set(&sweep->fault, FAULT_TEMPORARY, "no reader of the store");
    if (!sweep->is_done)
        return;
    sweep->is_done = store_outbound_old(sweep->runner->options.store, context, sweep->after,
                                        store_id_of_time(sweep->now - age_of(sweep)),
                                        sweep->is_warning, sweep->messages,
                                        QUEUE_RUNNER_SWEEP_MESSAGES, &sweep->count, &sweep->fault);
}

static void found(struct loop_task *task)
{
    struct queue_sweep *sweep =
        (struct queue_sweep *)((char *)task - offsetof(struct queue_sweep, job.done));
    queue_runner_job_back(sweep->runner);
    sweep->index = 0;
    if (!sweep->is_done) {
        queue_runner_tell_trouble(sweep->runner, "queue.read-failed", &sweep->fault);
        sweep->count = 0;
    }
    if (sweep->count > 0)
        sweep->after = sweep->messages[sweep->count - 1];
    next_letter(sweep);
}

static void submit_find(struct queue_sweep *sweep)
{
    sweep->job = (struct worker_job){
        .run = run_find, .done = {.run = found}, .loop = sweep->runner->options.loop};
    queue_runner_submit(sweep->runner, &sweep->job);
}

bool queue_sweep_has(const struct queue_sweep *sweep, int64_t message)
{
    return sweep->letter != NULL && sweep->letter->message == message;
}

void queue_sweep_begin(struct queue_sweep *sweep, int64_t now)
{
    if (sweep->is_under_way)
        return;
    sweep->is_under_way = true;
    sweep->is_warning = false;
    sweep->is_held_up = false;
    sweep->now = now;
    sweep->after = 0;
    submit_find(sweep);
}
