/* Where the store is when nobody says so: one answer for the server and the admin commands. */
#ifndef SERVER_STORE_PLACE_H
#define SERVER_STORE_PLACE_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/fault.h"

/* The environment variable that is asked. */
#define STORE_PLACE_VARIABLE "POSTHORN_STORE"

enum {
    STORE_PLACE_MAX = 4096 /* bytes of a file's name or of what PostgreSQL is reached by */
};

/* Appends the first that is there of: `given` (an option's or the configuration's; NULL or empty =
   none), $POSTHORN_STORE, posthorn/posthorn.db in $XDG_DATA_HOME, the same in ~/.local/share. Only
   the text is made; nothing is looked at. FAULT_PERMANENT: there is no home either. */
bool store_place_choose(const char *given, struct buffer *place, struct fault *fault);

/* The place is a file: neither PostgreSQL nor ":memory:". */
bool store_place_is_file(const char *place);

/* Makes the folders that lead to the file, for its owner's eyes only (0700); those that are there
   stay as they are. Does nothing for a place that is no file. */
bool store_place_make_folder(const char *place, struct fault *fault);

#endif
