/* From the configuration to a queue that runs. */
#include "server/server_queue.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/secret.h"
#include "delivery/queue_runner.h"

enum {
    WORKERS = 2,           /* one reads letters while the other makes a report */
    CONNECTIONS_SHARE = 3, /* one descriptor of so many is for mail that goes out */
    SOURCES_MAX = 2,
    PLACE_MAX = 256
};

struct server_queue {
    struct relay_table *relays;
    struct loop_group *loops;
    struct worker_pool *workers;
    struct queue_runner *runner;
    struct net_tls_context *tls;
    struct net_tls_context *tls_verified;
    struct net_address sources[SOURCES_MAX];
    size_t source_count;
    struct net_address addresses[SERVER_QUEUE_ADDRESSES_MAX];
    struct host_list_self self;
    struct net_dns_options dns;
    const char *servers[CONFIG_VALUES_MAX];
    bool is_started;
    bool is_stopped;
};

/* ---- rules and passwords ---- */

/* What others could read is no secret. */
static bool check_secrets(int descriptor, const char *path, struct fault *fault)
{
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return fault_set_system(fault, FAULT_PERMANENT, errno, "relay-secrets: cannot look at %s",
                                path);
    if (!S_ISREG(status.st_mode) || status.st_size > SERVER_QUEUE_SECRETS_MAX)
        return fault_set(fault, FAULT_PERMANENT, "relay-secrets: %s is no file of at most %d bytes",
                         path, SERVER_QUEUE_SECRETS_MAX);
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return fault_set(fault, FAULT_DENIED,
                         "relay-secrets: %s may be read by others; say: chmod 600 %s", path, path);
    return true;
}

static bool read_all(int descriptor, const char *path, struct buffer *out, struct fault *fault)
{
    ssize_t count;
    do {
        char *room = buffer_reserve(out, 4096);
        if (room == NULL)
            return fault_set_memory(fault);
        count = read(descriptor, room, 4096);
        if (count > 0)
            buffer_commit(out, (size_t)count);
    } while (count > 0 || (count < 0 && errno == EINTR));
    return count == 0 ||
           fault_set_system(fault, FAULT_PERMANENT, errno, "relay-secrets: cannot read %s", path);
}

static bool read_secrets(const char *path, struct buffer *out, struct fault *fault)
{
    if (path == NULL)
        return true;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (descriptor < 0)
        return fault_set_system(fault, FAULT_PERMANENT, errno, "relay-secrets: cannot open %s",
                                path);
    bool is_read = check_secrets(descriptor, path, fault) && read_all(descriptor, path, out, fault);
    close(descriptor);
    return is_read;
}

static bool read_relays(struct server_queue *queue, const struct config *config,
                        struct fault *fault)
{
    const struct config_setting *setting = &config->settings[CONFIG_RELAYS];
    const char *rules[CONFIG_VALUES_MAX];
    AUTO(buffer)
    secrets = SECRET_BUFFER(SERVER_QUEUE_SECRETS_MAX + 4096);
    for (size_t i = 0; i < setting->count; i++)
        rules[i] = setting->values[i].text;
    if (!read_secrets(config_text(config, CONFIG_RELAY_SECRETS), &secrets, fault))
        return false;
    queue->relays = relay_table_new(rules, setting->count, buffer_bytes(&secrets), fault);
    return queue->relays != NULL;
}

struct server_queue *server_queue_new(const struct config *config, struct fault *fault)
{
    struct server_queue *queue = calloc(1, sizeof(*queue));
    if (queue == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    if (read_relays(queue, config, fault))
        return queue;
    server_queue_free(queue);
    return NULL;
}

const struct relay_table *server_queue_relays(const struct server_queue *queue)
{
    return queue == NULL ? NULL : queue->relays;
}

/* ---- addresses ---- */

static bool read_sources(struct server_queue *queue, const struct config *config,
                         struct fault *fault)
{
    const struct config_setting *setting = &config->settings[CONFIG_OUTGOING_ADDRESSES];
    for (size_t i = 0; i < setting->count; i++) {
        const char *text = setting->values[i].text;
        if (queue->source_count == SOURCES_MAX ||
            !net_address_parse(text, 0, &queue->sources[queue->source_count]) ||
            (i > 0 && queue->sources[0].storage.ss_family ==
                          queue->sources[queue->source_count].storage.ss_family))
            return fault_set(fault, FAULT_SYNTAX,
                             "outgoing-addresses: \"%.60s\": write one address of IPv4, one of "
                             "IPv6, or both",
                             text);
        queue->source_count++;
    }
    return true;
}

static void set_port(struct net_address *address, unsigned port)
{
    if (address->storage.ss_family == AF_INET)
        ((struct sockaddr_in *)&address->storage)->sin_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in6 *)&address->storage)->sin6_port = htons((uint16_t)port);
}

static void add_address(struct server_queue *queue, const struct net_address *address)
{
    if (queue->self.address_count < SERVER_QUEUE_ADDRESSES_MAX)
        queue->addresses[queue->self.address_count++] = *address;
}

/* All addresses of this machine, where a listener takes them all. */
static void add_interfaces(struct server_queue *queue, const struct ifaddrs *all, unsigned port)
{
    for (const struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
        if (one->ifa_addr == NULL ||
            (one->ifa_addr->sa_family != AF_INET && one->ifa_addr->sa_family != AF_INET6))
            continue;
        struct net_address address = {0};
        address.length = one->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in)
                                                             : sizeof(struct sockaddr_in6);
        memcpy(&address.storage, one->ifa_addr, address.length);
        set_port(&address, port);
        add_address(queue, &address);
    }
}

/* A place as the listener tells it: "127.0.0.1:2525", "[::1]:25", "*:25". */
static void add_place(struct server_queue *queue, const struct ifaddrs *all, const char *place)
{
    char host[PLACE_MAX];
    const char *colon = strrchr(place, ':');
    struct net_address address;
    if (colon == NULL || strncmp(place, "unix:", 5) == 0 || strlen(place) >= sizeof(host))
        return;
    unsigned port = (unsigned)strtoul(colon + 1, NULL, 10);
    bool has_brackets = place[0] == '[' && colon > place + 1;
    snprintf(host, sizeof(host), "%.*s", (int)(colon - place) - (has_brackets ? 2 : 0),
             place + (has_brackets ? 1 : 0));
    if (strcmp(host, "*") == 0 || strcmp(host, "::") == 0 || strcmp(host, "0.0.0.0") == 0)
        add_interfaces(queue, all, port);
    else if (net_address_parse(host, port, &address))
        add_address(queue, &address);
}

static bool leads_outside(const struct ifaddrs *all, int family)
{
    for (const struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
        if (one->ifa_addr == NULL || one->ifa_addr->sa_family != family ||
            (one->ifa_flags & IFF_LOOPBACK) != 0)
            continue;
        if (family == AF_INET ||
            !IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)one->ifa_addr)->sin6_addr))
            return true;
    }
    return false;
}

static void find_ourselves(struct server_queue *queue, const struct server_queue_host *host)
{
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) != 0)
        all = NULL; /* the name is left to know us by */
    queue->self.name = host->name;
    queue->self.addresses = queue->addresses;
    for (size_t i = 0; i < server_listeners_count(host->listeners); i++)
        if (server_listeners_option(host->listeners, i) == CONFIG_LISTEN_SMTP)
            add_place(queue, all, server_listeners_place(host->listeners, i));
    queue->self.no_ipv4 =
        all != NULL && !leads_outside(all, AF_INET) && leads_outside(all, AF_INET6);
    queue->self.no_ipv6 = all != NULL && !leads_outside(all, AF_INET6);
    if (all != NULL)
        freeifaddrs(all);
}

/* ---- start ---- */

static void *open_reader(void *store)
{
    return store_reader_open(store, NULL);
}

static void close_reader(void *reader)
{
    store_reader_close(reader);
}

static bool open_tls(struct server_queue *queue, const struct config *config, struct fault *fault)
{
    struct net_tls_policy policy = {.no_verification = true};
    queue->tls = net_tls_context_new(&policy, fault);
    if (queue->tls == NULL)
        return false;
    /* The trust store is large, and only rules ask for it. */
    if (config->settings[CONFIG_RELAYS].count == 0)
        return true;
    policy.no_verification = false;
    queue->tls_verified = net_tls_context_new(&policy, fault);
    return queue->tls_verified != NULL;
}

static void name_servers(struct server_queue *queue, const struct config *config)
{
    const struct config_setting *setting = &config->settings[CONFIG_DNS_SERVERS];
    for (size_t i = 0; i < setting->count; i++)
        queue->servers[i] = setting->values[i].text;
    queue->dns.servers = queue->servers;
    queue->dns.server_count = setting->count;
    queue->dns.is_authoritative = config_number(config, CONFIG_DNS_AUTHORITATIVE) != 0;
}

static unsigned connections_of(const struct server_queue_host *host)
{
    unsigned wanted = (unsigned)config_number(host->config, CONFIG_LIMIT_OUTGOING_CONNECTIONS);
    unsigned possible = host->descriptors / CONNECTIONS_SHARE;
    if (wanted == 0)
        wanted = QUEUE_PLAN_CONNECTIONS_MAX;
    if (wanted > possible)
        wanted = possible;
    return wanted == 0 ? 1 : wanted;
}

static struct retry_times times_of(const struct config *config)
{
    int64_t warning = config_number(config, CONFIG_QUEUE_WARNING_TIME) * 1000;
    return (struct retry_times){
        .warning = warning == 0 ? -1 : warning,
        .lifetime = config_number(config, CONFIG_QUEUE_LIFETIME) * 1000,
        .longest = config_number(config, CONFIG_QUEUE_RETRY_TIME) * 1000,
    };
}

static bool open_threads(struct server_queue *queue, struct store *store, struct fault *fault)
{
    struct worker_options workers = {
        .count = WORKERS, .open = open_reader, .close = close_reader, .argument = store};
    queue->loops = loop_group_new(1, fault);
    if (queue->loops == NULL)
        return false;
    queue->workers = worker_pool_new(&workers, fault);
    return queue->workers != NULL;
}

bool server_queue_start(struct server_queue *queue, const struct server_queue_host *host,
                        struct fault *fault)
{
    find_ourselves(queue, host);
    name_servers(queue, host->config);
    if (!read_sources(queue, host->config, fault) || !open_tls(queue, host->config, fault) ||
        !open_threads(queue, host->store, fault))
        return false;
    struct queue_runner_options options = {
        .store = host->store,
        .loop = loop_group_at(queue->loops, 0),
        .workers = queue->workers,
        .log = host->log,
        .name = host->name,
        .relays = queue->relays,
        .dns = &queue->dns,
        .self = &queue->self,
        .sources = queue->sources,
        .source_count = queue->source_count,
        .tls = queue->tls,
        .tls_verified = queue->tls_verified,
        .times = times_of(host->config),
        .limits = {.connections = connections_of(host)},
        .port = (unsigned)config_number(host->config, CONFIG_OUTGOING_PORT),
    };
    queue->runner = queue_runner_new(&options, fault);
    if (queue->runner == NULL || !loop_group_start(queue->loops, fault))
        return false;
    queue->is_started = true;
    queue_runner_start(queue->runner);
    return true;
}

/* ---- end ---- */

/* What was written down last comes back while the store still stands: letters have drafts there. A
   store always ends its jobs, be it with a fault. */
static void drain(struct server_queue *queue)
{
    const struct timespec pause = {.tv_nsec = 1000 * 1000};
    loop_group_settle(queue->loops);
    while (queue_runner_is_busy(queue->runner)) {
        nanosleep(&pause, NULL);
        loop_group_settle(queue->loops);
    }
    loop_group_settle(queue->loops); /* what those who came back still posted */
    queue_runner_free(queue->runner);
    queue->runner = NULL;
}

void server_queue_stop(struct server_queue *queue, int64_t grace)
{
    if (queue == NULL || queue->is_stopped || queue->loops == NULL)
        return;
    queue->is_stopped = true;
    if (queue->is_started)
        loop_group_stop(queue->loops, grace);
    queue_runner_end(queue->runner);
    worker_pool_free(queue->workers);
    queue->workers = NULL;
    drain(queue);
}

void server_queue_free(struct server_queue *queue)
{
    if (queue == NULL)
        return;
    server_queue_stop(queue, 0);
    loop_group_free(queue->loops);
    net_tls_context_free(queue->tls);
    net_tls_context_free(queue->tls_verified);
    relay_table_free(queue->relays);
    free(queue);
}
