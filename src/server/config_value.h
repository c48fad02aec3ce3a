/* How the values of options are written: 50M, 5min, "127.0.0.1:2525". */
#ifndef SERVER_CONFIG_VALUE_H
#define SERVER_CONFIG_VALUE_H

#include "base/buffer.h"
#include "base/fault.h"
#include "server/config_option.h"

/* A value, as the file has it, or one value of a list: checked, and for numbers, sizes, times and
   words (the index of the word) turned into *number. The fault says what to write instead. */
bool config_value_read(const struct config_option *option, const char *text, int64_t *number,
                       struct fault *fault);

/* What may be written, in words: "a size: bytes, or with K, M, G (1k to 2G)". */
void config_value_describe(const struct config_option *option, struct buffer *out);

#endif
