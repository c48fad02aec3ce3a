/* The table. */
#include "delivery/report_reason.h"

#include "base/scan.h"

#define CHECK_ADDRESS                                                                              \
    "Check the address for typing mistakes. If it is right, ask the recipient in another way."
#define CHECK_SENDER                                                                               \
    "Check which sender address your mail program is set to; if it is right, tell your "           \
    "administrator."
#define SEND_LATER    "Send the letter again later, or reach the recipient in another way."
#define SEND_SMALLER  "Make the letter smaller, for example by sharing large files in another way."
#define TELL_FAR      "Tell the recipient in another way that his mail system refuses your mail."
#define TELL_OURS     "Pass this report on to the administrator of your mail server."
#define CHANGE_LETTER "Change what the reply names and send the letter again."

struct row {
    struct bytes code; /* without the class; "7." stands for all of a kind */
    struct report_reason reason;
};

static const struct row rows[] = {
    {BYTES_INIT("1.1"), {"There is no mailbox of this name there.", CHECK_ADDRESS}},
    {BYTES_INIT("1.2"),
     {"The domain of the address does not exist or takes no mail.",
      "Check the part of the address behind the \"@\"."}},
    {BYTES_INIT("1.3"), {"The far host does not take this for an address.", CHECK_ADDRESS}},
    {BYTES_INIT("1.4"),
     {"The address fits more than one mailbox there.", "Write the address in full."}},
    {BYTES_INIT("1.6"),
     {"The recipient has moved and left no new address.",
      "Ask the recipient for the new address in another way."}},
    {BYTES_INIT("1.7"), {"The far host does not accept the sender's address.", CHECK_SENDER}},
    {BYTES_INIT("1.8"), {"The far host does not accept the sender's domain.", CHECK_SENDER}},
    {BYTES_INIT("1.10"), {"The domain of the address takes no mail at all.", CHECK_ADDRESS}},
    {BYTES_INIT("1."), {"Something is wrong with the address.", CHECK_ADDRESS}},

    {BYTES_INIT("2.1"), {"The mailbox is switched off.", "Ask the recipient in another way."}},
    {BYTES_INIT("2.2"), {"The recipient's mailbox is full.", SEND_LATER}},
    {BYTES_INIT("2.3"), {"The letter is larger than this mailbox allows.", SEND_SMALLER}},
    {BYTES_INIT("2.4"),
     {"The list behind the address could not be served.", "Tell the owner of the list."}},
    {BYTES_INIT("2."), {"Something is wrong with the recipient's mailbox.", SEND_LATER}},

    {BYTES_INIT("3.1"), {"The far mail system has no room left.", SEND_LATER}},
    {BYTES_INIT("3.2"), {"The far mail system takes no mail at the moment.", SEND_LATER}},
    {BYTES_INIT("3.3"),
     {"The far mail system cannot handle what this letter needs.",
      "Send it in a simpler form: plain text, an address of ASCII letters."}},
    {BYTES_INIT("3.4"), {"The letter is too large for the far mail system.", SEND_SMALLER}},
    {BYTES_INIT("3.5"), {"The far mail system is not set up well.", TELL_FAR}},
    {BYTES_INIT("3."), {"Something is wrong with the far mail system.", SEND_LATER}},

    {BYTES_INIT("4.1"),
     {"The far host could not be reached.", "Check the part of the address behind the \"@\", or "
                                            "send the letter again later."}},
    {BYTES_INIT("4.2"), {"The connection to the far host broke off.", SEND_LATER}},
    {BYTES_INIT("4.3"),
     {"The name service had no answer about the domain.",
      "Check the part of the address behind the \"@\", or send the letter again later."}},
    {BYTES_INIT("4.4"),
     {"No host was found that takes mail for the domain.",
      "Check the part of the address behind the \"@\"."}},
    {BYTES_INIT("4.5"), {"The far host or the way to it was too busy.", SEND_LATER}},
    {BYTES_INIT("4.6"), {"The letter went in a circle from host to host.", TELL_OURS}},
    {BYTES_INIT("4.7"), {"The letter was too long on its way.", SEND_LATER}},
    {BYTES_INIT("4."), {"The far host could not be reached.", SEND_LATER}},

    {BYTES_INIT("5.3"),
     {"The letter has too many recipients for the far host.",
      "Send it to fewer recipients at a time."}},
    {BYTES_INIT("5."), {"The two mail servers did not understand each other.", TELL_OURS}},

    {BYTES_INIT("6.7"),
     {"The far host cannot handle addresses beyond ASCII.",
      "Use an address of plain ASCII letters, if there is one."}},
    {BYTES_INIT("6.8"),
     {"The far host cannot answer about addresses beyond ASCII.",
      "Use an address of plain ASCII letters, if there is one."}},
    {BYTES_INIT("6.9"),
     {"The far host cannot handle addresses beyond ASCII in the letter.",
      "Use addresses of plain ASCII letters, if there are such."}},
    {BYTES_INIT("6."), {"The far host does not accept the content of the letter.", CHANGE_LETTER}},

    {BYTES_INIT("7.1"),
     {"The far host refuses the letter by its rules. Perhaps it takes it for spam, or does not "
      "take letters of yours.",
      TELL_FAR}},
    {BYTES_INIT("7.2"),
     {"You may not write to this list.", "Ask the owner of the list to let you in."}},
    {BYTES_INIT("7.8"), {"The far host did not accept this server's login.", TELL_OURS}},
    {BYTES_INIT("7.9"), {"The far host did not accept this server's login.", TELL_OURS}},
    {BYTES_INIT("7.10"), {"The far host wants an encrypted connection.", TELL_OURS}},
    {BYTES_INIT("7.11"), {"The far host wants an encrypted connection.", TELL_OURS}},
    {BYTES_INIT("7.13"), {"The account is disabled.", "Ask the recipient in another way."}},
    {BYTES_INIT("7.14"), {"The far host takes letters of trusted hosts only.", TELL_OURS}},
    {BYTES_INIT("7.16"), {"The letter is too large for its priority.", SEND_SMALLER}},
    {BYTES_INIT("7.17"),
     {"The mailbox belongs to somebody else now.", "Ask the recipient for the new address."}},
    {BYTES_INIT("7.18"),
     {"The domain belongs to somebody else now.", "Ask the recipient for the new address."}},
    {BYTES_INIT("7.20"), {"The far host misses a signature of your domain (DKIM).", TELL_OURS}},
    {BYTES_INIT("7.21"), {"The far host misses a signature of your domain (DKIM).", TELL_OURS}},
    {BYTES_INIT("7.22"), {"The far host misses a signature of your domain (DKIM).", TELL_OURS}},
    {BYTES_INIT("7.23"),
     {"The far host holds that this server may not send for your domain (SPF).", TELL_OURS}},
    {BYTES_INIT("7.24"),
     {"The far host could not find out whether this server may send for your domain (SPF).",
      TELL_OURS}},
    {BYTES_INIT("7.25"), {"The address of this server has no name of its own.", TELL_OURS}},
    {BYTES_INIT("7.26"),
     {"The far host does not believe that the letter is from your domain.", TELL_OURS}},
    {BYTES_INIT("7.27"), {"The sender's domain takes no mail, so it may send none.", CHECK_SENDER}},
    {BYTES_INIT("7.28"), {"The far host got too much mail at a time.", SEND_LATER}},
    {BYTES_INIT("7.30"),
     {"The letter demands encryption all the way, which the far host does not offer.",
      "Send it without that demand, or reach the recipient in another way."}},
    {BYTES_INIT("7."), {"The far host refuses the letter for its security rules.", TELL_FAR}},

    {BYTES_INIT(""), {"The far host did not say why.", SEND_LATER}},
};

static bool take_number(struct scan *scan)
{
    struct bytes digits = scan_take_while(scan, &scan_digits);
    return digits.length > 0 && digits.length <= 3 && (digits.length == 1 || digits.data[0] != '0');
}

bool report_reason_is_status(struct bytes status)
{
    struct scan scan = scan_of(status);
    int class = scan_take(&scan);
    return (class == '2' || class == '4' || class == '5') && scan_take_char(&scan, '.') &&
           take_number(&scan) && scan_take_char(&scan, '.') && take_number(&scan) &&
           scan_is_at_end(&scan);
}

const struct report_reason *report_reason_find(struct bytes status)
{
    struct bytes code = report_reason_is_status(status) ? bytes_skip(status, 2) : BYTES("");
    size_t i = 0;
    /* The last row fits everything. */
    while (!bytes_equal(code, rows[i].code) &&
           !(bytes_starts_with(code, rows[i].code) &&
             (rows[i].code.length == 0 || bytes_ends_with(rows[i].code, BYTES(".")))))
        i++;
    return &rows[i].reason;
}
