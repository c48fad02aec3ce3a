/* saslname and SASLprep. */
#include "sasl/sasl_name.h"

#include <gsasl.h>
#include <string.h>

#include "base/scan.h"
#include "base/secret.h"

void sasl_name_append(struct bytes name, struct buffer *out)
{
    for (size_t i = 0; i < name.length; i++) {
        if (name.data[i] == ',')
            buffer_append(out, BYTES("=2C"));
        else if (name.data[i] == '=')
            buffer_append(out, BYTES("=3D"));
        else
            buffer_append_char(out, name.data[i]);
    }
}

bool sasl_name_read(struct bytes name, struct buffer *out)
{
    struct scan scan = scan_of(name);
    if (name.length == 0 || bytes_has_char(name, '\0'))
        return false;
    while (!scan_is_at_end(&scan)) {
        buffer_append(out, scan_take_until_char(&scan, '='));
        if (scan_take_literal(&scan, BYTES("=2C")))
            buffer_append_char(out, ',');
        else if (scan_take_literal(&scan, BYTES("=3D")))
            buffer_append_char(out, '=');
        else if (!scan_is_at_end(&scan))
            return false;
    }
    return true;
}

bool sasl_name_prepare(const char *text, const char *what, struct buffer *out, struct fault *fault)
{
    char *prepared = NULL;
    int result = gsasl_saslprep(text, 0, &prepared, NULL);
    if (result == GSASL_MALLOC_ERROR)
        return fault_set_memory(fault);
    if (result != GSASL_OK)
        return fault_set(fault, FAULT_SYNTAX,
                         "the %s has a character that SASLprep (RFC 4013) forbids", what);
    size_t length = strlen(prepared);
    buffer_append(out, bytes_of(prepared, length));
    secret_wipe(prepared, length);
    gsasl_free(prepared);
    return length > 0 || fault_set(fault, FAULT_SYNTAX, "the %s is empty", what);
}
