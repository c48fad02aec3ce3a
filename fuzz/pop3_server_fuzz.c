/* The POP3 server against any client. The first line has letters for how the server is made (t: TLS
   at hand, i: implicit, c: passwords in clear, m: mechanisms, b: a big maildrop); what follows is
   what the client says, in flights: the byte 1 ends one (a handshake that was agreed to takes place
   then), 2 stops the server, 3 lets half of the idle time pass. Messages are slices of the input.
   Whatever comes: in pieces or whole the output and the events are the same, every line of the
   output ends in CRLF, and after the end nothing comes any more. */
#include "pop3/pop3_server.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/buffer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    TEXT_LIMIT = 64 * 1024 * 1024,
    MESSAGES_SMALL = 12,
    MESSAGES_BIG = 2900, /* UIDL fills the output */
    COMMANDS_MAX = 60,   /* of a session: it has to be quick */
    FLIGHT_END = 1,
    STOP = 2,
    WAIT = 3
};

enum manner {
    WHOLE = 0, /* flights at once, everything is sent at once */
    BYTES_ALONE,
    LAZY, /* pieces of any size, and the output goes out in such */
    MANNERS
};

struct play {
    enum manner manner;
    struct bytes input;
    uint64_t chance;
    int64_t now;
    struct pop3_server *server;
    struct pop3_server_maildrop maildrop;
    struct buffer output;
    struct buffer events;
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

static size_t piece_of(struct play *play, size_t length)
{
    if (play->manner == WHOLE)
        return length;
    return play->manner == BYTES_ALONE ? 1 : pick(play, length);
}

/* ---- the host ---- */

static void drain(struct play *play, bool is_lazy)
{
    struct bytes output;
    while ((output = pop3_server_output(play->server)).length > 0) {
        size_t count = play->manner == LAZY ? pick(play, output.length) : output.length;
        buffer_append(&play->output, bytes_slice(output, 0, count));
        pop3_server_sent(play->server, count, play->now);
        if (is_lazy && play->manner == LAZY)
            return;
    }
}

static void give_message(struct play *play, uint32_t number)
{
    struct pop3_server *server = play->server;
    struct bytes body = bytes_slice(play->input, number * 7, 100 + number * 40);
    if (number % 5 == 4) {
        pop3_server_refuse(server, "SYS/TEMP", "no such luck", play->now);
        return;
    }
    pop3_server_begin_message(server, body.length, play->now);
    while (body.length > 0 && pop3_server_is_message_open(server)) {
        if (!pop3_server_wants_piece(server)) {
            drain(play, false);
            continue;
        }
        struct bytes piece = bytes_slice(body, 0, piece_of(play, body.length));
        body = bytes_skip(body, piece.length);
        pop3_server_message_piece(server, piece, play->now);
    }
    if (number == 7)
        pop3_server_fail(server, "the store is gone");
    if (pop3_server_is_message_open(server))
        pop3_server_message_end(server, play->now);
}

/* The same answer to the same question, whatever the manner. */
static void answer_login(struct play *play, struct bytes said)
{
    switch (said.length % 4) {
    case 0:
        pop3_server_refuse(play->server, said.length % 8 == 0 ? "AUTH" : "IN-USE", "no", play->now);
        break;
    default:
        pop3_server_logged_in(play->server, &play->maildrop, play->now);
        break;
    }
}

static void answer(struct play *play, const struct pop3_server_event *event)
{
    struct pop3_server *server = play->server;
    switch (event->kind) {
    case POP3_SERVER_TLS_WANTED:
    case POP3_SERVER_CLOSED:
        break;
    case POP3_SERVER_LOGIN:
        answer_login(play, event->password);
        break;
    case POP3_SERVER_AUTH:
    case POP3_SERVER_AUTH_RESPONSE:
        if (event->kind == POP3_SERVER_AUTH_RESPONSE && event->response.data == NULL)
            expect(!pop3_server_is_answer_owed(server));
        else if (event->response.length % 3 == 0)
            pop3_server_challenge(server, event->response, play->now);
        else
            answer_login(play, event->response);
        break;
    case POP3_SERVER_RETR:
    case POP3_SERVER_TOP:
        give_message(play, event->number);
        break;
    case POP3_SERVER_QUIT:
        if (pop3_server_deleted_count(server) % 2 == 1)
            pop3_server_refuse(server, "SYS/TEMP", "not removed", play->now);
        else
            pop3_server_quit_done(server, play->now);
        break;
    }
}

static void pull(struct play *play)
{
    struct pop3_server_event event;
    while (pop3_server_next(play->server, &event)) {
        bool is_owed = pop3_server_is_answer_owed(play->server);
        buffer_append_format(&play->events, "%d %u %llu %d %d ", (int)event.kind, event.number,
                             (unsigned long long)event.lines, event.is_utf8,
                             event.response.data != NULL);
        buffer_append(&play->events, event.user);
        buffer_append(&play->events, event.password);
        buffer_append(&play->events, event.mechanism);
        buffer_append(&play->events, event.response);
        buffer_append_string(&play->events, event.reason == NULL ? "\n" : event.reason);
        expect(!is_owed || pop3_server_deadline(play->server) == 0);
        answer(play, &event);
        expect(!pop3_server_is_answer_owed(play->server));
    }
}

/* ---- the client ---- */

static void feed(struct play *play, struct bytes flight)
{
    unsigned stalls = 0;
    while (flight.length > 0 && stalls < 2) {
        size_t count = piece_of(play, flight.length);
        char *exact = malloc(count); /* so that a step beyond is seen */
        expect(exact != NULL);
        memcpy(exact, flight.data, count);
        size_t taken = pop3_server_feed(play->server, bytes_of(exact, count), play->now);
        expect(taken <= count);
        pull(play);
        free(exact);
        flight = bytes_skip(flight, taken);
        stalls = taken == 0 ? stalls + 1 : 0;
        drain(play, stalls == 0);
    }
    expect(flight.length == 0 || pop3_server_is_closed(play->server));
    drain(play, false);
}

static void end_flight(struct play *play, char how)
{
    struct pop3_server *server = play->server;
    if (how == STOP)
        pop3_server_stop(server, play->now);
    if (how == WAIT) {
        play->now += POP3_SERVER_IDLE / 2;
        pop3_server_tick(server, play->now);
    }
    pull(play);
    if (how == FLIGHT_END && pop3_server_wants_tls(server))
        pop3_server_tls_started(server, "PLAIN SCRAM-SHA-256-PLUS", play->now);
    drain(play, false);
}

static bool has_letter(struct bytes letters, char letter)
{
    return bytes_has_char(letters, letter);
}

static void play_script(struct play *play, struct bytes letters, struct bytes script)
{
    const struct pop3_server_options options = {
        .name = "mx.example",
        .version = "1.2",
        .has_tls_at_hand = has_letter(letters, 't'),
        .is_implicit_tls = has_letter(letters, 'i'),
        .allows_clear = has_letter(letters, 'c'),
        .mechanisms = has_letter(letters, 'm') ? "PLAIN X" : NULL,
        .limits = {.commands = COMMANDS_MAX},
    };
    play->server = pop3_server_new(&options, play->now, NULL);
    expect(play->server != NULL);
    if (options.is_implicit_tls)
        pop3_server_tls_started(play->server, "PLAIN", play->now);
    drain(play, false);
    while (script.length > 0) {
        size_t end = 0;
        while (end < script.length && (script.data[end] < FLIGHT_END || script.data[end] > WAIT))
            end++;
        feed(play, bytes_slice(script, 0, end));
        end_flight(play, end < script.length ? script.data[end] : FLIGHT_END);
        script = bytes_skip(script, end < script.length ? end + 1 : end);
    }
}

/* ---- what must be so at the end ---- */

static void check_output(struct play *play, bool is_failed)
{
    struct bytes output = buffer_bytes(&play->output);
    for (size_t i = 0; i < output.length; i++) {
        bool is_last = i + 1 == output.length;
        expect(output.data[i] != '\n' || (i > 0 && output.data[i - 1] == '\r'));
        expect(output.data[i] != '\r' || (is_last ? is_failed : output.data[i + 1] == '\n'));
    }
    expect(is_failed || bytes_ends_with(output, BYTES("\r\n")));
}

static void end_play(struct play *play)
{
    struct pop3_server *server = play->server;
    bool was_closed = pop3_server_is_closed(server);
    buffer_append_format(&play->events, "closed %d deleted %zu\n", was_closed,
                         pop3_server_deleted_count(server));
    check_output(play, bytes_find(buffer_bytes(&play->events), BYTES("the store is gone")) !=
                           BYTES_NOT_FOUND);
    pop3_server_fail(server, "the end");
    pull(play);
    struct pop3_server_event event;
    expect(pop3_server_is_closed(server) && !pop3_server_next(server, &event));
    expect(pop3_server_feed(server, BYTES("NOOP\r\n"), play->now) == 0);
    expect(pop3_server_output(server).length == 0 && pop3_server_deadline(server) == 0);
    pop3_server_free(server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pop3_server_message messages[MESSAGES_BIG];
    struct bytes letters;
    struct bytes script;
    struct play plays[MANNERS];
    bytes_split(bytes_of(data, size), '\n', &letters, &script);
    size_t count = has_letter(letters, 'b') ? MESSAGES_BIG : MESSAGES_SMALL;
    for (int manner = WHOLE; manner < MANNERS; manner++) {
        struct play *play = &plays[manner];
        *play = (struct play){.manner = (enum manner)manner,
                              .input = script,
                              .chance = size,
                              .now = 1000000,
                              .output = BUFFER(TEXT_LIMIT),
                              .events = BUFFER(TEXT_LIMIT)};
        play->maildrop = (struct pop3_server_maildrop){messages, count, 0, 0xABCDEF01};
        for (size_t i = 0; i < count; i++) {
            messages[i] = (struct pop3_server_message){.size = i * 100, .uid = (uint32_t)i + 1};
            play->maildrop.size += messages[i].size;
        }
        play_script(play, letters, script);
        end_play(play);
        expect(bytes_equal(buffer_bytes(&play->output), buffer_bytes(&plays[WHOLE].output)));
        expect(bytes_equal(buffer_bytes(&play->events), buffer_bytes(&plays[WHOLE].events)));
    }
    for (int manner = WHOLE; manner < MANNERS; manner++) {
        buffer_clear(&plays[manner].output);
        buffer_clear(&plays[manner].events);
    }
    return 0;
}
