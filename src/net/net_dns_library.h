/* libunbound, loaded at the first question: a server that sends nothing out, and every command that
 * asks nothing, does without its pages. */
#ifndef NET_NET_DNS_LIBRARY_H
#define NET_NET_DNS_LIBRARY_H

#include <unbound.h>

#include "base/fault.h"

/* The functions of libunbound that are used, each once. */
#define NET_DNS_LIBRARY_FUNCTIONS(each)                                                            \
    each(ub_cancel) each(ub_ctx_add_ta_file) each(ub_ctx_async) each(ub_ctx_create)                \
        each(ub_ctx_debugout) each(ub_ctx_delete) each(ub_ctx_hosts) each(ub_ctx_resolvconf)       \
            each(ub_ctx_set_fwd) each(ub_ctx_set_option) each(ub_ctx_set_stub)                     \
                each(ub_ctx_zone_remove) each(ub_fd) each(ub_process) each(ub_resolve_async)       \
                    each(ub_resolve_free) each(ub_strerror)

#define NET_DNS_LIBRARY_MEMBER(function) __typeof__(&(function)) function;
struct net_dns_library {
    NET_DNS_LIBRARY_FUNCTIONS(NET_DNS_LIBRARY_MEMBER)
};
#undef NET_DNS_LIBRARY_MEMBER

/* Fills *library; it stays loaded as long as the process lives. FAULT_PERMANENT: it is not
   installed. */
bool net_dns_library_load(struct net_dns_library *library, struct fault *fault);

#endif
