/* Every option of the configuration, declared once: what reads the file, `posthorn config` and the
 * manual page posthorn.conf(5) are made from this one table. */
#ifndef SERVER_CONFIG_OPTION_H
#define SERVER_CONFIG_OPTION_H

#include <stdbool.h>
#include <stdint.h>

enum config_id {
    CONFIG_HOST_NAME = 0,
    CONFIG_DEFAULT_DOMAIN,
    CONFIG_STORE,
    CONFIG_STORE_WRITERS,
    CONFIG_DATA_DIRECTORY,
    CONFIG_USER,
    CONFIG_LISTEN_SMTP,
    CONFIG_LISTEN_SUBMISSION,
    CONFIG_LISTEN_SUBMISSIONS,
    CONFIG_LISTEN_LMTP,
    CONFIG_LISTEN_POP3,
    CONFIG_LISTEN_POP3S,
    CONFIG_LISTEN_IMAP,
    CONFIG_LISTEN_IMAPS,
    CONFIG_TLS_CERTIFICATE,
    CONFIG_TLS_KEY,
    CONFIG_ALLOW_CLEAR_LOGIN,
    CONFIG_RELAYS,
    CONFIG_RELAY_SECRETS,
    CONFIG_OUTGOING_ADDRESSES,
    CONFIG_OUTGOING_PORT,
    CONFIG_DNS_SERVERS,
    CONFIG_DNS_AUTHORITATIVE,
    CONFIG_QUEUE_RETRY_TIME,
    CONFIG_QUEUE_WARNING_TIME,
    CONFIG_QUEUE_LIFETIME,
    CONFIG_LIMIT_MESSAGE_SIZE,
    CONFIG_LIMIT_RECIPIENTS,
    CONFIG_LIMIT_MESSAGES,
    CONFIG_LIMIT_COMMANDS,
    CONFIG_LIMIT_ERRORS_SOFT,
    CONFIG_LIMIT_ERRORS,
    CONFIG_LIMIT_LOGIN_FAILURES,
    CONFIG_LIMIT_IDLE_TIME,
    CONFIG_LIMIT_POP3_IDLE_TIME,
    CONFIG_LIMIT_IMAP_IDLE_TIME,
    CONFIG_LIMIT_SESSION_TIME,
    CONFIG_LIMIT_LEAST_RATE,
    CONFIG_LIMIT_HOPS,
    CONFIG_LIMIT_CONNECTIONS,
    CONFIG_LIMIT_CONNECTIONS_ADDRESS,
    CONFIG_LIMIT_CONNECTIONS_PREFIX,
    CONFIG_LIMIT_OUTGOING_CONNECTIONS,
    CONFIG_LIMIT_SENDING_MESSAGES,
    CONFIG_LIMIT_SENDING_RECIPIENTS,
    CONFIG_LIMIT_SESSIONS_ACCOUNT,
    CONFIG_LOG_LEVEL,
    CONFIG_LOG_FORMAT,
    CONFIG_LOG_FILE,
    CONFIG_LOOPS,
    CONFIG_WORKERS,
    CONFIG_OPTIONS /* how many there are */
};

enum config_type {
    CONFIG_TEXT = 0, /* as it stands */
    CONFIG_TEXTS,    /* a list of them */
    CONFIG_DOMAIN,   /* a host's or a domain's name */
    CONFIG_PATH,     /* a file's name, absolute */
    CONFIG_PLACES,   /* a list of "address:port" and "unix:/path" */
    CONFIG_WORD,     /* one of the option's words */
    CONFIG_WORDS,    /* a list of them */
    CONFIG_NUMBER,   /* a whole number */
    CONFIG_SIZE,     /* bytes: 50M */
    CONFIG_TIME,     /* milliseconds: 5min */
};

/* When a change in the file takes effect. */
enum config_change {
    CONFIG_AT_START = 0,
    CONFIG_AT_RELOAD
};

struct config_option {
    const char *name;    /* "limit-message-size" */
    const char *section; /* the heading above it; NULL = that of the option before */
    enum config_type type;
    enum config_change change;
    /* The default as one would write it, lists with ", " between; NULL = none. */
    const char *value;
    const char *without; /* what is done where nothing is set, in words; NULL with a default */
    const char *unit;    /* of a number: "recipients"; or NULL */
    int64_t least;       /* of numbers, sizes (bytes) and times (milliseconds) */
    int64_t most;
    const char *words;   /* separated by blanks */
    const char *summary; /* one line */
    const char *text;    /* the rest of the help: sentences, a blank line between paragraphs */
};

/* The row of an option. */
const struct config_option *config_option_of(enum config_id id);

/* CONFIG_OPTIONS when there is none of that name. */
enum config_id config_option_find(const char *name);

/* The option takes { several values }. */
bool config_option_is_list(const struct config_option *option);

#endif
