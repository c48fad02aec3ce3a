/* Loads the certificate, or makes one. */
#include "server/server_tls.h"

#include <unistd.h>

#include "net/net_certificate_make.h"

bool server_tls_is_given(const struct config *config)
{
    return config_text(config, CONFIG_TLS_CERTIFICATE) != NULL;
}

struct net_tls_context *server_tls_load(const struct config *config, struct fault *fault)
{
    struct net_tls_identity identity = {
        .certificate_file = config_text(config, CONFIG_TLS_CERTIFICATE),
        .key_file = config_text(config, CONFIG_TLS_KEY),
    };
    return net_tls_server_context_new(&identity, 1, fault);
}

struct net_tls_context *server_tls_make(const char *folder, const char *host_name,
                                        struct buffer *path, struct fault *fault)
{
    AUTO(buffer)
    key = BUFFER(SERVER_TLS_PATH_MAX);
    buffer_append_format(path, "%s/certificate.pem", folder);
    buffer_append_format(&key, "%s/certificate.key", folder);
    struct net_tls_identity identity = {buffer_string(path), buffer_string(&key)};
    if (identity.certificate_file == NULL || identity.key_file == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    /* Whoever was told to trust the old one shall not be told again at each start. */
    bool is_there =
        access(identity.certificate_file, F_OK) == 0 && access(identity.key_file, F_OK) == 0;
    if (!is_there &&
        !net_certificate_make(host_name, identity.certificate_file, identity.key_file, fault))
        return NULL;
    return net_tls_server_context_new(&identity, 1, fault);
}
