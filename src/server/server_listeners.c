/* A table of what is spoken by which option's places. */
#include "server/server_listeners.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "session/imap_session.h"
#include "session/pop3_session.h"
#include "session/smtp_session.h"

struct bound {
    enum config_id id;
    struct listener *listener;
};

struct server_listeners {
    struct smtp_session_service smtp[CONFIG_OPTIONS]; /* by the option's id; few are used */
    struct pop3_session_service pop3[CONFIG_OPTIONS];
    struct imap_session_service imap[CONFIG_OPTIONS];
    size_t count;
    struct bound items[];
};

enum family {
    FAMILY_SMTP,
    FAMILY_POP3,
    FAMILY_IMAP
};

/* What one option's places speak. */
struct protocol {
    const char *name;
    enum family family;
    enum smtp_session_kind kind; /* of SMTP */
    enum listener_tls tls;
    const char *clear_word; /* the word of allow-clear-login; NULL = never */
};

static const struct protocol protocols[CONFIG_OPTIONS] = {
    [CONFIG_LISTEN_SMTP] = {"smtp", FAMILY_SMTP, SMTP_SESSION_OUTSIDE, LISTENER_STARTTLS, NULL},
    [CONFIG_LISTEN_SUBMISSION] = {"submission", FAMILY_SMTP, SMTP_SESSION_SUBMISSION,
                                  LISTENER_STARTTLS, "submission"},
    [CONFIG_LISTEN_SUBMISSIONS] = {"submissions", FAMILY_SMTP, SMTP_SESSION_SUBMISSION,
                                   LISTENER_IMPLICIT, NULL},
    [CONFIG_LISTEN_LMTP] = {"lmtp", FAMILY_SMTP, SMTP_SESSION_LMTP, LISTENER_STARTTLS, NULL},
    [CONFIG_LISTEN_POP3] = {"pop3", FAMILY_POP3, 0, LISTENER_STARTTLS, "pop3"},
    [CONFIG_LISTEN_POP3S] = {"pop3s", FAMILY_POP3, 0, LISTENER_IMPLICIT, NULL},
    [CONFIG_LISTEN_IMAP] = {"imap", FAMILY_IMAP, 0, LISTENER_STARTTLS, "imap"},
    [CONFIG_LISTEN_IMAPS] = {"imaps", FAMILY_IMAP, 0, LISTENER_IMPLICIT, NULL},
};

const char *server_listeners_protocol(enum config_id id)
{
    return protocols[id].name;
}

/* Says what can be done about a place that cannot be had. */
static void explain(enum config_id id, const char *place, struct fault *fault)
{
    char trouble[FAULT_MESSAGE_SIZE];
    const char *option = config_option_of(id)->name;
    const char *hint = "";
    int error = fault->system_error;
    enum fault_kind kind = fault->kind;
    if (error == EADDRINUSE)
        hint = "; another program serves there: stop it, or choose another place";
    else if (error == EACCES || error == EPERM)
        hint = "; ports below 1024 are for root: start as root with a user to become";
    else if (error == EADDRNOTAVAIL)
        hint = "; this machine has no such address";
    memcpy(trouble, fault->message, sizeof(trouble));
    fault_set(fault, kind, "%s \"%.60s\": %.120s%s", option, place, trouble, hint);
    fault->system_error = error;
}

struct server_listeners *server_listeners_bind(const struct config *config, struct fault *fault)
{
    size_t count = 0;
    for (enum config_id id = CONFIG_LISTEN_SMTP; id <= CONFIG_LISTEN_IMAPS; id++)
        count += config->settings[id].count;
    struct server_listeners *listeners =
        calloc(1, sizeof(*listeners) + count * sizeof(listeners->items[0]));
    if (listeners == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    for (enum config_id id = CONFIG_LISTEN_SMTP; id <= CONFIG_LISTEN_IMAPS; id++) {
        for (size_t i = 0; i < config->settings[id].count; i++) {
            const char *place = config->settings[id].values[i].text;
            struct listener *listener = listener_bind(place, fault);
            if (listener == NULL) {
                explain(id, place, fault);
                server_listeners_close(listeners);
                return NULL;
            }
            listeners->items[listeners->count++] = (struct bound){id, listener};
        }
    }
    return listeners;
}

void server_listeners_close(struct server_listeners *listeners)
{
    if (listeners == NULL)
        return;
    for (size_t i = 0; i < listeners->count; i++)
        listener_close(listeners->items[i].listener);
    free(listeners);
}

static void describe(struct server_listeners *listeners, enum config_id id,
                     const struct server_listeners_host *host, struct listener_service *service)
{
    const struct protocol *protocol = &protocols[id];
    bool allows_clear = host->is_dev || (protocol->clear_word != NULL &&
                                         config_has_word(host->config, CONFIG_ALLOW_CLEAR_LOGIN,
                                                         protocol->clear_word));
    service->tls = protocol->tls;
    service->context = protocol->tls == LISTENER_CLEAR ? NULL : host->tls;
    service->gate = host->gate;
    switch (protocol->family) {
    case FAMILY_IMAP:
        listeners->imap[id] = (struct imap_session_service){
            .services = host->services, .tls = protocol->tls, .allows_clear = allows_clear};
        service->face = &imap_session_listener_face;
        service->face_context = &listeners->imap[id];
        return;
    case FAMILY_POP3:
        listeners->pop3[id] = (struct pop3_session_service){.services = host->services,
                                                            .locks = host->locks,
                                                            .tls = protocol->tls,
                                                            .allows_clear = allows_clear};
        service->face = &pop3_session_listener_face;
        service->face_context = &listeners->pop3[id];
        return;
    case FAMILY_SMTP:
        break;
    }
    listeners->smtp[id] = (struct smtp_session_service){
        .services = host->services,
        .kind = protocol->kind,
        .tls = protocol->tls,
        .needs_tls = protocol->kind == SMTP_SESSION_SUBMISSION && !allows_clear,
        .allows_clear = allows_clear,
        .offers_logins = host->is_dev || protocol->kind == SMTP_SESSION_SUBMISSION,
    };
    service->face = &smtp_session_listener_face;
    service->face_context = &listeners->smtp[id];
}

bool server_listeners_serve(struct server_listeners *listeners,
                            const struct server_listeners_host *host, struct fault *fault)
{
    for (size_t i = 0; i < listeners->count; i++) {
        struct listener_service service = {0};
        describe(listeners, listeners->items[i].id, host, &service);
        if (!listener_serve(listeners->items[i].listener, host->loops, &service, fault))
            return false;
    }
    return true;
}

void server_listeners_change_tls(struct server_listeners *listeners, struct net_tls_context *tls)
{
    for (size_t i = 0; i < listeners->count; i++) {
        if (protocols[listeners->items[i].id].tls != LISTENER_CLEAR)
            listener_change_tls(listeners->items[i].listener, tls);
    }
}

size_t server_listeners_count(const struct server_listeners *listeners)
{
    return listeners->count;
}

const char *server_listeners_place(const struct server_listeners *listeners, size_t index)
{
    return listener_place(listeners->items[index].listener);
}

enum config_id server_listeners_option(const struct server_listeners *listeners, size_t index)
{
    return listeners->items[index].id;
}
