/* A mailbox of the envelope as a value: RFC 5321 4.1.2 with the international forms of RFC
 * 6531 3.3. */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"
#include "mail/domain.h"

enum {
    /* Octets, quotes and backslashes not counted. RFC 5321 4.5.3.1.1 says 64, as the least that all
       must take, and wants longer ones let through where that can be: those of VERP are. */
    ADDRESS_LOCAL_PART_MAX = 255,
    /* Octets of the longest text that can be an address: every octet of the local part behind a
       backslash, two quotes, "@", domain. */
    ADDRESS_TEXT_MAX = 2 * ADDRESS_LOCAL_PART_MAX + 2 + 1 + DOMAIN_OCTETS_MAX
};

/* Holds its bytes itself: may be copied, needs no freeing. Made by address_parse or address_make
   only, so that what it holds is always valid. */
struct address {
    unsigned short local_part_length;
    unsigned short domain_length;
    char
        local_part_text[ADDRESS_LOCAL_PART_MAX]; /* what it means: without quotes and backslashes */
    char domain_text[DOMAIN_OCTETS_MAX];         /* as written: domain or address literal */
};

/* Borrowed from the address. */
static inline struct bytes address_local_part(const struct address *address)
{
    return bytes_of(address->local_part_text, address->local_part_length);
}

static inline struct bytes address_domain(const struct address *address)
{
    return bytes_of(address->domain_text, address->domain_length);
}

/* Reads "local@domain", "\"any thing\"@domain" or "local@[literal]". The whole text must match: no
   brackets, blanks, comments or display name, no control characters, no guessing. FAULT_SYNTAX or
   FAULT_LIMIT. */
bool address_parse(struct bytes text, struct address *address, struct fault *fault);

/* Puts an address together from what a local part means ("john doe", unquoted) and a domain. */
bool address_make(struct bytes local_part, struct bytes domain, struct address *address,
                  struct fault *fault);

/* Appends the one normal form: quotes only where the local part needs them, a backslash only before
   a quote and a backslash. address_parse of it gives the same address. */
void address_print(const struct address *address, struct buffer *out);

/* Every byte of the local part is ASCII: SMTPUTF8 is not needed for it. */
bool address_has_ascii_local_part(const struct address *address);

/* The same mailbox: local parts byte by byte, domains without regard to the case of ASCII letters.
 */
bool address_equal(const struct address *left, const struct address *right);

/* Appends, between no brackets, what MAIL FROM and RCPT TO carry for a text as people give it: the
   normal form with the domain in A-labels. *needs_smtputf8 says whether the local part is not ASCII
   (RFC 6531 3.1); out is then UTF-8. The empty text (null sender) is for the caller to know. */
bool address_write_wire(struct bytes text, struct buffer *out, bool *needs_smtputf8,
                        struct fault *fault);

/* The same for an address that is already a value. */
bool address_print_wire(const struct address *address, struct buffer *out, bool *needs_smtputf8,
                        struct fault *fault);

/* "Postmaster" in any case and without a domain: the one recipient that needs none (RFC
   5321 4.1.1.3). address_parse does not take it. */
bool address_is_bare_postmaster(struct bytes text);

#endif
