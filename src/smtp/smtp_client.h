/* The SMTP and LMTP client engine behind include/posthorn/engine.h, where the contract stands: each
 * function here is the one of the same name there. Bytes in, events and bytes out; no socket, no
 * clock, no global. */
#ifndef SMTP_SMTP_CLIENT_H
#define SMTP_SMTP_CLIENT_H

#include <sys/uio.h>

#include <sys/uio.h>

#include <posthorn/protocol.h>

struct smtp_client;

struct smtp_client *smtp_client_new(const struct ph_engine_options *options, int64_t now,
                                    struct ph_error *error);
void smtp_client_free(struct smtp_client *client);
void smtp_client_set_trace(struct smtp_client *client, ph_trace *trace, void *trace_context);

size_t smtp_client_feed(struct smtp_client *client, const char *data, size_t length, int64_t now);
void smtp_client_end_of_input(struct smtp_client *client, int system_error, int64_t now);
bool smtp_client_next(struct smtp_client *client, struct ph_event *event);
size_t smtp_client_output(struct smtp_client *client, struct iovec *slices, size_t count);
void smtp_client_sent(struct smtp_client *client, size_t count, int64_t now);
int64_t smtp_client_deadline(const struct smtp_client *client);
void smtp_client_tick(struct smtp_client *client, int64_t now);

bool smtp_client_hello(struct smtp_client *client, enum ph_hello which, const char *name,
                       int64_t now, struct ph_error *error);
bool smtp_client_starttls(struct smtp_client *client, int64_t now, struct ph_error *error);
void smtp_client_tls_started(struct smtp_client *client, const struct ph_tls_facts *facts,
                             int64_t now);
bool smtp_client_login(struct smtp_client *client, const struct ph_login *login, int64_t now,
                       struct ph_error *error);
bool smtp_client_send(struct smtp_client *client, const struct ph_transaction *transaction,
                      int64_t now, struct ph_error *error);
void smtp_client_body(struct smtp_client *client, const char *piece, size_t length, bool is_last,
                      int64_t now);
void smtp_client_body_failed(struct smtp_client *client, int system_error, int64_t now);
bool smtp_client_command(struct smtp_client *client, const char *verb, const char *argument,
                         int64_t now, struct ph_error *error);
bool smtp_client_mail(struct smtp_client *client, const char *sender, const char *parameters,
                      int64_t now, struct ph_error *error);
bool smtp_client_rcpt(struct smtp_client *client, const char *recipient, const char *parameters,
                      int64_t now, struct ph_error *error);
bool smtp_client_data(struct smtp_client *client, const struct ph_transaction *transaction,
                      int64_t now, struct ph_error *error);
bool smtp_client_raw(struct smtp_client *client, const char *data, size_t length, int64_t now,
                     struct ph_error *error);
bool smtp_client_expect(struct smtp_client *client, int64_t now, struct ph_error *error);
bool smtp_client_quit(struct smtp_client *client, int64_t now, struct ph_error *error);

const struct ph_capabilities *smtp_client_capabilities(const struct smtp_client *client);
const char *smtp_client_extension(const struct smtp_client *client, const char *keyword);
bool smtp_client_is_idle(const struct smtp_client *client);
bool smtp_client_is_closed(const struct smtp_client *client);

#endif
