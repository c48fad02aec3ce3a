/* Dates as messages have them: RFC 5322 3.3, and 4.3 (obsolete forms) on reading. */
#ifndef MAIL_DATE_H
#define MAIL_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"

enum {
    DATE_OFFSET_MAX = 24 * 60 - 1 /* minutes; RFC 5322 3.3 would allow "+9959" */
};

/* Seconds since 1970-01-01 00:00 UTC of the first second of 1900 and the last of 9999, between
   which a date can be written. */
#define DATE_SECONDS_MIN INT64_C(-2208988800)
#define DATE_SECONDS_MAX INT64_C(253402300799)

/* A day of the proleptic Gregorian calendar, and its number: days since 1970-01-01. */
struct date_civil {
    int64_t year;
    int month; /* 1 to 12 */
    int day;
};
int64_t date_days_from_civil(struct date_civil date);
struct date_civil date_civil_from_days(int64_t days);

/* "Jan" to "Dec". */
extern const char date_months[12][4];

/* Appends "Mon, 23 Nov 2026 17:48:08 +0100": the time as a clock shows it that many minutes east of
   UTC. False: seconds or offset are out of range. */
bool date_write(struct buffer *out, int64_t seconds, int offset_minutes, struct fault *fault);

/* Reads a date, unfolded, with comments, two-digit years and named zones. A zone that says nothing
   (military letters, unknown names) is UTC. False: it is none; the weekday is not checked. */
bool date_parse(struct bytes text, int64_t *seconds, int *offset_minutes);

#endif
