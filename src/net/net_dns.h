/* Questions to the name system by libunbound, many at a time, without blocking and with DNSSEC
 * validation. Whoever owns it looks at a descriptor and takes the answers. Only for the server. */
#ifndef NET_NET_DNS_H
#define NET_NET_DNS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/fault.h"
#include "net/net_address.h"

enum {
    NET_DNS_NAME_MAX = 255,       /* bytes of a name as text, without the dot at its end */
    NET_DNS_RECORDS_MAX = 100,    /* of one answer that are looked at */
    NET_DNS_QUESTIONS_MAX = 20000 /* open at a time: past it, net_dns_ask is FAULT_LIMIT */
};

enum net_dns_type {
    NET_DNS_A = 1,
    NET_DNS_MX = 15,
    NET_DNS_TXT = 16,
    NET_DNS_AAAA = 28,
    NET_DNS_TLSA = 52
};

struct net_dns_options {
    /* "192.0.2.1", "192.0.2.1@5353", "2001:db8::1@53": resolvers that are asked; none: those of
       /etc/resolv.conf, and without those the root servers. */
    const char *const *servers;
    size_t server_count;
    /* The servers know all names themselves and answer without recursion (a name server of a test
       or of a closed network). */
    bool is_authoritative;
    /* DNSSEC's root key; NULL: the system's, if there is one and the root servers are asked, else
       nothing is validated (resolvers may leave signatures out). */
    const char *trust_anchor_file;
};

enum net_dns_status {
    NET_DNS_FOUND = 0,
    NET_DNS_NO_NAME, /* NXDOMAIN: nothing at all has this name */
    NET_DNS_NO_DATA, /* the name is there, but nothing of this type */
    NET_DNS_FAILED,  /* SERVFAIL, no answer in time: to be asked again later */
    NET_DNS_BOGUS    /* DNSSEC says that the answer is false: never to be believed */
};

struct net_dns_record {
    uint16_t preference; /* MX */
    char name[NET_DNS_NAME_MAX +
              1];               /* MX: A-labels in lower case, without the last dot; "" = null MX */
    struct net_address address; /* A, AAAA: without a port */
    struct bytes data;          /* others: as on the wire */
};

/* Owned by whoever took it: net_dns_answer_free. */
struct net_dns_answer {
    enum net_dns_status status;
    bool is_secure;   /* validated by DNSSEC */
    int64_t lifetime; /* seconds */
    struct net_dns_record *records;
    size_t count;
    char reason[128]; /* of NET_DNS_FAILED and NET_DNS_BOGUS, in plain words */
};
void net_dns_answer_free(struct net_dns_answer *answer); /* accepts NULL */

struct net_dns;

/* The options are borrowed as long as it lives. Nothing costs much before the first question. NULL:
   fault. */
struct net_dns *net_dns_new(const struct net_dns_options *options, struct fault *fault);
/* Open questions are dropped, without `told`. Accepts NULL. */
void net_dns_free(struct net_dns *dns);

/* Readable when answers are there: then net_dns_process. */
int net_dns_descriptor(const struct net_dns *dns);

/* Embedded in whoever asks. */
struct net_dns_question {
    char name[NET_DNS_NAME_MAX + 1]; /* A-labels */
    enum net_dns_type type;
    void (*told)(struct net_dns_question *question); /* by net_dns_process only */
    struct net_dns_answer *answer; /* when told: the asker's; NULL = out of memory */
    void *handle;                  /* net_dns's own */
};

/* False: fault; else told is called once, unless it is dropped before. One thread. */
bool net_dns_ask(struct net_dns *dns, struct net_dns_question *question, struct fault *fault);
void net_dns_drop(struct net_dns *dns, struct net_dns_question *question);

/* Calls `told` for each question that was answered. */
void net_dns_process(struct net_dns *dns);

#endif
