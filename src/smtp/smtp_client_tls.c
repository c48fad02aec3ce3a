/* What TLS changes for an engine. */
#include "smtp/smtp_client.h"

#include <stdio.h>
#include <string.h>

#include "smtp/smtp_client_inside.h"

static void copy_facts(struct smtp_client *client, const struct ph_tls_facts *facts)
{
    client->has_facts = facts != NULL;
    if (facts == NULL)
        return;
    client->facts = (struct ph_tls_facts){.has_client_certificate = facts->has_client_certificate,
                                          .is_unverified = facts->is_unverified};
    if (facts->binding_name == NULL || facts->binding_length == 0 ||
        facts->binding_length > sizeof client->binding)
        return;
    snprintf(client->binding_name, sizeof client->binding_name, "%s", facts->binding_name);
    memcpy(client->binding, facts->binding, facts->binding_length);
    client->facts.binding_name = client->binding_name;
    client->facts.binding = client->binding;
    client->facts.binding_length = facts->binding_length;
}

void smtp_client_tls_started(struct smtp_client *client, const struct ph_tls_facts *facts,
                             int64_t now)
{
    client->now = now;
    client->progress_at = now;
    if (client->is_closed)
        return;
    copy_facts(client, facts);
    client->is_encrypted = true;
    if (!client->is_waiting_for_tls)
        return;
    /* RFC 3207 4.2: whatever was learned in clear is forgotten. */
    client->is_waiting_for_tls = false;
    client->wants_tls = false;
    client->is_greeted = false;
    client->needs_rset = false;
    client->has_envelope = false;
    smtp_capability_reset(&client->capability);
    smtp_reply_reset(&client->reply);
    smtp_client_queue_end(client->first, false);
}
