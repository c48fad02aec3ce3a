/* A message from a pipe, kept in a file without a name until it is sent: then its size is known,
   and no slow writer holds a server's connection. */
#ifndef CLI_SEND_SPOOL_H
#define CLI_SEND_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"

struct send_spool_rules {
    bool lone_dot_ends; /* a line with nothing but a dot ends the message, as sendmail has it */
    bool mends_header; /* a first line "From " goes; an empty line is put in front of the first line
                          that is no header field, as sendmail does for `echo hello | sendmail ann`
                        */
    const char *domain; /* with mends_header: put behind bare names in address fields; NULL = not */
};

/* A new file without a name, open for reading and writing, in $TMPDIR or /tmp; -1 with the fault.
 */
int send_spool_open(struct fault *fault);

/* Copies `from` to its end (or the lone dot) into such a file, whose offset is then 0; *size is how
   many bytes came in. -1 with the fault. */
int send_spool_copy(int from, struct send_spool_rules rules, uint64_t *size, struct fault *fault);

#endif
