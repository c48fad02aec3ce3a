/* What a job reads is a batch of whole messages or one slice of one; both lie in one buffer. */
#include "session/pop3_reading.h"

#include <stdlib.h>

#include "store/store_maildrop.h"

/* Whole messages in memory, those before `first` used. */
struct batch {
    size_t count;
    size_t first;
    size_t position; /* of the first in the bytes */
    uint32_t uids[POP3_READING_BATCH_COUNT];
    size_t lengths[POP3_READING_BATCH_COUNT];
};

struct pop3_reading {
    struct worker_job job; /* first */
    struct session_services *services;
    struct loop_task *told; /* NULL: the session is gone */
    struct loop *loop;
    int64_t session;
    int64_t mailbox;
    const struct pop3_server_maildrop *maildrop;
    enum pop3_reading_status status;
    bool is_working;
    int64_t deadline;  /* of what is kept in memory; 0 = nothing is */
    uint32_t follower; /* the message behind the last that was asked for */

    /* The message in hand. */
    uint32_t uid;
    uint64_t size;
    uint64_t offset;    /* of the next slice */
    struct bytes piece; /* in bytes */

    struct batch *batch; /* NULL: a slice, or nothing */
    struct buffer bytes;
    size_t wanted; /* bytes that the job asks for */
    bool is_gone;
    struct fault fault; /* of the worker */
};

struct pop3_reading *pop3_reading_new(struct session_services *services,
                                      const struct session_identity *identity, int64_t mailbox,
                                      const struct pop3_server_maildrop *maildrop,
                                      struct loop_task *told, struct fault *fault)
{
    struct pop3_reading *reading = calloc(1, sizeof *reading);
    if (reading == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    reading->services = services;
    reading->told = told;
    reading->loop = identity->loop;
    reading->session = identity->id;
    reading->mailbox = mailbox;
    reading->maildrop = maildrop;
    reading->status = POP3_READING_END;
    reading->follower = UINT32_MAX;
    return reading;
}

static void drop_bytes(struct pop3_reading *reading)
{
    buffer_clear(&reading->bytes);
    free(reading->batch);
    reading->batch = NULL;
    reading->piece = BYTES("");
    reading->deadline = 0;
}

static void free_now(struct pop3_reading *reading)
{
    drop_bytes(reading);
    free(reading);
}

void pop3_reading_free(struct pop3_reading *reading)
{
    if (reading == NULL)
        return;
    reading->told = NULL;
    if (!reading->is_working)
        free_now(reading);
}

/* ---- the worker's part ---- */

static void read_slice(struct pop3_reading *reading, struct db *db)
{
    if (store_message_read(db, reading->mailbox, reading->uid, reading->offset, reading->wanted,
                           &reading->bytes, &reading->is_gone, &reading->fault) &&
        !reading->is_gone && reading->bytes.length < reading->wanted)
        fault_set(&reading->fault, FAULT_BUG, "message %u is shorter than its size", reading->uid);
}

static void read_batch(struct pop3_reading *reading, struct db *db)
{
    struct batch *batch = reading->batch;
    if (store_messages_read(db, reading->mailbox, reading->uid, &reading->bytes, batch->uids,
                            batch->lengths, &batch->count, &reading->fault))
        reading->is_gone = batch->count == 0 || batch->uids[0] != reading->uid;
}

static void work(struct worker_job *job, void *context)
{
    struct pop3_reading *reading = (struct pop3_reading *)job;
    /* At once: it would double, and copy, up to there. */
    if (reading->wanted > 0)
        buffer_reserve(&reading->bytes, reading->wanted);
    if (context == NULL)
        fault_set(&reading->fault, FAULT_TEMPORARY, "the store cannot be reached");
    else if (reading->batch != NULL)
        read_batch(reading, context);
    else
        read_slice(reading, context);
    if (reading->fault.kind == FAULT_NONE && buffer_is_failed(&reading->bytes))
        fault_set_memory(&reading->fault);
}

/* ---- coming back ---- */

static enum pop3_reading_status fail(struct pop3_reading *reading, int64_t now)
{
    session_services_tell_trouble(reading->services, SESSION_TROUBLE_READ, reading->session,
                                  &reading->fault, now);
    drop_bytes(reading);
    return reading->status = POP3_READING_FAILED;
}

/* The first message of the batch becomes the one in hand. */
static enum pop3_reading_status take_first(struct pop3_reading *reading, int64_t now)
{
    struct batch *batch = reading->batch;
    reading->piece =
        bytes_slice(buffer_bytes(&reading->bytes), batch->position, batch->lengths[batch->first]);
    reading->size = reading->piece.length;
    reading->offset = reading->piece.length;
    reading->deadline = now + POP3_READING_KEPT;
    return reading->status = POP3_READING_PIECE;
}

static enum pop3_reading_status hear_bytes(struct pop3_reading *reading, int64_t now)
{
    if (reading->fault.kind != FAULT_NONE)
        return fail(reading, now);
    if (reading->is_gone) {
        drop_bytes(reading);
        return reading->status = POP3_READING_GONE;
    }
    if (reading->batch != NULL)
        return take_first(reading, now);
    reading->piece = buffer_bytes(&reading->bytes);
    reading->offset += reading->piece.length;
    return reading->status = POP3_READING_PIECE;
}

static void come_back(struct loop_task *task)
{
    struct pop3_reading *reading =
        (struct pop3_reading *)((char *)task - offsetof(struct pop3_reading, job.done));
    reading->is_working = false;
    if (reading->told == NULL) {
        free_now(reading);
        return;
    }
    hear_bytes(reading, loop_now(reading->loop));
    reading->told->run(reading->told);
}

/* ---- asking ---- */

static enum pop3_reading_status submit(struct pop3_reading *reading, size_t wanted)
{
    buffer_init(&reading->bytes, wanted);
    reading->wanted = wanted;
    reading->is_gone = false;
    fault_clear(&reading->fault);
    reading->is_working = true;
    reading->status = POP3_READING_WAITS;
    reading->job =
        (struct worker_job){.run = work, .done = {.run = come_back}, .loop = reading->loop};
    worker_submit(reading->services->workers, &reading->job);
    return POP3_READING_WAITS;
}

static enum pop3_reading_status submit_slice(struct pop3_reading *reading, size_t most)
{
    uint64_t left = reading->size - reading->offset;
    return submit(reading, left < most ? (size_t)left : most);
}

/* The message and those behind it that fit, none of which needs more than one piece. */
static enum pop3_reading_status submit_batch(struct pop3_reading *reading, uint32_t number,
                                             size_t most, int64_t now)
{
    const struct pop3_server_maildrop *maildrop = reading->maildrop;
    struct batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL) {
        fault_set_memory(&reading->fault);
        return fail(reading, now);
    }
    uint64_t sum = 0;
    while (batch->count < POP3_READING_BATCH_COUNT && number + batch->count < maildrop->count) {
        uint64_t size = maildrop->messages[number + batch->count].size;
        if (batch->count > 0 && (size > POP3_READING_SLICE || size > most - sum))
            break;
        sum += size;
        batch->count++;
    }
    reading->batch = batch;
    return submit(reading, (size_t)sum);
}

/* Looks for the message among those in memory. */
static bool find_in_batch(struct pop3_reading *reading, uint32_t uid)
{
    struct batch *batch = reading->batch;
    if (batch == NULL)
        return false;
    while (batch->first < batch->count && batch->uids[batch->first] < uid)
        batch->position += batch->lengths[batch->first++];
    return batch->first < batch->count && batch->uids[batch->first] == uid;
}

enum pop3_reading_status pop3_reading_begin(struct pop3_reading *reading, uint32_t number,
                                            bool is_top, int64_t now)
{
    assert(!reading->is_working && number < reading->maildrop->count);
    const struct pop3_server_message *message = &reading->maildrop->messages[number];
    bool is_in_order = number == reading->follower;
    reading->follower = number + 1;
    reading->uid = message->uid;
    if (find_in_batch(reading, message->uid))
        return take_first(reading, now);
    drop_bytes(reading);
    reading->size = message->size;
    reading->offset = 0;
    if (message->size > (is_top ? POP3_READING_TOP_SLICE : POP3_READING_SLICE))
        return submit_slice(reading, is_top ? POP3_READING_TOP_SLICE : POP3_READING_SLICE);
    return submit_batch(reading, number, is_in_order ? POP3_READING_AHEAD : POP3_READING_BATCH,
                        now);
}

enum pop3_reading_status pop3_reading_status(const struct pop3_reading *reading)
{
    return reading->status;
}

struct bytes pop3_reading_piece(const struct pop3_reading *reading)
{
    return reading->piece;
}

void pop3_reading_used(struct pop3_reading *reading)
{
    const struct batch *batch = reading->batch;
    reading->piece = BYTES("");
    if (batch == NULL || batch->first + 1 >= batch->count)
        drop_bytes(reading);
}

bool pop3_reading_is_at_end(const struct pop3_reading *reading)
{
    return reading->status == POP3_READING_END ||
           (reading->status == POP3_READING_PIECE && reading->offset >= reading->size);
}

enum pop3_reading_status pop3_reading_next(struct pop3_reading *reading, int64_t now)
{
    (void)now;
    if (reading->status != POP3_READING_PIECE)
        return reading->status;
    if (reading->offset >= reading->size)
        return reading->status = POP3_READING_END;
    drop_bytes(reading);
    return submit_slice(reading, POP3_READING_SLICE);
}

/* ---- time ---- */

int64_t pop3_reading_deadline(const struct pop3_reading *reading)
{
    return reading->is_working ? 0 : reading->deadline;
}

void pop3_reading_tick(struct pop3_reading *reading, int64_t now)
{
    int64_t deadline = pop3_reading_deadline(reading);
    if (deadline != 0 && now >= deadline)
        drop_bytes(reading);
}
