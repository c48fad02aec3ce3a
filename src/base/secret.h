/* Care for passwords and keys. */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

/* Overwrites the memory with zeros in a way that the compiler may not leave out. */
void secret_wipe(void *memory, size_t size);

/* The time it takes depends on the lengths only, not on where the bytes differ. */
bool secret_equal(struct bytes left, struct bytes right);

#endif
