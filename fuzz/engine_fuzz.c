/* The client engine against any server and any host. The input is a script, a line a step:

     P letters        options: l LMTP, e encrypted, p no pipelining, c no chunking, f bodies in
                      flight; before everything else
     S text           the server says text and CRLF
     s text           the server says text; here and in bodies | is CRLF, ~ is LF, ^ is CR
     H H2 H3 H4       hello, EHLO, HELO, LHLO
     L letters        login; see make_login
     M letters TAB sender TAB body TAB recipient ...    a transaction; see make_transaction
     D letters TAB x TAB body                           ph_engine_data
     C text           a command
     F text, R text   MAIL FROM and RCPT TO of their own
     W text           raw bytes
     T X Q            STARTTLS, expect, QUIT
     E                the end of the server's stream
     K number         so many milliseconds later

   Laws: the server's bytes whole or in pieces, and what is written taken whole or in pieces, give
   the same output, the same events and the same transcript. Every operation ends once. The output
   is what the transcript says: each line, then the bodies, which hold CRLF alone and no bare dot.
   Nothing goes out once the engine is closed. No secret is in the transcript. A body is not touched
   after its transaction is done. */
#include "smtp/smtp_client.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/buffer.h"
#include "wire/dot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    TEXT_LIMIT = 1 << 24, /* far more than any input becomes */
    STEPS_MAX = 200,      /* lines of a script */
    SENDS_MAX = 32,       /* transactions in a script */
    RECIPIENTS_MAX = 64,
    FIELD_MAX = 16 * 1024,   /* bytes of a field of a transaction */
    BODY_SAME_MAX = 8 * 1024 /* up to here a body is one chunk, however the output drains */
};

static const char user[] = "user@example.org";
static const char password[] = "Pa55-phrase-0f-Posthorn";
static const char token[] = "t0ken.0f.Posthorn.which-nobody-may-see";

/* A transaction with its own copies of everything: freed when it is done, so that the sanitizer
   sees a later look. */
struct send {
    struct ph_transaction transaction;
    struct ph_recipient recipients[RECIPIENTS_MAX];
    char *texts[RECIPIENTS_MAX + 4];
    size_t text_count;
    char *body;
    size_t length;
    size_t given;
    char *piece; /* the one that the engine may look at */
    bool fails;
    bool is_open;
};

enum manner {
    WHOLE,  /* a line at a time */
    PIECES, /* random pieces in and out */
    LAZY,   /* the same, but what is to be written waits at random */
    AT_ONCE /* all that the server will ever say is there before anything is written */
};

struct play {
    struct smtp_client *client;
    enum manner manner;
    uint64_t chance;
    int64_t now;
    struct buffer output;
    struct buffer events;
    struct buffer transcript; /* "> line\n", "< line\n", "= bytes\n" */
    struct send *sends[SENDS_MAX];
    size_t send_count;
    size_t asked; /* operations begun */
    size_t done;
    bool wants_tls;
    bool says_secret;  /* the script says it itself */
    bool has_raw;      /* raw bytes are not in the transcript */
    bool has_chance;   /* SCRAM makes up a nonce */
    bool has_big_body; /* chunks may be cut anywhere */
};

static void expect(bool is_so)
{
    if (!is_so)
        abort();
}

static size_t pick(struct play *play, size_t most)
{
    play->chance = play->chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return 1 + (size_t)(play->chance >> 33) % most;
}

/* In base64 a secret has three faces, one for each place in a group of three. */
static bool has_secret(struct bytes text, const char *secret)
{
    bool is_found = bytes_find(text, bytes_from_string(secret)) != BYTES_NOT_FOUND;
    for (size_t shift = 0; shift < 3 && !is_found; shift++) {
        AUTO(buffer)
        plain = BUFFER(TEXT_LIMIT);
        AUTO(buffer)
        encoded = BUFFER(TEXT_LIMIT);
        buffer_append(&plain, bytes_slice(BYTES("\0\0"), 0, shift));
        buffer_append_string(&plain, secret);
        base64_encode(buffer_bytes(&plain), &encoded);
        struct bytes face = bytes_slice(buffer_bytes(&encoded), 4, encoded.length - 8);
        is_found = bytes_find(text, face) != BYTES_NOT_FOUND;
    }
    return is_found;
}

/* ---- the transcript ---- */

static void keep_line(void *context, enum ph_trace_kind kind, const char *text, size_t length)
{
    static const char marks[] = "><=#";
    struct play *play = context;
    expect(strlen(text) == length);
    for (size_t i = 0; i < length; i++)
        expect((unsigned char)text[i] >= ' ' && text[i] != 0x7F);
    if (kind == PH_TRACE_RECEIVED && strncmp(text, "334", 3) == 0)
        expect(length <= 4 || strcmp(text, "334 ****") == 0);
    buffer_append_format(&play->transcript, "%c ", marks[kind]);
    buffer_append(&play->transcript, bytes_of(text, length));
    buffer_append_char(&play->transcript, '\n');
}

/* ---- bodies ---- */

static void free_send(struct send *send)
{
    for (size_t i = 0; i < send->text_count; i++)
        free(send->texts[i]);
    send->text_count = 0;
    free(send->body);
    free(send->piece);
    send->body = NULL;
    send->piece = NULL;
    send->is_open = false;
}

static char *copy_bytes(struct bytes bytes)
{
    char *copy = malloc(bytes.length + 1);
    expect(copy != NULL);
    if (bytes.length > 0)
        memcpy(copy, bytes.data, bytes.length);
    copy[bytes.length] = '\0';
    return copy;
}

/* The field as a string; what stands behind a NUL is lost, as in a caller's. */
static const char *keep_text(struct send *send, struct bytes field)
{
    char *copy = copy_bytes(bytes_slice(field, 0, FIELD_MAX));
    send->texts[send->text_count++] = copy;
    return copy;
}

static struct buffer expand(struct bytes text, size_t times)
{
    AUTO(buffer)
    once = BUFFER(TEXT_LIMIT);
    struct buffer out = BUFFER(TEXT_LIMIT);
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        if (c == '|')
            buffer_append(&once, BYTES("\r\n"));
        else
            buffer_append_char(&once, c == '~' ? '\n' : c == '^' ? '\r' : c);
    }
    for (size_t run = 0; run < times; run++)
        buffer_append(&out, buffer_bytes(&once));
    return out;
}

static struct send *find_send(struct play *play, const struct ph_transaction *transaction)
{
    for (size_t i = 0; i < play->send_count; i++) {
        if (&play->sends[i]->transaction == transaction)
            return play->sends[i];
    }
    abort();
}

/* The next third of the body, in memory of its own. */
static void give_piece(struct play *play, struct send *send)
{
    expect(send->is_open);
    free(send->piece);
    send->piece = NULL;
    if (send->fails && send->given > 0) {
        smtp_client_body_failed(play->client, 5, play->now);
        return;
    }
    struct bytes rest = bytes_of(send->body + send->given, send->length - send->given);
    struct bytes piece = bytes_slice(rest, 0, send->length / 3 + 1);
    char *copy = malloc(piece.length);
    if (piece.length > 0)
        memcpy(copy, piece.data, piece.length);
    send->piece = copy;
    send->given += piece.length;
    smtp_client_body(play->client, copy, piece.length, send->given == send->length, play->now);
}

/* ---- events ---- */

static void tell(struct play *play, const struct ph_event *event)
{
    struct buffer *out = &play->events;
    buffer_append_format(out, "%d %d %zu %d %hu.%hu.%hu ", (int)event->kind, (int)event->operation,
                         event->index, event->reply.code, event->reply.enhanced[0],
                         event->reply.enhanced[1], event->reply.enhanced[2]);
    if (event->reply.code != 0)
        buffer_append(out, bytes_of(event->reply.text, event->reply.text_length));
    if (event->kind == PH_EVENT_DONE) {
        expect(event->error != NULL);
        buffer_append_format(out, " error %d %d %d %d fate %d dropped %x closed %d",
                             (int)event->error->kind, event->error->reply_code,
                             (int)event->error->fate, event->error->retry, (int)event->fate,
                             event->dropped, event->is_closed);
        expect(event->is_closed == smtp_client_is_closed(play->client));
        expect(memchr(event->error->message, '\0', PH_ERROR_TEXT_SIZE) != NULL);
        expect(play->says_secret || strstr(event->error->message, password) == NULL);
        if (event->error->kind == PH_OK && event->operation == PH_OPERATION_TRANSACTION)
            expect(event->fate == PH_ACCEPTED);
    }
    buffer_append_char(out, '\n');
}

static void pull(struct play *play)
{
    struct ph_event event;
    while (smtp_client_next(play->client, &event)) {
        tell(play, &event);
        switch (event.kind) {
        case PH_EVENT_TLS_WANTED: {
            struct iovec slice;
            expect(smtp_client_output(play->client, &slice, 1) == 0);
            play->wants_tls = true;
            break;
        }
        case PH_EVENT_BODY_WANTED:
            give_piece(play, find_send(play, event.transaction));
            break;
        case PH_EVENT_DONE:
            play->done++;
            expect(play->done <= play->asked);
            if (event.transaction != NULL)
                free_send(find_send(play, event.transaction));
            break;
        default:
            expect(event.transaction != NULL && find_send(play, event.transaction)->is_open);
            break;
        }
    }
}

/* ---- bytes ---- */

static bool is_in_pieces(const struct play *play)
{
    return play->manner == PIECES || play->manner == LAZY;
}

static void drain(struct play *play)
{
    struct iovec slices[8];
    while (play->manner != LAZY || pick(play, 3) > 1) {
        size_t count =
            smtp_client_output(play->client, slices, play->manner == PIECES ? pick(play, 8) : 8);
        if (count == 0)
            return;
        expect(!smtp_client_is_closed(play->client));
        size_t length = 0;
        for (size_t i = 0; i < count; i++)
            length += slices[i].iov_len;
        size_t taken = is_in_pieces(play) ? pick(play, length) : length;
        for (size_t i = 0, left = taken; left > 0; i++) {
            size_t part = slices[i].iov_len < left ? slices[i].iov_len : left;
            buffer_append(&play->output, bytes_of(slices[i].iov_base, part));
            left -= part;
        }
        smtp_client_sent(play->client, taken, play->now);
        pull(play);
    }
}

/* The handshake comes when all that the server said before is read. */
static void start_tls(struct play *play)
{
    if (play->wants_tls)
        smtp_client_tls_started(play->client, NULL, play->now);
    play->wants_tls = false;
    pull(play);
}

/* A server that waits for what it answers says a line at a time. */
static size_t cut(struct play *play, struct bytes text)
{
    size_t end = bytes_find_char(text, '\n');
    size_t length = end == BYTES_NOT_FOUND ? text.length : end + 1;
    return play->manner == WHOLE ? length : is_in_pieces(play) ? pick(play, length) : text.length;
}

static void feed(struct play *play, struct bytes text)
{
    while (text.length > 0) {
        size_t length = cut(play, text);
        char *copy = malloc(length);
        expect(copy != NULL);
        memcpy(copy, text.data, length);
        size_t taken = smtp_client_feed(play->client, copy, length, play->now);
        free(copy);
        bool is_closed = smtp_client_is_closed(play->client);
        /* All events were pulled before, so something must be taken. */
        expect(taken <= length && (taken > 0 || is_closed));
        pull(play);
        if (play->manner != AT_ONCE)
            drain(play);
        if (is_closed)
            return;
        text = bytes_skip(text, taken);
    }
    start_tls(play);
    if (play->manner != AT_ONCE)
        drain(play);
}

/* ---- operations ---- */

static bool has_letter(struct bytes letters, char letter)
{
    return bytes_has_char(letters, letter);
}

static void fill_envelope(struct send *send, struct bytes letters, const char *sender)
{
    struct ph_transaction *transaction = &send->transaction;
    transaction->sender = sender;
    if (has_letter(letters, 'd'))
        transaction->return_content = PH_RETURN_FULL;
    if (has_letter(letters, 'h'))
        transaction->return_content = PH_RETURN_HEADERS;
    if (has_letter(letters, 'e'))
        transaction->envelope_id = sender;
    transaction->require_tls = has_letter(letters, 't');
    transaction->utf8_headers = has_letter(letters, 'u');
    if (has_letter(letters, 'y')) {
        transaction->deliver_by_seconds = 120;
        transaction->deliver_by_mode = has_letter(letters, 'Y') ? 'R' : 0;
        transaction->deliver_by_trace = true;
    }
    if (has_letter(letters, 'H'))
        transaction->hold_for_seconds = 3600;
    if (has_letter(letters, 'U'))
        transaction->hold_until = sender;
    transaction->has_priority = has_letter(letters, 'p');
    transaction->priority = -3;
    if (has_letter(letters, 'A'))
        transaction->authenticated_sender = sender;
    if (has_letter(letters, 'x'))
        transaction->parameters = sender;
    if (has_letter(letters, 'D'))
        transaction->demands = ~0u;
}

static void fill_recipients(struct send *send, struct bytes letters, struct bytes rest)
{
    size_t count = 0;
    size_t times = has_letter(letters, 'm') ? 16 : 1;
    while (rest.length > 0 && count + times <= RECIPIENTS_MAX) {
        struct bytes field;
        bytes_split(rest, '\t', &field, &rest);
        const char *address = keep_text(send, field);
        for (size_t i = 0; i < times; i++) {
            send->recipients[count++] = (struct ph_recipient){
                .address = address,
                .notify = has_letter(letters, 'n') ? PH_NOTIFY_SUCCESS | PH_NOTIFY_DELAY : 0,
                .original_recipient = has_letter(letters, 'o') ? address : NULL,
                .parameters = has_letter(letters, 'z') ? address : NULL,
            };
        }
    }
    send->transaction.recipients = send->recipients;
    send->transaction.recipient_count = count;
}

static void fill_body(struct play *play, struct send *send, struct bytes letters,
                      struct bytes field)
{
    struct buffer text = expand(field, has_letter(letters, 'Z')   ? 1000
                                       : has_letter(letters, 'X') ? 50
                                                                  : 1);
    struct ph_body *body = &send->transaction.body;
    /* Exactly as long as it is. */
    send->body = malloc(text.length);
    send->length = text.length;
    if (text.length > 0)
        memcpy(send->body, buffer_bytes(&text).data, text.length);
    buffer_clear(&text);
    play->has_big_body |= send->length > BODY_SAME_MAX;
    send->fails = has_letter(letters, 'F');
    body->kind = has_letter(letters, 'c') ? PH_BODY_CALLBACK : PH_BODY_MEMORY;
    body->data = send->body;
    body->length = send->length;
    body->size = has_letter(letters, 's') ? send->length : 0;
    body->content = has_letter(letters, 'b')   ? PH_CONTENT_BINARY
                    : has_letter(letters, '7') ? PH_CONTENT_7BIT
                    : has_letter(letters, '8') ? PH_CONTENT_8BIT
                                               : PH_CONTENT_UNKNOWN;
    body->line_ends = has_letter(letters, 'r') ? PH_LINE_ENDS_REFUSE : PH_LINE_ENDS_NORMALISE;
}

static bool make_transaction(struct play *play, struct bytes line, bool is_data_only,
                             struct ph_error *error)
{
    if (play->send_count == SENDS_MAX)
        return false;
    struct send *send = calloc(1, sizeof *send);
    expect(send != NULL);
    play->sends[play->send_count++] = send;
    struct bytes letters;
    struct bytes sender;
    struct bytes body;
    bytes_split(line, '\t', &letters, &line);
    bytes_split(line, '\t', &sender, &line);
    bytes_split(line, '\t', &body, &line);
    fill_envelope(send, letters, keep_text(send, sender));
    fill_recipients(send, letters, line);
    fill_body(play, send, letters, body);
    send->is_open = is_data_only
                        ? smtp_client_data(play->client, &send->transaction, play->now, error)
                        : smtp_client_send(play->client, &send->transaction, play->now, error);
    bool is_taken = send->is_open;
    if (!is_taken)
        free_send(send);
    return is_taken;
}

static bool make_login(struct play *play, struct bytes letters, struct ph_error *error)
{
    static const struct ph_login logins[] = {
        {.user = user, .password = password, .mechanisms = "PLAIN LOGIN CRAM-MD5"},
        {.user = user, .password = password, .mechanisms = "LOGIN PLAIN", .allow_cleartext = true},
        {.user = user, .password = password, .mechanisms = "CRAM-MD5", .allow_cleartext = true},
        {.user = user, .access_token = token},
        {.user = user, .access_token = token, .mechanisms = "XOAUTH2", .allow_cleartext = true},
        {.user = user, .access_token = token, .mechanisms = "OAUTHBEARER", .allow_cleartext = true},
        {.user = user, .mechanisms = "EXTERNAL"},
        {.user = user,
         .password = password,
         .mechanisms = "PLAIN LOGIN",
         .allow_cleartext = true,
         .no_initial_response = true},
        {.user = user, .password = password},
    };
    const size_t count = sizeof logins / sizeof logins[0];
    size_t which = letters.length == 0 ? 0 : (unsigned char)letters.data[0] % count;
    play->has_chance |= which == count - 1;
    return smtp_client_login(play->client, &logins[which], play->now, error);
}

static bool begin(struct play *play, char kind, struct bytes rest, struct ph_error *error)
{
    static const enum ph_hello hellos[] = {PH_HELLO_AUTOMATIC, PH_HELLO_EHLO, PH_HELLO_HELO,
                                           PH_HELLO_LHLO};
    char *text = copy_bytes(rest);
    size_t which = rest.length == 0 ? 0 : (unsigned char)rest.data[0] % 4;
    bool is_done = false;
    switch (kind) {
    case 'H':
        is_done = smtp_client_hello(play->client, hellos[which], NULL, play->now, error);
        break;
    case 'T':
        is_done = smtp_client_starttls(play->client, play->now, error);
        break;
    case 'L':
        is_done = make_login(play, rest, error);
        break;
    case 'M':
    case 'D':
        is_done = make_transaction(play, rest, kind == 'D', error);
        break;
    case 'C':
        is_done = smtp_client_command(play->client, text, NULL, play->now, error);
        break;
    case 'F':
        is_done = smtp_client_mail(play->client, text, NULL, play->now, error);
        break;
    case 'R':
        is_done = smtp_client_rcpt(play->client, text, NULL, play->now, error);
        break;
    case 'X':
        is_done = smtp_client_expect(play->client, play->now, error);
        break;
    case 'Q':
        is_done = smtp_client_quit(play->client, play->now, error);
        break;
    default:
        break;
    }
    free(text);
    return is_done;
}

static void say_raw(struct play *play, struct bytes text)
{
    play->has_raw = true;
    (void)smtp_client_raw(play->client, text.data, text.length, play->now, NULL);
}

static void operate(struct play *play, char kind, struct bytes rest)
{
    struct ph_error error = {.kind = PH_OK};
    switch (kind) {
    case 'E':
        smtp_client_end_of_input(play->client, 0, play->now);
        break;
    case 'K':
        play->now += rest.length == 0 ? 60000 : (int64_t)rest.length * 100000;
        smtp_client_tick(play->client, play->now);
        break;
    case 'W':
        say_raw(play, rest);
        break;
    default: {
        bool was_closed = smtp_client_is_closed(play->client);
        bool is_begun = begin(play, kind, rest, &error);
        play->asked += is_begun;
        expect(!was_closed || !is_begun);
        buffer_append_format(&play->events, "asked %c %d %d\n", kind, is_begun,
                             is_begun ? 0 : (int)error.kind);
        break;
    }
    }
}

/* ---- playing ---- */

static void make_client(struct play *play, struct bytes letters)
{
    struct ph_engine_options options = {
        .hello_name = "client.example",
        .server_name = "mx.example",
        .server_port = 587,
        .lmtp = has_letter(letters, 'l'),
        .is_encrypted = has_letter(letters, 'e'),
        .no_pipelining = has_letter(letters, 'p'),
        .no_chunking = has_letter(letters, 'c'),
        .bodies_in_flight = has_letter(letters, 'f'),
        .trace = keep_line,
        .trace_context = play,
    };
    play->client = smtp_client_new(&options, play->now, NULL);
    expect(play->client != NULL);
    play->asked = 1;
}

static void step(struct play *play, struct bytes line, struct buffer *later)
{
    char kind = line.data[0];
    struct bytes rest = bytes_skip(line, 1);
    if (kind != 'S' && kind != 's') {
        operate(play, kind, rest);
        pull(play);
        if (play->manner != AT_ONCE)
            drain(play);
        return;
    }
    struct buffer text = kind == 'S' ? BUFFER(TEXT_LIMIT) : expand(rest, 1);
    if (kind == 'S') {
        buffer_append(&text, rest);
        buffer_append(&text, BYTES("\r\n"));
    }
    if (play->manner == AT_ONCE)
        buffer_append(later, buffer_bytes(&text));
    else
        feed(play, buffer_bytes(&text));
    buffer_clear(&text);
}

/* With AT_ONCE the server speaks whenever the host has nothing more to ask. */
static void play_script(struct play *play, struct bytes script)
{
    AUTO(buffer)
    later = BUFFER(TEXT_LIMIT);
    struct bytes line;
    struct bytes letters = BYTES("");
    if (script.length > 0 && script.data[0] == 'P')
        bytes_split(script, '\n', &letters, &script);
    make_client(play, letters);
    pull(play);
    for (size_t count = 0; script.length > 0 && count < STEPS_MAX; count++) {
        bytes_split(script, '\n', &line, &script);
        if (line.length == 0)
            continue;
        bool is_server = line.data[0] == 'S' || line.data[0] == 's';
        if (!is_server && later.length > 0) {
            feed(play, buffer_bytes(&later));
            buffer_reset(&later);
        }
        step(play, line, &later);
    }
    feed(play, buffer_bytes(&later));
    play->manner = play->manner == LAZY ? PIECES : play->manner;
    drain(play);
}

/* ---- what must be so at the end ---- */

/* One body as it stood on the wire (RFC 5321 2.3.8, 4.5.2). */
static void check_data(struct bytes body)
{
    bool is_line_start = true;
    for (size_t i = 0; i < body.length; i++) {
        char c = body.data[i];
        char next = i + 1 < body.length ? body.data[i + 1] : '\0';
        bool is_last = i + 1 == body.length;
        expect(c != '\n' || (i > 0 && body.data[i - 1] == '\r'));
        expect(c != '\r' || next == '\n' || is_last);
        expect(c != '.' || !is_line_start || next == '.' || is_last);
        if (c == '.' && is_line_start)
            i++;
        is_line_start = c == '\n';
    }
}

/* A line of the transcript that the client sent, against the output. */
static void match_line(struct bytes said, struct bytes *output)
{
    bool is_cut = bytes_ends_with(said, BYTES("****"));
    struct bytes start = is_cut ? bytes_slice(said, 0, said.length - 4) : said;
    size_t end = bytes_find(*output, BYTES("\r\n"));
    expect(end != BYTES_NOT_FOUND);
    struct bytes line = bytes_slice(*output, 0, end);
    expect(is_cut ? bytes_starts_with(line, start)
                  : bytes_equal(bytes_trim_end(line), bytes_trim_end(said)));
    *output = bytes_skip(*output, end + 2);
}

/* The output is what the transcript says. What was dropped when the connection was lost is missing
   at its end. */
static void check_output(const struct play *play)
{
    struct bytes output = buffer_bytes(&play->output);
    struct bytes transcript = buffer_bytes(&play->transcript);
    bool is_data = false;
    while (transcript.length > 0 && output.length > 0) {
        struct bytes line;
        bytes_split(transcript, '\n', &line, &transcript);
        struct bytes text = bytes_slice(line, 2, line.length);
        if (line.data[0] == '>' && bytes_equal(text, BYTES("DATA")))
            is_data = true;
        if (line.data[0] == '>' && bytes_starts_with(text, BYTES("BDAT ")))
            is_data = false;
        if (line.data[0] == '=') {
            unsigned long long count = strtoull(text.data + 1, NULL, 10);
            struct bytes body = bytes_slice(output, 0, (size_t)count);
            output = bytes_skip(output, body.length);
            if (!is_data || body.length < count)
                continue;
            check_data(body);
            /* The end that the last line lacked. */
            if (bytes_starts_with(output, BYTES("\r\n")) || bytes_starts_with(output, BYTES("\n")))
                output = bytes_skip(output, output.data[0] == '\r' ? 2 : 1);
        }
        if (line.data[0] == '>') {
            if (bytes_find(output, BYTES("\r\n")) == BYTES_NOT_FOUND)
                return;
            match_line(text, &output);
        }
    }
    /* A body that did not come to its end has no line in the transcript. */
    expect(output.length == 0 || smtp_client_is_closed(play->client) || is_data);
    check_data(is_data ? output : BYTES(""));
}

static void check_secrets(const struct play *play)
{
    struct bytes transcript = buffer_bytes(&play->transcript);
    AUTO(buffer)
    sent = BUFFER(TEXT_LIMIT);
    if (play->says_secret)
        return;
    while (transcript.length > 0) {
        struct bytes line;
        bytes_split(transcript, '\n', &line, &transcript);
        if (line.data[0] == '>')
            buffer_append(&sent, line);
    }
    expect(!has_secret(buffer_bytes(&sent), password) && !has_secret(buffer_bytes(&sent), token));
}

static void end_play(struct play *play)
{
    if (!play->has_raw)
        check_output(play);
    check_secrets(play);
    buffer_append_format(&play->events, "closed %d idle %d\n", smtp_client_is_closed(play->client),
                         smtp_client_is_idle(play->client));
    smtp_client_end_of_input(play->client, 0, play->now);
    pull(play);
    struct iovec slice;
    expect(smtp_client_is_closed(play->client) && smtp_client_is_idle(play->client));
    expect(smtp_client_output(play->client, &slice, 1) == 0);
    expect(smtp_client_deadline(play->client) == INT64_MAX);
    expect(smtp_client_feed(play->client, "220 x\r\n", 7, play->now) == 0);
    expect(play->done == play->asked);
    smtp_client_free(play->client);
    for (size_t i = 0; i < play->send_count; i++) {
        free_send(play->sends[i]);
        free(play->sends[i]);
    }
}

static void clear_play(struct play *play)
{
    buffer_clear(&play->output);
    buffer_clear(&play->events);
    buffer_clear(&play->transcript);
}

static struct play run(struct bytes script, enum manner manner)
{
    struct play play = {
        .manner = manner,
        .chance = script.length,
        .now = 1000000,
        .says_secret = has_secret(script, password) || has_secret(script, token),
        .output = BUFFER(TEXT_LIMIT),
        .events = BUFFER(TEXT_LIMIT),
        .transcript = BUFFER(TEXT_LIMIT),
    };
    play_script(&play, script);
    end_play(&play);
    return play;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes script = bytes_of(data, size);
    struct play whole = run(script, WHOLE);
    struct play pieces = run(script, PIECES);
    struct play lazy = run(script, LAZY);
    struct play at_once = run(script, AT_ONCE);
    if (!whole.has_chance && !whole.has_big_body) {
        expect(bytes_equal(buffer_bytes(&whole.output), buffer_bytes(&pieces.output)));
        expect(bytes_equal(buffer_bytes(&whole.events), buffer_bytes(&pieces.events)));
        expect(bytes_equal(buffer_bytes(&whole.transcript), buffer_bytes(&pieces.transcript)));
    }
    clear_play(&whole);
    clear_play(&pieces);
    clear_play(&lazy);
    clear_play(&at_once);
    return 0;
}
