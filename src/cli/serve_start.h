/* What the commands that serve or look at the configuration share. */
#ifndef CLI_SERVE_START_H
#define CLI_SERVE_START_H

#include "server/server.h"

/* An operand of --set: "NAME=VALUE" on top of the configuration; a list's values stand with commas
   between them, and an empty one empties the list. False: told, *code is the exit status. */
bool serve_start_set(struct config *config, const char *text, int *code);

/* Tells that there is no option of the name, and which is near; EX_USAGE. */
int serve_start_unknown_option(const char *name);

/* Tells the fault; the exit status that belongs to it. */
int serve_start_fail(const struct fault *fault);

/* The server, or NULL: told, and *code is the exit status. */
struct server *serve_start(const struct server_options *options, int *code);

/* Serves until a signal ends it; frees the server. The exit status. */
int serve_start_run(struct server *server);

/* The line of a listener for people, "  POP3   127.0.0.1:2110  with STLS"; nothing when it has no
   place. */
void serve_start_print_place(const struct server *server, enum config_id id, const char *what,
                             const char *how);

#endif
