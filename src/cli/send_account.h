/* Where mail is handed over and who hands it over: what a profile and the command line can say
   about it, in the same words. */
#ifndef CLI_SEND_ACCOUNT_H
#define CLI_SEND_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>

#include <posthorn/smtp.h>

#include "base/auto.h"
#include "base/fault.h"

enum send_account_field {
    SEND_ACCOUNT_SERVER = 0,
    SEND_ACCOUNT_USER,
    SEND_ACCOUNT_FROM,
    SEND_ACCOUNT_PASSWORD, /* in profiles only */
    SEND_ACCOUNT_PASSWORD_FILE,
    SEND_ACCOUNT_PASSWORD_COMMAND,
    SEND_ACCOUNT_TOKEN_FILE,
    SEND_ACCOUNT_TOKEN_COMMAND,
    SEND_ACCOUNT_MECHANISM,
    SEND_ACCOUNT_CLEARTEXT_LOGIN,
    SEND_ACCOUNT_TLS,
    SEND_ACCOUNT_TLS_NAME,
    SEND_ACCOUNT_CA_FILE,
    SEND_ACCOUNT_CA_DIRECTORY,
    SEND_ACCOUNT_CERTIFICATE,
    SEND_ACCOUNT_KEY,
    SEND_ACCOUNT_PIN,
    SEND_ACCOUNT_INSECURE,
    SEND_ACCOUNT_LMTP,
    SEND_ACCOUNT_LOCAL_HOSTNAME,
    SEND_ACCOUNT_SOURCE,
    SEND_ACCOUNT_PROXY,
    SEND_ACCOUNT_TIMEOUT,
    SEND_ACCOUNT_TOTAL_TIMEOUT,
    SEND_ACCOUNT_NO_PIPELINING,
    SEND_ACCOUNT_NO_CHUNKING,
    SEND_ACCOUNT_DOMAIN,
    SEND_ACCOUNT_FIELDS
};

enum {
    SEND_ACCOUNT_PINS_MAX = 8,           /* fingerprints of one account */
    SEND_ACCOUNT_TIMEOUT_MAX = 24 * 3600 /* seconds */
};

/* How a field is written. */
enum send_account_kind {
    SEND_ACCOUNT_TEXT = 0,
    SEND_ACCOUNT_PATH, /* "~/" at the front is the home directory */
    SEND_ACCOUNT_SWITCH
};

/* Zero is an account of which nothing is known. */
struct send_account {
    char *values[SEND_ACCOUNT_FIELDS];     /* NULL = not said; a switch that is on is "" */
    char *pins[SEND_ACCOUNT_PINS_MAX + 1]; /* NULL-terminated */
    size_t pin_count;
    char *proxy_parts[3]; /* address, user, password */
};

/* The field's word in profiles and, behind "--", on the command line: "password-command". */
const char *send_account_field_name(enum send_account_field field);
enum send_account_kind send_account_field_kind(enum send_account_field field);

/* Wipes and frees what the account holds. Accepts NULL. */
void send_account_clear(struct send_account *account);

/* Sets a field to a copy of value, which is checked; a pin is added to those before it. A switch
   takes NULL for on. */
bool send_account_set(struct send_account *account, enum send_account_field field,
                      const char *value, struct fault *fault);

/* Puts what `over` says in place of what account says; where `over` names a way to the password or
   token, all ways that account knew are forgotten. */
bool send_account_overlay(struct send_account *account, const struct send_account *over,
                          struct fault *fault);

/* NULL = not said. */
static inline const char *send_account_value(const struct send_account *account,
                                             enum send_account_field field)
{
    return account->values[field];
}

/* There is something to log in with. */
bool send_account_wants_login(const struct send_account *account);

/* Fills options, which point into the account. False: a value is wrong, or, with a system error in
   the fault, a file that it names cannot be read. */
bool send_account_options(struct send_account *account, struct ph_smtp_options *options,
                          struct fault *fault);

#endif
