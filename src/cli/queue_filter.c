/* Command lines as filters of the queue. */
#include "cli/queue_filter.h"

#include <inttypes.h>
#include <sysexits.h>

#include "base/clock.h"
#include "cli/duration.h"
#include "cli/report.h"
#include "store/store_accounts.h"

enum {
    ID_DIGITS = 16
};

static int read_id(const char *text, int64_t *id)
{
    uint64_t value = 0;
    size_t length = strlen(text);
    bool is_valid = length > 0 && length <= ID_DIGITS;
    for (size_t i = 0; is_valid && i < length; i++) {
        int digit = bytes_hex_value(text[i]);
        is_valid = digit >= 0;
        value = value << 4 | (uint64_t)(digit & 0xF);
    }
    if (!is_valid || value == 0 || value > INT64_MAX) {
        report_error("\"%s\" is no message: say its number, such as 01a2b3c4d5e6f708, as "
                     "'posthorn queue list' and the log show it",
                     text);
        return EX_DATAERR;
    }
    *id = (int64_t)value;
    return EX_OK;
}

static int read_time(const char *text, int64_t *moment)
{
    int64_t seconds;
    if (!duration_parse(text, &seconds)) {
        report_error("\"%s\" is no span of time: say 30m, 4h, 2d or 1w", text);
        return EX_DATAERR;
    }
    *moment = clock_wall_microseconds() - seconds * 1000000;
    return EX_OK;
}

static int read_account(struct admin *admin, const char *login, int64_t *id)
{
    struct store_account account;
    struct fault fault;
    bool is_found;
    if (!store_account_find(admin->reader, bytes_from_string(login), &account, &is_found, &fault))
        return admin_fail(&fault);
    if (!is_found) {
        report_error("there is no account %s; 'posthorn account list' shows those that are, and "
                     "--sender finds the mail of one that is gone",
                     login);
        return EX_NOUSER;
    }
    *id = account.id;
    return EX_OK;
}

/* An address or "@domain": a word alone would silently find nothing. */
static int check_address(const char *option, const char *text)
{
    if (text == NULL || strchr(text, '@') != NULL || strcmp(text, "<>") == 0)
        return EX_OK;
    report_error("--%s \"%s\": say an address, or @%s for all of a domain", option, text, text);
    return EX_DATAERR;
}

int queue_filter_read(struct admin *admin, struct store_queue_filter *filter, bool *is_any)
{
    const char *const *values = admin->values;
    *filter = (struct store_queue_filter){
        .sender = bytes_from_string(values[ADMIN_SENDER]),
        .recipient = bytes_from_string(values[ADMIN_RECIPIENT]),
        .route = bytes_from_string(values[ADMIN_ROUTE]),
        .is_held_only = admin_has(admin, ADMIN_HELD),
        .is_waiting_only = admin_has(admin, ADMIN_WAITING),
        .is_failed_only = admin_has(admin, ADMIN_FAILED),
    };
    *is_any = admin->operands[0] != NULL;
    for (int option = ADMIN_SENDER; option <= ADMIN_FAILED; option++)
        *is_any = *is_any || values[option] != NULL;
    if (filter->is_held_only && filter->is_waiting_only)
        return report_usage("--held and --waiting exclude each other");
    int code = check_address("sender", values[ADMIN_SENDER]);
    if (code == EX_OK)
        code = check_address("recipient", values[ADMIN_RECIPIENT]);
    if (code == EX_OK && admin->operands[0] != NULL)
        code = read_id(admin->operands[0], &filter->message);
    if (code == EX_OK && values[ADMIN_OLDER] != NULL)
        code = read_time(values[ADMIN_OLDER], &filter->before);
    if (code == EX_OK && values[ADMIN_NEWER] != NULL)
        code = read_time(values[ADMIN_NEWER], &filter->after);
    if (code == EX_OK && values[ADMIN_ACCOUNT] != NULL)
        code = read_account(admin, values[ADMIN_ACCOUNT], &filter->account);
    return code;
}
