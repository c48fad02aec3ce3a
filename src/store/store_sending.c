/* Counts in rows of five minutes; the last twelve are an hour. */
#include "store/store_sending.h"

#include "db/db.h"

static int64_t slot_of(int64_t now)
{
    return now / 1000000 / STORE_SENDING_SLOT;
}

bool store_sending_read(struct db *db, int64_t account, int64_t now, struct store_sending *sending,
                        struct fault *fault)
{
    static const struct db_statement statement = {
        "SELECT coalesce(sum(messages), 0), coalesce(sum(recipients), 0) FROM sending "
        "WHERE account = $1 AND slot > $2",
        "SELECT coalesce(sum(messages), 0)::bigint, coalesce(sum(recipients), 0)::bigint "
        "FROM sending WHERE account = $1 AND slot > $2"};
    AUTO(db_rows)
    rows = {0};
    bool is_found;
    if (!db_query_one(db, &statement,
                      DB_VALUES(db_number(account), db_number(slot_of(now) - STORE_SENDING_SLOTS)),
                      &rows, &is_found, fault))
        return false;
    struct store_sending read = {.messages = (uint64_t)db_rows_number(&rows, 0),
                                 .recipients = (uint64_t)db_rows_number(&rows, 1)};
    if (!db_rows_finish(&rows, fault))
        return false;
    *sending = read;
    return true;
}

static bool is_over(const struct store_sending *sending, uint64_t recipients,
                    const struct store_sending_limits *limits)
{
    return (limits->messages > 0 && sending->messages + 1 > limits->messages) ||
           (limits->recipients > 0 && sending->recipients + recipients > limits->recipients);
}

bool store_sending_count(struct db *db, int64_t account, int64_t now, uint64_t recipients,
                         const struct store_sending_limits *limits, struct fault *fault)
{
    static const struct db_statement forget = {
        "DELETE FROM sending WHERE account = $1 AND slot <= $2", NULL};
    static const struct db_statement count = {
        "INSERT INTO sending(account, slot, messages, recipients) VALUES($1, $2, 1, $3) "
        "ON CONFLICT(account, slot) DO UPDATE SET messages = sending.messages + 1, "
        "recipients = sending.recipients + excluded.recipients",
        NULL};
    struct store_sending sending;
    if (!store_sending_read(db, account, now, &sending, fault))
        return false;
    if (is_over(&sending, recipients, limits))
        return fault_set(fault, FAULT_LIMIT, "the account has sent as much as it may in an hour");
    return db_send(db, &forget,
                   DB_VALUES(db_number(account), db_number(slot_of(now) - STORE_SENDING_SLOTS)),
                   fault) &&
           db_send(db, &count,
                   DB_VALUES(db_number(account), db_number(slot_of(now)),
                             db_number((int64_t)recipients)),
                   fault);
}
