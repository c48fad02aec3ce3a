/* Birth, connecting and end of a session, and what is known of it. */
#include <posthorn/smtp.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/auto.h"
#include "client/client_loop.h"
#include "client/client_options.h"
#include "client/client_session.h"
#include "client/client_trace.h"
#include "mail/domain.h"
#include "smtp/smtp_error.h"

/* ---- birth and end ---- */

static bool are_options_usable(const struct ph_smtp_options *options, struct ph_error *error)
{
    if (options->port > 65535 || options->source_port > 65535)
        return smtp_error_set(error, PH_ERROR_ARGUMENT, "", "a port is a number up to 65535");
    if (options->tls.mode > PH_TLS_NONE)
        return smtp_error_set(error, PH_ERROR_ARGUMENT, "", "there is no such TLS mode");
    if (options->proxy.kind > PH_PROXY_HTTP)
        return smtp_error_set(error, PH_ERROR_ARGUMENT, "", "there is no such kind of proxy");
    if (options->proxy.kind != PH_PROXY_NONE && options->proxy.address == NULL)
        return smtp_error_set(error, PH_ERROR_ARGUMENT, "", "the proxy has no address");
    return true;
}

/* As ph_smtp_ehlo takes a name: U-labels become A-labels. */
static bool convert_local_hostname(struct ph_smtp *smtp, struct ph_error *error)
{
    const char **name = &smtp->options.local_hostname;
    struct fault fault = {0};
    AUTO(buffer)
    ascii = BUFFER(CLIENT_HELLO_NAME_MAX);
    if (*name == NULL)
        return true;
    if (!domain_write_ascii(bytes_from_string(*name), &ascii, &fault) ||
        (!buffer_is_failed(&ascii) && !domain_is_hello_name(buffer_bytes(&ascii))))
        return smtp_error_set(error, PH_ERROR_ARGUMENT, "EHLO",
                              "local_hostname is neither a domain nor an address literal");
    *name =
        buffer_is_failed(&ascii) ? NULL : arena_copy_string(&smtp->memory, buffer_bytes(&ascii));
    return *name != NULL || smtp_error_memory(error);
}

/* A name that certificates can hold: a host without a port, A-labels or an address. */
static bool convert_server_name(struct ph_smtp *smtp, struct ph_error *error)
{
    const unsigned no_port = 65535;
    const char **name = &smtp->options.tls.server_name;
    struct fault fault = {0};
    struct net_target target;
    if (*name == NULL)
        return true;
    if (!net_target_parse(*name, no_port, &target, &fault))
        return smtp_error_from_fault(error, PH_ERROR_ARGUMENT, "TLS", &fault,
                                     "tls.server_name cannot be understood");
    if (target.is_path || target.port != no_port)
        return smtp_error_set(error, PH_ERROR_ARGUMENT, "TLS",
                              "tls.server_name is neither a host name nor an address");
    *name = arena_copy_string(&smtp->memory, bytes_from_string(target.host));
    return *name != NULL || smtp_error_memory(error);
}

/* Files that are named are read at once: a wrong path is the program's mistake, not the
   connection's. The system's trust store waits until TLS is used. */
static bool load_tls_files(struct ph_smtp *smtp, struct ph_error *error)
{
    const struct ph_tls_options *tls = &smtp->options.tls;
    if (tls->ca_file == NULL && tls->ca_directory == NULL && tls->certificate_file == NULL &&
        tls->key_file == NULL && tls->fingerprints == NULL)
        return true;
    struct fault fault = {0};
    if (client_session_ensure_tls_context(smtp, &fault))
        return true;
    return smtp_error_from_fault(error, PH_ERROR_TLS, "TLS", &fault, "TLS cannot be set up");
}

static bool fill(struct ph_smtp *smtp, const struct ph_smtp_options *options,
                 struct ph_error *error)
{
    arena_init(&smtp->memory, CLIENT_OPTIONS_MAX);
    buffer_init(&smtp->reply_text, PH_ENGINE_REPLY_MAX);
    buffer_init(&smtp->hello_memory, PH_ENGINE_REPLY_MAX);
    smtp->deadline = INT64_MAX;
    smtp->wake_descriptor = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
    if (smtp->wake_descriptor < 0) {
        struct fault fault = {0};
        fault_set_system(&fault, FAULT_TEMPORARY, errno, "no descriptor for ph_smtp_cancel");
        return smtp_error_from_fault(error, PH_ERROR_LIMIT, "", &fault, "a session cannot be made");
    }
    if (!client_options_copy(options, &smtp->options, &smtp->memory)) {
        smtp->options = (struct ph_smtp_options){0};
        return smtp_error_memory(error);
    }
    return convert_local_hostname(smtp, error) && convert_server_name(smtp, error) &&
           load_tls_files(smtp, error);
}

struct ph_smtp *ph_smtp_new(const struct ph_smtp_options *options, struct ph_error *error)
{
    static const struct ph_smtp_options defaults;
    if (options == NULL)
        options = &defaults;
    if (!are_options_usable(options, error))
        return NULL;
    struct ph_smtp *smtp = calloc(1, sizeof *smtp);
    if (smtp == NULL) {
        smtp_error_memory(error);
        return NULL;
    }
    if (!fill(smtp, options, error)) {
        ph_smtp_free(smtp);
        return NULL;
    }
    return smtp;
}

void ph_smtp_free(struct ph_smtp *smtp)
{
    if (smtp == NULL)
        return;
    client_session_drop(smtp);
    net_tls_context_free(smtp->tls_context);
    if (smtp->wake_descriptor >= 0)
        close(smtp->wake_descriptor);
    client_options_wipe(&smtp->options);
    arena_clear(&smtp->memory);
    buffer_clear(&smtp->reply_text);
    buffer_clear(&smtp->hello_memory);
    free(smtp->piece_memory);
    free(smtp->recipients);
    free(smtp);
}

/* ---- connecting ---- */

/* RFC 5321 4.1.4: a machine without a name says its address. No look-up: it could block. */
static void find_hello_name(const struct ph_smtp *smtp, char *name, size_t size)
{
    if (smtp->options.local_hostname != NULL) {
        snprintf(name, size, "%s", smtp->options.local_hostname);
        return;
    }
    if (gethostname(name, size) == 0 && memchr(name, '\0', size) != NULL &&
        strchr(name, '.') != NULL && domain_is_hello_name(bytes_from_string(name)))
        return;
    if (smtp->transport.stream == NULL ||
        !net_stream_local_literal(smtp->transport.stream, name, size))
        snprintf(name, size, "[127.0.0.1]");
}

static bool make_engine(struct ph_smtp *smtp, struct ph_error *error)
{
    char name[CLIENT_HELLO_NAME_MAX] = "";
    find_hello_name(smtp, name, sizeof name);
    memcpy(smtp->hello_name, name, sizeof name);
    const struct ph_smtp_options *options = &smtp->options;
    struct ph_engine_options wishes = {
        .hello_name = smtp->hello_name,
        .server_name = smtp->target.host,
        .server_port = smtp->target.port,
        .lmtp = options->lmtp,
        .is_encrypted = smtp->transport.is_encrypted,
        .no_pipelining = options->no_pipelining,
        .no_chunking = options->no_chunking,
        .bodies_in_flight = options->bodies_in_flight,
        .timeouts = options->timeouts,
        .trace = client_trace_function(smtp),
        .trace_context = smtp,
    };
    smtp->engine = ph_engine_new(&wishes, client_session_now(), error);
    return smtp->engine != NULL;
}

/* From an open transport to the greeting. */
static bool greet(struct ph_smtp *smtp, struct ph_error *error)
{
    struct ph_tls_facts facts;
    unsigned char binding[NET_TLS_BINDING_MAX];
    bool is_implicit = smtp->tls_mode == PH_TLS_IMPLICIT;
    if (is_implicit && !client_loop_handshake(smtp, &facts, binding)) {
        struct ph_error lost;
        smtp_error_set(&lost, PH_ERROR_DISCONNECTED, "TLS", "the connection is lost");
        client_session_take_error(smtp, &lost, error);
        return false;
    }
    if (!make_engine(smtp, error))
        return false;
    if (is_implicit)
        ph_engine_tls_started(smtp->engine, &facts, client_session_now());
    client_loop_run(smtp, error);
    return error->kind == PH_OK;
}

/* error may not be NULL. */
static bool greet_or_drop(struct ph_smtp *smtp, struct ph_error *error)
{
    if (greet(smtp, error))
        return true;
    client_session_drop(smtp);
    return false;
}

static unsigned default_port(const struct ph_smtp_options *options)
{
    if (options->port != 0)
        return options->port;
    if (options->lmtp)
        return PH_LMTP_PORT;
    return options->tls.mode == PH_TLS_IMPLICIT ? PH_SMTPS_PORT : PH_SMTP_PORT;
}

static void choose_tls_mode(struct ph_smtp *smtp, bool is_loopback)
{
    smtp->is_loopback = is_loopback;
    smtp->tls_mode = smtp->options.tls.mode;
    if (smtp->tls_mode != PH_TLS_DEFAULT)
        return;
    /* RFC 8314 3.3: a server there says nothing before TLS. */
    if (smtp->target.port == PH_SMTPS_PORT && !smtp->options.lmtp)
        smtp->tls_mode = PH_TLS_IMPLICIT;
    else
        smtp->tls_mode = is_loopback ? PH_TLS_NONE : PH_TLS_STARTTLS;
}

static bool parse_target(struct ph_smtp *smtp, const char *host, unsigned port,
                         struct ph_error *error)
{
    if (host == NULL)
        host = smtp->options.host != NULL ? smtp->options.host : "localhost";
    struct fault fault = {0};
    struct net_target target;
    if (port > 65535)
        return smtp_error_set(error, PH_ERROR_ARGUMENT, "connect",
                              "a port is a number up to 65535");
    if (!net_target_parse(host, default_port(&smtp->options), &target, &fault))
        return smtp_error_from_fault(error, PH_ERROR_ARGUMENT, "connect", &fault,
                                     "the host cannot be understood");
    if (port != 0)
        target.port = port;
    smtp->target = target;
    return true;
}

static void target_name(const struct net_target *target, char *name, size_t size)
{
    if (target->is_path)
        snprintf(name, size, "%s", target->host);
    else
        snprintf(name, size, "%s port %u", target->host, target->port);
}

static bool fail_to_connect(struct ph_smtp *smtp, enum net_connect_phase phase,
                            const struct fault *fault, struct ph_error *error)
{
    enum ph_error_kind kind = PH_ERROR_CONNECT;
    if (fault->system_error == ECANCELED) {
        client_session_take_cancel(smtp);
        kind = PH_ERROR_CANCELLED;
    } else if (fault->system_error == ETIMEDOUT) {
        kind = PH_ERROR_TIMEOUT;
    } else if (phase == NET_CONNECT_PROXY) {
        kind = PH_ERROR_PROXY;
    } else if (fault->kind == FAULT_SYNTAX) {
        kind = PH_ERROR_ARGUMENT;
    } else if (phase == NET_CONNECT_RESOLVE) {
        kind = PH_ERROR_RESOLVE;
    }
    char name[NET_HOST_MAX + 32];
    target_name(&smtp->target, name, sizeof name);
    smtp_error_from_fault(error, kind, "connect", fault, "cannot connect to %s", name);
    if (kind == PH_ERROR_CANCELLED)
        error->retry = false;
    return false;
}

static bool open_stream(struct ph_smtp *smtp, struct ph_error *error)
{
    const struct ph_smtp_options *options = &smtp->options;
    struct net_proxy proxy = {
        .kind = (enum net_proxy_kind)options->proxy.kind,
        .address = options->proxy.address,
        .user = options->proxy.user,
        .password = options->proxy.password,
    };
    int64_t limit =
        options->timeouts.connect > 0 ? options->timeouts.connect : CLIENT_CONNECT_TIMEOUT_MS;
    struct net_connect_options wishes = {
        .source_address = options->source_address,
        .source_port = options->source_port,
        .proxy = proxy.kind == NET_PROXY_NONE ? NULL : &proxy,
        .deadline = client_session_earlier(client_session_now() + limit, smtp->deadline),
        .wake_descriptor = smtp->wake_descriptor,
    };
    struct fault fault = {0};
    enum net_connect_phase phase = NET_CONNECT_RESOLVE;
    int descriptor = net_connect(&smtp->target, &wishes, &phase, &fault);
    if (descriptor < 0)
        return fail_to_connect(smtp, phase, &fault, error);
    smtp->transport.descriptor = descriptor;
    smtp->transport.stream = net_stream_take(descriptor, &fault);
    if (smtp->transport.stream == NULL) {
        close(descriptor);
        return fail_to_connect(smtp, NET_CONNECT_CONNECT, &fault, error);
    }
    return true;
}

static void note_peer(struct ph_smtp *smtp)
{
    if (client_trace_function(smtp) == NULL)
        return;
    char name[NET_HOST_MAX + 32];
    net_stream_peer_name(smtp->transport.stream, name, sizeof name);
    client_session_note(smtp, "connected to %s", name);
}

bool ph_smtp_connect(struct ph_smtp *smtp, const char *host, unsigned port, struct ph_error *error)
{
    struct ph_error failure;
    bool is_connected = false;
    if (client_session_begin(smtp, &failure)) {
        client_session_drop(smtp);
        if (parse_target(smtp, host, port, &failure) && open_stream(smtp, &failure)) {
            /* What a proxy leads to is not this machine, whatever its name. */
            choose_tls_mode(smtp, net_target_is_loopback(&smtp->target) &&
                                      smtp->options.proxy.kind == PH_PROXY_NONE);
            note_peer(smtp);
            is_connected = greet_or_drop(smtp, &failure);
        }
    }
    if (!is_connected && error != NULL)
        *error = failure;
    return is_connected;
}

/* The other end of a descriptor is surely on this machine. */
static bool is_local_peer(int descriptor)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_storage room;
    } peer;
    socklen_t length = sizeof peer;
    if (getpeername(descriptor, &peer.any, &length) != 0)
        return false;
    if (peer.any.sa_family == AF_UNIX)
        return true;
    if (peer.any.sa_family == AF_INET)
        return ntohl(peer.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return peer.any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&peer.v6.sin6_addr);
}

/* The name is the user's word: a tunnel to far away may well begin at a local address. */
static bool is_named_local(const struct ph_smtp *smtp, const char *host)
{
    return (host != NULL || smtp->options.host != NULL) && net_target_is_loopback(&smtp->target);
}

static bool take_descriptor(struct ph_smtp *smtp, int descriptor, const char *host,
                            struct ph_error *error)
{
    if (!parse_target(smtp, host, 0, error))
        return false;
    struct fault fault = {0};
    bool is_loopback = is_named_local(smtp, host) && is_local_peer(descriptor);
    smtp->transport.descriptor = descriptor;
    smtp->transport.stream = net_stream_take(descriptor, &fault);
    if (smtp->transport.stream == NULL)
        return smtp_error_from_fault(error, PH_ERROR_ARGUMENT, "connect", &fault,
                                     "the descriptor cannot be used");
    choose_tls_mode(smtp, is_loopback);
    return true;
}

bool ph_smtp_connect_take_descriptor(struct ph_smtp *smtp, int descriptor, const char *host,
                                     struct ph_error *error)
{
    struct ph_error failure;
    bool is_connected = false;
    bool has_begun = client_session_begin(smtp, &failure);
    if (has_begun)
        client_session_drop(smtp);
    if (has_begun && take_descriptor(smtp, descriptor, host, &failure)) {
        note_peer(smtp);
        is_connected = greet_or_drop(smtp, &failure);
    } else if (descriptor >= 0) {
        close(descriptor);
    }
    if (!is_connected && error != NULL)
        *error = failure;
    return is_connected;
}

/* error may not be NULL. */
static bool take_transport(struct ph_smtp *smtp, const char *host, struct ph_error *error)
{
    const struct ph_transport *own = &smtp->transport.own;
    if (own->read == NULL || own->write == NULL)
        smtp_error_set(error, PH_ERROR_ARGUMENT, "connect", "the transport cannot read or write");
    else if (parse_target(smtp, host, 0, error)) {
        choose_tls_mode(smtp, is_named_local(smtp, host));
        client_session_note(smtp, "connected by the program's own transport");
        return greet_or_drop(smtp, error);
    }
    client_session_drop(smtp);
    return false;
}

bool ph_smtp_connect_transport(struct ph_smtp *smtp, const struct ph_transport *transport,
                               const char *host, struct ph_error *error)
{
    struct ph_error failure;
    bool is_connected = false;
    if (!client_session_begin(smtp, &failure)) {
        struct client_transport refused = {.own = *transport, .has_own = true};
        client_transport_close(&refused);
    } else {
        client_session_drop(smtp);
        smtp->transport = (struct client_transport){.own = *transport, .has_own = true};
        is_connected = take_transport(smtp, host, &failure);
    }
    if (!is_connected && error != NULL)
        *error = failure;
    return is_connected;
}

/* ---- the end of a connection ---- */

/* What was asked by hand is answered before QUIT is. error may not be NULL. */
static int say_quit(struct ph_smtp *smtp, struct ph_error *error)
{
    if (!client_session_begin(smtp, error))
        return -1;
    if (smtp->engine == NULL) {
        client_session_refuse(error);
        return -1;
    }
    smtp->deadline =
        client_session_earlier(smtp->deadline, client_session_now() + CLIENT_QUIT_TIMEOUT_MS);
    for (size_t due = smtp->state.replies_due; due > 0; due--)
        if (!ph_engine_expect(smtp->engine, client_session_now(), error) ||
            client_loop_run(smtp, error) < 0)
            return -1;
    smtp->state.has_raw = false;
    client_loop_feed_rest(smtp);
    if (!ph_engine_quit(smtp->engine, client_session_now(), error))
        return -1;
    return client_loop_run(smtp, error);
}

int ph_smtp_quit(struct ph_smtp *smtp, struct ph_error *error)
{
    struct ph_error failure;
    if (!client_session_is_free(smtp, error))
        return -1;
    int code = say_quit(smtp, &failure);
    client_session_drop(smtp);
    if (code < 0 && error != NULL)
        *error = failure;
    return code;
}

void ph_smtp_close(struct ph_smtp *smtp)
{
    client_session_drop(smtp);
}

void ph_smtp_cancel(struct ph_smtp *smtp)
{
    int saved = errno;
    /* Only the one who raises the flag writes, so that each flag taken back has one count to read.
     */
    if (!__atomic_exchange_n(&smtp->is_cancelled, true, __ATOMIC_ACQ_REL)) {
        const uint64_t one = 1;
        while (write(smtp->wake_descriptor, &one, sizeof one) < 0 && errno == EINTR)
            ;
    }
    errno = saved;
}

/* ---- what is known ---- */

const struct ph_reply *ph_smtp_reply(const struct ph_smtp *smtp)
{
    return &smtp->reply;
}

bool ph_smtp_is_connected(const struct ph_smtp *smtp)
{
    return smtp->engine != NULL && !ph_engine_is_closed(smtp->engine);
}

bool ph_smtp_is_encrypted(const struct ph_smtp *smtp)
{
    return ph_smtp_is_connected(smtp) && smtp->transport.is_encrypted;
}

int ph_smtp_descriptor(const struct ph_smtp *smtp)
{
    return smtp->transport.stream == NULL ? -1 : smtp->transport.descriptor;
}

const char *ph_smtp_local_hostname(const struct ph_smtp *smtp)
{
    if (smtp->engine != NULL)
        return smtp->hello_name;
    return smtp->options.local_hostname == NULL ? "" : smtp->options.local_hostname;
}

const char *ph_smtp_hello_text(const struct ph_smtp *smtp)
{
    return smtp->state.hello_text == NULL ? "" : smtp->state.hello_text;
}

bool ph_smtp_has_extn(const struct ph_smtp *smtp, const char *keyword)
{
    return ph_smtp_extension(smtp, keyword) != NULL;
}

const char *ph_smtp_extension(const struct ph_smtp *smtp, const char *keyword)
{
    return smtp->engine == NULL ? NULL : ph_engine_extension(smtp->engine, keyword);
}

const struct ph_capabilities *ph_smtp_esmtp_features(const struct ph_smtp *smtp)
{
    static const struct ph_capabilities none = {.mechanisms = "", .text = ""};
    return smtp->engine == NULL ? &none : ph_engine_capabilities(smtp->engine);
}

void ph_smtp_set_debuglevel(struct ph_smtp *smtp, int level)
{
    smtp->debug_level = level;
    if (smtp->engine != NULL)
        ph_engine_set_trace(smtp->engine, client_trace_function(smtp), smtp);
}
