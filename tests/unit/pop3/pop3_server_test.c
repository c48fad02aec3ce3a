/* What talks cannot show of the POP3 server: bounds of memory, long lists, messages at random
 * against a slow model. */
#include "pop3/pop3_server.h"

#include <stdio.h>
#include <stdlib.h>

#include "failing_allocation.h"
#include "pop3/pop3_server_inside.h"
#include "unit.h"

enum {
    MANY = 100000,
    SMALL = 1024, /* bytes of an idle engine */
    BODY_MAX = 64,
    ROUNDS = 20000
};

static struct pop3_server *open_server(void)
{
    const struct pop3_server_options options = {
        .name = "mx.example", .version = "1.2", .allows_clear = true, .mechanisms = "PLAIN"};
    struct pop3_server *server = pop3_server_new(&options, 1, NULL);
    assert_non_null(server);
    return server;
}

static void drop_output(struct pop3_server *server)
{
    struct bytes output;
    while ((output = pop3_server_output(server)).length > 0)
        pop3_server_sent(server, output.length, 2);
}

static void say(struct pop3_server *server, const char *line)
{
    struct bytes in = bytes_from_string(line);
    assert_int_equal(pop3_server_feed(server, in, 2), in.length);
}

/* The maildrop is made of `count` messages, message i with UID 3 * i + 1 and size i. */
static struct pop3_server *open_maildrop(size_t count, struct pop3_server_message **messages)
{
    struct pop3_server *server = open_server();
    struct pop3_server_maildrop maildrop = {.count = count, .uidvalidity = 7};
    struct pop3_server_event event;
    *messages = calloc(count, sizeof **messages);
    for (size_t i = 0; i < count; i++) {
        (*messages)[i] = (struct pop3_server_message){.size = i, .uid = 3 * (uint32_t)i + 1};
        maildrop.size += i;
    }
    maildrop.messages = *messages;
    say(server, "USER ann\r\nPASS secret\r\n");
    assert_true(pop3_server_next(server, &event));
    assert_int_equal(event.kind, POP3_SERVER_LOGIN);
    pop3_server_logged_in(server, &maildrop, 2);
    drop_output(server);
    return server;
}

static void is_small_when_idle(void **state)
{
    (void)state;
    struct pop3_server_message *messages;
    struct pop3_server *server = open_maildrop(10, &messages);
    assert_true(sizeof *server <= SMALL);
    say(server, "LIST\r\nCAPA\r\nNOOP\r\n");
    say(server, "NO");
    say(server, "OP\r\n");
    drop_output(server);
    assert_null(server->output.memory);
    assert_null(server->line.memory);
    assert_null(server->user.memory);
    assert_null(server->secret.memory);
    assert_null(server->deleted);
    pop3_server_free(server);
    free(messages);
}

/* Takes one line off the text. */
static struct bytes take_line(struct bytes *text)
{
    size_t end = bytes_find(*text, BYTES("\r\n"));
    assert_true(end != BYTES_NOT_FOUND);
    struct bytes line = bytes_slice(*text, 0, end);
    *text = bytes_skip(*text, end + 2);
    return line;
}

static void streams_long_lists(void **state)
{
    (void)state;
    struct pop3_server_message *messages;
    struct pop3_server *server = open_maildrop(MANY, &messages);
    AUTO(buffer)
    all = BUFFER(SIZE_MAX / 2);
    say(server, "DELE 500\r\n");
    drop_output(server);
    struct bytes both = BYTES("UIDL\r\nSTAT\r\n");
    assert_int_equal(pop3_server_feed(server, both, 2), 6);
    struct bytes output;
    unsigned turn = 0;
    while ((output = pop3_server_output(server)).length > 0) {
        assert_true(output.length < POP3_SERVER_OUTPUT_FULL + 64);
        size_t count = output.length > 1000 ? output.length - ++turn % 1000 : output.length;
        buffer_append(&all, bytes_slice(output, 0, count));
        pop3_server_sent(server, count, 2);
    }
    struct bytes rest = buffer_bytes(&all);
    take_line(&rest);
    for (unsigned i = 1; i <= MANY; i++) {
        char expected[64];
        snprintf(expected, sizeof expected, "%u 00000007.%08x", i, 3 * (i - 1) + 1);
        if (i != 500)
            assert_true(bytes_equal(take_line(&rest), bytes_from_string(expected)));
    }
    assert_true(bytes_equal(rest, BYTES(".\r\n")));
    assert_int_equal(pop3_server_feed(server, bytes_skip(both, 6), 2), 6);
    assert_true(bytes_starts_with(pop3_server_output(server), BYTES("+OK 99999 ")));
    pop3_server_free(server);
    free(messages);
}

/* What is not taken while a list is on its way must come again. */
static void takes_nothing_while_a_list_goes_out(void **state)
{
    (void)state;
    struct pop3_server_message *messages;
    struct pop3_server *server = open_maildrop(MANY, &messages);
    say(server, "LIST\r\n");
    assert_int_equal(pop3_server_feed(server, BYTES("NOOP\r\n"), 2), 0);
    assert_false(pop3_server_is_answer_owed(server));
    pop3_server_stop(server, 2);
    assert_false(pop3_server_is_closed(server));
    drop_output(server);
    assert_true(pop3_server_is_closed(server));
    pop3_server_free(server);
    free(messages);
}

/* ---- messages against a model ---- */

static unsigned chance(uint64_t *seed, unsigned most)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(*seed >> 33) % most;
}

/* Byte by byte: lines end at CRLF, CR or LF; each goes out with CRLF, a dot in front of a dot. With
   lines >= 0 the body stops behind so many. */
static void model(struct bytes body, int lines, struct buffer *out)
{
    bool is_in_body = false;
    size_t i = 0;
    while (i < body.length && !(is_in_body && lines == 0)) {
        bool is_blank = body.data[i] == '\r' || body.data[i] == '\n';
        if (body.data[i] == '.')
            buffer_append_char(out, '.');
        while (i < body.length && body.data[i] != '\r' && body.data[i] != '\n')
            buffer_append_char(out, body.data[i++]);
        if (i < body.length && body.data[i++] == '\r' && i < body.length && body.data[i] == '\n')
            i++;
        buffer_append_string(out, "\r\n");
        if (is_in_body)
            lines -= lines > 0;
        is_in_body |= is_blank && lines >= 0;
    }
    buffer_append_string(out, ".\r\n");
}

static void compare_with_model(struct pop3_server *server, uint64_t *seed)
{
    static const char alphabet[] = {'\r', '\n', '.', 'a', '\r', '\n'};
    char text[BODY_MAX];
    struct bytes body = bytes_of(text, chance(seed, BODY_MAX));
    int lines = (int)chance(seed, 6) - 1;
    struct pop3_server_event event;
    AUTO(buffer)
    expected = BUFFER(1024);
    for (size_t i = 0; i < body.length; i++)
        text[i] = alphabet[chance(seed, sizeof alphabet)];
    char command[32];
    if (lines < 0)
        snprintf(command, sizeof command, "RETR 1\r\n");
    else
        snprintf(command, sizeof command, "TOP 1 %d\r\n", lines);
    say(server, command);
    assert_true(pop3_server_next(server, &event));
    pop3_server_begin_message(server, body.length, 2);
    for (struct bytes rest = body; rest.length > 0 && pop3_server_is_message_open(server);) {
        struct bytes piece = bytes_slice(rest, 0, 1 + chance(seed, 9));
        rest = bytes_skip(rest, piece.length);
        pop3_server_message_piece(server, piece, 2);
    }
    if (pop3_server_is_message_open(server))
        pop3_server_message_end(server, 2);
    buffer_append_string(&expected, "+OK The message follows\r\n");
    model(body, lines, &expected);
    assert_int_equal(pop3_server_output(server).length, expected.length);
    assert_memory_equal(pop3_server_output(server).data, buffer_bytes(&expected).data,
                        expected.length);
    drop_output(server);
}

static void sends_messages_as_the_model(void **state)
{
    (void)state;
    struct pop3_server_message *messages;
    struct pop3_server *server = open_maildrop(1, &messages);
    uint64_t seed = 1;
    for (int i = 0; i < ROUNDS; i++)
        compare_with_model(server, &seed);
    pop3_server_free(server);
    free(messages);
}

static void bounds_what_waits_of_a_message(void **state)
{
    (void)state;
    struct pop3_server_message *messages;
    struct pop3_server *server = open_maildrop(1, &messages);
    struct pop3_server_event event;
    static char worst[POP3_SERVER_PIECE_MAX];
    memset(worst, '\n', sizeof worst);
    say(server, "RETR 1\r\n");
    assert_true(pop3_server_next(server, &event));
    pop3_server_begin_message(server, UINT64_MAX, 2);
    unsigned pieces = 0;
    for (; pop3_server_wants_piece(server); pieces++)
        pop3_server_message_piece(server, bytes_of(worst, sizeof worst), 2);
    assert_int_equal(pieces, 1);
    assert_false(pop3_server_is_closed(server));
    assert_true(pop3_server_output(server).length > 2 * sizeof worst);
    pop3_server_sent(server, pop3_server_output(server).length, 2);
    assert_true(pop3_server_wants_piece(server));
    pop3_server_message_end(server, 2);
    drop_output(server);
    assert_null(server->output.memory);
    pop3_server_free(server);
    free(messages);
}

static void lives_on_when_a_mark_finds_no_memory(void **state)
{
    (void)state;
    struct pop3_server_message *messages;
    struct pop3_server *server = open_maildrop(3, &messages);
    say(server, "NOOP\r\n"); /* so that the output has its memory */
    failing_allocation_start(0);
    say(server, "DELE 1\r\n");
    assert_true(failing_allocation_stop());
    assert_true(
        bytes_equal(pop3_server_output(server), BYTES("+OK\r\n-ERR [SYS/TEMP] Out of memory\r\n")));
    assert_int_equal(pop3_server_deleted_count(server), 0);
    say(server, "DELE 1\r\n");
    assert_true(pop3_server_is_deleted(server, 0));
    assert_false(pop3_server_is_deleted(server, 1));
    assert_false(pop3_server_is_deleted(server, UINT32_MAX));
    pop3_server_free(server);
    free(messages);
}

static void tells_who_cannot_be_made(void **state)
{
    (void)state;
    const struct pop3_server_options options = {.name = "mx.example"};
    for (size_t count = 0;; count++) {
        struct fault fault = {0};
        failing_allocation_start(count);
        struct pop3_server *server = pop3_server_new(&options, 1, &fault);
        bool was_refused = failing_allocation_stop();
        assert_int_equal(server == NULL, was_refused);
        assert_int_equal(fault.kind, was_refused ? FAULT_TEMPORARY : FAULT_NONE);
        pop3_server_free(server);
        if (!was_refused)
            break;
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(is_small_when_idle),
    cmocka_unit_test(streams_long_lists),
    cmocka_unit_test(takes_nothing_while_a_list_goes_out),
    cmocka_unit_test(sends_messages_as_the_model),
    cmocka_unit_test(bounds_what_waits_of_a_message),
    cmocka_unit_test(lives_on_when_a_mark_finds_no_memory),
    cmocka_unit_test(tells_who_cannot_be_made),
};

UNIT_MAIN(tests)
