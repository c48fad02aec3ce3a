/* The families of commands: each reads what stands behind verb and blank up to the command's end.
   For the imap_command_*.c files only. */
#ifndef IMAP_IMAP_COMMAND_INSIDE_H
#define IMAP_IMAP_COMMAND_INSIDE_H

#include "imap/imap_command.h"
#include "imap/imap_token.h"

bool imap_command_append_head(struct imap_tokens *tokens, bool is_first,
                              struct imap_command *command, struct imap_append *append);
bool imap_command_fetch(struct imap_tokens *tokens, unsigned enabled, struct imap_command *command);
bool imap_command_list(struct imap_tokens *tokens, struct imap_command *command); /* and LSUB */
/* "(MESSAGES UNSEEN)" */
bool imap_command_list_status_items(struct imap_tokens *tokens, unsigned *status);
bool imap_command_login(struct imap_tokens *tokens, struct imap_command *command);
bool imap_command_login_authenticate(struct imap_tokens *tokens, struct imap_command *command);
bool imap_command_login_id(struct imap_tokens *tokens, struct imap_command *command);
bool imap_command_search(struct imap_tokens *tokens, struct imap_command *command);
bool imap_command_search_sort(struct imap_tokens *tokens, struct imap_command *command);
bool imap_command_search_thread(struct imap_tokens *tokens, struct imap_command *command);
/* One or more keys with blanks between them, up to the end; root and has_modseq are filled. */
bool imap_command_search_key(struct imap_tokens *tokens, struct imap_search *search);
bool imap_command_select(struct imap_tokens *tokens, unsigned enabled,
                         struct imap_command *command); /* and EXAMINE */
bool imap_command_store(struct imap_tokens *tokens, struct imap_command *command);

/* Reads "(\Seen $Junk)", or with is_bare the same without parentheses up to the end. */
bool imap_command_store_flags(struct imap_tokens *tokens, bool is_bare, struct imap_flags *flags);

#endif
