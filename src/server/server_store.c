/* What is done to the store before it is served. */
#include "server/server_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "server/store_place.h"
#include "store/store_accounts.h"
#include "store/store_jobs.h"

enum {
    SUFFIXES = 4 /* of the files that an embedded store has */
};

/* A file that root owns goes to the user. The folder may be the user's already, so that no name in
   it is to be trusted: no link of either kind is followed. */
static bool give_file(const char *path, const struct privileges_user *user, struct fault *fault)
{
    struct stat status;
    int descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0)
        return errno == ENOENT ||
               fault_set_system(fault, FAULT_PERMANENT, errno, "cannot open %s", path);
    bool is_given = fstat(descriptor, &status) == 0 &&
                    (status.st_uid != 0 || !S_ISREG(status.st_mode) || status.st_nlink != 1 ||
                     fchown(descriptor, user->user, user->group) == 0);
    int error = errno;
    close(descriptor);
    return is_given || fault_set_system(fault, FAULT_PERMANENT, error, "cannot give %s to %s", path,
                                        user->name);
}

/* Makes the last folder of the path when it is missing, for the user alone. */
static bool give_folder(const char *path, const struct privileges_user *user, struct fault *fault)
{
    if (mkdir(path, 0700) != 0)
        return errno == EEXIST ||
               fault_set_system(fault, FAULT_PERMANENT, errno, "cannot make the folder %s", path);
    if (lchown(path, user->user, user->group) != 0)
        return fault_set_system(fault, FAULT_PERMANENT, errno, "cannot give %s to %s", path,
                                user->name);
    return true;
}

/* Nothing but an embedded store is in the folder: an admin command of root's made both. */
static bool is_of_store(const char *folder, const char *base)
{
    struct stat status;
    struct dirent *entry;
    if (lstat(folder, &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != 0)
        return false;
    DIR *directory = opendir(folder);
    bool is_alone = directory != NULL;
    while (is_alone && (entry = readdir(directory)) != NULL)
        is_alone = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                   strncmp(entry->d_name, base, strlen(base)) == 0;
    if (directory != NULL)
        closedir(directory);
    return is_alone;
}

static bool give_store(const char *place, const struct privileges_user *user, struct fault *fault)
{
    static const char *const suffixes[SUFFIXES] = {"", "-wal", "-shm", ".lock"};
    char path[STORE_PLACE_MAX + 8];
    snprintf(path, sizeof(path), "%s", place);
    char *slash = strrchr(path, '/');
    if (slash != NULL && slash != path) {
        *slash = '\0';
        if (!give_folder(path, user, fault))
            return false;
        if (is_of_store(path, slash + 1) && lchown(path, user->user, user->group) != 0)
            return fault_set_system(fault, FAULT_PERMANENT, errno, "cannot give %s to %s", path,
                                    user->name);
    }
    for (size_t i = 0; i < SUFFIXES; i++) {
        snprintf(path, sizeof(path), "%s%s", place, suffixes[i]);
        if (!give_file(path, user, fault))
            return false;
    }
    return true;
}

bool server_store_hand_over(const char *place, const char *data_directory, int log_descriptor,
                            const struct privileges_user *user, struct fault *fault)
{
    struct stat status;
    if (store_place_is_file(place) && !give_store(place, user, fault))
        return false;
    if (!give_folder(data_directory, user, fault))
        return false;
    /* A log file that a reload must be able to open again. */
    if (log_descriptor >= 0 && fstat(log_descriptor, &status) == 0 && S_ISREG(status.st_mode) &&
        status.st_uid == 0 && status.st_nlink == 1 &&
        fchown(log_descriptor, user->user, user->group) != 0)
        return fault_set_system(fault, FAULT_PERMANENT, errno, "cannot give the log file to %s",
                                user->name);
    return true;
}

struct preparation {
    struct store_job job;
    struct store *store;
    const char *const *domains;
    const char *default_domain;
};

struct search {
    const char *name;
    bool is_found;
};

static bool compare_domain(void *context, const char *name, uint64_t accounts, uint64_t aliases)
{
    struct search *search = context;
    (void)accounts;
    (void)aliases;
    search->is_found =
        bytes_equal_ignoring_case(bytes_from_string(name), bytes_from_string(search->name));
    return !search->is_found;
}

static bool prepare(struct store_job *job, struct db *db, struct fault *fault)
{
    struct preparation *preparation = (struct preparation *)(void *)job;
    for (size_t i = 0; preparation->domains != NULL && preparation->domains[i] != NULL; i++) {
        struct search search = {.name = preparation->domains[i]};
        if (!store_domains_list(db, compare_domain, &search, fault))
            return false;
        if (!search.is_found && !store_domain_add(db, store_id_make(preparation->store),
                                                  bytes_from_string(search.name), fault))
            return false;
    }
    return preparation->default_domain == NULL ||
           store_setting_put(db, STORE_SETTING_DEFAULT_DOMAIN,
                             bytes_from_string(preparation->default_domain), fault);
}

bool server_store_prepare(struct store *store, const char *const *domains,
                          const char *default_domain, struct fault *fault)
{
    struct preparation preparation = {
        .job.run = prepare,
        .store = store,
        .domains = domains,
        .default_domain = default_domain,
    };
    if (domains == NULL && default_domain == NULL)
        return true;
    return store_run(store, &preparation.job, fault);
}
