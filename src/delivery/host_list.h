/* Where a route leads: hosts with their addresses, in the order in which they are tried. Asks the
 * name system for MX, A and AAAA (RFC 5321 5.1, RFC 7505). One thread, that of the net_dns. */
#ifndef DELIVERY_HOST_LIST_H
#define DELIVERY_HOST_LIST_H

#include "delivery/relay.h"
#include "net/net_dns.h"

enum {
    HOST_LIST_HOSTS_MAX = 20,     /* MX hosts that are looked at; the rest is as good as down */
    HOST_LIST_ADDRESSES_MAX = 50, /* in all */
    HOST_LIST_MEMORY_SECONDS =
        300 /* a list is remembered as long as its records allow, at most so long */
};

struct host_list_place {
    char name[RELAY_HOST_MAX + 1]; /* the MX host's, or the domain's; "[192.0.2.1]" for a literal */
    struct net_address address;    /* with the port */
};

enum host_list_status {
    HOST_LIST_FOUND = 0,
    HOST_LIST_TEMPORARY, /* a look-up failed: try later; `reason` says which */
    HOST_LIST_PERMANENT  /* nothing there takes mail: code, enhanced and reason say why */
};

/* The answer; owned by whoever took it. */
struct host_list {
    enum host_list_status status;
    int code;             /* PERMANENT: 550, 556; TEMPORARY: 451 */
    const char *enhanced; /* "5.1.2" no such domain, "5.1.10" null MX (RFC 7505 4.2), "5.4.6" the MX
                             is ourselves, "5.4.4" no host has an address, "4.4.3" look-up failed */
    char reason[256];
    bool is_secure; /* all of it was validated by DNSSEC */
    struct host_list_place *places;
    size_t count;
    int64_t lifetime; /* seconds */
};
void host_list_free(struct host_list *list); /* accepts NULL */

/* Who we are, so that mail does not go round (RFC 5321 5.1: an MX that is ourselves and all of the
   same or lower preference are left out). Borrowed as long as lookups run. */
struct host_list_self {
    const char *name;
    const struct net_address *addresses; /* that we listen on at port 25, with ports */
    size_t address_count;
    bool no_ipv6; /* this machine has no way by IPv6: such addresses come last */
    bool no_ipv4;
};

struct host_lookup;

/* Finds the places of a route: `relay` as relay_find says; the domain or literal is the route's
   name where relay->host is NULL. `told` is run once the answer is there, by net_dns_process, or at
   once from within this call when no question is needed. NULL: fault. Equal preferences are
   shuffled by `random`. */
struct host_lookup *host_lookup_new(struct net_dns *dns, const struct host_list_self *self,
                                    struct bytes route, const struct relay *relay, uint32_t random,
                                    void (*told)(struct host_lookup *lookup, void *context),
                                    void *context, struct fault *fault);
/* The answer, moved to the caller; once, when it is there. */
struct host_list *host_lookup_take(struct host_lookup *lookup);
void host_lookup_free(struct host_lookup *lookup); /* accepts NULL; open questions are dropped */

#endif
