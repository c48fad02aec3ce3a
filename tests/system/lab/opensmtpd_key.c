/* Loaded before Debian 12's OpenSMTPD, which notes the name of a key on an RSA object, so that its
 * key process can be asked for a signature. OpenSSL 3 signs with another object made from the same
 * key, on which nothing is noted, and every handshake fails. One server has one key here: its name
 * is remembered beside the object. */

#include <openssl/rsa.h>

static void *name;

int RSA_set_ex_data(RSA *rsa, int index, void *value)
{
    (void)rsa;
    (void)index;
    name = value;
    return 1;
}

void *RSA_get_ex_data(const RSA *rsa, int index)
{
    (void)rsa;
    (void)index;
    return name;
}
