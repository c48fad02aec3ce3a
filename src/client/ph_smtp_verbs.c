/* Single verbs: one command, one reply. */
#include <posthorn/smtp.h>

#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/scan.h"
#include "base/secret.h"
#include "client/client_body.h"
#include "client/client_loop.h"
#include "client/client_session.h"
#include "client/client_trace.h"
#include "mail/address_list.h"
#include "smtp/smtp_error.h"

/* What the verbs return for what client_loop_run came to. */
static int report(int code, const struct ph_error *failure, struct ph_error *error)
{
    if (failure->kind != PH_OK && error != NULL)
        *error = *failure;
    return code;
}

/* ---- raw use ---- */

static bool send_raw(struct ph_smtp *smtp, const char *data, size_t length, struct ph_error *error)
{
    /* What the program says by hand is not known here: the connection is no longer what a pool
     * believes. */
    smtp->is_pooled = false;
    smtp->state.has_raw = true;
    return ph_engine_raw(smtp->engine, data, length, client_session_now(), error) &&
           client_loop_flush(smtp, error);
}

/* Bytes that were read already may be the replies to earlier raw bytes: they are left for getreply.
 */
static bool begin_raw(struct ph_smtp *smtp, struct ph_error *error)
{
    if (!smtp->state.has_raw)
        return client_session_begin_connected(smtp, error);
    if (!client_session_begin(smtp, error))
        return false;
    return smtp->engine != NULL || client_session_refuse(error);
}

bool ph_smtp_send_raw(struct ph_smtp *smtp, const char *data, size_t length, struct ph_error *error)
{
    return begin_raw(smtp, error) && send_raw(smtp, data, length, error);
}

/* STARTTLS by hand would leave both ends with different ideas of the connection; AUTH and mail by
   hand would go round what keeps them out of clear connections. */
static bool is_allowed_by_hand(const struct ph_smtp *smtp, const char *verb, struct ph_error *error)
{
    /* No more is asked of it: the "*" that ends a login, and base64, are lines like others. */
    if (verb == NULL || *verb == '\0' || *verb == ' ' || *verb == '\t')
        return smtp_error_set(error, PH_ERROR_ARGUMENT, "", "a command begins with a verb");
    struct scan scan = scan_of(bytes_from_string(verb));
    struct bytes word = scan_take_while(&scan, &scan_letters_and_digits);
    if (bytes_equal_ignoring_case(word, BYTES("STARTTLS")))
        return smtp_error_set(error, PH_ERROR_ARGUMENT, "STARTTLS",
                              "STARTTLS is more than a command: call ph_smtp_starttls");
    if (smtp->transport.is_encrypted || smtp->is_loopback)
        return true;
    if (bytes_equal_ignoring_case(word, BYTES("AUTH")))
        return smtp_error_set(error, PH_ERROR_TLS, "AUTH",
                              "no login in clear: call ph_smtp_starttls first");
    bool is_mail = bytes_equal_ignoring_case(word, BYTES("MAIL"));
    if (is_mail && smtp->tls_mode == PH_TLS_STARTTLS)
        return smtp_error_set(error, PH_ERROR_TLS, "MAIL",
                              "TLS is demanded and not there yet: call ph_smtp_starttls first");
    return true;
}

static bool is_line(const char *text)
{
    return text == NULL || !bytes_has_line_break_or_nul(bytes_from_string(text));
}

/* The engine shows no raw bytes. Of AUTH the mechanism is shown, of what follows it nothing, until
   the server has said that the login is over. */
static void show_by_hand(struct ph_smtp *smtp, struct bytes line)
{
    struct bytes mechanism;
    struct bytes secret = {0};
    if (smtp->state.is_login_by_hand || smtp->reply.code == 334) {
        secret = line;
    } else if (bytes_starts_with_ignoring_case(line, BYTES("AUTH"))) {
        smtp->state.is_login_by_hand = true;
        struct bytes arguments = bytes_skip(line, sizeof "AUTH");
        if (bytes_has_char(arguments, '\t'))
            secret = arguments;
        else
            bytes_split(arguments, ' ', &mechanism, &secret);
    }
    client_trace_line(smtp, PH_TRACE_SENT, bytes_slice(line, 0, line.length - secret.length),
                      secret.length > 0);
}

bool ph_smtp_putcmd(struct ph_smtp *smtp, const char *verb, const char *argument,
                    struct ph_error *error)
{
    if (!begin_raw(smtp, error) || !is_allowed_by_hand(smtp, verb, error))
        return false;
    if (!is_line(verb) || !is_line(argument))
        return smtp_error_set(error, PH_ERROR_ARGUMENT, "",
                              "a command is one line, without CR and LF");
    bool has_argument = argument != NULL && argument[0] != '\0';
    char line[PH_ENGINE_COMMAND_MAX + 1];
    int length = snprintf(line, sizeof line, "%s%s%s\r\n", verb, has_argument ? " " : "",
                          has_argument ? argument : "");
    if (length < 0 || (size_t)length >= sizeof line)
        return smtp_error_set(error, PH_ERROR_ARGUMENT, "", "the command is longer than %d bytes",
                              PH_ENGINE_COMMAND_MAX);
    bool is_sent = send_raw(smtp, line, (size_t)length, error);
    if (is_sent) {
        smtp->state.replies_due++;
        show_by_hand(smtp, bytes_of(line, (size_t)length - 2));
    }
    /* A login by hand passes through here. */
    secret_wipe(line, (size_t)length);
    return is_sent;
}

int ph_smtp_getreply(struct ph_smtp *smtp, struct ph_error *error)
{
    struct ph_error failure;
    if (!client_session_begin(smtp, &failure))
        return report(-1, &failure, error);
    if (smtp->engine == NULL) {
        client_session_refuse(error);
        return -1;
    }
    if (!ph_engine_expect(smtp->engine, client_session_now(), &failure))
        return report(-1, &failure, error);
    int code = client_loop_run(smtp, &failure);
    if (smtp->state.replies_due > 0)
        smtp->state.replies_due--;
    if (code != 334 && smtp->state.replies_due == 0)
        smtp->state.is_login_by_hand = false;
    return report(code, &failure, error);
}

/* One command and its reply. */
static int run_command(struct ph_smtp *smtp, const char *verb, const char *argument,
                       struct ph_error *error)
{
    struct ph_error failure;
    if (!ph_engine_command(smtp->engine, verb, argument, client_session_now(), &failure))
        return report(-1, &failure, error);
    return report(client_loop_run(smtp, &failure), &failure, error);
}

int ph_smtp_docmd(struct ph_smtp *smtp, const char *verb, const char *argument,
                  struct ph_error *error)
{
    if (!client_session_begin_connected(smtp, error) || !is_allowed_by_hand(smtp, verb, error))
        return -1;
    smtp->is_pooled = false;
    return run_command(smtp, verb, argument, error);
}

/* ---- hello ---- */

static int hello(struct ph_smtp *smtp, enum ph_hello which, const char *name,
                 struct ph_error *error)
{
    struct ph_error failure;
    if (!client_session_begin_connected(smtp, error))
        return -1;
    smtp->is_pooled = false;
    return report(client_session_hello(smtp, which, name, &failure), &failure, error);
}

int ph_smtp_helo(struct ph_smtp *smtp, const char *name, struct ph_error *error)
{
    return hello(smtp, PH_HELLO_HELO, name, error);
}

int ph_smtp_ehlo(struct ph_smtp *smtp, const char *name, struct ph_error *error)
{
    return hello(smtp, PH_HELLO_EHLO, name, error);
}

int ph_smtp_lhlo(struct ph_smtp *smtp, const char *name, struct ph_error *error)
{
    return hello(smtp, PH_HELLO_LHLO, name, error);
}

bool ph_smtp_ehlo_or_helo_if_needed(struct ph_smtp *smtp, struct ph_error *error)
{
    if (!client_session_begin_connected(smtp, error))
        return false;
    struct ph_error failure;
    if (client_session_ensure_hello(smtp, &failure))
        return true;
    report(-1, &failure, error);
    return false;
}

/* ---- those without consequences ---- */

static int command(struct ph_smtp *smtp, const char *verb, const char *argument,
                   struct ph_error *error)
{
    if (!client_session_begin_connected(smtp, error))
        return -1;
    return run_command(smtp, verb, argument, error);
}

int ph_smtp_noop(struct ph_smtp *smtp, struct ph_error *error)
{
    return command(smtp, "NOOP", NULL, error);
}

int ph_smtp_rset(struct ph_smtp *smtp, struct ph_error *error)
{
    return command(smtp, "RSET", NULL, error);
}

int ph_smtp_help(struct ph_smtp *smtp, const char *topic, struct ph_error *error)
{
    return command(smtp, "HELP", topic, error);
}

/* As smtplib does it: of "Ann <a@x.example>" the address is asked for. What is no such thing goes
   as it is. */
static bool take_address(const char *name, struct buffer *address)
{
    struct fault fault;
    AUTO(address_list)
    list = ADDRESS_LIST;
    if (strchr(name, '<') != NULL && address_list_parse(&list, bytes_from_string(name), &fault) &&
        list.count == 1 && list.mailbox_count == 1)
        address_print(address_list_first(&list), address);
    else
        buffer_append_string(address, name);
    return !buffer_is_failed(address);
}

/* RFC 6531 3.7.4.2: a question that is not ASCII says so, where the server understands that at all.
 */
static int ask_for_name(struct ph_smtp *smtp, const char *verb, const char *name,
                        struct ph_error *error)
{
    AUTO(buffer)
    argument = BUFFER(PH_ENGINE_COMMAND_MAX);
    if (!client_session_begin_connected(smtp, error))
        return -1;
    if (!take_address(name, &argument)) {
        smtp_error_set(error, PH_ERROR_ARGUMENT, verb, "the name is too long");
        return -1;
    }
    if (!bytes_is_ascii(buffer_bytes(&argument))) {
        if (!(ph_engine_capabilities(smtp->engine)->set & PH_CAPABILITY_SMTPUTF8)) {
            smtp_error_set(error, PH_ERROR_NOT_SUPPORTED, verb,
                           "the name is not ASCII and the server does not offer SMTPUTF8");
            return -1;
        }
        buffer_append_string(&argument, " SMTPUTF8");
    }
    const char *line = buffer_string(&argument);
    if (line == NULL) {
        smtp_error_memory(error);
        return -1;
    }
    return run_command(smtp, verb, line, error);
}

int ph_smtp_verify(struct ph_smtp *smtp, const char *address, struct ph_error *error)
{
    return ask_for_name(smtp, "VRFY", address, error);
}

int ph_smtp_vrfy(struct ph_smtp *smtp, const char *address, struct ph_error *error)
{
    return ph_smtp_verify(smtp, address, error);
}

int ph_smtp_expn(struct ph_smtp *smtp, const char *list, struct ph_error *error)
{
    return ask_for_name(smtp, "EXPN", list, error);
}

/* ---- a transaction by hand ---- */

int ph_smtp_mail(struct ph_smtp *smtp, const char *sender, const char *parameters,
                 struct ph_error *error)
{
    struct ph_error failure;
    if (!client_session_begin_connected(smtp, error))
        return -1;
    if (!client_session_prepare(smtp, &failure) ||
        !ph_engine_mail(smtp->engine, sender, parameters, client_session_now(), &failure))
        return report(-1, &failure, error);
    smtp->state.transactions++;
    return report(client_loop_run(smtp, &failure), &failure, error);
}

int ph_smtp_rcpt(struct ph_smtp *smtp, const char *recipient, const char *parameters,
                 struct ph_error *error)
{
    struct ph_error failure;
    if (!client_session_begin_connected(smtp, error))
        return -1;
    if (!ph_engine_rcpt(smtp->engine, recipient, parameters, client_session_now(), &failure))
        return report(-1, &failure, error);
    return report(client_loop_run(smtp, &failure), &failure, error);
}

int ph_smtp_data(struct ph_smtp *smtp, const char *message, size_t length, struct ph_error *error)
{
    struct ph_error failure;
    if (!client_session_begin_connected(smtp, error))
        return -1;
    struct ph_transaction transaction = {.body = {.data = message, .length = length}};
    struct client_item item;
    if (!client_body_begin(&item, &transaction, smtp, &failure) ||
        !ph_engine_data(smtp->engine, &item.transaction, client_session_now(), &failure))
        return report(-1, &failure, error);
    return report(client_loop_run(smtp, &failure), &failure, error);
}
