/* One connection to one address of a far host: connects, greets, starts TLS, logs in, and sends the
 * letters that it is given, one behind the other in flight where the far end allows it. Lives on a
 * loop and never blocks; asks for bodies and tells what happened by events that its owner pulls. */
#ifndef DELIVERY_OUTBOUND_SESSION_H
#define DELIVERY_OUTBOUND_SESSION_H

#include <posthorn/protocol.h>

#include "delivery/host_list.h"
#include "delivery/reply_judge.h"
#include "loop/loop.h"
#include "store/store_outbound.h"

enum {
    OUTBOUND_SESSION_LETTERS_MAX = 8, /* given and not ended */
    OUTBOUND_SESSION_WINDOW = 4,      /* of them asked for by OUTBOUND_WANTS_LETTER, at most */
    OUTBOUND_SESSION_CONNECT_PATIENCE = 30 * 1000,
    OUTBOUND_SESSION_QUIT_PATIENCE = 5 * 1000
};

/* Borrowed until the session is freed. */
struct outbound_session_plan {
    const struct host_list_place *place;
    const struct relay *relay;
    const char *hello_name;
    const struct net_address *source; /* NULL = any */
    struct net_tls_context *tls; /* that asks for no certificate, or for one: as relay->tls wants */
    bool is_clear;               /* TLS failed there before, and may be done without */
    const struct ph_timeouts *timeouts; /* NULL = the engine's */
    /* A line of the dialogue, for the log at level debug; NULL = none. */
    ph_trace *trace;
    void *trace_context;
};

/* One message for this connection; the owner's, borrowed until its OUTBOUND_LETTER_ENDED. */
struct outbound_letter {
    const struct store_outbound_letter *letter;
    /* The body as it is to be sent where the far end takes less than 8 bits: NULL = as it stands.
     */
    bool is_downgraded;
    uint64_t size;      /* of prefix and body as it is sent */
    struct bytes first; /* what is at hand of prefix and body; the rest is asked for */
    /* The answer, as the owner gave memory for it: one for each recipient. */
    struct outbound_recipient_result *results;
    unsigned dropped; /* enum ph_extension: what the far end does not know (DSN) */
};

struct outbound_recipient_result {
    enum reply_judge_phase phase; /* where the reply came */
    int code;                     /* 0 = none came */
    char enhanced[12];
    char text[STORE_OUTBOUND_TEXT_MAX];
    bool is_accepted;
};

enum outbound_event_kind {
    OUTBOUND_READY = 0,    /* greeted, under TLS and logged in as wished: letters may be given */
    OUTBOUND_WANTS_LETTER, /* there is room for one more: told once for each. Who has none now keeps
                              the room and gives one later, unasked */
    OUTBOUND_WANTS_BODY,   /* of event.letter, from event.offset on: outbound_session_body */
    OUTBOUND_LETTER_ENDED, /* event.letter, results filled */
    OUTBOUND_ENDED         /* the connection is no more; letters that had not ended did so before */
};

struct outbound_event {
    enum outbound_event_kind kind;
    struct outbound_letter *letter;
    uint64_t offset;
    /* OUTBOUND_ENDED */
    enum reply_judge_phase phase; /* where it was */
    struct ph_reply reply;        /* code 0 = none; borrowed until the next call */
    const char *text;             /* in plain words: reply or our own; borrowed likewise */
    bool is_orderly;              /* QUIT was said by us, the far end closed a session that had sent
                                     a letter and was idle, or our own loop ends: nobody has failed */
    bool is_tls_failure;          /* TLS did not come about: in clear it may work */
};

struct outbound_session;

/* `told` is run on the loop, never within a call of this room, when there are events to pull; all
   of them are to be pulled. It may free the session. NULL: fault, nothing was begun. */
struct outbound_session *outbound_session_new(struct loop *loop,
                                              const struct outbound_session_plan *plan,
                                              struct loop_task *told, struct fault *fault);
/* Ends the connection at once if it stands; `told` is not run any more, and letters are the owner's
   again. Accepts NULL. */
void outbound_session_free(struct outbound_session *session);

bool outbound_session_next(struct outbound_session *session, struct outbound_event *event);

/* What the far end offers, after OUTBOUND_READY. */
const struct ph_capabilities *outbound_session_capabilities(const struct outbound_session *session);
/* "TLSv1.3", NULL in clear. */
const char *outbound_session_tls(const struct outbound_session *session);

/* False: it cannot be sent there as it stands (too large, SMTPUTF8 is needed and not there...): the
   letter has not begun, *verdict and the text say what its recipients are to be told. With code 0
   nothing is wrong with the letter, but this connection takes no more: another may. A letter that
   is taken may still be without some of its recipients: their results say why. */
struct outbound_refusal {
    int code;
    const char *enhanced;
    char text[256];
    bool needs_downgrade; /* a 7-bit form of the body would do */
};
bool outbound_session_send(struct outbound_session *session, struct outbound_letter *letter,
                           struct outbound_refusal *refusal);

/* The answer to OUTBOUND_WANTS_BODY: the next piece, borrowed until more is asked for or the letter
   has ended. Of a letter that has ended meanwhile nothing is taken. */
void outbound_session_body(struct outbound_session *session, struct outbound_letter *letter,
                           struct bytes piece, bool is_last);
/* It cannot be read: the letter ends unsent, the connection with it where there is no other way. */
void outbound_session_body_failed(struct outbound_session *session, struct outbound_letter *letter);

/* No more letters: QUIT behind what is in hand, then OUTBOUND_ENDED. */
void outbound_session_quit(struct outbound_session *session);

#endif
