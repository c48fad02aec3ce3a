/* getaddrinfo on a thread that may outlive the wish to know. */
#include "net/net_resolver.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/net_target.h"
#include "net/net_wait.h"

/* One question. The asker and the thread each hold it; the last of them frees it. */
struct lookup {
    pthread_mutex_t mutex;
    unsigned holders;
    int finished_descriptor; /* closed by the thread when the answer is there */
    char host[NET_HOST_MAX + 1];
    unsigned port;
    int result; /* of getaddrinfo */
    int system_error;
    struct net_address addresses[NET_ADDRESSES_MAX];
    size_t count;
};

static struct lookup *lookup_new(const char *host, unsigned port)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL)
        return NULL;
    if (pthread_mutex_init(&lookup->mutex, NULL) != 0) {
        free(lookup);
        return NULL;
    }
    lookup->holders = 1;
    lookup->port = port;
    strncpy(lookup->host, host, NET_HOST_MAX);
    return lookup;
}

static void lookup_release(struct lookup *lookup)
{
    pthread_mutex_lock(&lookup->mutex);
    unsigned left = --lookup->holders;
    pthread_mutex_unlock(&lookup->mutex);
    if (left > 0)
        return;
    pthread_mutex_destroy(&lookup->mutex);
    free(lookup);
}

static size_t copy_addresses(const struct addrinfo *found,
                             struct net_address addresses[NET_ADDRESSES_MAX])
{
    size_t count = 0;
    for (; found != NULL && count < NET_ADDRESSES_MAX; found = found->ai_next) {
        if (found->ai_family != AF_INET && found->ai_family != AF_INET6)
            continue;
        memcpy(&addresses[count].storage, found->ai_addr, found->ai_addrlen);
        addresses[count].length = found->ai_addrlen;
        count++;
    }
    return count;
}

static void *run_lookup(void *argument)
{
    struct lookup *lookup = argument;
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char service[16];
    snprintf(service, sizeof service, "%u", lookup->port);
    int result = getaddrinfo(lookup->host, service, &wanted, &found);
    int system_error = errno;

    pthread_mutex_lock(&lookup->mutex);
    lookup->result = result;
    lookup->system_error = system_error;
    if (result == 0)
        lookup->count = copy_addresses(found, lookup->addresses);
    pthread_mutex_unlock(&lookup->mutex);
    if (result == 0)
        freeaddrinfo(found);
    close(lookup->finished_descriptor);
    lookup_release(lookup);
    return NULL;
}

/* The thread hears no signals: they are for the threads that the program knows of. */
static int start_thread(struct lookup *lookup)
{
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error != 0)
        return error;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    error = pthread_create(&thread, &attributes, run_lookup, lookup);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

/* True: the lookup runs, and *descriptor shows its end of stream once it has. */
static bool start_lookup(struct lookup *lookup, int *descriptor, struct fault *fault)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return fault_set_system(fault, FAULT_TEMPORARY, errno, "no name can be looked up");
    lookup->finished_descriptor = ends[1];
    lookup->holders = 2;
    int error = start_thread(lookup);
    if (error != 0) {
        lookup->holders = 1;
        close(ends[0]);
        close(ends[1]);
        return fault_set_system(fault, FAULT_TEMPORARY, error, "no name can be looked up");
    }
    *descriptor = ends[0];
    return true;
}

static bool explain(const struct lookup *lookup, struct fault *fault)
{
    switch (lookup->result) {
    case 0:
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        return fault_set(fault, FAULT_PERMANENT,
                         "there is no host called %.200s, or it has no address", lookup->host);
    case EAI_MEMORY:
        return fault_set_memory(fault);
    case EAI_SYSTEM:
        return fault_set_system(fault, FAULT_TEMPORARY, lookup->system_error,
                                "%.150s cannot be looked up", lookup->host);
    case EAI_AGAIN:
        return fault_set(fault, FAULT_TEMPORARY,
                         "%.150s cannot be looked up now: no name server answers", lookup->host);
    default:
        return fault_set(fault, FAULT_PERMANENT, "%.150s cannot be looked up: %s", lookup->host,
                         gai_strerror(lookup->result));
    }
}

static bool take_answer(struct lookup *lookup, struct net_address addresses[NET_ADDRESSES_MAX],
                        size_t *count, struct fault *fault)
{
    pthread_mutex_lock(&lookup->mutex);
    bool is_found = lookup->result == 0 && lookup->count > 0;
    if (is_found) {
        memcpy(addresses, lookup->addresses, lookup->count * sizeof addresses[0]);
        *count = lookup->count;
    } else {
        explain(lookup, fault);
    }
    pthread_mutex_unlock(&lookup->mutex);
    return is_found;
}

static bool ask_system(const char *host, unsigned port, int wake_descriptor, int64_t deadline,
                       struct net_address addresses[NET_ADDRESSES_MAX], size_t *count,
                       struct fault *fault)
{
    struct lookup *lookup = lookup_new(host, port);
    if (lookup == NULL)
        return fault_set_memory(fault);
    int descriptor = -1;
    bool is_answered = start_lookup(lookup, &descriptor, fault) &&
                       net_wait_for(descriptor, POLLIN, wake_descriptor, deadline, fault) &&
                       take_answer(lookup, addresses, count, fault);
    if (descriptor >= 0)
        close(descriptor);
    lookup_release(lookup);
    return is_answered;
}

bool net_resolver_resolve(const char *host, unsigned port, int wake_descriptor, int64_t deadline,
                          struct net_address addresses[NET_ADDRESSES_MAX], size_t *count,
                          struct fault *fault)
{
    if (net_target_is_localhost_name(host)) {
        net_address_parse("::1", port, &addresses[0]);
        net_address_parse("127.0.0.1", port, &addresses[1]);
        *count = 2;
        return true;
    }
    if (net_address_parse(host, port, &addresses[0])) {
        *count = 1;
        return true;
    }
    return ask_system(host, port, wake_descriptor, deadline, addresses, count, fault);
}
