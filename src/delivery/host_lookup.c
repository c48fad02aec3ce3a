/* From a route's name to places: the MX of a domain, then the addresses of each host. */
#include "delivery/host_list.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delivery/host_list_inside.h"

enum {
    FAILURE_SECONDS = 30 /* that a list lives in which a look-up failed */
};

struct host_list *host_lookup_take(struct host_lookup *lookup)
{
    struct host_list *list = lookup->list;
    lookup->list = NULL;
    return list;
}

static void drop(struct host_lookup *lookup, struct host_list_question *asked)
{
    net_dns_drop(lookup->dns, &asked->question);
    net_dns_answer_free(asked->question.answer);
}

void host_lookup_free(struct host_lookup *lookup)
{
    if (lookup == NULL)
        return;
    drop(lookup, &lookup->exchangers);
    for (size_t i = 0; i < lookup->host_count; i++) {
        drop(lookup, &lookup->hosts[i].ipv6);
        drop(lookup, &lookup->hosts[i].ipv4);
    }
    free(lookup->hosts);
    host_list_free(lookup->list);
    free(lookup);
}

/* The answer is there; the lookup may be gone afterwards. */
static void finish(struct host_lookup *lookup)
{
    lookup->told(lookup, lookup->context);
}

static void fail(struct host_lookup *lookup, int code, const char *enhanced, const char *format,
                 ...) __attribute__((format(printf, 4, 5)));
static void fail(struct host_lookup *lookup, int code, const char *enhanced, const char *format,
                 ...)
{
    struct host_list *list = lookup->list;
    list->status = code < 500 ? HOST_LIST_TEMPORARY : HOST_LIST_PERMANENT;
    list->code = code;
    list->enhanced = enhanced;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(list->reason, sizeof list->reason, format, arguments);
    va_end(arguments);
}

static void fail_for_memory(struct host_lookup *lookup)
{
    fail(lookup, 451, "4.3.0", "out of memory");
}

static void fail_by_answer(struct host_lookup *lookup, const char *type, const char *name,
                           const struct net_dns_answer *answer)
{
    fail(lookup, 451, "4.4.3", "the look-up of %s of %s failed: %s", type, name, answer->reason);
}

static void fail_for_loop(struct host_lookup *lookup)
{
    /* Who writes a wrong relay into his configuration does not lose mail for it. */
    if (lookup->is_relay)
        fail(lookup, 451, "4.4.6", "the relay %s is this server itself", lookup->name);
    else
        fail(lookup, 550, "5.4.6", "mail for %s would come back to this server", lookup->name);
}

static bool is_failure(const struct net_dns_answer *answer)
{
    return answer->status == NET_DNS_FAILED || answer->status == NET_DNS_BOGUS;
}

/* What an answer means for the whole list. */
static void note_answer(struct host_lookup *lookup, const struct net_dns_answer *answer)
{
    int64_t lifetime = is_failure(answer) ? FAILURE_SECONDS : answer->lifetime;
    if (lifetime < lookup->list->lifetime)
        lookup->list->lifetime = lifetime;
    lookup->list->is_secure = lookup->list->is_secure && answer->is_secure;
}

/* A look-up of an address that failed; NULL: none did. */
static const struct host_list_question *find_failure(const struct host_lookup *lookup)
{
    for (size_t i = 0; i < lookup->host_count; i++) {
        const struct host_list_host *host = &lookup->hosts[i];
        if (is_failure(host->ipv4.question.answer))
            return &host->ipv4;
        if (is_failure(host->ipv6.question.answer))
            return &host->ipv6;
    }
    return NULL;
}

/* All addresses that there are were told of. */
static void settle(struct host_lookup *lookup)
{
    if (!host_list_choose_places(lookup)) {
        fail_for_memory(lookup);
        return;
    }
    if (lookup->list->count > 0)
        return;
    const struct host_list_question *failure = find_failure(lookup);
    if (failure != NULL)
        fail_by_answer(lookup, failure->question.type == NET_DNS_A ? "A" : "AAAA",
                       failure->question.name, failure->question.answer);
    else if (lookup->has_met_ourselves)
        fail_for_loop(lookup);
    else if (lookup->is_relay)
        fail(lookup, 451, "4.4.4", "the relay %s has no address", lookup->name);
    else
        fail(lookup, 550, "5.4.4", "no mail host of %s has an address", lookup->name);
}

static void hear_addresses(struct net_dns_question *question)
{
    struct host_lookup *lookup = ((struct host_list_question *)question)->lookup;
    lookup->open_count--;
    if (question->answer != NULL)
        note_answer(lookup, question->answer);
    if (lookup->open_count > 0)
        return;
    bool is_whole = true;
    for (size_t i = 0; i < lookup->host_count; i++)
        is_whole = is_whole && lookup->hosts[i].ipv4.question.answer != NULL &&
                   lookup->hosts[i].ipv6.question.answer != NULL;
    if (is_whole)
        settle(lookup);
    else
        fail_for_memory(lookup);
    finish(lookup);
}

static bool ask(struct host_lookup *lookup, struct host_list_question *asked, const char *name,
                enum net_dns_type type, void (*told)(struct net_dns_question *question))
{
    struct fault fault = {0};
    asked->lookup = lookup;
    asked->question.type = type;
    asked->question.told = told;
    memmove(asked->question.name, name, strlen(name) + 1);
    if (net_dns_ask(lookup->dns, &asked->question, &fault))
        return true;
    fail(lookup, 451, "4.4.3", "%s", fault.message);
    return false;
}

static void drop_addresses(struct host_lookup *lookup)
{
    for (size_t i = 0; i < lookup->host_count; i++) {
        net_dns_drop(lookup->dns, &lookup->hosts[i].ipv6.question);
        net_dns_drop(lookup->dns, &lookup->hosts[i].ipv4.question);
    }
}

/* Both families of all hosts at the same time. False: the answer is there already. */
static bool ask_addresses(struct host_lookup *lookup)
{
    for (size_t i = 0; i < lookup->host_count; i++) {
        struct host_list_host *host = &lookup->hosts[i];
        const char *name = host->ipv6.question.name;
        if (!ask(lookup, &host->ipv6, name, NET_DNS_AAAA, hear_addresses) ||
            !ask(lookup, &host->ipv4, name, NET_DNS_A, hear_addresses)) {
            drop_addresses(lookup);
            return false;
        }
        lookup->open_count += 2;
    }
    return true;
}

/* The name itself is the only host. False: the answer is there already. */
static bool ask_itself(struct host_lookup *lookup)
{
    if (!lookup->is_relay && host_list_is_our_name(lookup, lookup->name)) {
        fail_for_loop(lookup);
        return false;
    }
    lookup->hosts = calloc(1, sizeof *lookup->hosts);
    if (lookup->hosts == NULL) {
        fail_for_memory(lookup);
        return false;
    }
    lookup->host_count = 1;
    memcpy(lookup->hosts->ipv6.question.name, lookup->name, sizeof lookup->name);
    return ask_addresses(lookup);
}

/* RFC 7505 3: the null MX says so when it stands alone; beside others it names no host. */
static bool is_null_exchanger(const struct net_dns_answer *answer)
{
    for (size_t i = 0; i < answer->count; i++)
        if (answer->records[i].name[0] != '\0')
            return false;
    return true;
}

static bool ask_exchangers_found(struct host_lookup *lookup, const struct net_dns_answer *answer)
{
    if (is_null_exchanger(answer)) {
        /* RFC 7505 4.2. */
        fail(lookup, 556, "5.1.10", "the domain %s takes no mail (null MX)", lookup->name);
        return false;
    }
    if (!host_list_choose_hosts(lookup, answer)) {
        fail_for_memory(lookup);
        return false;
    }
    if (lookup->host_count == 0) {
        fail_for_loop(lookup);
        return false;
    }
    return ask_addresses(lookup);
}

/* False: the answer is there already. RFC 5321 5.1. */
static bool go_on_with_exchangers(struct host_lookup *lookup, const struct net_dns_answer *answer)
{
    if (answer == NULL) {
        fail_for_memory(lookup);
        return false;
    }
    note_answer(lookup, answer);
    switch (answer->status) {
    case NET_DNS_FOUND:
        return ask_exchangers_found(lookup, answer);
    case NET_DNS_NO_DATA:
        return ask_itself(lookup);
    case NET_DNS_NO_NAME:
        fail(lookup, 550, "5.1.2", "the domain %s does not exist", lookup->name);
        return false;
    case NET_DNS_FAILED:
    case NET_DNS_BOGUS:
        break;
    }
    fail_by_answer(lookup, "MX", lookup->name, answer);
    return false;
}

static void hear_exchangers(struct net_dns_question *question)
{
    struct host_lookup *lookup = ((struct host_list_question *)question)->lookup;
    if (!go_on_with_exchangers(lookup, question->answer))
        finish(lookup);
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321 4.1.3); of a relay the bare address too. */
static bool parse_literal(const struct host_lookup *lookup, struct net_address *address)
{
    char text[sizeof lookup->name];
    struct bytes name = bytes_from_string(lookup->name);
    bool has_brackets = bytes_starts_with(name, BYTES("[")) && bytes_ends_with(name, BYTES("]"));
    if (!has_brackets && !lookup->is_relay)
        return false;
    if (has_brackets)
        name = bytes_slice(name, 1, name.length - 2);
    if (bytes_starts_with_ignoring_case(name, BYTES("IPv6:")))
        name = bytes_skip(name, strlen("IPv6:"));
    snprintf(text, sizeof text, "%.*s", BYTES_FORMAT(name));
    return net_address_parse(text, lookup->port, address);
}

static void take_literal(struct host_lookup *lookup, const struct net_address *address)
{
    struct host_list *list = lookup->list;
    list->is_secure = false;
    if (host_list_is_our_address(lookup, address)) {
        fail_for_loop(lookup);
        return;
    }
    list->places = calloc(1, sizeof *list->places);
    if (list->places == NULL) {
        fail_for_memory(lookup);
        return;
    }
    list->count = 1;
    list->places->address = *address;
    memcpy(list->places->name, lookup->name, sizeof list->places->name);
}

/* False: the answer is there already. */
static bool begin(struct host_lookup *lookup)
{
    struct net_address address;
    if (parse_literal(lookup, &address)) {
        take_literal(lookup, &address);
        return false;
    }
    if (lookup->name[0] == '[') {
        fail(lookup, lookup->is_relay ? 451 : 550, lookup->is_relay ? "4.1.2" : "5.1.2",
             "%s is no address that mail can be sent to", lookup->name);
        return false;
    }
    if (lookup->is_relay)
        return ask_itself(lookup);
    return ask(lookup, &lookup->exchangers, lookup->name, NET_DNS_MX, hear_exchangers);
}

struct host_lookup *host_lookup_new(struct net_dns *dns, const struct host_list_self *self,
                                    struct bytes route, const struct relay *relay, uint32_t random,
                                    void (*told)(struct host_lookup *lookup, void *context),
                                    void *context, struct fault *fault)
{
    struct bytes name = relay->host == NULL ? route : bytes_from_string(relay->host);
    if (bytes_is_empty(name) || name.length > RELAY_HOST_MAX) {
        fault_set(fault, FAULT_SYNTAX, "a host's name is empty or too long");
        return NULL;
    }
    struct host_lookup *lookup = calloc(1, sizeof *lookup);
    struct host_list *list = calloc(1, sizeof *list);
    if (lookup == NULL || list == NULL) {
        free(lookup);
        free(list);
        fault_set_memory(fault);
        return NULL;
    }
    list->is_secure = true;
    list->lifetime = HOST_LIST_MEMORY_SECONDS;
    *lookup = (struct host_lookup){.dns = dns,
                                   .self = self,
                                   .told = told,
                                   .context = context,
                                   .port = relay->port,
                                   .is_relay = relay->host != NULL,
                                   .random = random,
                                   .list = list};
    memcpy(lookup->name, name.data, name.length);
    if (!begin(lookup))
        finish(lookup);
    return lookup;
}
