/* Values of the configuration: numbers, sizes, times, words, places. */
#include "server/config_value.h"

#include <string.h>

#include "base/bytes.h"
#include "base/scan.h"
#include "mail/domain.h"

#define KIB    (INT64_C(1024))
#define MIB    (1024 * KIB)
#define GIB    (1024 * MIB)
#define SECOND (INT64_C(1000))
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

enum {
    CONFIG_PATH_MAX = 4095,      /* bytes of a file's name */
    CONFIG_TEXT_MAX = 4096,      /* bytes of any value */
    CONFIG_SOCKET_PATH_MAX = 107 /* bytes of a Unix socket's name: sockaddr_un has no more */
};

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit size_units[] = {
    {"", 1},     {"k", KIB}, {"kib", KIB}, {"kb", KIB}, {"m", MIB}, {"mib", MIB},
    {"mb", MIB}, {"g", GIB}, {"gib", GIB}, {"gb", GIB}, {NULL, 0},
};

static const struct unit time_units[] = {
    {"ms", 1},           {"s", SECOND},      {"sec", SECOND}, {"m", MINUTE}, {"min", MINUTE},
    {"minutes", MINUTE}, {"h", HOUR},        {"hours", HOUR}, {"d", DAY},    {"days", DAY},
    {"seconds", SECOND}, {"minute", MINUTE}, {"hour", HOUR},  {"day", DAY},  {NULL, 0},
};

/* A number and its unit. Lengths are shown as people write them. */
static void append_amount(const struct config_option *option, int64_t amount, struct buffer *out)
{
    static const struct unit sizes[] = {{"G", GIB}, {"M", MIB}, {"k", KIB}, {"", 1}};
    static const struct unit times[] = {
        {"d", DAY}, {"h", HOUR}, {"min", MINUTE}, {"s", SECOND}, {"ms", 1}};
    const struct unit *unit = option->type == CONFIG_SIZE ? sizes : times;
    if (option->type == CONFIG_NUMBER) {
        buffer_append_unsigned(out, (uint64_t)amount);
        return;
    }
    while (amount % unit->factor != 0)
        unit++;
    buffer_append_format(out, "%lld%s", (long long)(amount / unit->factor), unit->name);
}

static void append_words(const struct config_option *option, struct buffer *out)
{
    struct bytes rest = bytes_from_string(option->words), word;
    bool is_first = true;
    while (rest.length > 0) {
        bytes_split(rest, ' ', &word, &rest);
        buffer_append_string(out, is_first ? "" : rest.length == 0 ? " or " : ", ");
        buffer_append(out, word);
        is_first = false;
    }
}

void config_value_describe(const struct config_option *option, struct buffer *out)
{
    switch (option->type) {
    case CONFIG_TEXT:
    case CONFIG_TEXTS:
        buffer_append_string(out, "a text");
        return;
    case CONFIG_DOMAIN:
        buffer_append_string(out, "a name such as mail.example.org");
        return;
    case CONFIG_PATH:
        buffer_append_string(out, "a file's name that begins with /");
        return;
    case CONFIG_PLACES:
        buffer_append_string(out, "places such as \"*:25\", \"127.0.0.1:2525\", \"[::1]:25\" or "
                                  "\"unix:/run/posthorn/lmtp\"");
        return;
    case CONFIG_WORD:
    case CONFIG_WORDS:
        append_words(option, out);
        return;
    case CONFIG_NUMBER:
        buffer_append_string(out, "a whole number");
        break;
    case CONFIG_SIZE:
        buffer_append_string(out, "a number of bytes, perhaps with k, M or G behind it");
        break;
    case CONFIG_TIME:
        buffer_append_string(out, "a time such as 30s, 5min, 2h or 1d");
        break;
    }
    buffer_append_string(out, " (");
    append_amount(option, option->least, out);
    buffer_append_string(out, " to ");
    append_amount(option, option->most, out);
    buffer_append_string(out, ")");
}

/* Says what is wrong with the text, and what may be written. */
static bool refuse(const struct config_option *option, const char *text, const char *trouble,
                   struct fault *fault)
{
    AUTO(buffer)
    expected = BUFFER(FAULT_MESSAGE_SIZE);
    config_value_describe(option, &expected);
    const char *words = buffer_string(&expected);
    return fault_set(fault, FAULT_SYNTAX, "%s: \"%.40s\" %s; write %s", option->name, text, trouble,
                     words == NULL ? "another" : words);
}

static bool read_amount(const struct config_option *option, const char *text,
                        const struct unit *units, int64_t *number, struct fault *fault)
{
    struct scan scan = scan_of(bytes_from_string(text));
    uint64_t count;
    if (!scan_take_number(&scan, INT64_MAX / DAY, &count)) {
        bool is_number = scan_take_while(&scan, &scan_digits).length > 0;
        return refuse(option, text, is_number ? "is too large" : "does not begin with a number",
                      fault);
    }
    scan_take_while(&scan, &scan_blanks);
    const struct unit *unit = units;
    while (unit->name != NULL &&
           !bytes_equal_ignoring_case(scan_rest(&scan), bytes_from_string(unit->name)))
        unit++;
    if (unit->name == NULL)
        return refuse(option, text,
                      scan_is_at_end(&scan) ? "has no unit" : "has a unit that is not known",
                      fault);
    int64_t value = (int64_t)count * unit->factor;
    if (value < option->least || value > option->most)
        return refuse(option, text, value < option->least ? "is too small" : "is too large", fault);
    *number = value;
    return true;
}

static bool read_word(const struct config_option *option, const char *text, int64_t *number,
                      struct fault *fault)
{
    struct bytes rest = bytes_from_string(option->words), word;
    for (int64_t i = 0; rest.length > 0; i++) {
        bytes_split(rest, ' ', &word, &rest);
        if (bytes_equal(word, bytes_from_string(text))) {
            *number = i;
            return true;
        }
    }
    return refuse(option, text, "is not known", fault);
}

/* The form only: whether there is such an address is seen when it is bound. */
static bool is_place(struct bytes text)
{
    if (bytes_starts_with(text, BYTES("unix:"))) {
        struct bytes path = bytes_skip(text, 5);
        return path.length > 1 && path.length <= CONFIG_SOCKET_PATH_MAX && path.data[0] == '/';
    }
    size_t colon = bytes_find_last_char(text, ':');
    uint64_t port;
    if (colon == BYTES_NOT_FOUND || colon == 0)
        return false;
    struct scan scan = scan_of(bytes_skip(text, colon + 1));
    if (!scan_take_number(&scan, 65535, &port) || !scan_is_at_end(&scan))
        return false;
    struct bytes host = bytes_slice(text, 0, colon);
    if (host.data[0] == '[')
        return host.length > 2 && bytes_ends_with(host, BYTES("]"));
    return !bytes_has_char(host, ':');
}

bool config_value_read(const struct config_option *option, const char *text, int64_t *number,
                       struct fault *fault)
{
    static const struct unit no_units[] = {{"", 1}, {NULL, 0}};
    struct bytes bytes = bytes_from_string(text);
    *number = 0;
    if (bytes.length > CONFIG_TEXT_MAX)
        return refuse(option, text, "is too long", fault);
    if (bytes_has_control(bytes))
        return refuse(option, "...", "has control characters", fault);
    if (bytes.length == 0)
        return refuse(option, text, "says nothing", fault);
    switch (option->type) {
    case CONFIG_TEXT:
    case CONFIG_TEXTS:
        return true;
    case CONFIG_DOMAIN:
        return domain_is_valid(bytes) || refuse(option, text, "is no name", fault);
    case CONFIG_PATH:
        if (bytes.length > CONFIG_PATH_MAX)
            return refuse(option, text, "is too long", fault);
        return bytes.data[0] == '/' || refuse(option, text, "does not begin with /", fault);
    case CONFIG_PLACES:
        return is_place(bytes) || refuse(option, text, "is no place", fault);
    case CONFIG_WORD:
    case CONFIG_WORDS:
        return read_word(option, text, number, fault);
    case CONFIG_NUMBER:
        return read_amount(option, text, no_units, number, fault);
    case CONFIG_SIZE:
        return read_amount(option, text, size_units, number, fault);
    case CONFIG_TIME:
        return read_amount(option, text, time_units, number, fault);
    }
    return fault_set(fault, FAULT_BUG, "%s has no type", option->name);
}
