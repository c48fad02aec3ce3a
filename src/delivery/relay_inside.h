/* What the files of the table of relays share. */
#ifndef DELIVERY_RELAY_INSIDE_H
#define DELIVERY_RELAY_INSIDE_H

#include "delivery/relay.h"

/* Strings are the rule's own. */
struct relay_rule {
    char *sender;  /* "ann@example.org" or "@example.org", domains lower and in A-labels; NULL = of
                      whomever */
    char *domain;  /* of recipients; NULL = all */
    bool is_below; /* the domains below it too */
    char *name;    /* of its route; NULL = by MX */
    char *host;
    char *user;
    char *password;
    bool has_demands;
    struct relay relay; /* its strings are those above */
};

struct relay_table {
    size_t count;
    struct relay_rule rules[];
};

/* ---- relay.c ---- */

/* Appends a domain or an address literal in the form of names of routes: A-labels, lower case. */
bool relay_write_domain(struct bytes domain, struct buffer *out, struct fault *fault);

/* ---- relay_rule.c: a rule out of its line ---- */

/* The rule is all zero; to be cleared also behind a fault. Faults do not name the rule. */
bool relay_rule_read(struct relay_rule *rule, struct bytes line, struct fault *fault);
void relay_rule_clear(struct relay_rule *rule);

/* "smtp.example.net:587", "[2001:db8::1]", "192.0.2.1": appends the host in its one form ("[..]"
   around addresses). *port 0: none was given. */
bool relay_rule_read_host(struct bytes text, struct buffer *host, unsigned *port,
                          struct fault *fault);

/* ---- relay_secret.c: passwords ---- */

/* Every line is one. FAULT_SYNTAX: says which is not, without what it holds. */
bool relay_secret_check(struct bytes secrets, struct fault *fault);
/* Gives the rule its password; the secrets are checked. */
bool relay_secret_find(struct bytes secrets, struct relay_rule *rule, struct fault *fault);

#endif
