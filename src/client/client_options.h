/* A session's own copy of what it was told at birth. */
#ifndef CLIENT_CLIENT_OPTIONS_H
#define CLIENT_CLIENT_OPTIONS_H

#include <posthorn/smtp.h>

#include "base/arena.h"

/* Copies options, all strings into memory. False: out of memory, or over its limit. */
bool client_options_copy(const struct ph_smtp_options *from, struct ph_smtp_options *to,
                         struct arena *memory);

/* Overwrites the secrets among the copies. */
void client_options_wipe(struct ph_smtp_options *options);

#endif
