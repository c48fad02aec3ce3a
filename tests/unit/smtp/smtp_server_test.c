/* What a talk cannot say of the server engine: that bodies are not copied, what it holds at rest,
 * where its limits come from. */
#include "smtp/smtp_server.h"

#include "smtp/smtp_server_inside.h"
#include "unit.h"

enum {
    IDLE_MOST = 1536, /* bytes of an engine that waits for a command */
    NOW = 1000
};

static struct smtp_server *make(const struct smtp_server_options *options)
{
    struct fault fault;
    struct smtp_server_options copy = *options;
    copy.name = "mx.example";
    struct smtp_server *server = smtp_server_new(&copy, NOW, &fault);
    assert_non_null(server);
    return server;
}

static void write_all(struct smtp_server *server)
{
    smtp_server_sent(server, smtp_server_output(server).length, NOW);
}

/* Everything is answered by 250. */
static void say(struct smtp_server *server, const char *text)
{
    static const struct smtp_server_reply fine = {250, "2.0.0", "Fine"};
    struct bytes in = bytes_from_string(text);
    while (in.length > 0) {
        struct smtp_server_event event;
        size_t taken = smtp_server_feed(server, in, NOW);
        in = bytes_skip(in, taken);
        while (smtp_server_next(server, &event)) {
            if (smtp_server_is_answer_owed(server))
                smtp_server_answer(server, &fine, NOW);
        }
        write_all(server);
    }
}

/* A run between two dots is one slice, and lies where it was fed. */
static void does_not_copy_a_body(void **state)
{
    static const char body[] = "one\r\ntwo.\r\n..three\r\nfour";
    struct smtp_server *server = make(&(struct smtp_server_options){0});
    struct smtp_server_event event;
    (void)state;
    say(server, "HELO c.example\r\nMAIL FROM:<a@c.example>\r\nRCPT TO:<b@d.example>\r\nDATA\r\n");
    size_t taken = smtp_server_feed(server, bytes_of(body, sizeof body - 1), NOW);
    assert_int_equal(taken, 12);
    assert_true(smtp_server_next(server, &event));
    assert_int_equal(event.kind, SMTP_SERVER_BODY);
    assert_ptr_equal(event.piece.data, body);
    assert_int_equal(event.piece.length, 11);
    assert_false(smtp_server_next(server, &event));
    assert_int_equal(smtp_server_feed(server, bytes_of(body + 12, sizeof body - 13), NOW), 12);
    assert_true(smtp_server_next(server, &event));
    assert_ptr_equal(event.piece.data, body + 12);
    assert_int_equal(event.piece.length, 12);
    smtp_server_free(server);
}

static void holds_little_at_rest(void **state)
{
    struct smtp_server *server = make(&(struct smtp_server_options){0});
    (void)state;
    write_all(server);
    say(server, "EHLO c.");
    assert_true(server->line.capacity > 0);
    say(server,
        "example\r\nMAIL FROM:<a@c.example>\r\nRCPT TO:<b@d.example>\r\nDATA\r\nhi\r\n.\r\n");
    say(server, "NOOP\r\n");
    assert_true(sizeof *server <= IDLE_MOST);
    assert_int_equal(server->line.capacity, 0);
    assert_int_equal(server->response.capacity, 0);
    assert_int_equal(server->output.capacity, 0);
    smtp_server_free(server);
}

/* The decoded secret is gone as soon as the host has answered. */
static void keeps_no_secret(void **state)
{
    static const struct smtp_server_reply no = {535, "5.7.8", "No"};
    struct smtp_server *server = make(&(struct smtp_server_options){.mechanisms = "PLAIN"});
    struct smtp_server_event event;
    (void)state;
    say(server, "EHLO c.example\r\n");
    struct bytes first = BYTES("AUTH PLAIN AGEA");
    assert_int_equal(smtp_server_feed(server, first, NOW), first.length);
    assert_int_equal(smtp_server_feed(server, BYTES("Yg==\r\n"), NOW), 6);
    assert_true(smtp_server_next(server, &event));
    assert_int_equal(event.response.length, 4);
    assert_true(server->line.is_secret && server->response.is_secret);
    smtp_server_answer(server, &no, NOW);
    assert_int_equal(server->line.capacity, 0);
    assert_int_equal(server->response.capacity, 0);
    smtp_server_free(server);
}

static void fills_in_limits(void **state)
{
    struct smtp_server *server =
        make(&(struct smtp_server_options){.limits = {.errors = 7, .idle = 5}});
    const struct smtp_server_limits *limits = &server->options.limits;
    (void)state;
    assert_int_equal(limits->errors, 7);
    assert_int_equal(limits->idle, 5);
    assert_int_equal(limits->recipients, SMTP_SERVER_RECIPIENTS_MAX);
    assert_int_equal(limits->messages, SMTP_SERVER_MESSAGES_MAX);
    assert_int_equal(limits->commands, SMTP_SERVER_COMMANDS_MAX);
    assert_int_equal(limits->errors_soft, SMTP_SERVER_ERRORS_SOFT);
    assert_int_equal(limits->auth_failures, SMTP_SERVER_AUTH_FAILURES_MAX);
    assert_int_equal(limits->size, SMTP_SERVER_SIZE_MAX);
    assert_int_equal(limits->session, SMTP_SERVER_SESSION);
    assert_int_equal(limits->least_rate, SMTP_SERVER_LEAST_RATE);
    assert_int_equal(smtp_server_deadline(server), NOW + 5);
    smtp_server_free(server);
    smtp_server_free(NULL);
}

/* A limit of size that shrinks under a body that is larger already. */
static void a_limit_that_shrinks_is_met(void **state)
{
    static const struct smtp_server_limits small = {.size = 2};
    struct smtp_server *server = make(&(struct smtp_server_options){0});
    struct smtp_server_event event;
    (void)state;
    say(server, "HELO c.example\r\nMAIL FROM:<a@c.example>\r\nRCPT TO:<b@d.example>\r\n");
    say(server, "BDAT 4\r\nhi\r\n");
    smtp_server_set_limits(server, &small);
    assert_int_equal(smtp_server_feed(server, BYTES("BDAT 1\r\n"), NOW), 8);
    assert_true(smtp_server_next(server, &event));
    assert_int_equal(event.kind, SMTP_SERVER_REFUSED_BODY);
    smtp_server_free(server);
}

/* While the host writes a body to a disk that is slow, the peer is not too slow. */
static void time_that_the_host_takes_is_not_the_peers(void **state)
{
    const int64_t long_time = 2 * (int64_t)SMTP_SERVER_IDLE;
    struct smtp_server *server = make(&(struct smtp_server_options){0});
    struct smtp_server_event event = {0};
    (void)state;
    say(server,
        "HELO c.example\r\nMAIL FROM:<a@c.example>\r\nRCPT TO:<b@d.example>\r\nDATA\r\nx\r\n");
    int64_t before = smtp_server_deadline(server);
    smtp_server_waited(server, NOW, NOW + long_time);
    assert_int_equal(smtp_server_deadline(server), before + long_time);
    smtp_server_tick(server, NOW + long_time + 1);
    assert_false(smtp_server_is_closed(server));
    /* And afterwards it may be too slow again. */
    smtp_server_tick(server, before + long_time);
    while (smtp_server_next(server, &event) && event.kind != SMTP_SERVER_CLOSED)
        continue;
    assert_int_equal(event.kind, SMTP_SERVER_CLOSED);
    assert_string_equal(event.reason, "too slow a body");
    smtp_server_free(server);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(does_not_copy_a_body),
    cmocka_unit_test(holds_little_at_rest),
    cmocka_unit_test(keeps_no_secret),
    cmocka_unit_test(fills_in_limits),
    cmocka_unit_test(a_limit_that_shrinks_is_met),
    cmocka_unit_test(time_that_the_host_takes_is_not_the_peers),
};

UNIT_MAIN(tests)
