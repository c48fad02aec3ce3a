/* TLS against a server with certificates good and bad. */
#include "net/net_tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "failing_allocation.h"
#include "net/authority.h"
#include "net/net_stream.h"
#include "net/tls_server.h"
#include "unit.h"

static struct identity authority;
static struct identity good;
static const char *authority_file;

static int make_identities(void **state)
{
    (void)state;
    authority = authority_make(
        &(struct authority_wish){.common_name = "Test Authority", .is_authority = true});
    good = authority_make(
        &(struct authority_wish){.common_name = "unlike.example",
                                 .names = "DNS:mx.example,DNS:*.wild.example,IP:127.0.0.1,IP:::1",
                                 .issuer = &authority});
    authority_file = authority_write_certificate(&authority);
    return 0;
}

static int clear_identities(void **state)
{
    (void)state;
    authority_clear(&authority);
    authority_clear(&good);
    return 0;
}

/* A connection to a server, up to the end of the handshake. */
struct trial {
    struct net_tls_context *context;
    struct net_stream *stream;
    struct tls_server *server;
    enum net_result result;
    struct fault fault;
};

static const int64_t far = INT64_MAX;

static enum net_result shake_hands(struct net_stream *stream, struct fault *fault)
{
    for (;;) {
        enum net_result result = net_stream_handshake(stream, fault);
        if (result != NET_AGAIN)
            return result;
        assert_true(net_stream_wait(stream, NET_READY_READ | NET_READY_WRITE, -1, far, fault) > 0);
    }
}

static struct trial try_tls(const struct net_tls_policy *policy, const char *name,
                            const struct tls_server_options *options)
{
    struct trial trial = {0};
    int descriptor;
    trial.context = net_tls_context_new(policy, &trial.fault);
    assert_string_equal(trial.fault.message, "");
    trial.server = tls_server_start(options, &descriptor);
    trial.stream = net_stream_take(descriptor, &trial.fault);
    assert_non_null(trial.stream);
    if (net_stream_start_tls(trial.stream, trial.context, name, &trial.fault))
        trial.result = shake_hands(trial.stream, &trial.fault);
    else
        trial.result = NET_FAILED;
    /* Nothing is left behind in the thread's queue for other users of OpenSSL. */
    assert_int_equal(ERR_peek_error(), 0);
    return trial;
}

static struct tls_server_report end_trial(struct trial *trial)
{
    net_stream_close(trial->stream);
    struct tls_server_report report = tls_server_finish(trial->server);
    net_tls_context_free(trial->context);
    return report;
}

static void assert_accepted(const struct net_tls_policy *policy, const char *name,
                            const struct identity *identity)
{
    struct trial trial = try_tls(policy, name, &(struct tls_server_options){.identity = identity});
    assert_string_equal(trial.fault.message, "");
    assert_int_equal(trial.result, NET_DONE);
    end_trial(&trial);
}

static void assert_refused(const struct net_tls_policy *policy, const char *name,
                           const struct identity *identity, const char *word)
{
    struct trial trial = try_tls(policy, name, &(struct tls_server_options){.identity = identity});
    print_message("# %s\n", trial.fault.message);
    assert_int_equal(trial.result, NET_FAILED);
    assert_int_equal(trial.fault.kind, FAULT_DENIED);
    assert_non_null(strstr(trial.fault.message, word));
    struct tls_server_report report = end_trial(&trial);
    assert_false(report.is_up);
}

/* ---- whom to trust ---- */

static void verifies_the_name_that_was_asked_for(void **state)
{
    (void)state;
    const struct net_tls_policy policy = {.ca_file = authority_file};
    assert_accepted(&policy, "mx.example", &good);
    assert_accepted(&policy, "MX.Example", &good);
    assert_accepted(&policy, "mx.example.", &good);
    assert_accepted(&policy, "a.wild.example", &good);
    assert_accepted(&policy, "127.0.0.1", &good);
    assert_accepted(&policy, "::1", &good);
    assert_refused(&policy, "other.example", &good, "mx.example, *.wild.example");
    assert_refused(&policy, "a.b.wild.example", &good, "another host");
    assert_refused(&policy, "wild.example", &good, "another host");
    assert_refused(&policy, "127.0.0.2", &good, "127.0.0.1");
    assert_refused(&policy, "unlike.example", &good, "another host");
}

static void takes_names_from_the_alternative_names_only(void **state)
{
    (void)state;
    const struct net_tls_policy policy = {.ca_file = authority_file};
    struct identity common =
        authority_make(&(struct authority_wish){.common_name = "mx.example", .issuer = &authority});
    assert_refused(&policy, "mx.example", &common, "no name at all");
    authority_clear(&common);
    common =
        authority_make(&(struct authority_wish){.common_name = "127.0.0.1", .issuer = &authority});
    assert_refused(&policy, "127.0.0.1", &common, "no name at all");
    authority_clear(&common);
    /* RFC 9525 6.3: no star within a label, and no address written as a name */
    struct identity partial = authority_make(&(struct authority_wish){
        .common_name = "x", .names = "DNS:m*.example,DNS:127.0.0.1", .issuer = &authority});
    assert_refused(&policy, "mx.example", &partial, "another host");
    assert_refused(&policy, "127.0.0.1", &partial, "another host");
    authority_clear(&partial);
}

static void refuses_bad_dates(void **state)
{
    (void)state;
    const struct net_tls_policy policy = {.ca_file = authority_file};
    struct identity expired = authority_make(&(struct authority_wish){.common_name = "x",
                                                                      .names = "DNS:mx.example",
                                                                      .issuer = &authority,
                                                                      .dates = DATES_EXPIRED});
    struct identity future = authority_make(&(struct authority_wish){.common_name = "x",
                                                                     .names = "DNS:mx.example",
                                                                     .issuer = &authority,
                                                                     .dates = DATES_FUTURE});
    assert_refused(&policy, "mx.example", &expired, "expired on 2001-01-01");
    assert_refused(&policy, "mx.example", &future, "not valid before 2100-01-01");
    authority_clear(&expired);
    authority_clear(&future);
}

static void refuses_who_signs_for_himself(void **state)
{
    (void)state;
    struct identity self =
        authority_make(&(struct authority_wish){.common_name = "x", .names = "DNS:mx.example"});
    const char *self_file = authority_write_certificate(&self);
    const struct net_tls_policy others = {.ca_file = authority_file};
    const struct net_tls_policy system = {0};
    const struct net_tls_policy named = {.ca_file = self_file};
    assert_refused(&others, "mx.example", &self, "pin SHA-256");
    assert_refused(&system, "mx.example", &self, "pin SHA-256");
    assert_refused(&system, "mx.example", &good, "local issuer");
    assert_accepted(&named, "mx.example", &self);
    assert_refused(&named, "other.example", &self, "another host");
    authority_clear(&self);
}

static void reads_authorities_from_a_directory(void **state)
{
    (void)state;
    const struct net_tls_policy policy = {.ca_directory = authority_write_hashed(&authority)};
    assert_accepted(&policy, "mx.example", &good);
    assert_refused(&policy, "other.example", &good, "another host");
}

static void get_fingerprint(const struct identity *identity, const char *format, char *text)
{
    unsigned char digest[32];
    unsigned length = 0;
    assert_int_equal(X509_digest(identity->certificate, EVP_sha256(), digest, &length), 1);
    for (size_t i = 0; i < 32; i++)
        text += sprintf(text, format, digest[i]);
}

static void pins_a_fingerprint(void **state)
{
    (void)state;
    struct identity self = authority_make(&(struct authority_wish){
        .common_name = "x", .names = "DNS:elsewhere.example", .dates = DATES_EXPIRED});
    char wrong[128] = "0000000000000000000000000000000000000000000000000000000000000000";
    char plain[128];
    char colons[128];
    get_fingerprint(&self, "%02x", plain);
    get_fingerprint(&self, "%02X:", colons);
    colons[32 * 3 - 1] = '\0';
    const struct net_tls_policy first = {.fingerprints = (const char *[]){plain, NULL}};
    const struct net_tls_policy second = {.fingerprints = (const char *[]){wrong, colons, NULL}};
    const struct net_tls_policy none = {.fingerprints = (const char *[]){wrong, NULL}};
    const struct net_tls_policy lenient = {.fingerprints = (const char *[]){wrong, NULL},
                                           .no_verification = true};
    const struct net_tls_policy strict = {.ca_file = authority_file,
                                          .fingerprints = (const char *[]){wrong, NULL}};
    assert_accepted(&first, "mx.example", &self);
    assert_accepted(&second, "mx.example", &self);
    assert_accepted(&second, NULL, &self);
    assert_refused(&none, "mx.example", &self, plain);
    assert_refused(&lenient, "mx.example", &self, "not the pinned one");
    assert_refused(&strict, "mx.example", &good, "not the pinned one");
    authority_clear(&self);
}

static void verifies_nothing_only_when_told(void **state)
{
    (void)state;
    struct identity self =
        authority_make(&(struct authority_wish){.common_name = "x", .dates = DATES_EXPIRED});
    struct net_tls_policy policy = {.no_verification = true};
    struct trial trial =
        try_tls(&policy, "mx.example", &(struct tls_server_options){.identity = &self});
    assert_int_equal(trial.result, NET_DONE);
    assert_false(net_tls_is_verified(net_stream_tls(trial.stream)));
    end_trial(&trial);
    assert_accepted(&policy, NULL, &self);

    policy = (struct net_tls_policy){.ca_file = authority_file};
    trial = try_tls(&policy, NULL, &(struct tls_server_options){.identity = &good});
    assert_int_equal(trial.result, NET_FAILED);
    assert_int_equal(trial.fault.kind, FAULT_PERMANENT);
    end_trial(&trial);
    authority_clear(&self);
}

static void refuses_a_policy_that_cannot_be_used(void **state)
{
    (void)state;
    const char *certificate = authority_write_certificate(&good);
    const char *key = authority_write_key(&good, NULL);
    const char *locked = authority_write_key(&good, "secret");
    const char *other_key = authority_write_key(&authority, NULL);
    static const char digits[] =
        "00000000000000000000000000000000000000000000000000000000000000000";
    const char *many[NET_TLS_PINS_MAX + 2] = {NULL};
    for (size_t i = 0; i <= NET_TLS_PINS_MAX; i++)
        many[i] = digits + 1;
    const struct {
        struct net_tls_policy policy;
        const char *word;
    } rows[] = {
        {{.ca_file = "/nowhere/ca.pem"}, "/nowhere/ca.pem cannot be used: No such file"},
        {{.ca_file = key}, "cannot be used"},
        {{.ca_directory = "/nowhere"}, "/nowhere"},
        {{.certificate_file = "/nowhere/me.pem"}, "No such file"},
        {{.certificate_file = certificate}, "the key file"},
        {{.certificate_file = certificate, .key_file = "/nowhere/key"}, "No such file"},
        {{.certificate_file = certificate, .key_file = other_key}, "key values mismatch"},
        {{.certificate_file = certificate, .key_file = locked}, "needs a password"},
        {{.certificate_file = certificate, .key_file = locked, .key_password = "wrong"},
         "does not open with this password"},
        {{.key_file = key}, "no certificate file"},
        {{.fingerprints = (const char *[]){"", NULL}}, "SHA-256"},
        {{.fingerprints = (const char *[]){"0123", NULL}}, "SHA-256"},
        {{.fingerprints = (const char *[]){digits, NULL}}, "SHA-256"},
        {{.fingerprints = (const char *[]){"zz", NULL}}, "SHA-256"},
        {{.fingerprints = many}, "more than 8"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fault fault = {0};
        assert_null(net_tls_context_new(&rows[i].policy, &fault));
        print_message("# %s\n", fault.message);
        assert_non_null(strstr(fault.message, rows[i].word));
        assert_int_equal(ERR_peek_error(), 0);
    }
    const struct net_tls_policy unlocked = {
        .certificate_file = certificate, .key_file = locked, .key_password = "secret"};
    struct net_tls_context *context = net_tls_context_new(&unlocked, NULL);
    assert_non_null(context);
    net_tls_context_free(context);
}

/* ---- who we are ---- */

static void shows_a_certificate_when_asked(void **state)
{
    (void)state;
    struct identity client =
        authority_make(&(struct authority_wish){.common_name = "me", .issuer = &authority});
    const struct net_tls_policy policy = {.ca_file = authority_file,
                                          .certificate_file = authority_write_certificate(&client),
                                          .key_file = authority_write_key(&client, NULL)};
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct tls_server_options options = {
            .identity = &good, .client_authority = &authority, .version = version};
        struct trial trial = try_tls(&policy, "mx.example", &options);
        assert_int_equal(trial.result, NET_DONE);
        assert_true(net_tls_showed_certificate(net_stream_tls(trial.stream)));
        assert_true(end_trial(&trial).has_client_certificate);

        options.client_authority = NULL;
        trial = try_tls(&policy, "mx.example", &options);
        assert_int_equal(trial.result, NET_DONE);
        assert_false(net_tls_showed_certificate(net_stream_tls(trial.stream)));
        assert_false(end_trial(&trial).has_client_certificate);
    }
    authority_clear(&client);
}

static void tells_of_a_server_that_wants_a_certificate(void **state)
{
    (void)state;
    const struct net_tls_policy policy = {.ca_file = authority_file};
    const struct tls_server_options options = {.identity = &good, .client_authority = &authority};
    struct trial trial = try_tls(&policy, "mx.example", &options);
    assert_int_equal(trial.result, NET_DONE);
    /* With TLS 1.3 the server's no comes behind the handshake. */
    char byte;
    size_t count;
    enum net_result result;
    while ((result = net_stream_read(trial.stream, &byte, 1, &count, &trial.fault)) == NET_AGAIN)
        assert_true(net_stream_wait(trial.stream, NET_READY_READ, -1, far, NULL) > 0);
    assert_int_equal(result, NET_FAILED);
    assert_non_null(strstr(trial.fault.message, "certificate required"));
    end_trial(&trial);
}

/* ---- facts ---- */

static void tells_facts_and_channel_bindings(void **state)
{
    (void)state;
    const struct net_tls_policy policy = {.ca_file = authority_file};
    struct tls_server_options options = {.identity = &good, .version = TLS1_3_VERSION};
    unsigned char binding[NET_TLS_BINDING_MAX];
    size_t length = 0;
    char fingerprint[65];
    char expected[65];
    get_fingerprint(&good, "%02x", expected);

    struct trial trial = try_tls(&policy, "mx.example", &options);
    const struct net_tls *tls = net_stream_tls(trial.stream);
    assert_string_equal(net_tls_version(tls), "TLSv1.3");
    assert_true(strlen(net_tls_cipher(tls)) > 8);
    assert_true(net_tls_is_verified(tls));
    assert_true(net_tls_fingerprint(tls, fingerprint));
    assert_string_equal(fingerprint, expected);
    assert_string_equal(net_tls_channel_binding(tls, binding, &length), "tls-exporter");
    struct tls_server_report report = end_trial(&trial);
    assert_string_equal(report.name, "mx.example");
    assert_int_equal(length, sizeof report.exporter);
    assert_memory_equal(binding, report.exporter, length);

    options.version = TLS1_2_VERSION;
    trial = try_tls(&policy, "127.0.0.1", &options);
    tls = net_stream_tls(trial.stream);
    assert_string_equal(net_tls_version(tls), "TLSv1.2");
    assert_string_equal(net_tls_channel_binding(tls, binding, &length), "tls-unique");
    report = end_trial(&trial);
    assert_int_equal(length, report.finished_length);
    assert_memory_equal(binding, report.finished, length);
    /* RFC 6066 3: an address is no server name. */
    assert_string_equal(report.name, "");
}

static void refuses_old_versions(void **state)
{
    (void)state;
    const struct net_tls_policy policy = {.no_verification = true};
    const struct tls_server_options options = {.identity = &good, .version = TLS1_1_VERSION};
    struct trial trial = try_tls(&policy, "mx.example", &options);
    assert_int_equal(trial.result, NET_FAILED);
    assert_int_equal(trial.fault.kind, FAULT_PERMANENT);
    assert_null(net_tls_channel_binding(net_stream_tls(trial.stream), NULL, NULL));
    assert_false(net_tls_is_verified(net_stream_tls(trial.stream)));
    assert_false(end_trial(&trial).is_up);
}

/* ---- bytes ---- */

static void read_until(struct net_stream *stream, const char *expected, size_t length)
{
    static char memory[100000];
    size_t taken = 0;
    while (taken < length) {
        size_t count = 0;
        struct fault fault = {0};
        enum net_result result =
            net_stream_read(stream, memory + taken, length - taken, &count, &fault);
        if (result == NET_AGAIN)
            assert_true(net_stream_wait(stream, NET_READY_READ, -1, far, NULL) > 0);
        else
            assert_int_equal(result, NET_DONE);
        taken += count;
    }
    assert_memory_equal(memory, expected, length);
}

static size_t write_some(struct net_stream *stream, const char *data, size_t length)
{
    struct iovec slice = {.iov_base = (char *)(uintptr_t)data, .iov_len = length};
    size_t count = 0;
    struct fault fault = {0};
    enum net_result result = net_stream_write(stream, &slice, 1, &count, &fault);
    assert_true(result == NET_DONE || result == NET_AGAIN);
    return count;
}

static void carries_slices_of_every_size(void **state)
{
    (void)state;
    const struct net_tls_policy policy = {.ca_file = authority_file};
    static const size_t sizes[] = {1, 0, 100, 16384, 0, 5, 16383, 1, 40000, 3, 0};
    const size_t size_count = sizeof sizes / sizeof sizes[0];
    static char body[100000];
    struct iovec slices[sizeof sizes / sizeof sizes[0]];
    size_t total = 0;
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char)('A' + i % 26);
    for (size_t i = 0; i < size_count; i++) {
        slices[i] = (struct iovec){.iov_base = body + total, .iov_len = sizes[i]};
        total += sizes[i];
    }
    struct trial trial =
        try_tls(&policy, "mx.example", &(struct tls_server_options){.identity = &good});
    size_t written = 0;
    struct iovec *slice = slices;
    size_t left = size_count;
    while (written < total) {
        size_t count = 0;
        enum net_result result = net_stream_write(trial.stream, slice, left, &count, NULL);
        if (result == NET_AGAIN)
            assert_true(net_stream_wait(trial.stream, NET_READY_WRITE, -1, far, NULL) > 0);
        else
            assert_int_equal(result, NET_DONE);
        written += count;
        while (left > 0 && count >= slice->iov_len) {
            count -= slice->iov_len;
            slice++;
            left--;
        }
        if (left > 0) {
            slice->iov_base = (char *)slice->iov_base + count;
            slice->iov_len -= count;
        }
    }
    read_until(trial.stream, body, total);
    assert_true(net_stream_is_quiet(trial.stream));
    end_trial(&trial);
}

/* The server sends back all it gets, and stops reading when nobody takes it: so the writer must be
 * told to wait, and what it writes after that must still be whole. */
static void writes_against_a_full_socket(void **state)
{
    (void)state;
    const struct net_tls_policy policy = {.ca_file = authority_file};
    struct trial trial =
        try_tls(&policy, "mx.example", &(struct tls_server_options){.identity = &good});
    static char body[8 * 1024 * 1024];
    static char back[sizeof body];
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char)('A' + (i / 7) % 26);
    size_t written = 0;
    size_t taken = 0;
    bool was_full = false;
    while (taken < sizeof body) {
        size_t count = 0;
        while (written < sizeof body &&
               (count = write_some(trial.stream, body + written, sizeof body - written)) > 0)
            written += count;
        was_full = was_full || written < sizeof body;
        int wanted = NET_READY_READ | (written < sizeof body ? NET_READY_WRITE : 0);
        assert_true(net_stream_wait(trial.stream, wanted, -1, far, NULL) > 0);
        while (net_stream_read(trial.stream, back + taken, sizeof back - taken, &count, NULL) ==
                   NET_DONE &&
               (taken += count) < sizeof back)
            continue;
    }
    assert_true(was_full);
    assert_memory_equal(body, back, sizeof body);
    end_trial(&trial);
}

static void waits_not_for_bytes_that_are_there(void **state)
{
    (void)state;
    const struct net_tls_policy policy = {.ca_file = authority_file};
    struct trial trial =
        try_tls(&policy, "mx.example", &(struct tls_server_options){.identity = &good});
    assert_int_equal(write_some(trial.stream, "abc", 3), 3);
    read_until(trial.stream, "a", 1);
    /* The record is decrypted: poll knows nothing of what is left of it. */
    assert_int_equal(net_stream_wait(trial.stream, NET_READY_READ, -1, far, NULL), NET_READY_READ);
    assert_false(net_stream_is_quiet(trial.stream));
    read_until(trial.stream, "bc", 2);
    assert_true(net_stream_is_quiet(trial.stream));
    end_trial(&trial);
}

static void tells_an_end_from_a_cut(void **state)
{
    (void)state;
    const struct net_tls_policy policy = {.ca_file = authority_file};
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        static const struct {
            char byte;
            enum net_result result;
        } rows[] = {{'!', NET_END}, {'?', NET_FAILED}};
        for (size_t i = 0; i < 2; i++) {
            const struct tls_server_options options = {.identity = &good, .version = version};
            struct trial trial = try_tls(&policy, "mx.example", &options);
            assert_int_equal(write_some(trial.stream, &rows[i].byte, 1), 1);
            char byte;
            size_t count;
            enum net_result result;
            while ((result = net_stream_read(trial.stream, &byte, 1, &count, &trial.fault)) ==
                   NET_AGAIN)
                assert_true(net_stream_wait(trial.stream, NET_READY_READ, -1, far, NULL) > 0);
            assert_int_equal(result, rows[i].result);
            if (result == NET_FAILED)
                assert_non_null(strstr(trial.fault.message, "cut off"));
            assert_false(net_stream_is_quiet(trial.stream));
            end_trial(&trial);
        }
    }
}

/* ---- servers that are none ---- */

static void assert_handshake_fails(struct bytes said, bool is_ended, const char *word)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    const struct net_tls_policy policy = {.no_verification = true};
    struct net_tls_context *context = net_tls_context_new(&policy, NULL);
    struct net_stream *stream = net_stream_take(ends[0], NULL);
    assert_int_equal(write(ends[1], said.data, said.length), (ssize_t)said.length);
    if (is_ended)
        shutdown(ends[1], SHUT_WR);
    struct fault fault = {0};
    assert_true(net_stream_start_tls(stream, context, "mx.example", &fault));
    assert_int_equal(shake_hands(stream, &fault), NET_FAILED);
    print_message("# %s\n", fault.message);
    assert_non_null(strstr(fault.message, word));
    assert_int_equal(ERR_peek_error(), 0);
    net_stream_close(stream);
    net_tls_context_free(context);
    close(ends[1]);
}

static void explains_servers_without_tls(void **state)
{
    (void)state;
    assert_handshake_fails(BYTES("220 mx.example ESMTP\r\n"), false, "port for STARTTLS");
    assert_handshake_fails(BYTES(""), true, "was cut off");
    assert_handshake_fails(BYTES("\x16\x03"), true, "was cut off");
    assert_handshake_fails(BYTES("\x15\x03\x03\x00\x02\x02\x28"), false, "handshake failure");
}

static void starts_tls_once(void **state)
{
    (void)state;
    const struct net_tls_policy policy = {.ca_file = authority_file};
    struct trial trial =
        try_tls(&policy, "mx.example", &(struct tls_server_options){.identity = &good});
    struct fault fault = {0};
    assert_false(net_stream_start_tls(trial.stream, trial.context, "mx.example", &fault));
    assert_int_equal(fault.kind, FAULT_BUG);
    end_trial(&trial);
}

static void refuses_names_that_are_none(void **state)
{
    (void)state;
    static char long_name[300];
    memset(long_name, 'x', sizeof long_name - 1);
    const struct net_tls_policy policy = {.ca_file = authority_file};
    static const char *const names[] = {"", long_name, "%eth0"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct trial trial =
            try_tls(&policy, names[i], &(struct tls_server_options){.identity = &good});
        assert_int_equal(trial.result, NET_FAILED);
        end_trial(&trial);
    }
}

static void survives_failing_allocations(void **state)
{
    (void)state;
    const struct net_tls_policy policy = {.ca_file = authority_file};
    struct fault fault = {0};
    failing_allocation_start(0);
    struct net_tls_context *context = net_tls_context_new(&policy, &fault);
    assert_true(failing_allocation_stop());
    assert_null(context);
    assert_int_equal(fault.system_error, ENOMEM);

    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    context = net_tls_context_new(&policy, NULL);
    struct net_stream *stream = net_stream_take(ends[0], NULL);
    failing_allocation_start(0);
    bool is_started = net_stream_start_tls(stream, context, "mx.example", &fault);
    assert_true(failing_allocation_stop());
    assert_false(is_started);
    assert_int_equal(fault.system_error, ENOMEM);
    net_stream_close(stream);
    net_tls_context_free(context);
    close(ends[1]);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(verifies_the_name_that_was_asked_for),
    cmocka_unit_test(takes_names_from_the_alternative_names_only),
    cmocka_unit_test(refuses_bad_dates),
    cmocka_unit_test(refuses_who_signs_for_himself),
    cmocka_unit_test(reads_authorities_from_a_directory),
    cmocka_unit_test(pins_a_fingerprint),
    cmocka_unit_test(verifies_nothing_only_when_told),
    cmocka_unit_test(refuses_a_policy_that_cannot_be_used),
    cmocka_unit_test(shows_a_certificate_when_asked),
    cmocka_unit_test(tells_of_a_server_that_wants_a_certificate),
    cmocka_unit_test(tells_facts_and_channel_bindings),
    cmocka_unit_test(refuses_old_versions),
    cmocka_unit_test(carries_slices_of_every_size),
    cmocka_unit_test(writes_against_a_full_socket),
    cmocka_unit_test(waits_not_for_bytes_that_are_there),
    cmocka_unit_test(tells_an_end_from_a_cut),
    cmocka_unit_test(explains_servers_without_tls),
    cmocka_unit_test(starts_tls_once),
    cmocka_unit_test(refuses_names_that_are_none),
    cmocka_unit_test(survives_failing_allocations),
};

int main(void)
{
    return cmocka_run_group_tests(tests, make_identities, clear_identities);
}
