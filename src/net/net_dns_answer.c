/* Records from the wire (RFC 1035 3.3, 4.1) into values. */
#include "net/net_dns_answer.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/scan.h"

enum {
    RCODE_REFUSED = 5,
    CODE_FIRST = 33, /* bytes of a label that stand for themselves in text */
    CODE_LAST = 126,
    BYTE_SIZE = sizeof "\\255"
};

void net_dns_answer_free(struct net_dns_answer *answer)
{
    free(answer);
}

/* A byte of a name as text, as in a zone file (RFC 1035 5.1): what would be taken for something
   else is escaped, so that asking for the text asks for the same name. */
static void write_byte(unsigned char c, char text[BYTE_SIZE])
{
    if (c == '.' || c == '\\')
        snprintf(text, BYTE_SIZE, "\\%c", c);
    else if (c < CODE_FIRST || c > CODE_LAST)
        snprintf(text, BYTE_SIZE, "\\%03u", c);
    else
        snprintf(text, BYTE_SIZE, "%c", c);
}

/* False: the name is malformed or too long for us. */
static bool read_name(struct bytes wire, char name[NET_DNS_NAME_MAX + 1])
{
    struct scan scan = scan_of(wire);
    size_t size = 0;
    int length;
    name[0] = '\0';
    while ((length = scan_take(&scan)) > 0) {
        struct bytes label;
        if (!scan_take_count(&scan, (size_t)length, &label) || size >= NET_DNS_NAME_MAX)
            return false;
        if (size > 0)
            name[size++] = '.';
        for (size_t i = 0; i < label.length; i++) {
            char text[BYTE_SIZE];
            write_byte((unsigned char)bytes_lower_char(label.data[i]), text);
            size_t added = strlen(text);
            if (added > NET_DNS_NAME_MAX - size)
                return false;
            memcpy(name + size, text, added + 1);
            size += added;
        }
    }
    return length == 0;
}

static bool read_exchanger(struct bytes wire, struct net_dns_record *record)
{
    if (wire.length < 2)
        return false;
    record->preference = (uint16_t)((unsigned char)wire.data[0] << 8 | (unsigned char)wire.data[1]);
    return read_name(bytes_skip(wire, 2), record->name);
}

static bool read_ipv4(struct bytes wire, struct net_address *address)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET};
    if (wire.length != sizeof ipv4.sin_addr)
        return false;
    memcpy(&ipv4.sin_addr, wire.data, wire.length);
    memcpy(&address->storage, &ipv4, sizeof ipv4);
    address->length = sizeof ipv4;
    return true;
}

static bool read_ipv6(struct bytes wire, struct net_address *address)
{
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};
    if (wire.length != sizeof ipv6.sin6_addr)
        return false;
    memcpy(&ipv6.sin6_addr, wire.data, wire.length);
    memcpy(&address->storage, &ipv6, sizeof ipv6);
    address->length = sizeof ipv6;
    return true;
}

static bool read_record(enum net_dns_type type, struct bytes wire, struct net_dns_record *record)
{
    switch (type) {
    case NET_DNS_MX:
        return read_exchanger(wire, record);
    case NET_DNS_A:
        return read_ipv4(wire, &record->address);
    case NET_DNS_AAAA:
        return read_ipv6(wire, &record->address);
    case NET_DNS_TXT:
    case NET_DNS_TLSA:
        break;
    }
    return true;
}

static struct bytes result_record(const struct ub_result *result, size_t index)
{
    return bytes_of(result->data[index], (size_t)result->len[index]);
}

static size_t result_count(const struct ub_result *result, size_t *size)
{
    size_t count = 0;
    *size = 0;
    if (result == NULL || !result->havedata || result->bogus)
        return 0;
    for (; count < NET_DNS_RECORDS_MAX && result->data[count] != NULL; count++)
        *size += result_record(result, count).length;
    return count;
}

static void set_failed(struct net_dns_answer *answer, const char *reason)
{
    answer->status = NET_DNS_FAILED;
    answer->lifetime = 0;
    snprintf(answer->reason, sizeof answer->reason, "%s", reason);
}

static void set_status(struct net_dns_answer *answer, const struct ub_result *result)
{
    answer->lifetime = result->ttl;
    answer->is_secure = result->secure;
    if (result->bogus) {
        answer->status = NET_DNS_BOGUS;
        answer->is_secure = false;
        snprintf(answer->reason, sizeof answer->reason, "DNSSEC: %s",
                 result->why_bogus == NULL ? "the answer is forged or badly signed"
                                           : result->why_bogus);
    } else if (result->havedata) {
        answer->status = NET_DNS_FOUND;
    } else if (result->nxdomain) {
        answer->status = NET_DNS_NO_NAME;
    } else if (result->rcode == 0) {
        answer->status = NET_DNS_NO_DATA;
    } else {
        set_failed(answer, result->rcode == RCODE_REFUSED ? "the name servers refuse to answer"
                                                          : "no name server gives an answer");
    }
}

struct net_dns_answer *net_dns_answer_new(enum net_dns_type type, const struct ub_result *result,
                                          const char *failure)
{
    size_t size;
    size_t count = result_count(result, &size);
    struct net_dns_answer *answer =
        calloc(1, sizeof *answer + count * sizeof *answer->records + size);
    if (answer == NULL)
        return NULL;
    answer->records = (struct net_dns_record *)(answer + 1);
    char *data = (char *)(answer->records + count);
    if (result == NULL) {
        set_failed(answer, failure);
        return answer;
    }
    set_status(answer, result);
    for (size_t i = 0; i < count; i++) {
        struct bytes wire = result_record(result, i);
        if (!read_record(type, wire, &answer->records[answer->count]))
            continue;
        memcpy(data, wire.data, wire.length);
        answer->records[answer->count++].data = bytes_of(data, wire.length);
        data += wire.length;
    }
    if (count > 0 && answer->count == 0)
        set_failed(answer, "the records cannot be read");
    return answer;
}
