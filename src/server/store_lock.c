/* flock(2) on the store's name with ".lock" behind it; in it stands who has it. */
#include "server/store_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/scan.h"
#include "server/store_place.h"

enum {
    STORE_LOCK_TEXT_SIZE = 32 /* a process's number and its end of line */
};

static bool refuse(int descriptor, const char *place, struct fault *fault)
{
    char text[STORE_LOCK_TEXT_SIZE];
    char owner[STORE_LOCK_TEXT_SIZE * 2] = "";
    uint64_t process;
    ssize_t length = pread(descriptor, text, sizeof(text), 0);
    struct scan scan = scan_of(bytes_of(text, length < 0 ? 0 : (size_t)length));
    if (scan_take_number(&scan, INT32_MAX, &process))
        snprintf(owner, sizeof(owner), " (process %llu)", (unsigned long long)process);
    fault_set(fault, FAULT_TEMPORARY,
              "another server%s serves the store %s; stop it first, or give this one a store of "
              "its own",
              owner, place);
    fault->system_error = EWOULDBLOCK;
    return false;
}

bool store_lock_take(const char *place, int *lock, struct fault *fault)
{
    AUTO(buffer)
    path = BUFFER(STORE_PLACE_MAX + sizeof(".lock"));
    char text[STORE_LOCK_TEXT_SIZE];
    *lock = -1;
    if (!store_place_is_file(place))
        return true;
    buffer_append_format(&path, "%s.lock", place);
    const char *name = buffer_string(&path);
    if (name == NULL)
        return fault_set_memory(fault);
    int descriptor = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor < 0)
        return fault_set_system(fault, FAULT_PERMANENT, errno, "cannot open %s", name);
    if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
        bool is_taken = errno == EWOULDBLOCK;
        if (is_taken)
            refuse(descriptor, place, fault);
        else
            fault_set_system(fault, FAULT_PERMANENT, errno, "cannot lock %s", name);
        close(descriptor);
        return false;
    }
    int length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    /* The number is for people; the lock holds without it. */
    if (ftruncate(descriptor, 0) == 0 && pwrite(descriptor, text, (size_t)length, 0) < 0)
        errno = 0;
    *lock = descriptor;
    return true;
}
