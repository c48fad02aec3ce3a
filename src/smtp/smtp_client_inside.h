/* What the files of the client engine share: its state, and what they do for each other. For
 * smtp_client*.c only.
 *
 * Operations wait in a list and end in its order. Each is *issued* (its commands go to the outbox)
 * and *heard* (replies come back); a ring of pending replies says what each reply belongs to. One
 * cursor, `issuing`, walks over the list and may run ahead of the operation that is heard: that is
 * how one transaction's envelope rides behind the body of the one before. */
#ifndef SMTP_SMTP_CLIENT_INSIDE_H
#define SMTP_SMTP_CLIENT_INSIDE_H

#include <posthorn/protocol.h>

#include "base/buffer.h"
#include "sasl/sasl_client.h"
#include "smtp/smtp_capability.h"
#include "smtp/smtp_command.h"
#include "smtp/smtp_reply.h"
#include "wire/dot.h"
#include "wire/outbox.h"

enum {
    SMTP_CLIENT_NAME_MAX = 255, /* bytes of the name in EHLO */
    SMTP_CLIENT_OPTIMISTIC_MAX =
        64 * 1024,                       /* body sent before a recipient is known to be accepted */
    SMTP_CLIENT_CHUNK_MAX = 1024 * 1024, /* body in one BDAT */
    SMTP_CLIENT_WINDOW = 256 * 1024,     /* body prepared ahead: what is scanned is still in the
                                            processor's cache when it is written */
    SMTP_CLIENT_INITIAL_RESPONSE_LINE = 512, /* RFC 5321 4.5.3.1.4: what every server can take */
    SMTP_CLIENT_BINDING_MAX = 64,            /* bytes of channel binding */
    SMTP_CLIENT_PENDING_KEPT = 32            /* replies awaited for which memory stays */
};

/* What a reply that is awaited belongs to. */
enum smtp_awaited {
    SMTP_AWAITED_GREETING = 0,
    SMTP_AWAITED_EHLO, /* or LHLO */
    SMTP_AWAITED_HELO,
    SMTP_AWAITED_STARTTLS,
    SMTP_AWAITED_AUTH,
    SMTP_AWAITED_AUTH_CANCEL,
    SMTP_AWAITED_COMMAND,
    SMTP_AWAITED_QUIT,
    SMTP_AWAITED_RSET,
    SMTP_AWAITED_MAIL,
    SMTP_AWAITED_RCPT,
    SMTP_AWAITED_DATA,
    SMTP_AWAITED_BDAT,
    SMTP_AWAITED_FINAL,
    SMTP_AWAITED_LONE_DOT
};

struct smtp_pending {
    enum smtp_awaited what;
    struct smtp_operation *operation;
    size_t index;     /* of the recipient */
    uint64_t command; /* outbox position behind what is answered */
};

/* How far a transaction is issued. */
enum smtp_phase {
    SMTP_PHASE_RSET = 0,
    SMTP_PHASE_MAIL,
    SMTP_PHASE_RCPT,
    SMTP_PHASE_DATA,
    SMTP_PHASE_DATA_REPLY, /* DATA is out: its reply decides */
    SMTP_PHASE_BODY,
    SMTP_PHASE_VERDICT, /* everything is out */
    SMTP_PHASE_GIVEN_UP /* it cannot succeed: only replies are awaited */
};

/* The walk of a body through the engine. */
struct smtp_body_walk {
    struct dot dot;
    struct bytes piece; /* what is left of the present piece */
    bool is_last;       /* no piece follows */
    bool wants_piece;   /* PH_EVENT_BODY_WANTED is to be told */
    bool is_asked;      /* it was told, and no answer came */
    bool is_begun;      /* some of the body is in the outbox */
    uint64_t piece_end; /* outbox position behind the present piece */
    uint64_t sent;      /* bytes of body put in the outbox */
};

struct smtp_transaction {
    const struct ph_transaction *given;
    enum smtp_phase phase;
    bool is_data_only; /* ph_engine_data: the envelope was given by commands */
    bool uses_bdat;
    bool is_behind_rset;           /* no body by BDAT goes out before RSET is answered */
    bool has_dsn;                  /* DSN parameters are sent */
    struct smtp_command_mail mail; /* all but the sender */
    unsigned dropped;
    size_t recipient_count;
    size_t issued;   /* RCPT commands */
    size_t answered; /* replies to them */
    size_t accepted;
    unsigned char *accepted_set; /* LMTP: a bit for each recipient */
    size_t accepted_set_size;
    size_t finals_heard; /* LMTP */
    size_t finals_accepted;
    size_t final_index; /* LMTP: where the search for the next accepted recipient goes on */
    bool is_sender_refused;
    bool has_temporary_refusal;
    bool is_group_full; /* more recipients wait until enough replies are there */
    struct smtp_body_walk body;
    uint64_t end; /* outbox position behind the last dot or the last chunk; 0 = not there yet */
    bool has_verdict;
    enum ph_fate fate;
};

/* State of a login: smtp_client_login.c. */
struct smtp_login {
    const struct ph_login *given;
    struct sasl_attempts attempts;
    struct sasl_place place;
    const char *mechanism;
    struct sasl_client *client;
    size_t challenge_count;
    bool is_waiting_to_speak; /* AUTH went without the initial response */
};

struct smtp_operation {
    struct smtp_operation *next;
    struct smtp_operation *previous;
    enum ph_operation kind;
    bool is_begun; /* something of it is issued */
    bool is_ended;
    bool has_reply; /* the reply that ended it is the reader's present one */
    bool has_error;
    struct ph_error error;
    size_t pending; /* replies awaited */

    enum ph_hello hello;
    bool is_expect_only;
    struct buffer line; /* a command's line; a hello's name */
    char verb[PH_ERROR_VERB_SIZE];
    struct smtp_login login;
    struct smtp_transaction transaction;
};

struct smtp_client {
    /* options */
    char hello_name[SMTP_CLIENT_NAME_MAX + 1];
    char server_name[SMTP_CLIENT_NAME_MAX + 1];
    unsigned server_port;
    bool is_lmtp;
    bool has_pipelining_off;
    bool has_chunking_off;
    bool has_bodies_in_flight;
    struct ph_timeouts timeouts;
    ph_trace *trace;
    void *trace_context;

    /* the connection */
    bool is_closed;
    struct ph_error failure; /* why, for what is open and for what comes later */
    bool is_encrypted;
    bool has_facts;
    struct ph_tls_facts facts;
    char binding_name[32];
    unsigned char binding[SMTP_CLIENT_BINDING_MAX];
    bool wants_tls; /* PH_EVENT_TLS_WANTED is to be told */
    bool is_waiting_for_tls;
    int64_t now;
    int64_t progress_at; /* when the present wait began */

    /* the session */
    struct smtp_capability capability;
    bool is_greeted;          /* EHLO, HELO or LHLO was accepted */
    bool needs_rset;          /* before the next command */
    bool has_envelope;        /* MAIL was accepted by ph_engine_mail or ph_engine_command */
    size_t envelope_accepted; /* recipients accepted since */
    bool is_in_challenge;     /* the last command was answered by 334: the next line is a secret */
    uint64_t message_count;   /* transactions begun, against LIMITS MAILMAX */

    /* in and out */
    struct smtp_reply reply;
    struct outbox outbox;
    uint64_t body_end;            /* outbox position behind the last byte of body in it */
    struct smtp_pending *pending; /* a ring, made as it is needed */
    size_t pending_capacity;
    size_t pending_first;
    size_t pending_count;
    struct buffer scratch; /* of one command or line; secret */

    /* operations */
    struct smtp_operation *first;
    struct smtp_operation *last;
    struct smtp_operation *issuing; /* NULL = everything is issued */
    struct smtp_operation *spare;
    size_t operation_count;

    /* an event that waits to be pulled; TLS_WANTED, BODY_WANTED and DONE are seen from the state */
    bool has_event;
    struct ph_event event;
};

static inline bool smtp_client_has(const struct smtp_client *client, enum ph_capability capability)
{
    return (client->capability.known.set & capability) != 0;
}

static inline bool smtp_client_is_pipelining(const struct smtp_client *client)
{
    return !client->has_pipelining_off && smtp_client_has(client, PH_CAPABILITY_PIPELINING);
}

/* ---- smtp_client.c ---- */

/* One event for the host. */
void smtp_client_tell(struct smtp_client *client, enum ph_event_kind kind,
                      const struct smtp_operation *operation, size_t index,
                      const struct ph_reply *reply);

/* ---- smtp_client_queue.c: the operations, and the replies that they await ---- */

/* A new operation, not yet in the list; NULL: error says why (closed, too many, memory). */
struct smtp_operation *smtp_client_queue_make(struct smtp_client *client, enum ph_operation kind,
                                              struct ph_error *error);

/* Gives back an operation that is in no list, for the next use. */
void smtp_client_queue_drop(struct smtp_client *client, struct smtp_operation *operation);

/* Puts it behind the others and issues what can be issued. */
void smtp_client_queue(struct smtp_client *client, struct smtp_operation *operation, int64_t now);

/* Issues as far as rules and room allow. */
void smtp_client_queue_pump(struct smtp_client *client);

/* Notes that a reply is awaited. There must be room. Without memory the outbox fails. */
void smtp_client_queue_await(struct smtp_client *client, struct smtp_operation *operation,
                             enum smtp_awaited what, size_t index);

/* The first of the replies that are awaited is there. */
void smtp_client_queue_take_pending(struct smtp_client *client);

static inline bool smtp_client_queue_has_room(const struct smtp_client *client, size_t count)
{
    return client->pending_count + count <= PH_ENGINE_PENDING_MAX;
}

/* RSET, whose reply is the engine's own business. */
void smtp_client_queue_rset(struct smtp_client *client, struct smtp_operation *operation);

/* The operation is over, well or with operation->error; the present reply goes with it when
 * has_reply. */
void smtp_client_queue_end(struct smtp_operation *operation, bool has_reply);

/* Takes the first operation, of which all is told, out of the list. */
void smtp_client_queue_remove_first(struct smtp_client *client);

/* Frees them all. */
void smtp_client_queue_clear(struct smtp_client *client);

/* ---- smtp_client_fail.c: the connection is of no more use ---- */

/* Everything open ends with this error. */
void smtp_client_fail(struct smtp_client *client, const struct ph_error *failure);
void smtp_client_fail_memory(struct smtp_client *client);
void smtp_client_fail_protocol(struct smtp_client *client, const struct fault *fault);

/* RFC 5321 3.8: after a 421 the server closes, whatever it was asked. */
void smtp_client_fail_by_reply(struct smtp_client *client, const struct ph_reply *reply);

/* RFC 5321 4.1.1.5: RSET is answered by 250. After anything else the next message might go to the
 * recipients of the last. */
void smtp_client_fail_by_rset(struct smtp_client *client, const struct ph_reply *reply);

/* A reply came before all of what it answers was written. */
void smtp_client_fail_early(struct smtp_client *client, const struct ph_reply *reply);

/* For the sentence: the command whose reply is due ("RCPT"), and what goes on ("sending a
 * message"). */
const char *smtp_client_fail_verb(const struct smtp_client *client);
const char *smtp_client_fail_place(const struct smtp_client *client);

/* ---- smtp_client_trace.c ---- */

/* A transcript line. */
void smtp_client_trace(struct smtp_client *client, enum ph_trace_kind kind, struct bytes text);

/* Ends one line that was written to the outbox from `start` on: shows it in the transcript, as far
 * as `shown` bytes of it are no secret (SIZE_MAX = all). */
void smtp_client_trace_line(struct smtp_client *client, size_t start, size_t shown);

/* ---- smtp_client_simple.c: greeting, hello, STARTTLS, commands, QUIT ---- */

void smtp_client_simple_issue(struct smtp_client *client, struct smtp_operation *operation);
void smtp_client_simple_hear(struct smtp_client *client, const struct smtp_pending *pending,
                             const struct ph_reply *reply);

/* ---- smtp_client_check.c: a transaction is judged before a byte of it goes out ---- */

/* Fills operation->transaction; uses operation->line. */
bool smtp_client_check_transaction(struct smtp_client *client, struct smtp_operation *operation,
                                   struct ph_error *error);

/* The wire's form of an address as given; "" only where may_be_empty. In client->scratch. */
bool smtp_client_check_address(struct smtp_client *client, const char *address, bool is_sender,
                               bool *needs_utf8, struct ph_error *error);

/* ---- smtp_client_transaction.c ---- */

/* Returns true when nothing is left to issue. */
bool smtp_client_transaction_issue(struct smtp_client *client, struct smtp_operation *operation);
void smtp_client_transaction_hear(struct smtp_client *client, const struct smtp_pending *pending,
                                  const struct ph_reply *reply);

/* True when this transaction may be issued though the one before is not over. */
bool smtp_client_transaction_may_ride(const struct smtp_client *client,
                                      const struct smtp_operation *operation);

/* What became of the message, should the connection be lost now. */
enum ph_fate smtp_client_transaction_fate(const struct smtp_client *client,
                                          const struct smtp_operation *operation);

/* A reply that came while a body was being sent, and that nothing awaited. True when it was taken
 * as the verdict. */
bool smtp_client_transaction_interrupt(struct smtp_client *client, const struct ph_reply *reply);

/* It cannot succeed any more: operation->error says why. */
void smtp_client_transaction_give_up(struct smtp_client *client, struct smtp_operation *operation);

/* ---- smtp_client_body.c ---- */

enum smtp_body_progress {
    SMTP_BODY_WAITS = 0, /* for replies, room or a piece */
    SMTP_BODY_GOES_ON,
    SMTP_BODY_ENDED /* all of it is in the outbox */
};

void smtp_client_body_begin(struct smtp_transaction *transaction);
enum smtp_body_progress smtp_client_body_issue(struct smtp_client *client,
                                               struct smtp_operation *operation);

/* ---- smtp_client_login.c ---- */

void smtp_client_login_issue(struct smtp_client *client, struct smtp_operation *operation);
void smtp_client_login_hear(struct smtp_client *client, const struct smtp_pending *pending,
                            const struct ph_reply *reply);
void smtp_client_login_clear(struct smtp_login *login);

#endif
