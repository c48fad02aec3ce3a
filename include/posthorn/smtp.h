/* The blocking SMTP and LMTP session: smtplib's verbs for C.
 *
 *     struct ph_error error;
 *     struct ph_smtp_options options = {.host = "mail.example.org", .port = PH_SUBMISSION_PORT};
 *     struct ph_smtp *smtp = ph_smtp_new(&options, &error);
 *     const char *to[] = {"bob@example.net"};
 *     bool is_sent = smtp && ph_smtp_connect(smtp, NULL, 0, &error) &&
 *                    ph_smtp_starttls(smtp, &error) &&
 *                    ph_smtp_login(smtp, "alice", "secret", &error) &&
 *                    ph_smtp_sendmail(smtp, "alice@example.org", to, 1, letter, strlen(letter),
 *                                     NULL, &error);
 *     ph_smtp_quit(smtp, NULL);
 *     ph_smtp_free(smtp);
 *
 * One session belongs to one thread at a time; sessions are independent of each other. Nothing here
 * prints, exits, raises signals or keeps globals. Where a function takes struct ph_error *error,
 * NULL is allowed; it is written only on failure. From inside a callback of a session (progress, a
 * body's read, a transport's functions, a transcript) nothing may be called on that session but
 * what is listed under "what is known", and ph_smtp_cancel: the others answer PH_ERROR_ARGUMENT,
 * except ph_smtp_close, ph_smtp_free and ph_pool_put, which would take the session away from under
 * the call that is running.
 *
 * Verbs that answer with a reply return its code (200 to 599), whatever it says, and the text is at
 * ph_smtp_reply; they return -1 when no reply came, and error says why. Compound calls return true
 * when all they stand for was done. */
#ifndef POSTHORN_SMTP_H
#define POSTHORN_SMTP_H

#include <posthorn/message.h>
#include <posthorn/protocol.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ph_smtp;

enum {
    PH_SMTP_PORT = 25,
    PH_SMTPS_PORT = 465,      /* implicit TLS (RFC 8314) */
    PH_SUBMISSION_PORT = 587, /* RFC 6409 */
    PH_LMTP_PORT = 2003
};

/* When TLS is used. */
enum ph_tls_mode {
    PH_TLS_DEFAULT = 0, /* PH_TLS_IMPLICIT at port 465, whatever the host (RFC 8314; not with LMTP);
                           else PH_TLS_NONE where the host is a loopback address or a Unix socket
                           (ph_smtp_starttls may still be called there); else PH_TLS_STARTTLS,
                           with LMTP too */
    PH_TLS_STARTTLS, /* demanded: no login and no mail before STARTTLS was done; done for you when a
                        login or mail comes first */
    PH_TLS_IMPLICIT, /* TLS before the greeting: smtplib's SMTP_SSL */
    PH_TLS_OPPORTUNISTIC, /* STARTTLS where offered, unverified if need be, in clear where not:
                             server to server (RFC 7435). A handshake that fails is an error all
                             the same: connect again with PH_TLS_NONE */
    PH_TLS_NONE           /* never by itself */
};

/* Whom to trust and who we are. Zero = the system's trust store, the certificate verified against
 * the host's name. */
struct ph_tls_options {
    enum ph_tls_mode mode;
    const char *ca_file;             /* PEM file of trusted certificates instead of the system's */
    const char *ca_directory;        /* hashed directory of such */
    const char *certificate_file;    /* client certificate, PEM, with its chain */
    const char *key_file;            /* its key, PEM; NULL = in certificate_file */
    const char *key_password;        /* of the key file; or NULL */
    const char *const *fingerprints; /* NULL-terminated; SHA-256 of the server's certificate in hex,
                                        any of them suffices and chain and name are not asked */
    const char *server_name;         /* for SNI and the certificate instead of host: a host name
                                        (U-labels become A-labels) or an address, without port */
    bool no_verification;            /* any certificate will do; stands in the transcript */
};

enum ph_proxy_kind {
    PH_PROXY_NONE = 0,
    PH_PROXY_SOCKS5,
    PH_PROXY_HTTP
};

/* A proxy on the way (RFC 1928, 1929; RFC 9110 9.3.6). It resolves the host's name. */
struct ph_proxy {
    enum ph_proxy_kind kind;
    const char *address;  /* "host", "host:port", "[v6]:port"; default ports 1080 and 8080 */
    const char *user;     /* or NULL */
    const char *password; /* or NULL */
};

/* A transport of the user's own under the session. read and write wait at most timeout milliseconds
 * and return how many bytes were moved, 0 at the end of the stream (read only), -1 with errno
 * (EAGAIN: the time passed). start_tls makes the handshake for STARTTLS or implicit TLS, verifies
 * server_name and fills facts (whose pointers live until close); 0 or -1 with errno (EACCES: the
 * certificate is not accepted); NULL = this transport cannot. close ends it; called once. While the
 * transport waits, ph_smtp_cancel is heard after some 50 ms. */
struct ph_transport {
    ssize_t (*read)(void *context, char *buffer, size_t size, int64_t timeout);
    ssize_t (*write)(void *context, const char *data, size_t size, int64_t timeout);
    int (*start_tls)(void *context, const char *server_name, struct ph_tls_facts *facts,
                     int64_t timeout);
    void (*close)(void *context);
    void *context;
};

/* How far a body is: octets taken from its source so far, and of how many (0 = not known). False
 * cancels. */
typedef bool ph_progress(void *context, uint64_t done, uint64_t total);

/* Everything that a session may be told at its birth. Zero is the default of every field. Copied,
 * strings too. */
struct ph_smtp_options {
    const char *host;           /* as ph_smtp_connect takes it; NULL = "localhost" */
    unsigned port;              /* 0 = 25; 465 with implicit TLS; 2003 with LMTP */
    const char *local_hostname; /* for EHLO: a domain (U-labels become A-labels) or an address
                                   literal; NULL = this machine's name where it has a dot, else the
                                   address literal of the connection's own end */
    const char *source_address; /* numeric address to send from; or NULL */
    unsigned source_port;
    bool lmtp; /* speak LMTP (RFC 2033) */
    struct ph_tls_options tls;
    struct ph_timeouts timeouts;
    struct ph_proxy proxy;
    bool no_pipelining;    /* one command at a time */
    bool no_chunking;      /* DATA even where BDAT is offered */
    bool bodies_in_flight; /* as in struct ph_engine_options */
    ph_trace *trace;       /* transcript, secrets redacted; or NULL */
    void *trace_context;
    ph_progress *progress; /* or NULL */
    void *progress_context;
};

/* ---- birth and end ---- */

/* Makes a session; no I/O. options NULL = all defaults. NULL: error (PH_ERROR_ARGUMENT,
 * PH_ERROR_MEMORY, PH_ERROR_TLS when a certificate or key file cannot be used). Freed by
 * ph_smtp_free. smtplib: SMTP(), SMTP_SSL(), LMTP(). */
PH_API struct ph_smtp *ph_smtp_new(const struct ph_smtp_options *options, struct ph_error *error);

/* Closes the connection without QUIT, frees everything. Never blocks. NULL is allowed. */
PH_API void ph_smtp_free(struct ph_smtp *smtp);

/* Connects and reads the greeting. host: "name", "name:port", "[v6]", "[v6]:port", a literal
 * address or the path of a Unix socket (begins with '/'); NULL = the options'. port 0 = the one in
 * host, else the options'. All addresses are tried, IPv6 and IPv4 by turns (RFC 8305). An open
 * connection is closed first. PH_ERROR_RESOLVE, _CONNECT (also a greeting that is not 220),
 * _TIMEOUT, _TLS, _CERTIFICATE, _PROXY, _CANCELLED, _ARGUMENT. RFC 5321 3.1. */
PH_API bool ph_smtp_connect(struct ph_smtp *smtp, const char *host, unsigned port,
                            struct ph_error *error);

/* The same on a connected stream socket of the caller's, which the session takes over (it is closed
 * with the session, on failure too). host names the server for TLS; NULL = the options'. Only a
 * local socket whose host is said to be local counts as the loopback. */
PH_API bool ph_smtp_connect_take_descriptor(struct ph_smtp *smtp, int descriptor, const char *host,
                                            struct ph_error *error);

/* The same on a transport of the caller's; *transport is copied, close is called at the end, on
 * failure too. It counts as the loopback only where host, or the options', says so. */
PH_API bool ph_smtp_connect_transport(struct ph_smtp *smtp, const struct ph_transport *transport,
                                      const char *host, struct ph_error *error);

/* Says QUIT and closes. Replies that are still due to ph_smtp_putcmd are read first. Returns the
 * reply's code; -1 when no reply came within 5 seconds: closed all the same. Does nothing and
 * returns -1 when there is no connection. RFC 5321 4.1.1.10. */
PH_API int ph_smtp_quit(struct ph_smtp *smtp, struct ph_error *error);

/* Closes the connection at once. The session may connect again. */
PH_API void ph_smtp_close(struct ph_smtp *smtp);

/* Makes the call that another thread is in end with PH_ERROR_CANCELLED and closes the connection;
 * when no call is running, the next one ends so. The one function that may be called from any
 * thread and from a signal handler. */
PH_API void ph_smtp_cancel(struct ph_smtp *smtp);

/* ---- what is known ---- */

/* The last reply; code 0 before any. Borrowed until the next call on this session. */
PH_API const struct ph_reply *ph_smtp_reply(const struct ph_smtp *smtp);

/* Whether there is a connection, as far as is known without reading; whether TLS protects it. */
PH_API bool ph_smtp_is_connected(const struct ph_smtp *smtp);
PH_API bool ph_smtp_is_encrypted(const struct ph_smtp *smtp);

/* The connection's socket, for poll(2) and getsockname(2); -1 where there is none, and with a
 * transport of the caller's. Stays the session's: not to be read, written or closed. smtplib: sock.
 */
PH_API int ph_smtp_descriptor(const struct ph_smtp *smtp);

/* The name that is said in EHLO where no other is given; before there is a connection the options',
 * or "". Borrowed until the next connect. smtplib: local_hostname. */
PH_API const char *ph_smtp_local_hostname(const struct ph_smtp *smtp);

/* The text of the reply to the last EHLO, HELO or LHLO, where it was accepted, else "". Borrowed
 * until the next of them, STARTTLS or the end of the connection. smtplib: ehlo_resp, helo_resp. */
PH_API const char *ph_smtp_hello_text(const struct ph_smtp *smtp);

/* True when the server offers the extension (any case); after EHLO. smtplib: has_extn. */
PH_API bool ph_smtp_has_extn(const struct ph_smtp *smtp, const char *keyword);

/* The extension's parameters as ph_engine_extension has them. Borrowed until the next EHLO,
 * STARTTLS or connect. */
PH_API const char *ph_smtp_extension(const struct ph_smtp *smtp, const char *keyword);

/* All that EHLO said, typed and raw; all zero (and never NULL) when there was none. smtplib:
 * esmtp_features, ehlo_resp. */
PH_API const struct ph_capabilities *ph_smtp_esmtp_features(const struct ph_smtp *smtp);

/* level 0: no transcript; 1: commands and replies on standard error, secrets as ****, control
 * characters as ?; 2: with times. Replaces the options' trace until set to 0. The one function of
 * the library that makes it print. smtplib: set_debuglevel. */
PH_API void ph_smtp_set_debuglevel(struct ph_smtp *smtp, int level);

/* ---- single verbs ---- */

/* Sends bytes exactly as they stand: no check, no line end added, not in the transcript. For those
 * who know what they do: the replies that they call for are to be read by ph_smtp_getreply, each of
 * them, before anything else is called; how many there are is not known here. smtplib: send. */
PH_API bool ph_smtp_send_raw(struct ph_smtp *smtp, const char *data, size_t length,
                             struct ph_error *error);

/* Sends "verb argument" CRLF, or "verb" CRLF where argument is NULL or "". CR and LF in them are
 * PH_ERROR_ARGUMENT, and so is STARTTLS, which is more than a command: ph_smtp_starttls. AUTH in
 * clear off the loopback, and MAIL where TLS is demanded and not there, are PH_ERROR_TLS. Several
 * may be sent before their replies are read, each by ph_smtp_getreply; until all are read, whatever
 * awaits a reply of its own is PH_ERROR_ARGUMENT. In the transcript what follows AUTH is ****. */
PH_API bool ph_smtp_putcmd(struct ph_smtp *smtp, const char *verb, const char *argument,
                           struct ph_error *error);

/* Reads one reply (RFC 5321 4.2). A peer that breaks the protocol is PH_ERROR_PROTOCOL and the
 * connection is closed. */
PH_API int ph_smtp_getreply(struct ph_smtp *smtp, struct ph_error *error);

/* Both: one command and its reply. */
PH_API int ph_smtp_docmd(struct ph_smtp *smtp, const char *verb, const char *argument,
                         struct ph_error *error);

/* name NULL = the options' local_hostname. On a code other than 2yz error is filled too
 * (PH_ERROR_HELO). RFC 5321 4.1.1.1; lhlo: RFC 2033 4.1. */
PH_API int ph_smtp_helo(struct ph_smtp *smtp, const char *name, struct ph_error *error);
PH_API int ph_smtp_ehlo(struct ph_smtp *smtp, const char *name, struct ph_error *error);
PH_API int ph_smtp_lhlo(struct ph_smtp *smtp, const char *name, struct ph_error *error);

/* EHLO, else HELO, where none was said yet on this connection (LHLO with LMTP). PH_ERROR_HELO when
 * all are refused. */
PH_API bool ph_smtp_ehlo_or_helo_if_needed(struct ph_smtp *smtp, struct ph_error *error);

/* NOOP, RSET (which forgets a transaction that was begun) and HELP, whose topic may be NULL. The
 * text of the reply is at ph_smtp_reply. RFC 5321 4.1.1.5, 4.1.1.8, 4.1.1.9. */
PH_API int ph_smtp_noop(struct ph_smtp *smtp, struct ph_error *error);
PH_API int ph_smtp_rset(struct ph_smtp *smtp, struct ph_error *error);
PH_API int ph_smtp_help(struct ph_smtp *smtp, const char *topic, struct ph_error *error);

/* address "user@host", "Ann <user@host>", of which only the address is sent, or a bare user name.
 * RFC 5321 3.5. ph_smtp_vrfy is the same as ph_smtp_verify. */
PH_API int ph_smtp_verify(struct ph_smtp *smtp, const char *address, struct ph_error *error);
PH_API int ph_smtp_vrfy(struct ph_smtp *smtp, const char *address, struct ph_error *error);
PH_API int ph_smtp_expn(struct ph_smtp *smtp, const char *list, struct ph_error *error);

/* MAIL and RCPT of a transaction by hand. Before MAIL come EHLO, and STARTTLS where demanded, if
 * needed. sender "" = the null sender. parameters: "SIZE=1000 BODY=8BITMIME" or NULL; refused with
 * PH_ERROR_NOT_SUPPORTED where only HELO was said. RFC 5321 4.1.1.2, 4.1.1.3. */
PH_API int ph_smtp_mail(struct ph_smtp *smtp, const char *sender, const char *parameters,
                        struct ph_error *error);
PH_API int ph_smtp_rcpt(struct ph_smtp *smtp, const char *recipient, const char *parameters,
                        struct ph_error *error);

/* DATA, the message with dots doubled and line ends made CRLF, and the last dot. Returns the final
 * reply's code (LMTP: the last one's); where DATA itself was refused, that reply's code, and error
 * is PH_ERROR_DATA_REFUSED. RFC 5321 4.1.1.4. */
PH_API int ph_smtp_data(struct ph_smtp *smtp, const char *message, size_t length,
                        struct ph_error *error);

/* ---- safety and identity ---- */

/* STARTTLS, the handshake, the certificate against the host's name, and EHLO again; EHLO before it
 * if needed. PH_ERROR_NOT_SUPPORTED, _RESPONSE (the server refuses: the connection lives on), _TLS,
 * _CERTIFICATE, _PROTOCOL (something was said between the 220 and the handshake). True at once when
 * the connection is encrypted already. RFC 3207. */
PH_API bool ph_smtp_starttls(struct ph_smtp *smtp, struct ph_error *error);

/* Logs in by the strongest mechanism there is for user and password (UTF-8). EHLO and, where
 * demanded, STARTTLS come before it if needed. No password goes in clear off the loopback,
 * nor to a server whose certificate was not verified though verification was not switched off
 * (PH_ERROR_TLS). PH_ERROR_AUTHENTICATION with the server's reply. RFC 4954. */
PH_API bool ph_smtp_login(struct ph_smtp *smtp, const char *user, const char *password,
                          struct ph_error *error);

/* The same with all that struct ph_login can say: mechanisms by name, tokens, EXTERNAL, a mechanism
 * of one's own. */
PH_API bool ph_smtp_auth(struct ph_smtp *smtp, const struct ph_login *login,
                         struct ph_error *error);

/* ---- sending ---- */

/* Sends one message (bytes, any line ends) to count recipients. True when at least one recipient
 * was accepted and the message too; who was refused, and why, is in result (NULL = not asked; else
 * zero or a former result; ph_result_clear it). EHLO, and STARTTLS where demanded, come first if
 * needed. PH_ERROR_SENDER_REFUSED, _RECIPIENTS_REFUSED (all of them), _DATA_REFUSED, _TOO_LARGE,
 * _NOT_SUPPORTED, _ARGUMENT (before a byte is sent), and those of the connection; error->fate says
 * whether the message may have been taken. RFC 5321 3.3. */
PH_API bool ph_smtp_sendmail(struct ph_smtp *smtp, const char *sender,
                             const char *const *recipients, size_t count, const char *message,
                             size_t length, struct ph_result *result, struct ph_error *error);

/* Sends a message object (posthorn/message.h). sender NULL, recipients NULL: read from its headers
 * (Resent-* where there is one such block); a list that is there but empty is PH_ERROR_ARGUMENT.
 * Encodings are chosen by what the server takes; Bcc and Resent-Bcc are left out. Else as
 * ph_smtp_sendmail. */
PH_API bool ph_smtp_send_message(struct ph_smtp *smtp, struct ph_message *message,
                                 const char *sender, const char *const *recipients, size_t count,
                                 struct ph_result *result, struct ph_error *error);

/* Sends a message object with all that a transaction can say: DSN, REQUIRETLS, priority and so on.
 * wishes->sender NULL, wishes->recipients NULL: as above, from the headers. wishes->body and
 * wishes->utf8_headers are not looked at: the message is the body. */
PH_API bool ph_smtp_send_message_as(struct ph_smtp *smtp, struct ph_message *message,
                                    const struct ph_transaction *wishes, struct ph_result *result,
                                    struct ph_error *error);

/* Sends one typed transaction. As ph_smtp_sendmail. */
PH_API bool ph_smtp_send(struct ph_smtp *smtp, const struct ph_transaction *transaction,
                         struct ph_result *result, struct ph_error *error);

/* Sends many over this connection in as few flights as the server allows: the next envelope rides
 * behind the last body. results: count of them, or NULL. True when every message was taken for at
 * least one recipient; else error is that of the first that was not, and the others were sent all
 * the same. When the connection is lost, the results tell for each what became of it. What a server
 * does not take any more on one connection (LIMITS MAILMAX, RFC 9422) is PH_ERROR_LIMIT, worth a
 * retry on another. RFC 2920, RFC 3030. */
PH_API bool ph_smtp_send_all(struct ph_smtp *smtp, const struct ph_transaction *transactions,
                             size_t count, struct ph_result *results, struct ph_error *error);

/* ---- a pool of connections ---- */

/* A small pool for programs that send now and then from many threads: its functions may be called
 * from any thread. A connection is kept under host, port, LMTP, TLS policy, trust, client
 * certificate, proxy, local name and login identity, and goes only to those who ask for just
 * these; of passwords only a digest is kept, salted at random for each pool. */
struct ph_pool;

/* At most idle_max idle connections (0 = 8), each for at most idle_timeout milliseconds (0 = 60 s).
 * NULL: out of memory. */
PH_API struct ph_pool *ph_pool_new(size_t idle_max, int64_t idle_timeout, struct ph_error *error);

/* Closes every idle connection. Sessions that are out stay their borrowers', who give them to
 * ph_smtp_free. NULL is allowed. */
PH_API void ph_pool_free(struct ph_pool *pool);

/* A session that is connected, has said EHLO, has TLS as demanded and is logged in (login NULL:
 * not): an idle one that is proved alive by RSET, or a new one. NULL: error. Given back by
 * ph_pool_put. */
PH_API struct ph_smtp *ph_pool_get(struct ph_pool *pool, const struct ph_smtp_options *options,
                                   const struct ph_login *login, struct ph_error *error);

/* Gives a session back. One that is not fit to be used again (lost, cancelled, closed, used for a
 * login, EHLO or commands by hand) is closed and freed. Where the pool is full, the session that
 * idled longest goes. NULL is allowed. */
PH_API void ph_pool_put(struct ph_pool *pool, struct ph_smtp *smtp);

/* ---- smtplib's two helpers ---- */

/* Writes "<user@host>" into buffer, as it would stand in MAIL FROM (A-labels, quotes only where
 * needed). False: address is no mailbox (PH_ERROR_ARGUMENT), or size is too small (PH_ERROR_LIMIT).
 * "" gives "<>". RFC 5321 4.1.2. smtplib: quoteaddr. */
PH_API bool ph_quoteaddr(const char *address, char *buffer, size_t size, struct ph_error *error);

/* The message as DATA sends it, without the last dot: line ends CRLF, dots doubled. Returns memory
 * to be given to free(), its size in *result_length, and a NUL behind it; NULL: error. smtplib:
 * quotedata. */
PH_API char *ph_quotedata(const char *message, size_t length, size_t *result_length,
                          struct ph_error *error);

#ifdef __cplusplus
}
#endif

#endif
