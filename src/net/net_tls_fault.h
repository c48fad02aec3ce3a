/* OpenSSL's errors as faults. */
#ifndef NET_NET_TLS_FAULT_H
#define NET_NET_TLS_FAULT_H

#include "base/fault.h"

/* Fills fault with the words, ": " and the first error in OpenSSL's queue of this thread, and
 * empties the queue. Returns false. */
bool net_tls_fault_set(struct fault *fault, enum fault_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
