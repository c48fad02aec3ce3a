/* Talks (tests/dialogue/README.md) as scripts for fuzzers: read without complaint, whatever became
   of them. */
#ifndef TALK_SCRIPT_H
#define TALK_SCRIPT_H

#include "base/buffer.h"
#include "base/bytes.h"

enum {
    TALK_SCRIPT_SAID_MAX = 200 * 1024 /* bytes of the client at a time: repetitions go no further */
};

/* What a line of the client says is appended: "C: text", "c: expression", and any line that is none
   of a talk, as it stands with its bare LF. False: it is another line of a talk. */
bool talk_script_say(struct bytes line, struct buffer *said);

/* What stands behind the letter, the colon and a blank. */
struct bytes talk_script_text(struct bytes line);

/* The options of all "option:" lines, one behind the other. */
void talk_script_options(struct bytes script, struct buffer *options);
bool talk_script_has_option(struct bytes options, const char *word);
/* The number behind `key=` anywhere in the options, at most `most`; 0 without one. */
unsigned talk_script_option_number(struct bytes options, const char *key, unsigned most);

#endif
