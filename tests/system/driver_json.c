/* How the driver reads requests and writes what the library said. */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

const char *text(json_t *request, const char *name)
{
    return json_string_value(json_object_get(request, name));
}

json_int_t number(json_t *request, const char *name)
{
    return json_integer_value(json_object_get(request, name));
}

bool truth(json_t *request, const char *name)
{
    return json_is_true(json_object_get(request, name));
}

int choice(json_t *request, const char *name, const char *const words[], int count)
{
    const char *word = text(request, name);
    if (!word) {
        return 0;
    }
    for (int index = 0; index < count; index++) {
        if (!strcmp(word, words[index])) {
            return index;
        }
    }
    fprintf(stderr, "driver: %s cannot be %s\n", name, word);
    exit(2);
}

char *read_file(const char *path, size_t *length)
{
    FILE *file = path ? fopen(path, "rb") : NULL;
    char *bytes = NULL;
    long size;
    if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 0 || fseek(file, 0, SEEK_SET) ||
        !(bytes = malloc((size_t)size + 1)) ||
        fread(bytes, 1, (size_t)size, file) != (size_t)size) {
        perror(path ? path : "driver: no file was named");
        exit(2);
    }
    fclose(file);
    *length = (size_t)size;
    return bytes;
}

static json_t *bytes(const char *string)
{
    /* What a server said need not be UTF-8. */
    json_t *value = json_string(string ? string : "");
    return value ? value : json_string("(not UTF-8)");
}

static json_t *enhanced(const unsigned short code[3])
{
    return json_sprintf("%u.%u.%u", code[0], code[1], code[2]);
}

json_t *driver_reply(const struct ph_reply *reply)
{
    return json_pack("{s:i,s:o,s:o}", "code", reply->code, "enhanced", enhanced(reply->enhanced),
                     "text", bytes(reply->text));
}

/* The names of the enum, so that no test depends on the words for people. */
static const char *kind(enum ph_error_kind kind)
{
    static const char *const names[] = {
        [PH_OK] = "ok",
        [PH_ERROR_DISCONNECTED] = "disconnected",
        [PH_ERROR_RESPONSE] = "response",
        [PH_ERROR_SENDER_REFUSED] = "sender refused",
        [PH_ERROR_RECIPIENTS_REFUSED] = "recipients refused",
        [PH_ERROR_DATA_REFUSED] = "data refused",
        [PH_ERROR_CONNECT] = "connect",
        [PH_ERROR_HELO] = "helo",
        [PH_ERROR_AUTHENTICATION] = "authentication",
        [PH_ERROR_NOT_SUPPORTED] = "not supported",
        [PH_ERROR_ARGUMENT] = "argument",
        [PH_ERROR_RESOLVE] = "resolve",
        [PH_ERROR_TIMEOUT] = "timeout",
        [PH_ERROR_PROTOCOL] = "protocol",
        [PH_ERROR_TLS] = "tls",
        [PH_ERROR_CERTIFICATE] = "certificate",
        [PH_ERROR_PROXY] = "proxy",
        [PH_ERROR_TOO_LARGE] = "too large",
        [PH_ERROR_BODY] = "body",
        [PH_ERROR_LIMIT] = "limit",
        [PH_ERROR_MEMORY] = "memory",
        [PH_ERROR_CANCELLED] = "cancelled",
    };
    return names[kind];
}

json_t *driver_error(const struct ph_error *error)
{
    return json_pack("{s:s,s:i,s:b,s:i,s:i,s:o,s:o,s:o,s:o}", "kind", kind(error->kind), "fate",
                     (int)error->fate, "retry", error->retry, "system_error", error->system_error,
                     "code", error->reply_code, "enhanced", enhanced(error->reply_enhanced), "verb",
                     bytes(error->verb), "text", bytes(error->reply_text), "message",
                     bytes(error->message));
}
