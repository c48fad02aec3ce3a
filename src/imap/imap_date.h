/* Dates of SEARCH and APPEND: RFC 9051 9, date and date-time. */
#ifndef IMAP_IMAP_DATE_H
#define IMAP_IMAP_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/scan.h"

/* Takes "1-Feb-1994", in quotes or not, as a day number since 1970-01-01. False: there is none at
   this place, or no such day. */
bool imap_date_take(struct scan *scan, int32_t *day);

/* Takes "\"17-Jul-1996 02:44:25 -0700\"", quotes and all, in microseconds since 1970, UTC. */
bool imap_date_take_time(struct scan *scan, int64_t *microseconds);

#endif
