/* The command line of `posthorn send`, taken apart. */
#ifndef CLI_SEND_REQUEST_H
#define CLI_SEND_REQUEST_H

#include "cli/option.h"
#include "cli/send_account.h"

enum send_option {
    /* First the account's fields: SEND_OPTION_ACCOUNT + enum send_account_field. */
    SEND_OPTION_ACCOUNT = 1,
    SEND_OPTION_PROFILE = SEND_OPTION_ACCOUNT + SEND_ACCOUNT_FIELDS,
    SEND_OPTION_CONFIG,
    SEND_OPTION_ENVELOPE_FROM,
    SEND_OPTION_TO,
    SEND_OPTION_CC,
    SEND_OPTION_BCC,
    SEND_OPTION_REPLY_TO,
    SEND_OPTION_SUBJECT,
    SEND_OPTION_HEADER,
    SEND_OPTION_BODY,
    SEND_OPTION_TEXT,
    SEND_OPTION_HTML,
    SEND_OPTION_ATTACH,
    SEND_OPTION_INLINE,
    SEND_OPTION_EML,
    SEND_OPTION_READ_RECIPIENTS,
    SEND_OPTION_NOTIFY,
    SEND_OPTION_RETURN,
    SEND_OPTION_ENVELOPE_ID,
    SEND_OPTION_REQUIRE_TLS,
    SEND_OPTION_PRIORITY,
    SEND_OPTION_DELIVER_BY,
    SEND_OPTION_HOLD_FOR,
    SEND_OPTION_HOLD_UNTIL,
    SEND_OPTION_DRY_RUN,
    SEND_OPTION_TRANSCRIPT,
    SEND_OPTION_JSON,
    SEND_OPTION_QUIET,
    SEND_OPTION_HELP,
    SEND_OPTION_VERSION
};

/* What an envelope asks beyond sender and recipients; zero = nothing. */
struct send_wishes {
    unsigned notify; /* set of enum ph_notify */
    enum ph_return_content return_content;
    const char *envelope_id;
    bool require_tls;
    bool has_priority;
    int priority;
    int64_t deliver_by_seconds;
    char deliver_by_mode;
    uint64_t hold_for_seconds;
    const char *hold_until;
    unsigned demands; /* set of enum ph_extension: all that was asked for is demanded */
};

/* Strings point into argv. */
struct send_request {
    struct send_account account; /* what the command line says of it */
    const char *account_name;
    const char *config_path;
    const char *envelope_from; /* NULL = not said; "" = the null sender */
    const char *eml;
    struct option_match *parts; /* what the message is made of, in the order given */
    size_t part_count;
    bool has_body; /* a body, an attachment: a message is to be composed */
    bool reads_recipients;
    struct send_wishes wishes;
    bool dry_run;
    bool transcript;
    bool json;
    bool quiet;
    bool wants_help;
    bool wants_version;
};

extern const struct option_table send_request_table;

/* False: the command line is wrong, and the fault tells how. */
bool send_request_parse(int argc, char **argv, struct send_request *request, struct fault *fault);

/* Accepts NULL. */
void send_request_clear(struct send_request *request);

/* "success,failure", "never"... as in NOTIFY= (RFC 3461 4.1), in any case. */
bool send_request_notify(const char *text, struct send_wishes *wishes, struct fault *fault);

/* "full" or "headers" (and "hdrs"), as in RET= (RFC 3461 4.3). */
bool send_request_return(const char *text, struct send_wishes *wishes, struct fault *fault);

#endif
