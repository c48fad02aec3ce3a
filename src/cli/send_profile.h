/* Account profiles in ~/.config/posthorn/send.conf and /etc/posthorn/send.conf. */
#ifndef CLI_SEND_PROFILE_H
#define CLI_SEND_PROFILE_H

#include "cli/send_account.h"

/* Fills account from a profile. path NULL: the first that exists of
   $XDG_CONFIG_HOME/posthorn/send.conf (~/.config/... where that is not set) and
   /etc/posthorn/send.conf. name NULL: an account whose `from` is the address sender (NULL = not
   asked), else the file's default-account, else its only account. A file of another user than this
   one and root, or one that others may write to, is refused. Returns EX_OK, also when there is
   no such account or no file and none was named: account is untouched then. Else the exit status,
   after a message with file and line. */
int send_profile_load(const char *path, const char *name, const char *sender,
                      struct send_account *account);

#endif
