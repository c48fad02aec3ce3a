/* From a body to the wire: by DATA with dots stuffed and a lone dot at the end, by BDAT in counted
 * chunks. */
#include "smtp/smtp_client_inside.h"

#include <stdio.h>

#include "smtp/smtp_client.h"
#include "smtp/smtp_error.h"

/* What one walk over the present piece may put out, and what it came to. */
struct walk {
    size_t limit; /* bytes on the wire */
    size_t slices;
    size_t text;
    size_t taken; /* bytes of the piece */
    size_t wire;  /* bytes on the wire */
    bool has_bare_line_end;
};

void smtp_client_body_begin(struct smtp_transaction *transaction)
{
    const struct ph_body *body = &transaction->given->body;
    transaction->body = (struct smtp_body_walk){.dot = {.is_stuffing = !transaction->uses_bdat}};
    if (body->kind == PH_BODY_MEMORY) {
        transaction->body.piece = bytes_of(body->data, body->length);
        transaction->body.is_last = true;
    }
}

static bool is_text(const struct smtp_transaction *transaction)
{
    return transaction->given->body.content != PH_CONTENT_BINARY;
}

static bool refuses_bare_line_ends(const struct smtp_transaction *transaction)
{
    return is_text(transaction) && transaction->given->body.line_ends == PH_LINE_ENDS_REFUSE;
}

/* Walks over the piece from its front: counts, and with an outbox also puts out. Both passes over
 * the same bytes with the same limit do the same, so that a chunk's size is known before its bytes
 * follow. */
static struct dot walk_piece(const struct smtp_transaction *transaction, struct walk *walk,
                             struct outbox *outbox)
{
    struct dot dot = transaction->body.dot;
    struct bytes piece = transaction->body.piece;
    while (walk->taken < piece.length && walk->wire < walk->limit && walk->slices > 2 &&
           walk->text > OUTBOX_COPY_MAX) {
        struct bytes window = bytes_slice(piece, walk->taken, walk->limit - walk->wire);
        char insertion = 0;
        size_t length = is_text(transaction) ? dot_next(&dot, window, &insertion) : window.length;
        if (outbox != NULL)
            outbox_append_body(outbox, bytes_slice(window, 0, length));
        if (outbox != NULL && insertion != 0)
            outbox_append_body(outbox, bytes_of(&insertion, 1));
        bool is_copied = length <= OUTBOX_COPY_MAX;
        walk->slices -= is_copied ? 0 : 2;
        walk->text -= is_copied ? length + 1 : 1;
        walk->taken += length;
        walk->wire += length + (insertion != 0);
        walk->has_bare_line_end |= insertion == '\r' || insertion == '\n';
    }
    return dot;
}

static struct walk begin_walk(const struct outbox *outbox, size_t limit)
{
    return (struct walk){
        .limit = limit,
        .slices = outbox_room(outbox) - OUTBOX_SLICES_SPARE,
        .text = OUTBOX_TEXT_FULL - outbox->text.length + OUTBOX_COPY_MAX,
    };
}

/* A piece is done with when all of it is written, because it is borrowed until the next is asked
 * for. */
static enum smtp_body_progress ask_for_piece(const struct smtp_client *client,
                                             struct smtp_body_walk *body)
{
    if (!body->is_asked && client->outbox.taken >= body->piece_end)
        body->wants_piece = true;
    return SMTP_BODY_WAITS;
}

static void advance(struct smtp_client *client, struct smtp_body_walk *body,
                    const struct walk *walk)
{
    body->piece = bytes_skip(body->piece, walk->taken);
    body->sent += walk->wire;
    body->is_begun = true;
    body->piece_end = client->outbox.queued;
    client->body_end = client->outbox.queued;
}

static bool is_filled(const struct smtp_client *client)
{
    return outbox_is_full(&client->outbox) ||
           client->outbox.queued - client->outbox.taken >= SMTP_CLIENT_WINDOW;
}

static void note_bytes(struct smtp_client *client, uint64_t count)
{
    char text[64];
    if (client->trace == NULL)
        return;
    int length = snprintf(text, sizeof text, "(%llu bytes of body)", (unsigned long long)count);
    smtp_client_trace(client, PH_TRACE_BODY, bytes_of(text, (size_t)length));
}

/* The source failed, or holds what may not be sent: error is in the operation. */
static void stop(struct smtp_client *client, struct smtp_operation *operation)
{
    const struct smtp_transaction *transaction = &operation->transaction;
    if (transaction->phase == SMTP_PHASE_BODY && !transaction->uses_bdat) {
        /* Within DATA only the end of the connection says that the message is not whole (RFC
         * 5321 4.1.1.4). */
        struct ph_error failure;
        smtp_error_set(&failure, PH_ERROR_DISCONNECTED, "DATA",
                       "the connection was given up in the middle of a message");
        smtp_client_fail(client, &failure);
        return;
    }
    smtp_client_transaction_give_up(client, operation);
}

static void refuse_bare_line_end(struct smtp_client *client, struct smtp_operation *operation)
{
    operation->has_error = true;
    smtp_error_set(&operation->error, PH_ERROR_BODY,
                   operation->transaction.uses_bdat ? "BDAT" : "DATA",
                   "the message has a CR or LF that stands alone");
    stop(client, operation);
}

/* RFC 5321 4.5.2: the last line is whole, then a dot alone. */
static void end_data(struct smtp_client *client, struct smtp_operation *operation)
{
    struct smtp_transaction *transaction = &operation->transaction;
    note_bytes(client, transaction->body.sent);
    struct buffer *text = outbox_begin_text(&client->outbox);
    buffer_append(text, dot_finish(&transaction->body.dot));
    client->body_end = client->outbox.queued;
    size_t start = text->length;
    buffer_append(text, BYTES(".\r\n"));
    smtp_client_trace_line(client, start, SIZE_MAX);
    transaction->end = client->outbox.queued;
    smtp_client_queue_await(client, operation, SMTP_AWAITED_FINAL, 0);
}

static enum smtp_body_progress issue_data(struct smtp_client *client,
                                          struct smtp_operation *operation)
{
    struct smtp_transaction *transaction = &operation->transaction;
    struct smtp_body_walk *body = &transaction->body;
    if (body->piece.length == 0 && !body->is_last)
        return ask_for_piece(client, body);
    if (is_filled(client))
        return SMTP_BODY_WAITS;
    if (body->piece.length > 0) {
        struct walk walk = begin_walk(&client->outbox, SMTP_CLIENT_WINDOW);
        body->dot = walk_piece(transaction, &walk, &client->outbox);
        advance(client, body, &walk);
        if (walk.has_bare_line_end && refuses_bare_line_ends(transaction)) {
            refuse_bare_line_end(client, operation);
            return SMTP_BODY_WAITS;
        }
        return SMTP_BODY_GOES_ON;
    }
    if (refuses_bare_line_ends(transaction) && body->dot.place == DOT_AFTER_CR) {
        refuse_bare_line_end(client, operation);
        return SMTP_BODY_WAITS;
    }
    end_data(client, operation);
    return SMTP_BODY_ENDED;
}

/* How much body the next chunk may have; 0 = wait for replies first. */
static size_t chunk_limit(const struct smtp_transaction *transaction)
{
    if (transaction->accepted > 0)
        return SMTP_CLIENT_CHUNK_MAX;
    return transaction->body.is_begun ? 0 : SMTP_CLIENT_OPTIMISTIC_MAX;
}

/* One BDAT with its bytes (RFC 3030 2); where the count ended, the dot tells what is missing at the
 * end. */
static void issue_chunk(struct smtp_client *client, struct smtp_operation *operation,
                        const struct walk *counted, const struct dot *after, bool is_last)
{
    struct smtp_transaction *transaction = &operation->transaction;
    struct smtp_body_walk *body = &transaction->body;
    struct walk walk = {.limit = counted->wire, .slices = SIZE_MAX, .text = SIZE_MAX};
    struct buffer *text = outbox_begin_text(&client->outbox);
    size_t start = text->length;
    struct bytes finish = is_last && is_text(transaction) ? dot_finish(after) : BYTES("");
    smtp_command_bdat(text, counted->wire + finish.length, is_last);
    smtp_client_trace_line(client, start, SIZE_MAX);
    note_bytes(client, counted->wire + finish.length);
    body->dot = walk_piece(transaction, &walk, &client->outbox);
    outbox_append_body(&client->outbox, finish);
    advance(client, body, &walk);
    if (is_last)
        transaction->end = client->outbox.queued;
    smtp_client_queue_await(client, operation, is_last ? SMTP_AWAITED_FINAL : SMTP_AWAITED_BDAT, 0);
}

static enum smtp_body_progress issue_bdat(struct smtp_client *client,
                                          struct smtp_operation *operation)
{
    struct smtp_transaction *transaction = &operation->transaction;
    struct smtp_body_walk *body = &transaction->body;
    size_t limit = chunk_limit(transaction);
    if (limit == 0 || transaction->is_behind_rset || !smtp_client_queue_has_room(client, 1) ||
        is_filled(client))
        return SMTP_BODY_WAITS;
    /* How many replies the last chunk calls for must be known when they come (RFC 2033 4.2). */
    if (client->is_lmtp && operation->pending > 0)
        return SMTP_BODY_WAITS;
    if (body->piece.length == 0 && !body->is_last)
        return ask_for_piece(client, body);
    struct walk counted = begin_walk(&client->outbox, limit);
    struct dot after = walk_piece(transaction, &counted, NULL);
    bool is_last = body->is_last && counted.taken == body->piece.length;
    bool is_cut = is_last && after.place == DOT_AFTER_CR;
    if (refuses_bare_line_ends(transaction) && (counted.has_bare_line_end || is_cut)) {
        refuse_bare_line_end(client, operation);
        return SMTP_BODY_WAITS;
    }
    issue_chunk(client, operation, &counted, &after, is_last);
    return is_last ? SMTP_BODY_ENDED : SMTP_BODY_GOES_ON;
}

enum smtp_body_progress smtp_client_body_issue(struct smtp_client *client,
                                               struct smtp_operation *operation)
{
    return operation->transaction.uses_bdat ? issue_bdat(client, operation)
                                            : issue_data(client, operation);
}

/* The operation that PH_EVENT_BODY_WANTED was told for; NULL when it is over meanwhile. */
static struct smtp_operation *find_asked(const struct smtp_client *client)
{
    struct smtp_operation *operation = client->issuing;
    return operation != NULL && operation->transaction.body.is_asked ? operation : NULL;
}

void smtp_client_body(struct smtp_client *client, const char *piece, size_t length, bool is_last,
                      int64_t now)
{
    client->now = now;
    struct smtp_operation *operation = find_asked(client);
    if (operation == NULL)
        return;
    struct smtp_body_walk *body = &operation->transaction.body;
    body->is_asked = false;
    body->piece = bytes_of(piece, length);
    body->is_last = is_last;
    if (outbox_is_empty(&client->outbox))
        client->progress_at = now;
    smtp_client_queue_pump(client);
}

void smtp_client_body_failed(struct smtp_client *client, int system_error, int64_t now)
{
    client->now = now;
    struct smtp_operation *operation = find_asked(client);
    if (operation == NULL)
        return;
    operation->transaction.body.is_asked = false;
    operation->has_error = true;
    smtp_error_set(&operation->error, PH_ERROR_BODY,
                   operation->transaction.uses_bdat ? "BDAT" : "DATA",
                   "the message could not be read to its end, so it was not sent");
    operation->error.system_error = system_error;
    stop(client, operation);
    smtp_client_queue_pump(client);
}
