/* dlopen(3) of libunbound. */
#include "net/net_dns_library.h"

#include <dlfcn.h>
#include <stddef.h>

bool net_dns_library_load(struct net_dns_library *library, struct fault *fault)
{
    struct net_dns_library found;
    void *handle = dlopen("libunbound.so.8", RTLD_NOW | RTLD_LOCAL);
    bool is_whole = handle != NULL;
#define TAKE(function)                                                                             \
    found.function = is_whole ? (__typeof__(&(function)))dlsym(handle, #function) : NULL;          \
    is_whole = is_whole && found.function != NULL;
    NET_DNS_LIBRARY_FUNCTIONS(TAKE)
#undef TAKE
    if (!is_whole)
        return fault_set(fault, FAULT_PERMANENT,
                         "questions to the name system need libunbound: install the package "
                         "libunbound8");
    *library = found;
    return true;
}
