/* Domains by the letter of RFC 5321 4.1.2; what is not ASCII goes through libidn2. */
#include "mail/domain.h"

#include <arpa/inet.h>
#include <idn2.h>

#include "base/scan.h"
#include "base/utf8.h"

static const struct scan_class label_characters = {
    .has = {['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['-'] = true}};

/* dcontent of RFC 5321 4.1.3, without what a path is read by: no tag that is in use has '"', '<' or
   '>', and with them the literal would say where the path ends. */
static const struct scan_class literal_characters = {.has = {['!'] = true,
                                                             ['#' ... ';'] = true,
                                                             ['='] = true,
                                                             ['?' ... 'Z'] = true,
                                                             ['^' ... '~'] = true}};

/* Let-dig [Ldh-str]: a label, or the tag of a general address literal. */
static bool take_label(struct scan *scan, struct bytes *label)
{
    *label = scan_take_while(scan, &label_characters);
    return label->length > 0 && label->data[0] != '-' && label->data[label->length - 1] != '-';
}

bool domain_is_valid(struct bytes text)
{
    if (text.length > DOMAIN_OCTETS_MAX)
        return false;
    struct scan scan = scan_of(text);
    struct bytes label;
    do {
        if (!take_label(&scan, &label) || label.length > DOMAIN_LABEL_MAX)
            return false;
    } while (scan_take_char(&scan, '.'));
    return scan_is_at_end(&scan);
}

/* IPv4-address-literal: Snum is one to three digits, so "010" is ten. */
static bool is_ipv4(struct bytes text)
{
    struct scan scan = scan_of(text);
    for (int part = 0; part < 4; part++) {
        struct scan before = scan;
        uint64_t number;
        if (part > 0 && !scan_take_char(&scan, '.'))
            return false;
        before = scan;
        if (!scan_take_number(&scan, 255, &number) || scan.position - before.position > 3)
            return false;
    }
    return scan_is_at_end(&scan);
}

/* The system's reader takes "::" for a single group too; RFC 5321 4.1.3 wants two behind it. */
static bool is_ipv6(struct bytes text)
{
    char string[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (text.length >= sizeof string || bytes_has_char(text, '\0') || text.length == 0)
        return false;
    memcpy(string, text.data, text.length);
    string[text.length] = '\0';
    if (inet_pton(AF_INET6, string, &address) != 1)
        return false;
    if (bytes_find(text, BYTES("::")) == BYTES_NOT_FOUND)
        return true;
    size_t groups = bytes_has_char(text, '.') ? 1 : 0;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] != ':' && (i == 0 || text.data[i - 1] == ':'))
            groups++;
    }
    return groups <= 6;
}

bool domain_is_address_literal(struct bytes text)
{
    if (text.length < 2 || text.length > DOMAIN_OCTETS_MAX || text.data[0] != '[' ||
        text.data[text.length - 1] != ']')
        return false;
    struct bytes content = bytes_slice(text, 1, text.length - 2);
    struct scan scan = scan_of(content);
    if (is_ipv4(content))
        return true;
    if (scan_take_literal_ignoring_case(&scan, BYTES("IPv6:")))
        return is_ipv6(scan_rest(&scan));
    struct bytes tag;
    return take_label(&scan, &tag) && scan_take_char(&scan, ':') &&
           scan_take_while(&scan, &literal_characters).length > 0 && scan_is_at_end(&scan);
}

bool domain_is_hello_name(struct bytes text)
{
    return domain_is_valid(text) || domain_is_address_literal(text);
}

static bool refuse(struct fault *fault, struct bytes text)
{
    if (text.length > DOMAIN_OCTETS_MAX)
        return fault_set(fault, FAULT_LIMIT, "the domain is longer than %d bytes",
                         DOMAIN_OCTETS_MAX);
    struct scan scan = scan_of(text);
    scan_take_while(&scan, &scan_printable);
    if (!scan_is_at_end(&scan))
        return fault_set(fault, FAULT_SYNTAX, "the domain is not valid");
    return fault_set(fault, FAULT_SYNTAX, "\"%.*s\" is no domain and no address literal",
                     BYTES_FORMAT(text));
}

/* UTS 46 turns some characters into ASCII that no domain has; Punycode shows it as it is, so the
   test for domains finds it. libidn2's own rule (STD 3) would not refuse it but leave it out. */
static bool write_a_labels(struct bytes text, struct buffer *out, struct fault *fault)
{
    char string[DOMAIN_OCTETS_MAX + 1];
    memcpy(string, text.data, text.length);
    string[text.length] = '\0';
    char *ascii = NULL;
    int status = idn2_to_ascii_8z(string, &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
    if (status == IDN2_MALLOC)
        return fault_set_memory(fault);
    if (status != IDN2_OK)
        return fault_set(fault, FAULT_SYNTAX, "the domain is not valid: %s", idn2_strerror(status));
    struct bytes labels = bytes_from_string(ascii);
    bool is_valid = domain_is_valid(labels);
    if (is_valid)
        buffer_append(out, labels);
    else
        refuse(fault, labels);
    idn2_free(ascii);
    return is_valid;
}

bool domain_write_ascii(struct bytes text, struct buffer *out, struct fault *fault)
{
    if (domain_is_hello_name(text)) {
        buffer_append(out, text);
        return true;
    }
    if (text.length == 0 || text.length > DOMAIN_OCTETS_MAX || bytes_is_ascii(text) ||
        bytes_has_char(text, '\0') || !utf8_is_valid(text))
        return refuse(fault, text);
    return write_a_labels(text, out, fault);
}
