/* A letter in hand: what every reply means for its recipients, what the sender hears of it, and how
 * that is written down. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "delivery/queue_runner_inside.h"
#include "mail/message_downgrade.h"
#include "store/store_draft.h"

enum {
    DRAFT_PIECE = 64 * 1024 /* what a draft takes at once */
};

struct queue_letter *queue_letter_new(struct queue_runner *runner, struct queue_courier *courier,
                                      int64_t message)
{
    struct queue_letter *letter = calloc(1, sizeof(*letter));
    if (letter == NULL)
        return NULL;
    letter->runner = runner;
    letter->courier = courier;
    letter->message = message;
    letter->job.loop = runner->options.loop;
    arena_init(&letter->arena, QUEUE_LETTER_ARENA_MAX);
    buffer_init(&letter->piece, QUEUE_LETTER_PIECE);
    return letter;
}

void queue_letter_free(struct queue_letter *letter)
{
    if (letter == NULL)
        return;
    report_mail_free(letter->mail);
    store_draft_free(letter->draft);
    buffer_clear(&letter->piece);
    arena_clear(&letter->arena);
    free(letter);
}

bool queue_letter_take(struct queue_letter *letter)
{
    HASH_ADD(hh, letter->runner->in_hand, message, sizeof(letter->message), letter);
    return !letter->is_lost;
}

void queue_letter_drop(struct queue_letter *letter)
{
    HASH_DEL(letter->runner->in_hand, letter);
    queue_letter_free(letter);
}

/* ---- reading ---- */

/* Prefix and the first of the body as one run of bytes, as the session sends them. */
static bool join(struct queue_letter *letter)
{
    const struct store_outbound_letter *read = &letter->letter;
    size_t length = read->prefix.length + read->data.length;
    char *first = arena_allocate(&letter->arena, length + 1);
    if (first == NULL)
        return fault_set_memory(&letter->fault);
    if (read->prefix.length > 0)
        memcpy(first, read->prefix.data, read->prefix.length);
    if (read->data.length > 0)
        memcpy(first + read->prefix.length, read->data.data, read->data.length);
    letter->out.first = bytes_of(first, length);
    return true;
}

/* The table of relays may say something else than when the letter came. */
static bool find_ways(struct queue_letter *letter, struct bytes route)
{
    const struct store_outbound_letter *read = &letter->letter;
    letter->routes =
        arena_allocate_array(&letter->arena, read->recipient_count + 1, sizeof(*letter->routes));
    if (letter->routes == NULL)
        return fault_set_memory(&letter->fault);
    AUTO(buffer)
    way = BUFFER(RELAY_ROUTE_MAX);
    for (size_t i = 0; i < read->recipient_count; i++) {
        struct address address;
        buffer_reset(&way);
        letter->routes[i] = route;
        if (!address_parse(read->recipients[i].address, &address, &letter->fault) ||
            !relay_route(letter->runner->options.relays, read->sender, &address, &way,
                         &letter->fault))
            return false;
        if (bytes_equal(buffer_bytes(&way), route))
            continue;
        const char *copy = arena_copy_string(&letter->arena, buffer_bytes(&way));
        if (copy == NULL)
            return fault_set_memory(&letter->fault);
        letter->routes[i] = bytes_of(copy, way.length);
        letter->is_rerouted = true;
    }
    return true;
}

static bool prepare(struct queue_letter *letter)
{
    const struct store_outbound_letter *read = &letter->letter;
    size_t count = read->recipient_count + 1;
    letter->results = arena_allocate_array(&letter->arena, count, sizeof(*letter->results));
    letter->told = arena_allocate_array(&letter->arena, count, sizeof(*letter->told));
    letter->out.results = arena_allocate_array(&letter->arena, count, sizeof(*letter->out.results));
    letter->out.letter = read;
    letter->out.size = read->size;
    return (letter->results != NULL && letter->told != NULL && letter->out.results != NULL) ||
           fault_set_memory(&letter->fault);
}

void queue_letter_read(struct queue_letter *letter, struct db *reader, struct bytes route,
                       bool wants_later)
{
    unsigned wants =
        STORE_OUTBOUND_WANTS_DATA | (wants_later ? (unsigned)STORE_OUTBOUND_WANTS_LATER : 0);
    if (reader == NULL) {
        fault_set(&letter->fault, FAULT_TEMPORARY, "no reader of the store");
        return;
    }
    letter->is_read = store_outbound_read(letter->runner->options.store, reader, letter->message,
                                          route, clock_wall_microseconds(), wants, &letter->arena,
                                          &letter->letter, &letter->is_found, &letter->fault) &&
                      (!letter->is_found || (prepare(letter) && join(letter) &&
                                             (bytes_is_empty(route) || find_ways(letter, route))));
}

/* ---- pieces of the body ---- */

static struct queue_letter *letter_of_job(struct loop_task *task)
{
    return (struct queue_letter *)((char *)task - offsetof(struct queue_letter, job.done));
}

static bool read_body(struct queue_letter *letter, struct db *reader, uint64_t offset)
{
    bool is_gone = false;
    if (reader == NULL)
        return fault_set(&letter->fault, FAULT_TEMPORARY, "no reader of the store");
    buffer_reset(&letter->piece);
    return store_outbound_body_read(reader, letter->letter.body, offset, QUEUE_LETTER_PIECE,
                                    &letter->piece, &is_gone, &letter->fault) &&
           (!is_gone || fault_set(&letter->fault, FAULT_PERMANENT, "the body is gone"));
}

static bool read_draft(struct queue_letter *letter, uint64_t offset)
{
    size_t count = 0;
    buffer_reset(&letter->piece);
    char *room = buffer_reserve(&letter->piece, QUEUE_LETTER_PIECE);
    if (room == NULL)
        return fault_set_memory(&letter->fault);
    if (!store_draft_read(letter->draft, offset, room, QUEUE_LETTER_PIECE, &count, &letter->fault))
        return false;
    buffer_commit(&letter->piece, count);
    return true;
}

/* A worker's. */
static void run_piece(struct worker_job *job, void *context)
{
    struct queue_letter *letter =
        (struct queue_letter *)((char *)job - offsetof(struct queue_letter, job));
    fault_clear(&letter->fault);
    if (letter->draft != NULL)
        letter->is_read = read_draft(letter, letter->offset);
    else
        letter->is_read = read_body(letter, context, letter->offset - letter->letter.prefix.length);
    letter->is_last_piece = letter->offset + letter->piece.length >= letter->out.size;
}

static void piece_read(struct loop_task *task)
{
    struct queue_letter *letter = letter_of_job(task);
    queue_runner_job_back(letter->runner);
    letter->is_reading_piece = false;
    queue_courier_piece_read(letter->courier, letter);
}

void queue_letter_want_piece(struct queue_letter *letter, uint64_t offset)
{
    letter->offset = offset;
    letter->is_reading_piece = true;
    letter->job.run = run_piece;
    letter->job.done.run = piece_read;
    queue_runner_submit(letter->runner, &letter->job);
}

/* ---- 7 bits ---- */

/* Empties `out` into the draft. */
static bool put(struct queue_letter *letter, struct buffer *out)
{
    while (out->length > 0) {
        struct bytes piece = bytes_slice(buffer_bytes(out), 0, DRAFT_PIECE);
        if (!store_draft_append(letter->draft, piece, &letter->fault) ||
            (store_draft_is_full(letter->draft) &&
             !store_draft_spill(letter->draft, &letter->fault)))
            return false;
        buffer_consume(out, piece.length);
    }
    return true;
}

static bool downgrade(struct queue_letter *letter, struct db *reader,
                      struct message_downgrade *downgrade)
{
    AUTO(buffer)
    out = BUFFER(MESSAGE_DOWNGRADE_ROOM + (size_t)4 * QUEUE_LETTER_PIECE);
    uint64_t size = letter->letter.size - letter->letter.prefix.length;
    if (!message_downgrade_feed(downgrade, letter->letter.prefix, &out, &letter->fault) ||
        !put(letter, &out))
        return false;
    for (uint64_t offset = 0; offset < size; offset += letter->piece.length) {
        if (!read_body(letter, reader, offset))
            return false;
        if (letter->piece.length == 0)
            return fault_set(&letter->fault, FAULT_TEMPORARY, "the body is cut off");
        if (!message_downgrade_feed(downgrade, buffer_bytes(&letter->piece), &out,
                                    &letter->fault) ||
            !put(letter, &out))
            return false;
    }
    return message_downgrade_finish(downgrade, &out, &letter->fault) && put(letter, &out);
}

/* A worker's. */
static void run_downgrade(struct worker_job *job, void *context)
{
    struct queue_letter *letter =
        (struct queue_letter *)((char *)job - offsetof(struct queue_letter, job));
    fault_clear(&letter->fault);
    struct message_downgrade *maker = message_downgrade_new(&letter->fault);
    letter->draft = store_draft_new(letter->runner->options.store, &letter->fault);
    letter->is_read = maker != NULL && letter->draft != NULL && downgrade(letter, context, maker);
    message_downgrade_free(maker);
    if (!letter->is_read)
        return;
    letter->out.size = store_draft_size(letter->draft);
    letter->is_read = read_draft(letter, 0);
    letter->out.first = buffer_bytes(&letter->piece);
    letter->out.is_downgraded = true;
}

static void downgraded(struct loop_task *task)
{
    struct queue_letter *letter = letter_of_job(task);
    queue_runner_job_back(letter->runner);
    queue_courier_downgraded(letter->courier, letter);
}

void queue_letter_want_downgrade(struct queue_letter *letter)
{
    letter->job.run = run_downgrade;
    letter->job.done.run = downgraded;
    queue_runner_submit(letter->runner, &letter->job);
}

/* ---- writing it down ---- */

static void over(struct queue_letter *letter)
{
    if (letter->courier != NULL)
        queue_courier_letter_over(letter->courier, letter);
    else
        queue_sweep_letter_over(letter->runner->sweep, letter);
}

static void tell_written(const struct queue_letter *letter)
{
    const struct store_delivery *report = letter->finish.report;
    if (!letter->finish.job.is_done) {
        queue_runner_tell_trouble(letter->runner, "queue.write-failed", &letter->finish.job.fault);
        return;
    }
    struct log_line line;
    if (!letter->finish.is_ours) {
        log_begin(&line, letter->runner->options.log, LOG_LEVEL_WARNING, "queue.not-ours");
        log_id(&line, "message", letter->message);
        log_end(&line);
    }
    if (report == NULL)
        return;
    for (size_t i = 0; i < report->local_count; i++) {
        if (report->locals[i].outcome == STORE_DELIVERY_KEPT)
            continue;
        log_begin(&line, letter->runner->options.log, LOG_LEVEL_WARNING, "queue.report-lost");
        log_id(&line, "message", letter->message);
        log_text(&line, "sender", letter->letter.sender);
        log_string(&line, "reason", "the sender's mailbox is gone");
        log_end(&line);
    }
}

static void plan_other(struct queue_letter *letter, struct bytes route, int64_t due)
{
    struct queue_runner *runner = letter->runner;
    if (!queue_plan_add(runner->plan, route, letter->letter.account, letter->message, due, NULL) &&
        !queue_plan_is_cut(runner->plan))
        queue_load_begin(runner->load);
}

static bool has_earlier(const struct queue_letter *letter, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (letter->results[i].outcome == STORE_OUTBOUND_DEFERRED &&
            letter->results[i].due == letter->results[index].due)
            return true;
    return false;
}

/* The letter comes back into the plan at its first time. Those of its recipients that wait for
   another time, or for another route, come as letters of their own. */
static void plan_others(struct queue_letter *letter)
{
    for (size_t i = 0; i < letter->letter.recipient_count && letter->courier != NULL; i++) {
        const struct store_outbound_result *result = &letter->results[i];
        if (result->outcome == STORE_OUTBOUND_REROUTED)
            plan_other(letter, result->route, queue_runner_now(letter->runner));
        else if (result->outcome == STORE_OUTBOUND_DEFERRED && result->due != letter->due &&
                 !has_earlier(letter, i))
            plan_other(letter, queue_plan_route_name(letter->courier->route), result->due);
    }
}

/* On the runner's loop. */
static void finished(struct loop_task *task)
{
    struct queue_letter *letter =
        (struct queue_letter *)((char *)task - offsetof(struct queue_letter, finished));
    queue_runner_job_back(letter->runner);
    letter->runner->unwritten--;
    tell_written(letter);
    /* What could not be written stands as it was: it is tried again, perhaps twice delivered, but
       never lost. */
    if (!letter->finish.job.is_done)
        letter->due = retry_next(&letter->runner->options.times, letter->letter.created,
                                 queue_runner_now(letter->runner), 1, queue_runner_random());
    else
        plan_others(letter);
    over(letter);
}

/* On a thread of the store. */
static void committed(struct store_job *job)
{
    struct queue_letter *letter =
        (struct queue_letter *)((char *)job - offsetof(struct queue_letter, finish.job));
    loop_post(letter->runner->options.loop, &letter->finished);
}

static void write_down(struct queue_letter *letter)
{
    struct queue_runner *runner = letter->runner;
    letter->finish.job.done = committed;
    letter->finish.store = runner->options.store;
    letter->finish.message = letter->message;
    letter->finish.now = queue_runner_now(runner);
    letter->finish.results = letter->results;
    letter->finish.count = letter->letter.recipient_count;
    letter->finish.report = letter->mail == NULL ? NULL : report_mail_delivery(letter->mail);
    letter->finished.run = finished;
    runner->unwritten++;
    runner->jobs++;
    store_outbound_finish_submit(&letter->finish);
}

/* A worker's. */
static void run_report(struct worker_job *job, void *context)
{
    struct queue_letter *letter =
        (struct queue_letter *)((char *)job - offsetof(struct queue_letter, job));
    const struct queue_runner_options *options = &letter->runner->options;
    const struct store_outbound_letter *read = &letter->letter;
    fault_clear(&letter->fault);
    if (context == NULL) {
        fault_set(&letter->fault, FAULT_TEMPORARY, "no reader of the store");
        return;
    }
    struct report report = {
        .reporter = options->name,
        .now = clock_wall_microseconds(),
        .arrived = read->created,
        .sender = read->sender,
        .envelope_id = read->envelope_id,
        .returns_full = read->return_content != PH_RETURN_HEADERS,
        .is_utf8 = read->is_utf8,
        .content = read->data,
        .is_content_whole = read->data.length + read->prefix.length >= read->size,
        .recipients = letter->told,
        .recipient_count = letter->told_count,
    };
    struct report_mail_place place = {
        .store = options->store, .reader = context, .relays = options->relays};
    letter->mail = report_mail_new(&place, &report, &letter->fault);
}

/* Who is to be told of waits for the next report: nobody's failure goes unheard, and who has the
   letter does not get it again. */
static void conclude_unreported(struct queue_letter *letter)
{
    const struct retry_times *times = &letter->runner->options.times;
    int64_t now = queue_runner_now(letter->runner);
    uint32_t random = queue_runner_random();
    if (letter->courier == NULL) {
        over(letter);
        return;
    }
    for (size_t i = 0; i < letter->letter.recipient_count; i++) {
        struct store_outbound_result *result = &letter->results[i];
        result->is_warned = false;
        if (result->outcome != STORE_OUTBOUND_DONE || result->code / 100 == 2)
            continue;
        result->outcome = STORE_OUTBOUND_DEFERRED;
        result->due = retry_next(times, letter->letter.created, now,
                                 letter->letter.recipients[i].attempts + 1, random);
        if (letter->due == 0 || result->due < letter->due)
            letter->due = result->due;
    }
    write_down(letter);
}

static void reported(struct loop_task *task)
{
    struct queue_letter *letter = letter_of_job(task);
    struct queue_runner *runner = letter->runner;
    queue_runner_job_back(runner);
    if (letter->mail == NULL) {
        queue_runner_tell_trouble(runner, "queue.report-failed", &letter->fault);
        conclude_unreported(letter);
        return;
    }
    if (report_mail_objection(letter->mail) != NULL) {
        struct log_line line;
        log_begin(&line, runner->options.log, LOG_LEVEL_WARNING, "queue.report-lost");
        log_id(&line, "message", letter->message);
        log_text(&line, "sender", letter->letter.sender);
        log_string(&line, "reason", report_mail_objection(letter->mail));
        log_end(&line);
    }
    write_down(letter);
}

/* Reports what is to be told, then writes. */
static void conclude(struct queue_letter *letter)
{
    if (letter->told_count == 0) {
        write_down(letter);
        return;
    }
    letter->job.run = run_report;
    letter->job.done.run = reported;
    queue_runner_submit(letter->runner, &letter->job);
}

/* ---- what a reply means ---- */

static void log_outcome(const struct queue_letter *letter, size_t index, const char *event)
{
    const struct store_outbound_recipient *recipient = &letter->letter.recipients[index];
    const struct store_outbound_result *result = &letter->results[index];
    struct log_line line;
    log_begin(&line, letter->runner->options.log, LOG_LEVEL_INFO, event);
    log_id(&line, "message", letter->message);
    log_text(&line, "sender", letter->letter.sender);
    log_text(&line, "recipient", recipient->address);
    if (!bytes_is_empty(result->host))
        log_text(&line, "host", result->host);
    if (result->code != 0)
        log_number(&line, "code", result->code);
    if (!bytes_is_empty(result->enhanced))
        log_text(&line, "enhanced", result->enhanced);
    log_text(&line, "text", result->text);
    if (result->outcome == STORE_OUTBOUND_DEFERRED)
        log_number(&line, "again_in", (result->due - queue_runner_now(letter->runner)) / 1000000);
    log_end(&line);
}

static void tell_sender(struct queue_letter *letter, size_t index, enum report_action action,
                        bool is_attempt)
{
    const struct store_outbound_recipient *recipient = &letter->letter.recipients[index];
    const struct store_outbound_result *result = &letter->results[index];
    if (!delivery_report_is_wanted(letter->letter.sender, recipient->notify, action))
        return;
    const struct retry_times *times = &letter->runner->options.times;
    letter->told[letter->told_count++] = (struct report_recipient){
        .action = action,
        .address = recipient->address,
        .original_recipient = recipient->original_recipient,
        .code = result->code,
        .status = result->enhanced,
        .text = result->text,
        .host = result->host,
        .last_attempt = is_attempt ? queue_runner_now(letter->runner) : recipient->last_attempt,
        .will_retry_until = action == REPORT_DELAYED ? retry_end(times, letter->letter.created) : 0,
    };
}

static void note_due(struct queue_letter *letter, int64_t due)
{
    if (letter->due == 0 || due < letter->due)
        letter->due = due;
}

static void deliver(struct queue_letter *letter, size_t index)
{
    letter->results[index].outcome = STORE_OUTBOUND_DONE;
    log_outcome(letter, index, "queue.delivered");
    /* RFC 3461 5.2.2: who hands on to a host without DSN is the last who can tell. */
    if ((letter->out.dropped & PH_EXTENSION_DSN) != 0)
        tell_sender(letter, index, REPORT_RELAYED, true);
}

static void give_back(struct queue_letter *letter, size_t index, bool is_attempt)
{
    letter->results[index].outcome = STORE_OUTBOUND_DONE;
    log_outcome(letter, index, "queue.returned");
    tell_sender(letter, index, REPORT_FAILED, is_attempt);
}

/* `now` and `random` are the letter's: those of its recipients that fared the same are tried
   together again. */
static void put_off(struct queue_letter *letter, size_t index, int64_t now, uint32_t random)
{
    const struct retry_times *times = &letter->runner->options.times;
    const struct store_outbound_recipient *recipient = &letter->letter.recipients[index];
    struct store_outbound_result *result = &letter->results[index];
    if (retry_is_over(times, letter->letter.created, now)) {
        give_back(letter, index, true);
        return;
    }
    result->outcome = STORE_OUTBOUND_DEFERRED;
    result->due = retry_next(times, letter->letter.created, now, recipient->attempts + 1, random);
    note_due(letter, result->due);
    log_outcome(letter, index, "queue.deferred");
    if (!recipient->is_warned && retry_is_late(times, letter->letter.created, now)) {
        result->is_warned = true;
        tell_sender(letter, index, REPORT_DELAYED, true);
    }
}

/* The reply to one recipient as its row keeps it; texts are those of the session's answer. */
static void take_reply(struct queue_letter *letter, size_t index,
                       const struct outbound_recipient_result *reply, const char *host)
{
    struct ph_reply value = {.code = reply->code, .text = reply->text};
    letter->results[index] = (struct store_outbound_result){
        .number = letter->letter.recipients[index].number,
        .code = reply->code,
        .enhanced = bytes_from_string(reply->enhanced[0] != '\0'
                                          ? reply->enhanced
                                          : reply_judge_status(reply->phase, &value)),
        .text = bytes_from_string(reply->text),
        .host = bytes_from_string(host),
    };
}

static void read_enhanced(const char *text, unsigned short enhanced[3])
{
    unsigned parts[3] = {0};
    if (sscanf(text, "%1u.%3u.%3u", &parts[0], &parts[1], &parts[2]) == 3)
        for (size_t i = 0; i < 3; i++)
            enhanced[i] = (unsigned short)parts[i];
}

static struct reply_judge_verdict judge(const struct outbound_recipient_result *reply)
{
    struct ph_reply value = {
        .code = reply->code, .text = reply->text, .text_length = strlen(reply->text)};
    read_enhanced(reply->enhanced, value.enhanced);
    return reply_judge(reply->phase, &value);
}

/* The host's name outlives the letter's place in the list of hosts. */
static const char *keep_host(struct queue_letter *letter, const char *host)
{
    const char *copy = arena_copy_string(&letter->arena, bytes_from_string(host));
    return copy == NULL ? "" : copy;
}

void queue_letter_judge(struct queue_letter *letter, const char *host)
{
    host = keep_host(letter, host);
    int64_t now = queue_runner_now(letter->runner);
    uint32_t random = queue_runner_random();
    for (size_t i = 0; i < letter->letter.recipient_count; i++) {
        const struct outbound_recipient_result *reply = &letter->out.results[i];
        struct reply_judge_verdict verdict = judge(reply);
        take_reply(letter, i, reply, host);
        if (reply->is_accepted) {
            deliver(letter, i);
            continue;
        }
        if (verdict.is_busy && letter->courier != NULL)
            letter->courier->outcome = QUEUE_PLAN_BUSY;
        if (verdict.is_permanent)
            give_back(letter, i, true);
        else
            put_off(letter, i, now, random);
    }
    if (letter->letter.recipient_count == STORE_OUTBOUND_RECIPIENTS_MAX)
        note_due(letter, queue_runner_now(letter->runner)); /* there may be more of them */
    conclude(letter);
}

void queue_letter_fail(struct queue_letter *letter, const struct queue_failure *failure)
{
    for (size_t i = 0; i < letter->letter.recipient_count; i++) {
        struct outbound_recipient_result *result = &letter->out.results[i];
        *result =
            (struct outbound_recipient_result){.phase = failure->phase, .code = failure->code};
        memcpy(result->enhanced, failure->enhanced, sizeof(result->enhanced));
        memcpy(result->text, failure->text, sizeof(result->text));
    }
    queue_letter_judge(letter, failure->host);
}

/* ---- age ---- */

/* What is told of a recipient that waited for its route rather than by a failure of its own. */
static struct bytes reason_of(const struct store_outbound_recipient *recipient)
{
    if (!bytes_is_empty(recipient->last_text))
        return recipient->last_text;
    return BYTES("The host that takes mail for this address could not be reached");
}

void queue_letter_age(struct queue_letter *letter)
{
    const struct retry_times *times = &letter->runner->options.times;
    int64_t now = queue_runner_now(letter->runner);
    bool is_over = retry_is_over(times, letter->letter.created, now);
    size_t count = 0;
    for (size_t i = 0; i < letter->letter.recipient_count; i++) {
        const struct store_outbound_recipient *recipient = &letter->letter.recipients[i];
        if (!is_over && recipient->is_warned)
            continue;
        letter->letter.recipients[count] = *recipient;
        letter->results[count] = (struct store_outbound_result){
            .number = recipient->number,
            .outcome = STORE_OUTBOUND_WARNED,
            .code = recipient->last_code,
            .enhanced = bytes_is_empty(recipient->last_enhanced) ? BYTES("4.4.7")
                                                                 : recipient->last_enhanced,
            .text = reason_of(recipient),
            .host = recipient->last_host,
        };
        if (is_over)
            give_back(letter, count, false);
        else
            tell_sender(letter, count, REPORT_DELAYED, false);
        count++;
    }
    letter->letter.recipient_count = count;
    if (count == 0)
        over(letter);
    else
        conclude(letter);
}

/* ---- another way ---- */

void queue_letter_reroute(struct queue_letter *letter)
{
    int64_t now = queue_runner_now(letter->runner);
    size_t count = 0;
    struct bytes old = queue_plan_route_name(letter->courier->route);
    for (size_t i = 0; i < letter->letter.recipient_count; i++) {
        if (bytes_equal(letter->routes[i], old)) {
            note_due(letter, now);
            continue;
        }
        letter->results[count++] =
            (struct store_outbound_result){.number = letter->letter.recipients[i].number,
                                           .outcome = STORE_OUTBOUND_REROUTED,
                                           .route = letter->routes[i]};
    }
    letter->letter.recipient_count = count;
    write_down(letter);
}
