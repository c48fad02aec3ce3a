/* A thread that copies bytes between pairs of sockets and looks at them on the way. */
#include "answer_thief.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "unit.h"

enum {
    PAIRS_MAX = 64,
    CHUNK = 256 * 1024,
    NAME_SIZE = 32
};

struct pair {
    int client; /* -1 = free */
    int server;
    char commit[NAME_SIZE]; /* the name of its prepared COMMIT */
};

struct answer_thief {
    struct sockaddr_un server;
    struct sockaddr_un own;
    int listener;
    int wake[2];
    pthread_t thread;
    struct pair pairs[PAIRS_MAX];
    _Atomic int moment;
    _Atomic int has_struck;
    char chunk[CHUNK];
};

static void drop(struct pair *pair)
{
    close(pair->client);
    close(pair->server);
    pair->client = -1;
}

static void strike(struct answer_thief *thief, struct pair *pair)
{
    atomic_store(&thief->moment, ANSWER_THIEF_NEVER);
    atomic_store(&thief->has_struck, 1);
    drop(pair);
}

/* Parse is 'P', a length, the name, the text. */
static void note_name(struct pair *pair, const char *data, size_t size)
{
    const char *text = memmem(data, size, "\0COMMIT", 8);
    if (text == NULL)
        return;
    const char *name = text;
    while (name > data && name[-1] != '\0' && text - name < NAME_SIZE - 1)
        name--;
    /* The last byte of the length may be seen as a part of the name, which begins with "s". */
    const char *start = memchr(name, 's', (size_t)(text - name));
    if (start != NULL)
        snprintf(pair->commit, sizeof(pair->commit), "%s", start);
}

/* Bind of the prepared COMMIT: an empty name of a portal, then its own. */
static bool is_commit(const struct pair *pair, const char *data, size_t size)
{
    char wanted[NAME_SIZE + 1] = "";
    size_t length = strlen(pair->commit);
    if (length == 0)
        return false;
    memcpy(wanted + 1, pair->commit, length + 1);
    return memmem(data, size, wanted, length + 2) != NULL;
}

static bool send_all(int to, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(to, data, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        data += sent;
        size -= (size_t)sent;
    }
    return true;
}

static void from_client(struct answer_thief *thief, struct pair *pair)
{
    ssize_t size = recv(pair->client, thief->chunk, CHUNK, 0);
    if (size <= 0) {
        drop(pair);
        return;
    }
    note_name(pair, thief->chunk, (size_t)size);
    if (atomic_load(&thief->moment) == ANSWER_THIEF_BEFORE &&
        is_commit(pair, thief->chunk, (size_t)size))
        strike(thief, pair);
    else if (!send_all(pair->server, thief->chunk, (size_t)size))
        drop(pair);
}

static void from_server(struct answer_thief *thief, struct pair *pair)
{
    ssize_t size = recv(pair->server, thief->chunk, CHUNK, 0);
    if (size <= 0)
        drop(pair);
    else if (atomic_load(&thief->moment) == ANSWER_THIEF_AFTER &&
             memmem(thief->chunk, (size_t)size, "COMMIT", 7) != NULL)
        strike(thief, pair);
    else if (!send_all(pair->client, thief->chunk, (size_t)size))
        drop(pair);
}

static void take_client(struct answer_thief *thief)
{
    int client = accept(thief->listener, NULL, NULL);
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct pair *pair = thief->pairs;
    while (pair < thief->pairs + PAIRS_MAX && pair->client >= 0)
        pair++;
    if (client < 0 || pair == thief->pairs + PAIRS_MAX ||
        connect(server, (struct sockaddr *)&thief->server, sizeof(thief->server)) != 0) {
        close(client);
        close(server);
        return;
    }
    *pair = (struct pair){.client = client, .server = server};
}

static void *work(void *argument)
{
    struct answer_thief *thief = argument;
    struct pollfd look[2 + 2 * PAIRS_MAX];
    for (;;) {
        look[0] = (struct pollfd){.fd = thief->wake[0], .events = POLLIN};
        look[1] = (struct pollfd){.fd = thief->listener, .events = POLLIN};
        for (size_t i = 0; i < PAIRS_MAX; i++) {
            const struct pair *pair = &thief->pairs[i];
            look[2 + 2 * i] = (struct pollfd){.fd = pair->client, .events = POLLIN};
            look[3 + 2 * i] =
                (struct pollfd){.fd = pair->client < 0 ? -1 : pair->server, .events = POLLIN};
        }
        if (poll(look, sizeof(look) / sizeof(look[0]), -1) < 0)
            continue;
        if (look[0].revents != 0)
            return NULL;
        for (size_t i = 0; i < PAIRS_MAX; i++) {
            if (look[2 + 2 * i].revents != 0)
                from_client(thief, &thief->pairs[i]);
            if (look[3 + 2 * i].revents != 0 && thief->pairs[i].client >= 0)
                from_server(thief, &thief->pairs[i]);
        }
        if (look[1].revents != 0)
            take_client(thief);
    }
}

static void name_socket(struct sockaddr_un *address, const char *directory, int length)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address->sun_path, sizeof(address->sun_path), "%.*s/.s.PGSQL.5432", length, directory);
}

struct answer_thief *answer_thief_start(const char *place, const char *directory, char *through,
                                        size_t size)
{
    struct answer_thief *thief = calloc(1, sizeof(*thief));
    assert_non_null(thief);
    const char *host = strstr(place, "host=");
    assert_non_null(host);
    host += strlen("host=");
    size_t length = strcspn(host, " ");
    name_socket(&thief->server, host, (int)length);
    name_socket(&thief->own, directory, (int)strlen(directory));
    snprintf(through, size, "host=%s%s", directory, host + length);
    for (size_t i = 0; i < PAIRS_MAX; i++)
        thief->pairs[i].client = -1;
    thief->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(thief->listener, (struct sockaddr *)&thief->own, sizeof(thief->own)), 0);
    assert_int_equal(listen(thief->listener, PAIRS_MAX), 0);
    assert_int_equal(pipe2(thief->wake, O_CLOEXEC), 0);
    assert_int_equal(pthread_create(&thief->thread, NULL, work, thief), 0);
    return thief;
}

void answer_thief_stop(struct answer_thief *thief)
{
    assert_int_equal(write(thief->wake[1], "", 1), 1);
    pthread_join(thief->thread, NULL);
    for (size_t i = 0; i < PAIRS_MAX; i++)
        if (thief->pairs[i].client >= 0)
            drop(&thief->pairs[i]);
    close(thief->wake[0]);
    close(thief->wake[1]);
    close(thief->listener);
    unlink(thief->own.sun_path);
    free(thief);
}

void answer_thief_arm(struct answer_thief *thief, enum answer_thief_moment moment)
{
    atomic_store(&thief->has_struck, 0);
    atomic_store(&thief->moment, (int)moment);
}

int answer_thief_has_struck(struct answer_thief *thief)
{
    return atomic_load(&thief->has_struck);
}
