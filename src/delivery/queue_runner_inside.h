/* What the files of the queue runner share; nobody else includes it. */
#ifndef DELIVERY_QUEUE_RUNNER_INSIDE_H
#define DELIVERY_QUEUE_RUNNER_INSIDE_H

/* An allocation that fails must come back as a table without the entry, not as exit(). */
#define HASH_NONFATAL_OOM                 1
#define uthash_nonfatal_oom(lost_element) ((lost_element)->is_lost = true)
#include <uthash.h>

#include "base/arena.h"
#include "delivery/outbound_session.h"
#include "delivery/queue_runner.h"
#include "delivery/report_mail.h"
#include "loop/alarm.h"
#include "loop/watcher.h"

enum {
    QUEUE_RUNNER_UNWRITTEN_MAX = 2000,   /* letters whose outcome is not committed yet */
    QUEUE_RUNNER_IDLE_MAX = 500,         /* connections that are kept open for the next letter */
    QUEUE_RUNNER_IDLE_TIME = 5 * 1000,   /* milliseconds that one is kept */
    QUEUE_RUNNER_PACE = 1000,            /* milliseconds between looks at what persons changed */
    QUEUE_RUNNER_SWEEP_PACE = 60 * 1000, /* and for letters that are late or too old */
    QUEUE_RUNNER_SWEEP_MESSAGES = 100,   /* of one sweep's step */
    QUEUE_RUNNER_LOAD_ROWS = 10000,      /* of one step of reading what waits */
    QUEUE_COURIER_AHEAD = 4,             /* letters that are read before they can be given */
    QUEUE_LETTER_ARENA_MAX = 4 * 1024 * 1024, /* bytes of one letter, the first part of its body
                                                 among them */
    QUEUE_LETTER_PIECE = 256 * 1024           /* bytes of a body that are read at once */
};

struct queue_courier;

/* How a letter ends in the hands of the runner. */
struct queue_failure {
    enum reply_judge_phase phase;
    int code;
    char enhanced[12];
    char text[STORE_OUTBOUND_TEXT_MAX];
    char host[RELAY_HOST_MAX + 1]; /* "" = ourselves */
};

/* A letter in hand: read, sent, reported, written down. */
struct queue_letter {
    struct queue_runner *runner;
    struct queue_courier *courier; /* NULL: the sweep's */
    struct queue_letter *next;
    int64_t message;
    struct arena arena;
    bool is_read;  /* false: fault tells why not */
    bool is_found; /* it waits, and is ours */
    bool is_given; /* to the session */
    bool
        is_reading_piece; /* a worker reads the next piece: whatever becomes of it waits for that */
    struct fault fault;
    struct store_outbound_letter letter;
    struct outbound_letter out;

    struct worker_job job; /* one at a time: a piece, a downgrade, a report */
    struct buffer piece;
    uint64_t offset;
    bool is_last_piece;
    struct store_draft *draft; /* the body in 7 bits; NULL = as it stands */

    struct store_outbound_result *results;
    struct report_recipient *told; /* what the sender is to hear */
    size_t told_count;
    struct bytes *routes; /* of recipients that go another way now */
    bool is_rerouted;
    struct report_mail *mail;
    struct store_outbound_finish finish;
    struct loop_task finished;
    int64_t due;  /* when it is tried next; 0 = it is done with */
    bool is_lost; /* no memory for its place among those in hand */
    UT_hash_handle hh;
};

/* ---- queue_letter.c ---- */

struct queue_letter *queue_letter_new(struct queue_runner *runner, struct queue_courier *courier,
                                      int64_t message);
void queue_letter_free(struct queue_letter *letter);

/* Takes its place among those in hand. False: no memory. */
bool queue_letter_take(struct queue_letter *letter);
/* Gives it up, and frees. */
void queue_letter_drop(struct queue_letter *letter);

/* A worker's: reads it. `route` empty and wants_later: all its recipients, due or not. */
void queue_letter_read(struct queue_letter *letter, struct db *reader, struct bytes route,
                       bool wants_later);

/* Every recipient fared the same. */
void queue_letter_fail(struct queue_letter *letter, const struct queue_failure *failure);

/* The session is done with it: judges every reply, reports if anybody wants to hear, writes it
   down. Then queue_letter_is_over is called. host: who spoke. */
void queue_letter_judge(struct queue_letter *letter, const char *host);

/* The sweep's: those who have waited too long go back; those who are late are told of. */
void queue_letter_age(struct queue_letter *letter);

/* Some go another way now: their routes are written down. */
void queue_letter_reroute(struct queue_letter *letter);

/* Has the next piece read, or the body turned into 7 bits; the courier is told. */
void queue_letter_want_piece(struct queue_letter *letter, uint64_t offset);
void queue_letter_want_downgrade(struct queue_letter *letter);

/* ---- queue_courier.c: one connection, from looking up its host to QUIT ---- */

enum queue_courier_state {
    QUEUE_COURIER_LOOKS_UP = 0,
    QUEUE_COURIER_CONNECTS,
    QUEUE_COURIER_SENDS,
    QUEUE_COURIER_REFUSES, /* nobody there takes mail, for good: its letters go back */
    QUEUE_COURIER_ENDS     /* waits for what is still under way */
};

struct queue_courier {
    struct queue_runner *runner;
    struct queue_courier *next, *previous;
    struct queue_plan_route *route;
    unsigned failures; /* of the route, when the courier began */
    struct relay relay;
    enum queue_courier_state state;
    struct host_lookup *lookup;
    struct host_list *hosts;
    size_t place;
    bool is_clear;                     /* TLS failed at this place */
    struct outbound_session_plan plan; /* the session's */
    struct outbound_session *session;
    struct loop_task told;
    struct loop_task looked_up;
    bool is_looked_up; /* that task is posted */

    struct worker_job reading;
    bool is_reading;
    struct queue_letter *read;  /* being read */
    struct queue_letter *ready; /* to be given, in order */
    size_t ready_count;
    size_t in_hand;  /* letters, in whatever state */
    unsigned given;  /* on this connection */
    unsigned wanted; /* letters that the session has room for */
    enum queue_plan_outcome outcome;
    struct queue_failure failure;
    bool is_idle;
    bool is_lost; /* no memory for its place among the idle */
    int64_t idle_until;
    UT_hash_handle hh; /* by route, while idle */
};

/* False: no memory. */
bool queue_courier_start(struct queue_runner *runner, struct queue_plan_route *route);
/* There may be letters again. */
void queue_courier_wake(struct queue_courier *courier);
void queue_courier_letter_over(struct queue_courier *courier, struct queue_letter *letter);
void queue_courier_piece_read(struct queue_courier *courier, struct queue_letter *letter);
void queue_courier_downgraded(struct queue_courier *courier, struct queue_letter *letter);
/* Those that were idle for too long go; returns when to look again (loop's time; 0 = never). */
int64_t queue_courier_end_idle(struct queue_runner *runner);
/* Nothing new is given: what is under way ends. */
void queue_courier_end_all(struct queue_runner *runner);
void queue_courier_free_all(struct queue_runner *runner);

/* ---- queue_load.c: what waits in the store comes into the plan ---- */

struct queue_load;
struct queue_load *queue_load_new(struct queue_runner *runner, struct fault *fault);
void queue_load_free(struct queue_load *load);
/* From the beginning; when one is under way, once more behind it. */
void queue_load_begin(struct queue_load *load);
/* The nudge is looked at; a change of it begins anew with an empty plan. */
void queue_load_look(struct queue_load *load);
bool queue_load_is_under_way(const struct queue_load *load);

/* ---- queue_sweep.c: letters that are late, or too old ---- */

struct queue_sweep;
struct queue_sweep *queue_sweep_new(struct queue_runner *runner, struct fault *fault);
void queue_sweep_free(struct queue_sweep *sweep);
/* It is in the sweep's hands: what a courier does with it would be done twice. */
bool queue_sweep_has(const struct queue_sweep *sweep, int64_t message);
void queue_sweep_begin(struct queue_sweep *sweep, int64_t now);
void queue_sweep_letter_over(struct queue_sweep *sweep, struct queue_letter *letter);

/* ---- the runner ---- */

struct queue_runner {
    struct queue_runner_options options;
    struct queue_plan *plan;
    struct net_dns *dns;
    struct loop_watcher *dns_watcher;
    struct loop_task dns_told;
    struct loop_alarm *alarm;
    struct loop_task rang;
    struct loop_task started;
    struct loop_task going_on;
    bool is_going_on; /* the task is posted */
    struct store_outbound_watch watch;
    struct queue_news *news; /* shared with the store's threads */
    struct queue_load *load;
    struct queue_sweep *sweep;
    struct store_outbound_lease lease;
    struct loop_task lease_told;
    bool is_lease_asked;
    int64_t leased_until; /* loop's time; until then what is ours is ours */
    int64_t next_lease;
    int64_t next_look;
    int64_t next_sweep;
    int64_t next_forget;

    struct queue_courier *couriers;
    size_t courier_count;
    struct queue_courier *idle;   /* by route */
    struct queue_letter *in_hand; /* by message: the sweep keeps away from them */
    size_t unwritten;
    size_t jobs;        /* workers' and the store's, that will come back */
    int64_t sweep_pace; /* milliseconds */
    bool is_stopping;
    bool is_left;                 /* the lease was given back */
    bool is_over;                 /* the loop has ended: nothing new may be begun */
    struct log_pace trouble_pace; /* of the log lines of queue_runner_tell_trouble */
};

/* Letters and connections are given as far as that goes, in the loop's next turn. */
void queue_runner_go_on(struct queue_runner *runner);

/* A worker's job on its way and back again: counted, so that the end waits for it. Once the runner
   is over there are no workers, and what it was for stays where it is. */
void queue_runner_submit(struct queue_runner *runner, struct worker_job *job);
void queue_runner_job_back(struct queue_runner *runner);

/* What the store says is ours still is, as far as is known. */
bool queue_runner_is_leased(const struct queue_runner *runner);

/* A courier's connection is no more: the plan hears how it went, and what is known of the route is
   written down, where it is in trouble or was. */
void queue_runner_route_ended(struct queue_runner *runner, const struct queue_courier *courier);

/* The store or memory failed: logged, at a pace. */
void queue_runner_tell_trouble(struct queue_runner *runner, const char *what,
                               const struct fault *fault);

int64_t queue_runner_now(const struct queue_runner *runner); /* microseconds since 1970 */
uint32_t queue_runner_random(void);

#endif
