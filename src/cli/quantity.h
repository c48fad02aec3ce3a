/* Sizes and counts as people write them: "500M", "2G", "none". */
#ifndef CLI_QUANTITY_H
#define CLI_QUANTITY_H

#include <stdbool.h>
#include <stdint.h>

enum {
    QUANTITY_TEXT_SIZE = 32 /* room for any that is printed */
};

/* A whole number, a unit behind it if it is not one by one (K, M, G, T, P in powers of 1024, in any
   case, "B" or "iB" behind them allowed), or "none", which is 0. A fraction may stand before a
   unit: "1.5G". False: it is none of that, or more than 64 bits hold. */
bool quantity_parse(const char *text, int64_t *quantity);

/* The shortest that is no more than it: "512", "1.5K", "20M". Returns text. */
const char *quantity_print(int64_t quantity, char text[QUANTITY_TEXT_SIZE]);

#endif
