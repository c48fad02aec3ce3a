/* Wiping, and comparing without telling how far it went. */
#include "base/secret.h"

void secret_wipe(void *memory, size_t size)
{
    if (size > 0)
        explicit_bzero(memory, size);
}

bool secret_equal(struct bytes left, struct bytes right)
{
    if (left.length != right.length)
        return false;
    /* volatile: the compiler may not stop at the first difference. */
    volatile unsigned char difference = 0;
    for (size_t i = 0; i < left.length; i++)
        difference = (unsigned char)(difference | (left.data[i] ^ right.data[i]));
    return difference == 0;
}
