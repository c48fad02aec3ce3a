/* Passwords of relays, out of lines "HOST USER PASSWORD". */
#include "delivery/relay_inside.h"

#include <stdlib.h>

#include "base/scan.h"

/* Borrowed from the secrets. */
struct line {
    struct bytes host;
    struct bytes user;
    struct bytes password; /* to the end of the line: may hold blanks */
};

static struct bytes take_word(struct scan *scan)
{
    scan_take_while(scan, &scan_blanks);
    const char *start = scan->position;
    while (!scan_is_at_end(scan) && !scan_blanks.has[scan_peek(scan)])
        scan_take(scan);
    return bytes_of(start, (size_t)(scan->position - start));
}

/* False: there is none any more. Lines without content and comments have an empty host. */
static bool take_line(struct bytes *rest, struct line *line)
{
    struct bytes text;
    if (bytes_is_empty(*rest))
        return false;
    bytes_split(*rest, '\n', &text, rest);
    if (bytes_ends_with(text, BYTES("\r")))
        text.length--;
    *line = (struct line){0};
    struct bytes content = bytes_trim_start(text);
    if (bytes_is_empty(content) || content.data[0] == '#')
        return true;
    struct scan scan = scan_of(content);
    line->host = take_word(&scan);
    line->user = take_word(&scan);
    scan_take_while(&scan, &scan_blanks);
    line->password = scan_rest(&scan);
    return true;
}

static bool check_line(const struct line *line, struct fault *fault)
{
    AUTO(buffer)
    host = BUFFER(RELAY_HOST_MAX);
    unsigned port;
    if (bytes_is_empty(line->host))
        return true;
    if (bytes_is_empty(line->password))
        return fault_set(fault, FAULT_SYNTAX, "is not of the form HOST USER PASSWORD");
    if (bytes_has_char(line->password, '\0'))
        return fault_set(fault, FAULT_SYNTAX, "has a zero byte in the password");
    struct fault inner = {0};
    if (relay_rule_read_host(line->host, &host, &port, &inner))
        return !buffer_is_failed(&host) || fault_set_memory(fault);
    if (inner.kind == FAULT_TEMPORARY) {
        *fault = inner;
        return false;
    }
    return fault_set(fault, FAULT_SYNTAX, "begins with what is no host");
}

bool relay_secret_check(struct bytes secrets, struct fault *fault)
{
    struct line line;
    for (size_t number = 1; take_line(&secrets, &line); number++) {
        struct fault inner = {0};
        if (check_line(&line, &inner))
            continue;
        if (inner.kind == FAULT_SYNTAX)
            return fault_set(fault, FAULT_SYNTAX, "line %zu of the secrets %s", number,
                             inner.message);
        *fault = inner;
        return false;
    }
    return true;
}

static bool is_of_rule(const struct line *line, const struct relay_rule *rule, bool *is_it,
                       struct fault *fault)
{
    AUTO(buffer)
    host = BUFFER(RELAY_HOST_MAX);
    unsigned port;
    *is_it = false;
    if (bytes_is_empty(line->host) || !bytes_equal(line->user, bytes_from_string(rule->user)))
        return true;
    if (!relay_rule_read_host(line->host, &host, &port, fault))
        return false;
    if (buffer_is_failed(&host))
        return fault_set_memory(fault);
    *is_it = bytes_equal(buffer_bytes(&host), bytes_from_string(rule->host)) &&
             (port == 0 || port == rule->relay.port);
    return true;
}

bool relay_secret_find(struct bytes secrets, struct relay_rule *rule, struct fault *fault)
{
    struct line line;
    while (take_line(&secrets, &line)) {
        bool is_it;
        if (!is_of_rule(&line, rule, &is_it, fault))
            return false;
        if (!is_it)
            continue;
        rule->password = malloc(line.password.length + 1);
        if (rule->password == NULL)
            return fault_set_memory(fault);
        memcpy(rule->password, line.password.data, line.password.length);
        rule->password[line.password.length] = '\0';
        rule->relay.password = rule->password;
        return true;
    }
    return fault_set(fault, FAULT_SYNTAX, "the secrets have no password of %s at %s", rule->user,
                     rule->host);
}
