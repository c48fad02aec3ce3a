/* A rule of the table of relays, out of its line of words. */
#include "delivery/relay_inside.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/scan.h"
#include "base/secret.h"

enum {
    CONNECTIONS_MAX = 1000,
    LETTERS_MAX = 100 * 1000,
    LETTERS_MINUTE_MAX = 1000 * 1000,
    PORT_SMTP = 25,
    PORT_SUBMISSIONS = 465 /* RFC 8314 3.3: TLS from the first byte */
};

/* What the words of a line say. Empty = not given. */
struct words {
    struct bytes sender;
    struct bytes recipient;
    struct bytes host;
    struct bytes user;
    struct bytes tls;
    struct bytes connections;
    struct bytes letters;
    struct bytes minute;
};

static bool take_word(struct words *words, struct bytes word, struct fault *fault)
{
    const struct {
        const char *name;
        struct bytes *value;
    } places[] = {
        {"from", &words->sender},     {"to", &words->recipient},
        {"host", &words->host},       {"user", &words->user},
        {"tls", &words->tls},         {"connections", &words->connections},
        {"letters", &words->letters}, {"minute", &words->minute},
    };
    struct bytes name, value;
    if (!bytes_split(word, '=', &name, &value))
        return fault_set(fault, FAULT_SYNTAX, "\"%.*s\" is not of the form name=value",
                         BYTES_FORMAT(bytes_slice(word, 0, 64)));
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (!bytes_equal(name, bytes_from_string(places[i].name)))
            continue;
        if (!bytes_is_empty(*places[i].value))
            return fault_set(fault, FAULT_SYNTAX, "%s= stands there twice", places[i].name);
        if (bytes_is_empty(value))
            return fault_set(fault, FAULT_SYNTAX, "nothing stands behind %s=", places[i].name);
        *places[i].value = value;
        return true;
    }
    return fault_set(fault, FAULT_SYNTAX,
                     "\"%.*s=\" is none of from, to, host, user, tls, connections, letters, minute",
                     BYTES_FORMAT(bytes_slice(name, 0, 32)));
}

static bool take_words(struct words *words, struct bytes line, struct fault *fault)
{
    struct scan scan = scan_of(line);
    for (;;) {
        scan_take_while(&scan, &scan_blanks);
        if (scan_is_at_end(&scan))
            return true;
        const char *start = scan.position;
        while (!scan_is_at_end(&scan) && !scan_blanks.has[scan_peek(&scan)])
            scan_take(&scan);
        if (!take_word(words, bytes_of(start, (size_t)(scan.position - start)), fault))
            return false;
    }
}

/* The content as a string of its own. */
static bool keep(struct bytes bytes, char **string, struct fault *fault)
{
    *string = malloc(bytes.length + 1);
    if (*string == NULL)
        return fault_set_memory(fault);
    if (bytes.length > 0)
        memcpy(*string, bytes.data, bytes.length);
    (*string)[bytes.length] = '\0';
    return true;
}

static bool keep_buffer(struct buffer *buffer, char **string, struct fault *fault)
{
    return buffer_is_failed(buffer) ? fault_set_memory(fault)
                                    : keep(buffer_bytes(buffer), string, fault);
}

static bool read_sender(struct relay_rule *rule, struct bytes text, struct fault *fault)
{
    AUTO(buffer)
    out = BUFFER(ADDRESS_TEXT_MAX);
    struct address address;
    if (bytes_is_empty(text))
        return true;
    if (text.data[0] == '@') {
        buffer_append_char(&out, '@');
        return relay_write_domain(bytes_skip(text, 1), &out, fault) &&
               keep_buffer(&out, &rule->sender, fault);
    }
    if (!address_parse(text, &address, fault))
        return false;
    buffer_append(&out, address_local_part(&address));
    buffer_append_char(&out, '@');
    return relay_write_domain(address_domain(&address), &out, fault) &&
           keep_buffer(&out, &rule->sender, fault);
}

static bool read_recipient(struct relay_rule *rule, struct bytes text, struct fault *fault)
{
    AUTO(buffer)
    out = BUFFER(DOMAIN_OCTETS_MAX);
    if (bytes_is_empty(text))
        return true;
    rule->is_below = text.data[0] == '.';
    return relay_write_domain(bytes_skip(text, rule->is_below), &out, fault) &&
           keep_buffer(&out, &rule->domain, fault);
}

/* ---- the host ---- */

/* Writes "[" prefix address "]" if that is an address literal. */
static bool make_literal(const char *prefix, struct bytes address,
                         char literal[DOMAIN_OCTETS_MAX + 1])
{
    if (strlen(prefix) + address.length + 2 > DOMAIN_OCTETS_MAX || bytes_has_control(address))
        return false;
    int length =
        snprintf(literal, DOMAIN_OCTETS_MAX + 1, "[%s%.*s]", prefix, BYTES_FORMAT(address));
    return domain_is_address_literal(bytes_of(literal, (size_t)length));
}

static bool write_host(struct bytes host, struct buffer *out, struct fault *fault)
{
    char literal[DOMAIN_OCTETS_MAX + 1];
    bool has_brackets = host.length > 2 && host.data[0] == '[';
    struct bytes inner = has_brackets ? bytes_slice(host, 1, host.length - 2) : host;
    if (has_brackets && make_literal("IPv6:", inner, literal))
        return relay_write_domain(bytes_from_string(literal), out, fault);
    if (bytes_has_char(inner, ':') && !bytes_starts_with_ignoring_case(inner, BYTES("IPv6:")))
        return fault_set(fault, FAULT_SYNTAX, "\"%.*s\" is no host",
                         BYTES_FORMAT(bytes_slice(host, 0, 64)));
    if (make_literal("", inner, literal))
        return relay_write_domain(bytes_from_string(literal), out, fault);
    return relay_write_domain(host, out, fault);
}

bool relay_rule_read_host(struct bytes text, struct buffer *host, unsigned *port,
                          struct fault *fault)
{
    size_t bracket = bytes_find_last_char(text, ']');
    size_t start = bracket == BYTES_NOT_FOUND ? 0 : bracket;
    size_t colon = bytes_find_last_char(bytes_skip(text, start), ':');
    *port = 0;
    if (colon != BYTES_NOT_FOUND) {
        struct scan scan = scan_of(bytes_skip(text, start + colon + 1));
        uint64_t number;
        if (!scan_take_number(&scan, UINT16_MAX, &number) || number == 0 || !scan_is_at_end(&scan))
            return fault_set(fault, FAULT_SYNTAX,
                             "host=: the port is no number from 1 to 65535 (an IPv6 address stands "
                             "in brackets)");
        *port = (unsigned)number;
        text = bytes_slice(text, 0, start + colon);
    }
    return write_host(text, host, fault);
}

static bool read_host(struct relay_rule *rule, struct bytes text, struct fault *fault)
{
    AUTO(buffer)
    host = BUFFER(RELAY_HOST_MAX);
    rule->relay.port = PORT_SMTP;
    if (bytes_is_empty(text) || bytes_equal_ignoring_case(text, BYTES("mx")))
        return true;
    unsigned port;
    if (!relay_rule_read_host(text, &host, &port, fault) || !keep_buffer(&host, &rule->host, fault))
        return false;
    if (port != 0)
        rule->relay.port = port;
    else if (rule->relay.is_implicit)
        rule->relay.port = PORT_SUBMISSIONS;
    rule->relay.host = rule->host;
    return true;
}

/* ---- demands ---- */

/* "implicit", one of the others, or "implicit,required" and the like. */
static bool read_tls(struct relay_rule *rule, struct bytes text, bool *has_level,
                     struct fault *fault)
{
    static const struct {
        const char *word;
        enum relay_tls tls;
    } levels[] = {{"opportunistic", RELAY_TLS_OPPORTUNISTIC},
                  {"required", RELAY_TLS_REQUIRED},
                  {"verified", RELAY_TLS_VERIFIED},
                  {"none", RELAY_TLS_NONE}};
    *has_level = false;
    while (!bytes_is_empty(text)) {
        struct bytes word;
        bytes_split(text, ',', &word, &text);
        if (bytes_equal(word, BYTES("implicit"))) {
            rule->relay.is_implicit = true;
            continue;
        }
        size_t i = 0;
        while (i < 4 && !bytes_equal(word, bytes_from_string(levels[i].word)))
            i++;
        if (i == 4 || *has_level)
            return fault_set(fault, FAULT_SYNTAX,
                             "tls= is one of opportunistic, required, verified, none, implicit");
        rule->relay.tls = levels[i].tls;
        *has_level = true;
    }
    return true;
}

/* What was not said about TLS. */
static bool complete_tls(struct relay_rule *rule, bool has_level, struct fault *fault)
{
    struct relay *relay = &rule->relay;
    if (relay->port == PORT_SUBMISSIONS && relay->host != NULL && relay->tls != RELAY_TLS_NONE)
        relay->is_implicit = true;
    if (relay->is_implicit && relay->host == NULL)
        return fault_set(fault, FAULT_SYNTAX, "tls=implicit goes with a host= only");
    if (relay->is_implicit && relay->tls == RELAY_TLS_NONE && has_level)
        return fault_set(fault, FAULT_SYNTAX, "tls= is both none and implicit");
    if (!has_level)
        relay->tls = rule->user != NULL ? RELAY_TLS_VERIFIED : RELAY_TLS_OPPORTUNISTIC;
    /* There is no going on in clear on such a port. */
    if (relay->is_implicit && relay->tls == RELAY_TLS_OPPORTUNISTIC)
        relay->tls = RELAY_TLS_REQUIRED;
    return true;
}

static bool read_number(const char *name, struct bytes text, unsigned most, unsigned missing,
                        unsigned *number, struct fault *fault)
{
    struct scan scan = scan_of(text);
    uint64_t value = missing;
    if (!bytes_is_empty(text) &&
        (!scan_take_number(&scan, most, &value) || value == 0 || !scan_is_at_end(&scan)))
        return fault_set(fault, FAULT_SYNTAX, "%s= is no number from 1 to %u", name, most);
    *number = (unsigned)value;
    return true;
}

static bool read_numbers(struct relay_rule *rule, const struct words *words, struct fault *fault)
{
    struct relay *relay = &rule->relay;
    return read_number("connections", words->connections, CONNECTIONS_MAX, RELAY_CONNECTIONS,
                       &relay->connections, fault) &&
           read_number("letters", words->letters, LETTERS_MAX, RELAY_LETTERS, &relay->letters,
                       fault) &&
           read_number("minute", words->minute, LETTERS_MINUTE_MAX, 0, &relay->letters_minute,
                       fault);
}

static bool has_demands(const struct words *words)
{
    return !bytes_is_empty(words->tls) || !bytes_is_empty(words->connections) ||
           !bytes_is_empty(words->letters) || !bytes_is_empty(words->minute);
}

/* ---- the whole ---- */

static bool read_user(struct relay_rule *rule, struct bytes user, struct fault *fault)
{
    if (bytes_is_empty(user))
        return true;
    if (rule->host == NULL)
        return fault_set(fault, FAULT_SYNTAX, "user= goes with a host= only");
    if (bytes_has_control(user))
        return fault_set(fault, FAULT_SYNTAX, "user= has a control character");
    if (!keep(user, &rule->user, fault))
        return false;
    rule->relay.user = rule->user;
    return true;
}

static bool name_route(struct relay_rule *rule, struct fault *fault)
{
    AUTO(buffer)
    name = BUFFER(RELAY_ROUTE_MAX);
    if (rule->host == NULL)
        return true;
    size_t length = (rule->user == NULL ? 0 : strlen(rule->user) + 5) + strlen(rule->host) + 6;
    if (length > RELAY_ROUTE_MAX)
        return fault_set(fault, FAULT_SYNTAX, "user= and host= are too long");
    if (rule->user != NULL)
        buffer_append_format(&name, "%s via ", rule->user);
    buffer_append_format(&name, "%s:%u", rule->host, rule->relay.port);
    return keep_buffer(&name, &rule->name, fault);
}

static bool check_sense(const struct relay_rule *rule, const struct words *words,
                        struct fault *fault)
{
    if (bytes_is_empty(words->host) && !has_demands(words))
        return fault_set(fault, FAULT_SYNTAX, "host= is missing");
    /* A route by MX is named after the domain: it cannot be one thing for this sender and another
       for that. */
    if (rule->host == NULL && rule->sender != NULL && has_demands(words))
        return fault_set(fault, FAULT_SYNTAX,
                         "what is demanded of the hosts of a domain holds for all senders: from= "
                         "goes with a host= only");
    return true;
}

bool relay_rule_read(struct relay_rule *rule, struct bytes line, struct fault *fault)
{
    struct words words = {0};
    bool has_level;
    return take_words(&words, line, fault) && read_sender(rule, words.sender, fault) &&
           read_recipient(rule, words.recipient, fault) &&
           read_tls(rule, words.tls, &has_level, fault) && read_host(rule, words.host, fault) &&
           read_user(rule, words.user, fault) && complete_tls(rule, has_level, fault) &&
           read_numbers(rule, &words, fault) && name_route(rule, fault) &&
           check_sense(rule, &words, fault);
}

void relay_rule_clear(struct relay_rule *rule)
{
    if (rule->password != NULL)
        secret_wipe(rule->password, strlen(rule->password));
    free(rule->password);
    free(rule->user);
    free(rule->host);
    free(rule->name);
    free(rule->domain);
    free(rule->sender);
    *rule = (struct relay_rule){0};
}
