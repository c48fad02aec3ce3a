/* What `posthorn send` shows: the talk, the progress, the summary, and the result as JSON. */
#ifndef CLI_SEND_OUTPUT_H
#define CLI_SEND_OUTPUT_H

#include <stdio.h>

#include <posthorn/protocol.h>

#include "cli/send_letter.h"

enum {
    SEND_OUTPUT_PROGRESS_MIN = 256 * 1024, /* smaller bodies need no progress bar */
    SEND_OUTPUT_PROGRESS_INTERVAL = 100    /* milliseconds between two drawings of it */
};

/* A ph_trace: context is the FILE to write to. */
void send_output_trace(void *context, enum ph_trace_kind kind, const char *text, size_t length);

/* A progress bar on standard error. Zero at birth. */
struct send_progress {
    uint64_t drawn_at;
    bool is_drawn;
};

/* A ph_progress: context is a struct send_progress. Draws only for large bodies. */
bool send_output_progress(void *context, uint64_t done, uint64_t total);

/* Takes the bar away. */
void send_output_end_progress(struct send_progress *progress);

/* The progress bar would be seen. */
bool send_output_has_terminal(void);

/* The outcome in words: each refused recipient, the error, and, unless is_quiet, a line when all
   went well. */
void send_output_summary(const struct send_letter *letter, const struct ph_result *result,
                         const struct ph_error *error, bool is_quiet);

/* The outcome as one JSON object on standard output. server may be NULL; result is zero when it
   never came to a transaction. False: it could not be written, and a message says so. */
bool send_output_json(const char *server, const struct send_letter *letter,
                      const struct ph_result *result, const struct ph_error *error, int exit_code);

/* Envelope and message on standard output, as they would be sent; as_json: the envelope alone, as
   JSON. is_quiet: the message alone. Returns an exit status, after a message when it is not EX_OK.
 */
int send_output_dry_run(const char *server, const struct send_letter *letter, bool as_json,
                        bool is_quiet);

#endif
