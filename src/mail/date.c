/* Dates by the proleptic Gregorian calendar, without the C library's locale and time zones. */
#include "mail/date.h"

#include "base/scan.h"

static const char weekdays[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
const char date_months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

enum {
    DAY_SECONDS = 24 * 60 * 60,
    ERA_YEARS = 400,
    ERA_DAYS = 146097 /* of 400 years */
};

/* Years begin in March here, so that the leap day is the last of its year. */
int64_t date_days_from_civil(struct date_civil date)
{
    int64_t year = date.month <= 2 ? date.year - 1 : date.year;
    int64_t era = (year >= 0 ? year : year - (ERA_YEARS - 1)) / ERA_YEARS;
    int64_t year_of_era = year - era * ERA_YEARS;
    int64_t month_from_march = (date.month + 9) % 12;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + date.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * ERA_DAYS + day_of_era - 719468;
}

struct date_civil date_civil_from_days(int64_t days)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - (ERA_DAYS - 1)) / ERA_DAYS;
    int64_t day_of_era = days - era * ERA_DAYS;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    struct date_civil date = {
        .year = year_of_era + era * ERA_YEARS,
        .month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9),
        .day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1),
    };
    date.year += date.month <= 2;
    return date;
}

bool date_write(struct buffer *out, int64_t seconds, int offset_minutes, struct fault *fault)
{
    if (offset_minutes < -DATE_OFFSET_MAX || offset_minutes > DATE_OFFSET_MAX)
        return fault_set(fault, FAULT_SYNTAX, "a date is at most %d minutes off UTC",
                         DATE_OFFSET_MAX);
    /* Tested before the offset is added, so that the sum cannot overflow. */
    if (seconds < DATE_SECONDS_MIN || seconds > DATE_SECONDS_MAX ||
        seconds + (int64_t)offset_minutes * 60 < DATE_SECONDS_MIN ||
        seconds + (int64_t)offset_minutes * 60 > DATE_SECONDS_MAX)
        return fault_set(fault, FAULT_SYNTAX, "a date lies between the years 1900 and 9999");
    int64_t local = seconds + (int64_t)offset_minutes * 60;
    int64_t days = (local - (local % DAY_SECONDS + DAY_SECONDS) % DAY_SECONDS) / DAY_SECONDS;
    int time = (int)(local - days * DAY_SECONDS);
    struct date_civil date = date_civil_from_days(days);
    int distance = offset_minutes < 0 ? -offset_minutes : offset_minutes;
    buffer_append_format(out, "%s, %d %s %04d %02d:%02d:%02d %c%02d%02d",
                         weekdays[((days + 4) % 7 + 7) % 7], date.day, date_months[date.month - 1],
                         (int)date.year, time / 3600, time / 60 % 60, time % 60,
                         offset_minutes < 0 ? '-' : '+', distance / 60, distance % 60);
    return true;
}

/* Blanks and comments, nested ones by a counter. */
static void skip_blanks(struct scan *scan)
{
    size_t depth = 0;
    for (;;) {
        int c = scan_peek(scan);
        if (c == '(')
            depth++;
        else if (c == ')' && depth > 0)
            depth--;
        else if (c == '\\' && depth > 0)
            scan_take(scan);
        else if (c < 0 || (depth == 0 && c != ' ' && c != '\t'))
            return;
        scan_take(scan);
    }
}

static bool take_number(struct scan *scan, uint64_t least, uint64_t most, int *number)
{
    uint64_t value;
    skip_blanks(scan);
    if (!scan_take_number(scan, most, &value) || value < least)
        return false;
    *number = (int)value;
    return true;
}

static bool take_month(struct scan *scan, int *month)
{
    skip_blanks(scan);
    struct bytes name = scan_take_while(scan, &scan_letters);
    for (int i = 0; i < 12; i++) {
        if (bytes_equal_ignoring_case(name, bytes_from_string(date_months[i]))) {
            *month = i + 1;
            return true;
        }
    }
    return false;
}

/* RFC 5322 4.3: two digits below 50 are of this century; other short ones count from 1900. */
static bool take_year(struct scan *scan, int64_t *year)
{
    skip_blanks(scan);
    const char *start = scan->position;
    uint64_t value;
    if (!scan_take_number(scan, 9999, &value))
        return false;
    ptrdiff_t digits = scan->position - start;
    *year = (int64_t)value;
    if (digits == 2)
        *year += value < 50 ? 2000 : 1900;
    else if (digits == 3)
        *year += 1900;
    return digits >= 2 && *year >= 1900;
}

static bool take_time(struct scan *scan, int *seconds)
{
    int hour;
    int minute;
    int second = 0;
    if (!take_number(scan, 0, 23, &hour))
        return false;
    skip_blanks(scan);
    if (!scan_take_char(scan, ':') || !take_number(scan, 0, 59, &minute))
        return false;
    skip_blanks(scan);
    if (scan_take_char(scan, ':') && !take_number(scan, 0, 60, &second))
        return false;
    *seconds = hour * 3600 + minute * 60 + second;
    return true;
}

/* "EST" and its kin (RFC 5322 4.3), in hours. */
static int named_zone(struct bytes name)
{
    static const struct {
        char name[4];
        int hours;
    } zones[] = {{"EDT", -4}, {"EST", -5}, {"CDT", -5}, {"CST", -6},
                 {"MDT", -6}, {"MST", -7}, {"PDT", -7}, {"PST", -8}};
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
        if (bytes_equal_ignoring_case(name, bytes_from_string(zones[i].name)))
            return zones[i].hours;
    }
    return 0;
}

static bool take_zone(struct scan *scan, int *minutes)
{
    skip_blanks(scan);
    bool is_west = scan_peek(scan) == '-';
    if (!is_west && scan_peek(scan) != '+') {
        *minutes = named_zone(scan_take_while(scan, &scan_letters)) * 60;
        return true;
    }
    scan_take(scan);
    struct bytes digits = scan_take_while(scan, &scan_digits);
    if (digits.length != 4)
        return false;
    int hours = (digits.data[0] - '0') * 10 + digits.data[1] - '0';
    *minutes = hours * 60 + (digits.data[2] - '0') * 10 + digits.data[3] - '0';
    if (is_west)
        *minutes = -*minutes;
    return hours < 24 && digits.data[2] < '6';
}

static int days_of_month(int64_t year, int month)
{
    struct date_civil first = {year, month, 1};
    struct date_civil next = {month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, 1};
    return (int)(date_days_from_civil(next) - date_days_from_civil(first));
}

bool date_parse(struct bytes text, int64_t *seconds, int *offset_minutes)
{
    struct scan scan = scan_of(text);
    struct date_civil date;
    int time;
    int offset;
    skip_blanks(&scan);
    if (scan_take_while(&scan, &scan_letters).length > 0) {
        skip_blanks(&scan);
        if (!scan_take_char(&scan, ','))
            return false;
    }
    if (!take_number(&scan, 1, 31, &date.day) || !take_month(&scan, &date.month) ||
        !take_year(&scan, &date.year) || date.day > days_of_month(date.year, date.month) ||
        !take_time(&scan, &time) || !take_zone(&scan, &offset))
        return false;
    skip_blanks(&scan);
    if (!scan_is_at_end(&scan))
        return false;
    *seconds = date_days_from_civil(date) * DAY_SECONDS + time - (int64_t)offset * 60;
    *offset_minutes = offset;
    return true;
}
