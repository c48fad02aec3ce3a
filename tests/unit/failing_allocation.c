/* Stands between the program and malloc by the linker's --wrap. */
#include "failing_allocation.h"

#include <stdlib.h>
#include <string.h>

/* Per thread: a test that makes allocations fail does not disturb its other threads. */
static _Thread_local bool is_active;
static _Thread_local bool has_refused;
static _Thread_local size_t remaining;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *string);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *string);

void failing_allocation_start(size_t count)
{
    is_active = true;
    has_refused = false;
    remaining = count;
}

bool failing_allocation_stop(void)
{
    is_active = false;
    return has_refused;
}

static bool is_refused(void)
{
    if (!is_active)
        return false;
    if (remaining > 0) {
        remaining--;
        return false;
    }
    has_refused = true;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return is_refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return is_refused() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return is_refused() ? NULL : __real_realloc(memory, size);
}

char *__wrap_strdup(const char *string)
{
    return is_refused() ? NULL : __real_strdup(string);
}
