/* SSL_accept, then an echo. */
#include "net/tls_server.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

struct tls_server {
    pthread_t thread;
    int descriptor;
    SSL_CTX *context;
    struct tls_server_report report;
};

static void note_session(struct tls_server *server, SSL *ssl)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    struct tls_server_report *report = &server->report;
    report->is_up = true;
    report->has_client_certificate = SSL_get0_peer_certificate(ssl) != NULL;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (name != NULL)
        strncpy(report->name, name, sizeof report->name - 1);
    SSL_export_keying_material(ssl, report->exporter, sizeof report->exporter, label,
                               sizeof label - 1, (const unsigned char *)"", 0, 1);
    report->finished_length = SSL_get_peer_finished(ssl, report->finished, sizeof report->finished);
}

static void echo(SSL *ssl)
{
    static const size_t size = 65536;
    char *memory = malloc(size);
    size_t count;
    while (memory != NULL && SSL_read_ex(ssl, memory, size, &count) == 1) {
        if (memchr(memory, '!', count) != NULL) {
            SSL_shutdown(ssl);
            break;
        }
        size_t written;
        if (memchr(memory, '?', count) != NULL || SSL_write_ex(ssl, memory, count, &written) != 1)
            break;
    }
    free(memory);
}

static void *serve(void *argument)
{
    struct tls_server *server = argument;
    /* OpenSSL's own socket BIO raises it. */
    sigset_t pipe_signal;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);

    SSL *ssl = SSL_new(server->context);
    SSL_set_fd(ssl, server->descriptor);
    if (SSL_accept(ssl) == 1) {
        note_session(server, ssl);
        echo(ssl);
    }
    SSL_free(ssl);
    ERR_clear_error();
    close(server->descriptor);
    return NULL;
}

static SSL_CTX *make_context(const struct tls_server_options *options)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    assert_non_null(context);
    assert_int_equal(SSL_CTX_use_certificate(context, options->identity->certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, options->identity->key), 1);
    if (options->version != 0) {
        SSL_CTX_set_min_proto_version(context, options->version);
        SSL_CTX_set_max_proto_version(context, options->version);
    }
    if (options->client_authority != NULL) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(context),
                            options->client_authority->certificate);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    return context;
}

struct tls_server *tls_server_start(const struct tls_server_options *options, int *descriptor)
{
    struct tls_server *server = calloc(1, sizeof *server);
    assert_non_null(server);
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    server->descriptor = ends[1];
    server->context = make_context(options);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
    *descriptor = ends[0];
    return server;
}

struct tls_server_report tls_server_finish(struct tls_server *server)
{
    assert_int_equal(pthread_join(server->thread, NULL), 0);
    struct tls_server_report report = server->report;
    SSL_CTX_free(server->context);
    free(server);
    return report;
}
