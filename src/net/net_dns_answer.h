/* What libunbound found, as our own value. */
#ifndef NET_NET_DNS_ANSWER_H
#define NET_NET_DNS_ANSWER_H

#include <unbound.h>

#include "net/net_dns.h"

/* `result` may be NULL where `failure` says what went wrong within libunbound; else that is NULL.
   NULL: out of memory. */
struct net_dns_answer *net_dns_answer_new(enum net_dns_type type, const struct ub_result *result,
                                          const char *failure);

#endif
