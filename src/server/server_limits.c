/* From numbers of the configuration to limits. */
#include "server/server_limits.h"

#include <unistd.h>

enum {
    LOOPS_MAX = 8,    /* more than that wait for the store, not for a processor */
    WORKERS_EACH = 2, /* a processor: one may wait for the disk */
    WORKERS_MIN = 4,
    WORKERS_MAX = 32,
    DESCRIPTORS_APART = 64, /* for the store, its readers, logs and loops */
    DESCRIPTORS_WORKER = 4, /* of a worker's reader: the store, its log, a body */
    CONNECTIONS_MIN = 16    /* whatever is said of descriptors */
};

static unsigned number(const struct config *config, enum config_id id)
{
    return (unsigned)config_number(config, id);
}

void server_limits_of_sessions(const struct config *config, struct session_limits *limits)
{
    struct smtp_server_limits smtp = {
        .recipients = number(config, CONFIG_LIMIT_RECIPIENTS),
        .messages = number(config, CONFIG_LIMIT_MESSAGES),
        .commands = number(config, CONFIG_LIMIT_COMMANDS),
        .errors_soft = number(config, CONFIG_LIMIT_ERRORS_SOFT),
        .errors = number(config, CONFIG_LIMIT_ERRORS),
        .auth_failures = number(config, CONFIG_LIMIT_LOGIN_FAILURES),
        .size = (uint64_t)config_number(config, CONFIG_LIMIT_MESSAGE_SIZE),
        .idle = config_number(config, CONFIG_LIMIT_IDLE_TIME),
        .session = config_number(config, CONFIG_LIMIT_SESSION_TIME),
        .least_rate = number(config, CONFIG_LIMIT_LEAST_RATE),
    };
    *limits = (struct session_limits){
        .account_sessions = number(config, CONFIG_LIMIT_SESSIONS_ACCOUNT),
        .outside = smtp,
        .submission = smtp,
        .lmtp = smtp,
        .pop3 =
            {
                .errors = smtp.errors,
                .auth_failures = smtp.auth_failures,
                .idle = config_number(config, CONFIG_LIMIT_POP3_IDLE_TIME),
            },
        .imap =
            {
                .errors = smtp.errors,
                .auth_failures = smtp.auth_failures,
                .append_size = smtp.size,
                .idle = config_number(config, CONFIG_LIMIT_IMAP_IDLE_TIME),
            },
        .hops = number(config, CONFIG_LIMIT_HOPS),
        .sending =
            {
                .messages = number(config, CONFIG_LIMIT_SENDING_MESSAGES),
                .recipients = number(config, CONFIG_LIMIT_SENDING_RECIPIENTS),
            },
    };
}

void server_limits_of_listeners(const struct config *config, unsigned descriptors,
                                struct listener_limits *limits)
{
    unsigned apart = DESCRIPTORS_APART + DESCRIPTORS_WORKER * server_limits_workers(config);
    unsigned possible =
        descriptors > apart + CONNECTIONS_MIN ? descriptors - apart : CONNECTIONS_MIN;
    unsigned wanted = number(config, CONFIG_LIMIT_CONNECTIONS);
    *limits = (struct listener_limits){
        .all = wanted == 0 || wanted > possible ? possible : wanted,
        .by_address = number(config, CONFIG_LIMIT_CONNECTIONS_ADDRESS),
        .by_prefix = number(config, CONFIG_LIMIT_CONNECTIONS_PREFIX),
    };
}

static unsigned processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : (unsigned)count;
}

unsigned server_limits_loops(const struct config *config)
{
    unsigned count = number(config, CONFIG_LOOPS);
    if (count > 0)
        return count;
    return processors() > LOOPS_MAX ? LOOPS_MAX : processors();
}

unsigned server_limits_workers(const struct config *config)
{
    unsigned count = number(config, CONFIG_WORKERS);
    if (count > 0)
        return count;
    count = processors() * WORKERS_EACH;
    if (count < WORKERS_MIN)
        return WORKERS_MIN;
    return count > WORKERS_MAX ? WORKERS_MAX : count;
}
