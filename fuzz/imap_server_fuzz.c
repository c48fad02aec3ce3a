/* The IMAP server engine, and the parser of commands below it, against any client. The input is a
   talk (tests/dialogue/README.md), read without complaint: `option:` lines make the server, `C:`
   and `c:` lines are what the client says, `A:` lines are the host's answers in their order, `O:
   time`, `O: stop` and `O: bye` what they say; S, E, K, D and comments are skipped. Any other line
   is said as it stands, with its bare LF.

   Laws: the client's bytes whole or in pieces give the same output and the same events. A message
   of APPEND is as long as it was announced and has no NUL unless it is a literal8; it is told to
   its end or told to be broken. While an answer is owed nothing is taken. The output is whole lines
   without control characters, each of them untagged, a continuation, or tagged. Nothing is told or
   said behind the end. */
#include "imap/imap_server.h"

#include <stdlib.h>

#include "base/auto.h"
#include "base/scan.h"
#include "talk_script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    TEXT_LIMIT = 1 << 24,  /* far more than any input becomes */
    ANSWERS_MAX = 64,      /* of the host; then it says OK to everything */
    PIECE_MAX = 64,        /* bytes of a piece */
    TIME_MAX = 1000 * 1000 /* milliseconds that one step may last */
};

struct play {
    struct imap_server *server;
    bool is_in_pieces;
    uint64_t chance;
    int64_t now;
    struct bytes answers[ANSWERS_MAX];
    size_t answer_count;
    size_t answer_next;
    struct buffer said; /* by the client, since the last step */
    struct buffer output;
    struct buffer events;
    struct buffer message; /* of APPEND */
    bool is_message_open;
    bool is_binary;
    uint64_t message_left;
    size_t messages;
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
    struct bytes output;
    while ((output = imap_server_output(play->server)).length > 0) {
        size_t count = play->is_in_pieces ? pick(play, output.length) : output.length;
        buffer_append(&play->output, bytes_slice(output, 0, count));
        imap_server_sent(play->server, count, play->now);
    }
}

/* Words of a mutated talk are not the host's: only printable ones are said. */
static void keep_printable(struct bytes text, struct buffer *out)
{
    for (size_t i = 0; i < text.length; i++)
        buffer_append_char(out, text.data[i] < ' ' || text.data[i] > '~' ? '?' : text.data[i]);
}

static void write_text(struct play *play, struct bytes text)
{
    AUTO(buffer)
    own = BUFFER(TEXT_LIMIT);
    bool is_taken = bytes_starts_with(text, BYTES("take"));
    struct buffer *out = is_taken ? &own : imap_server_text(play->server);
    buffer_append(out, BYTES("* "));
    keep_printable(text, out);
    buffer_append(out, BYTES("\r\n"));
    if (is_taken)
        imap_server_take_text(play->server, &own);
    expect(!is_taken || own.length == 0);
}

static void finish(struct play *play, struct bytes answer)
{
    AUTO(buffer)
    text = BUFFER(TEXT_LIMIT);
    enum imap_status status = bytes_starts_with(answer, BYTES("no"))    ? IMAP_NO
                              : bytes_starts_with(answer, BYTES("bad")) ? IMAP_BAD
                                                                        : IMAP_OK;
    struct bytes code =
        bytes_find(answer, BYTES("code=")) == BYTES_NOT_FOUND ? BYTES("") : BYTES("LIMIT");
    buffer_append(&text, bytes_slice(answer, 0, 50));
    const char *words = buffer_string(&text);
    expect(words != NULL);
    imap_server_finish(play->server, status, code, words, play->now);
}

static void answer_login(struct play *play, struct bytes answer)
{
    if (bytes_starts_with(answer, BYTES("challenge")))
        imap_server_login_challenge(play->server, bytes_skip(answer, 9), play->now);
    else if (bytes_starts_with(answer, BYTES("logged-in")))
        imap_server_login_done(play->server, bytes_skip(answer, 9), play->now);
    else
        finish(play, BYTES("no"));
    /* A challenge is none to LOGIN. */
    if (imap_server_is_answer_owed(play->server))
        imap_server_login_done(play->server, BYTES(""), play->now);
}

static void answer_append(struct play *play, const struct imap_server_event *event,
                          struct bytes answer)
{
    expect(!play->is_message_open && event->index == play->messages);
    expect(event->append->size > 0 && event->append->size <= IMAP_SERVER_APPEND_MAX);
    if (bytes_starts_with(answer, BYTES("no"))) {
        play->messages = 0;
        finish(play, answer);
        return;
    }
    play->is_message_open = true;
    play->is_binary = event->append->is_binary;
    play->message_left = event->append->size;
    play->messages++;
    imap_server_append_go(play->server, play->now);
}

static struct bytes next_answer(struct play *play)
{
    struct bytes answer = BYTES("");
    while (play->answer_next < play->answer_count) {
        answer = play->answers[play->answer_next++];
        if (!bytes_starts_with(answer, BYTES("text")) && !bytes_starts_with(answer, BYTES("take")))
            return answer;
        write_text(play, answer);
    }
    return BYTES("");
}

static void settle(struct play *play, const struct imap_server_event *event)
{
    expect(imap_server_feed(play->server, BYTES("x NOOP\r\n"), play->now) == 0);
    struct bytes answer = next_answer(play);
    switch (event->kind) {
    case IMAP_SERVER_LOGIN:
    case IMAP_SERVER_AUTH:
    case IMAP_SERVER_AUTH_RESPONSE:
        answer_login(play, answer);
        break;
    case IMAP_SERVER_APPEND:
        answer_append(play, event, answer);
        break;
    default:
        expect(event->kind == IMAP_SERVER_COMMAND || event->kind == IMAP_SERVER_IDLE_DONE ||
               event->kind == IMAP_SERVER_APPEND_DONE);
        play->messages = 0;
        finish(play, answer);
        break;
    }
    expect(!imap_server_is_answer_owed(play->server));
}

/* ---- events ---- */

static void hear_piece(struct play *play, struct bytes piece)
{
    expect(play->is_message_open && piece.length > 0 && piece.length <= play->message_left);
    expect(play->is_binary || !bytes_has_char(piece, '\0'));
    play->message_left -= piece.length;
    buffer_append(&play->message, piece);
}

static void keep_event(struct play *play, const struct imap_server_event *event)
{
    const struct bytes texts[] = {event->user, event->password, event->mechanism, event->response};
    buffer_append_format(&play->events, "\n%d %zu %u %d %s\n", (int)event->kind, event->index,
                         imap_server_enabled(play->server), imap_server_is_selected(play->server),
                         event->reason == NULL ? "" : event->reason);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        buffer_append(&play->events, texts[i]);
        buffer_append_char(&play->events, texts[i].data == NULL ? '-' : '|');
    }
    if (event->command == NULL)
        return;
    buffer_append_string(&play->events, imap_verb_name(event->command->verb));
    buffer_append(&play->events, event->command->mailbox);
    buffer_append(&play->events, event->command->new_name);
}

static void hear_event(struct play *play, const struct imap_server_event *event)
{
    expect(!play->is_closed);
    if (event->kind == IMAP_SERVER_APPEND_PIECE) {
        hear_piece(play, event->piece);
        return;
    }
    /* A message that was begun is ended, broken, or goes with the session. */
    expect(!play->is_message_open || event->kind == IMAP_SERVER_CLOSED ||
           event->kind == IMAP_SERVER_APPEND_BROKEN || play->message_left == 0);
    expect(event->kind != IMAP_SERVER_APPEND_END || play->is_message_open);
    expect(event->kind != IMAP_SERVER_APPEND_BROKEN || play->messages > 0);
    if (event->kind == IMAP_SERVER_APPEND_BROKEN)
        play->messages = 0;
    play->is_message_open = false;
    /* How much came before it was broken depends on the pieces. */
    if (event->kind == IMAP_SERVER_APPEND_END)
        buffer_append(&play->events, buffer_bytes(&play->message));
    buffer_reset(&play->message);
    keep_event(play, event);
    play->is_closed = event->kind == IMAP_SERVER_CLOSED;
    expect(play->is_closed == imap_server_is_closed(play->server) || !play->is_closed);
    if (imap_server_is_answer_owed(play->server))
        settle(play, event);
}

static void pull(struct play *play)
{
    struct imap_server_event event;
    while (imap_server_next(play->server, &event))
        hear_event(play, &event);
    drain(play);
    while (imap_server_next(play->server, &event))
        hear_event(play, &event);
}

/* ---- the client ---- */

static size_t feed(struct play *play, struct bytes in)
{
    char *copy = malloc(in.length); /* so that a step beyond is seen */
    expect(copy != NULL);
    memcpy(copy, in.data, in.length);
    size_t taken = imap_server_feed(play->server, bytes_of(copy, in.length), play->now);
    pull(play);
    free(copy);
    expect(taken <= in.length);
    return taken;
}

/* What the client has said since the last step arrives. */
static void arrive(struct play *play)
{
    struct bytes rest = buffer_bytes(&play->said);
    unsigned stalls = 0;
    while (rest.length > 0 && !imap_server_is_closed(play->server) &&
           !imap_server_wants_compression(play->server)) {
        size_t most = rest.length < PIECE_MAX ? rest.length : PIECE_MAX;
        size_t count = play->is_in_pieces ? pick(play, most) : rest.length;
        size_t taken = feed(play, bytes_slice(rest, 0, count));
        stalls = taken == 0 ? stalls + 1 : 0;
        expect(stalls < 4);
        rest = bytes_skip(rest, taken);
        if (imap_server_wants_compression(play->server)) {
            imap_server_compressed(play->server, play->now);
            pull(play);
        }
    }
    buffer_reset(&play->said);
    if (imap_server_wants_tls(play->server))
        imap_server_tls_started(play->server, "PLAIN LOGIN", play->now);
    pull(play);
}

/* Clients' lines that stand together arrive together; whatever else stands between parts them. */
static void step(struct play *play, struct bytes line)
{
    struct bytes text = talk_script_text(line);
    struct scan scan = scan_of(text);
    uint64_t time;
    if (talk_script_say(line, &play->said))
        return;
    arrive(play);
    if (line.data[0] == 'O' && scan_take_literal(&scan, BYTES("time ")) &&
        scan_take_number(&scan, TIME_MAX, &time)) {
        play->now += (int64_t)time;
        imap_server_tick(play->server, play->now);
    } else if (line.data[0] == 'O' && bytes_equal(text, BYTES("stop"))) {
        imap_server_stop(play->server, play->now);
    } else if (line.data[0] == 'O' && bytes_starts_with(text, BYTES("bye"))) {
        imap_server_bye(play->server, "UNAVAILABLE", "No more", play->now);
    }
    pull(play);
}

/* ---- plays ---- */

static unsigned number_of(struct bytes options, const char *key)
{
    return talk_script_option_number(options, key, TIME_MAX);
}

/* What has been said already when the talk begins. */
static void say_before(struct play *play, struct bytes options)
{
    bool is_selected = talk_script_has_option(options, " selected");
    bool has_rev2 = talk_script_has_option(options, " rev2");
    bool has_qresync = talk_script_has_option(options, " qresync");
    if (is_selected || has_rev2 || has_qresync || talk_script_has_option(options, " logged-in")) {
        buffer_append(&play->said, BYTES("x LOGIN ann secret\r\n"));
        play->answers[play->answer_count++] = BYTES("logged-in");
    }
    if (has_rev2)
        buffer_append(&play->said, BYTES("x ENABLE IMAP4rev2\r\n"));
    if (has_qresync)
        buffer_append(&play->said, BYTES("x ENABLE QRESYNC\r\n"));
    if (is_selected) {
        buffer_append(&play->said, BYTES("x SELECT INBOX\r\n"));
        play->answers[play->answer_count++] = BYTES("ok");
    }
}

static void make_server(struct play *play, struct bytes options)
{
    struct imap_server_options server_options = {
        .name = "mx.example",
        .version = "1.2",
        .has_tls_at_hand = talk_script_has_option(options, " tls"),
        .is_implicit_tls = talk_script_has_option(options, "implicit-tls"),
        .allows_clear = talk_script_has_option(options, " clear") || play->said.length > 0,
        .mechanisms = talk_script_has_option(options, "mechanisms=") ? "PLAIN LOGIN" : NULL,
        .limits = {.commands_early = number_of(options, "commands-early="),
                   .errors = number_of(options, " errors="),
                   .auth_failures = number_of(options, "failures="),
                   .append_size = number_of(options, "append-size="),
                   .idle_early = number_of(options, "idle-early="),
                   .idle = number_of(options, " idle=")},
    };
    play->server = imap_server_new(&server_options, play->now, NULL);
    expect(play->server != NULL);
    if (server_options.is_implicit_tls)
        imap_server_tls_started(play->server, "PLAIN LOGIN", play->now);
}

static void prepare(struct play *play, struct bytes script)
{
    AUTO(buffer)
    options = BUFFER(TEXT_LIMIT);
    struct bytes line;
    talk_script_options(script, &options);
    say_before(play, buffer_bytes(&options));
    while (script.length > 0) {
        bytes_split(script, '\n', &line, &script);
        bool is_answer = bytes_starts_with(line, BYTES("A: ")) &&
                         !bytes_starts_with(line, BYTES("A: tls-started")) &&
                         !bytes_starts_with(line, BYTES("A: compressed"));
        if (is_answer && play->answer_count < ANSWERS_MAX)
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
                          .message = BUFFER(TEXT_LIMIT)};
    struct bytes line;
    prepare(play, script);
    pull(play);
    arrive(play);
    while (script.length > 0) {
        bytes_split(script, '\n', &line, &script);
        step(play, line);
    }
    arrive(play);
    expect(imap_server_is_closed(play->server) == play->is_closed);
}

/* ---- what must be so at the end ---- */

/* A tag has none of what untagged responses and continuations begin with. */
static void check_output(struct bytes output)
{
    while (output.length > 0) {
        size_t end = bytes_find(output, BYTES("\r\n"));
        expect(end != BYTES_NOT_FOUND && end >= 2);
        struct bytes line = bytes_slice(output, 0, end);
        struct bytes tag;
        struct bytes rest;
        expect(!bytes_has_control(line));
        expect(bytes_split(line, ' ', &tag, &rest) && tag.length > 0 && tag.length <= IMAP_TAG_MAX);
        bool is_plain = bytes_equal(tag, BYTES("*")) || bytes_equal(tag, BYTES("+"));
        expect(is_plain || bytes_starts_with(rest, BYTES("OK ")) ||
               bytes_starts_with(rest, BYTES("NO ")) || bytes_starts_with(rest, BYTES("BAD ")));
        output = bytes_skip(output, end + 2);
    }
}

static void end_play(struct play *play)
{
    struct imap_server *server = play->server;
    struct imap_server_event event;
    imap_server_fail(server, "the end");
    pull(play);
    expect(play->is_closed && imap_server_is_closed(server) && !imap_server_next(server, &event));
    expect(imap_server_feed(server, BYTES("x NOOP\r\n"), play->now) == 0);
    expect(imap_server_output(server).length == 0 && imap_server_deadline(server) == 0);
    imap_server_free(server);
}

static void clear(struct play *play)
{
    buffer_clear(&play->said);
    buffer_clear(&play->output);
    buffer_clear(&play->events);
    buffer_clear(&play->message);
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
    check_output(buffer_bytes(&whole.output));
    end_play(&whole);
    end_play(&pieces);
    clear(&whole);
    clear(&pieces);
    return 0;
}
