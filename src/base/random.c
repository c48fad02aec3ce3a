/* getrandom(2), called until everything is filled. */
#include "base/random.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/types.h>

bool random_fill(void *memory, size_t size, struct fault *fault)
{
    unsigned char *position = memory;
    while (size > 0) {
        ssize_t count = getrandom(position, size, 0);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return fault_set_system(fault, FAULT_TEMPORARY, errno, "no random bytes");
        position += count;
        size -= (size_t)count;
    }
    return true;
}
