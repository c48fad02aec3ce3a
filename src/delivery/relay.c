/* The table of relays: which rule fits, and what a route by its name means. */
#include "delivery/relay_inside.h"

#include <stdlib.h>

bool relay_write_domain(struct bytes domain, struct buffer *out, struct fault *fault)
{
    AUTO(buffer)
    ascii = BUFFER(DOMAIN_OCTETS_MAX);
    if (!domain_write_ascii(domain, &ascii, fault))
        return false;
    if (buffer_is_failed(&ascii))
        return fault_set_memory(fault);
    struct bytes text = buffer_bytes(&ascii);
    for (size_t i = 0; i < text.length; i++)
        buffer_append_char(out, bytes_lower_char(text.data[i]));
    return true;
}

/* ---- the table ---- */

/* The route's name is all that is kept of the way of a letter: it must mean one thing. */
static bool is_same_relay(const struct relay *left, const struct relay *right)
{
    return left->is_implicit == right->is_implicit && left->tls == right->tls &&
           left->connections == right->connections && left->letters == right->letters &&
           left->letters_minute == right->letters_minute;
}

static bool check_against_others(const struct relay_table *table, size_t number,
                                 struct fault *fault)
{
    const struct relay_rule *rule = &table->rules[number];
    for (size_t i = 0; i < number && rule->name != NULL; i++) {
        const struct relay_rule *other = &table->rules[i];
        if (other->name != NULL && strcmp(other->name, rule->name) == 0 &&
            !is_same_relay(&other->relay, &rule->relay))
            return fault_set(fault, FAULT_SYNTAX,
                             "the relay is that of rule %zu, but with other demands", i + 1);
    }
    return true;
}

static bool read_rule(struct relay_table *table, const char *line, struct bytes secrets,
                      struct fault *fault)
{
    struct relay_rule *rule = &table->rules[table->count];
    bool is_sound = relay_rule_read(rule, bytes_from_string(line), fault) &&
                    (rule->user == NULL || relay_secret_find(secrets, rule, fault)) &&
                    check_against_others(table, table->count, fault);
    table->count++;
    return is_sound;
}

/* Which rule it was goes before what is wrong with it; too long is wrong as well. */
static void name_rule(size_t number, struct fault *fault)
{
    struct fault inner = *fault;
    if (inner.kind != FAULT_TEMPORARY)
        fault_set(fault, FAULT_SYNTAX, "relay rule %zu: %.*s", number, FAULT_MESSAGE_SIZE - 40,
                  inner.message);
}

struct relay_table *relay_table_new(const char *const *rules, size_t count, struct bytes secrets,
                                    struct fault *fault)
{
    if (count > RELAY_RULES_MAX) {
        fault_set(fault, FAULT_SYNTAX, "there are more than %d relay rules", RELAY_RULES_MAX);
        return NULL;
    }
    struct fault inner = {0};
    if (!relay_secret_check(secrets, &inner)) {
        *fault = inner;
        return NULL;
    }
    struct relay_table *table = calloc(1, sizeof(*table) + count * sizeof(table->rules[0]));
    if (table == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (read_rule(table, rules[i], secrets, &inner))
            continue;
        name_rule(i + 1, &inner);
        *fault = inner;
        relay_table_free(table);
        return NULL;
    }
    return table;
}

void relay_table_free(struct relay_table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->count; i++)
        relay_rule_clear(&table->rules[i]);
    free(table);
}

/* ---- which rule ---- */

static bool fits_sender(const struct relay_rule *rule, struct bytes sender)
{
    if (rule->sender == NULL)
        return true;
    struct bytes wanted = bytes_from_string(rule->sender);
    /* The form of both is the same but for the case of the local part, which no host minds. */
    return wanted.data[0] == '@' ? bytes_ends_with_ignoring_case(sender, wanted)
                                 : bytes_equal_ignoring_case(sender, wanted);
}

static bool fits_domain(const struct relay_rule *rule, struct bytes domain)
{
    if (rule->domain == NULL)
        return true;
    struct bytes wanted = bytes_from_string(rule->domain);
    if (bytes_equal(domain, wanted))
        return true;
    return rule->is_below && domain.length > wanted.length &&
           domain.data[domain.length - wanted.length - 1] == '.' && bytes_ends_with(domain, wanted);
}

/* The sender with its domain as the rules have it; what is no address fits no rule that names one.
 */
static bool write_sender(struct bytes sender, struct buffer *out, struct fault *fault)
{
    struct address address;
    struct fault inner = {0};
    if (bytes_is_empty(sender))
        return true;
    if (!address_parse(sender, &address, &inner)) {
        if (inner.kind == FAULT_SYNTAX || inner.kind == FAULT_LIMIT)
            return true;
        *fault = inner;
        return false;
    }
    buffer_append(out, address_local_part(&address));
    buffer_append_char(out, '@');
    return relay_write_domain(address_domain(&address), out, fault);
}

static const struct relay_rule *find_rule(const struct relay_table *table, struct bytes sender,
                                          struct bytes domain)
{
    for (size_t i = 0; table != NULL && i < table->count; i++)
        if (fits_sender(&table->rules[i], sender) && fits_domain(&table->rules[i], domain))
            return &table->rules[i];
    return NULL;
}

bool relay_route(const struct relay_table *table, struct bytes sender,
                 const struct address *recipient, struct buffer *route, struct fault *fault)
{
    AUTO(buffer)
    domain = BUFFER(DOMAIN_OCTETS_MAX);
    AUTO(buffer)
    from = BUFFER(ADDRESS_TEXT_MAX);
    if (!relay_write_domain(address_domain(recipient), &domain, fault) ||
        (table != NULL && !write_sender(sender, &from, fault)))
        return false;
    if (buffer_is_failed(&domain) || buffer_is_failed(&from))
        return fault_set_memory(fault);
    const struct relay_rule *rule = find_rule(table, buffer_bytes(&from), buffer_bytes(&domain));
    if (rule == NULL || rule->name == NULL)
        buffer_append(route, buffer_bytes(&domain));
    else
        buffer_append_string(route, rule->name);
    return !buffer_is_failed(route) || fault_set_memory(fault);
}

/* A port is behind every relay's name, and in no domain; those of an address stand in brackets. */
static bool is_name_of_relay(struct bytes route)
{
    size_t colon = bytes_find_last_char(route, ':');
    return colon != BYTES_NOT_FOUND && !bytes_has_char(bytes_skip(route, colon), ']');
}

static const struct relay_rule *find_named(const struct relay_table *table, struct bytes route)
{
    for (size_t i = 0; table != NULL && i < table->count; i++)
        if (bytes_equal(bytes_from_string(table->rules[i].name), route))
            return &table->rules[i];
    return NULL;
}

/* Demands on a domain by MX: only rules for all senders can have them. */
static const struct relay_rule *find_demands(const struct relay_table *table, struct bytes domain)
{
    for (size_t i = 0; table != NULL && i < table->count; i++) {
        const struct relay_rule *rule = &table->rules[i];
        if (rule->name == NULL && rule->sender == NULL && fits_domain(rule, domain))
            return rule;
    }
    return NULL;
}

void relay_find(const struct relay_table *table, struct bytes route, struct relay *relay,
                bool *is_stale)
{
    bool is_relay = is_name_of_relay(route);
    const struct relay_rule *rule =
        is_relay ? find_named(table, route) : find_demands(table, route);
    *is_stale = is_relay && rule == NULL;
    if (rule != NULL)
        *relay = rule->relay;
    else
        *relay =
            (struct relay){.port = 25, .connections = RELAY_CONNECTIONS, .letters = RELAY_LETTERS};
}
