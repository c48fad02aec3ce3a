/* Connections under TLS: from the first byte, by STARTTLS, cut anywhere. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/connection.h"
#include "loop/echo_server.h"
#include "unit.h"

static struct echo_server *start(enum listener_tls tls)
{
    return echo_server_start(&(struct echo_options){.tls = tls});
}

static void implicit_tls_works(void **state)
{
    (void)state;
    struct echo_server *server = start(LISTENER_IMPLICIT);
    struct echo_tls tls = echo_tls_open(echo_connect(server), SIZE_MAX, 0, NULL);
    assert_true(echo_tls_handshake(&tls));
    assert_true(echo_tls_expect(&tls, "hello\n"));
    assert_true(echo_tls_send(&tls, "a\nwait\nb\n"));
    assert_true(echo_tls_expect(&tls, "= a\nwaited\n= b\n"));
    assert_true(echo_tls_send(&tls, "quit\n"));
    assert_true(echo_tls_expect(&tls, "bye\n"));
    assert_int_equal(echo_tls_end(&tls), SSL_ERROR_ZERO_RETURN);
    echo_tls_close(&tls);
    echo_server_wait(server, ended[ENGINE_END_CLOSED], 1);
    echo_server_free(server);
}

static void group_is_answered_in_one_write(void **state)
{
    (void)state;
    struct echo_server *server = start(LISTENER_IMPLICIT);
    struct echo_tls tls = echo_tls_open(echo_connect(server), SIZE_MAX, 0, NULL);
    assert_true(echo_tls_handshake(&tls));
    assert_true(echo_tls_expect(&tls, "hello\n"));
    assert_true(echo_tls_send(&tls, "a\nb\nc\n"));
    assert_true(echo_tls_expect(&tls, "= a\n= b\n= c\n"));
    echo_server_wait(server, writes, 2);
    assert_int_equal(echo_server_report(server).writes, 2);
    echo_tls_close(&tls);
    echo_server_free(server);
}

/* RFC 3207 4.2, 6: what was sent in clear behind STARTTLS is as if it had never been. */
static void bytes_before_the_handshake_are_dropped(void **state)
{
    (void)state;
    struct echo_server *server = start(LISTENER_STARTTLS);
    int client = echo_connect(server);
    echo_expect(client, "hello\n");
    echo_send(client, "a\ntls\ninjected\npart");
    echo_expect(client, "= a\ngo\n");
    struct echo_tls tls = echo_tls_open(client, SIZE_MAX, 0, NULL);
    assert_true(echo_tls_handshake(&tls));
    assert_true(echo_tls_send(&tls, "b\n"));
    assert_true(echo_tls_expect(&tls, "= b\n"));
    assert_int_equal(echo_server_report(server).lines, 3);
    echo_tls_close(&tls);
    echo_server_free(server);
}

static void bytes_that_waited_are_dropped(void **state)
{
    (void)state;
    struct echo_server *server = start(LISTENER_STARTTLS);
    int client = echo_connect(server);
    echo_expect(client, "hello\n");
    echo_send(client, "hold\ntls\ninjected\n");
    echo_server_wait(server, jobs_run, 1);
    echo_server_release(server, 1);
    echo_expect(client, "waited\ngo\n");
    struct echo_tls tls = echo_tls_open(client, SIZE_MAX, 0, NULL);
    assert_true(echo_tls_handshake(&tls));
    assert_true(echo_tls_send(&tls, "b\n"));
    assert_true(echo_tls_expect(&tls, "= b\n"));
    echo_tls_close(&tls);
    echo_server_free(server);
}

static void facts_are_told(void **state)
{
    (void)state;
    struct echo_server *server = start(LISTENER_IMPLICIT);
    struct echo_tls tls = echo_tls_open(echo_connect(server), SIZE_MAX, 0, NULL);
    assert_true(echo_tls_handshake(&tls));
    assert_true(echo_tls_expect(&tls, "hello\n"));
    struct echo_report report = echo_server_report(server);
    assert_string_equal(report.tls_version, "TLSv1.3");
    assert_string_equal(report.binding_name, "tls-exporter");
    unsigned char exported[32];
    assert_int_equal(SSL_export_keying_material(tls.ssl, exported, sizeof exported,
                                                "EXPORTER-Channel-Binding", 24, NULL, 0, 1),
                     1);
    assert_int_equal(report.tls.binding_length, sizeof exported);
    assert_memory_equal(report.tls.binding, exported, sizeof exported);
    echo_tls_close(&tls);
    echo_server_free(server);
}

/* RFC 5929 3.1: the first Finished, which in a resumed session is the server's. */
static void tls_unique_is_the_first_finished(void **state)
{
    (void)state;
    struct echo_server *server = start(LISTENER_IMPLICIT);
    SSL_SESSION *session = NULL;
    for (unsigned is_resumed = 0; is_resumed < 2; is_resumed++) {
        struct echo_tls tls =
            echo_tls_open(echo_connect(server), SIZE_MAX, TLS1_2_VERSION, session);
        assert_true(echo_tls_handshake(&tls));
        assert_true(echo_tls_expect(&tls, "hello\n"));
        assert_int_equal(SSL_session_reused(tls.ssl), is_resumed);
        unsigned char finished[64];
        size_t length = is_resumed ? SSL_get_peer_finished(tls.ssl, finished, sizeof finished)
                                   : SSL_get_finished(tls.ssl, finished, sizeof finished);
        struct echo_report report = echo_server_report(server);
        assert_string_equal(report.tls_version, "TLSv1.2");
        assert_string_equal(report.binding_name, "tls-unique");
        assert_int_equal(report.tls.binding_length, length);
        assert_memory_equal(report.tls.binding, finished, length);
        SSL_SESSION_free(session);
        session = SSL_get1_session(tls.ssl);
        echo_tls_notify(&tls);
        echo_tls_close(&tls);
    }
    SSL_SESSION_free(session);
    echo_server_free(server);
}

/* Programs that read and write in two threads stumble over tickets, which come behind the
 * handshake. */
static void no_ticket_comes_behind_the_handshake(void **state)
{
    (void)state;
    struct echo_server *server = start(LISTENER_IMPLICIT);
    struct echo_tls tls = echo_tls_open(echo_connect(server), SIZE_MAX, 0, NULL);
    assert_true(echo_tls_handshake(&tls));
    assert_true(echo_tls_expect(&tls, "hello\n"));
    SSL_SESSION *session = SSL_get1_session(tls.ssl);
    echo_tls_notify(&tls);
    echo_tls_close(&tls);
    tls = echo_tls_open(echo_connect(server), SIZE_MAX, 0, session);
    assert_true(echo_tls_handshake(&tls));
    assert_int_equal(SSL_session_reused(tls.ssl), 0);
    assert_true(echo_tls_expect(&tls, "hello\n"));
    SSL_SESSION_free(session);
    echo_tls_close(&tls);
    echo_server_free(server);
}

static void old_versions_are_refused(void **state)
{
    (void)state;
    struct echo_server *server = start(LISTENER_IMPLICIT);
    struct echo_tls tls = echo_tls_open(echo_connect(server), SIZE_MAX, TLS1_1_VERSION, NULL);
    SSL_set_security_level(tls.ssl, 0);
    SSL_set_cipher_list(tls.ssl, "ALL@SECLEVEL=0");
    assert_false(echo_tls_handshake(&tls));
    echo_tls_close(&tls);
    echo_server_wait(server, ended[ENGINE_END_TLS], 1);
    echo_server_free(server);
}

static void clear_text_at_a_tls_port_ends_it(void **state)
{
    (void)state;
    struct echo_server *server = start(LISTENER_IMPLICIT);
    int client = echo_connect(server);
    echo_send(client, "EHLO client.example\r\n");
    echo_server_wait(server, ended[ENGINE_END_TLS], 1);
    close(client);
    echo_server_free(server);
}

static void tls_without_a_certificate_ends_it(void **state)
{
    (void)state;
    struct echo_server *server = start(LISTENER_CLEAR);
    int client = echo_connect(server);
    echo_send(client, "tls\n");
    echo_server_wait(server, ended[ENGINE_END_TLS], 1);
    close(client);
    echo_server_free(server);
}

static void close_notify_is_an_orderly_end(void **state)
{
    (void)state;
    struct echo_server *server = start(LISTENER_IMPLICIT);
    struct echo_tls tls = echo_tls_open(echo_connect(server), SIZE_MAX, 0, NULL);
    assert_true(echo_tls_handshake(&tls));
    assert_true(echo_tls_send(&tls, "wait\na\n"));
    echo_tls_notify(&tls);
    echo_server_wait(server, ended[ENGINE_END_PEER], 1);
    assert_int_equal(echo_server_report(server).lines, 2);
    echo_tls_close(&tls);
    echo_server_free(server);
}

/* RFC 8446 6.1: an end without close_notify may have been made by anybody. */
static void end_without_close_notify_is_a_loss(void **state)
{
    (void)state;
    struct echo_server *server = start(LISTENER_IMPLICIT);
    struct echo_tls tls = echo_tls_open(echo_connect(server), SIZE_MAX, 0, NULL);
    assert_true(echo_tls_handshake(&tls));
    assert_true(echo_tls_expect(&tls, "hello\n"));
    assert_true(echo_tls_send(&tls, "a\n"));
    echo_tls_close(&tls);
    echo_server_wait(server, ended[ENGINE_END_LOST], 1);
    echo_server_free(server);
}

/* False: the cut came before the last byte. */
static bool play_cut(struct echo_server *server, size_t cut)
{
    struct echo_tls tls = echo_tls_open(echo_connect(server), cut, 0, NULL);
    bool is_whole =
        echo_tls_handshake(&tls) && echo_tls_send(&tls, "a\n") && echo_tls_send(&tls, "b\n");
    if (is_whole) {
        SSL_shutdown(tls.ssl);
        is_whole = BIO_ctrl_pending(tls.out) <= tls.left;
        echo_tls_notify(&tls);
    }
    echo_server_wait(server, opened, 1);
    /* Whoever cut still reads, so that nothing is reset. */
    char rest[4096];
    while (recv(tls.descriptor, rest, sizeof rest, 0) > 0)
        ;
    echo_tls_close(&tls);
    return is_whole;
}

static void cut_anywhere_is_never_an_orderly_end(void **state)
{
    (void)state;
    unsigned cuts = 0;
    struct echo_server *server = start(LISTENER_IMPLICIT);
    bool is_whole = false;
    for (size_t cut = 0; !is_whole; cut++) {
        is_whole = play_cut(server, cut);
        cuts += !is_whole;
        assert_true(cuts < 4000);
    }
    echo_server_wait(server, ended[ENGINE_END_PEER], 1);
    struct echo_report report = echo_server_report(server);
    /* Two records of 24 bytes and close_notify follow the handshake: all were cut. */
    assert_in_range(report.ended[ENGINE_END_LOST], 60, 100);
    assert_int_equal(report.ended[ENGINE_END_LOST] + report.ended[ENGINE_END_TLS], cuts);
    assert_int_equal(report.ended[ENGINE_END_PEER], 1);
    echo_server_free(server);
}

static void broken_record_is_a_loss(void **state)
{
    (void)state;
    struct echo_server *server = start(LISTENER_IMPLICIT);
    struct echo_tls tls = echo_tls_open(echo_connect(server), SIZE_MAX, 0, NULL);
    assert_true(echo_tls_handshake(&tls));
    assert_true(echo_tls_expect(&tls, "hello\n"));
    echo_send(tls.descriptor, "\x17\x03\x03");
    assert_int_equal(send(tls.descriptor, "\0\x20", 2, 0), 2);
    echo_send(tls.descriptor, "12345678901234567890123456789012");
    echo_server_wait(server, ended[ENGINE_END_LOST], 1);
    echo_tls_close(&tls);
    echo_server_free(server);
}

static void big_answers_and_many_records(void **state)
{
    (void)state;
    static char piece[4000];
    struct echo_server *server = start(LISTENER_IMPLICIT);
    struct echo_tls tls = echo_tls_open(echo_connect(server), SIZE_MAX, 0, NULL);
    assert_true(echo_tls_handshake(&tls));
    assert_true(echo_tls_expect(&tls, "hello\n"));
    assert_true(echo_tls_send(&tls, "big 5000000\n"));
    for (size_t i = 0; i < 5000000 / (sizeof piece - 10); i++) {
        for (size_t j = 0; j < sizeof piece - 10; j++)
            piece[j] = (char)('0' + j % 10);
        assert_true(echo_tls_expect(&tls, piece));
    }
    assert_true(5000000 % (sizeof piece - 10) != 0);
    memset(piece, 0, sizeof piece);
    for (size_t j = 0; j < 5000000 % 3990; j++)
        piece[j] = (char)('0' + j % 10);
    assert_true(echo_tls_expect(&tls, piece));
    assert_true(echo_tls_expect(&tls, "\n"));
    /* More than one buffer of small records in one write. */
    for (unsigned i = 0; i < 6000; i++)
        assert_int_equal(SSL_write(tls.ssl, "abc\n", 4), 4);
    assert_true(echo_tls_send(&tls, "quit\n"));
    for (unsigned i = 0; i < 6000; i++)
        assert_true(echo_tls_expect(&tls, "= abc\n"));
    assert_true(echo_tls_expect(&tls, "bye\n"));
    assert_int_equal(echo_tls_end(&tls), SSL_ERROR_ZERO_RETURN);
    echo_tls_close(&tls);
    echo_server_free(server);
}

/* close_notify comes also when the socket was full with the last bytes before it. */
static void slow_reader_gets_close_notify(void **state)
{
    (void)state;
    struct echo_server *server = start(LISTENER_IMPLICIT);
    for (unsigned i = 0; i < 10; i++) {
        struct echo_tls tls = echo_tls_open(echo_connect(server), SIZE_MAX, 0, NULL);
        assert_true(echo_tls_handshake(&tls));
        assert_true(echo_tls_expect(&tls, "hello\n"));
        char command[32];
        snprintf(command, sizeof command, "bigquit %u\n", 3000000 + i * 40000);
        assert_true(echo_tls_send(&tls, command));
        static char piece[1001];
        for (size_t j = 0; j < 1000; j++)
            piece[j] = (char)('0' + j % 10);
        for (unsigned j = 0; j < 3000 + i * 40; j++)
            assert_true(echo_tls_expect(&tls, piece));
        assert_true(echo_tls_expect(&tls, "\n"));
        assert_int_equal(echo_tls_end(&tls), SSL_ERROR_ZERO_RETURN);
        echo_tls_close(&tls);
    }
    echo_server_wait(server, ended[ENGINE_END_CLOSED], 10);
    echo_server_free(server);
}

static void silent_handshake_is_not_waited_for(void **state)
{
    (void)state;
    struct connection_patience patience = CONNECTION_PATIENCE;
    patience.handshake = 30;
    struct echo_server *server =
        echo_server_start(&(struct echo_options){.tls = LISTENER_IMPLICIT, .patience = &patience});
    int client = echo_connect(server);
    echo_server_wait(server, ended[ENGINE_END_TLS], 1);
    echo_expect_end(client);
    close(client);
    echo_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(implicit_tls_works),
        cmocka_unit_test(group_is_answered_in_one_write),
        cmocka_unit_test(bytes_before_the_handshake_are_dropped),
        cmocka_unit_test(bytes_that_waited_are_dropped),
        cmocka_unit_test(facts_are_told),
        cmocka_unit_test(tls_unique_is_the_first_finished),
        cmocka_unit_test(no_ticket_comes_behind_the_handshake),
        cmocka_unit_test(old_versions_are_refused),
        cmocka_unit_test(clear_text_at_a_tls_port_ends_it),
        cmocka_unit_test(tls_without_a_certificate_ends_it),
        cmocka_unit_test(close_notify_is_an_orderly_end),
        cmocka_unit_test(end_without_close_notify_is_a_loss),
        cmocka_unit_test(cut_anywhere_is_never_an_orderly_end),
        cmocka_unit_test(broken_record_is_a_loss),
        cmocka_unit_test(big_answers_and_many_records),
        cmocka_unit_test(slow_reader_gets_close_notify),
        cmocka_unit_test(silent_handshake_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
