/* PostgreSQL. */
#include "db/db_driver.h"

struct db *db_postgres_new(struct fault *fault)
{
    fault_set(fault, FAULT_PERMANENT, "PostgreSQL is not built in yet");
    return NULL;
}
