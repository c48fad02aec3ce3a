/* By which way a far recipient is reached: by a smart host, by a static route, or by the MX of the
 * domain; and with what demands. The administrator's table, read once; pure. */
#ifndef DELIVERY_RELAY_H
#define DELIVERY_RELAY_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/fault.h"
#include "mail/address.h"

enum {
    RELAY_ROUTE_MAX = 320, /* bytes of a route's name */
    RELAY_HOST_MAX = 255,
    RELAY_RULES_MAX = 1000,
    RELAY_CONNECTIONS = 20, /* of a route at a time, unless its rule says otherwise */
    RELAY_LETTERS = 100     /* of one connection */
};

enum relay_tls {
    RELAY_TLS_OPPORTUNISTIC = 0, /* where offered; whatever certificate; in clear where it fails */
    RELAY_TLS_REQUIRED,          /* or not at all; whatever certificate */
    RELAY_TLS_VERIFIED,          /* with a certificate of the host's name */
    RELAY_TLS_NONE
};

/* What holds for a route. Strings are the table's. */
struct relay {
    const char *host; /* NULL: by MX of the recipient's domain; a name is looked up by A and AAAA */
    unsigned port;    /* 25 */
    bool is_implicit; /* TLS from the first byte: port 465, or tls=implicit */
    enum relay_tls tls;
    const char *user; /* NULL = no login */
    const char *password;
    unsigned connections;
    unsigned letters;        /* of one connection */
    unsigned letters_minute; /* 0 = as many as go */
};

struct relay_table;

/* A rule is a line of words: "from=@example.org to=example.com host=smtp.example.net:587
   user=ann@example.net tls=verified connections=5 letters=50 minute=600". from: an address or
   "@domain" of senders; to: a domain, or ".domain" with all below it; both left out: all mail. The
   first rule that fits holds. host: a name or an address, IPv6 in brackets; without a port 25, with
   tls=implicit 465. host=mx, or none: by MX after all, perhaps with demands, which then hold for
   all senders. tls: opportunistic, required, verified or none; implicit alone or joined by a comma
   ("implicit,required"). Passwords are not in the rule: `secrets`
   has lines "HOST USER PASSWORD" (HOST as in the rule, with or without port), and "#" begins a
   comment. With a user the default of tls is verified, else opportunistic. FAULT_SYNTAX: says which
   rule and what is wrong. */
struct relay_table *relay_table_new(const char *const *rules, size_t count, struct bytes secrets,
                                    struct fault *fault);
void relay_table_free(struct relay_table *table); /* accepts NULL; wipes passwords */

/* Writes the route of a recipient of this sender: what is grouped by, kept in the store and shown
   to people: "example.com" (by MX), "[192.0.2.1]" (an address literal), "smtp.example.net:587"
   ("ann@example.net via smtp.example.net:587" with a login). Lower case, A-labels. NULL table: by
   MX. False: no memory, or the domain is none. */
bool relay_route(const struct relay_table *table, struct bytes sender,
                 const struct address *recipient, struct buffer *route, struct fault *fault);

/* What holds for a route by that name. A route that the table does not know by name is one by MX;
 *is_stale: it names a relay that is no more, so that its recipients must be routed anew. */
void relay_find(const struct relay_table *table, struct bytes route, struct relay *relay,
                bool *is_stale);

#endif
