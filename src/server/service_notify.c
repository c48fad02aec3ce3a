/* sd_notify by hand. */
#include "server/service_notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    SERVICE_NOTIFY_STATE_MAX = 256 /* bytes of what is told at once */
};

/* Nothing depends on whether it arrives. */
static void tell(const char *state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    size_t length = path == NULL ? 0 : strlen(path);
    if (length < 2 || length >= sizeof(address.sun_path) || strchr("/@", path[0]) == NULL)
        return;
    memcpy(address.sun_path, path, length);
    /* An abstract socket: its name begins with a NUL, which is written as '@'. */
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    int socket_descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket_descriptor < 0)
        return;
    sendto(socket_descriptor, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
    close(socket_descriptor);
}

void service_notify_ready(const char *status)
{
    char state[SERVICE_NOTIFY_STATE_MAX];
    snprintf(state, sizeof(state), "READY=1\nMAINPID=%ld\nSTATUS=%.128s", (long)getpid(), status);
    tell(state);
}

void service_notify_reloading(void)
{
    char state[SERVICE_NOTIFY_STATE_MAX];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    /* Type=notify-reload wants to know since when. */
    snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    tell(state);
}

void service_notify_stopping(void)
{
    tell("STOPPING=1");
}
