/* A line is gathered, cleaned and judged; its text joins the reply's. */
#include "smtp/smtp_reply.h"

#include <posthorn/protocol.h>

#include "base/scan.h"

enum {
    CODE_LENGTH = 3,
    ENHANCED_NUMBER_MAX = 999 /* RFC 3463 2: one to three digits */
};

void smtp_reply_init(struct smtp_reply *reply)
{
    *reply = (struct smtp_reply){
        .line = BUFFER(PH_ENGINE_LINE_MAX),
        .text = BUFFER(PH_ENGINE_REPLY_MAX),
    };
}

void smtp_reply_clear(struct smtp_reply *reply)
{
    if (reply == NULL)
        return;
    buffer_clear(&reply->line);
    buffer_clear(&reply->text);
}

void smtp_reply_reset(struct smtp_reply *reply)
{
    buffer_reset(&reply->line);
    buffer_reset(&reply->text);
    reply->code = 0;
    memset(reply->enhanced, 0, sizeof reply->enhanced);
    reply->line_count = 0;
    reply->length = 0;
    reply->is_line_done = false;
    reply->is_done = false;
}

bool smtp_reply_is_begun(const struct smtp_reply *reply)
{
    return !reply->is_done && reply->length > 0;
}

/* What is passed on can be shown on a terminal and put in a line of a log: tabs become blanks,
 * other control characters question marks. */
static void clean(char *line, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)line[i];
        if (c == '\t')
            line[i] = ' ';
        else if (c < ' ' || c == 0x7F)
            line[i] = '?';
    }
}

static bool take_dotted_number(struct scan *scan, unsigned short *number)
{
    uint64_t value;
    if (!scan_take_char(scan, '.') || !scan_take_number(scan, ENHANCED_NUMBER_MAX, &value))
        return false;
    *number = (unsigned short)value;
    return true;
}

/* RFC 2034 4, RFC 3463 2. Returns what stands behind the code, or all of the text when there is
 * none of this class. */
static struct bytes take_enhanced(struct bytes text, int class, unsigned short enhanced[3])
{
    struct scan scan = scan_of(text);
    unsigned short numbers[3];
    int first = scan_take(&scan);
    if (class == 3 || first != '0' + class)
        return text;
    numbers[0] = (unsigned short)class;
    if (!take_dotted_number(&scan, &numbers[1]) || !take_dotted_number(&scan, &numbers[2]))
        return text;
    if (!scan_is_at_end(&scan) && !scan_take_char(&scan, ' '))
        return text;
    memcpy(enhanced, numbers, sizeof numbers);
    return scan_rest(&scan);
}

static bool is_code(const char *line)
{
    return line[0] >= '2' && line[0] <= '5' && line[1] >= '0' && line[1] <= '5' && line[2] >= '0' &&
           line[2] <= '9';
}

/* Judges the line that has just ended; *is_last says whether the reply has, too. */
static bool end_line(struct smtp_reply *reply, bool *is_last, struct fault *fault)
{
    char *memory = reply->line.memory + reply->line.start;
    clean(memory, reply->line.length);
    struct bytes line = buffer_bytes(&reply->line);
    if (line.length < CODE_LENGTH || !is_code(line.data))
        return fault_set(fault, FAULT_SYNTAX, "the server sent \"%.60s\" where a reply must begin",
                         memory);
    int code = (line.data[0] - '0') * 100 + (line.data[1] - '0') * 10 + (line.data[2] - '0');
    char separator = line.length > CODE_LENGTH ? line.data[CODE_LENGTH] : ' ';
    if (separator != ' ' && separator != '-')
        return fault_set(fault, FAULT_SYNTAX, "the server sent \"%.60s\" where a reply must begin",
                         memory);
    if (reply->line_count > 0 && code != reply->code)
        return fault_set(fault, FAULT_SYNTAX,
                         "the lines of one reply differ in their code: %d and %d", reply->code,
                         code);
    if (++reply->line_count > PH_ENGINE_REPLY_LINES_MAX)
        return fault_set(fault, FAULT_LIMIT, "a reply of the server has more than %d lines",
                         PH_ENGINE_REPLY_LINES_MAX);
    reply->code = code;
    struct bytes text = bytes_slice(line, CODE_LENGTH + 1, line.length);
    unsigned short enhanced[3];
    struct bytes rest = take_enhanced(text, code / 100, enhanced);
    if (rest.length != text.length && reply->line_count == 1)
        memcpy(reply->enhanced, enhanced, sizeof enhanced);
    if (reply->line_count > 1)
        buffer_append_char(&reply->text, '\n');
    /* A line without the first line's code begins with its own words: "250-2.0.0 Ok" and "250 2.5.1
     * is our version". */
    bool is_same =
        rest.length != text.length && memcmp(enhanced, reply->enhanced, sizeof enhanced) == 0;
    buffer_append(&reply->text, is_same ? rest : text);
    *is_last = separator == ' ';
    return true;
}

static enum smtp_reply_status out_of_memory(struct fault *fault)
{
    fault_set_memory(fault);
    return SMTP_REPLY_BROKEN;
}

enum smtp_reply_status smtp_reply_read(struct smtp_reply *reply, struct bytes *in,
                                       struct fault *fault)
{
    if (reply->is_done)
        smtp_reply_reset(reply);
    if (reply->is_line_done) {
        buffer_reset(&reply->line);
        reply->is_line_done = false;
    }
    size_t end = bytes_find_char(*in, '\n');
    size_t length = end == BYTES_NOT_FOUND ? in->length : end + 1;
    if (reply->line.length + length > PH_ENGINE_LINE_MAX) {
        fault_set(fault, FAULT_LIMIT, "a line of the server's reply is longer than %d bytes",
                  PH_ENGINE_LINE_MAX);
        return SMTP_REPLY_BROKEN;
    }
    if (reply->length + length > PH_ENGINE_REPLY_MAX) {
        fault_set(fault, FAULT_LIMIT, "a reply of the server is longer than %d bytes",
                  PH_ENGINE_REPLY_MAX);
        return SMTP_REPLY_BROKEN;
    }
    buffer_append(&reply->line, bytes_slice(*in, 0, length));
    reply->length += length;
    *in = bytes_skip(*in, length);
    if (end == BYTES_NOT_FOUND)
        return buffer_is_failed(&reply->line) ? out_of_memory(fault) : SMTP_REPLY_MORE;
    if (buffer_is_failed(&reply->line))
        return out_of_memory(fault);
    size_t line_length = reply->line.length - 1;
    if (line_length > 0 && buffer_bytes(&reply->line).data[line_length - 1] == '\r')
        line_length--;
    buffer_truncate(&reply->line, line_length);
    if (buffer_string(&reply->line) == NULL)
        return out_of_memory(fault);
    reply->is_line_done = true;
    bool is_last = false;
    if (!end_line(reply, &is_last, fault))
        return SMTP_REPLY_BROKEN;
    if (!is_last)
        return buffer_is_failed(&reply->text) ? out_of_memory(fault) : SMTP_REPLY_LINE;
    if (buffer_string(&reply->text) == NULL)
        return out_of_memory(fault);
    reply->is_done = true;
    return SMTP_REPLY_DONE;
}

struct bytes smtp_reply_line(const struct smtp_reply *reply)
{
    return buffer_bytes(&reply->line);
}

struct ph_reply smtp_reply_value(const struct smtp_reply *reply)
{
    struct bytes text = buffer_bytes(&reply->text);
    struct ph_reply value = {.code = reply->code, .text = text.data, .text_length = text.length};
    memcpy(value.enhanced, reply->enhanced, sizeof value.enhanced);
    return value;
}
