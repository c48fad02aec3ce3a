/* dlopen(3), once. */
#define DB_POSTGRES_LIBRARY_ITSELF
#include "db/db_postgres_library.h"

#include <dlfcn.h>
#include <pthread.h>

/* The one table of the process; written once, before anybody has a connection. */
struct db_postgres_library db_postgres_library;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_loaded;

static void load(void)
{
    void *library = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return;
    bool is_whole = true;
#define TAKE(function)                                                                             \
    db_postgres_library.function = (__typeof__(&(function)))dlsym(library, #function);             \
    is_whole = is_whole && db_postgres_library.function != NULL;
    DB_POSTGRES_LIBRARY_FUNCTIONS(TAKE)
#undef TAKE
    is_loaded = is_whole;
}

bool db_postgres_library_load(struct fault *fault)
{
    pthread_once(&once, load);
    return is_loaded || fault_set(fault, FAULT_PERMANENT,
                                  "a store on PostgreSQL needs libpq: install the package libpq5");
}
