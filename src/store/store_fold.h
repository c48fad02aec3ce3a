/* Names as the store keeps and compares them: ASCII letters in lower case, domains as A-labels. */
#ifndef STORE_STORE_FOLD_H
#define STORE_STORE_FOLD_H

#include "mail/address.h"

/* Made by the functions here only. A domain alone has no local part. */
struct store_folded {
    unsigned short local_length;
    unsigned short domain_length;
    char local_text[ADDRESS_LOCAL_PART_MAX]; /* what it means: without quotes */
    char domain_text[DOMAIN_OCTETS_MAX];
};

static inline struct bytes store_folded_local(const struct store_folded *folded)
{
    return bytes_of(folded->local_text, folded->local_length);
}

static inline struct bytes store_folded_domain(const struct store_folded *folded)
{
    return bytes_of(folded->domain_text, folded->domain_length);
}

/* FAULT_SYNTAX: it is neither a domain nor an address literal. */
bool store_fold_domain(struct bytes name, struct store_folded *folded, struct fault *fault);
bool store_fold_address(const struct address *address, struct store_folded *folded,
                        struct fault *fault);

/* Of "ann@example.org". FAULT_SYNTAX: it is no address. */
bool store_fold_login(struct bytes login, struct store_folded *folded, struct fault *fault);

/* Appends the one normal form of the address; "@example.org" when it has no local part. */
void store_fold_print(const struct store_folded *folded, struct buffer *out);

#endif
