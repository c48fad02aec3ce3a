/* A PostgreSQL of the test's own: its files below /tmp, on a Unix socket there, gone with the test.
 * As root it runs as the user postgres or nobody. */
#ifndef POSTGRES_CLUSTER_H
#define POSTGRES_CLUSTER_H

#include <stddef.h>

/* Starts it at the first call; further calls do nothing. A failure fails the test. */
void postgres_cluster_start(void);

/* Makes a new database and writes what opens it ("host=... dbname=...") into place. */
void postgres_cluster_make_database(char *place, size_t size);

/* Runs SQL in the database. */
void postgres_cluster_run(const char *place, const char *sql);

/* Kills it at once, as a power cut would, and starts it again. */
void postgres_cluster_kill(void);
void postgres_cluster_revive(void);

/* Stops it and removes its files; does nothing when it was never started. */
void postgres_cluster_stop(void);

#endif
