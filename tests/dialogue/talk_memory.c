/* Stands between the program and malloc by the linker's --wrap. */
#include "talk_memory.h"

#include <stdlib.h>

static bool is_awake;
static bool has_refused;
static size_t remaining = (size_t)-1;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *string);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *string);

void talk_memory_set(size_t count)
{
    remaining = count;
    has_refused = false;
    is_awake = false;
}

void talk_memory_wake(void)
{
    is_awake = true;
}

void talk_memory_sleep(void)
{
    is_awake = false;
}

bool talk_memory_was_refused(void)
{
    return has_refused;
}

static bool is_refused(void)
{
    if (!is_awake || remaining == (size_t)-1)
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
