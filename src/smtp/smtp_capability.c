/* One table maps keywords to bits; the few with parameters that matter have a reader. */
#include "smtp/smtp_capability.h"

#include <posthorn/protocol.h>

#include "base/scan.h"
#include "sasl/sasl_client.h"

enum {
    MECHANISM_NAME_MAX = 20 /* RFC 4422 3.1: bytes; what is longer is no name */
};

static const struct scan_class keyword_characters = {
    .has = {['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['-'] = true}};

typedef void read_parameters(struct ph_capabilities *known, struct scan *scan);

/* RFC 1870 4: 0 = no fixed limit. */
static void read_size(struct ph_capabilities *known, struct scan *scan)
{
    known->size_limit = 0;
    scan_take_number(scan, UINT64_MAX, &known->size_limit);
}

/* RFC 2852 2. */
static void read_deliver_by(struct ph_capabilities *known, struct scan *scan)
{
    uint64_t least = 0;
    scan_take_number(scan, INT64_MAX, &least);
    known->deliver_by_min = (int64_t)least;
}

/* RFC 4865 4. */
static void read_future_release(struct ph_capabilities *known, struct scan *scan)
{
    known->hold_for_max = 0;
    scan_take_number(scan, UINT64_MAX, &known->hold_for_max);
}

/* RFC 9422 3. */
static void read_limits(struct ph_capabilities *known, struct scan *scan)
{
    while (!scan_is_at_end(scan)) {
        scan_take_while(scan, &scan_blanks);
        if (scan_take_literal_ignoring_case(scan, BYTES("RCPTMAX=")))
            scan_take_number(scan, UINT64_MAX, &known->recipients_max);
        else if (scan_take_literal_ignoring_case(scan, BYTES("MAILMAX=")))
            scan_take_number(scan, UINT64_MAX, &known->messages_max);
        scan_take_until_char(scan, ' ');
    }
}

static const struct {
    struct bytes keyword;
    enum ph_capability capability;
    read_parameters *read;
} capabilities[] = {
    {BYTES_INIT("PIPELINING"), PH_CAPABILITY_PIPELINING, NULL},
    {BYTES_INIT("CHUNKING"), PH_CAPABILITY_CHUNKING, NULL},
    {BYTES_INIT("BINARYMIME"), PH_CAPABILITY_BINARYMIME, NULL},
    {BYTES_INIT("8BITMIME"), PH_CAPABILITY_8BITMIME, NULL},
    {BYTES_INIT("SIZE"), PH_CAPABILITY_SIZE, read_size},
    {BYTES_INIT("SMTPUTF8"), PH_CAPABILITY_SMTPUTF8, NULL},
    {BYTES_INIT("DSN"), PH_CAPABILITY_DSN, NULL},
    {BYTES_INIT("ENHANCEDSTATUSCODES"), PH_CAPABILITY_ENHANCEDSTATUSCODES, NULL},
    {BYTES_INIT("STARTTLS"), PH_CAPABILITY_STARTTLS, NULL},
    {BYTES_INIT("AUTH"), PH_CAPABILITY_AUTH, NULL},
    {BYTES_INIT("REQUIRETLS"), PH_CAPABILITY_REQUIRETLS, NULL},
    {BYTES_INIT("DELIVERBY"), PH_CAPABILITY_DELIVERBY, read_deliver_by},
    {BYTES_INIT("FUTURERELEASE"), PH_CAPABILITY_FUTURERELEASE, read_future_release},
    {BYTES_INIT("MT-PRIORITY"), PH_CAPABILITY_MT_PRIORITY, NULL},
    {BYTES_INIT("LIMITS"), PH_CAPABILITY_LIMITS, read_limits},
    {BYTES_INIT("VRFY"), PH_CAPABILITY_VRFY, NULL},
    {BYTES_INIT("EXPN"), PH_CAPABILITY_EXPN, NULL},
    {BYTES_INIT("HELP"), PH_CAPABILITY_HELP, NULL},
    {BYTES_INIT("ETRN"), PH_CAPABILITY_ETRN, NULL},
};

static void point_to_texts(struct smtp_capability *capability)
{
    capability->known.text = "";
    capability->known.mechanisms = "";
}

void smtp_capability_init(struct smtp_capability *capability)
{
    *capability = (struct smtp_capability){
        .text = BUFFER(PH_ENGINE_REPLY_MAX),
        .mechanisms = BUFFER(PH_ENGINE_REPLY_MAX),
        /* Two NULs a line at most come in addition. */
        .entries = BUFFER(PH_ENGINE_REPLY_MAX + 2 * PH_ENGINE_REPLY_LINES_MAX),
    };
    point_to_texts(capability);
}

void smtp_capability_clear(struct smtp_capability *capability)
{
    if (capability == NULL)
        return;
    buffer_clear(&capability->text);
    buffer_clear(&capability->mechanisms);
    buffer_clear(&capability->entries);
}

void smtp_capability_reset(struct smtp_capability *capability)
{
    capability->known = (struct ph_capabilities){.is_extended = false};
    point_to_texts(capability);
    buffer_reset(&capability->text);
    buffer_reset(&capability->mechanisms);
    capability->mechanism_count = 0;
    buffer_reset(&capability->entries);
}

/* True when the word stands among the blank-separated words. */
static bool has_word(struct bytes words, struct bytes word)
{
    while (words.length > 0) {
        struct bytes head;
        bytes_split(words, ' ', &head, &words);
        if (bytes_equal(head, word))
            return true;
    }
    return false;
}

/* RFC 4954 3. */
static void add_mechanisms(struct smtp_capability *capability, struct bytes parameters)
{
    char upper[MECHANISM_NAME_MAX];
    /* Each name is compared with those before it, so that their number must not be the server's
     * choice. */
    while (parameters.length > 0 && capability->mechanism_count < SASL_MECHANISMS_MAX) {
        struct bytes name;
        bytes_split(parameters, ' ', &name, &parameters);
        name = bytes_trim(name);
        if (name.length == 0 || name.length > sizeof upper)
            continue;
        for (size_t i = 0; i < name.length; i++)
            upper[i] = bytes_upper_char(name.data[i]);
        struct bytes mechanism = bytes_of(upper, name.length);
        if (has_word(buffer_bytes(&capability->mechanisms), mechanism))
            continue;
        if (capability->mechanisms.length > 0)
            buffer_append_char(&capability->mechanisms, ' ');
        buffer_append(&capability->mechanisms, mechanism);
        capability->mechanism_count++;
    }
}

static void note(struct smtp_capability *capability, struct bytes keyword, struct bytes parameters)
{
    for (size_t i = 0; i < sizeof capabilities / sizeof capabilities[0]; i++) {
        if (!bytes_equal_ignoring_case(keyword, capabilities[i].keyword))
            continue;
        capability->known.set |= capabilities[i].capability;
        struct scan scan = scan_of(parameters);
        if (capabilities[i].read != NULL)
            capabilities[i].read(&capability->known, &scan);
        if (capabilities[i].capability == PH_CAPABILITY_AUTH)
            add_mechanisms(capability, parameters);
    }
    buffer_append(&capability->entries, keyword);
    buffer_append_char(&capability->entries, '\0');
    buffer_append(&capability->entries, parameters);
    buffer_append_char(&capability->entries, '\0');
}

static void read_line(struct smtp_capability *capability, struct bytes line)
{
    struct scan scan = scan_of(line);
    struct bytes keyword = scan_take_while(&scan, &keyword_characters);
    if (keyword.length == 0 || keyword.data[0] == '-')
        return;
    /* "AUTH=LOGIN" is how servers from before RFC 2554 say it. */
    if (bytes_equal_ignoring_case(keyword, BYTES("AUTH")))
        scan_take_char(&scan, '=');
    else if (!scan_is_at_end(&scan) && scan_peek(&scan) != ' ')
        return;
    note(capability, keyword, bytes_trim(scan_rest(&scan)));
}

bool smtp_capability_read(struct smtp_capability *capability, struct bytes text)
{
    smtp_capability_reset(capability);
    buffer_append(&capability->text, text);
    struct bytes line;
    bytes_split(text, '\n', &line, &text);
    while (text.length > 0) {
        bytes_split(text, '\n', &line, &text);
        read_line(capability, line);
    }
    const char *whole = buffer_string(&capability->text);
    const char *mechanisms = buffer_string(&capability->mechanisms);
    if (whole == NULL || mechanisms == NULL || buffer_is_failed(&capability->entries)) {
        smtp_capability_reset(capability);
        return false;
    }
    capability->known.is_extended = true;
    capability->known.text = whole;
    capability->known.mechanisms = mechanisms;
    return true;
}

const char *smtp_capability_find(const struct smtp_capability *capability, const char *keyword)
{
    struct bytes wanted = bytes_from_string(keyword);
    if (bytes_equal_ignoring_case(wanted, BYTES("AUTH")))
        return (capability->known.set & PH_CAPABILITY_AUTH) != 0 ? capability->known.mechanisms
                                                                 : NULL;
    const char *found = NULL;
    struct bytes rest = buffer_bytes(&capability->entries);
    while (rest.length > 0) {
        struct bytes name;
        struct bytes parameters;
        bytes_split(rest, '\0', &name, &rest);
        bytes_split(rest, '\0', &parameters, &rest);
        if (bytes_equal_ignoring_case(name, wanted))
            found = parameters.data;
    }
    return found;
}
