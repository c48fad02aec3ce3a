/* Modified UTF-7 is read strictly: what is accepted is what would be written. */
#include "imap/imap_mailbox_name.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/scan.h"
#include "base/utf8.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static bool is_printable(uint32_t c)
{
    return c >= 0x20 && c < 0x7f;
}

/* RFC 9051 5.1: control characters, and the two separators, never stand in a name. */
static bool is_forbidden(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029;
}

static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == ',' ? 63 : -1;
}

/* One run of UTF-16 in base64, behind its "&" and up to its "-". */
struct shift {
    uint32_t bits;
    unsigned bit_count;
    uint32_t high; /* a high surrogate that waits for its other half; 0 = none */
};

static bool take_unit(struct shift *shift, uint32_t unit, struct buffer *out)
{
    if (shift->high != 0) {
        if (unit < 0xdc00 || unit > 0xdfff)
            return false;
        utf8_append(out, 0x10000 + ((shift->high - 0xd800) << 10) + (unit - 0xdc00));
        shift->high = 0;
        return true;
    }
    if (unit >= 0xd800 && unit <= 0xdbff) {
        shift->high = unit;
        return true;
    }
    /* RFC 3501 5.1.3: what can stand for itself is not encoded. */
    if ((unit >= 0xdc00 && unit <= 0xdfff) || is_printable(unit))
        return false;
    utf8_append(out, unit);
    return true;
}

/* *rest begins behind "&" and is left behind "-". */
static bool decode_shift(struct bytes *rest, struct buffer *out)
{
    struct shift shift = {0};
    size_t at = 0;
    for (; at < rest->length && rest->data[at] != '-'; at++) {
        int value = digit_value(rest->data[at]);
        if (value < 0)
            return false;
        shift.bits = shift.bits << 6 | (uint32_t)value;
        shift.bit_count += 6;
        if (shift.bit_count >= 16) {
            shift.bit_count -= 16;
            if (!take_unit(&shift, shift.bits >> shift.bit_count & 0xffff, out))
                return false;
        }
    }
    /* Only the bits that fill the last digit may be left, and they are zero. */
    if (at == rest->length || shift.high != 0 || shift.bit_count >= 6 ||
        (shift.bits & ((1U << shift.bit_count) - 1)) != 0)
        return false;
    *rest = bytes_skip(*rest, at + 1);
    return true;
}

static bool decode_utf7(struct bytes wire, struct buffer *out)
{
    bool was_shift = false; /* two runs that meet would have been one */
    while (wire.length > 0) {
        char c = wire.data[0];
        if (!is_printable((unsigned char)c))
            return false;
        wire = bytes_skip(wire, 1);
        if (c != '&') {
            buffer_append_char(out, c);
            was_shift = false;
        } else if (wire.length > 0 && wire.data[0] == '-') {
            buffer_append_char(out, '&');
            wire = bytes_skip(wire, 1);
            was_shift = false;
        } else {
            if (was_shift || !decode_shift(&wire, out))
                return false;
            was_shift = true;
        }
    }
    return true;
}

static bool has_forbidden(struct bytes name)
{
    uint32_t c;
    while (utf8_next(&name, &c)) {
        if (is_forbidden(c))
            return true;
    }
    return false;
}

static bool begins_with_inbox(struct bytes name)
{
    return bytes_starts_with_ignoring_case(name, BYTES("INBOX")) &&
           (name.length == 5 || name.data[5] == '/');
}

static bool refuse_length(struct fault *fault)
{
    return fault_set(fault, FAULT_LIMIT, "a mailbox name has at most %d bytes",
                     (int)IMAP_MAILBOX_NAME_MAX);
}

bool imap_mailbox_name_decode(struct bytes wire, bool is_utf8, struct buffer *out,
                              struct fault *fault)
{
    size_t start = out->length;
    if (is_utf8 && !utf8_is_valid(wire))
        return fault_set(fault, FAULT_DENIED, "the mailbox name is not UTF-8");
    if (is_utf8) {
        buffer_append(out, wire);
    } else if (!decode_utf7(wire, out)) {
        buffer_truncate(out, start);
        return fault_set(fault, FAULT_DENIED, "the mailbox name is not modified UTF-7");
    }
    struct bytes name = bytes_skip(buffer_bytes(out), start);
    if (name.length > IMAP_MAILBOX_NAME_MAX) {
        buffer_truncate(out, start);
        return refuse_length(fault);
    }
    if (has_forbidden(name)) {
        buffer_truncate(out, start);
        return fault_set(fault, FAULT_DENIED, "the mailbox name has a control character");
    }
    if (begins_with_inbox(name))
        memcpy(out->memory + out->start + start, "INBOX", 5);
    return true;
}

/* Writes UTF-16 digit by digit; the bits that do not fill a digit are kept. */
static void encode_unit(struct shift *shift, uint32_t unit, struct buffer *out)
{
    shift->bits = shift->bits << 16 | unit;
    shift->bit_count += 16;
    while (shift->bit_count >= 6) {
        shift->bit_count -= 6;
        buffer_append_char(out, digits[shift->bits >> shift->bit_count & 63]);
    }
}

static void encode_end(struct shift *shift, struct buffer *out)
{
    if (shift->bit_count > 0)
        buffer_append_char(out, digits[shift->bits << (6 - shift->bit_count) & 63]);
    buffer_append_char(out, '-');
}

static void encode_utf7(struct bytes name, struct buffer *out)
{
    struct shift shift = {0};
    bool is_shifted = false;
    uint32_t c;
    while (utf8_next(&name, &c)) {
        if (is_printable(c)) {
            if (is_shifted)
                encode_end(&shift, out);
            is_shifted = false;
            buffer_append_char(out, (char)c);
            if (c == '&')
                buffer_append_char(out, '-');
            continue;
        }
        if (!is_shifted) {
            buffer_append_char(out, '&');
            shift = (struct shift){0};
            is_shifted = true;
        }
        if (c >= 0x10000) {
            encode_unit(&shift, 0xd800 + ((c - 0x10000) >> 10), out);
            encode_unit(&shift, 0xdc00 + ((c - 0x10000) & 0x3ff), out);
        } else {
            encode_unit(&shift, c, out);
        }
    }
    if (is_shifted)
        encode_end(&shift, out);
}

void imap_mailbox_name_encode(struct bytes name, bool is_utf8, struct buffer *out)
{
    if (is_utf8)
        buffer_append(out, name);
    else
        encode_utf7(name, out);
}

/* RFC 9051 5.1: names are Net-Unicode, which is in normal form C. */
static bool is_composed(struct bytes name, bool *is_known)
{
    utf8proc_uint8_t *composed = NULL;
    *is_known = true;
    if (bytes_is_ascii(name))
        return true;
    utf8proc_ssize_t length =
        utf8proc_map((const utf8proc_uint8_t *)name.data, (utf8proc_ssize_t)name.length, &composed,
                     UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    *is_known = length != UTF8PROC_ERROR_NOMEM;
    bool is_same = length >= 0 && bytes_equal(bytes_of(composed, (size_t)length), name);
    free(composed);
    return is_same;
}

static bool check_levels(struct bytes name, struct fault *fault)
{
    unsigned depth = 0;
    bool has_more = true;
    while (has_more) {
        struct bytes level;
        struct bytes rest;
        has_more = bytes_split(name, '/', &level, &rest);
        name = rest;
        if (level.length == 0)
            return fault_set(fault, FAULT_DENIED, "a mailbox name has no empty level");
        if (level.length > IMAP_MAILBOX_LEVEL_MAX)
            return fault_set(fault, FAULT_LIMIT, "a level of a mailbox name has at most %d bytes",
                             (int)IMAP_MAILBOX_LEVEL_MAX);
        if (++depth > IMAP_MAILBOX_DEPTH_MAX)
            return fault_set(fault, FAULT_LIMIT, "a mailbox name has at most %d levels",
                             (int)IMAP_MAILBOX_DEPTH_MAX);
    }
    return true;
}

bool imap_mailbox_name_check(struct bytes name, struct fault *fault)
{
    bool is_known;
    if (name.length > IMAP_MAILBOX_NAME_MAX)
        return refuse_length(fault);
    if (!utf8_is_valid(name))
        return fault_set(fault, FAULT_DENIED, "the mailbox name is not UTF-8");
    if (has_forbidden(name))
        return fault_set(fault, FAULT_DENIED, "the mailbox name has a control character");
    if (bytes_has_char(name, '*') || bytes_has_char(name, '%'))
        return fault_set(fault, FAULT_DENIED, "a mailbox name has no * and no %%");
    if (!is_composed(name, &is_known))
        return is_known ? fault_set(fault, FAULT_DENIED,
                                    "the mailbox name is not in Unicode's normal form C")
                        : fault_set_memory(fault);
    return check_levels(name, fault);
}

static bool is_wildcard(char c)
{
    return c == '*' || c == '%';
}

/* Which beginnings of a name the pattern so far fits, by their length. */
struct reach {
    struct bytes name;
    size_t inbox; /* so many bytes of the name are capitals that fit small letters too */
    size_t first; /* none below is set */
    bool has[IMAP_MAILBOX_NAME_MAX + 1];
};

static bool is_same(const struct reach *reach, size_t at, char c)
{
    return reach->name.data[at] == c ||
           (at < reach->inbox && reach->name.data[at] == bytes_upper_char(c));
}

static void reach_wildcard(struct reach *reach, bool is_any)
{
    for (size_t i = reach->first; i < reach->name.length; i++) {
        if (reach->has[i] && (is_any || reach->name.data[i] != '/'))
            reach->has[i + 1] = true;
    }
}

/* False: nothing is left. */
static bool reach_char(struct reach *reach, char c)
{
    for (size_t i = reach->name.length; i > reach->first; i--)
        reach->has[i] = reach->has[i - 1] && is_same(reach, i - 1, c);
    reach->has[reach->first] = false;
    while (reach->first <= reach->name.length && !reach->has[reach->first])
        reach->first++;
    return reach->first <= reach->name.length;
}

/* Wildcards that stand together are one. */
static bool reach_end(struct reach *reach, struct bytes pattern)
{
    for (size_t i = 0; i < pattern.length; i++) {
        char c = pattern.data[i];
        if (is_wildcard(c)) {
            bool is_any = c == '*';
            for (; i + 1 < pattern.length && is_wildcard(pattern.data[i + 1]); i++)
                is_any = is_any || pattern.data[i + 1] == '*';
            reach_wildcard(reach, is_any);
        } else if (!reach_char(reach, c)) {
            return false;
        }
    }
    return reach->has[reach->name.length];
}

bool imap_mailbox_name_fits(struct bytes pattern, struct bytes name)
{
    struct reach reach;
    size_t at = 0;
    if (name.length > IMAP_MAILBOX_NAME_MAX)
        return false;
    reach.name = name;
    reach.inbox = begins_with_inbox(name) ? 5 : 0;
    /* What stands before the first wildcard decides most cases. */
    while (at < pattern.length && at < name.length && !is_wildcard(pattern.data[at])) {
        if (!is_same(&reach, at, pattern.data[at]))
            return false;
        at++;
    }
    if (at == pattern.length)
        return at == name.length;
    if (!is_wildcard(pattern.data[at]))
        return false;
    memset(reach.has, 0, name.length + 1);
    reach.has[at] = true;
    reach.first = at;
    return reach_end(&reach, bytes_skip(pattern, at));
}
