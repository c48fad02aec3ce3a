/* Folding, one character after another; utf8proc knows the tables. */
#include "mail/message_fold.h"

#include <utf8proc.h>

#include "base/utf8.h"

enum {
    REPLACEMENT = 0xfffd,
    PARTS_MAX = 32 /* characters that one is taken apart into: 18 in Unicode */
};

static const utf8proc_option_t options =
    UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE;

static int class_of(int32_t mark)
{
    return utf8proc_get_property(mark)->combining_class;
}

/* In canonical order: marks of one class stay as they came. */
static void put_marks(struct message_fold *fold, struct buffer *out)
{
    for (size_t i = 1; i < fold->mark_count; i++) {
        int32_t mark = fold->marks[i];
        size_t place = i;
        for (; place > 0 && class_of(fold->marks[place - 1]) > class_of(mark); place--)
            fold->marks[place] = fold->marks[place - 1];
        fold->marks[place] = mark;
    }
    for (size_t i = 0; i < fold->mark_count; i++)
        utf8_append(out, (uint32_t)fold->marks[i]);
    fold->mark_count = 0;
}

static void put(struct message_fold *fold, uint32_t code_point, struct buffer *out)
{
    utf8proc_int32_t parts[PARTS_MAX];
    int last_class = 0;
    utf8proc_ssize_t count = utf8proc_decompose_char((utf8proc_int32_t)code_point, parts, PARTS_MAX,
                                                     options, &last_class);
    for (utf8proc_ssize_t i = 0; i < count && i < PARTS_MAX; i++) {
        if (class_of(parts[i]) == 0) {
            put_marks(fold, out);
            utf8_append(out, (uint32_t)parts[i]);
            continue;
        }
        if (fold->mark_count == MESSAGE_FOLD_MARKS_MAX)
            put_marks(fold, out);
        fold->marks[fold->mark_count++] = parts[i];
    }
}

/* ASCII is never a mark. */
static void put_ascii(struct message_fold *fold, struct bytes text, struct buffer *out)
{
    put_marks(fold, out);
    char *end = buffer_reserve(out, text.length);
    if (end == NULL)
        return;
    for (size_t i = 0; i < text.length; i++)
        end[i] = bytes_lower_char(text.data[i]);
    buffer_commit(out, text.length);
}

static void feed(struct message_fold *fold, struct bytes in, struct buffer *out)
{
    while (in.length > 0) {
        size_t ascii = 0;
        while (ascii < in.length && (unsigned char)in.data[ascii] < 0x80)
            ascii++;
        if (ascii > 0)
            put_ascii(fold, bytes_slice(in, 0, ascii), out);
        in = bytes_skip(in, ascii);
        uint32_t code_point;
        if (in.length == 0)
            return;
        if (!utf8_next(&in, &code_point)) {
            if (message_charset_is_cut_off(in)) {
                memcpy(fold->held, in.data, in.length);
                fold->held_count = in.length;
                return;
            }
            code_point = REPLACEMENT;
            in = bytes_skip(in, 1);
        }
        put(fold, code_point, out);
    }
}

void message_fold_feed(struct message_fold *fold, struct bytes in, struct buffer *out)
{
    while (fold->held_count > 0 && in.length > 0) {
        char joined[sizeof fold->held + 1];
        struct bytes text = {joined, fold->held_count + 1};
        memcpy(joined, fold->held, fold->held_count);
        joined[fold->held_count] = in.data[0];
        in = bytes_skip(in, 1);
        fold->held_count = 0;
        feed(fold, text, out);
    }
    if (in.length > 0)
        feed(fold, in, out);
}

void message_fold_finish(struct message_fold *fold, struct buffer *out)
{
    if (fold->held_count > 0)
        put(fold, REPLACEMENT, out);
    fold->held_count = 0;
    put_marks(fold, out);
}
