/* The table of the configuration's options. */
#include "server/config_option.h"

#include <string.h>

#define KIB    (INT64_C(1024))
#define MIB    (1024 * KIB)
#define GIB    (1024 * MIB)
#define SECOND (INT64_C(1000))
#define MINUTE (60 * SECOND)
#define DAY    (24 * 60 * MINUTE)

static const struct config_option options[CONFIG_OPTIONS] = {
    [CONFIG_HOST_NAME] =
        {
            .name = "host-name",
            .section = "Who we are",
            .type = CONFIG_DOMAIN,
            .without = "the machine's own name",
            .summary = "The name of this server",
            .text =
                "It stands in greetings and in the Received fields, and should be the name that "
                "the domain's MX record and the certificate have.",
        },
    [CONFIG_DEFAULT_DOMAIN] =
        {
            .name = "default-domain",
            .type = CONFIG_DOMAIN,
            .without = "the default domain that the store names",
            .summary = "The domain of a bare Postmaster",
            .text =
                "Mail to <Postmaster> without a domain (RFC 5321 4.5.1) goes to the postmaster of "
                "this one.",
        },
    [CONFIG_STORE] =
        {
            .name = "store",
            .section = "What is kept, and where",
            .type = CONFIG_TEXT,
            .without = "$POSTHORN_STORE, or posthorn/posthorn.db in $XDG_DATA_HOME or "
                       "~/.local/share; with a user to become, /var/lib/posthorn/posthorn.db",
            .summary = "Where mail and accounts are kept",
            .text =
                "A file's name for the embedded store (SQLite), or what PostgreSQL is reached by: "
                "\"postgresql://user@host/database\" or \"host=... dbname=...\". A password is "
                "better kept in ~/.pgpass than here.",
        },
    [CONFIG_STORE_WRITERS] =
        {
            .name = "store-writers",
            .type = CONFIG_NUMBER,
            .value = "4",
            .unit = "connections",
            .least = 1,
            .most = 64,
            .summary = "Connections to PostgreSQL that write",
            .text = "The embedded store has one writer, whatever stands here.",
        },
    [CONFIG_DATA_DIRECTORY] =
        {
            .name = "data-directory",
            .type = CONFIG_PATH,
            .without =
                "the folder of the embedded store; for PostgreSQL, posthorn in $XDG_DATA_HOME "
                "or ~/.local/share, and with a user to become /var/lib/posthorn",
            .summary = "Where the server keeps files of its own",
            .text =
                "The certificate that it makes for itself where none is given, and what grows too "
                "large for memory of messages that are just coming in.",
        },
    [CONFIG_USER] =
        {
            .name = "user",
            .type = CONFIG_TEXT,
            .without = "nobody else is become; root is then refused",
            .summary = "The user to become when started as root",
            .text =
                "Once the ports are bound, all rights of root are given up for good. Whoever has "
                "reasons to serve as root says so with \"root\".",
        },
    [CONFIG_LISTEN_SMTP] =
        {
            .name = "listen-smtp",
            .section = "Where connections come in",
            .type = CONFIG_PLACES,
            .value = "*:25",
            .summary = "Mail from other servers (SMTP)",
            .text = "STARTTLS is offered, a login is not.\n\nA place is an address and a port, "
                    "\"192.0.2.1:25\", \"[2001:db8::1]:25\", or \"*:25\" for all addresses; or "
                    "\"unix:/path\" for a Unix socket. An empty list, {}, turns the listener off.",
        },
    [CONFIG_LISTEN_SUBMISSION] =
        {
            .name = "listen-submission",
            .type = CONFIG_PLACES,
            .value = "*:587",
            .summary = "Mail from the users' programs (submission with STARTTLS)",
            .text = "A login is asked for (RFC 6409).",
        },
    [CONFIG_LISTEN_SUBMISSIONS] =
        {
            .name = "listen-submissions",
            .type = CONFIG_PLACES,
            .value = "*:465",
            .summary = "The same under TLS from the first byte (RFC 8314)",
            .text = "",
        },
    [CONFIG_LISTEN_LMTP] =
        {
            .name = "listen-lmtp",
            .type = CONFIG_PLACES,
            .value = "",
            .summary = "Mail from a server in front of this one (LMTP, RFC 2033)",
            .text =
                "Whoever reaches this place may deliver to every account: give it a Unix socket "
                "or a private address. A socket is open to all users of the machine who may "
                "enter its folder.",
        },
    [CONFIG_LISTEN_POP3] =
        {
            .name = "listen-pop3",
            .type = CONFIG_PLACES,
            .value = "*:110",
            .summary = "Readers by POP3 with STLS",
            .text = "",
        },
    [CONFIG_LISTEN_POP3S] =
        {
            .name = "listen-pop3s",
            .type = CONFIG_PLACES,
            .value = "*:995",
            .summary = "Readers by POP3 under TLS from the first byte",
            .text = "",
        },
    [CONFIG_LISTEN_IMAP] =
        {
            .name = "listen-imap",
            .type = CONFIG_PLACES,
            .value = "*:143",
            .summary = "Readers by IMAP with STARTTLS",
            .text = "",
        },
    [CONFIG_LISTEN_IMAPS] =
        {
            .name = "listen-imaps",
            .type = CONFIG_PLACES,
            .value = "*:993",
            .summary = "Readers by IMAP under TLS from the first byte (RFC 8314)",
            .text = "",
        },
    [CONFIG_TLS_CERTIFICATE] =
        {
            .name = "tls-certificate",
            .section = "TLS",
            .type = CONFIG_PATH,
            .change = CONFIG_AT_RELOAD,
            .without = "a certificate of our own making in the data directory",
            .summary = "The server's certificate and its chain, PEM",
            .text =
                "It is read before root is dropped; after that, at each reload, by the user that "
                "was become.",
        },
    [CONFIG_TLS_KEY] =
        {
            .name = "tls-key",
            .type = CONFIG_PATH,
            .change = CONFIG_AT_RELOAD,
            .without = "the key is in the certificate's file",
            .summary = "The certificate's private key, PEM",
            .text = "",
        },
    [CONFIG_ALLOW_CLEAR_LOGIN] =
        {
            .name = "allow-clear-login",
            .type = CONFIG_WORDS,
            .value = "",
            .words = "submission pop3 imap",
            .summary = "Listeners where a password may be sent without TLS",
            .text = "Whoever listens on the way reads it: only for networks that are guarded "
                    "otherwise.",
        },
    [CONFIG_RELAYS] =
        {
            .name = "relays",
            .section = "Mail that goes out",
            .type = CONFIG_TEXTS,
            .value = "",
            .summary = "Ways other than the MX of a recipient's domain",
            .text =
                "A list of rules, the first that fits holds. A rule is words such as "
                "\"from=@example.org to=example.com host=smtp.example.net:587 "
                "user=ann@example.net\": from is a sender or \"@domain\" of senders, to a domain "
                "of recipients, or \".domain\" with all below it; without both the rule is for all "
                "mail. host=mx means the MX after all.\n\n"
                "tls is opportunistic (where it is offered), required, verified (with a "
                "certificate of the host's name; the default with a user), implicit (verified, "
                "from the first byte; the default of port 465) or none. connections, letters (of "
                "a connection) and minute (letters of a minute) are limits of the way.",
        },
    [CONFIG_RELAY_SECRETS] =
        {
            .name = "relay-secrets",
            .type = CONFIG_PATH,
            .without = "no relay asks for a login",
            .summary = "The passwords of the relays' users",
            .text =
                "Lines \"HOST USER PASSWORD\", HOST as in the rule. Read at the start, before root "
                "is dropped; nobody else may read the file.",
        },
    [CONFIG_OUTGOING_ADDRESSES] =
        {
            .name = "outgoing-addresses",
            .type = CONFIG_TEXTS,
            .value = "",
            .summary = "The addresses that mail is sent from",
            .text =
                "One of IPv4, one of IPv6, or both. Without one of a family the system chooses; "
                "the name of this server, host-name, should lead to them and back.",
        },
    [CONFIG_OUTGOING_PORT] =
        {
            .name = "outgoing-port",
            .type = CONFIG_NUMBER,
            .value = "25",
            .least = 1,
            .most = 65535,
            .summary = "The port of hosts that are found by MX",
            .text = "Another than 25 is for tests and closed networks.",
        },
    [CONFIG_DNS_SERVERS] =
        {
            .name = "dns-servers",
            .type = CONFIG_TEXTS,
            .value = "",
            .summary = "Resolvers that are asked for MX and addresses",
            .text = "Such as \"192.0.2.1\" or \"127.0.0.1@5353\". With an empty list, those of "
                    "/etc/resolv.conf.",
        },
    [CONFIG_DNS_AUTHORITATIVE] =
        {
            .name = "dns-authoritative",
            .type = CONFIG_WORD,
            .value = "no",
            .words = "no yes",
            .summary = "The dns-servers know all names themselves",
            .text = "For name servers without recursion, in closed networks.",
        },
    [CONFIG_QUEUE_RETRY_TIME] =
        {
            .name = "queue-retry-time",
            .type = CONFIG_TIME,
            .value = "4h",
            .least = SECOND,
            .most = DAY,
            .summary = "The longest wait between two tries of a letter",
            .text = "The first ones follow after 1, 2, 5, 10, 15 and 30 minutes.",
        },
    [CONFIG_QUEUE_WARNING_TIME] =
        {
            .name = "queue-warning-time",
            .type = CONFIG_TIME,
            .value = "4h",
            .least = 0,
            .most = 30 * DAY,
            .summary = "When a sender is told that his letter is late; 0s = never",
            .text = "",
        },
    [CONFIG_QUEUE_LIFETIME] =
        {
            .name = "queue-lifetime",
            .type = CONFIG_TIME,
            .value = "5d",
            .least = SECOND,
            .most = 60 * DAY,
            .summary = "When a letter that cannot be delivered goes back",
            .text = "RFC 5321 asks for 4 to 5 days.",
        },
    [CONFIG_LIMIT_MESSAGE_SIZE] =
        {
            .name = "limit-message-size",
            .section = "Limits",
            .type = CONFIG_SIZE,
            .change = CONFIG_AT_RELOAD,
            .value = "50M",
            .least = 64 * KIB,
            .most = 2 * GIB,
            .summary = "The largest message",
            .text = "Announced by SIZE; larger ones are refused with 552 5.3.4.",
        },
    [CONFIG_LIMIT_RECIPIENTS] =
        {
            .name = "limit-recipients",
            .type = CONFIG_NUMBER,
            .change = CONFIG_AT_RELOAD,
            .value = "1000",
            .unit = "recipients",
            .least = 100,
            .most = 100000,
            .summary = "Recipients of one message",
            .text =
                "Those past it are told to come again, 452 4.5.3. RFC 5321 asks for 100 at least.",
        },
    [CONFIG_LIMIT_MESSAGES] =
        {
            .name = "limit-messages",
            .type = CONFIG_NUMBER,
            .change = CONFIG_AT_RELOAD,
            .value = "100",
            .unit = "messages",
            .least = 1,
            .most = 1000000,
            .summary = "Messages in one connection",
            .text = "",
        },
    [CONFIG_LIMIT_COMMANDS] =
        {
            .name = "limit-commands",
            .type = CONFIG_NUMBER,
            .change = CONFIG_AT_RELOAD,
            .value = "10000",
            .unit = "commands",
            .least = 100,
            .most = 100000000,
            .summary = "SMTP commands in one connection",
            .text = "",
        },
    [CONFIG_LIMIT_ERRORS_SOFT] =
        {
            .name = "limit-errors-soft",
            .type = CONFIG_NUMBER,
            .change = CONFIG_AT_RELOAD,
            .value = "10",
            .unit = "errors",
            .least = 1,
            .most = 1000000,
            .summary = "Errors in one connection before its replies are slowed down",
            .text = "",
        },
    [CONFIG_LIMIT_ERRORS] =
        {
            .name = "limit-errors",
            .type = CONFIG_NUMBER,
            .change = CONFIG_AT_RELOAD,
            .value = "20",
            .unit = "errors",
            .least = 1,
            .most = 1000000,
            .summary = "Errors in one connection before it is ended",
            .text = "",
        },
    [CONFIG_LIMIT_LOGIN_FAILURES] =
        {
            .name = "limit-login-failures",
            .type = CONFIG_NUMBER,
            .change = CONFIG_AT_RELOAD,
            .value = "3",
            .unit = "failures",
            .least = 1,
            .most = 1000,
            .summary = "Failed logins in one connection before it is ended",
            .text = "",
        },
    [CONFIG_LIMIT_IDLE_TIME] =
        {
            .name = "limit-idle-time",
            .type = CONFIG_TIME,
            .change = CONFIG_AT_RELOAD,
            .value = "5min",
            .least = SECOND,
            .most = DAY,
            .summary = "How long an SMTP or LMTP client may be silent",
            .text = "RFC 5321 asks for 5 minutes at least.",
        },
    [CONFIG_LIMIT_POP3_IDLE_TIME] =
        {
            .name = "limit-pop3-idle-time",
            .type = CONFIG_TIME,
            .change = CONFIG_AT_RELOAD,
            .value = "10min",
            .least = SECOND,
            .most = DAY,
            .summary = "How long a POP3 client may be silent",
            .text = "RFC 1939 asks for 10 minutes at least.",
        },
    [CONFIG_LIMIT_IMAP_IDLE_TIME] =
        {
            .name = "limit-imap-idle-time",
            .type = CONFIG_TIME,
            .change = CONFIG_AT_RELOAD,
            .value = "30min",
            .least = SECOND,
            .most = DAY,
            .summary = "How long an IMAP client may be silent, in IDLE too",
            .text = "RFC 9051 asks for 30 minutes at least.",
        },
    [CONFIG_LIMIT_SESSION_TIME] =
        {
            .name = "limit-session-time",
            .type = CONFIG_TIME,
            .change = CONFIG_AT_RELOAD,
            .value = "60min",
            .least = MINUTE,
            .most = 7 * DAY,
            .summary = "How long an SMTP connection may last in all",
            .text = "",
        },
    [CONFIG_LIMIT_LEAST_RATE] =
        {
            .name = "limit-least-rate",
            .type = CONFIG_SIZE,
            .change = CONFIG_AT_RELOAD,
            .value = "500",
            .unit = "bytes a second",
            .least = 1,
            .most = 100 * MIB,
            .summary = "The slowest that the body of a message may come, in bytes a second",
            .text = "Measured over a minute.",
        },
    [CONFIG_LIMIT_HOPS] =
        {
            .name = "limit-hops",
            .type = CONFIG_NUMBER,
            .change = CONFIG_AT_RELOAD,
            .value = "50",
            .unit = "hops",
            .least = 10,
            .most = 1000,
            .summary =
                "Received fields of a message before it is taken for one that goes in circles",
            .text = "",
        },
    [CONFIG_LIMIT_CONNECTIONS] =
        {
            .name = "limit-connections",
            .type = CONFIG_NUMBER,
            .change = CONFIG_AT_RELOAD,
            .value = "0",
            .unit = "connections",
            .least = 0,
            .most = 1000000,
            .summary =
                "Connections in all; 0 = as many as the system's limit of descriptors allows",
            .text = "",
        },
    [CONFIG_LIMIT_CONNECTIONS_ADDRESS] =
        {
            .name = "limit-connections-address",
            .type = CONFIG_NUMBER,
            .change = CONFIG_AT_RELOAD,
            .value = "30",
            .unit = "connections",
            .least = 1,
            .most = 1000000,
            .summary = "Connections from one address",
            .text =
                "An IMAP connection counts until somebody has logged in: behind one address may "
                "be a whole office. Then limit-sessions-account holds.",
        },
    [CONFIG_LIMIT_CONNECTIONS_PREFIX] =
        {
            .name = "limit-connections-prefix",
            .type = CONFIG_NUMBER,
            .change = CONFIG_AT_RELOAD,
            .value = "100",
            .unit = "connections",
            .least = 1,
            .most = 1000000,
            .summary = "Connections from one network: a /24 of IPv4, a /48 of IPv6",
            .text = "",
        },
    [CONFIG_LIMIT_OUTGOING_CONNECTIONS] =
        {
            .name = "limit-outgoing-connections",
            .type = CONFIG_NUMBER,
            .value = "0",
            .unit = "connections",
            .least = 0,
            .most = 1000000,
            .summary = "Connections to other servers in all; 0 = as many as descriptors allow, at "
                       "most 10000",
            .text = "",
        },
    [CONFIG_LIMIT_SENDING_MESSAGES] =
        {
            .name = "limit-sending-messages",
            .type = CONFIG_NUMBER,
            .change = CONFIG_AT_RELOAD,
            .value = "1000",
            .unit = "messages",
            .least = 0,
            .most = 100000000,
            .summary = "Messages to other servers that an account may send in an hour; 0 = any",
            .text =
                "Past it submissions are put off with 452 4.7.1. It keeps a stolen password from "
                "becoming everybody's trouble.",
        },
    [CONFIG_LIMIT_SENDING_RECIPIENTS] =
        {
            .name = "limit-sending-recipients",
            .type = CONFIG_NUMBER,
            .change = CONFIG_AT_RELOAD,
            .value = "10000",
            .unit = "recipients",
            .least = 0,
            .most = 100000000,
            .summary =
                "Recipients at other servers that an account may write to in an hour; 0 = any",
            .text = "",
        },
    [CONFIG_LIMIT_SESSIONS_ACCOUNT] =
        {
            .name = "limit-sessions-account",
            .type = CONFIG_NUMBER,
            .change = CONFIG_AT_RELOAD,
            .value = "100",
            .unit = "sessions",
            .least = 1,
            .most = 1000000,
            .summary = "IMAP sessions of one account, on each server",
            .text = "A mail program opens some five; many people may share a mailbox.",
        },
    [CONFIG_LOG_LEVEL] =
        {
            .name = "log-level",
            .section = "Logs",
            .type = CONFIG_WORD,
            .change = CONFIG_AT_RELOAD,
            .value = "info",
            .words = "error warning info debug",
            .summary = "How much is told",
            .text = "debug shows commands and replies; passwords and bodies are never shown.",
        },
    [CONFIG_LOG_FORMAT] =
        {
            .name = "log-format",
            .type = CONFIG_WORD,
            .change = CONFIG_AT_RELOAD,
            .value = "key-value",
            .words = "key-value json",
            .summary = "The form of a line",
            .text = "",
        },
    [CONFIG_LOG_FILE] =
        {
            .name = "log-file",
            .type = CONFIG_PATH,
            .change = CONFIG_AT_RELOAD,
            .without = "standard error",
            .summary = "Where lines are appended",
            .text = "A reload opens the file anew, so that it can be rotated.",
        },
    [CONFIG_LOOPS] =
        {
            .name = "loops",
            .section = "Threads",
            .type = CONFIG_NUMBER,
            .without = "one for each processor, at most 8",
            .unit = "threads",
            .least = 1,
            .most = 256,
            .summary = "Threads that carry connections",
            .text = "",
        },
    [CONFIG_WORKERS] =
        {
            .name = "workers",
            .type = CONFIG_NUMBER,
            .without = "two for each processor, 4 at least and 32 at most",
            .unit = "threads",
            .least = 1,
            .most = 256,
            .summary = "Threads that read the store and check passwords",
            .text = "",
        },
};

const struct config_option *config_option_of(enum config_id id)
{
    return &options[id];
}

enum config_id config_option_find(const char *name)
{
    size_t id = 0;
    while (id < CONFIG_OPTIONS && strcmp(options[id].name, name) != 0)
        id++;
    return (enum config_id)id;
}

bool config_option_is_list(const struct config_option *option)
{
    return option->type == CONFIG_PLACES || option->type == CONFIG_WORDS ||
           option->type == CONFIG_TEXTS;
}
