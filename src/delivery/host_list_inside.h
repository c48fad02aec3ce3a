/* What the sources of host_list share. */
#ifndef DELIVERY_HOST_LIST_INSIDE_H
#define DELIVERY_HOST_LIST_INSIDE_H

#include "delivery/host_list.h"

/* The question comes first: what net_dns hands back is both. */
struct host_list_question {
    struct net_dns_question question;
    struct host_lookup *lookup;
};

struct host_list_host {
    unsigned preference;
    struct host_list_question ipv6; /* its name too */
    struct host_list_question ipv4;
};

struct host_lookup {
    struct net_dns *dns;
    const struct host_list_self *self;
    void (*told)(struct host_lookup *lookup, void *context);
    void *context;
    char name[RELAY_HOST_MAX + 1]; /* of the domain or the relay */
    unsigned port;
    bool is_relay; /* its addresses are asked for, not its MX */
    uint32_t random;
    struct host_list *list; /* NULL once it was taken */
    struct host_list_question exchangers;
    struct host_list_host *hosts; /* the best first */
    size_t host_count;
    size_t open_count; /* questions for addresses */
    bool has_met_ourselves;
};

/* Takes the hosts of an MX answer that come into question: by preference, equal ones shuffled,
   without ourselves and whoever is no better (RFC 5321 5.1). False: no memory. */
bool host_list_choose_hosts(struct host_lookup *lookup, const struct net_dns_answer *answer);

/* Whether mail for this name comes to ourselves. */
bool host_list_is_our_name(const struct host_lookup *lookup, const char *name);
bool host_list_is_our_address(const struct host_lookup *lookup, const struct net_address *address);

/* Makes list->places of the hosts' answers. False: no memory. */
bool host_list_choose_places(struct host_lookup *lookup);

#endif
