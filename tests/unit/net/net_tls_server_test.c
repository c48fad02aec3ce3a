/* The server's side of TLS against our own client's. */
#include "net/net_tls_server.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "failing_allocation.h"
#include "net/net_certificate_make.h"
#include "unit.h"

/* ---- files ---- */

struct files {
    char directory[32];
    char certificate[64];
    char key[64];
};

static struct files make_files(void)
{
    struct files files = {.directory = "/tmp/posthorn-tls-XXXXXX"};
    assert_non_null(mkdtemp(files.directory));
    snprintf(files.certificate, sizeof files.certificate, "%s/a.crt", files.directory);
    snprintf(files.key, sizeof files.key, "%s/a.key", files.directory);
    return files;
}

static void remove_files(const struct files *files)
{
    unlink(files->certificate);
    unlink(files->key);
    /* Nothing else was left there. */
    assert_return_code(rmdir(files->directory), errno);
}

static X509 *read_certificate(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    assert_non_null(certificate);
    return certificate;
}

static void assert_mode(const char *path)
{
    struct stat status;
    assert_return_code(stat(path, &status), errno);
    assert_int_equal(status.st_mode & 07777, 0600);
}

static void certificates_are_made(void **state)
{
    (void)state;
    struct files files = make_files();
    struct fault fault = {0};
    assert_true(net_certificate_make("mx.example", files.certificate, files.key, &fault));
    assert_mode(files.certificate);
    assert_mode(files.key);
    X509 *first = read_certificate(files.certificate);
    assert_int_equal(X509_check_host(first, "mx.example", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(first, "localhost", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(first, "other.example", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ip_asc(first, "127.0.0.1", 0), 1);
    assert_int_equal(X509_check_ip_asc(first, "::1", 0), 1);
    assert_int_equal(X509_cmp_current_time(X509_get0_notBefore(first)), -1);
    assert_int_equal(X509_cmp_current_time(X509_get0_notAfter(first)), 1);
    assert_int_equal(X509_verify(first, X509_get0_pubkey(first)), 1);
    /* Made again: another key, another number, in the same places. */
    assert_true(net_certificate_make("localhost", files.certificate, files.key, &fault));
    X509 *second = read_certificate(files.certificate);
    assert_int_not_equal(
        ASN1_INTEGER_cmp(X509_get0_serialNumber(first), X509_get0_serialNumber(second)), 0);
    assert_int_not_equal(EVP_PKEY_eq(X509_get0_pubkey(first), X509_get0_pubkey(second)), 1);
    assert_int_equal(X509_check_host(second, "localhost", 0, 0, NULL), 1);
    X509_free(first);
    X509_free(second);
    remove_files(&files);
}

static void long_names_have_certificates(void **state)
{
    (void)state;
    struct files files = make_files();
    struct fault fault = {0};
    char name[256] = "";
    for (size_t i = 0; i < 20; i++)
        strcat(name, "0123456789.");
    strcat(name, "example");
    assert_true(net_certificate_make(name, files.certificate, NULL, &fault));
    X509 *certificate = read_certificate(files.certificate);
    assert_int_equal(X509_check_host(certificate, name, 0, 0, NULL), 1);
    X509_free(certificate);
    remove_files(&files);
}

static void odd_names_have_none(void **state)
{
    (void)state;
    static const char *const names[] = {"", "a b", "a,DNS:b.example", "\xC3\xA4.example", "a\n"};
    struct files files = make_files();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct fault fault = {0};
        assert_false(net_certificate_make(names[i], files.certificate, NULL, &fault));
        assert_int_equal(fault.kind, FAULT_SYNTAX);
    }
    remove_files(&files);
}

static void older_files_stay_when_new_ones_fail(void **state)
{
    (void)state;
    struct files files = make_files();
    struct fault fault = {0};
    assert_true(net_certificate_make("mx.example", files.certificate, NULL, &fault));
    assert_false(
        net_certificate_make("mx.example", files.certificate, "/tmp/no/such/place", &fault));
    assert_non_null(strstr(fault.message, "/tmp/no/such/place"));
    struct net_tls_identity identity = {.certificate_file = files.certificate};
    struct net_tls_context *context = net_tls_server_context_new(&identity, 1, &fault);
    assert_non_null(context);
    net_tls_context_free(context);
    remove_files(&files);
}

/* ---- contexts ---- */

static void faults_name_the_file(void **state)
{
    (void)state;
    struct files files = make_files();
    struct files other = make_files();
    assert_true(net_certificate_make("mx.example", files.certificate, files.key, NULL));
    assert_true(net_certificate_make("mx.example", other.certificate, other.key, NULL));
    const struct net_tls_identity identities[] = {
        {"/tmp/no/such.crt", files.key}, {files.certificate, "/tmp/no/such.key"},
        {files.certificate, NULL},      /* the key is not in it */
        {files.key, files.key},         /* no certificate */
        {files.certificate, other.key}, /* not its key */
    };
    const char *const named[] = {"/tmp/no/such.crt", "/tmp/no/such.key", files.certificate,
                                 files.key, other.key};
    for (size_t i = 0; i < sizeof identities / sizeof *identities; i++) {
        struct fault fault = {0};
        assert_null(net_tls_server_context_new(&identities[i], 1, &fault));
        assert_int_equal(fault.kind, FAULT_PERMANENT);
        assert_non_null(strstr(fault.message, named[i]));
        assert_int_equal(ERR_peek_error(), 0);
    }
    struct fault fault = {0};
    assert_null(net_tls_server_context_new(identities, 0, &fault));
    assert_null(net_tls_server_context_new(identities, NET_TLS_IDENTITIES_MAX + 1, &fault));
    remove_files(&files);
    remove_files(&other);
}

static void memory_may_fail(void **state)
{
    (void)state;
    struct files files = make_files();
    assert_true(net_certificate_make("mx.example", files.certificate, NULL, NULL));
    struct net_tls_identity identities[] = {{.certificate_file = files.certificate},
                                            {.certificate_file = files.certificate}};
    bool was_refused = true;
    for (size_t count = 0; was_refused; count++) {
        struct fault fault = {0};
        failing_allocation_start(count);
        struct net_tls_context *context = net_tls_server_context_new(identities, 2, &fault);
        was_refused = failing_allocation_stop();
        assert_true((context == NULL) == was_refused);
        assert_int_equal(fault.kind, was_refused ? FAULT_TEMPORARY : FAULT_NONE);
        net_tls_context_free(context);
    }
    remove_files(&files);
}

/* ---- sessions ---- */

/* Both ends of a pair, in one thread. */
struct both {
    int descriptors[2];
    struct net_tls_context *client_context;
    struct net_tls *client;
    struct net_tls *server;
};

/* Shakes hands; false: one of them refused. */
static bool meet(struct both *both, const struct net_tls_context *context,
                 const struct net_tls_policy *policy, const char *name, struct fault *fault)
{
    assert_return_code(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, both->descriptors),
        errno);
    both->client_context = net_tls_context_new(policy, fault);
    assert_non_null(both->client_context);
    both->client = net_tls_new(both->client_context, both->descriptors[0], name, fault);
    both->server = net_tls_accept(context, both->descriptors[1], fault);
    assert_true(both->client != NULL && both->server != NULL);
    enum net_result client = NET_AGAIN;
    enum net_result server = NET_AGAIN;
    while (client == NET_AGAIN || server == NET_AGAIN) {
        if (client == NET_AGAIN)
            client = net_tls_handshake(both->client, fault);
        if (server == NET_AGAIN)
            server = net_tls_handshake(both->server, client == NET_FAILED ? NULL : fault);
    }
    return client == NET_DONE && server == NET_DONE;
}

static void part(struct both *both)
{
    net_tls_free(both->client);
    net_tls_free(both->server);
    net_tls_context_free(both->client_context);
    close(both->descriptors[0]);
    close(both->descriptors[1]);
}

static void client_and_server_agree(void **state)
{
    (void)state;
    struct files files = make_files();
    assert_true(net_certificate_make("mx.example", files.certificate, files.key, NULL));
    struct net_tls_identity identity = {files.certificate, files.key};
    struct fault fault = {0};
    struct net_tls_context *context = net_tls_server_context_new(&identity, 1, &fault);
    struct net_tls_policy policy = {.ca_file = files.certificate};
    struct both both;
    assert_true(meet(&both, context, &policy, "mx.example", &fault));
    assert_string_equal(net_tls_version(both.server), "TLSv1.3");
    assert_string_equal(net_tls_cipher(both.server), net_tls_cipher(both.client));
    unsigned char bindings[2][NET_TLS_BINDING_MAX];
    size_t lengths[2];
    assert_string_equal(net_tls_channel_binding(both.server, bindings[0], &lengths[0]),
                        net_tls_channel_binding(both.client, bindings[1], &lengths[1]));
    assert_int_equal(lengths[0], lengths[1]);
    assert_memory_equal(bindings[0], bindings[1], lengths[0]);
    size_t count = 0;
    struct iovec slice = {(char[]){"hello"}, 5};
    assert_int_equal(net_tls_write(both.server, &slice, 1, &count, &fault), NET_DONE);
    assert_int_equal(count, 5);
    char text[16];
    assert_int_equal(net_tls_read(both.client, text, sizeof text, &count, &fault), NET_DONE);
    assert_bytes(bytes_of(text, count), "hello");
    assert_int_equal(net_tls_read(both.server, text, sizeof text, &count, &fault), NET_AGAIN);
    part(&both);
    net_tls_context_free(context);
    remove_files(&files);
}

/* A context lives as long as one holds it. */
static void contexts_are_counted(void **state)
{
    (void)state;
    struct files files = make_files();
    assert_true(net_certificate_make("mx.example", files.certificate, NULL, NULL));
    struct net_tls_identity identity = {.certificate_file = files.certificate};
    struct net_tls_context *context = net_tls_server_context_new(&identity, 1, NULL);
    struct net_tls_context *held = net_tls_context_hold(context);
    assert_ptr_equal(held, context);
    net_tls_context_free(context);
    struct both both;
    struct fault fault = {0};
    assert_true(meet(&both, held, &(struct net_tls_policy){.no_verification = true}, NULL, &fault));
    part(&both);
    net_tls_context_free(held);
    remove_files(&files);
}

static void names_choose_the_certificate(void **state)
{
    (void)state;
    struct files first = make_files();
    struct files second = make_files();
    assert_true(net_certificate_make("one.example", first.certificate, first.key, NULL));
    assert_true(net_certificate_make("two.example", second.certificate, second.key, NULL));
    struct net_tls_identity identities[] = {{first.certificate, first.key},
                                            {second.certificate, second.key}};
    struct net_tls_context *context = net_tls_server_context_new(identities, 2, NULL);
    static const struct {
        const char *name;
        bool is_first;
        bool is_known;
    } trials[] = {{"one.example", true, true},
                  {"two.example", false, true},
                  {"TWO.example", false, true},
                  {"three.example", true, false}};
    for (size_t i = 0; i < sizeof trials / sizeof *trials; i++) {
        struct net_tls_policy policy = {.ca_file = trials[i].is_first ? first.certificate
                                                                      : second.certificate};
        struct both both;
        struct fault fault = {0};
        bool is_met = meet(&both, context, &policy, trials[i].name, &fault);
        assert_int_equal(is_met, trials[i].is_known);
        if (!is_met)
            assert_int_equal(fault.kind, FAULT_DENIED);
        part(&both);
    }
    net_tls_context_free(context);
    remove_files(&first);
    remove_files(&second);
}

static void server_tells_what_the_client_did(void **state)
{
    (void)state;
    struct files files = make_files();
    assert_true(net_certificate_make("mx.example", files.certificate, NULL, NULL));
    struct net_tls_identity identity = {.certificate_file = files.certificate};
    struct net_tls_context *context = net_tls_server_context_new(&identity, 1, NULL);
    static const char *const words[] = {"EHLO client.example\r\n", ""};
    static const char *const told[] = {"the client", "cut off by the client"};
    for (size_t i = 0; i < 2; i++) {
        int pair[2];
        assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), errno);
        struct net_tls *server = net_tls_accept(context, pair[1], NULL);
        assert_int_equal(send(pair[0], words[i], strlen(words[i]), 0), strlen(words[i]));
        close(pair[0]);
        struct fault fault = {0};
        assert_int_equal(net_tls_handshake(server, &fault), NET_FAILED);
        assert_non_null(strstr(fault.message, told[i]));
        net_tls_free(server);
        close(pair[1]);
    }
    net_tls_context_free(context);
    remove_files(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_are_made),
        cmocka_unit_test(long_names_have_certificates),
        cmocka_unit_test(odd_names_have_none),
        cmocka_unit_test(older_files_stay_when_new_ones_fail),
        cmocka_unit_test(faults_name_the_file),
        cmocka_unit_test(memory_may_fail),
        cmocka_unit_test(client_and_server_agree),
        cmocka_unit_test(contexts_are_counted),
        cmocka_unit_test(names_choose_the_certificate),
        cmocka_unit_test(server_tells_what_the_client_did),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
