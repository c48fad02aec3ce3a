/* The configuration as it was read: a value for every option of the table, from the file or by
 * default, and the line that it came from. */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include <stddef.h>

#include "base/buffer.h"
#include "base/fault.h"
#include "server/config_option.h"

#define CONFIG_SYSTEM_FILE "/etc/posthorn/posthorn.conf"

enum {
    CONFIG_VALUES_MAX = 64, /* values of one list */
    CONFIG_NAME_MAX = 255   /* bytes of the host's name */
};

struct config_value {
    char *text;     /* as written */
    int64_t number; /* of numbers, sizes, times and words */
};

struct config_setting {
    struct config_value *values;
    size_t count; /* 0: nothing is set, and there is no default */
    int line;     /* of the file, -1 = somewhere in it; 0 = the default, or set by a program */
    bool is_set;  /* by the file, or a program */
};

/* Initialise with config_init. */
struct config {
    char *file; /* the path as given; NULL = none was read */
    struct config_setting settings[CONFIG_OPTIONS];
};

/* Every option has its default. */
bool config_init(struct config *config, struct fault *fault);
void config_clear(struct config *config); /* accepts NULL */

/* Reads the file on top of the defaults. The fault names file and line, and says what to do:
   FAULT_SYNTAX for what stands in the file, FAULT_DENIED where the file may be written by others
   than root and the user, FAULT_PERMANENT where it cannot be read. On a fault the config is as it
   was after config_init, or is to be cleared. */
bool config_read(struct config *config, const char *path, struct fault *fault);

/* Replaces an option's values by what a command line says; texts are checked as the file's are. */
bool config_set(struct config *config, enum config_id id, const char *const *texts, size_t count,
                struct fault *fault);

/* What only the whole tells: whether the options fit together. */
bool config_check(const struct config *config, struct fault *fault);

/* The first value; NULL (0) where there is none. */
const char *config_text(const struct config *config, enum config_id id);
int64_t config_number(const struct config *config, enum config_id id);

/* The list has this word. */
bool config_has_word(const struct config *config, enum config_id id, const char *word);

/* The host's name as it is used: the option's, else the machine's (its canonical one where the
   system knows it), else "localhost". Valid as a domain. */
bool config_host_name(const struct config *config, struct buffer *name, struct fault *fault);

/* Copies what a program set (config_set) in `from`, so that it holds after a reload too. */
bool config_keep(struct config *config, const struct config *from, struct fault *fault);

/* Where the store is and where the server keeps its files, by the rules of the table. */
bool config_store(const struct config *config, struct buffer *place, struct fault *fault);
bool config_data_directory(const struct config *config, struct buffer *path, struct fault *fault);

/* The same store for programs beside the server: `given` by an option, else what the file says
   (NULL: CONFIG_SYSTEM_FILE when root asks and it is there), else $POSTHORN_STORE or the user's. */
bool config_find_store(const char *given, const char *file, struct buffer *place,
                       struct fault *fault);

#endif
