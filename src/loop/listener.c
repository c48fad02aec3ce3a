/* Accepting, and handing connections to loops. */
#include "loop/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loop/connection_inside.h"
#include "loop/listener_gate.h"
#include "loop/listener_inside.h"

/* ---- turning away ---- */

static void turn_away(const struct listener *listener, int descriptor, enum listener_refusal why)
{
    const struct listener_service *service = &listener->service;
    if (service->tls != LISTENER_IMPLICIT) {
        struct bytes line = service->face->refuse(service->face_context, why);
        char rest[1024];
        if (send(descriptor, line.data, line.length, MSG_NOSIGNAL | MSG_DONTWAIT) > 0 &&
            shutdown(descriptor, SHUT_WR) == 0)
            /* Unread bytes would make close reset the connection, and the line be lost. */
            while (recv(descriptor, rest, sizeof rest, MSG_DONTWAIT) == (ssize_t)sizeof rest)
                ;
    }
    close(descriptor);
}

/* ---- letting in ---- */

/* The loop with the fewest connections, in turn among equals. */
static struct loop *choose_loop(struct listener *listener)
{
    unsigned count = loop_group_count(listener->group);
    struct loop *best = NULL;
    size_t least = SIZE_MAX;
    unsigned chosen = 0;
    for (unsigned i = 1; i <= count; i++) {
        unsigned index = (listener->turn + i) % count;
        struct loop *loop = loop_group_at(listener->group, index);
        size_t load = atomic_load_explicit(&loop->load, memory_order_relaxed);
        if (load < least) {
            least = load;
            best = loop;
            chosen = index;
        }
    }
    listener->turn = chosen;
    return best;
}

static struct net_tls_context *hold_context(struct listener *listener)
{
    pthread_mutex_lock(&listener->mutex);
    struct net_tls_context *context = listener->service.context;
    if (context != NULL)
        net_tls_context_hold(context);
    pthread_mutex_unlock(&listener->mutex);
    return context;
}

static void let_in(struct listener *listener, int descriptor,
                   const struct sockaddr_storage *address)
{
    struct connection_plan plan = {
        .descriptor = descriptor,
        .address = address,
        .face = listener->service.face,
        .face_context = listener->service.face_context,
        .patience = listener->patience,
        .is_implicit = listener->service.tls == LISTENER_IMPLICIT,
    };
    enum listener_refusal why = LISTENER_TOO_MANY;
    if (!listener_gate_enter(listener->service.gate, address, &plan.place, &why)) {
        turn_away(listener, descriptor, why);
        return;
    }
    plan.context = hold_context(listener);
    struct loop *loop = choose_loop(listener);
    plan.is_here = loop == listener->member.loop;
    if (connection_accept(loop, &plan))
        return;
    net_tls_context_free(plan.context);
    listener_gate_leave(&plan.place);
    turn_away(listener, descriptor, LISTENER_TOO_MANY);
}

/* ---- accepting ---- */

static int accept_one(const struct listener *listener, struct sockaddr_storage *address)
{
    *address = (struct sockaddr_storage){0};
    socklen_t length = sizeof *address;
    int descriptor = accept4(listener->descriptor, (struct sockaddr *)address, &length,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
    /* A Unix client without a name has no address at all. */
    if (listener->path != NULL)
        address->ss_family = AF_UNIX;
    else
        connection_accept_address(address);
    return descriptor;
}

/* False: not even this can be done now. */
static bool turn_away_by_reserve(struct listener *listener)
{
    if (listener->reserve < 0)
        listener->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (listener->reserve < 0)
        return false;
    close(listener->reserve);
    struct sockaddr_storage address;
    int descriptor = accept_one(listener, &address);
    if (descriptor >= 0)
        turn_away(listener, descriptor, LISTENER_TOO_MANY);
    listener->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return descriptor >= 0;
}

static void hear_clients(uv_poll_t *poll, int status, int events);

static void pause_accepting(struct listener *listener)
{
    uv_poll_stop(listener->poll);
    loop_member_wake_at(&listener->member, loop_now(listener->member.loop) + LISTENER_PAUSE_MS);
}

static void hear_clients(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct listener *listener = poll->data;
    if (status < 0) {
        pause_accepting(listener);
        return;
    }
    for (unsigned i = 0; i < LISTENER_TURN; i++) {
        struct sockaddr_storage address;
        int descriptor = accept_one(listener, &address);
        if (descriptor >= 0) {
            let_in(listener, descriptor, &address);
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        bool is_short = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
        /* Other errors are those of one connection that ended before it was taken (accept(2)). */
        if (is_short && !turn_away_by_reserve(listener)) {
            pause_accepting(listener);
            return;
        }
    }
}

/* ---- on its loop ---- */

static void wake(struct loop_member *member, int64_t now)
{
    (void)now;
    struct listener *listener = (struct listener *)member;
    uv_poll_start(listener->poll, UV_READABLE, hear_clients);
}

static void free_poll(uv_handle_t *handle)
{
    free(handle);
}

static void end(struct loop_member *member, int64_t now)
{
    (void)now;
    struct listener *listener = (struct listener *)member;
    loop_member_remove(member);
    uv_close((uv_handle_t *)listener->poll, free_poll);
    listener->poll = NULL;
    /* Whoever comes from now on is refused, instead of waiting for nobody. */
    shutdown(listener->descriptor, SHUT_RDWR);
}

static const struct loop_member_face member_face = {wake, end, end};

/* Listeners are spread, too. */
static struct loop *choose_home(struct loop_group *group)
{
    struct loop *best = loop_group_at(group, 0);
    for (unsigned i = 1; i < loop_group_count(group); i++) {
        struct loop *loop = loop_group_at(group, i);
        if (loop->member_count < best->member_count)
            best = loop;
    }
    return best;
}

bool listener_serve(struct listener *listener, struct loop_group *group,
                    const struct listener_service *service, struct fault *fault)
{
    assert(listener->poll == NULL && service->gate != NULL && service->face != NULL);
    struct loop *loop = choose_home(group);
    uv_poll_t *poll = malloc(sizeof *poll);
    if (poll == NULL || !loop_member_add(loop, &listener->member, &member_face)) {
        free(poll);
        return fault_set_memory(fault);
    }
    int error = uv_poll_init(&loop->uv, poll, listener->descriptor);
    if (error != 0) {
        loop_member_remove(&listener->member);
        free(poll);
        return fault_set_system(fault, FAULT_TEMPORARY, -error, "cannot wait for clients on %s",
                                listener->place);
    }
    listener->poll = poll;
    poll->data = listener;
    listener->group = group;
    listener->service = *service;
    listener->patience = service->patience == NULL ? CONNECTION_PATIENCE : *service->patience;
    if (service->context != NULL)
        net_tls_context_hold(service->context);
    uv_poll_start(poll, UV_READABLE, hear_clients);
    return true;
}

void listener_change_tls(struct listener *listener, struct net_tls_context *context)
{
    pthread_mutex_lock(&listener->mutex);
    struct net_tls_context *old = listener->service.context;
    listener->service.context = context == NULL ? NULL : net_tls_context_hold(context);
    pthread_mutex_unlock(&listener->mutex);
    net_tls_context_free(old);
}

/* ---- the end ---- */

static void remove_file(const struct listener *listener)
{
    struct stat status;
    if (lstat(listener->path, &status) == 0 && status.st_dev == listener->device &&
        status.st_ino == listener->inode)
        unlink(listener->path);
}

void listener_close(struct listener *listener)
{
    if (listener == NULL)
        return;
    assert(listener->poll == NULL);
    if (listener->path != NULL)
        remove_file(listener);
    if (listener->descriptor >= 0)
        close(listener->descriptor);
    if (listener->reserve >= 0)
        close(listener->reserve);
    net_tls_context_free(listener->service.context);
    pthread_mutex_destroy(&listener->mutex);
    free(listener);
}

const char *listener_place(const struct listener *listener)
{
    return listener->place;
}

unsigned listener_port(const struct listener *listener)
{
    return listener->port;
}
