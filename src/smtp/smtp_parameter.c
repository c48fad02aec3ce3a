/* One walk over the argument: the word before the colon, the path between its brackets, then each
 * parameter by the table of its verb. */
#include "smtp/smtp_parameter.h"

#include "base/scan.h"
#include "base/utf8.h"
#include "mail/address.h"
#include "mail/domain.h"

/* What the verbs share: where the reader is, what it fills, and what went wrong. */
struct reader {
    struct scan scan;
    struct smtp_server_event *event;
    struct smtp_server_reply *refusal;
};

static bool refuse(struct reader *reader, int code, const char *enhanced, const char *text)
{
    *reader->refusal = (struct smtp_server_reply){code, enhanced, text};
    return false;
}

/* ---- paths ---- */

/* Moves behind the '>' that ends the path: one within quotes does not. */
static bool take_brackets(struct scan *scan, struct bytes *path)
{
    struct scan ahead = *scan;
    bool is_quoted = false;
    if (!scan_take_char(&ahead, '<'))
        return false;
    const char *start = ahead.position;
    for (;;) {
        int c = scan_take(&ahead);
        if (c < 0)
            return false;
        if (c == '>' && !is_quoted)
            break;
        if (c == '"')
            is_quoted = !is_quoted;
        else if (c == '\\' && is_quoted)
            scan_take(&ahead);
    }
    *path = bytes_of(start, (size_t)(ahead.position - 1 - start));
    *scan = ahead;
    return true;
}

/* RFC 5321 4.1.1.3, F.2: "@a,@b:" in front is read and ignored. False: it begins as a route and is
   none. */
static bool drop_route(struct bytes *path)
{
    struct scan scan = scan_of(*path);
    if (scan_peek(&scan) != '@')
        return true;
    do {
        if (!scan_take_char(&scan, '@'))
            return false;
        const char *start = scan.position;
        while (!scan_is_at_end(&scan) && scan_peek(&scan) != ',' && scan_peek(&scan) != ':')
            scan_take(&scan);
        if (!domain_is_valid(bytes_of(start, (size_t)(scan.position - start))))
            return false;
    } while (scan_take_char(&scan, ','));
    /* Behind a route stands a mailbox, never the null path. */
    if (!scan_take_char(&scan, ':') || scan_is_at_end(&scan))
        return false;
    *path = scan_rest(&scan);
    return true;
}

/* "FROM:" or "TO:", then the path, a blank between them forgiven. */
static bool read_path(struct reader *reader, struct bytes word, const char *enhanced)
{
    struct bytes path;
    if (!scan_take_literal_ignoring_case(&reader->scan, word))
        return refuse(reader, 501, "5.5.4", "MAIL FROM:<address> or RCPT TO:<address> is wanted");
    scan_take_while(&reader->scan, &scan_blanks);
    if (!take_brackets(&reader->scan, &path))
        return refuse(reader, 501, enhanced, "The address must stand between < and >");
    if (!scan_is_at_end(&reader->scan) && scan_peek(&reader->scan) != ' ')
        return refuse(reader, 501, "5.5.4", "A blank is missing behind >");
    if (!drop_route(&path))
        return refuse(reader, 501, enhanced, "The source route cannot be read");
    reader->event->address = path;
    return true;
}

/* RFC 6531 3.5: an address beyond ASCII only where SMTPUTF8 was said. */
static bool check_address(struct reader *reader, bool is_utf8, const char *enhanced)
{
    struct bytes text = reader->event->address;
    struct address address;
    if (!is_utf8 && !bytes_is_ascii(text))
        return refuse(reader, 553, "5.6.7", "The address needs SMTPUTF8");
    if (!address_parse(text, &address, NULL))
        return refuse(reader, 501, enhanced, "The address cannot be read");
    return true;
}

/* ---- values ---- */

typedef bool read_value(struct reader *reader, struct bytes value);

struct parameter {
    struct bytes keyword;
    read_value *read;
    bool may_be_bare; /* "KEY" without "=value" */
};

static bool refuse_value(struct reader *reader)
{
    return refuse(reader, 501, "5.5.4", "The value of a parameter cannot be read");
}

/* RFC 3461 4: printable ASCII without "+" and "=", and "+" with two upper-case hex digits. */
static bool is_xtext(struct bytes text)
{
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        if (c < '!' || c > '~' || c == '=')
            return false;
        if (c != '+')
            continue;
        if (text.length - i < 3)
            return false;
        for (int digit = 0; digit < 2; digit++) {
            c = text.data[++i];
            if (bytes_hex_value(c) < 0 || (c >= 'a' && c <= 'f'))
                return false;
        }
    }
    return true;
}

/* RFC 1870 6.1: at most 20 digits; what is beyond 64 bits is too large whatever the limit. */
static bool read_size(struct reader *reader, struct bytes value)
{
    struct scan scan = scan_of(value);
    struct bytes digits = scan_take_while(&scan, &scan_digits);
    if (digits.length == 0 || digits.length > 20 || !scan_is_at_end(&scan))
        return refuse_value(reader);
    scan = scan_of(value);
    reader->event->has_size = true;
    if (!scan_take_number(&scan, UINT64_MAX, &reader->event->size))
        reader->event->size = UINT64_MAX;
    return true;
}

/* RFC 6152 2, RFC 3030 3. */
static bool read_body(struct reader *reader, struct bytes value)
{
    if (bytes_equal_ignoring_case(value, BYTES("7BIT")))
        reader->event->body = SMTP_SERVER_7BIT;
    else if (bytes_equal_ignoring_case(value, BYTES("8BITMIME")))
        reader->event->body = SMTP_SERVER_8BIT;
    else if (bytes_equal_ignoring_case(value, BYTES("BINARYMIME")))
        reader->event->body = SMTP_SERVER_BINARY;
    else
        return refuse_value(reader);
    return true;
}

/* RFC 6531 3.4: no value. */
static bool read_smtputf8(struct reader *reader, struct bytes value)
{
    if (value.length > 0)
        return refuse_value(reader);
    reader->event->is_utf8 = true;
    return true;
}

/* RFC 3461 4.3. */
static bool read_ret(struct reader *reader, struct bytes value)
{
    if (bytes_equal_ignoring_case(value, BYTES("FULL")))
        reader->event->return_content = PH_RETURN_FULL;
    else if (bytes_equal_ignoring_case(value, BYTES("HDRS")))
        reader->event->return_content = PH_RETURN_HEADERS;
    else
        return refuse_value(reader);
    return true;
}

/* RFC 3461 4.4. */
static bool read_envid(struct reader *reader, struct bytes value)
{
    if (value.length > SMTP_PARAMETER_ENVELOPE_ID_MAX || !is_xtext(value))
        return refuse_value(reader);
    reader->event->envelope_id = value;
    return true;
}

/* RFC 4954 5: said by whom nobody here has reason to trust, so it counts as AUTH=<>. */
static bool read_auth(struct reader *reader, struct bytes value)
{
    return bytes_equal(value, BYTES("<>")) || is_xtext(value) ? true : refuse_value(reader);
}

/* RFC 3461 4.1. */
static bool read_notify(struct reader *reader, struct bytes value)
{
    static const struct {
        struct bytes name;
        unsigned bit;
    } wishes[] = {{BYTES_INIT("NEVER"), PH_NOTIFY_NEVER},
                  {BYTES_INIT("SUCCESS"), PH_NOTIFY_SUCCESS},
                  {BYTES_INIT("FAILURE"), PH_NOTIFY_FAILURE},
                  {BYTES_INIT("DELAY"), PH_NOTIFY_DELAY}};
    unsigned notify = 0;
    bool is_more = true;
    while (is_more) {
        struct bytes name;
        unsigned bit = 0;
        is_more = bytes_split(value, ',', &name, &value);
        for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++)
            bit |= bytes_equal_ignoring_case(name, wishes[i].name) ? wishes[i].bit : 0;
        if (bit == 0)
            return refuse_value(reader);
        notify |= bit;
    }
    if ((notify & PH_NOTIFY_NEVER) != 0 && notify != PH_NOTIFY_NEVER)
        return refuse_value(reader);
    reader->event->notify = notify;
    return true;
}

/* RFC 3461 4.2; RFC 6533 3 for the type utf-8, whose text has backslashes and braces of its own. */
static bool read_orcpt(struct reader *reader, struct bytes value)
{
    struct bytes type;
    struct bytes text;
    if (value.length > SMTP_PARAMETER_ORIGINAL_RECIPIENT_MAX ||
        !bytes_split(value, ';', &type, &text) || type.length == 0 || text.length == 0)
        return refuse_value(reader);
    bool is_utf8 = bytes_equal_ignoring_case(type, BYTES("utf-8"));
    if (!bytes_is_ascii(type) || (!is_utf8 && !is_xtext(text)))
        return refuse_value(reader);
    reader->event->original_recipient = value;
    return true;
}

/* ---- the tables ---- */

enum {
    PARAMETERS_MAX = 8 /* of a table */
};

static const struct parameter mail_parameters[] = {
    {BYTES_INIT("SIZE"), read_size, false},        {BYTES_INIT("BODY"), read_body, false},
    {BYTES_INIT("SMTPUTF8"), read_smtputf8, true}, {BYTES_INIT("RET"), read_ret, false},
    {BYTES_INIT("ENVID"), read_envid, false},      {BYTES_INIT("AUTH"), read_auth, false},
};

static const struct parameter rcpt_parameters[] = {
    {BYTES_INIT("NOTIFY"), read_notify, false},
    {BYTES_INIT("ORCPT"), read_orcpt, false},
};

static const struct scan_class keyword_characters = {
    .has = {['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['-'] = true}};

/* esmtp-value, with UTF-8 as RFC 6531 3.3 adds it. */
static const struct scan_class value_characters = {
    .has = {['!' ... '<'] = true, ['>' ... '~'] = true, [0x80 ... 0xFF] = true}};

/* One "KEY" or "KEY=value". */
static bool read_parameter(struct reader *reader, const struct parameter *table, size_t count,
                           bool *is_seen)
{
    struct bytes keyword = scan_take_while(&reader->scan, &keyword_characters);
    bool has_value = scan_take_char(&reader->scan, '=');
    struct bytes value = {"", 0};
    if (has_value)
        value = scan_take_while(&reader->scan, &value_characters);
    if (keyword.length == 0 || keyword.data[0] == '-' || (has_value && value.length == 0) ||
        (!scan_is_at_end(&reader->scan) && scan_peek(&reader->scan) != ' ') ||
        !utf8_is_valid(value))
        return refuse(reader, 501, "5.5.4", "A parameter cannot be read");
    for (size_t i = 0; i < count; i++) {
        if (!bytes_equal_ignoring_case(keyword, table[i].keyword))
            continue;
        if (is_seen[i])
            return refuse(reader, 501, "5.5.4", "A parameter is said twice");
        is_seen[i] = true;
        return has_value || table[i].may_be_bare ? table[i].read(reader, value)
                                                 : refuse_value(reader);
    }
    return refuse(reader, 555, "5.5.4", "A parameter is not known");
}

static bool read_parameters(struct reader *reader, const struct parameter *table, size_t count)
{
    bool is_seen[PARAMETERS_MAX] = {false};
    assert(count <= PARAMETERS_MAX);
    for (;;) {
        scan_take_while(&reader->scan, &scan_blanks);
        if (scan_is_at_end(&reader->scan))
            return true;
        if (!read_parameter(reader, table, count, is_seen))
            return false;
    }
}

/* ---- the verbs ---- */

bool smtp_parameter_read_mail(struct bytes argument, struct smtp_server_event *event,
                              struct smtp_server_reply *refusal)
{
    struct reader reader = {scan_of(argument), event, refusal};
    return read_path(&reader, BYTES("FROM:"), "5.1.7") &&
           read_parameters(&reader, mail_parameters,
                           sizeof mail_parameters / sizeof mail_parameters[0]) &&
           (event->address.length == 0 || check_address(&reader, event->is_utf8, "5.1.7"));
}

bool smtp_parameter_read_rcpt(struct bytes argument, bool is_utf8, struct smtp_server_event *event,
                              struct smtp_server_reply *refusal)
{
    struct reader reader = {scan_of(argument), event, refusal};
    return read_path(&reader, BYTES("TO:"), "5.1.3") &&
           read_parameters(&reader, rcpt_parameters,
                           sizeof rcpt_parameters / sizeof rcpt_parameters[0]) &&
           (address_is_bare_postmaster(event->address) || check_address(&reader, is_utf8, "5.1.3"));
}

/* ---- what xtext says ---- */

/* "+2B" or "\x{E9}" at the front of `text`; both were checked when they came, but for their sense.
 */
static bool take_escape(struct bytes *text, uint32_t *code_point)
{
    bool is_braced = bytes_starts_with(*text, BYTES("\\x{"));
    size_t start = is_braced ? 3 : 1;
    size_t end = is_braced ? bytes_find_char(*text, '}') : start + 2;
    if (end == BYTES_NOT_FOUND || end > text->length || end - start > 6 || end == start)
        return false;
    *code_point = 0;
    for (size_t i = start; i < end; i++) {
        int digit = bytes_hex_value((unsigned char)text->data[i]);
        if (digit < 0)
            return false;
        *code_point = *code_point << 4 | (uint32_t)digit;
    }
    *text = bytes_skip(*text, end + (is_braced ? 1 : 0));
    return true;
}

bool smtp_parameter_decode(struct bytes text, struct buffer *out)
{
    size_t start = out->length;
    while (text.length > 0) {
        if (text.data[0] == '+' || bytes_starts_with(text, BYTES("\\x{"))) {
            bool is_byte = text.data[0] == '+';
            uint32_t code_point;
            if (!take_escape(&text, &code_point))
                return false;
            if (is_byte)
                buffer_append_char(out, (char)code_point);
            else
                utf8_append(out, code_point);
        } else {
            buffer_append_char(out, text.data[0]);
            text = bytes_skip(text, 1);
        }
    }
    struct bytes decoded = bytes_skip(buffer_bytes(out), start);
    return !buffer_is_failed(out) && !bytes_has_control(decoded) && utf8_is_valid(decoded);
}
