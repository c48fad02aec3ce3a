/* Where a far recipient goes when no rule says otherwise. */
#include "delivery/relay.h"

bool relay_route(const struct relay_table *table, struct bytes sender,
                 const struct address *recipient, struct buffer *route, struct fault *fault)
{
    (void)table;
    (void)sender;
    struct bytes domain = address_domain(recipient);
    AUTO(buffer)
    text = BUFFER(RELAY_ROUTE_MAX);
    if (!domain_write_ascii(domain, &text, fault))
        return false;
    for (size_t i = 0; i < text.length; i++)
        buffer_append_char(route, bytes_lower_char(buffer_bytes(&text).data[i]));
    return !buffer_is_failed(route) || fault_set_memory(fault);
}
