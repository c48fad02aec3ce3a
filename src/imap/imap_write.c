/* Strings, numbers, dates and flags of responses, formatted by hand. */
#include "imap/imap_write.h"

#include "base/utf8.h"
#include "imap/imap_mailbox_name.h"
#include "imap/imap_object_id.h"
#include "mail/date.h"

enum {
    NUMBER_MAX = 20,  /* digits */
    LITERAL_REST = 8, /* bytes of a literal's head but for its number */
    DATE_LENGTH = 28, /* "17-Jul-1996 02:44:25 -0700" and its quotes */
    NUL_SUBSTITUTE = 0x80
};

/* ---- numbers ---- */

/* Two digits at a time. */
static const char pairs[200] =
    "00010203040506070809101112131415161718192021222324252627282930313233"
    "34353637383940414243444546474849505152535455565758596061626364656667"
    "6869707172737475767778798081828384858687888990919293949596979899";

static char *put_number(char *end, uint64_t number)
{
    char digits[NUMBER_MAX];
    size_t first = sizeof digits;
    while (number >= 100) {
        first -= 2;
        memcpy(digits + first, pairs + number % 100 * 2, 2);
        number /= 100;
    }
    if (number >= 10) {
        first -= 2;
        memcpy(digits + first, pairs + number * 2, 2);
    } else {
        digits[--first] = (char)('0' + number);
    }
    memcpy(end, digits + first, sizeof digits - first);
    return end + (sizeof digits - first);
}

void imap_write_number(struct buffer *out, uint64_t number)
{
    char *start = buffer_reserve(out, NUMBER_MAX);
    if (start != NULL)
        buffer_commit(out, (size_t)(put_number(start, number) - start));
}

/* ---- strings ---- */

/* What a byte asks of a string that has it. */
enum demand {
    NOTHING = 0,
    ESCAPE = 1, /* a backslash before it */
    EIGHT = 2,  /* not ASCII: a literal, or valid UTF-8 */
    LITERAL = 4,
    NUL = 8
};

static const unsigned char demands[256] = {
    [0] = LITERAL | NUL, ['\r'] = LITERAL, ['\n'] = LITERAL,
    ['"'] = ESCAPE,      ['\\'] = ESCAPE,  [128 ... 255] = EIGHT,
};

static unsigned demands_of(struct bytes text)
{
    unsigned found = 0;
    for (size_t i = 0; i < text.length; i++)
        found |= demands[(unsigned char)text.data[i]];
    return found;
}

static void write_head(struct buffer *out, const char *open, uint64_t size)
{
    size_t length = strlen(open);
    char *start = buffer_reserve(out, NUMBER_MAX + LITERAL_REST);
    if (start == NULL)
        return;
    memcpy(start, open, length);
    char *end = put_number(start + length, size);
    memcpy(end, "}\r\n", 3);
    buffer_commit(out, (size_t)(end + 3 - start));
}

void imap_write_literal_head(struct buffer *out, uint64_t size)
{
    write_head(out, "{", size);
}

void imap_write_literal8_head(struct buffer *out, uint64_t size)
{
    write_head(out, "~{", size);
}

static void write_literal(struct buffer *out, struct bytes text, bool has_nul)
{
    imap_write_literal_head(out, text.length);
    size_t start = out->length;
    buffer_append(out, text);
    if (has_nul && !buffer_is_failed(out))
        imap_write_without_nul(out, start);
}

static void write_quoted(struct buffer *out, struct bytes text, bool has_escapes)
{
    char *start = buffer_reserve(out, text.length * (has_escapes ? 2 : 1) + 2);
    if (start == NULL)
        return;
    char *end = start;
    *end++ = '"';
    if (!has_escapes && text.length > 0) {
        memcpy(end, text.data, text.length);
        end += text.length;
    }
    for (size_t i = 0; has_escapes && i < text.length; i++) {
        if (demands[(unsigned char)text.data[i]] == ESCAPE)
            *end++ = '\\';
        *end++ = text.data[i];
    }
    *end++ = '"';
    buffer_commit(out, (size_t)(end - start));
}

void imap_write_string(struct buffer *out, struct bytes text, bool is_utf8)
{
    unsigned found = demands_of(text);
    if ((found & LITERAL) != 0 || text.length > IMAP_WRITE_QUOTED_MAX ||
        ((found & EIGHT) != 0 && (!is_utf8 || !utf8_is_valid(text))))
        write_literal(out, text, (found & NUL) != 0);
    else
        write_quoted(out, text, (found & ESCAPE) != 0);
}

void imap_write_nstring(struct buffer *out, struct bytes text, bool is_utf8)
{
    if (text.data == NULL)
        buffer_append(out, BYTES("NIL"));
    else
        imap_write_string(out, text, is_utf8);
}

void imap_write_without_nul(struct buffer *out, size_t start)
{
    assert(start <= out->length);
    char *at = out->memory == NULL ? NULL : out->memory + out->start + start;
    char *end = at == NULL ? NULL : at + (out->length - start);
    while (at < end && (at = memchr(at, '\0', (size_t)(end - at))) != NULL)
        *at++ = (char)NUL_SUBSTITUTE;
}

/* RFC 9051 9, ASTRING-CHAR. */
static bool is_atom(struct bytes text)
{
    static const bool is_special[256] = {
        [0 ... ' '] = true, ['"'] = true,  ['%'] = true, ['('] = true,         [')'] = true,
        ['*'] = true,       ['\\'] = true, ['{'] = true, [127 ... 255] = true,
    };
    for (size_t i = 0; i < text.length; i++) {
        if (is_special[(unsigned char)text.data[i]])
            return false;
    }
    /* As an atom it would be taken for nothing. */
    return text.length > 0 && text.length <= IMAP_WRITE_QUOTED_MAX &&
           !bytes_equal_ignoring_case(text, BYTES("NIL"));
}

void imap_write_astring(struct buffer *out, struct bytes text, bool is_utf8)
{
    if (is_atom(text))
        buffer_append(out, text);
    else
        imap_write_string(out, text, is_utf8);
}

void imap_write_mailbox(struct buffer *out, struct bytes name, bool is_utf8)
{
    AUTO(buffer)
    wire = BUFFER(IMAP_WRITE_MAILBOX_MAX);
    imap_mailbox_name_encode(name, is_utf8, &wire);
    if (buffer_is_failed(&wire))
        buffer_fail(out);
    else
        imap_write_astring(out, buffer_bytes(&wire), is_utf8);
}

/* ---- dates ---- */

static char *put_pair(char *end, unsigned number)
{
    memcpy(end, pairs + number * 2, 2);
    return end + 2;
}

void imap_write_date(struct buffer *out, int64_t microseconds)
{
    int64_t seconds = microseconds / 1000000 - (microseconds % 1000000 < 0);
    if (seconds < DATE_SECONDS_MIN)
        seconds = DATE_SECONDS_MIN;
    if (seconds > DATE_SECONDS_MAX)
        seconds = DATE_SECONDS_MAX;
    int64_t days = seconds / 86400 - (seconds % 86400 < 0);
    unsigned time = (unsigned)(seconds - days * 86400);
    struct date_civil date = date_civil_from_days(days);
    char *end = buffer_reserve(out, DATE_LENGTH);
    if (end == NULL)
        return;
    *end++ = '"';
    end = put_pair(end, (unsigned)date.day);
    *end++ = '-';
    memcpy(end, date_months[date.month - 1], 3);
    end += 3;
    *end++ = '-';
    end = put_pair(end, (unsigned)(date.year / 100));
    end = put_pair(end, (unsigned)(date.year % 100));
    *end++ = ' ';
    end = put_pair(end, time / 3600);
    *end++ = ':';
    end = put_pair(end, time / 60 % 60);
    *end++ = ':';
    end = put_pair(end, time % 60);
    memcpy(end, " +0000\"", 7);
    buffer_commit(out, DATE_LENGTH);
}

/* ---- flags ---- */

static const struct {
    uint64_t bit;
    struct bytes name;
} system_flags[] = {
    {1, BYTES_INIT("\\Seen")},    {2, BYTES_INIT("\\Answered")}, {4, BYTES_INIT("\\Flagged")},
    {8, BYTES_INIT("\\Deleted")}, {16, BYTES_INIT("\\Draft")},
};

/* With a blank in front. */
static char *put_word(char *end, struct bytes word)
{
    *end++ = ' ';
    memcpy(end, word.data, word.length);
    return end + word.length;
}

static void write_keywords(struct buffer *out, uint64_t bits, const struct bytes *keywords,
                           size_t keyword_count)
{
    while (bits != 0) {
        unsigned bit = (unsigned)__builtin_ctzll(bits);
        bits &= bits - 1;
        if (bit >= keyword_count || keywords[bit].length == 0)
            continue;
        buffer_append_char(out, ' ');
        buffer_append(out, keywords[bit]);
    }
}

void imap_write_flags(struct buffer *out, uint64_t flags, bool is_recent,
                      const struct bytes *keywords, size_t keyword_count)
{
    enum {
        SYSTEM_MAX = 64 /* bytes of all system flags */
    };
    char *start = buffer_reserve(out, SYSTEM_MAX);
    if (start == NULL)
        return;
    char *end = start;
    for (size_t i = 0; (flags & 31) != 0 && i < sizeof system_flags / sizeof *system_flags; i++) {
        if ((flags & system_flags[i].bit) != 0)
            end = put_word(end, system_flags[i].name);
    }
    if (is_recent)
        end = put_word(end, BYTES("\\Recent"));
    size_t before = out->length;
    buffer_commit(out, (size_t)(end - start));
    write_keywords(out, flags >> IMAP_WRITE_KEYWORD_FIRST, keywords, keyword_count);
    /* The blank before the first becomes the parenthesis. */
    if (out->length == before)
        buffer_append_char(out, '(');
    else
        out->memory[out->start + before] = '(';
    buffer_append_char(out, ')');
}

/* ---- object ids ---- */

void imap_write_object_id(struct buffer *out, char kind, int64_t id)
{
    static const char digits[] = "0123456789abcdef";
    char *end = buffer_reserve(out, 1 + IMAP_OBJECT_ID_DIGITS);
    if (end == NULL)
        return;
    *end++ = kind;
    for (unsigned shift = 64; shift > 0; shift -= 4)
        *end++ = digits[(uint64_t)id >> (shift - 4) & 15];
    buffer_commit(out, 1 + IMAP_OBJECT_ID_DIGITS);
}
