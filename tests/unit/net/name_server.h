/* A name server of a test's own: NSD of the laboratory (script/lab), on a port of 127.0.0.1, with
 * zones of the source tree. Every failure fails the test. */
#ifndef NAME_SERVER_H
#define NAME_SERVER_H

#include <stddef.h>

/* Starts the one server of this program. `zones`: pairs of a zone's name and its file below the
   source directory; NULL at the end. The server answers SERVFAIL for a zone whose file is not
   there. */
void name_server_start(const char *const zones[][2]);
void name_server_stop(void);

/* As net_dns_options takes it: "127.0.0.1@12345". */
const char *name_server_place(void);

#endif
