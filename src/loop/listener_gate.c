/* Counters in a hash table, one for each address and each prefix that has connections. */
#include "loop/listener_gate.h"

#include <assert.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Running out of memory refuses a connection and does not end the program. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

enum {
    KEY_SIZE = 18,          /* family, bits that count, the address */
    DESCRIPTORS_KEPT = 128, /* for files and the store, where connections may have all others */
    DESCRIPTORS_SHARE = 4,  /* but never more than this part of them */
    PREFIX_BITS_IPV4 = 24,
    PREFIX_BITS_IPV6 = 48,
};

struct gate_source {
    unsigned char key[KEY_SIZE];
    unsigned count;
    UT_hash_handle hh;
};

struct listener_gate {
    pthread_mutex_t mutex;
    struct listener_limits limits;
    unsigned count;
    struct gate_source *sources;
};

static unsigned count_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > UINT32_MAX)
        return UINT32_MAX;
    unsigned all = (unsigned)limit.rlim_cur;
    unsigned kept = all / DESCRIPTORS_SHARE;
    return all - (kept < DESCRIPTORS_KEPT ? kept : DESCRIPTORS_KEPT);
}

static void set_limits(struct listener_gate *gate, const struct listener_limits *limits)
{
    gate->limits = *limits;
    unsigned possible = count_descriptors();
    if (gate->limits.all == 0 || gate->limits.all > possible)
        gate->limits.all = possible;
}

struct listener_gate *listener_gate_new(const struct listener_limits *limits, struct fault *fault)
{
    struct listener_gate *gate = calloc(1, sizeof *gate);
    if (gate == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    pthread_mutex_init(&gate->mutex, NULL);
    set_limits(gate, limits);
    return gate;
}

void listener_gate_free(struct listener_gate *gate)
{
    if (gate == NULL)
        return;
    assert(gate->count == 0);
    pthread_mutex_destroy(&gate->mutex);
    free(gate);
}

void listener_gate_change(struct listener_gate *gate, const struct listener_limits *limits)
{
    pthread_mutex_lock(&gate->mutex);
    set_limits(gate, limits);
    pthread_mutex_unlock(&gate->mutex);
}

static void make_key(const unsigned char *address, size_t bits, unsigned char key[KEY_SIZE])
{
    memset(key, 0, KEY_SIZE);
    key[0] = (unsigned char)bits;
    memcpy(key + 2, address, bits / 8);
}

/* False: neither IPv4 nor IPv6. */
static bool make_keys(const struct sockaddr_storage *address, unsigned char whole[KEY_SIZE],
                      unsigned char prefix[KEY_SIZE])
{
    const unsigned char *bytes;
    size_t bits;
    if (address->ss_family == AF_INET) {
        bytes = (const unsigned char *)&((const struct sockaddr_in *)address)->sin_addr;
        bits = PREFIX_BITS_IPV4;
        make_key(bytes, 32, whole);
    } else if (address->ss_family == AF_INET6) {
        bytes = (const unsigned char *)&((const struct sockaddr_in6 *)address)->sin6_addr;
        bits = PREFIX_BITS_IPV6;
        make_key(bytes, 128, whole);
    } else {
        return false;
    }
    make_key(bytes, bits, prefix);
    /* An IPv4 address has 32 bits and an IPv6 prefix 48: the lengths tell all four apart. */
    return true;
}

/* One more from there; NULL: too many, or no memory to count them. */
static struct gate_source *count_source(struct listener_gate *gate, const unsigned char *key,
                                        unsigned limit)
{
    struct gate_source *source;
    HASH_FIND(hh, gate->sources, key, KEY_SIZE, source);
    if (source != NULL) {
        if (limit != 0 && source->count >= limit)
            return NULL;
        source->count++;
        return source;
    }
    source = calloc(1, sizeof *source);
    if (source == NULL)
        return NULL;
    memcpy(source->key, key, KEY_SIZE);
    source->count = 1;
    HASH_ADD(hh, gate->sources, key, KEY_SIZE, source);
    if (source->hh.tbl == NULL) {
        free(source);
        return NULL;
    }
    return source;
}

static void forget_source(struct listener_gate *gate, struct gate_source *source)
{
    if (source == NULL)
        return;
    source->count--;
    if (source->count > 0)
        return;
    HASH_DEL(gate->sources, source);
    free(source);
}

static bool count_connection(struct listener_gate *gate, const struct sockaddr_storage *address,
                             struct listener_gate_place *place, enum listener_refusal *why)
{
    if (gate->count >= gate->limits.all) {
        *why = LISTENER_TOO_MANY;
        return false;
    }
    struct listener_gate_place made = {.gate = gate};
    unsigned char whole[KEY_SIZE];
    unsigned char prefix[KEY_SIZE];
    if (make_keys(address, whole, prefix)) {
        *why = LISTENER_TOO_MANY_FROM_ADDRESS;
        made.address = count_source(gate, whole, gate->limits.by_address);
        if (made.address == NULL)
            return false;
        *why = LISTENER_TOO_MANY_FROM_PREFIX;
        made.prefix = count_source(gate, prefix, gate->limits.by_prefix);
        if (made.prefix == NULL) {
            forget_source(gate, made.address);
            return false;
        }
    }
    gate->count++;
    *place = made;
    return true;
}

bool listener_gate_enter(struct listener_gate *gate, const struct sockaddr_storage *address,
                         struct listener_gate_place *place, enum listener_refusal *why)
{
    pthread_mutex_lock(&gate->mutex);
    bool is_in = count_connection(gate, address, place, why);
    pthread_mutex_unlock(&gate->mutex);
    return is_in;
}

void listener_gate_trust(struct listener_gate_place *place)
{
    struct listener_gate *gate = place->gate;
    if (gate == NULL)
        return;
    pthread_mutex_lock(&gate->mutex);
    forget_source(gate, place->address);
    forget_source(gate, place->prefix);
    pthread_mutex_unlock(&gate->mutex);
    place->address = NULL;
    place->prefix = NULL;
}

void listener_gate_leave(struct listener_gate_place *place)
{
    struct listener_gate *gate = place->gate;
    if (gate == NULL)
        return;
    pthread_mutex_lock(&gate->mutex);
    forget_source(gate, place->address);
    forget_source(gate, place->prefix);
    gate->count--;
    pthread_mutex_unlock(&gate->mutex);
    *place = (struct listener_gate_place){0};
}
