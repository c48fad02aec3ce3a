/* The end of a message whose recipients are all gone. */
#include "base/buffer.h"
#include "store/store_body.h"
#include "store/store_outbound_inside.h"

enum {
    ID_TEXT_MAX = 24
};

bool store_outbound_clear(struct db *db, int64_t message, struct fault *fault)
{
    static const struct db_statement remove = {
        "DELETE FROM outbound_message WHERE id = $1 "
        "AND NOT EXISTS (SELECT 1 FROM outbound_recipient r WHERE r.message = $1)",
        NULL};
    AUTO(buffer)
    id = BUFFER(ID_TEXT_MAX);
    buffer_append_unsigned(&id, (uint64_t)message);
    if (buffer_is_failed(&id))
        return fault_set_memory(fault);
    return db_send(db, &remove, DB_VALUES(db_number(message)), fault) &&
           store_body_remove_unused(db, buffer_bytes(&id), fault);
}
