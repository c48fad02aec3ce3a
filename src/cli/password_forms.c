/* Makes verifiers, and replaces those of an account. */
#include "cli/password_forms.h"

#include "sasl/sasl_verifier.h"

static bool make(enum sasl_verifier_digest digest, struct bytes password,
                 char text[STORE_VERIFIER_MAX + 1], struct fault *fault)
{
    AUTO(buffer)
    printed = BUFFER(STORE_VERIFIER_MAX);
    struct sasl_verifier verifier;
    if (!sasl_verifier_make(digest, password, &verifier, fault))
        return false;
    sasl_verifier_print(&verifier, &printed);
    if (buffer_is_failed(&printed))
        return fault_set_memory(fault);
    memcpy(text, buffer_bytes(&printed).data, printed.length);
    text[printed.length] = '\0';
    return true;
}

bool password_forms_make(struct bytes password, bool wants_sha_1, struct password_forms *forms,
                         struct fault *fault)
{
    *forms = (struct password_forms){{0}, {0}};
    return make(SASL_VERIFIER_SHA_256, password, forms->scram_sha_256, fault) &&
           (!wants_sha_1 || make(SASL_VERIFIER_SHA_1, password, forms->scram_sha_1, fault));
}

bool password_forms_put(struct store *store, struct db *db, int64_t account,
                        const struct password_forms *forms, struct fault *fault)
{
    struct bytes sha_256 = bytes_from_string(forms->scram_sha_256);
    struct bytes sha_1 = bytes_from_string(forms->scram_sha_1);
    return store_credential_remove_password(db, account, fault) &&
           store_credential_put(store, db, account, STORE_CREDENTIAL_SCRAM_SHA_256, BYTES(""),
                                sha_256, fault) &&
           (sha_1.length == 0 ||
            store_credential_put(store, db, account, STORE_CREDENTIAL_SCRAM_SHA_1, BYTES(""), sha_1,
                                 fault));
}
