/* TLS on a connection: its beginning, as server or as client. */
#include "loop/connection_inside.h"

static struct net_tls *make_tls(struct connection *connection)
{
    struct fault *fault = connection_fault(connection);
    if (connection->context == NULL) {
        fault_set(fault, FAULT_PERMANENT, "there is no TLS to be had");
        return NULL;
    }
    return connection_is_client(connection)
               ? net_tls_new(connection->context, connection->descriptor, connection->tls_name,
                             fault)
               : net_tls_accept(connection->context, connection->descriptor, fault);
}

static void tell_tls(struct connection *connection)
{
    struct engine_tls facts = {.version = net_tls_version(connection->tls),
                               .cipher = net_tls_cipher(connection->tls)};
    facts.binding_name =
        net_tls_channel_binding(connection->tls, facts.binding, &facts.binding_length);
    connection->engine_face->tls_started(connection->engine, &facts,
                                         loop_now(connection->member.loop));
}

void connection_tls_go_on(struct connection *connection)
{
    switch (net_tls_handshake(connection->tls, connection_fault(connection))) {
    case NET_AGAIN:
        connection_settle(connection);
        return;
    case NET_DONE:
        connection->phase = CONNECTION_OPEN;
        connection->limit = 0;
        connection_note_step(connection, CONNECTOR_IS_OPEN);
        tell_tls(connection);
        /* The first words of the peer often come with the end of its handshake. */
        connection->is_read_pending = net_tls_has_pending(connection->tls);
        connection_go_on(connection);
        return;
    default:
        /* The alert must reach the client. */
        connection_finish(connection, ENGINE_END_TLS);
    }
}

void connection_tls_start(struct connection *connection)
{
    /* What came before the handshake was not protected and must not count as if it were
     * (RFC 3207 4.2, RFC 2595 4). */
    connection->input = bytes_of(NULL, 0);
    buffer_clear(&connection->kept);
    connection_note_step(connection, CONNECTOR_HANDSHAKES);
    if (connection->is_input_over)
        fault_set(connection_fault(connection), FAULT_TEMPORARY,
                  "the connection was closed before TLS");
    else if (connection->tls == NULL)
        connection->tls = make_tls(connection);
    if (connection->tls == NULL) {
        connection_lose(connection, ENGINE_END_TLS);
        return;
    }
    connection->phase = CONNECTION_HANDSHAKE;
    connection->limit = loop_now(connection->member.loop) + connection->patience.handshake;
    /* The client speaks first. */
    if (connection_is_client(connection))
        connection_tls_go_on(connection);
    else
        connection_settle(connection);
}
