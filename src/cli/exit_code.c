/* One table from the library's errors to exit statuses, refined by what the server replied. */
#include "cli/exit_code.h"

#include <stddef.h>

/* What a kind of error means when no reply and no hope of a second try says more. */
static const int codes[] = {
    [PH_OK] = EX_OK,
    [PH_ERROR_DISCONNECTED] = EX_TEMPFAIL,
    [PH_ERROR_RESPONSE] = EX_UNAVAILABLE,
    [PH_ERROR_SENDER_REFUSED] = EX_UNAVAILABLE,
    [PH_ERROR_RECIPIENTS_REFUSED] = EX_UNAVAILABLE,
    [PH_ERROR_DATA_REFUSED] = EX_UNAVAILABLE,
    [PH_ERROR_CONNECT] = EX_UNAVAILABLE,
    [PH_ERROR_HELO] = EX_PROTOCOL,
    [PH_ERROR_AUTHENTICATION] = EX_NOPERM,
    [PH_ERROR_NOT_SUPPORTED] = EX_UNAVAILABLE,
    [PH_ERROR_ARGUMENT] = EX_USAGE,
    [PH_ERROR_RESOLVE] = EX_NOHOST,
    [PH_ERROR_TIMEOUT] = EX_TEMPFAIL,
    [PH_ERROR_PROTOCOL] = EX_PROTOCOL,
    [PH_ERROR_TLS] = EX_PROTOCOL,
    [PH_ERROR_CERTIFICATE] = EX_NOPERM,
    [PH_ERROR_PROXY] = EX_UNAVAILABLE,
    [PH_ERROR_TOO_LARGE] = EX_UNAVAILABLE,
    [PH_ERROR_BODY] = EX_DATAERR,
    [PH_ERROR_LIMIT] = EX_DATAERR,
    [PH_ERROR_MEMORY] = EX_OSERR,
    [PH_ERROR_CANCELLED] = EX_TEMPFAIL,
};

/* A reply that refuses. */
static int code_of_reply(int code, const unsigned short enhanced[3], int otherwise)
{
    if (code / 100 == 4)
        return EX_TEMPFAIL;
    /* RFC 3463 3.8: the class of security and policy. RFC 4954 6: 530, 534, 535, 538 want a login.
     */
    if (enhanced[1] == 7 || code == 530 || code == 534 || code == 535 || code == 538)
        return EX_NOPERM;
    return otherwise;
}

/* RFC 3463 3.2: which part of the address was wrong. */
static int code_of_recipient(const struct ph_reply *reply)
{
    const unsigned short *enhanced = reply->enhanced;
    if (reply->code / 100 == 5 && enhanced[1] == 1) {
        if (enhanced[2] == 2 || enhanced[2] == 10)
            return EX_NOHOST;
        return EX_NOUSER;
    }
    /* RFC 5321 4.2.3: without a finer word these say that there is no such mailbox. */
    bool is_mailbox = reply->code == 550 || reply->code == 551 || reply->code == 553;
    return code_of_reply(reply->code, enhanced,
                         is_mailbox && enhanced[0] == 0 ? EX_NOUSER : EX_UNAVAILABLE);
}

/* All were refused: a second try is worth it when it may reach one of them; else the first says
 * why. */
static int code_of_recipients(const struct ph_result *result)
{
    int first = EX_OK;
    for (size_t i = 0; i < result->recipient_count; i++) {
        const struct ph_recipient_result *recipient = &result->recipients[i];
        if (recipient->is_accepted || recipient->reply.code == 0)
            continue;
        int code = code_of_recipient(&recipient->reply);
        if (code == EX_TEMPFAIL)
            return code;
        if (first == EX_OK)
            first = code;
    }
    return first;
}

int exit_code_of_error(const struct ph_error *error, const struct ph_result *result)
{
    if (error->kind == PH_OK)
        return EX_OK;
    if (error->fate == PH_MAYBE_SENT)
        return EXIT_CODE_MAYBE;
    size_t count = sizeof(codes) / sizeof(codes[0]);
    int code = (size_t)error->kind < count ? codes[error->kind] : EX_SOFTWARE;
    if (error->kind == PH_ERROR_RECIPIENTS_REFUSED) {
        int finer = result == NULL ? EX_OK : code_of_recipients(result);
        if (finer != EX_OK)
            return finer;
        struct ph_reply reply = {.code = error->reply_code};
        for (size_t i = 0; i < 3; i++)
            reply.enhanced[i] = error->reply_enhanced[i];
        return code_of_recipient(&reply);
    }
    if (error->reply_code >= 400)
        return code_of_reply(error->reply_code, error->reply_enhanced, code);
    /* A file of ours that cannot be read gets no better by waiting. */
    if (error->kind == PH_ERROR_BODY)
        return error->system_error != 0 ? EX_IOERR : code;
    return error->retry && error->kind != PH_ERROR_MEMORY ? EX_TEMPFAIL : code;
}

int exit_code_of_result(const struct ph_result *result)
{
    if (result->error.kind != PH_OK)
        return exit_code_of_error(&result->error, result);
    for (size_t i = 0; i < result->recipient_count; i++) {
        if (result->recipients[i].fate == PH_MAYBE_SENT)
            return EXIT_CODE_MAYBE;
    }
    return result->accepted_count < result->recipient_count ? EXIT_CODE_PARTIAL : EX_OK;
}

const char *exit_code_name(int code)
{
    static const struct {
        int code;
        const char *name;
    } names[] = {
        {EX_OK, "EX_OK"},
        {EX_USAGE, "EX_USAGE"},
        {EX_DATAERR, "EX_DATAERR"},
        {EX_NOINPUT, "EX_NOINPUT"},
        {EX_NOUSER, "EX_NOUSER"},
        {EX_NOHOST, "EX_NOHOST"},
        {EX_UNAVAILABLE, "EX_UNAVAILABLE"},
        {EX_SOFTWARE, "EX_SOFTWARE"},
        {EX_OSERR, "EX_OSERR"},
        {EX_CANTCREAT, "EX_CANTCREAT"},
        {EX_IOERR, "EX_IOERR"},
        {EX_TEMPFAIL, "EX_TEMPFAIL"},
        {EX_PROTOCOL, "EX_PROTOCOL"},
        {EX_NOPERM, "EX_NOPERM"},
        {EX_CONFIG, "EX_CONFIG"},
        {EXIT_CODE_PARTIAL, "partial"},
        {EXIT_CODE_MAYBE, "maybe"},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].code == code)
            return names[i].name;
    }
    return "unknown";
}
