/* OpenSSL's way to a socket. Its own socket BIO writes with write(2), which may raise SIGPIPE, and
 * keeps no error. */
#ifndef NET_NET_BIO_H
#define NET_NET_BIO_H

#include <openssl/bio.h>
#include <stdbool.h>

/* The socket as the BIO uses it; owned by whoever makes the BIO, and outlives it. */
struct net_bio {
    int descriptor;
    int error; /* errno of the call that failed for good; 0 = none did */
    bool is_at_end;
};

/* One method serves many BIOs and outlives them. NULL: out of memory. */
BIO_METHOD *net_bio_method_new(void);

/* NULL: out of memory. */
BIO *net_bio_new(const BIO_METHOD *method, struct net_bio *socket);

#endif
