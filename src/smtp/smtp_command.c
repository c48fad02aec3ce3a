/* Each builder writes behind what is in the buffer, then the line is judged as a whole. */
#include "smtp/smtp_command.h"

#include <posthorn/protocol.h>

#include "base/scan.h"
#include "base/utf8.h"
#include "mail/address.h"

enum {
    ENVELOPE_ID_MAX = 100,          /* RFC 3461 4.4: bytes, encoded */
    ORIGINAL_RECIPIENT_MAX = 500,   /* RFC 3461 4.2: bytes, encoded */
    AUTHENTICATED_SENDER_MAX = 500, /* RFC 4954 3: bytes that AUTH= adds to MAIL */
    BY_TIME_MAX = 999999999,        /* RFC 2852 4: nine digits */
    HOLD_FOR_MAX = 999999999,       /* RFC 4865 5: nine digits */
    HOLD_UNTIL_MAX = 64,            /* bytes; a date-time with nanoseconds has half as many */
    PRIORITY_MAX = 9                /* RFC 6710 4: and down to minus as much */
};

static const struct scan_class keyword_characters = {
    .has = {['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['-'] = true}};

/* RFC 5321 4.1.2 esmtp-value, with the UTF-8 of RFC 6531 3.3. */
static const struct scan_class value_characters = {
    .has = {['!' ... '<'] = true, ['>' ... '~'] = true, [0x80 ... 0xFF] = true}};

/* RFC 3461 4 xtext, RFC 6533 3 QCHAR: what stands for itself. */
static const struct scan_class xtext_characters = {
    .has = {['!' ... '*'] = true, [',' ... '<'] = true, ['>' ... '~'] = true}};

static bool refuse_length(size_t length, struct fault *fault)
{
    return fault_set(fault, FAULT_LIMIT, "a command of %zu bytes is longer than %d", length,
                     PH_ENGINE_COMMAND_MAX);
}

/* Ends the line that began at `start`, or takes it back. */
static bool end_line(struct buffer *out, size_t start, struct fault *fault)
{
    if (buffer_is_failed(out))
        return true;
    struct bytes line = bytes_skip(buffer_bytes(out), start);
    if (bytes_has_control(line)) {
        buffer_truncate(out, start);
        return fault_set(fault, FAULT_SYNTAX, "a command may not hold control characters");
    }
    if (line.length + 2 > PH_ENGINE_COMMAND_MAX) {
        refuse_length(line.length + 2, fault);
        buffer_truncate(out, start);
        return false;
    }
    buffer_append(out, BYTES("\r\n"));
    return true;
}

static bool take_back(struct buffer *out, size_t start)
{
    buffer_truncate(out, start);
    return false;
}

/* Outside of quotes nothing may end the path early: the address grammar says so already, and this
 * is where it counts. */
bool smtp_command_check_path(struct bytes path, struct fault *fault)
{
    bool is_quoted = false;
    for (size_t i = 0; i < path.length; i++) {
        char c = path.data[i];
        if (c == '"')
            is_quoted = !is_quoted;
        else if (is_quoted && c == '\\')
            i++;
        else if (!is_quoted && (c == '<' || c == '>' || c == ' '))
            return fault_set(fault, FAULT_SYNTAX, "an address may not hold '%c' outside quotes", c);
    }
    return true;
}

static bool append_path(struct buffer *out, struct bytes address, struct fault *fault)
{
    if (!smtp_command_check_path(address, fault))
        return false;
    buffer_append_char(out, '<');
    buffer_append(out, address);
    buffer_append_char(out, '>');
    return true;
}

static void append_hex(struct buffer *out, uint32_t value)
{
    buffer_append_format(out, "%02X", (unsigned)value);
}

/* RFC 3461 4. */
static void append_xtext(struct buffer *out, struct bytes text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (xtext_characters.has[c]) {
            buffer_append_char(out, (char)c);
        } else {
            buffer_append_char(out, '+');
            append_hex(out, c);
        }
    }
}

/* RFC 6533 3 utf-8-addr-xtext: 7-bit, so that it needs no SMTPUTF8. */
static bool append_unicode_xtext(struct buffer *out, struct bytes text, struct fault *fault)
{
    while (text.length > 0) {
        uint32_t code_point;
        if (!utf8_next(&text, &code_point))
            return fault_set(fault, FAULT_SYNTAX, "the original recipient is not UTF-8");
        if (code_point < 0x80 && code_point != '\\' && xtext_characters.has[code_point]) {
            buffer_append_char(out, (char)code_point);
        } else {
            buffer_append(out, BYTES("\\x{"));
            append_hex(out, code_point);
            buffer_append_char(out, '}');
        }
    }
    return true;
}

static bool append_envelope_id(struct buffer *out, const char *id, struct fault *fault)
{
    struct bytes text = bytes_from_string(id);
    /* RFC 3461 4.4: printable US-ASCII once decoded. */
    if (text.length == 0 || bytes_has_control(text) || !bytes_is_ascii(text))
        return fault_set(fault, FAULT_SYNTAX,
                         "an envelope id is one or more printable ASCII characters");
    buffer_append(out, BYTES(" ENVID="));
    size_t start = out->length;
    append_xtext(out, text);
    if (out->length - start > ENVELOPE_ID_MAX)
        return fault_set(fault, FAULT_LIMIT, "an envelope id may have %d bytes once encoded",
                         ENVELOPE_ID_MAX);
    return true;
}

static bool append_original_recipient(struct buffer *out, const char *address, struct fault *fault)
{
    struct bytes text = bytes_from_string(address);
    if (text.length == 0 || bytes_has_control(text))
        return fault_set(fault, FAULT_SYNTAX,
                         "an original recipient may not be empty nor hold control characters");
    size_t start = out->length;
    if (bytes_is_ascii(text)) {
        buffer_append(out, BYTES(" ORCPT=rfc822;"));
        append_xtext(out, text);
    } else {
        buffer_append(out, BYTES(" ORCPT=utf-8;"));
        if (!append_unicode_xtext(out, text, fault))
            return false;
    }
    if (out->length - start > ORIGINAL_RECIPIENT_MAX)
        return fault_set(fault, FAULT_LIMIT, "an original recipient may have %d bytes once encoded",
                         ORIGINAL_RECIPIENT_MAX);
    return true;
}

bool smtp_command_check_parameters(const char *parameters, struct fault *fault)
{
    struct bytes text = bytes_from_string(parameters);
    if (text.length > PH_PARAMETERS_MAX)
        return fault_set(fault, FAULT_LIMIT, "parameters may have %d bytes", PH_PARAMETERS_MAX);
    struct scan scan = scan_of(text);
    do {
        struct bytes keyword = scan_take_while(&scan, &keyword_characters);
        bool is_right = keyword.length > 0 && keyword.data[0] != '-';
        if (is_right && scan_take_char(&scan, '=')) {
            struct bytes value = scan_take_while(&scan, &value_characters);
            is_right = value.length > 0 && utf8_is_valid(value);
        }
        if (!is_right || (!scan_is_at_end(&scan) && scan_peek(&scan) != ' '))
            return fault_set(fault, FAULT_SYNTAX,
                             "parameters are KEY or KEY=value with one blank between");
    } while (scan_take_char(&scan, ' '));
    return true;
}

static bool append_parameters(struct buffer *out, const char *parameters, struct fault *fault)
{
    if (parameters == NULL || *parameters == '\0')
        return true;
    if (!smtp_command_check_parameters(parameters, fault))
        return false;
    buffer_append_char(out, ' ');
    buffer_append_string(out, parameters);
    return true;
}

/* RFC 2852 4. */
static bool append_deliver_by(struct buffer *out, const struct smtp_command_mail *mail,
                              struct fault *fault)
{
    int64_t seconds = mail->deliver_by_seconds;
    char mode = mail->deliver_by_mode;
    if (mode != 'R' && mode != 'N')
        return fault_set(fault, FAULT_SYNTAX, "the mode of DELIVERBY is 'R' or 'N'");
    if (seconds > BY_TIME_MAX || seconds < -BY_TIME_MAX || (mode == 'R' && seconds <= 0))
        return fault_set(fault, FAULT_SYNTAX,
                         "the time of DELIVERBY has nine digits, and with 'R' is positive");
    buffer_append_format(out, " BY=%lld;%c", (long long)seconds, mode);
    if (mail->deliver_by_trace)
        buffer_append_char(out, 'T');
    return true;
}

static bool take_digits(struct scan *scan, size_t count)
{
    struct bytes digits;
    if (!scan_take_count(scan, count, &digits))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!scan_digits.has[(unsigned char)digits.data[i]])
            return false;
    }
    return true;
}

/* RFC 3339 5.6 date-time. */
static bool is_date_time(struct bytes text)
{
    struct scan scan = scan_of(text);
    bool is_right = take_digits(&scan, 4) && scan_take_char(&scan, '-') && take_digits(&scan, 2) &&
                    scan_take_char(&scan, '-') && take_digits(&scan, 2) &&
                    scan_take_char(&scan, 'T') && take_digits(&scan, 2) &&
                    scan_take_char(&scan, ':') && take_digits(&scan, 2) &&
                    scan_take_char(&scan, ':') && take_digits(&scan, 2);
    if (is_right && scan_take_char(&scan, '.'))
        is_right = scan_take_while(&scan, &scan_digits).length > 0;
    if (is_right && !scan_take_char(&scan, 'Z'))
        is_right = (scan_take_char(&scan, '+') || scan_take_char(&scan, '-')) &&
                   take_digits(&scan, 2) && scan_take_char(&scan, ':') && take_digits(&scan, 2);
    return is_right && scan_is_at_end(&scan);
}

/* RFC 4865 5: one of the two. */
static bool append_hold(struct buffer *out, const struct smtp_command_mail *mail,
                        struct fault *fault)
{
    if (mail->hold_for_seconds > 0 && mail->hold_until != NULL)
        return fault_set(fault, FAULT_SYNTAX, "hold_for_seconds and hold_until exclude each other");
    if (mail->hold_for_seconds > HOLD_FOR_MAX)
        return fault_set(fault, FAULT_SYNTAX, "hold_for_seconds has at most nine digits");
    if (mail->hold_for_seconds > 0) {
        buffer_append(out, BYTES(" HOLDFOR="));
        buffer_append_unsigned(out, mail->hold_for_seconds);
    }
    if (mail->hold_until != NULL) {
        struct bytes date_time = bytes_from_string(mail->hold_until);
        if (date_time.length > HOLD_UNTIL_MAX || !is_date_time(date_time))
            return fault_set(fault, FAULT_SYNTAX, "hold_until is a date-time of RFC 3339");
        buffer_append(out, BYTES(" HOLDUNTIL="));
        buffer_append_string(out, mail->hold_until);
    }
    return true;
}

static bool append_dsn(struct buffer *out, const struct smtp_command_mail *mail,
                       struct fault *fault)
{
    if (mail->return_content == PH_RETURN_FULL)
        buffer_append(out, BYTES(" RET=FULL"));
    if (mail->return_content == PH_RETURN_HEADERS)
        buffer_append(out, BYTES(" RET=HDRS"));
    return mail->envelope_id == NULL || append_envelope_id(out, mail->envelope_id, fault);
}

/* RFC 4954 5: a mailbox or <>. One that is not ASCII is a mailbox only by RFC 6531 3.3; where that
 * is not agreed on, nothing is said. */
static bool append_authenticated_sender(struct buffer *out, const char *sender, bool is_utf8,
                                        struct fault *fault)
{
    if (sender == NULL)
        return true;
    AUTO(buffer)
    wire = BUFFER(PH_ADDRESS_MAX);
    bool needs_utf8 = false;
    if (*sender == '\0')
        buffer_append(&wire, BYTES("<>"));
    else if (!address_write_wire(bytes_from_string(sender), &wire, &needs_utf8, fault))
        return false;
    if (buffer_is_failed(&wire))
        return fault_set_memory(fault);
    if (needs_utf8 && !is_utf8)
        return true;
    size_t start = out->length;
    buffer_append(out, BYTES(" AUTH="));
    append_xtext(out, buffer_bytes(&wire));
    if (out->length - start > AUTHENTICATED_SENDER_MAX)
        return fault_set(fault, FAULT_LIMIT, "an authenticated sender may have %d bytes encoded",
                         AUTHENTICATED_SENDER_MAX);
    return true;
}

static bool append_priority(struct buffer *out, int priority, struct fault *fault)
{
    if (priority > PRIORITY_MAX || priority < -PRIORITY_MAX)
        return fault_set(fault, FAULT_SYNTAX, "a priority is -9 to 9");
    buffer_append_format(out, " MT-PRIORITY=%d", priority);
    return true;
}

bool smtp_command_mail(struct buffer *out, const struct smtp_command_mail *mail,
                       struct fault *fault)
{
    size_t start = out->length;
    buffer_append(out, BYTES("MAIL FROM:"));
    if (!append_path(out, mail->sender, fault))
        return take_back(out, start);
    if (mail->has_size) {
        buffer_append(out, BYTES(" SIZE="));
        buffer_append_unsigned(out, mail->size);
    }
    if (mail->body == PH_CONTENT_8BIT)
        buffer_append(out, BYTES(" BODY=8BITMIME"));
    if (mail->body == PH_CONTENT_BINARY)
        buffer_append(out, BYTES(" BODY=BINARYMIME"));
    if (mail->is_utf8)
        buffer_append(out, BYTES(" SMTPUTF8"));
    if (mail->require_tls)
        buffer_append(out, BYTES(" REQUIRETLS"));
    if (!append_dsn(out, mail, fault) ||
        (mail->deliver_by_mode != 0 && !append_deliver_by(out, mail, fault)) ||
        !append_hold(out, mail, fault) ||
        (mail->has_priority && !append_priority(out, mail->priority, fault)))
        return take_back(out, start);
    if (!append_authenticated_sender(out, mail->authenticated_sender, mail->is_utf8, fault) ||
        !append_parameters(out, mail->parameters, fault))
        return take_back(out, start);
    return end_line(out, start, fault);
}

/* RFC 3461 4.1: NEVER stands alone. */
static bool append_notify(struct buffer *out, unsigned notify, struct fault *fault)
{
    const unsigned others = PH_NOTIFY_SUCCESS | PH_NOTIFY_FAILURE | PH_NOTIFY_DELAY;
    if (notify == PH_NOTIFY_NEVER) {
        buffer_append(out, BYTES(" NOTIFY=NEVER"));
        return true;
    }
    if ((notify & ~others) != 0)
        return fault_set(fault, FAULT_SYNTAX, "notify is PH_NOTIFY_NEVER or a set of the others");
    static const struct {
        enum ph_notify bit;
        struct bytes word;
    } words[] = {
        {PH_NOTIFY_SUCCESS, BYTES_INIT("SUCCESS")},
        {PH_NOTIFY_FAILURE, BYTES_INIT("FAILURE")},
        {PH_NOTIFY_DELAY, BYTES_INIT("DELAY")},
    };
    struct bytes before = BYTES(" NOTIFY=");
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if ((notify & words[i].bit) == 0)
            continue;
        buffer_append(out, before);
        buffer_append(out, words[i].word);
        before = BYTES(",");
    }
    return true;
}

bool smtp_command_rcpt(struct buffer *out, const struct smtp_command_recipient *recipient,
                       struct fault *fault)
{
    size_t start = out->length;
    buffer_append(out, BYTES("RCPT TO:"));
    if (recipient->address.length == 0) {
        fault_set(fault, FAULT_SYNTAX, "a recipient may not be empty");
        return take_back(out, start);
    }
    if (!append_path(out, recipient->address, fault) ||
        (recipient->notify != 0 && !append_notify(out, recipient->notify, fault)) ||
        (recipient->original_recipient != NULL &&
         !append_original_recipient(out, recipient->original_recipient, fault)) ||
        !append_parameters(out, recipient->parameters, fault))
        return take_back(out, start);
    return end_line(out, start, fault);
}

void smtp_command_bdat(struct buffer *out, uint64_t size, bool is_last)
{
    buffer_append(out, BYTES("BDAT "));
    buffer_append_unsigned(out, size);
    buffer_append(out, is_last ? BYTES(" LAST\r\n") : BYTES("\r\n"));
}

bool smtp_command_plain(struct buffer *out, const char *verb, const char *argument,
                        struct fault *fault)
{
    size_t start = out->length;
    if (verb == NULL || *verb == '\0')
        return fault_set(fault, FAULT_SYNTAX, "a command needs a verb");
    size_t length = strlen(verb) + (argument == NULL ? 0 : 1 + strlen(argument)) + 2;
    if (length > PH_ENGINE_COMMAND_MAX)
        return refuse_length(length, fault);
    /* A server that passes over blanks would see a login where the transcript sees none. */
    if (*verb == ' ')
        return fault_set(fault, FAULT_SYNTAX, "a command begins with its verb");
    buffer_append_string(out, verb);
    if (argument != NULL) {
        buffer_append_char(out, ' ');
        buffer_append_string(out, argument);
    }
    return end_line(out, start, fault);
}
