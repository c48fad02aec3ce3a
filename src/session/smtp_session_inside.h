/* What the files of the SMTP session share; nobody else includes it. */
#ifndef SESSION_SMTP_SESSION_INSIDE_H
#define SESSION_SMTP_SESSION_INSIDE_H

#include <stdatomic.h>

#include "base/arena.h"
#include "delivery/report_mail.h"
#include "delivery/trace_header.h"
#include "session/session_login.h"
#include "session/smtp_session.h"
#include "store/store_delivery.h"

enum {
    SMTP_SESSION_ARENA_MAX = 16 * 1024 * 1024, /* bytes about one message, its body not counted */
    SMTP_SESSION_MAILBOXES_MAX = 10000, /* that all recipients of a message lead to: 452 4.5.3 */
    SMTP_SESSION_HELLO_MAX = 512        /* bytes kept of what the client calls itself */
};

/* 452 4.7.1, at RCPT and behind the body. */
#define SMTP_SESSION_SENDING_TEXT "You have sent as much as you may within an hour, try again later"

struct smtp_session;

/* One place that a recipient's copy goes to. */
struct smtp_session_target {
    int64_t account; /* 0 = a far address */
    int64_t mailbox;
    struct bytes far; /* as on the wire */
    struct bytes route;
};

/* A recipient that was taken, or is being looked up. In the message's arena. */
struct smtp_session_recipient {
    struct smtp_session_recipient *next;
    struct bytes address; /* as on the wire */
    unsigned notify;
    struct bytes original_recipient;
    struct smtp_session_target *targets;
    size_t target_count;
};

/* A question to the store, on a worker. */
struct smtp_session_lookup {
    struct worker_job job;
    struct smtp_session *session;
    bool is_done; /* false: `fault` tells why */
    struct fault fault;
    /* RCPT */
    struct smtp_session_recipient *recipient; /* NULL: MAIL */
    struct route_question question;
    struct route_answer answer;
    /* MAIL */
    bool is_owned;
    struct store_sending sending;
};

/* A body that a job reads or writes out is given back while the store still stands: by the loop, or
   by the job where the connection has ended meanwhile. Whoever comes second does it. */
enum smtp_session_turn {
    SMTP_SESSION_BODY_LENT = 0,
    SMTP_SESSION_BODY_DONE_WITH, /* by the job */
    SMTP_SESSION_BODY_ABANDONED  /* by the session */
};

/* From MAIL to the answer behind the body. */
struct smtp_session_message {
    struct smtp_session *session;
    struct arena arena;

    struct bytes sender; /* as on the wire; empty = <> */
    uint64_t size;       /* that MAIL announced; 0 = none */
    enum smtp_server_body body;
    bool is_utf8;
    enum ph_return_content return_content;
    struct bytes envelope_id;

    struct smtp_session_recipient *first;
    struct smtp_session_recipient *last;
    size_t recipient_count;
    bool is_tight; /* the recipient must be the only one */
    size_t target_count;
    size_t far_count;             /* of the targets */
    struct store_sending sending; /* of the account's last hour, without this message */
    struct store_sending_limits sending_limits;

    struct smtp_session_lookup lookup;

    struct store_draft *draft; /* NULL: no byte came yet, or it failed */
    struct message_parser *parser;
    struct fault fault; /* why the body is not kept; told at its end */
    atomic_int turn;    /* enum smtp_session_turn */
    struct worker_job spill;
    int64_t spill_since; /* monotonic milliseconds */
    bool is_spilled;
    struct fault spill_fault;

    struct message_parsed parsed;
    struct store_delivery delivery;
    struct loop_task delivered;

    struct worker_job reporting;
    struct report report; /* to the sender, of what was delivered here */
    struct report_mail *report_mail;
    struct fault report_fault;
    bool is_kept; /* without the report, which comes behind: */
    struct store_delivery report_alone;
    struct loop_task reported;
};

/* What a session waits for. */
enum smtp_session_busy {
    SMTP_SESSION_FREE = 0,
    SMTP_SESSION_LOOKS_UP,
    SMTP_SESSION_SPILLS,
    SMTP_SESSION_DELIVERS
};

struct smtp_session {
    const struct smtp_session_service *service;
    struct session_services *services;
    struct session_identity identity;
    struct connection *connection; /* NULL: it has ended, and only a job keeps the session alive */
    struct smtp_server *server;    /* NULL as well then */
    enum smtp_session_busy busy;
    bool wants_tls;
    bool is_broken; /* no memory for what cannot be done without */
    bool is_extended;
    unsigned hops;
    struct store_sending_limits sending_limits;

    struct session_tls *tls; /* NULL in clear */
    char *mechanisms;        /* what AUTH offers now */
    char *hello;
    const char *reason; /* why the engine closed; static */

    struct session_login *login; /* NULL: none under way */
    struct loop_task login_told;
    int64_t account;  /* logged in as; 0 = nobody */
    char *login_name; /* the account's login */

    struct smtp_session_message *message; /* NULL outside a transaction */
    uint64_t kept;                        /* messages */
};

/* ---- smtp_session.c ---- */

/* Takes every event that the engine has to tell. */
void smtp_session_hear(struct smtp_session *session, int64_t now);

/* A job has come back. False: the connection has gone meanwhile and the session was freed. */
bool smtp_session_is_back(struct smtp_session *session);

/* Behind the answers that a job brought. */
void smtp_session_go_on(struct smtp_session *session, int64_t now);

void smtp_session_answer(struct smtp_session *session, int code, const char *enhanced,
                         const char *text, int64_t now);

static inline bool smtp_session_is_lmtp(const struct smtp_session *session)
{
    return session->service->kind == SMTP_SESSION_LMTP;
}

/* ---- smtp_session_auth.c ---- */

void smtp_session_auth_begin(struct smtp_session *session, const struct smtp_server_event *event,
                             int64_t now);
void smtp_session_auth_respond(struct smtp_session *session, const struct smtp_server_event *event,
                               int64_t now);
/* Passes the outcome on to the engine. */
void smtp_session_auth_answer(struct smtp_session *session, enum session_login_status status,
                              int64_t now);
void smtp_session_auth_told(struct loop_task *task);
/* Nobody is logged in any more. */
void smtp_session_auth_forget(struct smtp_session *session);

/* ---- smtp_session_envelope.c ---- */

void smtp_session_envelope_hear_mail(struct smtp_session *session,
                                     const struct smtp_server_event *event, int64_t now);
void smtp_session_envelope_hear_rcpt(struct smtp_session *session,
                                     const struct smtp_server_event *event, int64_t now);
/* Forgets the message and all that came of it. Accepts NULL. */
void smtp_session_envelope_free(struct smtp_session_message *message);
void smtp_session_envelope_drop(struct smtp_session *session);

/* ---- smtp_session_body.c ---- */

void smtp_session_body_hear(struct smtp_session *session, struct bytes piece, int64_t now);
/* The body was refused: gives back what it took. */
void smtp_session_body_drop(struct smtp_session_message *message);
/* Before a job gets the body; on the job's thread, when it needs it no more; on the loop, when the
   connection ends while a job has it. */
void smtp_session_body_lend(struct smtp_session_message *message);
void smtp_session_body_return(struct smtp_session_message *message);
void smtp_session_body_abandon(struct smtp_session_message *message);
/* Has the draft written out when its memory is full. */
void smtp_session_body_spill_if_full(struct smtp_session *session);

/* ---- smtp_session_delivery.c ---- */

/* The body is whole: keeps the message, or answers why not. */
void smtp_session_delivery_begin(struct smtp_session *session, int64_t now);
/* The report is written, or *fault tells why not: the message is kept with it. */
void smtp_session_delivery_go_on(struct smtp_session *session, const struct fault *fault,
                                 int64_t now);
/* Behind all jobs. */
void smtp_session_delivery_answer(struct smtp_session *session, int64_t now);
/* Every mailbox that the recipient leads to has it, now that the job is done. */
bool smtp_session_delivery_is_kept(const struct smtp_session_message *message,
                                   const struct smtp_session_recipient *recipient);

/* ---- smtp_session_report.c ---- */

/* Has the report written that the sender asked for. False: nobody asked for one that is to be
   written here (FAULT_NONE in *fault), or memory. */
bool smtp_session_report_begin(struct smtp_session *session, struct fault *fault);
/* The message was kept without it, as some recipient was not served (LMTP): the others are reported
   of by a job of its own. False: there is nothing to report. */
bool smtp_session_report_begin_again(struct smtp_session *session);

#endif
