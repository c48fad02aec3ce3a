/* The client engine and the server engine tied together in memory: what goes in comes out. The
   input is a script, a line a step:

     P letters     options: l LMTP, p no pipelining, c no chunking, f bodies in flight, q all
                   messages are queued at once, s a small limit of size, r one of recipients; first
     M letters TAB sender TAB body TAB recipient ...
                   a message: c its body in pieces, b binary, 8 eight bits, r bare line ends are
                   refused, d RET=FULL, e ENVID, n NOTIFY, o ORCPT, s its size is said, Z its body
                   many times; in the body | is CRLF, ~ is LF, ^ is CR, ` is NUL

   The host of the server refuses by what it reads: senders and recipients that begin with n for
   good, with l for now; bodies that begin with x; with LMTP also the message for those with f.

   Laws, with the bytes between the two cut at random: for each message, in order, the client
   believes accepted exactly the recipients for whom the server's host said so; sender, recipients
   and body arrive as they were given, lines ended by CRLF; each recipient's reply is its own;
   nothing is kept that nobody sent; the session ends in order. */
#include <stdio.h>
#include <stdlib.h>

#include "base/auto.h"
#include "base/buffer.h"
#include "mail/address.h"
#include "smtp/smtp_client.h"
#include "smtp/smtp_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    TEXT_LIMIT = 1 << 24, /* far more than any input becomes */
    MESSAGES_MAX = 24,
    RECIPIENTS_MAX = 32,
    TIMES_MANY = 700,  /* a body many times */
    SMALL_SIZE = 5000, /* the small limit */
    /* Of a body as it goes out: a server with the small limit reads so much away, and goes on. */
    LARGEST_SIZE = SMTP_SERVER_CHUNK_DROPPED * SMALL_SIZE,
    FEW_RECIPIENTS = 3,
    PIECE_MAX = 5000 /* bytes that arrive at once */
};

/* A message on both sides: what was sent, what the client was told, what the host kept. */
struct message {
    struct ph_transaction transaction;
    struct ph_recipient recipients[RECIPIENTS_MAX];
    char *texts[RECIPIENTS_MAX + 1];
    size_t text_count;
    struct buffer body;
    size_t given;
    char *piece;
    int codes[RECIPIENTS_MAX];
    int final_codes[RECIPIENTS_MAX];
    bool is_queued;
    bool is_done;
};

/* What the host keeps, one behind the other, as text: sender, recipients, body. */
struct pair {
    struct smtp_client *client;
    struct smtp_server *server;
    bool is_lmtp;
    bool is_small;
    uint64_t chance;
    int64_t now;
    struct buffer to_server;
    struct buffer to_client;
    struct message messages[MESSAGES_MAX];
    size_t message_count;
    struct buffer believed; /* by the client */
    struct buffer kept;     /* by the host */
    struct buffer envelope; /* of the open transaction on the server's side */
    struct buffer body;
    char taken[RECIPIENTS_MAX][ADDRESS_TEXT_MAX];
    size_t taken_count;
    size_t verdict;
    bool is_server_closed;
    bool has_ended; /* QUIT is done */
};

static void expect(bool is_so)
{
    if (!is_so)
        abort();
}

static size_t pick(struct pair *pair, size_t most)
{
    pair->chance = pair->chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return 1 + (size_t)(pair->chance >> 33) % most;
}

/* ---- the host of the server ---- */

static int judge(struct bytes address)
{
    char c = address.length == 0 ? 'a' : address.data[0];
    return c == 'n' ? 550 : c == 'l' ? 450 : 250;
}

static int judge_message(const struct pair *pair, struct bytes recipient)
{
    if (bytes_starts_with(buffer_bytes(&pair->body), BYTES("x")))
        return 554;
    return pair->is_lmtp && bytes_starts_with(recipient, BYTES("f")) ? 552 : 250;
}

static void answer(struct pair *pair, int code, struct bytes about)
{
    char text[ADDRESS_TEXT_MAX + 32];
    snprintf(text, sizeof text, "About %.*s", BYTES_FORMAT(about));
    struct smtp_server_reply reply = {code,
                                      code >= 500   ? "5.0.0"
                                      : code >= 400 ? "4.0.0"
                                                    : "2.0.0",
                                      text};
    smtp_server_answer(pair->server, &reply, pair->now);
}

static void keep_for(struct pair *pair, struct buffer *recipients, const char *recipient)
{
    struct bytes address = bytes_from_string(recipient);
    int code = judge_message(pair, address);
    if (code == 250) {
        buffer_append(recipients, address);
        buffer_append_char(recipients, '\n');
    }
    if (pair->is_lmtp)
        answer(pair, code, address);
}

static void hear_end(struct pair *pair)
{
    AUTO(buffer)
    recipients = BUFFER(TEXT_LIMIT);
    expect(pair->taken_count > 0);
    for (size_t i = 0; i < pair->taken_count; i++)
        keep_for(pair, &recipients, pair->taken[i]);
    if (!pair->is_lmtp)
        answer(pair, judge_message(pair, BYTES("")), BYTES("it"));
    expect(!smtp_server_is_answer_owed(pair->server));
    if (recipients.length > 0) {
        buffer_append(&pair->kept, buffer_bytes(&pair->envelope));
        buffer_append(&pair->kept, buffer_bytes(&recipients));
        buffer_append(&pair->kept, buffer_bytes(&pair->body));
    }
    buffer_reset(&pair->body);
    pair->taken_count = 0;
}

static void hear_rcpt(struct pair *pair, const struct smtp_server_event *event)
{
    int code = judge(event->address);
    if (code == 250) {
        expect(pair->taken_count < RECIPIENTS_MAX);
        snprintf(pair->taken[pair->taken_count++], ADDRESS_TEXT_MAX, "%.*s",
                 BYTES_FORMAT(event->address));
        buffer_append_format(&pair->envelope, "%u %d ", event->notify,
                             event->original_recipient.length > 0);
    }
    answer(pair, code, event->address);
}

static void hear_server(struct pair *pair, const struct smtp_server_event *event)
{
    expect(!pair->is_server_closed);
    switch (event->kind) {
    case SMTP_SERVER_MAIL:
        pair->taken_count = 0;
        buffer_reset(&pair->envelope);
        buffer_reset(&pair->body);
        buffer_append_format(&pair->envelope, "<%.*s> %d %d %d ", BYTES_FORMAT(event->address),
                             event->return_content, event->envelope_id.length > 0,
                             event->body == SMTP_SERVER_BINARY);
        answer(pair, judge(event->address), event->address);
        break;
    case SMTP_SERVER_RCPT:
        hear_rcpt(pair, event);
        break;
    case SMTP_SERVER_BODY:
        buffer_append(&pair->body, event->piece);
        break;
    case SMTP_SERVER_END:
        hear_end(pair);
        break;
    case SMTP_SERVER_REFUSED_BODY:
    case SMTP_SERVER_RESET:
        buffer_reset(&pair->body);
        break;
    case SMTP_SERVER_CLOSED:
        pair->is_server_closed = true;
        expect(strcmp(event->reason, "quit") == 0);
        break;
    default:
        expect(event->kind == SMTP_SERVER_HELLO);
        break;
    }
}

/* ---- the caller of the client ---- */

/* RFC 5321 2.3.8: what a text becomes on the wire. */
static void append_normal(struct buffer *out, struct bytes text)
{
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        if (c != '\r' && c != '\n') {
            buffer_append_char(out, c);
            continue;
        }
        buffer_append(out, BYTES("\r\n"));
        i += c == '\r' && i + 1 < text.length && text.data[i + 1] == '\n';
    }
    if (text.length > 0 && !bytes_ends_with(text, BYTES("\n")) &&
        !bytes_ends_with(text, BYTES("\r")))
        buffer_append(out, BYTES("\r\n"));
}

static void append_address(struct buffer *out, const char *text)
{
    bool needs_smtputf8;
    if (*text == '\0' || address_is_bare_postmaster(bytes_from_string(text)))
        buffer_append_string(out, text);
    else
        expect(address_write_wire(bytes_from_string(text), out, &needs_smtputf8, NULL));
}

/* Who has the message, as the client was told. */
static void believe(struct pair *pair, const struct message *message, const struct ph_event *event)
{
    const struct ph_transaction *sent = &message->transaction;
    AUTO(buffer)
    recipients = BUFFER(TEXT_LIMIT);
    AUTO(buffer)
    wishes = BUFFER(TEXT_LIMIT);
    for (size_t i = 0; i < sent->recipient_count; i++) {
        const struct ph_recipient *recipient = &sent->recipients[i];
        if (message->codes[i] == 250)
            buffer_append_format(&wishes, "%u %d ", recipient->notify,
                                 recipient->original_recipient != NULL);
        if (message->codes[i] != 250 || (pair->is_lmtp && message->final_codes[i] != 250))
            continue;
        append_address(&recipients, recipient->address);
        buffer_append_char(&recipients, '\n');
    }
    if (event->error->kind != PH_OK || recipients.length == 0)
        return;
    expect(event->fate == PH_ACCEPTED);
    bool is_binary = sent->body.content == PH_CONTENT_BINARY;
    buffer_append_string(&pair->believed, "<");
    append_address(&pair->believed, sent->sender);
    buffer_append_format(&pair->believed, "> %d %d %d ", sent->return_content,
                         sent->envelope_id != NULL, is_binary);
    buffer_append(&pair->believed, buffer_bytes(&wishes));
    buffer_append(&pair->believed, buffer_bytes(&recipients));
    if (is_binary)
        buffer_append(&pair->believed, buffer_bytes(&message->body));
    else
        append_normal(&pair->believed, buffer_bytes(&message->body));
}

static struct message *find_message(struct pair *pair, const struct ph_transaction *transaction)
{
    for (size_t i = 0; i < pair->message_count; i++) {
        if (&pair->messages[i].transaction == transaction)
            return &pair->messages[i];
    }
    abort();
}

static void give_piece(struct pair *pair, struct message *message)
{
    struct bytes rest = bytes_skip(buffer_bytes(&message->body), message->given);
    size_t length = rest.length > 0 ? pick(pair, rest.length) : 0;
    free(message->piece);
    message->piece = malloc(length + 1);
    if (length > 0)
        memcpy(message->piece, rest.data, length);
    message->given += length;
    smtp_client_body(pair->client, message->piece, length, length == rest.length, pair->now);
}

/* The reply is about the address it answers, unless the engine itself spoke. */
static void check_reply(const struct ph_reply *reply, const char *address, bool is_own)
{
    char text[ADDRESS_TEXT_MAX + 32] = "About ";
    AUTO(buffer)
    wire = BUFFER(ADDRESS_TEXT_MAX);
    append_address(&wire, address);
    strncat(text, buffer_string(&wire), ADDRESS_TEXT_MAX);
    expect(is_own || strcmp(reply->text, text) == 0);
    expect(is_own || reply->enhanced[0] == reply->code / 100);
}

static void hear_client(struct pair *pair, const struct ph_event *event)
{
    if (event->transaction == NULL) {
        expect(event->kind == PH_EVENT_DONE && event->error->kind == PH_OK);
        pair->has_ended |= event->operation == PH_OPERATION_QUIT;
        return;
    }
    struct message *message = find_message(pair, event->transaction);
    int code = event->reply.code;
    switch (event->kind) {
    case PH_EVENT_RECIPIENT:
        message->codes[event->index] = code;
        check_reply(&event->reply, message->recipients[event->index].address,
                    code != 250 && code != 550 && code != 450);
        break;
    case PH_EVENT_FINAL:
        message->final_codes[event->index] = code;
        if (code == 250 && pair->is_lmtp)
            check_reply(&event->reply, message->recipients[event->index].address, false);
        break;
    case PH_EVENT_BODY_WANTED:
        give_piece(pair, message);
        break;
    case PH_EVENT_DONE:
        expect(!message->is_done && !event->is_closed && event->fate != PH_MAYBE_SENT);
        message->is_done = true;
        believe(pair, message, event);
        break;
    default:
        break;
    }
}

/* ---- between the two ---- */

static void pull(struct pair *pair)
{
    struct ph_event client_event;
    struct smtp_server_event server_event;
    while (smtp_client_next(pair->client, &client_event))
        hear_client(pair, &client_event);
    while (smtp_server_next(pair->server, &server_event))
        hear_server(pair, &server_event);
}

static bool move_client_output(struct pair *pair)
{
    struct iovec slices[4];
    size_t count = smtp_client_output(pair->client, slices, pick(pair, 4));
    size_t length = 0;
    for (size_t i = 0; i < count; i++)
        length += slices[i].iov_len;
    if (length == 0)
        return false;
    size_t taken = pick(pair, length);
    for (size_t i = 0, left = taken; left > 0; i++) {
        size_t part = slices[i].iov_len < left ? slices[i].iov_len : left;
        buffer_append(&pair->to_server, bytes_of(slices[i].iov_base, part));
        left -= part;
    }
    smtp_client_sent(pair->client, taken, pair->now);
    pull(pair);
    return true;
}

static bool move_server_output(struct pair *pair)
{
    struct bytes output = smtp_server_output(pair->server);
    if (output.length == 0)
        return false;
    size_t taken = pick(pair, output.length);
    buffer_append(&pair->to_client, bytes_slice(output, 0, taken));
    smtp_server_sent(pair->server, taken, pair->now);
    return true;
}

/* What arrives lies in memory of its own, which is gone when the events are taken. */
static bool arrive(struct pair *pair, struct buffer *from)
{
    size_t length = from->length < PIECE_MAX ? from->length : PIECE_MAX;
    if (length == 0)
        return false;
    length = pick(pair, length);
    char *copy = malloc(length);
    memcpy(copy, buffer_bytes(from).data, length);
    size_t taken = from == &pair->to_server
                       ? smtp_server_feed(pair->server, bytes_of(copy, length), pair->now)
                       : smtp_client_feed(pair->client, copy, length, pair->now);
    pull(pair);
    free(copy);
    buffer_consume(from, taken);
    return taken > 0;
}

static void pump(struct pair *pair)
{
    bool is_moving = true;
    while (is_moving) {
        is_moving = move_client_output(pair);
        is_moving |= arrive(pair, &pair->to_server);
        is_moving |= move_server_output(pair);
        is_moving |= arrive(pair, &pair->to_client);
    }
    expect(pair->to_server.length == 0 && pair->to_client.length == 0);
}

/* ---- scripts ---- */

static const char *keep_text(struct message *message, struct bytes field)
{
    char *copy = calloc(1, field.length + 1);
    if (field.length > 0)
        memcpy(copy, field.data, field.length);
    message->texts[message->text_count++] = copy;
    return copy;
}

static bool has_letter(struct bytes letters, char letter)
{
    return bytes_has_char(letters, letter);
}

static void fill_body(struct message *message, struct bytes letters, struct bytes field)
{
    size_t times = has_letter(letters, 'Z') ? TIMES_MANY : 1;
    struct ph_body *body = &message->transaction.body;
    size_t size = 0; /* with CRLF for each line end that stands alone */
    message->body = BUFFER(TEXT_LIMIT);
    for (; times > 0; times--) {
        for (size_t i = 0; i < field.length && size + 2 <= LARGEST_SIZE; i++) {
            char c = field.data[i];
            size += c == '|' || c == '~' || c == '^' ? 2 : 1;
            if (c == '|')
                buffer_append(&message->body, BYTES("\r\n"));
            else
                buffer_append_char(&message->body, c == '~'   ? '\n'
                                                   : c == '^' ? '\r'
                                                   : c == '`' ? '\0'
                                                              : c);
        }
    }
    body->kind = has_letter(letters, 'c') ? PH_BODY_CALLBACK : PH_BODY_MEMORY;
    body->data = buffer_bytes(&message->body).data;
    body->length = message->body.length;
    body->size = has_letter(letters, 's') ? message->body.length : 0;
    body->content = has_letter(letters, 'b')   ? PH_CONTENT_BINARY
                    : has_letter(letters, '8') ? PH_CONTENT_8BIT
                                               : PH_CONTENT_UNKNOWN;
    body->line_ends = has_letter(letters, 'r') ? PH_LINE_ENDS_REFUSE : PH_LINE_ENDS_NORMALISE;
}

static void send_message(struct pair *pair, struct bytes line)
{
    struct bytes letters;
    struct bytes sender;
    struct bytes body;
    struct ph_error error;
    if (pair->message_count == MESSAGES_MAX)
        return;
    struct message *message = &pair->messages[pair->message_count++];
    struct ph_transaction *transaction = &message->transaction;
    bytes_split(line, '\t', &letters, &line);
    bytes_split(line, '\t', &sender, &line);
    bytes_split(line, '\t', &body, &line);
    transaction->sender = keep_text(message, sender);
    if (has_letter(letters, 'd'))
        transaction->return_content = PH_RETURN_FULL;
    if (has_letter(letters, 'e'))
        transaction->envelope_id = "an id + = \\";
    while (line.length > 0 && transaction->recipient_count < RECIPIENTS_MAX) {
        struct bytes field;
        bytes_split(line, '\t', &field, &line);
        const char *address = keep_text(message, field);
        message->recipients[transaction->recipient_count++] = (struct ph_recipient){
            .address = address,
            .notify = has_letter(letters, 'n') ? PH_NOTIFY_SUCCESS | PH_NOTIFY_DELAY : 0,
            .original_recipient = has_letter(letters, 'o') ? "j\xC3\xB6rg+x@d.example" : NULL};
    }
    transaction->recipients = message->recipients;
    fill_body(message, letters, body);
    message->is_queued = smtp_client_send(pair->client, transaction, pair->now, &error);
}

static void open_pair(struct pair *pair, struct bytes letters)
{
    struct ph_error error;
    struct fault fault;
    pair->is_lmtp = has_letter(letters, 'l');
    struct ph_engine_options client_options = {
        .hello_name = "client.example",
        .lmtp = pair->is_lmtp,
        .no_pipelining = has_letter(letters, 'p'),
        .no_chunking = has_letter(letters, 'c'),
        .bodies_in_flight = has_letter(letters, 'f'),
    };
    struct smtp_server_options server_options = {
        .name = "mx.example",
        .is_lmtp = pair->is_lmtp,
        .limits = {.size = has_letter(letters, 's') ? SMALL_SIZE : 0,
                   .recipients = has_letter(letters, 'r') ? FEW_RECIPIENTS : 0,
                   .errors_soft = UINT32_MAX,
                   .errors = UINT32_MAX},
    };
    pair->client = smtp_client_new(&client_options, pair->now, &error);
    pair->server = smtp_server_new(&server_options, pair->now, &fault);
    expect(pair->client != NULL && pair->server != NULL);
    expect(smtp_client_hello(pair->client, PH_HELLO_AUTOMATIC, NULL, pair->now, &error));
    pump(pair);
}

static void run(struct pair *pair, struct bytes script)
{
    struct bytes letters = BYTES("");
    struct bytes line;
    struct ph_error error;
    if (bytes_starts_with(script, BYTES("P "))) {
        bytes_split(script, '\n', &letters, &script);
        letters = bytes_skip(letters, 2);
    }
    open_pair(pair, letters);
    while (script.length > 0) {
        bytes_split(script, '\n', &line, &script);
        if (bytes_starts_with(line, BYTES("M ")))
            send_message(pair, bytes_skip(line, 2));
        if (!has_letter(letters, 'q'))
            pump(pair);
    }
    pump(pair);
    expect(smtp_client_quit(pair->client, pair->now, &error));
    pump(pair);
    expect(pair->has_ended && pair->is_server_closed);
    for (size_t i = 0; i < pair->message_count; i++)
        expect(pair->messages[i].is_done == pair->messages[i].is_queued);
    expect(bytes_equal(buffer_bytes(&pair->believed), buffer_bytes(&pair->kept)));
}

static void clear(struct pair *pair)
{
    smtp_client_free(pair->client);
    smtp_server_free(pair->server);
    for (size_t i = 0; i < pair->message_count; i++) {
        struct message *message = &pair->messages[i];
        for (size_t text = 0; text < message->text_count; text++)
            free(message->texts[text]);
        buffer_clear(&message->body);
        free(message->piece);
    }
    buffer_clear(&pair->to_server);
    buffer_clear(&pair->to_client);
    buffer_clear(&pair->believed);
    buffer_clear(&pair->kept);
    buffer_clear(&pair->envelope);
    buffer_clear(&pair->body);
    free(pair);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pair *pair = calloc(1, sizeof *pair);
    expect(pair != NULL);
    *pair = (struct pair){.chance = size,
                          .now = 1000,
                          .to_server = BUFFER(TEXT_LIMIT),
                          .to_client = BUFFER(TEXT_LIMIT),
                          .believed = BUFFER(TEXT_LIMIT),
                          .kept = BUFFER(TEXT_LIMIT),
                          .envelope = BUFFER(TEXT_LIMIT),
                          .body = BUFFER(TEXT_LIMIT)};
    run(pair, bytes_of(data, size));
    clear(pair);
    return 0;
}
