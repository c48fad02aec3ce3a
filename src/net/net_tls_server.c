/* Contexts for servers. */
#include "net/net_tls_server.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "net/net_bio.h"
#include "net/net_tls_context.h"
#include "net/net_tls_fault.h"

/* RFC 9325 4.2: forward secrecy and AEAD first. CBC is left in, behind, for mail servers whose
 * choice would else be clear text. */
static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!SHA1:!PSK:!aNULL";

enum {
    /* None: programs that read and write in two threads, as imaplib2 does, stumble over what comes
       behind the handshake, and mail clients seldom take a session up again. */
    TICKETS = 0
};

/* Called by OpenSSL with the client's hello: takes the identity whose certificate has the name. */
static int choose_identity(SSL *ssl, int *alert, void *argument)
{
    (void)alert;
    const struct net_tls_context *context = argument;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (name == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    for (size_t i = 0; i <= context->named_count; i++) {
        SSL_CTX *candidate = i == 0 ? context->openssl : context->named[i - 1];
        X509 *certificate = SSL_CTX_get0_certificate(candidate);
        if (X509_check_host(certificate, name, 0, 0, NULL) != 1)
            continue;
        SSL_set_SSL_CTX(ssl, candidate);
        return SSL_TLSEXT_ERR_OK;
    }
    /* RFC 6066 3: an unknown name is no reason to end the handshake. */
    return SSL_TLSEXT_ERR_NOACK;
}

static SSL_CTX *open_identity(const struct net_tls_identity *identity, struct fault *fault)
{
    SSL_CTX *openssl = SSL_CTX_new(TLS_server_method());
    if (openssl == NULL || SSL_CTX_set_min_proto_version(openssl, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(openssl, ciphers) != 1 ||
        SSL_CTX_set_num_tickets(openssl, TICKETS) != 1) {
        SSL_CTX_free(openssl);
        net_tls_fault_set(fault, FAULT_TEMPORARY, "OpenSSL cannot be started");
        return NULL;
    }
    SSL_CTX_set_options(openssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    /* An idle connection keeps no buffers. */
    SSL_CTX_set_mode(openssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    /* Tickets need no cache. */
    SSL_CTX_set_session_cache_mode(openssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(openssl, 1);
    if (!net_tls_context_load_identity(openssl, identity->certificate_file, identity->key_file,
                                       NULL, fault)) {
        SSL_CTX_free(openssl);
        return NULL;
    }
    return openssl;
}

static bool prepare(struct net_tls_context *context, const struct net_tls_identity *identities,
                    size_t count, struct fault *fault)
{
    context->bio_method = net_bio_method_new();
    if (context->bio_method == NULL)
        return net_tls_fault_set(fault, FAULT_TEMPORARY, "OpenSSL cannot be started");
    context->openssl = open_identity(&identities[0], fault);
    if (context->openssl == NULL)
        return false;
    context->named = calloc(count, sizeof(SSL_CTX *));
    if (context->named == NULL)
        return fault_set_memory(fault);
    for (; context->named_count + 1 < count; context->named_count++) {
        SSL_CTX *named = open_identity(&identities[context->named_count + 1], fault);
        if (named == NULL)
            return false;
        context->named[context->named_count] = named;
    }
    if (count > 1) {
        SSL_CTX_set_tlsext_servername_callback(context->openssl, choose_identity);
        SSL_CTX_set_tlsext_servername_arg(context->openssl, context);
    }
    return true;
}

struct net_tls_context *net_tls_server_context_new(const struct net_tls_identity *identities,
                                                   size_t count, struct fault *fault)
{
    if (count == 0 || count > NET_TLS_IDENTITIES_MAX) {
        fault_set(fault, FAULT_PERMANENT, "a TLS server has 1 to %d certificates",
                  NET_TLS_IDENTITIES_MAX);
        return NULL;
    }
    struct net_tls_context *context = calloc(1, sizeof *context);
    if (context == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    atomic_init(&context->holders, 1);
    ERR_clear_error();
    bool is_ready = prepare(context, identities, count, fault);
    ERR_clear_error();
    if (!is_ready) {
        net_tls_context_free(context);
        return NULL;
    }
    return context;
}
