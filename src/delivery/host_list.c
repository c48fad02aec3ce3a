/* Which hosts and addresses come into question, and in which order. */
#include "delivery/host_list.h"

#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "delivery/host_list_inside.h"

void host_list_free(struct host_list *list)
{
    if (list == NULL)
        return;
    free(list->places);
    free(list);
}

bool host_list_is_our_name(const struct host_lookup *lookup, const char *name)
{
    return bytes_equal_ignoring_case(bytes_from_string(lookup->self->name),
                                     bytes_from_string(name));
}

/* An address without its port. */
struct host_address {
    int family;
    struct bytes bytes; /* of `ipv4` or `ipv6` */
    unsigned port;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
};

static void read_address(const struct net_address *from, struct host_address *address)
{
    *address = (struct host_address){.family = from->storage.ss_family};
    if (address->family == AF_INET) {
        memcpy(&address->ipv4, &from->storage, sizeof address->ipv4);
        address->port = ntohs(address->ipv4.sin_port);
        address->bytes = bytes_of(&address->ipv4.sin_addr, sizeof address->ipv4.sin_addr);
    } else if (address->family == AF_INET6) {
        memcpy(&address->ipv6, &from->storage, sizeof address->ipv6);
        address->port = ntohs(address->ipv6.sin6_port);
        address->bytes = bytes_of(&address->ipv6.sin6_addr, sizeof address->ipv6.sin6_addr);
    }
}

/* 0.0.0.0 and "::", where one listens for all addresses. */
static bool is_any(const struct host_address *address)
{
    return bytes_equal(address->bytes, bytes_of(&in6addr_any, address->bytes.length));
}

/* Only what belongs to this machine can be bound to. */
static bool is_of_this_machine(struct host_address *address)
{
    int descriptor = socket(address->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return false;
    address->ipv4.sin_port = 0;
    address->ipv6.sin6_port = 0;
    int error =
        address->family == AF_INET
            ? bind(descriptor, (const struct sockaddr *)&address->ipv4, sizeof address->ipv4)
            : bind(descriptor, (const struct sockaddr *)&address->ipv6, sizeof address->ipv6);
    close(descriptor);
    return error == 0;
}

bool host_list_is_our_address(const struct host_lookup *lookup, const struct net_address *address)
{
    const struct host_list_self *self = lookup->self;
    struct host_address far;
    read_address(address, &far);
    bool is_any_ours = false;
    for (size_t i = 0; i < self->address_count; i++) {
        struct host_address ours;
        read_address(&self->addresses[i], &ours);
        if (ours.port != far.port)
            continue;
        if (ours.family == far.family && bytes_equal(ours.bytes, far.bytes))
            return true;
        /* "::" takes IPv4 too. */
        is_any_ours = is_any_ours ||
                      (is_any(&ours) && (ours.family == far.family || ours.family == AF_INET6));
    }
    return is_any_ours && is_of_this_machine(&far);
}

struct candidate {
    unsigned preference;
    uint32_t lot; /* drawn, for the order among equals */
    const char *name;
};

static int compare_candidates(const void *left, const void *right)
{
    const struct candidate *a = left;
    const struct candidate *b = right;
    if (a->preference != b->preference)
        return a->preference < b->preference ? -1 : 1;
    return a->lot == b->lot ? 0 : (a->lot < b->lot ? -1 : 1);
}

/* xorshift32: a seed of 0 would stay 0. */
static uint32_t draw_lot(uint32_t *state)
{
    *state = *state == 0 ? 1 : *state;
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

bool host_list_choose_hosts(struct host_lookup *lookup, const struct net_dns_answer *answer)
{
    struct candidate candidates[NET_DNS_RECORDS_MAX];
    size_t count = 0;
    unsigned ours = UINT_MAX;
    uint32_t state = lookup->random;
    for (size_t i = 0; i < answer->count; i++) {
        const struct net_dns_record *record = &answer->records[i];
        if (record->name[0] == '\0')
            continue;
        if (host_list_is_our_name(lookup, record->name) && record->preference < ours)
            ours = record->preference;
        candidates[count++] =
            (struct candidate){record->preference, draw_lot(&state), record->name};
    }
    qsort(candidates, count, sizeof *candidates, compare_candidates);
    while (count > 0 && candidates[count - 1].preference >= ours)
        count--;
    lookup->has_met_ourselves = ours != UINT_MAX;
    if (count > HOST_LIST_HOSTS_MAX)
        count = HOST_LIST_HOSTS_MAX;
    if (count == 0)
        return true;
    lookup->hosts = calloc(count, sizeof *lookup->hosts);
    if (lookup->hosts == NULL)
        return false;
    lookup->host_count = count;
    for (size_t i = 0; i < count; i++) {
        lookup->hosts[i].preference = candidates[i].preference;
        memcpy(lookup->hosts[i].ipv6.question.name, candidates[i].name,
               strlen(candidates[i].name) + 1);
    }
    return true;
}

/* RFC 5321 5.1: whoever is no better than ourselves is left out, or mail goes round. */
static void leave_out_ourselves(struct host_lookup *lookup)
{
    unsigned ours = UINT_MAX;
    for (size_t i = 0; i < lookup->host_count; i++) {
        const struct host_list_host *host = &lookup->hosts[i];
        const struct net_dns_answer *answers[] = {host->ipv6.question.answer,
                                                  host->ipv4.question.answer};
        for (size_t j = 0; j < 2; j++)
            for (size_t k = 0; k < answers[j]->count; k++)
                if (host->preference < ours &&
                    host_list_is_our_address(lookup, &answers[j]->records[k].address))
                    ours = host->preference;
    }
    if (ours == UINT_MAX)
        return;
    lookup->has_met_ourselves = true;
    for (size_t i = 0; i < lookup->host_count; i++) {
        if (lookup->hosts[i].preference < ours)
            continue;
        lookup->hosts[i].ipv6.question.answer->count = 0;
        lookup->hosts[i].ipv4.question.answer->count = 0;
    }
}

static void add_places(struct host_list *list, const struct host_list_host *host,
                       const struct net_dns_answer *answer)
{
    for (size_t i = 0; i < answer->count && list->count < HOST_LIST_ADDRESSES_MAX; i++) {
        struct host_list_place *place = &list->places[list->count++];
        memcpy(place->name, host->ipv6.question.name, sizeof place->name);
        place->address = answer->records[i].address;
    }
}

/* Families that this machine has a way by, or (is_last) the others. */
static void add_host(struct host_lookup *lookup, const struct host_list_host *host, bool is_last)
{
    if (lookup->self->no_ipv6 == is_last)
        add_places(lookup->list, host, host->ipv6.question.answer);
    if (lookup->self->no_ipv4 == is_last)
        add_places(lookup->list, host, host->ipv4.question.answer);
}

static void set_ports(struct net_dns_answer *answer, unsigned port)
{
    in_port_t number = htons((uint16_t)port);
    for (size_t i = 0; i < answer->count; i++) {
        char *address = (char *)&answer->records[i].address.storage;
        size_t offset = answer->records[i].address.storage.ss_family == AF_INET
                            ? offsetof(struct sockaddr_in, sin_port)
                            : offsetof(struct sockaddr_in6, sin6_port);
        memcpy(address + offset, &number, sizeof number);
    }
}

bool host_list_choose_places(struct host_lookup *lookup)
{
    size_t count = 0;
    for (size_t i = 0; i < lookup->host_count; i++) {
        set_ports(lookup->hosts[i].ipv6.question.answer, lookup->port);
        set_ports(lookup->hosts[i].ipv4.question.answer, lookup->port);
    }
    leave_out_ourselves(lookup);
    for (size_t i = 0; i < lookup->host_count; i++)
        count += lookup->hosts[i].ipv6.question.answer->count +
                 lookup->hosts[i].ipv4.question.answer->count;
    if (count > HOST_LIST_ADDRESSES_MAX)
        count = HOST_LIST_ADDRESSES_MAX;
    if (count == 0)
        return true;
    lookup->list->places = calloc(count, sizeof *lookup->list->places);
    if (lookup->list->places == NULL)
        return false;
    for (size_t i = 0; i < lookup->host_count; i++)
        add_host(lookup, &lookup->hosts[i], false);
    for (size_t i = 0; i < lookup->host_count; i++)
        add_host(lookup, &lookup->hosts[i], true);
    return true;
}
