/* Copies the strings among a session's options. */
#include "client/client_options.h"

#include <string.h>

#include "base/secret.h"

static bool copy_string(const char **string, struct arena *memory)
{
    if (*string == NULL)
        return true;
    *string = arena_copy_string(memory, bytes_from_string(*string));
    return *string != NULL;
}

static bool copy_list(const char *const **list, struct arena *memory)
{
    if (*list == NULL)
        return true;
    size_t count = 0;
    while ((*list)[count] != NULL)
        count++;
    const char **copy = arena_allocate_array(memory, count + 1, sizeof *copy);
    if (copy == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        copy[i] = (*list)[i];
        if (!copy_string(&copy[i], memory))
            return false;
    }
    *list = copy;
    return true;
}

bool client_options_copy(const struct ph_smtp_options *from, struct ph_smtp_options *to,
                         struct arena *memory)
{
    *to = *from;
    struct ph_tls_options *tls = &to->tls;
    struct ph_proxy *proxy = &to->proxy;
    return copy_string(&to->host, memory) && copy_string(&to->local_hostname, memory) &&
           copy_string(&to->source_address, memory) && copy_string(&tls->ca_file, memory) &&
           copy_string(&tls->ca_directory, memory) && copy_string(&tls->certificate_file, memory) &&
           copy_string(&tls->key_file, memory) && copy_string(&tls->key_password, memory) &&
           copy_list(&tls->fingerprints, memory) && copy_string(&tls->server_name, memory) &&
           copy_string(&proxy->address, memory) && copy_string(&proxy->user, memory) &&
           copy_string(&proxy->password, memory);
}

/* The copies are the session's own memory, although the public struct shows them as constants. */
static void wipe(const char *secret)
{
    if (secret != NULL)
        secret_wipe((char *)secret, strlen(secret));
}

void client_options_wipe(struct ph_smtp_options *options)
{
    wipe(options->tls.key_password);
    wipe(options->proxy.password);
}
