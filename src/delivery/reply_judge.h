/* What a reply of the far end means for the recipient, for the route and for the address that was
 * tried (RFC 5321 4.2, RFC 3463). Pure. */
#ifndef DELIVERY_REPLY_JUDGE_H
#define DELIVERY_REPLY_JUDGE_H

#include <posthorn/error.h>

/* What was asked when the reply came. */
enum reply_judge_phase {
    REPLY_JUDGE_CONNECT = 0, /* none came: refused, unreachable, timed out */
    REPLY_JUDGE_GREETING,
    REPLY_JUDGE_HELLO,
    REPLY_JUDGE_TLS,
    REPLY_JUDGE_LOGIN,
    REPLY_JUDGE_SENDER,
    REPLY_JUDGE_RECIPIENT,
    REPLY_JUDGE_MESSAGE, /* DATA, BDAT or the end of the body */
    REPLY_JUDGE_LOST     /* the connection broke while an answer was owed */
};

enum reply_judge_scope {
    REPLY_JUDGE_OF_RECIPIENT = 0,
    REPLY_JUDGE_OF_MESSAGE, /* all recipients of this message, nobody else */
    REPLY_JUDGE_OF_ADDRESS, /* another address of the route may be tried at once */
    REPLY_JUDGE_OF_ROUTE    /* whatever is tried there now fares the same */
};

struct reply_judge_verdict {
    bool is_good;
    bool is_permanent;
    enum reply_judge_scope scope;
    bool is_busy; /* too many connections or too fast (421, 450 4.7.x...): come with less */
};

/* `reply` may have code 0. Codes that no RFC knows are judged by their first digit, an enhanced
   code that contradicts it is not believed. */
struct reply_judge_verdict reply_judge(enum reply_judge_phase phase, const struct ph_reply *reply);

/* The enhanced code for reports where the far end gave none: "5.1.1", "4.4.1"; static. */
const char *reply_judge_status(enum reply_judge_phase phase, const struct ph_reply *reply);

#endif
