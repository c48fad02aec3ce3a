/* From an address to a connection on its loop. */
#include "loop/connector.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop/connection_inside.h"

static int open_socket(int family)
{
    int descriptor = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    /* Words are gathered before they are written; of a Unix socket this fails, and does no harm. */
    if (descriptor >= 0)
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return descriptor;
}

static bool bind_source(int descriptor, const struct net_address *source)
{
    int on = 1;
    /* The port is chosen with the peer known, so that thousands of connections to different peers
     * may share one. */
    setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    return bind(descriptor, (const struct sockaddr *)&source->storage, source->length) == 0;
}

/* Connects as far as that goes at once. What fails here is told like what fails later. */
static void reach_out(struct connection *connection, const struct connector_plan *plan)
{
    const char *what = "cannot connect";
    bool is_bound = true;
    if (plan->source != NULL) {
        is_bound = bind_source(connection->descriptor, plan->source);
        if (!is_bound)
            what = "cannot connect from the address given";
    }
    if (is_bound &&
        (connect(connection->descriptor, (const struct sockaddr *)&plan->address.storage,
                 plan->address.length) == 0 ||
         errno == EINPROGRESS)) {
        connection_await_connect(connection, plan->patience);
        return;
    }
    fault_set_system(&connection->trouble->fault, FAULT_TEMPORARY, errno, "%s", what);
    connection_await_connect(connection, 0);
}

static char *copy_name(const char *name, bool *is_copied)
{
    char *copy = name == NULL ? NULL : strdup(name);
    *is_copied = (name == NULL) == (copy == NULL);
    return copy;
}

bool connector_open(struct loop *loop, const struct connector_plan *plan,
                    struct connection **connection, struct fault *fault)
{
    int descriptor = open_socket(plan->address.storage.ss_family);
    if (descriptor < 0)
        return fault_set_system(fault, FAULT_TEMPORARY, errno, "a socket cannot be made");
    struct connection *made = connection_new(loop, descriptor, &plan->connection);
    bool is_copied = false;
    if (made != NULL)
        made->tls_name = copy_name(plan->tls_name, &is_copied);
    if (!is_copied) {
        connection_free(made);
        close(descriptor);
        return fault_set_memory(fault);
    }
    made->is_implicit = plan->is_implicit;
    made->engine_face = plan->face;
    made->context = plan->tls == NULL ? NULL : net_tls_context_hold(plan->tls);
    made->trouble = plan->trouble;
    if (!connection_join(made))
        return fault_set(fault, FAULT_TEMPORARY, "the event loop takes no more connections");
    *made->trouble = (struct connector_trouble){.step = CONNECTOR_CONNECTS};
    made->engine = plan->engine;
    reach_out(made, plan);
    *connection = made;
    return true;
}

void connector_close(struct connection *connection)
{
    connection_lose(connection, ENGINE_END_CLOSED);
}

bool connector_is_verified(const struct connection *connection)
{
    return connection->tls != NULL && net_tls_is_verified(connection->tls);
}

bool connector_local(const struct connection *connection, struct net_address *address)
{
    address->length = sizeof address->storage;
    return getsockname(connection->descriptor, (struct sockaddr *)&address->storage,
                       &address->length) == 0;
}
