/* The part of an address behind the "@": a domain name or an address literal (RFC
 * 5321 4.1.2, 4.1.3), and its form on the wire (RFC 5890 A-labels). */
#ifndef MAIL_DOMAIN_H
#define MAIL_DOMAIN_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"

enum {
    DOMAIN_OCTETS_MAX = 255, /* RFC 5321 4.5.3.1.2; as written and as A-labels */
    DOMAIN_LABEL_MAX = 63    /* RFC 1035 2.3.4 */
};

/* Letters, digits and hyphens in labels, none empty, none with a hyphen at an end, within the
   limits; no final dot. The Domain of RFC 5321 4.1.2. */
bool domain_is_valid(struct bytes text);

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" or "[tag:content]" (RFC 5321 4.1.3), the content without
   quotes and angle brackets, which no path could carry. */
bool domain_is_address_literal(struct bytes text);

/* What EHLO and LHLO may be followed by: one of the two above (RFC 5321 4.1.1.1). */
bool domain_is_hello_name(struct bytes text);

/* Appends a domain or an address literal as it goes on the wire: labels that are not ASCII become
   A-labels (UTS 46, non-transitional; RFC 6531 3.2 leaves the choice, and A-labels ask nothing of
   the server), everything else stays as written. FAULT_SYNTAX: it is neither; FAULT_LIMIT: too
   long. */
bool domain_write_ascii(struct bytes text, struct buffer *out, struct fault *fault);

#endif
