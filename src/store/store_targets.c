/* The list that store_resolve fills. */
#include <stdlib.h>

#include "store/store_accounts.h"

void store_targets_clear(struct store_targets *targets)
{
    if (targets == NULL)
        return;
    free(targets->items);
    *targets = (struct store_targets){0};
}
