/* The inside of an outbound session, for its parts. */
#ifndef DELIVERY_OUTBOUND_SESSION_INSIDE_H
#define DELIVERY_OUTBOUND_SESSION_INSIDE_H

#include "delivery/outbound_session.h"
#include "loop/connector.h"
#include "smtp/smtp_client.h"

/* How far the dialogue is. */
enum outbound_session_step {
    OUTBOUND_SESSION_GREETS = 0,
    OUTBOUND_SESSION_SAYS_HELLO,
    OUTBOUND_SESSION_STARTS_TLS, /* from STARTTLS to the hello behind the handshake */
    OUTBOUND_SESSION_LOGS_IN,
    OUTBOUND_SESSION_IS_READY
};

/* One letter on its way through the engine. */
struct outbound_session_transit {
    struct ph_transaction transaction; /* first: the engine's events lead back by it */
    struct outbound_letter *letter;
    uint64_t given;   /* bytes of the body that the engine had */
    bool wants_body;  /* OUTBOUND_WANTS_BODY is to be told */
    bool is_ended;    /* OUTBOUND_LETTER_ENDED is to be told */
    uint32_t *places; /* of the transaction's recipients in the letter */
    struct ph_recipient recipients[];
};

/* Why the session ended, or is about to: what was noted first. */
struct outbound_session_trouble {
    bool is_noted;
    bool is_ours; /* the far end has no part in it */
    enum reply_judge_phase phase;
    int code;
    unsigned short enhanced[3];
    char reply_text[PH_ERROR_TEXT_SIZE];
    char text[PH_ERROR_TEXT_SIZE];
};

struct outbound_session {
    const struct outbound_session_plan *plan;
    struct loop *loop;
    struct loop_task task;         /* runs `told` */
    struct loop_task *told;        /* the owner's */
    struct connection *connection; /* NULL: it is no more */
    struct connector_trouble connector;
    struct smtp_client *client;
    struct ph_login login; /* the engine's while it logs in */
    char tls_version[16];  /* "" in clear */
    enum outbound_session_step step;
    bool is_posted;  /* the task is on its way */
    bool is_telling; /* `told` is being run */
    bool is_freed;   /* by the owner; the memory stays until the task has run */
    bool wants_resume;
    bool wants_tls;
    bool wants_close;
    bool is_quitting;
    bool is_ours; /* what ends it now is our own doing */
    bool is_ended;
    bool is_orderly;
    bool is_tls_failure;
    bool has_ready;  /* OUTBOUND_READY is to be told */
    size_t promised; /* OUTBOUND_WANTS_LETTER that no letter has followed */
    bool has_told_end;
    int64_t quit_by;       /* 0 = QUIT is not all that is awaited */
    uint64_t letter_count; /* ever begun */
    struct outbound_session_transit *transits[OUTBOUND_SESSION_LETTERS_MAX]; /* in order */
    size_t transit_count;
    struct outbound_session_trouble trouble;
};

/* ---- outbound_session.c ---- */

/* Has `told` run if there is something to pull. */
void outbound_session_tell(struct outbound_session *session);

/* ---- outbound_session_face.c ---- */

extern const struct engine_face outbound_session_face;

/* ---- outbound_session_dialogue.c: what the engine tells, and what is said next ---- */

/* Hears all that the engine has to tell. */
void outbound_session_dialogue_hear(struct outbound_session *session);

/* QUIT behind what is in hand; at once where no letter can be. */
void outbound_session_dialogue_quit(struct outbound_session *session);

/* The connection is no more. */
void outbound_session_dialogue_end(struct outbound_session *session, enum engine_end how,
                                   int64_t now);

/* Letters that the engine has. */
size_t outbound_session_dialogue_unfinished(const struct outbound_session *session);

/* The far end takes no more letters on this connection (RFC 9422 3: MAILMAX). */
bool outbound_session_dialogue_is_used_up(const struct outbound_session *session);

/* ---- outbound_session_letter.c: a letter as a transaction ---- */

/* Builds the transaction of a letter, and fills the results of recipients that it leaves out. NULL:
 * *refusal says why the letter cannot go as it stands. */
struct outbound_session_transit *outbound_session_letter_new(const struct ph_capabilities *known,
                                                             struct outbound_letter *letter,
                                                             struct outbound_refusal *refusal);
void outbound_session_letter_free(struct outbound_session_transit *transit); /* accepts NULL */

/* What the engine said no to. */
void outbound_session_letter_refuse(const struct ph_error *error, struct outbound_refusal *refusal);

/* An event of its transaction: replies go to results. */
void outbound_session_letter_hear(struct outbound_session_transit *transit,
                                  const struct ph_event *event);

#endif
