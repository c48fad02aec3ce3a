/* Random bytes from the kernel, good enough for keys. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"

bool random_fill(void *memory, size_t size, struct fault *fault);

#endif
