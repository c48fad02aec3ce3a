/* Folds domains, addresses and logins. */
#include "store/store_fold.h"

bool store_fold_domain(struct bytes name, struct store_folded *folded, struct fault *fault)
{
    AUTO(buffer)
    ascii = BUFFER(DOMAIN_OCTETS_MAX);
    struct bytes text = name;
    if (!domain_is_valid(name)) {
        if (!domain_write_ascii(name, &ascii, fault))
            return false;
        if (buffer_is_failed(&ascii))
            return fault_set_memory(fault);
        text = buffer_bytes(&ascii);
    }
    folded->local_length = 0;
    folded->domain_length = (unsigned short)text.length;
    for (size_t i = 0; i < text.length; i++)
        folded->domain_text[i] = bytes_lower_char(text.data[i]);
    return true;
}

bool store_fold_address(const struct address *address, struct store_folded *folded,
                        struct fault *fault)
{
    struct bytes local = address_local_part(address);
    if (!store_fold_domain(address_domain(address), folded, fault))
        return false;
    folded->local_length = (unsigned short)local.length;
    for (size_t i = 0; i < local.length; i++)
        folded->local_text[i] = bytes_lower_char(local.data[i]);
    return true;
}

bool store_fold_login(struct bytes login, struct store_folded *folded, struct fault *fault)
{
    struct address address;
    return address_parse(login, &address, fault) && store_fold_address(&address, folded, fault);
}

void store_fold_print(const struct store_folded *folded, struct buffer *out)
{
    struct address address;
    if (folded->local_length == 0) {
        buffer_append_char(out, '@');
        buffer_append(out, store_folded_domain(folded));
    } else if (address_make(store_folded_local(folded), store_folded_domain(folded), &address,
                            NULL)) {
        address_print(&address, out);
    } else {
        buffer_fail(out);
    }
}
