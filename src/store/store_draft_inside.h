/* How the store itself looks at a draft. */
#ifndef STORE_STORE_DRAFT_INSIDE_H
#define STORE_STORE_DRAFT_INSIDE_H

#include "store/store_draft.h"

/* The whole draft where it lies in memory in one piece; else empty, and it must be read. */
struct bytes store_draft_memory(const struct store_draft *draft);

#endif
