/* The SMTP and LMTP client as an engine without sockets, for programs with an event loop of their
 * own.
 *
 * The contract. The engine does no I/O, knows no clock, and keeps no globals: bytes go in
 * (ph_engine_feed), bytes come out (ph_engine_output, ph_engine_sent), events tell what happened
 * (ph_engine_next). The host
 *   1. opens a connection and makes an engine; the greeting is expected at once;
 *   2. asks for an operation (ph_engine_hello, ph_engine_send, ...);
 *   3. writes what ph_engine_output shows and tells ph_engine_sent how much went out, whenever the
 *      socket takes it;
 *   4. reads whenever the socket has bytes, *also while it still writes*, and feeds them (what went
 *      out before is told first: a reply to what was not sent yet ends the connection);
 *   5. after each of these, and before it writes, pulls events until ph_engine_next says false: an
 *      answer to PH_EVENT_BODY_WANTED may then go out in the same group;
 *   6. calls ph_engine_tick when ph_engine_deadline is past, and ph_engine_end_of_input at the end
 *      of the stream.
 *
 * Times are milliseconds of any clock that never goes back. No function may be called from inside a
 * trace callback. An engine that failed stays failed: every later operation is
 * PH_ERROR_DISCONNECTED. */
#ifndef POSTHORN_ENGINE_H
#define POSTHORN_ENGINE_H

#include <sys/uio.h>

#include <posthorn/protocol.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ph_engine;

/* Makes an engine that waits for the server's greeting; now starts its deadline. NULL: error says
 * why (PH_ERROR_ARGUMENT: hello_name is no domain or address literal; PH_ERROR_MEMORY). Freed by
 * ph_engine_free. RFC 5321 3.1. */
PH_API struct ph_engine *ph_engine_new(const struct ph_engine_options *options, int64_t now,
                                       struct ph_error *error);

/* Frees an engine; wipes its secrets. NULL is allowed. */
PH_API void ph_engine_free(struct ph_engine *engine);

/* Takes another transcript function from now on; NULL = none. */
PH_API void ph_engine_set_trace(struct ph_engine *engine, ph_trace *trace, void *trace_context);

/* ---- bytes and events ---- */

/* Gives length bytes that the peer sent. Returns how many were taken: fewer than length when events
 * wait to be pulled (pull them, then feed the rest) or when the engine has failed (then 0; the rest
 * is of no use). RFC 5321 4.2. */
PH_API size_t ph_engine_feed(struct ph_engine *engine, const char *data, size_t length,
                             int64_t now);

/* The peer ended the stream or the connection broke: system_error is an errno, or 0 for an orderly
 * end. */
PH_API void ph_engine_end_of_input(struct ph_engine *engine, int system_error, int64_t now);

/* Pulls the next event into *event. False = nothing more to tell now. */
PH_API bool ph_engine_next(struct ph_engine *engine, struct ph_event *event);

/* Shows what is to be written: at most count slices, borrowed until the next call on this engine.
 * Returns how many were filled; 0 = nothing. One group of commands comes as one run of slices:
 * write them with one writev. */
PH_API size_t ph_engine_output(struct ph_engine *engine, struct iovec *slices, size_t count);

/* The peer's side took the first count bytes of what ph_engine_output showed. To be told before
 * bytes are fed that were read after the writing: a message is not accepted before it is sent. */
PH_API void ph_engine_sent(struct ph_engine *engine, size_t count, int64_t now);

/* When the present phase runs out (RFC 5321 4.5.3.2); INT64_MAX = nothing is waited for. */
PH_API int64_t ph_engine_deadline(const struct ph_engine *engine);

/* Tells the time: past the deadline every open operation ends with PH_ERROR_TIMEOUT and the engine
 * has failed. */
PH_API void ph_engine_tick(struct ph_engine *engine, int64_t now);

/* ---- operations; each false = nothing was queued, error says why ---- */

/* EHLO, and HELO where EHLO is refused (RFC 5321 3.2, 4.1.1.1); LHLO with LMTP. One of them only by
 * its name. name NULL = the option's. A refusal ends in PH_ERROR_HELO with the reply. */
PH_API bool ph_engine_hello(struct ph_engine *engine, enum ph_hello which, const char *name,
                            int64_t now, struct ph_error *error);

/* STARTTLS (RFC 3207), then PH_EVENT_TLS_WANTED; a byte behind the 220 is PH_ERROR_PROTOCOL. After
 * ph_engine_tls_started everything learned before is forgotten and the operation is done: say hello
 * again. PH_ERROR_NOT_SUPPORTED when not offered. */
PH_API bool ph_engine_starttls(struct ph_engine *engine, int64_t now, struct ph_error *error);

/* TLS stands. Called after PH_EVENT_TLS_WANTED, or at the start with implicit TLS to give the
 * facts. */
PH_API void ph_engine_tls_started(struct ph_engine *engine, const struct ph_tls_facts *facts,
                                  int64_t now);

/* Logs in (RFC 4954). Mechanisms are tried from the strongest; on a refusal the next one where that
 * gives nothing away. */
PH_API bool ph_engine_login(struct ph_engine *engine, const struct ph_login *login, int64_t now,
                            struct ph_error *error);

/* Queues a transaction; those queued together share flights. Hello must have been said and
 * answered. What cannot be sent as it stands is refused here, before a byte: PH_ERROR_ARGUMENT,
 * PH_ERROR_NOT_SUPPORTED, PH_ERROR_TOO_LARGE, PH_ERROR_BODY (a memory body with a CR or LF alone,
 * when that is refused), PH_ERROR_LIMIT (too many are queued, or more recipients or messages than
 * the server announced, RFC 9422). */
PH_API bool ph_engine_send(struct ph_engine *engine, const struct ph_transaction *transaction,
                           int64_t now, struct ph_error *error);

/* The next piece of the body that PH_EVENT_BODY_WANTED asked for; borrowed until the next
 * PH_EVENT_BODY_WANTED or PH_EVENT_DONE of this transaction. is_last: no more follows (length may
 * be 0). Memory bodies are never asked for. */
PH_API void ph_engine_body(struct ph_engine *engine, const char *piece, size_t length, bool is_last,
                           int64_t now);

/* The source failed: the transaction ends with PH_ERROR_BODY and the server accepts nothing. After
 * DATA only the end of the connection can say so; with BDAT the connection lives on. */
PH_API void ph_engine_body_failed(struct ph_engine *engine, int system_error, int64_t now);

/* One command: verb, and argument or NULL. PH_ERROR_ARGUMENT when it holds CR, LF or NUL or is too
 * long. The reply, whatever it says, comes with PH_EVENT_DONE (error PH_OK). */
PH_API bool ph_engine_command(struct ph_engine *engine, const char *verb, const char *argument,
                              int64_t now, struct ph_error *error);

/* MAIL or RCPT alone, built by the same encoder as a transaction's. parameters as in struct
 * ph_transaction. */
PH_API bool ph_engine_mail(struct ph_engine *engine, const char *sender, const char *parameters,
                           int64_t now, struct ph_error *error);
PH_API bool ph_engine_rcpt(struct ph_engine *engine, const char *recipient, const char *parameters,
                           int64_t now, struct ph_error *error);

/* DATA and body for an envelope given by ph_engine_mail and ph_engine_rcpt: events as for a
 * transaction. Only transaction->body is looked at. */
PH_API bool ph_engine_data(struct ph_engine *engine, const struct ph_transaction *transaction,
                           int64_t now, struct ph_error *error);

/* Bytes exactly as they stand, for those who know what they do: no check, no reply is awaited, the
 * transcript does not show them. Copied. PH_ERROR_ARGUMENT while something that was asked before is
 * still to be put out; PH_ERROR_LIMIT when a megabyte of the engine's own words waits already. */
PH_API bool ph_engine_raw(struct ph_engine *engine, const char *data, size_t length, int64_t now,
                          struct ph_error *error);

/* Awaits one reply that raw bytes called for; it comes with PH_EVENT_DONE of
 * PH_OPERATION_COMMAND, whatever it says. */
PH_API bool ph_engine_expect(struct ph_engine *engine, int64_t now, struct ph_error *error);

/* QUIT (RFC 5321 4.1.1.10). */
PH_API bool ph_engine_quit(struct ph_engine *engine, int64_t now, struct ph_error *error);

/* ---- what is known ---- */

/* The server's capabilities; never NULL, borrowed until the next EHLO, STARTTLS or
 * ph_engine_free. */
PH_API const struct ph_capabilities *ph_engine_capabilities(const struct ph_engine *engine);

/* The parameters of an extension by its keyword in any case ("SIZE" -> "35882577"), "" when it has
 * none, NULL when it is not offered. Lives as ph_engine_capabilities. */
PH_API const char *ph_engine_extension(const struct ph_engine *engine, const char *keyword);

/* True while nothing is queued, awaited or to be written. */
PH_API bool ph_engine_is_idle(const struct ph_engine *engine);

/* True once the engine has failed or QUIT is done. */
PH_API bool ph_engine_is_closed(const struct ph_engine *engine);

#ifdef __cplusplus
}
#endif

#endif
