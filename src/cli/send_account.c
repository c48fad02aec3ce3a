/* Checks and keeps what is said of an account, and turns it into the library's options. */
#include "cli/send_account.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/scan.h"
#include "base/secret.h"

enum {
    SEND_ACCOUNT_PROXY_PART_MAX = 1024, /* bytes of a proxy's address, user or password */
    SEND_ACCOUNT_PIN_DIGITS = 64
};

static const struct {
    const char *name;
    enum send_account_kind kind;
} fields[SEND_ACCOUNT_FIELDS] = {
    [SEND_ACCOUNT_SERVER] = {"server", SEND_ACCOUNT_TEXT},
    [SEND_ACCOUNT_USER] = {"user", SEND_ACCOUNT_TEXT},
    [SEND_ACCOUNT_FROM] = {"from", SEND_ACCOUNT_TEXT},
    [SEND_ACCOUNT_PASSWORD] = {"password", SEND_ACCOUNT_TEXT},
    [SEND_ACCOUNT_PASSWORD_FILE] = {"password-file", SEND_ACCOUNT_PATH},
    [SEND_ACCOUNT_PASSWORD_COMMAND] = {"password-command", SEND_ACCOUNT_TEXT},
    [SEND_ACCOUNT_TOKEN_FILE] = {"oauth-token-file", SEND_ACCOUNT_PATH},
    [SEND_ACCOUNT_TOKEN_COMMAND] = {"oauth-token-command", SEND_ACCOUNT_TEXT},
    [SEND_ACCOUNT_MECHANISM] = {"mechanism", SEND_ACCOUNT_TEXT},
    [SEND_ACCOUNT_CLEARTEXT_LOGIN] = {"cleartext-login", SEND_ACCOUNT_SWITCH},
    [SEND_ACCOUNT_TLS] = {"tls", SEND_ACCOUNT_TEXT},
    [SEND_ACCOUNT_TLS_NAME] = {"tls-name", SEND_ACCOUNT_TEXT},
    [SEND_ACCOUNT_CA_FILE] = {"ca-file", SEND_ACCOUNT_PATH},
    [SEND_ACCOUNT_CA_DIRECTORY] = {"ca-dir", SEND_ACCOUNT_PATH},
    [SEND_ACCOUNT_CERTIFICATE] = {"cert", SEND_ACCOUNT_PATH},
    [SEND_ACCOUNT_KEY] = {"key", SEND_ACCOUNT_PATH},
    [SEND_ACCOUNT_PIN] = {"pin", SEND_ACCOUNT_TEXT},
    [SEND_ACCOUNT_INSECURE] = {"insecure", SEND_ACCOUNT_SWITCH},
    [SEND_ACCOUNT_LMTP] = {"lmtp", SEND_ACCOUNT_SWITCH},
    [SEND_ACCOUNT_LOCAL_HOSTNAME] = {"local-hostname", SEND_ACCOUNT_TEXT},
    [SEND_ACCOUNT_SOURCE] = {"source", SEND_ACCOUNT_TEXT},
    [SEND_ACCOUNT_PROXY] = {"proxy", SEND_ACCOUNT_TEXT},
    [SEND_ACCOUNT_TIMEOUT] = {"timeout", SEND_ACCOUNT_TEXT},
    [SEND_ACCOUNT_TOTAL_TIMEOUT] = {"total-timeout", SEND_ACCOUNT_TEXT},
    [SEND_ACCOUNT_NO_PIPELINING] = {"no-pipelining", SEND_ACCOUNT_SWITCH},
    [SEND_ACCOUNT_NO_CHUNKING] = {"no-chunking", SEND_ACCOUNT_SWITCH},
    [SEND_ACCOUNT_DOMAIN] = {"domain", SEND_ACCOUNT_TEXT},
};

static const enum send_account_field secrets[] = {
    SEND_ACCOUNT_PASSWORD,   SEND_ACCOUNT_PASSWORD_FILE, SEND_ACCOUNT_PASSWORD_COMMAND,
    SEND_ACCOUNT_TOKEN_FILE, SEND_ACCOUNT_TOKEN_COMMAND,
};

enum {
    SECRETS = sizeof(secrets) / sizeof(secrets[0])
};

const char *send_account_field_name(enum send_account_field field)
{
    return fields[field].name;
}

enum send_account_kind send_account_field_kind(enum send_account_field field)
{
    return fields[field].kind;
}

/* Every value may be a password: the plain one, or one within a proxy's URL. */
static void forget(char **value)
{
    if (*value != NULL)
        secret_wipe(*value, strlen(*value));
    free(*value);
    *value = NULL;
}

void send_account_clear(struct send_account *account)
{
    if (account == NULL)
        return;
    for (size_t i = 0; i < SEND_ACCOUNT_FIELDS; i++)
        forget(&account->values[i]);
    for (size_t i = 0; i < account->pin_count; i++)
        forget(&account->pins[i]);
    for (size_t i = 0; i < sizeof(account->proxy_parts) / sizeof(account->proxy_parts[0]); i++)
        forget(&account->proxy_parts[i]);
    account->pin_count = 0;
}

static bool tls_mode(const char *word, enum ph_tls_mode *mode, struct fault *fault)
{
    static const struct {
        const char *word;
        enum ph_tls_mode mode;
    } modes[] = {
        {"starttls", PH_TLS_STARTTLS},
        {"implicit", PH_TLS_IMPLICIT},
        {"opportunistic", PH_TLS_OPPORTUNISTIC},
        {"none", PH_TLS_NONE},
    };
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(word, modes[i].word) == 0) {
            *mode = modes[i].mode;
            return true;
        }
    }
    return fault_set(fault, FAULT_SYNTAX,
                     "tls is \"%s\"; it must be starttls, implicit, opportunistic or none", word);
}

static bool seconds(enum send_account_field field, const char *text, uint64_t *number,
                    struct fault *fault)
{
    struct scan scan = scan_of(bytes_from_string(text));
    if (scan_take_number(&scan, SEND_ACCOUNT_TIMEOUT_MAX, number) && scan_is_at_end(&scan) &&
        *number > 0)
        return true;
    return fault_set(fault, FAULT_SYNTAX, "%s is \"%s\"; it must be a number of seconds, 1 to %d",
                     fields[field].name, text, SEND_ACCOUNT_TIMEOUT_MAX);
}

/* SHA-256 in hexadecimal digits, perhaps with colons between bytes. */
static bool fingerprint(const char *text, struct fault *fault)
{
    size_t digits = 0;
    bool is_good = true;
    for (const char *c = text; *c != '\0'; c++) {
        is_good = is_good && (bytes_hex_value((unsigned char)*c) >= 0 || *c == ':');
        digits += *c != ':';
    }
    if (is_good && digits == SEND_ACCOUNT_PIN_DIGITS)
        return true;
    return fault_set(fault, FAULT_SYNTAX,
                     "the pin \"%s\" is no SHA-256 fingerprint: it must have %d hexadecimal digits",
                     text, SEND_ACCOUNT_PIN_DIGITS);
}

/* Takes the %XX out of a part of a URL (RFC 3986 2.1). */
static bool unescape(struct bytes part, struct buffer *out)
{
    struct scan scan = scan_of(part);
    while (!scan_is_at_end(&scan)) {
        int c = scan_take(&scan);
        if (c == '%') {
            int high = bytes_hex_value(scan_take(&scan));
            int low = bytes_hex_value(scan_take(&scan));
            c = high < 0 || low < 0 ? 0 : high * 16 + low;
            if (c == 0)
                return false;
        }
        buffer_append_char(out, (char)c);
    }
    return !buffer_is_failed(out);
}

static bool proxy_part(struct bytes part, char **copy)
{
    AUTO(buffer)
    out = SECRET_BUFFER(SEND_ACCOUNT_PROXY_PART_MAX);
    if (!unescape(part, &out) || buffer_string(&out) == NULL)
        return false;
    forget(copy);
    *copy = strdup(buffer_string(&out));
    return *copy != NULL;
}

/* socks5://user:password@host:port or http://... */
static bool proxy_take_apart(struct send_account *account, const char *url,
                             enum ph_proxy_kind *kind, struct fault *fault)
{
    struct bytes rest = bytes_from_string(url);
    if (bytes_starts_with(rest, BYTES("socks5://"))) {
        *kind = PH_PROXY_SOCKS5;
        rest = bytes_skip(rest, strlen("socks5://"));
    } else if (bytes_starts_with(rest, BYTES("http://"))) {
        *kind = PH_PROXY_HTTP;
        rest = bytes_skip(rest, strlen("http://"));
    } else {
        return fault_set(fault, FAULT_SYNTAX,
                         "the proxy must begin with socks5:// or http://, for instance "
                         "socks5://user:password@host:1080");
    }
    if (bytes_ends_with(rest, BYTES("/")))
        rest.length--;
    size_t at = bytes_find_last_char(rest, '@');
    struct bytes address = at == BYTES_NOT_FOUND ? rest : bytes_skip(rest, at + 1);
    bool is_good = !bytes_is_empty(address) && proxy_part(address, &account->proxy_parts[0]);
    if (is_good && at != BYTES_NOT_FOUND) {
        struct bytes user;
        struct bytes password;
        bool has_password = bytes_split(bytes_slice(rest, 0, at), ':', &user, &password);
        if (!has_password)
            return fault_set(fault, FAULT_SYNTAX,
                             "the proxy has a user and no password; it must be of the form "
                             "socks5://user:password@host:port");
        is_good = proxy_part(user, &account->proxy_parts[1]) &&
                  proxy_part(password, &account->proxy_parts[2]);
    }
    if (!is_good)
        return fault_set(fault, FAULT_SYNTAX,
                         "the proxy is not of the form socks5://user:password@host:port");
    return true;
}

static bool check(struct send_account *account, enum send_account_field field, const char *value,
                  struct fault *fault)
{
    enum ph_tls_mode mode;
    enum ph_proxy_kind kind;
    uint64_t number;
    if (bytes_has_line_break_or_nul(bytes_from_string(value)))
        return fault_set(fault, FAULT_SYNTAX, "%s has a line break in it", fields[field].name);
    if (field == SEND_ACCOUNT_TLS)
        return tls_mode(value, &mode, fault);
    if (field == SEND_ACCOUNT_TIMEOUT || field == SEND_ACCOUNT_TOTAL_TIMEOUT)
        return seconds(field, value, &number, fault);
    if (field == SEND_ACCOUNT_PIN)
        return fingerprint(value, fault);
    if (field == SEND_ACCOUNT_PROXY)
        return proxy_take_apart(account, value, &kind, fault);
    if (fields[field].kind != SEND_ACCOUNT_SWITCH && *value == '\0')
        return fault_set(fault, FAULT_SYNTAX, "%s is empty", fields[field].name);
    return true;
}

/* A copy of value; a path's "~/" becomes the home directory; mechanisms become upper case. */
static char *copy_of(enum send_account_field field, const char *value)
{
    const char *home = getenv("HOME");
    if (fields[field].kind == SEND_ACCOUNT_PATH && strncmp(value, "~/", 2) == 0 && home != NULL) {
        char *path = NULL;
        return asprintf(&path, "%s%s", home, value + 1) < 0 ? NULL : path;
    }
    char *copy = strdup(value);
    if (field == SEND_ACCOUNT_MECHANISM && copy != NULL) {
        for (char *c = copy; *c != '\0'; c++)
            *c = *c == ',' ? ' ' : bytes_upper_char(*c);
    }
    return copy;
}

bool send_account_set(struct send_account *account, enum send_account_field field,
                      const char *value, struct fault *fault)
{
    if (value == NULL)
        value = "";
    if (!check(account, field, value, fault))
        return false;
    if (field == SEND_ACCOUNT_PIN && account->pin_count == SEND_ACCOUNT_PINS_MAX)
        return fault_set(fault, FAULT_LIMIT, "more than %d pins", SEND_ACCOUNT_PINS_MAX);
    char *copy = copy_of(field, value);
    if (copy == NULL)
        return fault_set_memory(fault);
    if (field == SEND_ACCOUNT_PIN) {
        account->pins[account->pin_count++] = copy;
    } else {
        forget(&account->values[field]);
        account->values[field] = copy;
    }
    return true;
}

bool send_account_overlay(struct send_account *account, const struct send_account *over,
                          struct fault *fault)
{
    bool has_secret = false;
    for (size_t i = 0; i < SECRETS; i++)
        has_secret = has_secret || over->values[secrets[i]] != NULL;
    for (size_t i = 0; has_secret && i < SECRETS; i++)
        forget(&account->values[secrets[i]]);
    for (size_t i = 0; i < SEND_ACCOUNT_FIELDS; i++) {
        if (over->values[i] != NULL &&
            !send_account_set(account, (enum send_account_field)i, over->values[i], fault))
            return false;
    }
    for (size_t i = 0; i < over->pin_count; i++) {
        if (!send_account_set(account, SEND_ACCOUNT_PIN, over->pins[i], fault))
            return false;
    }
    return true;
}

bool send_account_wants_login(const struct send_account *account)
{
    bool wants = account->values[SEND_ACCOUNT_USER] != NULL ||
                 account->values[SEND_ACCOUNT_MECHANISM] != NULL;
    for (size_t i = 0; i < SECRETS; i++)
        wants = wants || account->values[secrets[i]] != NULL;
    return wants;
}

static bool check_files(const struct send_account *account, struct fault *fault)
{
    static const enum send_account_field files[] = {SEND_ACCOUNT_CA_FILE, SEND_ACCOUNT_CA_DIRECTORY,
                                                    SEND_ACCOUNT_CERTIFICATE, SEND_ACCOUNT_KEY};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        const char *path = account->values[files[i]];
        if (path != NULL && access(path, R_OK) != 0)
            return fault_set_system(fault, FAULT_PERMANENT, errno, "%s %s cannot be read",
                                    fields[files[i]].name, path);
    }
    return true;
}

static bool take_timeouts(char *const *values, struct ph_timeouts *timeouts, struct fault *fault)
{
    uint64_t number;
    if (values[SEND_ACCOUNT_TIMEOUT] != NULL) {
        if (!seconds(SEND_ACCOUNT_TIMEOUT, values[SEND_ACCOUNT_TIMEOUT], &number, fault))
            return false;
        int64_t limit = (int64_t)number * 1000;
        *timeouts = (struct ph_timeouts){.connect = limit,
                                         .tls = limit,
                                         .greeting = limit,
                                         .command = limit,
                                         .data_start = limit,
                                         .data_block = limit,
                                         .data_end = limit};
    }
    if (values[SEND_ACCOUNT_TOTAL_TIMEOUT] != NULL) {
        if (!seconds(SEND_ACCOUNT_TOTAL_TIMEOUT, values[SEND_ACCOUNT_TOTAL_TIMEOUT], &number,
                     fault))
            return false;
        timeouts->total = (int64_t)number * 1000;
    }
    return true;
}

bool send_account_options(struct send_account *account, struct ph_smtp_options *options,
                          struct fault *fault)
{
    char *const *values = account->values;
    *options = (struct ph_smtp_options){
        .host = values[SEND_ACCOUNT_SERVER],
        .local_hostname = values[SEND_ACCOUNT_LOCAL_HOSTNAME],
        .source_address = values[SEND_ACCOUNT_SOURCE],
        .lmtp = values[SEND_ACCOUNT_LMTP] != NULL,
        .no_pipelining = values[SEND_ACCOUNT_NO_PIPELINING] != NULL,
        .no_chunking = values[SEND_ACCOUNT_NO_CHUNKING] != NULL,
        .tls = {.ca_file = values[SEND_ACCOUNT_CA_FILE],
                .ca_directory = values[SEND_ACCOUNT_CA_DIRECTORY],
                .certificate_file = values[SEND_ACCOUNT_CERTIFICATE],
                .key_file = values[SEND_ACCOUNT_KEY],
                .server_name = values[SEND_ACCOUNT_TLS_NAME],
                .no_verification = values[SEND_ACCOUNT_INSECURE] != NULL},
    };
    if (!check_files(account, fault))
        return false;
    if (account->pin_count > 0)
        options->tls.fingerprints = (const char *const *)account->pins;
    if (values[SEND_ACCOUNT_TLS] != NULL &&
        !tls_mode(values[SEND_ACCOUNT_TLS], &options->tls.mode, fault))
        return false;
    /* RFC 6409 3.1: what is sent by people goes to the submission port; the library's own default
       is the port for servers. */
    if (!options->lmtp && options->tls.mode != PH_TLS_IMPLICIT)
        options->port = PH_SUBMISSION_PORT;
    if (values[SEND_ACCOUNT_PROXY] != NULL) {
        if (!proxy_take_apart(account, values[SEND_ACCOUNT_PROXY], &options->proxy.kind, fault))
            return false;
        options->proxy.address = account->proxy_parts[0];
        options->proxy.user = account->proxy_parts[1];
        options->proxy.password = account->proxy_parts[2];
    }
    return take_timeouts(values, &options->timeouts, fault);
}
