/* The transcript: every line as it passes, without its secrets. */
#include "smtp/smtp_client_inside.h"

void smtp_client_trace(struct smtp_client *client, enum ph_trace_kind kind, struct bytes text)
{
    if (client->trace == NULL)
        return;
    buffer_reset(&client->scratch);
    buffer_append(&client->scratch, text);
    const char *string = buffer_string(&client->scratch);
    /* A line is lost from the transcript rather than the session for want of memory. */
    if (string != NULL)
        client->trace(client->trace_context, kind, string, client->scratch.length);
    buffer_reset(&client->scratch);
}

void smtp_client_trace_line(struct smtp_client *client, size_t start, size_t shown)
{
    struct buffer *text = &client->outbox.text;
    if (client->trace != NULL && !buffer_is_failed(text)) {
        struct bytes line = bytes_trim_end(bytes_skip(buffer_bytes(text), start));
        bool has_secret = shown < line.length;
        line = bytes_slice(line, 0, shown);
        buffer_reset(&client->scratch);
        buffer_append(&client->scratch, line);
        if (has_secret)
            buffer_append(&client->scratch, BYTES("****"));
        const char *string = buffer_string(&client->scratch);
        if (string != NULL)
            client->trace(client->trace_context, PH_TRACE_SENT, string, client->scratch.length);
        buffer_reset(&client->scratch);
    }
    outbox_end_text(&client->outbox);
}
