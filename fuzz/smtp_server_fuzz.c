/* The server engine against any client. The input is a talk (tests/dialogue/README.md), read
   without complaint: `option:` lines make the server, `C:` and `c:` lines are what the client says,
   `A:` lines are the host's answers in their order, `O: time` and `O: stop` what they say; S, E, K,
   D and comments are skipped. Any other line is said as it stands, with its bare LF.

   Laws: the client's bytes whole or in pieces give the same replies and the same events. A body
   that is told whole has CRLF alone and no NUL, unless it is binary, is not larger than allowed,
   and comes behind a sender and a recipient that the host took. Every reply is lines of its code.
   Nothing is told or said behind the end. */
#include "smtp/smtp_server.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/auto.h"
#include "base/buffer.h"
#include "base/scan.h"
#include "talk_script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    TEXT_LIMIT = 1 << 24,  /* far more than any input becomes */
    ANSWERS_MAX = 64,      /* of the host; then it says 250 to everything */
    PIECE_MAX = 64,        /* bytes of a piece */
    TIME_MAX = 1000 * 1000 /* milliseconds that one step may last */
};

struct play {
    struct smtp_server *server;
    struct smtp_server_limits limits;
    bool is_lmtp;
    bool is_in_pieces;
    uint64_t chance;
    int64_t now;
    struct bytes answers[ANSWERS_MAX];
    size_t answer_count;
    size_t answer_next;
    struct buffer said; /* by the client, since the last step */
    struct buffer output;
    struct buffer events;
    struct buffer body;
    bool is_binary;
    bool has_sender;
    unsigned recipients;
    bool wants_tls;
    bool is_closed;
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

/* ---- the host ---- */

static void drain(struct play *play)
{
    struct bytes output = smtp_server_output(play->server);
    while (output.length > 0) {
        size_t count = play->is_in_pieces ? pick(play, output.length) : output.length;
        buffer_append(&play->output, bytes_slice(output, 0, count));
        smtp_server_sent(play->server, count, play->now);
        output = smtp_server_output(play->server);
    }
}

static void forget_transaction(struct play *play)
{
    play->has_sender = false;
    play->recipients = 0;
    buffer_reset(&play->body);
}

static void check_body(const struct play *play)
{
    struct bytes body = buffer_bytes(&play->body);
    expect(play->has_sender && play->recipients > 0);
    expect(body.length <= play->limits.size);
    for (size_t i = 0; i < body.length && !play->is_binary; i++) {
        char c = body.data[i];
        expect(c != '\0');
        expect(c != '\r' || (i + 1 < body.length && body.data[i + 1] == '\n'));
        expect(c != '\n' || (i > 0 && body.data[i - 1] == '\r'));
    }
}

/* Code, enhanced code and text of the next answer, in memory of its own. */
static void answer(struct play *play, struct bytes next, enum smtp_server_event_kind kind)
{
    struct scan scan = scan_of(next);
    uint64_t code = 250;
    char text[64];
    scan_take_number(&scan, 559, &code);
    if (code < 200 || code / 100 == 3)
        code = 250;
    snprintf(text, sizeof text, "%.*s", (int)(scan_rest(&scan).length % 50),
             scan_rest(&scan).data == NULL ? "" : scan_rest(&scan).data);
    struct smtp_server_reply reply = {(int)code, code >= 500 ? "5.0.0" : NULL, text};
    bool is_taken = code < 300;
    if (kind == SMTP_SERVER_MAIL)
        play->has_sender = is_taken;
    if (kind == SMTP_SERVER_RCPT && is_taken)
        play->recipients++;
    smtp_server_answer(play->server, &reply, play->now);
}

static void answer_auth(struct play *play, struct bytes next)
{
    if (bytes_starts_with(next, BYTES("challenge")))
        smtp_server_challenge(play->server, next, play->now);
    else if (bytes_starts_with(next, BYTES("authenticated")))
        smtp_server_authenticated(play->server, bytes_skip(next, 13), play->now);
    else
        answer(play, next.length == 0 ? BYTES("535") : next, SMTP_SERVER_AUTH);
}

/* The engine has said 421. */
static bool is_over(const struct play *play)
{
    return !smtp_server_is_answer_owed(play->server) && smtp_server_deadline(play->server) == 0;
}

static void settle(struct play *play, enum smtp_server_event_kind kind)
{
    unsigned answers = 0;
    for (; smtp_server_is_answer_owed(play->server); answers++) {
        struct bytes next = BYTES("");
        if (play->answer_next < play->answer_count)
            next = play->answers[play->answer_next++];
        if (kind == SMTP_SERVER_AUTH || kind == SMTP_SERVER_AUTH_RESPONSE)
            answer_auth(play, next);
        else
            answer(play, next, kind);
    }
    if (kind != SMTP_SERVER_END)
        return;
    expect(answers == (play->is_lmtp ? play->recipients : 1) ||
           (is_over(play) && answers < play->recipients));
    forget_transaction(play);
}

static void keep_event(struct play *play, const struct smtp_server_event *event)
{
    struct buffer *events = &play->events;
    if (event->kind == SMTP_SERVER_END)
        buffer_append(events, buffer_bytes(&play->body));
    buffer_append_format(events, "\n%d %d %llu %d %d %d %u %s\n", event->kind, event->is_extended,
                         (unsigned long long)event->size, event->body, event->is_utf8,
                         event->return_content, event->notify,
                         event->reason == NULL ? "" : event->reason);
    const struct bytes texts[] = {event->name,    event->mechanism,   event->response,
                                  event->address, event->envelope_id, event->original_recipient};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        buffer_append(events, texts[i]);
        buffer_append_char(events, texts[i].data == NULL ? '-' : '|');
    }
}

static void hear_event(struct play *play, const struct smtp_server_event *event)
{
    expect(!play->is_closed);
    if (event->kind == SMTP_SERVER_BODY) {
        expect(play->has_sender && play->recipients > 0 && event->piece.length > 0);
        buffer_append(&play->body, event->piece);
        return;
    }
    if (event->kind == SMTP_SERVER_END)
        check_body(play);
    keep_event(play, event);
    play->is_closed = event->kind == SMTP_SERVER_CLOSED;
    play->wants_tls |= event->kind == SMTP_SERVER_TLS_WANTED;
    if (event->kind == SMTP_SERVER_MAIL) {
        forget_transaction(play);
        play->is_binary = event->body == SMTP_SERVER_BINARY;
    }
    if (event->kind == SMTP_SERVER_REFUSED_BODY || event->kind == SMTP_SERVER_RESET)
        forget_transaction(play);
    settle(play, event->kind);
}

static void pull(struct play *play)
{
    struct smtp_server_event event;
    while (smtp_server_next(play->server, &event))
        hear_event(play, &event);
    drain(play);
}

/* ---- the client ---- */

static void sleep_to_deadline(struct play *play)
{
    int64_t deadline = smtp_server_deadline(play->server);
    expect(deadline > play->now);
    play->now = deadline;
    smtp_server_tick(play->server, play->now);
    pull(play);
}

/* Where nothing is taken a reply is being delayed: time goes on. */
static size_t feed(struct play *play, struct bytes in)
{
    char *copy = malloc(in.length);
    memcpy(copy, in.data, in.length);
    size_t taken = smtp_server_feed(play->server, bytes_of(copy, in.length), play->now);
    pull(play);
    free(copy);
    expect(taken <= in.length);
    if (taken == 0 && !smtp_server_wants_input(play->server))
        sleep_to_deadline(play);
    return taken;
}

/* What the client has said since the last step arrives. */
static void arrive(struct play *play)
{
    struct bytes rest = buffer_bytes(&play->said);
    unsigned stalls = 0;
    while (rest.length > 0) {
        size_t most = rest.length < PIECE_MAX ? rest.length : PIECE_MAX;
        size_t count = play->is_in_pieces ? pick(play, most) : rest.length;
        size_t taken = feed(play, bytes_slice(rest, 0, count));
        stalls = taken == 0 ? stalls + 1 : 0;
        expect(stalls < 4);
        rest = bytes_skip(rest, taken);
    }
    buffer_reset(&play->said);
    if (play->wants_tls && !smtp_server_is_closed(play->server))
        smtp_server_tls_started(play->server, "PLAIN LOGIN", play->now);
    play->wants_tls = false;
    pull(play);
}

/* Clients' lines that stand together arrive together; whatever else stands between parts them. */
static void step(struct play *play, struct bytes line)
{
    struct bytes text = talk_script_text(line);
    uint64_t time;
    if (talk_script_say(line, &play->said))
        return;
    arrive(play);
    struct scan scan = scan_of(text);
    if (line.data[0] != 'O')
        return;
    if (scan_take_literal(&scan, BYTES("time ")) && scan_take_number(&scan, TIME_MAX, &time)) {
        play->now += (int64_t)time;
        smtp_server_tick(play->server, play->now);
    } else if (bytes_equal(text, BYTES("stop"))) {
        smtp_server_stop(play->server, play->now);
    }
    pull(play);
}

/* ---- plays ---- */

static unsigned option_number(struct bytes options, const char *key)
{
    return talk_script_option_number(options, key, TIME_MAX);
}

static void make_server(struct play *play, struct bytes options)
{
    struct fault fault;
    play->limits = (struct smtp_server_limits){
        .recipients = option_number(options, "recipients="),
        .messages = option_number(options, "messages="),
        .commands = option_number(options, "commands="),
        .errors_soft = option_number(options, "errors-soft="),
        .errors = option_number(options, "errors="),
        .auth_failures = option_number(options, "auth-failures="),
        .size = option_number(options, " size="),
        .idle = option_number(options, "idle="),
        .session = option_number(options, "session="),
    };
    struct smtp_server_options server_options = {
        .name = "mx.example",
        .peer = "192.0.2.1",
        .is_lmtp = talk_script_has_option(options, "lmtp"),
        .is_submission = talk_script_has_option(options, "submission"),
        .has_tls_at_hand = talk_script_has_option(options, " tls"),
        .needs_tls = talk_script_has_option(options, "needs-tls"),
        .is_implicit_tls = talk_script_has_option(options, "implicit-tls"),
        .mechanisms =
            talk_script_has_option(options, "mechanisms=") ? "PLAIN LOGIN SCRAM-SHA-256" : NULL,
        .limits = play->limits,
    };
    play->is_lmtp = server_options.is_lmtp;
    play->wants_tls = server_options.is_implicit_tls;
    if (play->limits.size == 0)
        play->limits.size = SMTP_SERVER_SIZE_MAX;
    play->server = smtp_server_new(&server_options, play->now, &fault);
    expect(play->server != NULL);
}

/* What must be known before the first step: the options, and the answers. */
static void prepare(struct play *play, struct bytes script)
{
    AUTO(buffer)
    options = BUFFER(TEXT_LIMIT);
    struct bytes line;
    talk_script_options(script, &options);
    while (script.length > 0) {
        bytes_split(script, '\n', &line, &script);
        if (bytes_starts_with(line, BYTES("A: ")) && play->answer_count < ANSWERS_MAX &&
            !bytes_starts_with(line, BYTES("A: tls-started")))
            play->answers[play->answer_count++] = bytes_skip(line, 3);
    }
    make_server(play, buffer_bytes(&options));
}

static void run(struct play *play, struct bytes script, bool is_in_pieces, uint64_t chance)
{
    *play = (struct play){.is_in_pieces = is_in_pieces,
                          .chance = chance,
                          .now = 1000,
                          .said = BUFFER(TEXT_LIMIT),
                          .output = BUFFER(TEXT_LIMIT),
                          .events = BUFFER(TEXT_LIMIT),
                          .body = BUFFER(TEXT_LIMIT)};
    struct bytes line;
    prepare(play, script);
    pull(play);
    while (script.length > 0) {
        bytes_split(script, '\n', &line, &script);
        step(play, line);
    }
    arrive(play);
    /* A reply that is being delayed comes out, or silence ends the session. */
    if (!play->is_closed)
        sleep_to_deadline(play);
    expect(smtp_server_is_closed(play->server) == play->is_closed);
    expect(!play->is_closed || smtp_server_output(play->server).length == 0);
}

static void clear(struct play *play)
{
    smtp_server_free(play->server);
    buffer_clear(&play->said);
    buffer_clear(&play->output);
    buffer_clear(&play->events);
    buffer_clear(&play->body);
}

/* Lines of three digits, a hyphen where more of the reply follows, no control characters. */
static void check_replies(struct bytes output)
{
    struct bytes code = BYTES("");
    struct bytes line;
    while (output.length > 0) {
        size_t end = bytes_find(output, BYTES("\r\n"));
        expect(end != BYTES_NOT_FOUND && end >= 4);
        line = bytes_slice(output, 0, end);
        output = bytes_skip(output, end + 2);
        expect(!bytes_has_control(line) && (line.data[3] == ' ' || line.data[3] == '-'));
        expect(code.length == 0 || bytes_equal(code, bytes_slice(line, 0, 3)));
        code = line.data[3] == '-' ? bytes_slice(line, 0, 3) : BYTES("");
    }
    expect(code.length == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct play whole;
    struct play pieces;
    struct bytes script = bytes_of(data, size);
    run(&whole, script, false, 0);
    run(&pieces, script, true, size);
    expect(bytes_equal(buffer_bytes(&whole.output), buffer_bytes(&pieces.output)));
    expect(bytes_equal(buffer_bytes(&whole.events), buffer_bytes(&pieces.events)));
    check_replies(buffer_bytes(&whole.output));
    clear(&whole);
    clear(&pieces);
    return 0;
}
