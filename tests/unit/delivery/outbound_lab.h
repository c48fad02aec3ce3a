/* An outbound session on a loop of its own, with a test as its owner: gives letters when there is
 * room, bodies when they are asked for, and writes down what it is told.
 *
 * The log has a line for each event:
 *   "ready", "body NAME OFFSET"
 *   "letter NAME: WORD; WORD" with a word for each recipient: "accepted 250 2.0.0 text",
 *       "PHASE 550 5.1.1 text", where PHASE is connect greeting hello tls login sender recipient
 *       message lost
 *   "end PHASE CODE [orderly] [tls] TEXT" */
#ifndef DELIVERY_OUTBOUND_LAB_H
#define DELIVERY_OUTBOUND_LAB_H

#include "client/scripted_server.h"
#include "delivery/outbound_session.h"

enum {
    OUTBOUND_LAB_LETTERS = 64,
    OUTBOUND_LAB_RECIPIENTS = 64
};

struct outbound_lab_letter {
    char name[16];
    struct store_outbound_letter stored;
    struct store_outbound_recipient recipients[OUTBOUND_LAB_RECIPIENTS];
    struct outbound_recipient_result results[OUTBOUND_LAB_RECIPIENTS];
    struct outbound_letter letter;
    struct bytes body; /* all of it */
    size_t piece_size; /* of what is given when it is asked for */
    bool fails;        /* the body cannot be read when it is asked for */
    bool is_slow;      /* given only by outbound_lab_give_body */
    bool was_refused;
    struct outbound_refusal refusal;
};

struct outbound_lab_options {
    struct relay relay;
    const char *name; /* of the host; NULL = "mx.test" */
    bool is_clear;
    const char *ca_file; /* the certificate is asked for; NULL = it is not */
    struct ph_timeouts timeouts;
    bool has_source;
    bool has_no_tls;
    bool stays; /* says no QUIT when the last letter has ended */
};

struct outbound_lab;

/* For "127.0.0.1:port"; options may be NULL. */
struct outbound_lab *outbound_lab_new(const char *address,
                                      const struct outbound_lab_options *options);
/* Connects. False: the session was not made, the log says why. */
bool outbound_lab_start(struct outbound_lab *lab);
/* Frees the session if it stands, and ends the loop. */
void outbound_lab_close(struct outbound_lab *lab);

/* A letter from a@from.test to r0@to.test, r1@to.test...; to be changed before it is given. Those
 * made before the start are given one after the other when there is room. */
struct outbound_lab_letter *outbound_lab_letter(struct outbound_lab *lab, const char *name,
                                                size_t recipients, struct bytes body);
/* Gives the next, though there was no room when that was told. */
void outbound_lab_give(struct outbound_lab *lab);
void outbound_lab_quit(struct outbound_lab *lab);
void outbound_lab_free_session(struct outbound_lab *lab);
void outbound_lab_give_body(struct outbound_lab *lab, struct outbound_lab_letter *letter);
/* Ends the loops; `grace` in milliseconds. */
void outbound_lab_stop(struct outbound_lab *lab, int64_t grace);

/* Waits until the text stands in the log; fails the test when that takes too long. */
void outbound_lab_await(struct outbound_lab *lab, const char *text);
/* The log so far; the lab's own until it is closed. */
const char *outbound_lab_log(struct outbound_lab *lab);

#endif
