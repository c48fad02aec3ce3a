/* smtplib's two helpers. */
#include <posthorn/smtp.h>

#include <stdlib.h>
#include <string.h>

#include "mail/address.h"
#include "wire/dot.h"
#include "smtp/smtp_error.h"

enum {
    QUOTED_MAX = ADDRESS_TEXT_MAX + sizeof "<>"
};

bool ph_quoteaddr(const char *address, char *buffer, size_t size, struct ph_error *error)
{
    AUTO(buffer)
    text = BUFFER(QUOTED_MAX);
    struct fault fault = {0};
    bool needs_smtputf8;
    buffer_append_char(&text, '<');
    /* RFC 5321 4.5.5: the null sender. */
    if (address[0] != '\0' &&
        !address_write_wire(bytes_from_string(address), &text, &needs_smtputf8, &fault))
        return smtp_error_from_fault(error, PH_ERROR_ARGUMENT, "", &fault, "this is no address");
    buffer_append_char(&text, '>');
    const char *string = buffer_string(&text);
    if (string == NULL)
        return smtp_error_memory(error);
    if (text.length >= size)
        return smtp_error_set(error, PH_ERROR_LIMIT, "", "the buffer is too small for the address");
    memcpy(buffer, string, text.length + 1);
    return true;
}

/* Writes what becomes of the message, or only measures it while out is NULL. */
static size_t quote(struct bytes message, char *out)
{
    struct dot dot = {.is_stuffing = true};
    size_t length = 0;
    while (message.length > 0) {
        char insertion;
        size_t run = dot_next(&dot, message, &insertion);
        if (out != NULL)
            memcpy(out + length, message.data, run);
        length += run;
        message = bytes_skip(message, run);
        if (insertion != '\0') {
            if (out != NULL)
                out[length] = insertion;
            length++;
        }
    }
    struct bytes end = dot_finish(&dot);
    if (out != NULL)
        memcpy(out + length, end.data, end.length);
    return length + end.length;
}

char *ph_quotedata(const char *message, size_t length, size_t *result_length,
                   struct ph_error *error)
{
    struct bytes text = bytes_of(message, length);
    size_t size = quote(text, NULL);
    char *out = malloc(size + 1);
    if (out == NULL) {
        smtp_error_memory(error);
        return NULL;
    }
    quote(text, out);
    out[size] = '\0';
    *result_length = size;
    return out;
}
