/* What people are told of where a PostgreSQL is. */
#include "db/db_postgres.h"

#include <stdio.h>
#include <string.h>

/* Only these are told, in this order. */
static const char *const shown_options[] = {"dbname", "host", "hostaddr", "port", "user"};

static const char *find_option(const PQconninfoOption *options, const char *name)
{
    for (; options->keyword != NULL; options++)
        if (strcmp(options->keyword, name) == 0 && options->val != NULL)
            return options->val;
    return NULL;
}

/* libpq would take "p/w@host" for a name, look for it and print it. */
static bool is_misread(const char *place)
{
    const char *start = strstr(place, "://");
    if (start == NULL || db_place_kind(place) != DB_POSTGRES)
        return false;
    start += 3;
    const char *at = strchr(start, '@');
    if (at == NULL)
        return false;
    return strchr(at + 1, '@') != NULL || strcspn(start, "/?#") < (size_t)(at - start);
}

bool db_postgres_place_show(struct db *db, struct fault *fault)
{
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(db->place, &message);
    bool is_memory_out = options == NULL && message == NULL;
    /* Its message has pieces of what it could not read. */
    PQfreemem(message);
    if (is_memory_out)
        return fault_set_memory(fault);
    if (options == NULL || is_misread(db->place)) {
        PQconninfoFree(options);
        return fault_set(fault, FAULT_PERMANENT,
                         "what PostgreSQL is to be reached by cannot be read: within an URI write "
                         "%%40 for @, %%2F for /, %%3F for ? and %%23 for # in names and "
                         "passwords; else quote values with a space as in password='a b'");
    }
    size_t length = (size_t)snprintf(db->shown, sizeof(db->shown), "PostgreSQL");
    for (size_t i = 0; i < sizeof(shown_options) / sizeof(shown_options[0]); i++) {
        const char *value = find_option(options, shown_options[i]);
        if (value != NULL && length < sizeof(db->shown))
            length += (size_t)snprintf(db->shown + length, sizeof(db->shown) - length, " %s=%s",
                                       shown_options[i], value);
    }
    PQconninfoFree(options);
    return true;
}
