/* From an accepted socket to a connection on its loop. */
#include "loop/connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop/connection_inside.h"

void connection_accept_address(struct sockaddr_storage *address)
{
    struct sockaddr_in6 ipv6;
    memcpy(&ipv6, address, sizeof ipv6);
    if (address->ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&ipv6.sin6_addr))
        return;
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = ipv6.sin6_port};
    memcpy(&ipv4.sin_addr, ipv6.sin6_addr.s6_addr + 12, sizeof ipv4.sin_addr);
    *address = (struct sockaddr_storage){0};
    memcpy(address, &ipv4, sizeof ipv4);
}

static void describe(const struct sockaddr_storage *address, char text[CONNECTION_TEXT_SIZE],
                     unsigned *port)
{
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
    memcpy(&ipv4, address, sizeof ipv4);
    memcpy(&ipv6, address, sizeof ipv6);
    *port = 0;
    snprintf(text, CONNECTION_TEXT_SIZE, "local");
    if (address->ss_family == AF_INET) {
        inet_ntop(AF_INET, &ipv4.sin_addr, text, CONNECTION_TEXT_SIZE);
        *port = ntohs(ipv4.sin_port);
    } else if (address->ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &ipv6.sin6_addr, text, CONNECTION_TEXT_SIZE);
        *port = ntohs(ipv6.sin6_port);
    }
}

static void *open_engine(struct connection *connection)
{
    struct connection_peer peer = {.address = *connection->address};
    describe(&peer.address, peer.text, &peer.port);
    struct sockaddr_storage local = {0};
    socklen_t length = sizeof local;
    getsockname(connection->descriptor, (struct sockaddr *)&local, &length);
    connection_accept_address(&local);
    describe(&local, peer.local, &peer.local_port);
    free(connection->address);
    connection->address = NULL;
    return connection->face->open(connection->face_context, connection, &peer,
                                  loop_now(connection->member.loop));
}

/* On the connection's own loop. */
static void begin(struct loop_task *task)
{
    struct connection *connection =
        (struct connection *)(void *)((char *)task - offsetof(struct connection, start));
    if (!connection_join(connection))
        return;
    connection->engine = open_engine(connection);
    if (connection->engine == NULL)
        connection_lose(connection, ENGINE_END_CLOSED);
    else
        connection_begin(connection);
}

bool connection_accept(struct loop *loop, const struct connection_plan *plan)
{
    struct connection *connection = connection_new(loop, plan->descriptor, &plan->patience);
    struct sockaddr_storage *address = malloc(sizeof *address);
    if (connection == NULL || address == NULL) {
        connection_free(connection);
        free(address);
        return false;
    }
    *address = *plan->address;
    connection->is_implicit = plan->is_implicit;
    connection->engine_face = plan->face->engine;
    connection->context = plan->context;
    connection->place = plan->place;
    connection->start.run = begin;
    connection->face = plan->face;
    connection->face_context = plan->face_context;
    connection->address = address;
    if (plan->is_here)
        begin(&connection->start);
    else
        loop_post(loop, &connection->start);
    return true;
}
