/* Makes what is missing, by two jobs: the domain may be there already. */
#include "session/session_dev.h"

#include "store/store_jobs.h"

struct dev_job {
    struct store_job job;
    struct store *store;
    struct bytes login;
    struct bytes domain;
};

static bool add_domain(struct store_job *job, struct db *db, struct fault *fault)
{
    const struct dev_job *made = (const struct dev_job *)job;
    return store_domain_add(db, store_id_make(made->store), made->domain, fault);
}

static bool add_account(struct store_job *job, struct db *db, struct fault *fault)
{
    const struct dev_job *made = (const struct dev_job *)job;
    int64_t id;
    return store_account_add(made->store, db, made->login, &id, fault);
}

/* Whether it could be made shows when it is looked up again: somebody else may have been faster. */
static void make_mailbox(struct session_services *services, const struct address *address)
{
    AUTO(buffer)
    login = BUFFER(ADDRESS_TEXT_MAX);
    address_print(address, &login);
    struct dev_job job = {
        .store = services->store, .login = buffer_bytes(&login), .domain = address_domain(address)};
    job.job.run = add_domain;
    store_run(services->store, &job.job, NULL);
    job.job = (struct store_job){.run = add_account};
    store_run(services->store, &job.job, NULL);
}

/* The address to make: without its "+detail", which route_find takes off as well. */
static bool read_address(struct session_services *services, struct bytes text,
                         struct address *address, struct fault *fault)
{
    if (address_is_bare_postmaster(text))
        return address_make(BYTES("postmaster"), bytes_from_string(services->name), address, fault);
    if (!address_parse(text, address, fault))
        return false;
    struct bytes name, detail;
    bytes_split(address_local_part(address), '+', &name, &detail);
    struct address whole = *address;
    return bytes_is_empty(name) || address_make(name, address_domain(&whole), address, fault);
}

bool session_dev_route(struct session_services *services, struct db *reader,
                       const struct route_question *question, struct route_answer *answer,
                       struct fault *fault)
{
    struct route_answer first = {0};
    /* Nobody's address is far here, whoever sends. */
    struct route_question known = {.address = question->address};
    if (!route_find(reader, &known, &first, fault))
        return false;
    if (first.verdict != ROUTE_UNKNOWN && first.verdict != ROUTE_NO_RELAY) {
        *answer = first;
        return true;
    }
    route_answer_clear(&first);
    struct address address;
    if (!read_address(services, question->address, &address, fault))
        return false;
    make_mailbox(services, &address);
    AUTO(buffer)
    text = BUFFER(ADDRESS_TEXT_MAX);
    address_print(&address, &text);
    if (buffer_is_failed(&text))
        return fault_set_memory(fault);
    struct route_question again = {.address = buffer_bytes(&text)};
    return route_find(reader, &again, answer, fault);
}
