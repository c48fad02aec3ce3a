/* Opens sessions by the library's pool, which connects, encrypts and logs in at one stroke. */
#include "cli/send_delivery.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buffer.h"
#include "cli/exit_code.h"
#include "cli/report.h"
#include "cli/send_secret.h"

enum {
    SEND_DELIVERY_QUIT_SECONDS = 5 /* the longest wait for the answer to QUIT */
};

/* The session that Control-C ends; a signal handler has no other way to it. */
static struct ph_smtp *volatile cancelled_by_signal;

static void on_signal(int number)
{
    (void)number;
    if (cancelled_by_signal != NULL)
        ph_smtp_cancel(cancelled_by_signal);
}

static int login_of(const struct send_account *account, struct buffer *password,
                    struct buffer *token, struct ph_login *login)
{
    int code = send_secret_find(account, password, token);
    if (code != EX_OK)
        return code;
    *login = (struct ph_login){
        .user = send_account_value(account, SEND_ACCOUNT_USER),
        .password = password->length > 0 ? buffer_string(password) : NULL,
        .access_token = token->length > 0 ? buffer_string(token) : NULL,
        .mechanisms = send_account_value(account, SEND_ACCOUNT_MECHANISM),
        .allow_cleartext = send_account_value(account, SEND_ACCOUNT_CLEARTEXT_LOGIN) != NULL,
    };
    return EX_OK;
}

int send_delivery_open(struct send_delivery *delivery, struct send_account *account,
                       FILE *transcript, bool shows_progress, struct ph_error *error)
{
    AUTO(buffer)
    password = SECRET_BUFFER(SEND_SECRET_MAX);
    AUTO(buffer)
    token = SECRET_BUFFER(SEND_SECRET_MAX);
    struct ph_smtp_options options;
    struct ph_login login;
    struct fault fault;
    *error = (struct ph_error){0};
    if (!send_account_options(account, &options, &fault)) {
        report_error("%s", fault.message);
        return fault.system_error != 0 ? EX_NOINPUT : EX_USAGE;
    }
    bool logs_in = send_account_wants_login(account);
    if (logs_in) {
        int code = login_of(account, &password, &token, &login);
        if (code != EX_OK)
            return code;
    }
    if (transcript != NULL) {
        options.trace = send_output_trace;
        options.trace_context = transcript;
    }
    if (shows_progress) {
        options.progress = send_output_progress;
        options.progress_context = &delivery->progress;
    }
    delivery->pool = ph_pool_new(1, 0, error);
    if (delivery->pool != NULL)
        delivery->smtp = ph_pool_get(delivery->pool, &options, logs_in ? &login : NULL, error);
    return delivery->smtp != NULL ? EX_OK : exit_code_of_error(error, NULL);
}

static bool send_transaction(struct ph_smtp *smtp, const struct send_letter *letter,
                             const struct send_wishes *wishes, struct ph_result *result,
                             struct ph_error *error)
{
    struct ph_transaction transaction = {
        .sender = letter->sender,
        .recipient_count = letter->recipient_count,
        .return_content = wishes->return_content,
        .envelope_id = wishes->envelope_id,
        .require_tls = wishes->require_tls,
        .deliver_by_seconds = wishes->deliver_by_seconds,
        .deliver_by_mode = wishes->deliver_by_mode,
        .hold_for_seconds = wishes->hold_for_seconds,
        .hold_until = wishes->hold_until,
        .priority = wishes->priority,
        .has_priority = wishes->has_priority,
        .demands = wishes->demands,
    };
    struct ph_recipient *recipients = calloc(letter->recipient_count, sizeof(*recipients));
    if (recipients == NULL) {
        *error = (struct ph_error){.kind = PH_ERROR_MEMORY, .message = "out of memory"};
        return false;
    }
    for (size_t i = 0; i < letter->recipient_count; i++) {
        recipients[i].address = letter->recipients[i];
        recipients[i].notify = wishes->notify;
    }
    transaction.recipients = recipients;
    bool is_sent = ph_smtp_send_message_as(smtp, letter->message, &transaction, result, error);
    free(recipients);
    return is_sent;
}

bool send_delivery_send(struct send_delivery *delivery, const struct send_letter *letter,
                        const struct send_wishes *wishes, struct ph_result *result,
                        struct ph_error *error)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct sigaction interrupt;
    struct sigaction terminate;
    cancelled_by_signal = delivery->smtp;
    sigaction(SIGINT, &action, &interrupt);
    sigaction(SIGTERM, &action, &terminate);
    bool is_sent = send_transaction(delivery->smtp, letter, wishes, result, error);
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGTERM, &terminate, NULL);
    cancelled_by_signal = NULL;
    send_output_end_progress(&delivery->progress);
    return is_sent;
}

/* The message's fate is known by then: a server that does not answer QUIT is not worth the minutes
   that RFC 5321 4.5.3.2 grants to others. */
static void quit(struct ph_smtp *smtp)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct sigaction before;
    cancelled_by_signal = smtp;
    sigaction(SIGALRM, &action, &before);
    alarm(SEND_DELIVERY_QUIT_SECONDS);
    ph_smtp_quit(smtp, NULL);
    alarm(0);
    sigaction(SIGALRM, &before, NULL);
    cancelled_by_signal = NULL;
}

void send_delivery_clear(struct send_delivery *delivery)
{
    if (delivery == NULL)
        return;
    if (delivery->smtp != NULL) {
        quit(delivery->smtp);
        ph_smtp_free(delivery->smtp);
    }
    ph_pool_free(delivery->pool);
    *delivery = (struct send_delivery){0};
}
