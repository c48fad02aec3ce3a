/* Starts the rooms in the order in which they need each other, and ends them in the other. */
#include "server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/auth_exchange.h"
#include "auth/auth_throttle.h"
#include "loop/worker.h"
#include "mail/domain.h"
#include "server/privileges.h"
#include "server/server_limits.h"
#include "server/server_listeners.h"
#include "server/server_queue.h"
#include "server/server_store.h"
#include "server/server_tls.h"
#include "server/service_notify.h"
#include "server/store_lock.h"
#include "server/store_place.h"

enum {
    /* glibc makes an arena of 64 MiB of addresses a thread, each of which keeps what it once had:
       with few, memory that one thread frees serves the others. */
    SERVER_ARENAS_MAX = 2,
};

struct server {
    struct config config; /* as it stands now */
    bool is_dev;
    struct buffer host_name;
    struct buffer store_place;
    struct buffer data_directory;
    struct buffer certificate_file;
    /* The same as strings, made once: buffer_string writes, and the threads read. */
    const char *name;
    const char *place;
    const char *folder;
    const char *certificate;
    unsigned descriptors;
    struct privileges_user user;
    bool becomes_user;

    int log_descriptor; /* our own, so that a reload can put another file behind it; -1 = none */
    struct log *log;
    int lock; /* of the store; -1 = none */
    struct server_listeners *listeners;
    struct net_tls_context *tls;
    struct store *store;
    struct auth *auth;
    struct auth_throttle *throttle;
    struct worker_pool *workers;
    struct loop_group *loops;
    struct listener_gate *gate;
    struct pop3_locks *locks;
    struct session_services services;
    struct server_queue *queue; /* NULL: nothing goes out */
    bool is_serving;            /* between server_run's begin and its end loops run */
};

/* ---- the log ---- */

static void tell(struct server *server, enum log_level level, const char *event,
                 const struct fault *fault)
{
    struct log_line line;
    log_begin(&line, server->log, level, event);
    if (fault != NULL)
        log_fault(&line, fault);
    log_end(&line);
}

/* What root opens is given to the user, whose folder it may lie in already: a link there must lead
   to no other file. Links to devices and pipes, such as /dev/stderr, are harmless. */
static int open_log_as_root(const char *path, int flags)
{
    struct stat status;
    int descriptor = open(path, flags | O_CREAT | O_NOFOLLOW, 0640);
    if (descriptor >= 0 || errno != ELOOP)
        return descriptor;
    descriptor = open(path, flags);
    if (descriptor < 0 || (fstat(descriptor, &status) == 0 && !S_ISREG(status.st_mode)))
        return descriptor;
    close(descriptor);
    errno = ELOOP;
    return -1;
}

static int open_log_path(const struct server *server, const char *path)
{
    int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY;
    if (path == NULL)
        return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (geteuid() == 0 && server->user.user != 0)
        return open_log_as_root(path, flags);
    return open(path, flags | O_CREAT, 0640);
}

/* Puts the file that the configuration names behind the log's descriptor. */
static bool open_log_file(struct server *server, const struct config *config, struct fault *fault)
{
    const char *path = config_text(config, CONFIG_LOG_FILE);
    int descriptor = open_log_path(server, path);
    if (descriptor < 0 && errno == ELOOP && geteuid() == 0)
        return fault_set(fault, FAULT_PERMANENT,
                         "log-file: %s is a link, which root does not follow; name the file itself",
                         path);
    if (descriptor < 0)
        return fault_set_system(fault, FAULT_PERMANENT, errno, "log-file: cannot open %s",
                                path == NULL ? "standard error" : path);
    if (server->log_descriptor < 0) {
        server->log_descriptor = descriptor;
        return true;
    }
    bool is_changed = dup3(descriptor, server->log_descriptor, O_CLOEXEC) >= 0;
    int error = errno;
    close(descriptor);
    return is_changed ||
           fault_set_system(fault, FAULT_TEMPORARY, error, "log-file: cannot change to %s",
                            path == NULL ? "standard error" : path);
}

static bool open_log(struct server *server, struct fault *fault)
{
    if (!open_log_file(server, &server->config, fault))
        return false;
    server->log = log_new(server->log_descriptor,
                          (enum log_level)config_number(&server->config, CONFIG_LOG_LEVEL),
                          (enum log_format)config_number(&server->config, CONFIG_LOG_FORMAT));
    return server->log != NULL || fault_set_memory(fault);
}

/* ---- start ---- */

/* Waiting for signals is one thread's work; all others, which are made later, have them blocked. */
static void signals_of_server(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
}

static void block_signals(void)
{
    sigset_t set;
    signals_of_server(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static bool choose_user(struct server *server, struct fault *fault)
{
    const char *name = config_text(&server->config, CONFIG_USER);
    if (geteuid() != 0)
        return true;
    if (name == NULL)
        return fault_set(
            fault, FAULT_DENIED,
            "not started: mail is not served as root; name a user to become (-o user=NAME, or "
            "user in the configuration), or say user=root if it must be");
    server->becomes_user = true;
    return privileges_find(name, &server->user, fault);
}

static bool choose_places(struct server *server, struct fault *fault)
{
    if (!config_host_name(&server->config, &server->host_name, fault) ||
        !config_store(&server->config, &server->store_place, fault) ||
        !config_data_directory(&server->config, &server->data_directory, fault))
        return false;
    server->name = buffer_string(&server->host_name);
    server->place = buffer_string(&server->store_place);
    server->folder = buffer_string(&server->data_directory);
    return (server->name != NULL && server->place != NULL && server->folder != NULL) ||
           fault_set_memory(fault);
}

/* What root alone may do, and then nobody is root any more. */
static bool start_as_root(struct server *server, struct fault *fault)
{
    server->listeners = server_listeners_bind(&server->config, fault);
    if (server->listeners == NULL)
        return false;
    if (!server->is_dev) {
        server->queue = server_queue_new(&server->config, fault);
        if (server->queue == NULL)
            return false;
    }
    if (server_tls_is_given(&server->config)) {
        server->tls = server_tls_load(&server->config, fault);
        if (server->tls == NULL)
            return false;
        buffer_append_string(&server->certificate_file,
                             config_text(&server->config, CONFIG_TLS_CERTIFICATE));
    }
    if (!server->becomes_user)
        return privileges_drop_rest(fault);
    if (server->user.user != 0 &&
        !server_store_hand_over(server->place, server->folder, server->log_descriptor,
                                &server->user, fault))
        return false;
    return privileges_drop(&server->user, fault);
}

static bool start_store(struct server *server, const char *const *domains, struct fault *fault)
{
    const char *place = server->place;
    const char *folder = server->folder;
    struct store_options options = {
        .place = place,
        .draft_directory = folder,
        .writers = (unsigned)config_number(&server->config, CONFIG_STORE_WRITERS),
        .creates = true,
    };
    AUTO(buffer)
    own_file = BUFFER(SERVER_TLS_PATH_MAX);
    buffer_append_format(&own_file, "%s/certificate.pem", folder);
    if (buffer_string(&own_file) == NULL)
        return fault_set_memory(fault);
    if (!store_place_make_folder(buffer_string(&own_file), fault) ||
        !store_place_make_folder(place, fault) || !store_lock_take(place, &server->lock, fault))
        return false;
    server->store = store_open(&options, fault);
    return server->store != NULL &&
           server_store_prepare(server->store, domains,
                                config_text(&server->config, CONFIG_DEFAULT_DOMAIN), fault);
}

static bool start_tls(struct server *server, struct fault *fault)
{
    if (server->tls == NULL)
        server->tls =
            server_tls_make(server->folder, server->name, &server->certificate_file, fault);
    server->certificate = buffer_string(&server->certificate_file);
    return server->tls != NULL;
}

static bool start_logins(struct server *server, struct fault *fault)
{
    const char *domain = config_text(&server->config, CONFIG_DEFAULT_DOMAIN);
    server->auth = auth_new(server->store, fault);
    server->throttle = auth_throttle_new(fault);
    if (server->auth == NULL || server->throttle == NULL)
        return false;
    if (server->is_dev)
        auth_accept_everybody(server->auth,
                              bytes_from_string(domain == NULL ? "localhost" : domain));
    return true;
}

static bool start_threads(struct server *server, struct fault *fault)
{
    struct listener_limits limits;
    struct worker_options workers = {
        .count = server_limits_workers(&server->config),
        .open = session_services_open_reader,
        .close = session_services_close_reader,
        .argument = server->store,
    };
    server_limits_of_listeners(&server->config, server->descriptors, &limits);
    server->loops = loop_group_new(server_limits_loops(&server->config), fault);
    if (server->loops == NULL)
        return false;
    server->gate = listener_gate_new(&limits, fault);
    if (server->gate == NULL)
        return false;
    server->locks = pop3_locks_new(fault);
    if (server->locks == NULL)
        return false;
    server->workers = worker_pool_new(&workers, fault);
    return server->workers != NULL;
}

static bool start_sessions(struct server *server, struct fault *fault)
{
    struct session_limits limits;
    server->services = (struct session_services){
        .store = server->store,
        .workers = server->workers,
        .auth = server->auth,
        .throttle = server->throttle,
        .log = server->log,
        .relays = server_queue_relays(server->queue),
        .name = server->name,
        .version = POSTHORN_VERSION,
        .is_dev = server->is_dev,
    };
    server_limits_of_sessions(&server->config, &limits);
    struct server_listeners_host host = {
        .config = &server->config,
        .services = &server->services,
        .loops = server->loops,
        .gate = server->gate,
        .locks = server->locks,
        .tls = server->tls,
        .is_dev = server->is_dev,
    };
    server->is_serving = session_services_open(&server->services, server->loops, &limits, fault) &&
                         server_listeners_serve(server->listeners, &host, fault) &&
                         loop_group_start(server->loops, fault);
    return server->is_serving;
}

static bool start_queue(struct server *server, struct fault *fault)
{
    struct server_queue_host host = {
        .config = &server->config,
        .store = server->store,
        .log = server->log,
        .name = server->name,
        .listeners = server->listeners,
        .descriptors = server->descriptors,
    };
    return server->queue == NULL || server_queue_start(server->queue, &host, fault);
}

static bool start(struct server *server, const struct server_options *options, struct fault *fault)
{
    return choose_user(server, fault) && choose_places(server, fault) && open_log(server, fault) &&
           start_as_root(server, fault) && start_store(server, options->domains, fault) &&
           start_tls(server, fault) && start_logins(server, fault) &&
           start_threads(server, fault) && start_queue(server, fault) &&
           start_sessions(server, fault);
}

static bool copy_config(struct config *config, const struct config *from, struct fault *fault)
{
    if (!config_init(config, fault))
        return false;
    if (from->file != NULL && !config_read(config, from->file, fault))
        return false;
    return config_keep(config, from, fault);
}

struct server *server_new(const struct server_options *options, struct fault *fault)
{
    struct server *server = calloc(1, sizeof(*server));
    if (server == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    mallopt(M_ARENA_MAX, SERVER_ARENAS_MAX);
    server->is_dev = options->is_dev;
    server->log_descriptor = -1;
    server->lock = -1;
    buffer_init(&server->host_name, DOMAIN_OCTETS_MAX);
    buffer_init(&server->store_place, STORE_PLACE_MAX);
    buffer_init(&server->data_directory, STORE_PLACE_MAX);
    buffer_init(&server->certificate_file, SERVER_TLS_PATH_MAX);
    block_signals();
    server->descriptors = privileges_raise_descriptors();
    if (!copy_config(&server->config, options->config, fault) || !start(server, options, fault)) {
        server_free(server);
        return NULL;
    }
    return server;
}

/* ---- while it runs ---- */

static void tell_start(struct server *server)
{
    struct log_line line;
    for (size_t i = 0; i < server_listeners_count(server->listeners); i++) {
        log_begin(&line, server->log, LOG_LEVEL_INFO, "server.listens");
        log_string(&line, "protocol",
                   server_listeners_protocol(server_listeners_option(server->listeners, i)));
        log_string(&line, "place", server_listeners_place(server->listeners, i));
        log_end(&line);
    }
    log_begin(&line, server->log, LOG_LEVEL_INFO, "server.started");
    log_string(&line, "version", POSTHORN_VERSION);
    log_string(&line, "name", server->name);
    log_number(&line, "process", getpid());
    log_number(&line, "loops", loop_group_count(server->loops));
    log_number(&line, "workers", server_limits_workers(&server->config));
    log_number(&line, "descriptors", server->descriptors);
    log_end(&line);
}

static void tell_ready(struct server *server)
{
    char status[64];
    snprintf(status, sizeof(status), "serving %zu places",
             server_listeners_count(server->listeners));
    service_notify_ready(status);
}

/* Everything that may fail comes first, so that a broken file changes nothing. */
static bool reload(struct server *server, struct fault *fault)
{
    struct config config;
    struct net_tls_context *tls = NULL;
    struct session_limits sessions;
    struct listener_limits listeners;
    if (!copy_config(&config, &server->config, fault) || !config_check(&config, fault) ||
        (server_tls_is_given(&config) && (tls = server_tls_load(&config, fault)) == NULL) ||
        !open_log_file(server, &config, fault)) {
        net_tls_context_free(tls);
        config_clear(&config);
        return false;
    }
    log_change(server->log, (enum log_level)config_number(&config, CONFIG_LOG_LEVEL),
               (enum log_format)config_number(&config, CONFIG_LOG_FORMAT));
    server_limits_of_sessions(&config, &sessions);
    session_services_change_limits(&server->services, &sessions);
    server_limits_of_listeners(&config, server->descriptors, &listeners);
    listener_gate_change(server->gate, &listeners);
    if (tls != NULL) {
        server_listeners_change_tls(server->listeners, tls);
        net_tls_context_free(server->tls);
        server->tls = tls;
    }
    config_clear(&server->config);
    server->config = config;
    return true;
}

static void hear_reload(struct server *server)
{
    struct fault fault;
    service_notify_reloading();
    if (reload(server, &fault))
        tell(server, LOG_LEVEL_INFO, "server.reloaded", NULL);
    else
        tell(server, LOG_LEVEL_ERROR, "server.reload-refused", &fault);
    tell_ready(server);
}

/* Whoever asks a second time does not want to wait. */
static void let_signals_end_us(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void server_run(struct server *server)
{
    sigset_t set;
    int heard;
    signals_of_server(&set);
    tell_start(server);
    tell_ready(server);
    do {
        heard = sigwaitinfo(&set, NULL);
        if (heard == SIGHUP)
            hear_reload(server);
    } while (heard != SIGTERM && heard != SIGINT);
    service_notify_stopping();
    tell(server, LOG_LEVEL_INFO, "server.stopping", NULL);
    let_signals_end_us();
    loop_group_stop(server->loops, SERVER_GRACE);
    server->is_serving = false;
    server_queue_stop(server->queue, SERVER_QUEUE_GRACE);
    tell(server, LOG_LEVEL_INFO, "server.stopped", NULL);
}

void server_free(struct server *server)
{
    if (server == NULL)
        return;
    if (server->is_serving)
        loop_group_stop(server->loops, 0);
    /* What workers and the store still had in hand comes back to the loops, which go after them.
       What workers gave back may still look at a mailbox of the store. */
    worker_pool_free(server->workers);
    loop_group_settle(server->loops);
    server_queue_stop(server->queue, 0);
    store_close(server->store);
    server_queue_free(server->queue);
    loop_group_free(server->loops);
    server_listeners_close(server->listeners);
    session_services_close(&server->services);
    pop3_locks_free(server->locks);
    listener_gate_free(server->gate);
    auth_free(server->auth);
    auth_throttle_free(server->throttle);
    net_tls_context_free(server->tls);
    if (server->lock >= 0)
        close(server->lock);
    log_free(server->log);
    if (server->log_descriptor >= 0)
        close(server->log_descriptor);
    buffer_clear(&server->host_name);
    buffer_clear(&server->store_place);
    buffer_clear(&server->data_directory);
    buffer_clear(&server->certificate_file);
    config_clear(&server->config);
    free(server);
}

/* ---- what is served ---- */

const char *server_place(const struct server *server, enum config_id id, size_t index)
{
    for (size_t i = 0; i < server_listeners_count(server->listeners); i++) {
        if (server_listeners_option(server->listeners, i) == id && index-- == 0)
            return server_listeners_place(server->listeners, i);
    }
    return NULL;
}

const char *server_store(const struct server *server)
{
    return server->place;
}

const char *server_host_name(const struct server *server)
{
    return server->name;
}

const char *server_certificate(const struct server *server)
{
    return server->certificate;
}
