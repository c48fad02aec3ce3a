/* The desk in front of libunbound: it resolves on a thread of its own, answers come through its
 * descriptor. Nothing is loaded and no thread is made before the first question. */
#include "net/net_dns.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "net/net_dns_answer.h"
#include "net/net_dns_library.h"

/* A question on its way; libunbound's callback gets it. */
struct open_question {
    struct net_dns *dns;
    struct net_dns_question *question;
    int id;
    struct open_question *previous;
    struct open_question *next;
};

struct net_dns {
    const struct net_dns_options *options;
    struct net_dns_library library;
    struct ub_ctx *context; /* NULL until the first question */
    int descriptor;         /* an epoll(7) that context's joins: there is one to look at before */
    struct open_question *open;
    size_t open_count;
};

/* Debian's package dns-root-data, which is kept up to date, and the place that unbound-anchor
   writes to. */
static const char *const ANCHOR_FILES[] = {"/usr/share/dns/root.key", "/var/lib/unbound/root.key"};

/* How libunbound is to be. */
static const char *const SETTINGS[][2] = {
    /* A resolver on this machine is the rule, not a mistake. */
    {"do-not-query-localhost:", "no"},
    /* One thread asks for thousands of routes at once. */
    {"outgoing-range:", "256"},
    {"num-queries-per-thread:", "4096"},
    {"outgoing-num-tcp:", "8"},
    /* Bytes of memory. */
    {"msg-cache-size:", "4m"},
    {"rrset-cache-size:", "8m"},
    {"key-cache-size:", "1m"},
    {"neg-cache-size:", "256k"},
    /* A server that was away is found again at once, not after a quarter of an hour. */
    {"infra-keep-probing:", "yes"},
    {"val-log-level:", "2"},
};

/* The special names (RFC 6761) that closed networks use all the same: what our servers know of them
   counts. */
static const char *const SPECIAL_NAMES[] = {"test.", "home.arpa."};

struct net_dns *net_dns_new(const struct net_dns_options *options, struct fault *fault)
{
    struct net_dns *dns = calloc(1, sizeof *dns);
    if (dns == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    dns->options = options;
    dns->descriptor = epoll_create1(EPOLL_CLOEXEC);
    if (dns->descriptor < 0) {
        fault_set_system(fault, FAULT_TEMPORARY, errno, "no descriptor for the name system");
        net_dns_free(dns);
        return NULL;
    }
    return dns;
}

void net_dns_free(struct net_dns *dns)
{
    if (dns == NULL)
        return;
    if (dns->context != NULL)
        dns->library.ub_ctx_delete(dns->context);
    while (dns->open != NULL) {
        struct open_question *next = dns->open->next;
        free(dns->open);
        dns->open = next;
    }
    if (dns->descriptor >= 0)
        close(dns->descriptor);
    free(dns);
}

int net_dns_descriptor(const struct net_dns *dns)
{
    return dns->descriptor;
}

static bool context_fault(const struct net_dns *dns, int error, const char *what,
                          struct fault *fault)
{
    return fault_set(fault, error == UB_NOMEM ? FAULT_TEMPORARY : FAULT_PERMANENT,
                     "libunbound cannot %s: %s", what, dns->library.ub_strerror(error));
}

/* Whom to ask; *is_root: the root servers and so on, ourselves. */
static bool choose_servers(const struct net_dns *dns, struct ub_ctx *context, bool *is_root,
                           struct fault *fault)
{
    const struct net_dns_library *library = &dns->library;
    const struct net_dns_options *options = dns->options;
    for (size_t i = 0; i < options->server_count; i++) {
        const char *server = options->servers[i];
        int error = options->is_authoritative
                        ? library->ub_ctx_set_stub(context, ".", server, false)
                        : library->ub_ctx_set_fwd(context, server);
        if (error != UB_NOERROR)
            return context_fault(dns, error, server, fault);
    }
    if (options->server_count == 0) {
        /* Without these files the root servers are asked, and nobody has a name by hand. */
        *is_root = library->ub_ctx_resolvconf(context, NULL) != UB_NOERROR;
        library->ub_ctx_hosts(context, NULL);
    }
    return true;
}

/* With which key, if any, the root of all names signs. Resolvers of others may leave signatures
   out, and every answer would be taken for forged: there it is for the administrator to say. */
static bool choose_anchor(const struct net_dns *dns, struct ub_ctx *context, bool is_root,
                          struct fault *fault)
{
    const char *file = dns->options->trust_anchor_file;
    for (size_t i = 0; is_root && i < sizeof ANCHOR_FILES / sizeof *ANCHOR_FILES; i++)
        if (file == NULL && access(ANCHOR_FILES[i], R_OK) == 0)
            file = ANCHOR_FILES[i];
    int error = file == NULL ? UB_NOERROR : dns->library.ub_ctx_add_ta_file(context, file);
    return error == UB_NOERROR || context_fault(dns, error, file, fault);
}

static bool set_up(const struct net_dns *dns, struct ub_ctx *context, struct fault *fault)
{
    const struct net_dns_library *library = &dns->library;
    /* Libraries do not print. */
    library->ub_ctx_debugout(context, NULL);
    for (size_t i = 0; i < sizeof SETTINGS / sizeof *SETTINGS; i++) {
        int error = library->ub_ctx_set_option(context, SETTINGS[i][0], SETTINGS[i][1]);
        if (error != UB_NOERROR)
            return context_fault(dns, error, SETTINGS[i][0], fault);
    }
    /* A thread, not a process: that one would keep every descriptor of ours open. */
    int error = library->ub_ctx_async(context, true);
    if (error != UB_NOERROR)
        return context_fault(dns, error, "have a thread", fault);
    bool is_root = false;
    if (!choose_servers(dns, context, &is_root, fault) ||
        !choose_anchor(dns, context, is_root, fault))
        return false;
    for (size_t i = 0; i < sizeof SPECIAL_NAMES / sizeof *SPECIAL_NAMES; i++) {
        error = library->ub_ctx_zone_remove(context, SPECIAL_NAMES[i]);
        if (error != UB_NOERROR)
            return context_fault(dns, error, "be set up", fault);
    }
    return true;
}

static bool open_context(struct net_dns *dns, struct fault *fault)
{
    if (!net_dns_library_load(&dns->library, fault))
        return false;
    struct ub_ctx *context = dns->library.ub_ctx_create();
    if (context == NULL)
        return fault_set_memory(fault);
    struct epoll_event event = {.events = EPOLLIN};
    bool is_ready = set_up(dns, context, fault);
    if (is_ready &&
        epoll_ctl(dns->descriptor, EPOLL_CTL_ADD, dns->library.ub_fd(context), &event) != 0)
        is_ready = fault_set_system(fault, FAULT_TEMPORARY, errno, "libunbound's descriptor");
    if (is_ready)
        dns->context = context;
    else
        dns->library.ub_ctx_delete(context);
    return is_ready;
}

static void forget(struct open_question *open)
{
    struct net_dns *dns = open->dns;
    if (open->previous != NULL)
        open->previous->next = open->next;
    else
        dns->open = open->next;
    if (open->next != NULL)
        open->next->previous = open->previous;
    dns->open_count--;
    free(open);
}

static void hear(void *context, int error, struct ub_result *result)
{
    struct open_question *open = context;
    const struct net_dns_library *library = &open->dns->library;
    struct net_dns_question *question = open->question;
    question->answer = net_dns_answer_new(question->type, error == UB_NOERROR ? result : NULL,
                                          library->ub_strerror(error));
    question->handle = NULL;
    library->ub_resolve_free(result);
    forget(open);
    question->told(question);
}

bool net_dns_ask(struct net_dns *dns, struct net_dns_question *question, struct fault *fault)
{
    enum {
        CLASS_INTERNET = 1
    };
    if (dns->context == NULL && !open_context(dns, fault))
        return false;
    if (dns->open_count >= NET_DNS_QUESTIONS_MAX)
        return fault_set(fault, FAULT_LIMIT, "too many questions to the name system are open");
    struct open_question *open = calloc(1, sizeof *open);
    if (open == NULL)
        return fault_set_memory(fault);
    *open = (struct open_question){.dns = dns, .question = question, .next = dns->open};
    question->answer = NULL;
    question->handle = NULL;
    int error = dns->library.ub_resolve_async(dns->context, question->name, (int)question->type,
                                              CLASS_INTERNET, open, hear, &open->id);
    if (error != UB_NOERROR) {
        free(open);
        return context_fault(dns, error, "ask", fault);
    }
    if (dns->open != NULL)
        dns->open->previous = open;
    dns->open = open;
    dns->open_count++;
    question->handle = open;
    return true;
}

void net_dns_drop(struct net_dns *dns, struct net_dns_question *question)
{
    struct open_question *open = question->handle;
    if (open == NULL)
        return;
    dns->library.ub_cancel(dns->context, open->id);
    question->handle = NULL;
    forget(open);
}

void net_dns_process(struct net_dns *dns)
{
    if (dns->context != NULL)
        dns->library.ub_process(dns->context);
}
