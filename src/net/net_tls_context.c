/* Trust, pins and our own certificate, put into an SSL_CTX. */
#include "net/net_tls_context.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/secret.h"
#include "net/net_bio.h"
#include "net/net_tls_fault.h"

bool net_tls_context_wants_name(const struct net_tls_context *context)
{
    return !context->no_verification && context->pin_count == 0;
}

static struct net_tls_verdict *verdict_of(X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    return SSL_get_app_data(ssl);
}

/* Called by OpenSSL for each certificate of the chain, within the handshake. */
static int hear_verification(int is_good, X509_STORE_CTX *store)
{
    struct net_tls_verdict *verdict = verdict_of(store);
    if (!is_good) {
        verdict->is_refused = true;
        net_certificate_explain(X509_STORE_CTX_get_error(store),
                                X509_STORE_CTX_get_current_cert(store), verdict->explanation);
    }
    return is_good;
}

/* Takes the place of all verification where there are pins. */
static int verify_pin(X509_STORE_CTX *store, void *argument)
{
    const struct net_tls_context *context = argument;
    struct net_tls_verdict *verdict = verdict_of(store);
    const X509 *certificate = X509_STORE_CTX_get0_cert(store);
    unsigned char digest[NET_CERTIFICATE_DIGEST_SIZE];
    char fingerprint[NET_CERTIFICATE_FINGERPRINT_SIZE] = "";
    if (certificate != NULL && net_certificate_digest(certificate, digest)) {
        for (size_t i = 0; i < context->pin_count; i++) {
            if (memcmp(digest, context->pins[i], sizeof digest) == 0) {
                X509_STORE_CTX_set_error(store, X509_V_OK);
                return 1;
            }
        }
        net_certificate_fingerprint(certificate, fingerprint);
    }
    verdict->is_refused = true;
    snprintf(verdict->explanation, sizeof verdict->explanation,
             "its SHA-256 fingerprint is not the pinned one but %s", fingerprint);
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

/* Called by OpenSSL when the server asks for our certificate. */
static int hear_certificate_request(SSL *ssl, void *argument)
{
    (void)argument;
    struct net_tls_verdict *verdict = SSL_get_app_data(ssl);
    verdict->is_certificate_shown = SSL_get_certificate(ssl) != NULL;
    return 1;
}

static bool parse_pin(const char *text, unsigned char pin[NET_CERTIFICATE_DIGEST_SIZE])
{
    for (size_t i = 0; i < NET_CERTIFICATE_DIGEST_SIZE; i++) {
        if (i > 0 && *text == ':')
            text++;
        int high = bytes_hex_value(text[0]);
        int low = high < 0 ? -1 : bytes_hex_value(text[1]);
        if (low < 0)
            return false;
        pin[i] = (unsigned char)(high * 16 + low);
        text += 2;
    }
    return *text == '\0';
}

static bool take_pins(struct net_tls_context *context, const char *const *fingerprints,
                      struct fault *fault)
{
    for (; fingerprints != NULL && *fingerprints != NULL; fingerprints++) {
        if (context->pin_count == NET_TLS_PINS_MAX)
            return fault_set(fault, FAULT_LIMIT, "more than %d fingerprints are pinned",
                             NET_TLS_PINS_MAX);
        if (!parse_pin(*fingerprints, context->pins[context->pin_count]))
            return fault_set(fault, FAULT_SYNTAX,
                             "\"%.80s\" is no SHA-256 fingerprint of 64 hex digits", *fingerprints);
        context->pin_count++;
    }
    return true;
}

static bool load_trust(SSL_CTX *openssl, const struct net_tls_policy *policy, struct fault *fault)
{
    if (policy->ca_file == NULL && policy->ca_directory == NULL) {
        if (SSL_CTX_set_default_verify_paths(openssl) != 1)
            return net_tls_fault_set(fault, FAULT_PERMANENT,
                                     "the system's CA certificates cannot be read");
        return true;
    }
    if (policy->ca_file != NULL && SSL_CTX_load_verify_file(openssl, policy->ca_file) != 1)
        return net_tls_fault_set(fault, FAULT_PERMANENT, "the CA file %.100s cannot be used",
                                 policy->ca_file);
    /* OpenSSL looks into a directory only when it searches for a CA. */
    struct stat status;
    if (policy->ca_directory != NULL &&
        (stat(policy->ca_directory, &status) != 0 || !S_ISDIR(status.st_mode)))
        return fault_set(fault, FAULT_PERMANENT, "the CA directory %.100s is not there",
                         policy->ca_directory);
    if (policy->ca_directory != NULL && SSL_CTX_load_verify_dir(openssl, policy->ca_directory) != 1)
        return net_tls_fault_set(fault, FAULT_PERMANENT, "the CA directory %.100s cannot be used",
                                 policy->ca_directory);
    /* Who names an intermediate CA, or the server's certificate itself, trusts just that. */
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(openssl), X509_V_FLAG_PARTIAL_CHAIN);
    return true;
}

struct key_password {
    const char *text; /* or NULL */
    bool was_asked;
};

/* OpenSSL would ask at the terminal where this gave nothing. */
static int give_key_password(char *buffer, int size, int is_writing, void *argument)
{
    (void)is_writing;
    struct key_password *password = argument;
    password->was_asked = true;
    size_t length = password->text == NULL ? 0 : strlen(password->text);
    if (length == 0 || length > (size_t)size)
        return -1;
    memcpy(buffer, password->text, length);
    return (int)length;
}

static bool load_files(SSL_CTX *openssl, const char *certificate_file, const char *key_file,
                       const struct key_password *password, struct fault *fault)
{
    if (SSL_CTX_use_certificate_chain_file(openssl, certificate_file) != 1)
        return net_tls_fault_set(fault, FAULT_PERMANENT,
                                 "the certificate file %.100s cannot be used", certificate_file);
    if (SSL_CTX_use_PrivateKey_file(openssl, key_file, SSL_FILETYPE_PEM) == 1 &&
        SSL_CTX_check_private_key(openssl) == 1)
        return true;
    if (password->was_asked)
        return fault_set(fault, FAULT_PERMANENT, "the key file %.100s %s", key_file,
                         password->text == NULL ? "needs a password"
                                                : "does not open with this password");
    return net_tls_fault_set(fault, FAULT_PERMANENT, "the key file %.100s cannot be used",
                             key_file);
}

bool net_tls_context_load_identity(SSL_CTX *openssl, const char *certificate_file,
                                   const char *key_file, const char *key_password,
                                   struct fault *fault)
{
    struct key_password password = {.text = key_password};
    SSL_CTX_set_default_passwd_cb(openssl, give_key_password);
    SSL_CTX_set_default_passwd_cb_userdata(openssl, &password);
    bool is_loaded = load_files(openssl, certificate_file,
                                key_file == NULL ? certificate_file : key_file, &password, fault);
    SSL_CTX_set_default_passwd_cb(openssl, NULL);
    SSL_CTX_set_default_passwd_cb_userdata(openssl, NULL);
    return is_loaded;
}

static bool load_identity(SSL_CTX *openssl, const struct net_tls_policy *policy,
                          struct fault *fault)
{
    if (policy->certificate_file == NULL) {
        if (policy->key_file != NULL)
            return fault_set(fault, FAULT_PERMANENT, "there is a key file but no certificate file");
        return true;
    }
    SSL_CTX_set_cert_cb(openssl, hear_certificate_request, NULL);
    return net_tls_context_load_identity(openssl, policy->certificate_file, policy->key_file,
                                         policy->key_password, fault);
}

static void set_verification(struct net_tls_context *context)
{
    if (context->no_verification && context->pin_count == 0) {
        SSL_CTX_set_verify(context->openssl, SSL_VERIFY_NONE, NULL);
        return;
    }
    SSL_CTX_set_verify(context->openssl, SSL_VERIFY_PEER, hear_verification);
    if (context->pin_count > 0)
        SSL_CTX_set_cert_verify_callback(context->openssl, verify_pin, context);
}

static bool prepare(struct net_tls_context *context, const struct net_tls_policy *policy,
                    struct fault *fault)
{
    ERR_clear_error();
    context->no_verification = policy->no_verification;
    context->bio_method = net_bio_method_new();
    context->openssl = SSL_CTX_new(TLS_client_method());
    if (context->bio_method == NULL || context->openssl == NULL)
        return net_tls_fault_set(fault, FAULT_TEMPORARY, "OpenSSL cannot be started");
    if (SSL_CTX_set_min_proto_version(context->openssl, TLS1_2_VERSION) != 1)
        return net_tls_fault_set(fault, FAULT_PERMANENT, "OpenSSL does not have TLS 1.2");
    SSL_CTX_set_options(context->openssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(context->openssl,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context->openssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(context->openssl, 1);
    if (!take_pins(context, policy->fingerprints, fault))
        return false;
    if (net_tls_context_wants_name(context) && !load_trust(context->openssl, policy, fault))
        return false;
    if (!load_identity(context->openssl, policy, fault))
        return false;
    set_verification(context);
    return true;
}

struct net_tls_context *net_tls_context_new(const struct net_tls_policy *policy,
                                            struct fault *fault)
{
    struct net_tls_context *context = calloc(1, sizeof *context);
    if (context == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    atomic_init(&context->holders, 1);
    if (!prepare(context, policy, fault)) {
        ERR_clear_error();
        net_tls_context_free(context);
        return NULL;
    }
    return context;
}

struct net_tls_context *net_tls_context_hold(struct net_tls_context *context)
{
    atomic_fetch_add(&context->holders, 1);
    return context;
}

void net_tls_context_free(struct net_tls_context *context)
{
    if (context == NULL || atomic_fetch_sub(&context->holders, 1) > 1)
        return;
    for (size_t i = 0; i < context->named_count; i++)
        SSL_CTX_free(context->named[i]);
    free(context->named);
    SSL_CTX_free(context->openssl);
    BIO_meth_free(context->bio_method);
    free(context);
}
