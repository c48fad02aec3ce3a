/* Drives the library for the system tests: one JSON request a line on standard input, one JSON
 * answer a line on standard output. Each request is one call of a ph_* function; lab/driver.py is
 * the other end. */
#include "driver.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void note(void *context, enum ph_trace_kind kind, const char *text, size_t length)
{
    static const char *const marks[] = {"> ", "< ", "~ ", "* "};
    struct driver *driver = context;
    json_t *line = json_sprintf("%s%.*s", marks[kind], (int)length, text);
    /* A server may say what is no UTF-8. */
    json_array_append_new(driver->trace, line ? line : json_sprintf("%s(not UTF-8)", marks[kind]));
}

/* Makes the options of a request; list is where its fingerprints go. */
static struct ph_smtp_options read_options(struct driver *driver, json_t *request,
                                           const char *list[8])
{
    static const char *const modes[] = {"default", "starttls", "implicit", "opportunistic", "none"};
    static const char *const proxies[] = {"none", "socks5", "http"};
    json_t *pins = json_object_get(request, "fingerprints");
    size_t index;
    json_t *pin;
    json_array_foreach(pins, index, pin)
    {
        if (index < 7) {
            list[index] = json_string_value(pin);
        }
    }
    return (struct ph_smtp_options){
        .host = text(request, "host"),
        .port = (unsigned)number(request, "port"),
        .local_hostname = text(request, "local_hostname"),
        .source_address = text(request, "source_address"),
        .lmtp = truth(request, "lmtp"),
        .tls = {.mode = (enum ph_tls_mode)choice(request, "tls", modes, 5),
                .ca_file = text(request, "ca_file"),
                .ca_directory = text(request, "ca_directory"),
                .certificate_file = text(request, "certificate_file"),
                .key_file = text(request, "key_file"),
                .fingerprints = pins ? list : NULL,
                .server_name = text(request, "server_name"),
                .no_verification = truth(request, "no_verification")},
        .timeouts = {.connect = number(request, "connect_timeout"),
                     .greeting = number(request, "greeting_timeout"),
                     .total = number(request, "total_timeout")},
        .proxy = {.kind = (enum ph_proxy_kind)choice(request, "proxy", proxies, 3),
                  .address = text(request, "proxy_address"),
                  .user = text(request, "proxy_user"),
                  .password = text(request, "proxy_password")},
        .no_pipelining = truth(request, "no_pipelining"),
        .no_chunking = truth(request, "no_chunking"),
        .bodies_in_flight = truth(request, "bodies_in_flight"),
        .trace = note,
        .trace_context = driver,
    };
}

static bool do_new(struct driver *driver, json_t *request)
{
    const char *list[8] = {NULL};
    struct ph_smtp_options options = read_options(driver, request, list);
    ph_smtp_free(driver->smtp);
    driver->smtp = ph_smtp_new(&options, &driver->error);
    return driver->smtp;
}

static bool do_connect(struct driver *driver, json_t *request)
{
    return ph_smtp_connect(driver->smtp, text(request, "host"), (unsigned)number(request, "port"),
                           &driver->error);
}

static bool do_connect_descriptor(struct driver *driver, json_t *request)
{
    return ph_smtp_connect_take_descriptor(driver->smtp, (int)number(request, "descriptor"),
                                           text(request, "host"), &driver->error);
}

static bool is_ready(int descriptor, short events, int64_t timeout)
{
    struct pollfd wait = {.fd = descriptor, .events = events};
    if (poll(&wait, 1, timeout > INT_MAX ? INT_MAX : (int)timeout) == 1) {
        return true;
    }
    errno = EAGAIN;
    return false;
}

static ssize_t plain_read(void *context, char *buffer, size_t size, int64_t timeout)
{
    if (!is_ready(*(int *)context, POLLIN, timeout)) {
        return -1;
    }
    return recv(*(int *)context, buffer, size, 0);
}

static ssize_t plain_write(void *context, const char *data, size_t size, int64_t timeout)
{
    if (!is_ready(*(int *)context, POLLOUT, timeout)) {
        return -1;
    }
    return send(*(int *)context, data, size, MSG_NOSIGNAL);
}

static void plain_close(void *context)
{
    close(*(int *)context);
    free(context);
}

/* A transport of the host's own that cannot do TLS, over a connected socket. */
static bool do_connect_transport(struct driver *driver, json_t *request)
{
    struct ph_transport transport = {
        .read = plain_read, .write = plain_write, .close = plain_close};
    int *descriptor = malloc(sizeof *descriptor);
    if (!descriptor) {
        abort();
    }
    *descriptor = (int)number(request, "descriptor");
    transport.context = descriptor;
    return ph_smtp_connect_transport(driver->smtp, &transport, text(request, "host"),
                                     &driver->error);
}

/* Verbs that answer with a reply's code. */
static bool do_verb(struct driver *driver, json_t *request)
{
    struct ph_smtp *smtp = driver->smtp;
    struct ph_error *error = &driver->error;
    const char *verb = text(request, "do");
    const char *argument = text(request, "argument");
    const char *parameters = text(request, "parameters");
    int code = -1;
    if (!strcmp(verb, "helo")) {
        code = ph_smtp_helo(smtp, argument, error);
    } else if (!strcmp(verb, "ehlo")) {
        code = ph_smtp_ehlo(smtp, argument, error);
    } else if (!strcmp(verb, "lhlo")) {
        code = ph_smtp_lhlo(smtp, argument, error);
    } else if (!strcmp(verb, "noop")) {
        code = ph_smtp_noop(smtp, error);
    } else if (!strcmp(verb, "rset")) {
        code = ph_smtp_rset(smtp, error);
    } else if (!strcmp(verb, "help")) {
        code = ph_smtp_help(smtp, argument, error);
    } else if (!strcmp(verb, "verify")) {
        code = ph_smtp_verify(smtp, argument, error);
    } else if (!strcmp(verb, "expn")) {
        code = ph_smtp_expn(smtp, argument, error);
    } else if (!strcmp(verb, "mail")) {
        code = ph_smtp_mail(smtp, argument, parameters, error);
    } else if (!strcmp(verb, "rcpt")) {
        code = ph_smtp_rcpt(smtp, argument, parameters, error);
    } else if (!strcmp(verb, "docmd")) {
        code = ph_smtp_docmd(smtp, text(request, "verb"), argument, error);
    } else if (!strcmp(verb, "quit")) {
        code = ph_smtp_quit(smtp, error);
    }
    json_object_set_new(driver->answer, "code", json_integer(code));
    return code != -1;
}

static bool do_data(struct driver *driver, json_t *request)
{
    size_t length;
    char *letter = read_file(text(request, "letter"), &length);
    int code = ph_smtp_data(driver->smtp, letter, length, &driver->error);
    json_object_set_new(driver->answer, "code", json_integer(code));
    free(letter);
    return code != -1;
}

static bool do_starttls(struct driver *driver, json_t *request)
{
    (void)request;
    return ph_smtp_starttls(driver->smtp, &driver->error);
}

static bool do_login(struct driver *driver, json_t *request)
{
    return ph_smtp_login(driver->smtp, text(request, "user"), text(request, "password"),
                         &driver->error);
}

static struct ph_login read_login(json_t *request)
{
    return (struct ph_login){.user = text(request, "user"),
                             .password = text(request, "password"),
                             .access_token = text(request, "access_token"),
                             .authorization_id = text(request, "authorization_id"),
                             .mechanisms = text(request, "mechanisms"),
                             .allow_cleartext = truth(request, "allow_cleartext"),
                             .no_initial_response = truth(request, "no_initial_response")};
}

static bool do_auth(struct driver *driver, json_t *request)
{
    struct ph_login login = read_login(request);
    return ph_smtp_auth(driver->smtp, &login, &driver->error);
}

static bool do_close(struct driver *driver, json_t *request)
{
    (void)request;
    ph_smtp_close(driver->smtp);
    return true;
}

static bool do_features(struct driver *driver, json_t *request)
{
    const struct ph_capabilities *offer = ph_smtp_esmtp_features(driver->smtp);
    const char *keyword = text(request, "keyword");
    json_object_set_new(driver->answer, "features",
                        json_pack("{s:b,s:i,s:I,s:s?,s:s?}", "is_extended", offer->is_extended,
                                  "set", offer->set, "size_limit", (json_int_t)offer->size_limit,
                                  "mechanisms", offer->mechanisms, "text", offer->text));
    if (keyword) {
        json_object_set_new(driver->answer, "has",
                            json_boolean(ph_smtp_has_extn(driver->smtp, keyword)));
    }
    return true;
}

static bool do_pool_get(struct driver *driver, json_t *request)
{
    const char *list[8] = {NULL};
    struct ph_smtp_options options = read_options(driver, request, list);
    struct ph_login login = read_login(request);
    if (!driver->pool) {
        driver->pool = ph_pool_new(0, 0, &driver->error);
    }
    driver->smtp = ph_pool_get(driver->pool, &options, login.user ? &login : NULL, &driver->error);
    return driver->smtp;
}

static bool do_pool_put(struct driver *driver, json_t *request)
{
    (void)request;
    ph_pool_put(driver->pool, driver->smtp);
    driver->smtp = NULL;
    return true;
}

static const struct {
    const char *name;
    bool (*function)(struct driver *driver, json_t *request);
} table[] = {
    {"new", do_new},
    {"connect", do_connect},
    {"connect_descriptor", do_connect_descriptor},
    {"connect_transport", do_connect_transport},
    {"data", do_data},
    {"starttls", do_starttls},
    {"login", do_login},
    {"auth", do_auth},
    {"features", do_features},
    {"sendmail", driver_sendmail},
    {"send", driver_send},
    {"send_all", driver_send_all},
    {"send_message", driver_send_message},
    {"render", driver_render},
    {"pool_get", do_pool_get},
    {"pool_put", do_pool_put},
    {"close", do_close},
};

static bool carry_out(struct driver *driver, json_t *request)
{
    const char *name = text(request, "do");
    for (size_t index = 0; index < sizeof table / sizeof table[0]; index++) {
        if (!strcmp(name, table[index].name)) {
            return table[index].function(driver, request);
        }
    }
    return do_verb(driver, request);
}

static void answer(struct driver *driver, bool is_done)
{
    json_object_set_new(driver->answer, "ok", json_boolean(is_done));
    if (!is_done) {
        json_object_set_new(driver->answer, "error", driver_error(&driver->error));
    }
    if (driver->smtp) {
        const struct ph_reply *reply = ph_smtp_reply(driver->smtp);
        json_object_set_new(driver->answer, "reply", driver_reply(reply));
        json_object_set_new(driver->answer, "connected",
                            json_boolean(ph_smtp_is_connected(driver->smtp)));
        json_object_set_new(driver->answer, "encrypted",
                            json_boolean(ph_smtp_is_encrypted(driver->smtp)));
    }
    json_object_set_new(driver->answer, "trace", driver->trace);
    json_dumpf(driver->answer, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(driver->answer);
}

int main(void)
{
    struct driver driver = {.smtp = NULL};
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0) {
        json_t *request = json_loads(line, 0, NULL);
        if (!request || !text(request, "do")) {
            fputs("driver: a line that is no request\n", stderr);
            return 2;
        }
        memset(&driver.error, 0, sizeof driver.error);
        driver.answer = json_object();
        driver.trace = json_array();
        answer(&driver, carry_out(&driver, request));
        json_decref(request);
    }
    free(line);
    ph_smtp_free(driver.smtp);
    ph_pool_free(driver.pool);
    return 0;
}
