/* Chooses the store's place by option, environment and the user's data directory. */
#include "server/store_place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "db/db.h"

static bool is_given(const char *text)
{
    return text != NULL && *text != '\0';
}

bool store_place_choose(const char *given, struct buffer *place, struct fault *fault)
{
    const char *variable = getenv(STORE_PLACE_VARIABLE);
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    if (is_given(given))
        buffer_append_string(place, given);
    else if (is_given(variable))
        buffer_append_string(place, variable);
    /* The XDG base directory specification: a path that is not absolute is to be ignored. */
    else if (is_given(data) && data[0] == '/')
        buffer_append_format(place, "%s/posthorn/posthorn.db", data);
    else if (is_given(home))
        buffer_append_format(place, "%s/.local/share/posthorn/posthorn.db", home);
    else
        return fault_set(fault, FAULT_PERMANENT,
                         "nobody says where the store is: give --store PLACE or set "
                         "$" STORE_PLACE_VARIABLE);
    if (buffer_is_failed(place))
        return fault_set(fault, FAULT_LIMIT, "the store's place is longer than %d bytes",
                         STORE_PLACE_MAX);
    return true;
}

bool store_place_is_file(const char *place)
{
    return strcmp(place, ":memory:") != 0 && db_place_kind(place) == DB_SQLITE;
}

bool store_place_make_folder(const char *place, struct fault *fault)
{
    char path[STORE_PLACE_MAX + 1];
    size_t length = strlen(place);
    if (!store_place_is_file(place))
        return true;
    if (length > STORE_PLACE_MAX)
        return fault_set(fault, FAULT_LIMIT, "the store's place is longer than %d bytes",
                         STORE_PLACE_MAX);
    memcpy(path, place, length + 1);
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return fault_set_system(fault, FAULT_PERMANENT, errno, "cannot make the folder %s",
                                    path);
        *slash = '/';
    }
    return true;
}
