/* LOGIN, AUTHENTICATE (RFC 4959: with an initial response) and ID (RFC 2971). */
#include "imap/imap_command_inside.h"

#include "base/base64.h"

bool imap_command_login(struct imap_tokens *tokens, struct imap_command *command)
{
    return imap_token_take_astring(tokens, "user", &command->login.user) &&
           imap_token_take_blank(tokens) &&
           imap_token_take_astring(tokens, "password", &command->login.password);
}

static bool decode_response(struct imap_tokens *tokens, struct bytes text, struct bytes *response)
{
    AUTO(buffer)
    decoded = SECRET_BUFFER(text.length);
    if (!base64_decode(text, &decoded))
        return imap_token_refuse(tokens, FAULT_SYNTAX, "the initial response is not base64");
    if (buffer_is_failed(&decoded))
        return fault_set_memory(tokens->fault);
    const char *copy = imap_token_copy(tokens, buffer_bytes(&decoded).data, decoded.length, 1);
    *response = bytes_of(copy, decoded.length);
    return copy != NULL;
}

static bool take_mechanism(struct imap_tokens *tokens, struct bytes *mechanism)
{
    struct bytes word;
    if (!imap_token_take_atom(tokens, "mechanism", &word))
        return false;
    char *copy = imap_token_allocate(tokens, word.length, 1);
    if (copy == NULL)
        return false;
    for (size_t i = 0; i < word.length; i++)
        copy[i] = bytes_upper_char(word.data[i]);
    *mechanism = bytes_of(copy, word.length);
    return true;
}

bool imap_command_login_authenticate(struct imap_tokens *tokens, struct imap_command *command)
{
    struct bytes text;
    if (!take_mechanism(tokens, &command->authenticate.mechanism))
        return false;
    if (imap_token_is_at_end(tokens))
        return true;
    if (!imap_token_take_blank(tokens) || !imap_token_take_atom(tokens, "initial response", &text))
        return false;
    /* RFC 4959 3: "=" is a response of no bytes, which is not the same as none. */
    if (bytes_equal(text, BYTES("="))) {
        command->authenticate.response = BYTES("");
        return true;
    }
    return decode_response(tokens, text, &command->authenticate.response);
}

bool imap_command_login_id(struct imap_tokens *tokens, struct imap_command *command)
{
    struct imap_field fields[IMAP_COMMAND_ID_FIELDS_MAX];
    size_t count = 0;
    if (imap_token_try_name(tokens, BYTES("NIL")))
        return true;
    if (!imap_token_take_open(tokens))
        return false;
    bool has_more = !imap_token_try_char(tokens, ')');
    while (has_more) {
        struct imap_field field;
        if (!imap_token_take_string(tokens, "field", &field.name) ||
            !imap_token_take_blank(tokens) ||
            !imap_token_take_nstring(tokens, "value", &field.value) ||
            !imap_token_take_more(tokens, &has_more))
            return false;
        if (count == IMAP_COMMAND_ID_FIELDS_MAX)
            return imap_token_refuse(tokens, FAULT_LIMIT, "too many fields");
        fields[count++] = field;
    }
    command->id.fields = imap_token_copy(tokens, fields, count, sizeof *fields);
    command->id.count = count;
    return command->id.fields != NULL;
}
