/* Lines and options of talks. */
#include "talk_script.h"

#include "base/auto.h"
#include "base/scan.h"

static int take_escape(struct scan *scan)
{
    int c = scan_take(scan);
    int high = c == 'x' ? bytes_hex_value(scan_take(scan)) : 0;
    int low = c == 'x' ? bytes_hex_value(scan_take(scan)) : 0;
    return c == 'r'   ? '\r'
           : c == 'n' ? '\n'
           : c == 't' ? '\t'
           : c == '0' ? '\0'
           : c == 'x' ? (high * 16 + low) & 0xFF
                      : c;
}

/* "quoted" with escapes, repeated by N*, joined by +; what is not so is taken as it stands. */
static void say_expression(struct scan *scan, struct buffer *said)
{
    AUTO(buffer)
    part = BUFFER(TALK_SCRIPT_SAID_MAX);
    do {
        uint64_t times = 1;
        struct scan ahead = *scan;
        if (scan_take_number(&ahead, TALK_SCRIPT_SAID_MAX, &times) && scan_take_char(&ahead, '*'))
            *scan = ahead;
        else
            times = 1;
        buffer_reset(&part);
        scan_take_char(scan, '"');
        while (!scan_is_at_end(scan) && scan_peek(scan) != '"') {
            int c = scan_take(scan);
            buffer_append_char(&part, (char)(c == '\\' ? take_escape(scan) : c));
        }
        for (; times > 0 && part.length > 0; times--) {
            if (said->length + part.length <= TALK_SCRIPT_SAID_MAX)
                buffer_append(said, buffer_bytes(&part));
        }
        scan_take_char(scan, '"');
    } while (scan_take_char(scan, '+'));
}

struct bytes talk_script_text(struct bytes line)
{
    struct bytes text = bytes_slice(line, 2, line.length);
    return bytes_starts_with(text, BYTES(" ")) ? bytes_skip(text, 1) : text;
}

bool talk_script_say(struct bytes line, struct buffer *said)
{
    if (bytes_starts_with(line, BYTES("#")) || bytes_starts_with(line, BYTES("option:")))
        return true;
    if (bytes_starts_with(line, BYTES("C:"))) {
        buffer_append(said, talk_script_text(line));
        buffer_append(said, BYTES("\r\n"));
    } else if (bytes_starts_with(line, BYTES("c:"))) {
        struct scan scan = scan_of(talk_script_text(line));
        say_expression(&scan, said);
    } else if (line.length < 2 || line.data[1] != ':') {
        buffer_append(said, line);
        buffer_append_char(said, '\n');
    } else {
        return false;
    }
    return true;
}

void talk_script_options(struct bytes script, struct buffer *options)
{
    struct bytes line;
    while (script.length > 0) {
        bytes_split(script, '\n', &line, &script);
        if (bytes_starts_with(line, BYTES("option:")))
            buffer_append(options, bytes_skip(line, 7));
    }
}

bool talk_script_has_option(struct bytes options, const char *word)
{
    return bytes_find(options, bytes_from_string(word)) != BYTES_NOT_FOUND;
}

unsigned talk_script_option_number(struct bytes options, const char *key, unsigned most)
{
    uint64_t number = 0;
    size_t index = bytes_find(options, bytes_from_string(key));
    if (index == BYTES_NOT_FOUND)
        return 0;
    struct scan scan = scan_of(bytes_skip(options, index + strlen(key)));
    return scan_take_number(&scan, most, &number) ? (unsigned)number : 0;
}
