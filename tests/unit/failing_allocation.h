/* Makes the n-th allocation of the code under test fail, so that every way out is walked. */
#ifndef FAILING_ALLOCATION_H
#define FAILING_ALLOCATION_H

#include <stdbool.h>
#include <stddef.h>

/* The next `count` allocations succeed, the one after them and all that follow fail, until
   failing_allocation_stop. Only calls from the program and its static libraries are counted: not
   those from within shared libraries. */
void failing_allocation_start(size_t count);

/* Allocations succeed again. True when one was refused since the start. */
bool failing_allocation_stop(void);

#endif
