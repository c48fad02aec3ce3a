/* Account profiles in ~/.config/posthorn/send.conf and /etc/posthorn/send.conf. */
#ifndef CLI_SEND_PROFILE_H
#define CLI_SEND_PROFILE_H

#include "cli/send_account.h"

/* Fills account from a profile. path NULL: the first that exists of
   $XDG_CONFIG_HOME/posthorn/send.conf
   (~/.config/... where that is not set) and /etc/posthorn/send.conf. name NULL: the file's
   default-account, or its only account. sender (NULL = not asked): an account whose `from` is this
   address goes before the default.
   Returns EX_OK; also, with *is_found false, when there is no file and neither path nor name was
   given, or no account is the default. Else the exit status, after a message with file and line. */
int send_profile_load(const char *path, const char *name, const char *sender,
                      struct send_account *account, bool *is_found);

#endif
