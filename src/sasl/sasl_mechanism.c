/* The table of mechanisms. */
#include "sasl/sasl_mechanism.h"

static const struct sasl_mechanism mechanisms[] = {
    {"EXTERNAL", SASL_FAMILY_EXTERNAL, NULL, .speaks_first = true,
     .carries_authorization_id = true},
    {"SCRAM-SHA-256-PLUS", SASL_FAMILY_SCRAM_PLUS, "SHA256", .speaks_first = true,
     .needs_password = true, .carries_authorization_id = true},
    {"SCRAM-SHA-1-PLUS", SASL_FAMILY_SCRAM_PLUS, "SHA1", .speaks_first = true,
     .needs_password = true, .carries_authorization_id = true},
    {"SCRAM-SHA-256", SASL_FAMILY_SCRAM, "SHA256", .speaks_first = true, .needs_password = true,
     .carries_authorization_id = true},
    {"SCRAM-SHA-1", SASL_FAMILY_SCRAM, "SHA1", .speaks_first = true, .needs_password = true,
     .carries_authorization_id = true},
    {"OAUTHBEARER", SASL_FAMILY_OAUTHBEARER, NULL, .speaks_first = true, .needs_token = true,
     .shows_secret = true, .carries_authorization_id = true},
    {"XOAUTH2", SASL_FAMILY_XOAUTH2, NULL, .speaks_first = true, .needs_token = true,
     .shows_secret = true, .carries_authorization_id = true},
    {"PLAIN", SASL_FAMILY_PLAIN, NULL, .speaks_first = true, .needs_password = true,
     .shows_secret = true, .carries_authorization_id = true},
    {"LOGIN", SASL_FAMILY_LOGIN, NULL, .speaks_first = true, .needs_password = true,
     .shows_secret = true},
    {"CRAM-MD5", SASL_FAMILY_CRAM_MD5, NULL, .needs_password = true},
};

const struct sasl_mechanism *sasl_mechanism_at(size_t rank)
{
    return rank < sizeof mechanisms / sizeof mechanisms[0] ? &mechanisms[rank] : NULL;
}

const struct sasl_mechanism *sasl_mechanism_find(struct bytes name)
{
    for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++) {
        if (bytes_equal_ignoring_case(name, bytes_from_string(mechanisms[i].name)))
            return &mechanisms[i];
    }
    return NULL;
}

bool sasl_mechanism_next_name(struct bytes *list, struct bytes *name)
{
    do {
        if (bytes_is_empty(*list))
            return false;
        bytes_split(*list, ' ', name, list);
    } while (bytes_is_empty(*name));
    return true;
}
