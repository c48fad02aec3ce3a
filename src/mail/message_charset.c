/* The list of charsets, UTF-8 by ourselves, the others by iconv. */
#include "mail/message_charset.h"

#include <errno.h>

#include "base/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

struct known {
    struct bytes name;
    /* For iconv; where people write a name and mean its successor, that. NULL: the entry before. */
    const char *iconv_name;
    bool is_stateful; /* bytes below 128 may be something else than ASCII */
};

#define CHARSET(name, iconv_name)                                                                  \
    {                                                                                              \
        BYTES_INIT(name), iconv_name, false                                                        \
    }
#define ALIAS(name)                                                                                \
    {                                                                                              \
        BYTES_INIT(name), NULL, false                                                              \
    }
#define STATEFUL(name)                                                                             \
    {                                                                                              \
        BYTES_INIT(name), name, true                                                               \
    }

/* UTF-8 and US-ASCII are ours. An alias is not listed to clients. */
static const struct known list[] = {
    CHARSET("US-ASCII", "UTF-8"),
    ALIAS("ASCII"),
    ALIAS("ANSI_X3.4-1968"),
    ALIAS("ISO646-US"),
    ALIAS("646"),
    CHARSET("UTF-8", "UTF-8"),
    ALIAS("UTF8"),
    CHARSET("ISO-8859-1", "ISO-8859-1"),
    ALIAS("ISO8859-1"),
    ALIAS("ISO_8859-1"),
    ALIAS("LATIN1"),
    ALIAS("L1"),
    CHARSET("ISO-8859-2", "ISO-8859-2"),
    ALIAS("ISO8859-2"),
    ALIAS("ISO_8859-2"),
    ALIAS("LATIN2"),
    CHARSET("ISO-8859-3", "ISO-8859-3"),
    ALIAS("ISO8859-3"),
    CHARSET("ISO-8859-4", "ISO-8859-4"),
    ALIAS("ISO8859-4"),
    CHARSET("ISO-8859-5", "ISO-8859-5"),
    ALIAS("ISO8859-5"),
    CHARSET("ISO-8859-6", "ISO-8859-6"),
    ALIAS("ISO8859-6"),
    CHARSET("ISO-8859-7", "ISO-8859-7"),
    ALIAS("ISO8859-7"),
    CHARSET("ISO-8859-8", "ISO-8859-8"),
    ALIAS("ISO8859-8"),
    ALIAS("ISO-8859-8-I"), /* RFC 1556: in logical order, which is all that searching sees */
    CHARSET("ISO-8859-9", "ISO-8859-9"),
    ALIAS("ISO8859-9"),
    ALIAS("LATIN5"),
    CHARSET("ISO-8859-10", "ISO-8859-10"),
    CHARSET("ISO-8859-11", "ISO-8859-11"),
    CHARSET("ISO-8859-13", "ISO-8859-13"),
    CHARSET("ISO-8859-14", "ISO-8859-14"),
    CHARSET("ISO-8859-15", "ISO-8859-15"),
    ALIAS("ISO8859-15"),
    ALIAS("LATIN9"),
    ALIAS("LATIN-9"),
    CHARSET("ISO-8859-16", "ISO-8859-16"),
    CHARSET("WINDOWS-874", "CP874"),
    ALIAS("TIS-620"),
    CHARSET("WINDOWS-1250", "CP1250"),
    ALIAS("CP1250"),
    CHARSET("WINDOWS-1251", "CP1251"),
    ALIAS("CP1251"),
    CHARSET("WINDOWS-1252", "CP1252"),
    ALIAS("CP1252"),
    CHARSET("WINDOWS-1253", "CP1253"),
    ALIAS("CP1253"),
    CHARSET("WINDOWS-1254", "CP1254"),
    ALIAS("CP1254"),
    CHARSET("WINDOWS-1255", "CP1255"),
    ALIAS("CP1255"),
    CHARSET("WINDOWS-1256", "CP1256"),
    ALIAS("CP1256"),
    CHARSET("WINDOWS-1257", "CP1257"),
    ALIAS("CP1257"),
    CHARSET("WINDOWS-1258", "CP1258"),
    ALIAS("CP1258"),
    CHARSET("KOI8-R", "KOI8-R"),
    CHARSET("KOI8-U", "KOI8-U"),
    CHARSET("IBM866", "CP866"),
    ALIAS("CP866"),
    STATEFUL("ISO-2022-JP"),
    STATEFUL("ISO-2022-KR"),
    CHARSET("EUC-JP", "EUC-JP"),
    CHARSET("SHIFT_JIS", "CP932"),
    ALIAS("SHIFT-JIS"),
    ALIAS("SJIS"),
    ALIAS("X-SJIS"),
    ALIAS("WINDOWS-31J"),
    ALIAS("CP932"),
    CHARSET("GB18030", "GB18030"),
    CHARSET("GBK", "GB18030"),
    ALIAS("CP936"),
    CHARSET("GB2312", "GB18030"),
    ALIAS("EUC-CN"),
    CHARSET("BIG5", "BIG5-HKSCS"),
    ALIAS("BIG5-HKSCS"),
    ALIAS("CP950"),
    CHARSET("EUC-KR", "UHC"),
    ALIAS("KS_C_5601-1987"),
    ALIAS("CP949"),
    STATEFUL("UTF-16"),
    STATEFUL("UTF-16BE"),
    STATEFUL("UTF-16LE"),
};

enum {
    LIST_COUNT = sizeof list / sizeof list[0]
};

const char *message_charset_listed(size_t index)
{
    for (size_t i = 0; i < LIST_COUNT; i++) {
        if (list[i].iconv_name != NULL && index-- == 0)
            return list[i].name.data;
    }
    return NULL;
}

/* What an alias stands for. */
static const struct known *find(struct bytes name)
{
    const struct known *entry = NULL;
    for (size_t i = 0; i < LIST_COUNT; i++) {
        if (list[i].iconv_name != NULL)
            entry = &list[i];
        if (bytes_equal_ignoring_case(list[i].name, name))
            return entry;
    }
    return NULL;
}

bool message_charset_is_known(struct bytes name)
{
    return find(name) != NULL;
}

void message_charset_clear(struct message_charset *charset)
{
    if (charset->opened != NULL)
        iconv_close(charset->handle);
    charset->opened = NULL;
}

bool message_charset_begin(struct message_charset *charset, struct bytes name)
{
    const struct known *known = name.length == 0 ? find(BYTES("UTF-8")) : find(name);
    if (known == NULL)
        return false;
    charset->held_count = 0;
    charset->is_like_ascii = !known->is_stateful;
    charset->is_utf8 = strcmp(known->iconv_name, "UTF-8") == 0;
    if (charset->is_utf8)
        return true;
    if (charset->opened != NULL && strcmp(charset->opened, known->iconv_name) == 0) {
        iconv(charset->handle, NULL, NULL, NULL, NULL);
        return true;
    }
    message_charset_clear(charset);
    charset->handle = iconv_open("UTF-8", known->iconv_name);
    if (charset->handle == (iconv_t)-1)
        return false;
    charset->opened = known->iconv_name;
    return true;
}

static void hold(struct message_charset *charset, struct bytes rest)
{
    memcpy(charset->held, rest.data, rest.length);
    charset->held_count = rest.length;
}

bool message_charset_is_cut_off(struct bytes rest)
{
    unsigned char first = (unsigned char)rest.data[0];
    size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || rest.length >= length)
        return false;
    if (rest.length == 1)
        return true;
    unsigned char second = (unsigned char)rest.data[1];
    if ((second & 0xc0) != 0x80 || (first == 0xe0 && second < 0xa0) ||
        (first == 0xed && second > 0x9f) || (first == 0xf0 && second < 0x90) ||
        (first == 0xf4 && second > 0x8f))
        return false;
    return rest.length == 2 || ((unsigned char)rest.data[2] & 0xc0) == 0x80;
}

static void feed_utf8(struct message_charset *charset, struct bytes in, struct buffer *out)
{
    while (in.length > 0) {
        struct bytes rest = in;
        uint32_t code_point;
        while (utf8_next(&rest, &code_point))
            ;
        buffer_append(out, bytes_slice(in, 0, in.length - rest.length));
        in = rest;
        if (in.length == 0)
            return;
        if (message_charset_is_cut_off(in)) {
            hold(charset, in);
            return;
        }
        buffer_append_string(out, REPLACEMENT);
        in = bytes_skip(in, 1);
    }
}

static void feed_iconv(struct message_charset *charset, struct bytes in, struct buffer *out)
{
    enum {
        STEP = 1024
    };
    while (in.length > 0 && !buffer_is_failed(out)) {
        char *from = (char *)in.data;
        size_t from_left = in.length;
        char *to = buffer_reserve(out, STEP);
        size_t to_left = STEP;
        if (to == NULL)
            return;
        size_t result = iconv(charset->handle, &from, &from_left, &to, &to_left);
        int error = result == (size_t)-1 ? errno : 0;
        buffer_commit(out, STEP - to_left);
        in = bytes_skip(in, in.length - from_left);
        if (error == EINVAL && in.length <= MESSAGE_CHARSET_HELD_MAX) {
            hold(charset, in);
            return;
        }
        if (error == EILSEQ || error == EINVAL) {
            buffer_append_string(out, REPLACEMENT);
            in = bytes_skip(in, 1);
        }
    }
}

static void feed(struct message_charset *charset, struct bytes in, struct buffer *out)
{
    if (charset->is_utf8)
        feed_utf8(charset, in, out);
    else
        feed_iconv(charset, in, out);
}

void message_charset_feed(struct message_charset *charset, struct bytes in, struct buffer *out)
{
    /* Byte by byte until what was held is a character, or is none. */
    while (charset->held_count > 0 && in.length > 0) {
        char joined[MESSAGE_CHARSET_HELD_MAX + 1];
        struct bytes text = {joined, charset->held_count + 1};
        memcpy(joined, charset->held, charset->held_count);
        joined[charset->held_count] = in.data[0];
        in = bytes_skip(in, 1);
        charset->held_count = 0;
        feed(charset, text, out);
    }
    if (in.length > 0)
        feed(charset, in, out);
}

void message_charset_finish(struct message_charset *charset, struct buffer *out)
{
    if (charset->held_count > 0)
        buffer_append_string(out, REPLACEMENT);
    charset->held_count = 0;
}
