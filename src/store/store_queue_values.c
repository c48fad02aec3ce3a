/* A filter as parameters of a statement. */
#include "store/store_queue_inside.h"

enum {
    ADDRESS_MAX = 4096, /* bytes that somebody may ask for */
    NO_STATE = 99       /* nothing is in both states */
};

static bool fold(struct bytes text, struct buffer *folded, struct fault *fault)
{
    buffer_init(folded, ADDRESS_MAX);
    for (size_t i = 0; i < text.length; i++)
        buffer_append_char(folded, bytes_lower_char(text.data[i]));
    return !buffer_is_failed(folded) ||
           fault_set(fault, FAULT_LIMIT, "an address may have %d bytes", ADDRESS_MAX);
}

static int choose_state(const struct store_queue_filter *filter, int state)
{
    int wanted = filter->is_held_only      ? STORE_OUTBOUND_HELD
                 : filter->is_waiting_only ? STORE_OUTBOUND_WAITS
                                           : state;
    bool is_none =
        (filter->is_held_only && filter->is_waiting_only) || (state >= 0 && wanted != state);
    return is_none ? NO_STATE : wanted;
}

/* An address, or the end of one. */
static void set_address(struct db_value *values, const struct buffer *folded)
{
    struct bytes address = buffer_bytes(folded);
    bool is_domain = bytes_starts_with(address, BYTES("@"));
    values[0] = db_text(is_domain ? BYTES("") : address);
    values[1] = db_text(is_domain ? address : BYTES(""));
}

bool store_queue_values_fill(struct store_queue_values *values,
                             const struct store_queue_filter *filter, int state,
                             int64_t after_message, int64_t after_number, size_t most,
                             struct fault *fault)
{
    bool is_null_sender = bytes_equal(filter->sender, BYTES("<>"));
    bool is_before = filter->message > after_message;
    if (!fold(is_null_sender ? BYTES("") : filter->sender, &values->sender, fault) ||
        !fold(filter->recipient, &values->recipient, fault))
        return false;
    struct db_value *value = values->values;
    value[0] = db_number(is_before ? filter->message : after_message);
    value[1] = db_number(is_before ? -1 : after_number);
    value[2] = db_number(filter->message != 0 ? filter->message : INT64_MAX);
    value[3] = db_number(is_null_sender);
    set_address(&value[4], &values->sender);
    set_address(&value[6], &values->recipient);
    value[8] = db_text(filter->route);
    value[9] = db_number(filter->account);
    value[10] = db_number(filter->before);
    value[11] = db_number(filter->after);
    value[12] = db_number(choose_state(filter, state));
    value[13] = db_number(filter->is_failed_only);
    value[14] = db_number((int64_t)most);
    return true;
}

void store_queue_values_clear(struct store_queue_values *values)
{
    buffer_clear(&values->sender);
    buffer_clear(&values->recipient);
}
