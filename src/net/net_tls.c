/* A TLS session, of a client or of a server. */
#include "net/net_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "net/net_bio.h"
#include "net/net_tls_context.h"
#include "net/net_tls_fault.h"

enum {
    RECORD_MAX = 16384,      /* bytes that one TLS record carries (RFC 8446 5.1) */
    WRITE_MAX = 1024 * 1024, /* bytes of one call, so that whoever writes also comes to read */
    NAME_SIZE = 256,
};

struct net_tls {
    SSL *ssl;
    struct net_bio socket;
    struct net_tls_verdict verdict;
    bool is_verifying;
    bool is_server;
    bool is_up; /* the handshake is done */
    bool is_failed;
    bool may_have_pending; /* the last read took bytes, so that more may lie in OpenSSL's own buffer
                            */
    short read_events;
    short write_events;
    char name[NAME_SIZE];
    char *gathered; /* RECORD_MAX bytes of small slices, made when first needed */
};

/* ---- beginning and end ---- */

static bool is_address(const char *name)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

/* The name as certificates have it: no dot at its end, no zone behind an IPv6 address. */
static bool take_name(struct net_tls *tls, const char *name, struct fault *fault)
{
    size_t length = strcspn(name, "%");
    if (length == 0 || length >= sizeof tls->name)
        return fault_set(fault, FAULT_SYNTAX, "\"%.100s\" is no name of a TLS server", name);
    memcpy(tls->name, name, length);
    if (length > 1 && tls->name[length - 1] == '.')
        tls->name[length - 1] = '\0';
    return true;
}

static bool set_name(struct net_tls *tls, struct fault *fault)
{
    X509_VERIFY_PARAM *parameters = SSL_get0_param(tls->ssl);
    /* RFC 9525 6.3: the subject's common name says nothing, and "*" stands for a whole label. */
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    bool is_set = is_address(tls->name)
                      ? X509_VERIFY_PARAM_set1_ip_asc(parameters, tls->name) == 1
                      : X509_VERIFY_PARAM_set1_host(parameters, tls->name, 0) == 1 &&
                            SSL_set_tlsext_host_name(tls->ssl, tls->name) == 1;
    if (!is_set)
        return net_tls_fault_set(fault, FAULT_SYNTAX, "\"%.100s\" is no name of a TLS server",
                                 tls->name);
    return true;
}

static struct net_tls *make(int descriptor, struct fault *fault)
{
    struct net_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    tls->socket.descriptor = descriptor;
    tls->read_events = POLLIN;
    tls->write_events = POLLOUT;
    return tls;
}

static bool open_session(struct net_tls *tls, const struct net_tls_context *context,
                         struct fault *fault)
{
    ERR_clear_error();
    tls->ssl = SSL_new(context->openssl);
    BIO *bio = tls->ssl == NULL ? NULL : net_bio_new(context->bio_method, &tls->socket);
    if (bio == NULL)
        return net_tls_fault_set(fault, FAULT_TEMPORARY, "no TLS session can be made");
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, &tls->verdict);
    return true;
}

static bool prepare(struct net_tls *tls, const struct net_tls_context *context, const char *name,
                    struct fault *fault)
{
    bool has_name = name != NULL && *name != '\0';
    if (!has_name && net_tls_context_wants_name(context))
        return fault_set(fault, FAULT_PERMANENT,
                         "the certificate cannot be verified: the server's name is not known");
    if (has_name && !take_name(tls, name, fault))
        return false;
    if (!open_session(tls, context, fault))
        return false;
    if (has_name && !set_name(tls, fault))
        return false;
    SSL_set_connect_state(tls->ssl);
    return true;
}

struct net_tls *net_tls_new(const struct net_tls_context *context, int descriptor, const char *name,
                            struct fault *fault)
{
    struct net_tls *tls = make(descriptor, fault);
    if (tls == NULL)
        return NULL;
    tls->is_verifying = !context->no_verification || context->pin_count > 0;
    if (!prepare(tls, context, name, fault)) {
        net_tls_free(tls);
        return NULL;
    }
    return tls;
}

struct net_tls *net_tls_accept(const struct net_tls_context *context, int descriptor,
                               struct fault *fault)
{
    struct net_tls *tls = make(descriptor, fault);
    if (tls == NULL)
        return NULL;
    tls->is_server = true;
    if (!open_session(tls, context, fault)) {
        net_tls_free(tls);
        return NULL;
    }
    SSL_set_accept_state(tls->ssl);
    return tls;
}

void net_tls_free(struct net_tls *tls)
{
    if (tls == NULL)
        return;
    if (tls->is_up && !tls->is_failed)
        SSL_shutdown(tls->ssl);
    SSL_free(tls->ssl);
    ERR_clear_error();
    if (tls->gathered != NULL)
        secret_wipe(tls->gathered, RECORD_MAX);
    free(tls->gathered);
    free(tls);
}

/* ---- what went wrong ---- */

static const char *peer_of(const struct net_tls *tls)
{
    return tls->is_server ? "the client" : "the server";
}

static void explain_handshake(const struct net_tls *tls, struct fault *fault)
{
    const char *host = *tls->name == '\0' ? peer_of(tls) : tls->name;
    if (tls->verdict.is_refused) {
        fault_set(fault, FAULT_DENIED, "the certificate of %.60s is refused: %s", host,
                  tls->verdict.explanation);
        ERR_clear_error();
        return;
    }
    unsigned long error = ERR_peek_error();
    if (!tls->is_server && ERR_GET_LIB(error) == ERR_LIB_SSL &&
        ERR_GET_REASON(error) == SSL_R_WRONG_VERSION_NUMBER) {
        fault_set(
            fault, FAULT_PERMANENT,
            "%.60s does not speak TLS here: is this a port for STARTTLS, or another protocol?",
            host);
        ERR_clear_error();
        return;
    }
    net_tls_fault_set(fault, FAULT_PERMANENT, "TLS with %.60s failed", host);
}

static enum net_result fail(struct net_tls *tls, int error, struct fault *fault)
{
    tls->is_failed = true;
    const char *when = tls->is_up ? "the encrypted connection" : "the TLS handshake";
    if (tls->socket.is_at_end)
        /* RFC 8446 6.1: without close_notify nobody knows whether this is all that was said. */
        fault_set(fault, FAULT_TEMPORARY, "%s was cut off by %s", when, peer_of(tls));
    else if (error == SSL_ERROR_SYSCALL)
        fault_set_system(fault, FAULT_TEMPORARY, tls->socket.error, "%s broke off", when);
    else if (error == SSL_ERROR_SSL && !tls->is_up)
        explain_handshake(tls, fault);
    else
        net_tls_fault_set(fault, FAULT_PERMANENT, "the encrypted connection failed");
    ERR_clear_error();
    return NET_FAILED;
}

/* What a call of OpenSSL that did not succeed came to. events: what to wait for before the same
 * call is made again. */
static enum net_result judge(struct net_tls *tls, int result, short *events, struct fault *fault)
{
    int error = SSL_get_error(tls->ssl, result);
    switch (error) {
    case SSL_ERROR_WANT_READ:
        *events = POLLIN;
        return NET_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        *events = POLLOUT;
        return NET_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return NET_END;
    default:
        return fail(tls, error, fault);
    }
}

/* ---- the three phases ---- */

enum net_result net_tls_handshake(struct net_tls *tls, struct fault *fault)
{
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    if (result == 1) {
        tls->is_up = true;
        tls->may_have_pending = true;
        tls->read_events = POLLIN;
        tls->write_events = POLLOUT;
        return NET_DONE;
    }
    short events = 0;
    enum net_result judged = judge(tls, result, &events, fault);
    if (judged == NET_AGAIN)
        tls->read_events = tls->write_events = events;
    if (judged != NET_END)
        return judged;
    fault_set(fault, FAULT_TEMPORARY, "%s ended the TLS handshake", peer_of(tls));
    return NET_FAILED;
}

enum net_result net_tls_read(struct net_tls *tls, char *buffer, size_t size, size_t *count,
                             struct fault *fault)
{
    ERR_clear_error();
    size_t taken = 0;
    int result = SSL_read_ex(tls->ssl, buffer, size, &taken);
    tls->may_have_pending = result == 1;
    if (result != 1)
        return judge(tls, result, &tls->read_events, fault);
    tls->read_events = POLLIN;
    *count = taken;
    return NET_DONE;
}

enum net_result net_tls_peek(struct net_tls *tls, struct fault *fault)
{
    ERR_clear_error();
    char byte;
    size_t taken = 0;
    int result = SSL_peek_ex(tls->ssl, &byte, 1, &taken);
    tls->may_have_pending = result == 1;
    return result == 1 ? NET_DONE : judge(tls, result, &tls->read_events, fault);
}

/* The slices and how far they are written. */
struct write_place {
    const struct iovec *slices;
    size_t count;
    size_t offset; /* into the first */
};

static void advance(struct write_place *place, size_t written)
{
    place->offset += written;
    while (place->count > 0 && place->offset >= place->slices->iov_len) {
        place->offset -= place->slices->iov_len;
        place->slices++;
        place->count--;
    }
}

/* The next bytes to encrypt: a big or last slice as it lies there, small ones copied together. */
static struct bytes next_piece(struct net_tls *tls, const struct write_place *place)
{
    struct bytes first = bytes_of((const char *)place->slices->iov_base + place->offset,
                                  place->slices->iov_len - place->offset);
    if (first.length >= RECORD_MAX || place->count == 1)
        return first;
    if (tls->gathered == NULL)
        tls->gathered = malloc(RECORD_MAX);
    if (tls->gathered == NULL)
        return first;
    size_t length = 0;
    size_t offset = place->offset;
    for (size_t i = 0; i < place->count && length < RECORD_MAX; i++) {
        size_t part = place->slices[i].iov_len - offset;
        if (part > RECORD_MAX - length)
            part = RECORD_MAX - length;
        if (part > 0)
            memcpy(tls->gathered + length, (const char *)place->slices[i].iov_base + offset, part);
        length += part;
        offset = 0;
    }
    return bytes_of(tls->gathered, length);
}

enum net_result net_tls_write(struct net_tls *tls, const struct iovec *slices, size_t slice_count,
                              size_t *count, struct fault *fault)
{
    struct write_place place = {slices, slice_count, 0};
    size_t total = 0;
    advance(&place, 0);
    while (place.count > 0 && total < WRITE_MAX) {
        struct bytes piece = next_piece(tls, &place);
        ERR_clear_error();
        size_t written = 0;
        int result = SSL_write_ex(tls->ssl, piece.data, piece.length, &written);
        if (result != 1) {
            enum net_result judged = judge(tls, result, &tls->write_events, fault);
            if (judged == NET_AGAIN && total > 0)
                break;
            if (judged != NET_END)
                return judged;
            fault_set(fault, FAULT_TEMPORARY, "%s has closed the encrypted connection",
                      peer_of(tls));
            return NET_FAILED;
        }
        tls->write_events = POLLOUT;
        total += written;
        advance(&place, written);
    }
    *count = total;
    return NET_DONE;
}

enum net_result net_tls_notify(struct net_tls *tls)
{
    if (!tls->is_up || tls->is_failed)
        return NET_FAILED;
    ERR_clear_error();
    int result = SSL_shutdown(tls->ssl);
    if (result >= 0)
        return NET_DONE;
    /* It waits for the other side's only where nothing of ours is left to send. */
    int error = SSL_get_error(tls->ssl, result);
    ERR_clear_error();
    if (error == SSL_ERROR_WANT_READ)
        return NET_DONE;
    if (error != SSL_ERROR_WANT_WRITE)
        return NET_FAILED;
    tls->write_events = POLLOUT;
    return NET_AGAIN;
}

bool net_tls_has_pending(const struct net_tls *tls)
{
    return tls->is_up && !tls->is_failed && tls->may_have_pending && SSL_has_pending(tls->ssl) == 1;
}

short net_tls_read_events(const struct net_tls *tls)
{
    return tls->read_events;
}

short net_tls_write_events(const struct net_tls *tls)
{
    return tls->write_events;
}

/* ---- facts ---- */

const char *net_tls_version(const struct net_tls *tls)
{
    return SSL_get_version(tls->ssl);
}

const char *net_tls_cipher(const struct net_tls *tls)
{
    return SSL_get_cipher_name(tls->ssl);
}

bool net_tls_is_verified(const struct net_tls *tls)
{
    return tls->is_up && tls->is_verifying;
}

bool net_tls_showed_certificate(const struct net_tls *tls)
{
    return tls->verdict.is_certificate_shown;
}

static const char *bind_by_exporter(const struct net_tls *tls,
                                    unsigned char data[NET_TLS_BINDING_MAX], size_t *length)
{
    static const char label[] = "EXPORTER-Channel-Binding"; /* RFC 9266 2 */
    const size_t size = 32;
    if (SSL_export_keying_material(tls->ssl, data, size, label, sizeof label - 1, NULL, 0, 1) != 1)
        return NULL;
    *length = size;
    return "tls-exporter";
}

const char *net_tls_channel_binding(const struct net_tls *tls,
                                    unsigned char data[NET_TLS_BINDING_MAX], size_t *length)
{
    if (!tls->is_up)
        return NULL;
    if (SSL_version(tls->ssl) >= TLS1_3_VERSION) {
        const char *name = bind_by_exporter(tls, data, length);
        ERR_clear_error();
        return name;
    }
    /* RFC 5929 3.1 as mended by RFC 7627: without the extended master secret two sessions can share
     * a Finished. The first of the handshake counts: the client's, or in a resumed one the
     * server's. */
    if (SSL_get_extms_support(tls->ssl) != 1)
        return NULL;
    bool is_ours = (SSL_session_reused(tls->ssl) == 1) == tls->is_server;
    size_t size = is_ours ? SSL_get_finished(tls->ssl, data, NET_TLS_BINDING_MAX)
                          : SSL_get_peer_finished(tls->ssl, data, NET_TLS_BINDING_MAX);
    if (size == 0 || size > NET_TLS_BINDING_MAX)
        return NULL;
    *length = size;
    return "tls-unique";
}

bool net_tls_fingerprint(const struct net_tls *tls, char text[65])
{
    const X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    return certificate != NULL && net_certificate_fingerprint(certificate, text);
}
