/* Spans of time as people write them: "90s", "15m", "4h", "5d", "2w". */
#ifndef CLI_DURATION_H
#define CLI_DURATION_H

#include <stdbool.h>
#include <stdint.h>

enum {
    DURATION_TEXT_SIZE = 32 /* room for any that is printed */
};

/* One or several numbers with units, the larger first: "1d12h". False: it is none, or longer than a
   hundred years. */
bool duration_parse(const char *text, int64_t *seconds);

/* In the largest unit of which there are two or more: "110s", "15m", "36h", "12d". Returns text. */
const char *duration_print(int64_t seconds, char text[DURATION_TEXT_SIZE]);

#endif
