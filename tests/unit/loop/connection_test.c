/* Connections in clear: bytes both ways, waiting, ends of all kinds. */
#include "loop/connection.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/echo_server.h"
#include "unit.h"

static void answers_lines(void **state)
{
    (void)state;
    struct echo_server *server = echo_server_start(&(struct echo_options){0});
    int client = echo_connect(server);
    echo_expect(client, "hello\n");
    echo_send(client, "a\n");
    echo_expect(client, "= a\n");
    echo_send(client, "split ");
    echo_send(client, "line\nquit\n");
    echo_expect(client, "= split line\nbye\n");
    echo_expect_end(client);
    close(client);
    echo_server_wait(server, ended[ENGINE_END_CLOSED], 1);
    assert_string_equal(echo_server_report(server).last_peer, "127.0.0.1");
    echo_server_free(server);
}

static void group_is_answered_in_one_write(void **state)
{
    (void)state;
    struct echo_server *server = echo_server_start(&(struct echo_options){0});
    int client = echo_connect(server);
    echo_expect(client, "hello\n");
    echo_send(client, "a\nb\nc\nd\n");
    echo_expect(client, "= a\n= b\n= c\n= d\n");
    echo_server_wait(server, writes, 2);
    assert_int_equal(echo_server_report(server).writes, 2);
    close(client);
    echo_server_wait(server, ended[ENGINE_END_PEER], 1);
    echo_server_free(server);
}

static void what_waited_is_answered_with_the_job(void **state)
{
    (void)state;
    struct echo_server *server = echo_server_start(&(struct echo_options){0});
    int client = echo_connect(server);
    echo_expect(client, "hello\n");
    echo_send(client, "hold\na\nb\n");
    echo_server_wait(server, jobs_run, 1);
    echo_server_release(server, 1);
    echo_expect(client, "waited\n= a\n= b\n");
    echo_server_wait(server, writes, 2);
    assert_int_equal(echo_server_report(server).writes, 2);
    close(client);
    echo_server_free(server);
}

static void jobs_keep_the_order(void **state)
{
    (void)state;
    struct echo_server *server = echo_server_start(&(struct echo_options){0});
    int client = echo_connect(server);
    echo_send(client, "a\nwait\nb\nwait\nwait\nc\n");
    echo_expect(client, "hello\n= a\nwaited\n= b\nwaited\nwaited\n= c\n");
    close(client);
    echo_server_free(server);
}

/* More than may be kept is sent while the engine waits: nothing is lost, and nothing read. */
static void input_waits_with_the_engine(void **state)
{
    (void)state;
    enum {
        LINES = 40000
    };
    struct echo_server *server = echo_server_start(&(struct echo_options){0});
    int client = echo_connect(server);
    echo_expect(client, "hello\n");
    echo_send(client, "hold\n");
    echo_server_wait(server, jobs_run, 1);
    static char lines[LINES * 8 + 1];
    for (size_t i = 0; i < LINES; i++)
        snprintf(lines + i * 8, 9, "%07zu\n", i);
    for (size_t i = 0; i < 8; i++)
        echo_send(client, "123456\n");
    assert_int_equal(echo_server_report(server).lines, 1);
    echo_server_release(server, 1);
    echo_expect(client, "waited\n");
    for (size_t i = 0; i < 8; i++)
        echo_expect(client, "= 123456\n");
    /* A good part of it, so that the client need not read while it writes. */
    for (size_t i = 0; i < LINES; i += 100) {
        char part[8 * 100 + 1];
        memcpy(part, lines + i * 8, 8 * 100);
        part[8 * 100] = '\0';
        echo_send(client, part);
        for (size_t j = i; j < i + 100; j++) {
            char answer[16];
            snprintf(answer, sizeof answer, "= %07zu\n", j);
            echo_expect(client, answer);
        }
    }
    close(client);
    echo_server_free(server);
}

static void read_digits(int client, size_t size)
{
    static char piece[65536];
    size_t seen = 0;
    while (seen < size) {
        size_t wanted = size - seen < sizeof piece ? size - seen : sizeof piece;
        ssize_t count = recv(client, piece, wanted, 0);
        assert_true(count > 0);
        for (ssize_t i = 0; i < count; i++)
            if (piece[i] != (char)('0' + (seen + (size_t)i) % 10))
                fail_msg("wrong byte at %zu", seen + (size_t)i);
        seen += (size_t)count;
    }
}

static void slow_reader_gets_everything(void **state)
{
    (void)state;
    struct echo_server *server = echo_server_start(&(struct echo_options){0});
    int client = echo_connect(server);
    int size = 65536;
    setsockopt(client, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    echo_expect(client, "hello\n");
    echo_send(client, "big 9000000\nafter\nbigquit 5000000\n");
    /* Others are served meanwhile. */
    int other = echo_connect(server);
    echo_send(other, "a\nquit\n");
    echo_expect(other, "hello\n= a\nbye\n");
    echo_expect_end(other);
    close(other);
    read_digits(client, 9000000);
    echo_expect(client, "\n= after\n");
    read_digits(client, 5000000);
    echo_expect(client, "\n");
    echo_expect_end(client);
    close(client);
    echo_server_wait(server, ended[ENGINE_END_CLOSED], 2);
    echo_server_free(server);
}

static void half_closed_client_gets_its_answers(void **state)
{
    (void)state;
    struct echo_server *server = echo_server_start(&(struct echo_options){0});
    int client = echo_connect(server);
    echo_send(client, "a\nwait\nb\nbig 3000000\nwait\nc\nrest");
    shutdown(client, SHUT_WR);
    echo_expect(client, "hello\n= a\nwaited\n= b\n");
    read_digits(client, 3000000);
    echo_expect(client, "\nwaited\n= c\n");
    echo_expect_end(client);
    close(client);
    echo_server_wait(server, ended[ENGINE_END_PEER], 1);
    echo_server_free(server);
}

static void half_close_during_a_job_ends_nothing(void **state)
{
    (void)state;
    struct echo_server *server = echo_server_start(&(struct echo_options){0});
    int client = echo_connect(server);
    echo_send(client, "hold\n");
    echo_server_wait(server, jobs_run, 1);
    echo_send(client, "a\n");
    shutdown(client, SHUT_WR);
    /* Another connection's round trip: the loop has seen the end by now. */
    int other = echo_connect(server);
    echo_send(other, "quit\n");
    echo_expect(other, "hello\nbye\n");
    close(other);
    echo_server_release(server, 1);
    echo_expect(client, "hello\nwaited\n= a\n");
    echo_expect_end(client);
    close(client);
    echo_server_wait(server, ended[ENGINE_END_PEER], 1);
    echo_server_free(server);
}

static void reset_is_told_at_once(void **state)
{
    (void)state;
    struct echo_server *server = echo_server_start(&(struct echo_options){0});
    int client = echo_connect(server);
    echo_expect(client, "hello\n");
    echo_reset(client);
    echo_server_wait(server, ended[ENGINE_END_LOST], 1);
    echo_server_wait(server, freed, 1);
    echo_server_free(server);
}

/* Also while a job runs: the engine hears its end, and frees itself when the job is back. */
static void reset_is_told_during_a_job(void **state)
{
    (void)state;
    for (unsigned is_talking = 0; is_talking < 2; is_talking++) {
        struct echo_server *server = echo_server_start(&(struct echo_options){0});
        int client = echo_connect(server);
        echo_expect(client, "hello\n");
        echo_send(client, "hold\n");
        echo_server_wait(server, jobs_run, 1);
        if (is_talking)
            echo_send(client, "more\n");
        echo_reset(client);
        echo_server_wait(server, ended[ENGINE_END_LOST], 1);
        assert_int_equal(echo_server_report(server).freed, 0);
        echo_server_release(server, 1);
        echo_server_wait(server, freed, 1);
        echo_server_free(server);
    }
}

static void reset_is_told_while_output_waits(void **state)
{
    (void)state;
    struct echo_server *server = echo_server_start(&(struct echo_options){0});
    int client = echo_connect(server);
    echo_expect(client, "hello\n");
    echo_send(client, "big 50000000\n");
    echo_expect(client, "0123456789");
    echo_reset(client);
    echo_server_wait(server, ended[ENGINE_END_LOST], 1);
    echo_server_free(server);
}

/* The last reply arrives though the client sent more than was read. */
static void last_reply_survives_unread_input(void **state)
{
    (void)state;
    static char junk[200001];
    memset(junk, 'x', sizeof junk - 1);
    struct echo_server *server = echo_server_start(&(struct echo_options){0});
    for (unsigned i = 0; i < 20; i++) {
        int client = echo_connect(server);
        echo_send(client, "quit\n");
        echo_send(client, junk);
        echo_expect(client, "hello\nbye\n");
        echo_expect_end(client);
        close(client);
    }
    echo_server_wait(server, ended[ENGINE_END_CLOSED], 20);
    echo_server_free(server);
}

static void deadlines_are_kept(void **state)
{
    (void)state;
    struct echo_server *server = echo_server_start(&(struct echo_options){0});
    int late = echo_connect(server);
    int early = echo_connect(server);
    echo_send(late, "tick 60000\n");
    echo_send(early, "tick 30\n");
    echo_expect(early, "hello\ntick\n");
    /* Moved: later, then to the past. */
    echo_send(early, "tick 50000\ntick 0\n");
    echo_expect(early, "tick\n");
    echo_send(late, "tick 1\n");
    echo_expect(late, "hello\ntick\n");
    /* Also while a job runs. */
    echo_send(early, "tick 1\nhold\n");
    echo_expect(early, "tick\n");
    echo_server_release(server, 1);
    echo_expect(early, "waited\n");
    close(late);
    close(early);
    echo_server_free(server);
}

static void who_reads_nothing_is_lost(void **state)
{
    (void)state;
    struct connection_patience patience = CONNECTION_PATIENCE;
    patience.stall = 50;
    struct echo_server *server = echo_server_start(&(struct echo_options){.patience = &patience});
    int client = echo_connect(server);
    echo_send(client, "big 50000000\n");
    echo_server_wait(server, ended[ENGINE_END_LOST], 1);
    close(client);
    echo_server_free(server);
}

static void last_output_waits_only_so_long(void **state)
{
    (void)state;
    struct connection_patience patience = CONNECTION_PATIENCE;
    patience.close = 50;
    struct echo_server *server = echo_server_start(&(struct echo_options){.patience = &patience});
    int client = echo_connect(server);
    echo_send(client, "bigquit 20000000\n");
    echo_server_wait(server, ended[ENGINE_END_LOST], 1);
    close(client);
    echo_server_free(server);
}

static void who_never_closes_is_not_waited_for(void **state)
{
    (void)state;
    struct connection_patience patience = CONNECTION_PATIENCE;
    patience.linger = 20;
    struct echo_options options = {.patience = &patience,
                                   .limits = {.all = 1, .by_address = 9, .by_prefix = 9}};
    struct echo_server *server = echo_server_start(&options);
    int client = echo_connect(server);
    echo_send(client, "quit\n");
    echo_expect(client, "hello\nbye\n");
    echo_expect_end(client);
    /* Its place becomes free, though it never closes. */
    for (;;) {
        int other = echo_connect(server);
        char first;
        assert_int_equal(recv(other, &first, 1, 0), 1);
        close(other);
        if (first == 'h')
            break;
    }
    close(client);
    echo_server_free(server);
}

static void unix_sockets_work(void **state)
{
    (void)state;
    char place[64];
    snprintf(place, sizeof place, "unix:/tmp/posthorn-loop-%d.sock", (int)getpid());
    struct echo_server *server = echo_server_start(&(struct echo_options){.place = place});
    int client = echo_connect(server);
    echo_send(client, "a\nwait\nquit\n");
    echo_expect(client, "hello\n= a\nwaited\nbye\n");
    echo_expect_end(client);
    close(client);
    client = echo_connect(server);
    echo_send(client, "hold\n");
    echo_server_wait(server, jobs_run, 2);
    close(client);
    echo_server_release(server, 1);
    echo_server_wait(server, freed, 2);
    assert_string_equal(echo_server_report(server).last_peer, "local");
    echo_server_free(server);
    assert_int_equal(access(place + 5, F_OK), -1);
}

static void no_engine_no_connection(void **state)
{
    (void)state;
    struct echo_server *server = echo_server_start(&(struct echo_options){.opens_nothing = true});
    int client = echo_connect(server);
    echo_expect_end(client);
    close(client);
    echo_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_lines),
        cmocka_unit_test(group_is_answered_in_one_write),
        cmocka_unit_test(what_waited_is_answered_with_the_job),
        cmocka_unit_test(jobs_keep_the_order),
        cmocka_unit_test(input_waits_with_the_engine),
        cmocka_unit_test(slow_reader_gets_everything),
        cmocka_unit_test(half_closed_client_gets_its_answers),
        cmocka_unit_test(half_close_during_a_job_ends_nothing),
        cmocka_unit_test(reset_is_told_at_once),
        cmocka_unit_test(reset_is_told_during_a_job),
        cmocka_unit_test(reset_is_told_while_output_waits),
        cmocka_unit_test(last_reply_survives_unread_input),
        cmocka_unit_test(deadlines_are_kept),
        cmocka_unit_test(who_reads_nothing_is_lost),
        cmocka_unit_test(last_output_waits_only_so_long),
        cmocka_unit_test(who_never_closes_is_not_waited_for),
        cmocka_unit_test(unix_sockets_work),
        cmocka_unit_test(no_engine_no_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
