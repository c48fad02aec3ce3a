/* Finding the end of DATA in a stream at memory speed. */
#ifndef SINK_SCAN_H
#define SINK_SCAN_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Looks for CRLF "." CRLF in the n bytes at p. True = *taken is the count of bytes up to and with
 * it. False = *taken is the count of bytes that cannot be a part of it; the others must come again
 * in front of what follows.
 */
bool sink_scan_data_end(const char *p, size_t n, size_t *taken);

#endif
