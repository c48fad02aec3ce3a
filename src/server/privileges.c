/* Changes the process's user, and checks that the change holds. */
#include "server/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/scan.h"

bool privileges_find(const char *name, struct privileges_user *user, struct fault *fault)
{
    struct scan scan = scan_of(bytes_from_string(name));
    uint64_t number;
    errno = 0;
    const struct passwd *entry = getpwnam(name);
    if (entry == NULL && scan_take_number(&scan, INT32_MAX, &number) && scan_is_at_end(&scan))
        entry = getpwuid((uid_t)number);
    if (entry == NULL)
        return fault_set(fault, FAULT_PERMANENT,
                         "there is no user \"%s\" to become; make it (useradd --system %s), or "
                         "name another as user",
                         name, name);
    if (strlen(entry->pw_name) >= sizeof(user->name))
        return fault_set(fault, FAULT_LIMIT, "the user's name is too long");
    snprintf(user->name, sizeof(user->name), "%s", entry->pw_name);
    user->user = entry->pw_uid;
    user->group = entry->pw_gid;
    return true;
}

/* What is given up must not come back by a call that is easily overlooked. */
static bool is_for_good(const struct privileges_user *user)
{
    uid_t real, effective, saved;
    gid_t real_group, effective_group, saved_group;
    if (getresuid(&real, &effective, &saved) != 0 ||
        getresgid(&real_group, &effective_group, &saved_group) != 0)
        return false;
    if (real != user->user || effective != user->user || saved != user->user)
        return false;
    if (real_group != user->group || effective_group != user->group || saved_group != user->group)
        return false;
    if (setuid(0) == 0 || seteuid(0) == 0)
        return false;
    return user->group == 0 || (setgid(0) != 0 && setegid(0) != 0);
}

bool privileges_drop_rest(struct fault *fault)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
    /* The ports are bound: the capability to bind low ones has done its work. */
    if (geteuid() != 0 && (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 ||
                           syscall(SYS_capset, &header, none) != 0))
        return fault_set_system(fault, FAULT_PERMANENT, errno, "cannot give up capabilities");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return fault_set_system(fault, FAULT_PERMANENT, errno, "cannot set no_new_privs");
    return true;
}

bool privileges_drop(const struct privileges_user *user, struct fault *fault)
{
    if (user->user != 0) {
        if (initgroups(user->name, user->group) != 0 ||
            setresgid(user->group, user->group, user->group) != 0 ||
            setresuid(user->user, user->user, user->user) != 0)
            return fault_set_system(fault, FAULT_PERMANENT, errno, "cannot become %s", user->name);
        if (!is_for_good(user))
            return fault_set(fault, FAULT_PERMANENT,
                             "%s could become root again, so nothing is served", user->name);
    }
    return privileges_drop_rest(fault);
}

unsigned privileges_raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        limit.rlim_cur = before;
    return limit.rlim_cur > INT32_MAX ? INT32_MAX : (unsigned)limit.rlim_cur;
}
