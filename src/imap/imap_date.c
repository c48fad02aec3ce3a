/* Four digits of year, names of months in any case, and only days that there are. */
#include "imap/imap_date.h"

#include "mail/date.h"

enum {
    DAY_SECONDS = 24 * 60 * 60
};

static bool take_digits(struct scan *scan, size_t least, size_t most, int *number)
{
    size_t length = 0;
    *number = 0;
    for (; length < most && scan_peek(scan) >= '0' && scan_peek(scan) <= '9'; length++)
        *number = *number * 10 + (scan_take(scan) - '0');
    return length >= least;
}

static bool take_month(struct scan *scan, int *month)
{
    struct bytes name = scan_take_while(scan, &scan_letters);
    for (*month = 1; *month <= 12; ++*month) {
        if (bytes_equal_ignoring_case(name, bytes_from_string(date_months[*month - 1])))
            return true;
    }
    return false;
}

/* False: there is no such day. */
static bool take_day(struct scan *scan, int64_t *days)
{
    struct date_civil date;
    int year;
    if (!take_digits(scan, 1, 2, &date.day) || !scan_take_char(scan, '-') ||
        !take_month(scan, &date.month) || !scan_take_char(scan, '-') ||
        !take_digits(scan, 4, 4, &year))
        return false;
    date.year = year;
    *days = date_days_from_civil(date);
    struct date_civil again = date_civil_from_days(*days);
    return again.day == date.day && again.month == date.month;
}

bool imap_date_take(struct scan *scan, int32_t *day)
{
    struct scan ahead = *scan;
    int64_t days;
    bool is_quoted = scan_take_char(&ahead, '"');
    if (!take_day(&ahead, &days) || (is_quoted && !scan_take_char(&ahead, '"')))
        return false;
    *scan = ahead;
    *day = (int32_t)days;
    return true;
}

/* Seconds of the day; a leap second is the one behind. */
static bool take_time(struct scan *scan, int *seconds)
{
    int hour;
    int minute;
    int second;
    if (!take_digits(scan, 2, 2, &hour) || !scan_take_char(scan, ':') ||
        !take_digits(scan, 2, 2, &minute) || !scan_take_char(scan, ':') ||
        !take_digits(scan, 2, 2, &second))
        return false;
    *seconds = hour * 3600 + minute * 60 + second;
    return hour < 24 && minute < 60 && second <= 60;
}

static bool take_zone(struct scan *scan, int *seconds)
{
    int hours;
    int minutes;
    bool is_west = scan_take_char(scan, '-');
    if ((!is_west && !scan_take_char(scan, '+')) || !take_digits(scan, 2, 2, &hours) ||
        !take_digits(scan, 2, 2, &minutes))
        return false;
    *seconds = (hours * 60 + minutes) * 60 * (is_west ? -1 : 1);
    return hours < 24 && minutes < 60;
}

bool imap_date_take_time(struct scan *scan, int64_t *microseconds)
{
    struct scan ahead = *scan;
    int64_t days;
    int time;
    int zone;
    bool is_date = scan_take_char(&ahead, '"');
    /* RFC 9051 9, date-day-fixed: a blank before a single digit. */
    scan_take_char(&ahead, ' ');
    if (!is_date || !take_day(&ahead, &days) || !scan_take_char(&ahead, ' ') ||
        !take_time(&ahead, &time) || !scan_take_char(&ahead, ' ') || !take_zone(&ahead, &zone) ||
        !scan_take_char(&ahead, '"'))
        return false;
    *scan = ahead;
    *microseconds = (days * DAY_SECONDS + time - zone) * 1000000;
    return true;
}
