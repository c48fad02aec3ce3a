/* Replies are judged by the first digit, by what was asked, and by the few codes whose meaning is
 * another there. */
#include "delivery/reply_judge.h"

#include "base/scan.h"

/* The enhanced code where its class says the same as the code: else {0}. */
struct status {
    unsigned class;
    unsigned subject;
    unsigned detail;
};

static struct status status_of(const struct ph_reply *reply)
{
    const unsigned short *enhanced = reply->enhanced;
    if (enhanced[0] == 0 || enhanced[0] != reply->code / 100)
        return (struct status){0};
    return (struct status){enhanced[0], enhanced[1], enhanced[2]};
}

static bool is_status(struct status status, unsigned subject, unsigned detail)
{
    return status.class != 0 && status.subject == subject && status.detail == detail;
}

static bool has_word(const struct ph_reply *reply, const char *word)
{
    struct bytes text = bytes_of(reply->text, reply->text == NULL ? 0 : reply->text_length);
    struct bytes wanted = bytes_from_string(word);
    for (; text.length >= wanted.length; text = bytes_skip(text, 1))
        if (bytes_starts_with_ignoring_case(text, wanted))
            return true;
    return false;
}

static enum reply_judge_scope scope_of_phase(enum reply_judge_phase phase)
{
    switch (phase) {
    case REPLY_JUDGE_CONNECT:
    case REPLY_JUDGE_GREETING:
    case REPLY_JUDGE_HELLO:
    case REPLY_JUDGE_TLS:
    case REPLY_JUDGE_LOST:
        return REPLY_JUDGE_OF_ADDRESS;
    case REPLY_JUDGE_LOGIN:
        return REPLY_JUDGE_OF_ROUTE;
    case REPLY_JUDGE_SENDER:
    case REPLY_JUDGE_MESSAGE:
        return REPLY_JUDGE_OF_MESSAGE;
    case REPLY_JUDGE_RECIPIENT:
        return REPLY_JUDGE_OF_RECIPIENT;
    }
    return REPLY_JUDGE_OF_MESSAGE;
}

/* Greylisting is said with the codes of "too fast", but asks for nothing but another try. */
static bool is_greylisting(enum reply_judge_phase phase, const struct ph_reply *reply,
                           struct status status)
{
    return has_word(reply, "greylist") || has_word(reply, "graylist") ||
           has_word(reply, "grey list") || has_word(reply, "gray list") ||
           (phase == REPLY_JUDGE_RECIPIENT && is_status(status, 7, 1));
}

/* RFC 3463 3.4, 3.5, 3.8: not accepting now (X.3.2), congested (X.4.5), or
   policy in a temporary form (X.7.*), by which large providers say that we are too fast. */
static bool is_busy(enum reply_judge_phase phase, const struct ph_reply *reply,
                    struct status status)
{
    if (reply->code == 421)
        return true;
    if (reply->code / 100 != 4 || phase == REPLY_JUDGE_TLS || phase == REPLY_JUDGE_LOGIN)
        return false;
    if (is_status(status, 3, 2) || is_status(status, 4, 5))
        return true;
    if (status.subject == 7)
        return !is_greylisting(phase, reply, status);
    return has_word(reply, "too many connections");
}

static struct reply_judge_verdict judge_temporary(enum reply_judge_phase phase,
                                                  const struct ph_reply *reply)
{
    struct status status = status_of(reply);
    struct reply_judge_verdict verdict = {.scope = scope_of_phase(phase),
                                          .is_busy = is_busy(phase, reply, status)};
    /* 421 says that the connection ends (RFC 5321 4.2.4.2); a full, resting or congested system is
       not a matter of this letter. Another host of the same domain may do (RFC 5321 5.1). */
    if (reply->code == 421 || is_status(status, 3, 1) || is_status(status, 3, 2) ||
        is_status(status, 4, 5))
        verdict.scope = REPLY_JUDGE_OF_ADDRESS;
    if (phase == REPLY_JUDGE_LOGIN)
        verdict.scope = REPLY_JUDGE_OF_ROUTE;
    return verdict;
}

/* A refusal in which nothing is wrong with the letter. */
static bool is_ours_to_mend(enum reply_judge_phase phase, const struct ph_reply *reply)
{
    switch (reply->code) {
    case 530: /* log in first (RFC 4954 6), or STARTTLS first (RFC 3207 4) */
    case 534:
    case 535:
    case 538:
        return true;
    default:
        /* A password that was changed, a certificate that has ended: mail waits for it. */
        return phase == REPLY_JUDGE_LOGIN || phase == REPLY_JUDGE_TLS;
    }
}

/* RFC 5321 4.5.3.1.10: 552 to RCPT, where it means the number of recipients, is as good as 452. */
static bool is_recipient_too_many(enum reply_judge_phase phase, const struct ph_reply *reply)
{
    struct status status = status_of(reply);
    if (phase != REPLY_JUDGE_RECIPIENT)
        return false;
    return is_status(status, 5, 3) ||
           (reply->code == 552 && status.class == 0 && has_word(reply, "too many"));
}

static struct reply_judge_verdict judge_permanent(enum reply_judge_phase phase,
                                                  const struct ph_reply *reply)
{
    struct reply_judge_verdict verdict = {.is_permanent = true, .scope = scope_of_phase(phase)};
    if (is_recipient_too_many(phase, reply))
        verdict.is_permanent = false;
    if (is_ours_to_mend(phase, reply)) {
        verdict.is_permanent = false;
        verdict.scope = phase == REPLY_JUDGE_TLS ? REPLY_JUDGE_OF_ADDRESS : REPLY_JUDGE_OF_ROUTE;
    }
    return verdict;
}

struct reply_judge_verdict reply_judge(enum reply_judge_phase phase, const struct ph_reply *reply)
{
    switch (reply->code / 100) {
    case 2:
        return (struct reply_judge_verdict){.is_good = true, .scope = scope_of_phase(phase)};
    case 4:
        return judge_temporary(phase, reply);
    case 5:
        return judge_permanent(phase, reply);
    default:
        /* No reply, or one that answers nothing that was asked. */
        return (struct reply_judge_verdict){.scope = scope_of_phase(phase)};
    }
}

/* ---- the enhanced code that the far end did not give ---- */

static const char *status_without_reply(enum reply_judge_phase phase)
{
    switch (phase) {
    case REPLY_JUDGE_CONNECT:
        return "4.4.1"; /* no answer from host */
    case REPLY_JUDGE_TLS:
        return "4.7.5"; /* cryptographic failure */
    case REPLY_JUDGE_LOGIN:
        return "4.7.0"; /* RFC 4954 6: temporary authentication failure */
    default:
        return "4.4.2"; /* bad connection */
    }
}

static const char *status_of_temporary(enum reply_judge_phase phase, int code)
{
    switch (code) {
    case 421:
        return "4.3.2";
    case 450:
        return phase == REPLY_JUDGE_RECIPIENT ? "4.2.0" : "4.0.0";
    case 451:
        return "4.3.0";
    case 452:
        return phase == REPLY_JUDGE_RECIPIENT ? "4.5.3" : "4.3.1";
    case 454:
        return "4.7.0";
    case 455:
        return "4.5.4";
    case 552: /* judged as 452 */
        return "4.5.3";
    case 530:
    case 534:
    case 535:
    case 538:
        return "4.7.0";
    default:
        return phase == REPLY_JUDGE_LOGIN || phase == REPLY_JUDGE_TLS ? "4.7.0" : "4.0.0";
    }
}

static const char *status_of_permanent(enum reply_judge_phase phase, int code)
{
    bool is_recipient = phase == REPLY_JUDGE_RECIPIENT;
    bool is_sender = phase == REPLY_JUDGE_SENDER;
    switch (code) {
    case 500:
        return "5.5.2";
    case 501:
    case 553:
        return is_recipient ? "5.1.3" : is_sender ? "5.1.7" : "5.5.4";
    case 502:
    case 503:
        return "5.5.1";
    case 504:
    case 555:
        return "5.5.4";
    case 521: /* RFC 7504 */
        return "5.3.2";
    case 550:
        return is_recipient ? "5.1.1" : "5.7.1";
    case 551:
        return "5.1.6";
    case 552:
        return is_recipient ? "5.2.2" : "5.3.4";
    case 554:
        return phase == REPLY_JUDGE_GREETING ? "5.3.2" : "5.0.0";
    case 556: /* RFC 7504, RFC 7505 */
        return "5.1.10";
    default:
        return "5.0.0";
    }
}

const char *reply_judge_status(enum reply_judge_phase phase, const struct ph_reply *reply)
{
    struct reply_judge_verdict verdict = reply_judge(phase, reply);
    if (verdict.is_good)
        return phase == REPLY_JUDGE_RECIPIENT ? "2.1.5" : "2.0.0";
    if (verdict.is_permanent)
        return status_of_permanent(phase, reply->code);
    if (reply->code / 100 != 4 && reply->code / 100 != 5)
        return status_without_reply(phase);
    return status_of_temporary(phase, reply->code);
}
