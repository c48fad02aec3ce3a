/* What a report says to people: what happened to whom, why, in whose words, and what to do. */
#ifndef DELIVERY_REPORT_TEXT_H
#define DELIVERY_REPORT_TEXT_H

#include "delivery/delivery_report.h"

/* The subject of the letter as UTF-8 without anything odd; empty when it has none. */
void report_text_letter_subject(const struct report *report, struct buffer *out);

/* "Not delivered", "Delivered"...: of the worst that happened; static. */
const char *report_text_title(const struct report *report);

/* Appends the text, lines with CRLF, in UTF-8. */
void report_text_write(const struct report *report, struct buffer *out);

#endif
