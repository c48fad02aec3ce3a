/* Everything that the delivery points to lives in one arena, one draft and one parser. */
#include "delivery/report_mail.h"

#include <stdlib.h>

#include <posthorn/transaction.h>

#include "base/arena.h"
#include "delivery/route.h"
#include "delivery/trace_header.h"

enum {
    ARENA_MAX = 4 * 1024 * 1024, /* targets of an alias with STORE_ALIAS_TARGETS_MAX fit */
    PIECE_MAX = 64 * 1024        /* bytes that a draft takes at a time */
};

struct report_mail {
    struct store_delivery delivery;
    struct message_parsed parsed;
    struct message_parser *parser;
    struct arena arena;
    const char *objection;
};

void report_mail_free(struct report_mail *mail)
{
    if (mail == NULL)
        return;
    store_draft_free(mail->delivery.draft);
    message_parser_free(mail->parser);
    arena_clear(&mail->arena);
    free(mail);
}

struct store_delivery *report_mail_delivery(struct report_mail *mail)
{
    return mail->objection == NULL ? &mail->delivery : NULL;
}

const char *report_mail_objection(const struct report_mail *mail)
{
    return mail->objection;
}

/* ---- who gets it ---- */

/* A copy that lives as long as the mail. */
static bool keep(struct report_mail *mail, const struct buffer *from, struct bytes *kept)
{
    if (buffer_is_failed(from))
        return false;
    const char *copy = arena_copy_string(&mail->arena, buffer_bytes(from));
    *kept = bytes_of(copy, from->length);
    return copy != NULL;
}

static bool add_local(struct report_mail *mail, const struct store_target *target,
                      struct bytes prefix)
{
    mail->delivery.locals[mail->delivery.local_count++] = (struct store_delivery_local){
        .account = target->account, .mailbox = target->mailbox, .prefix = prefix};
    return true;
}

static bool add_far(struct report_mail *mail, const struct report_mail_place *place,
                    const struct address *address, struct fault *fault)
{
    AUTO(buffer)
    text = BUFFER(ADDRESS_TEXT_MAX);
    AUTO(buffer)
    route = BUFFER(RELAY_ROUTE_MAX);
    bool needs_utf8 = false;
    if (!address_print_wire(address, &text, &needs_utf8, fault) ||
        !relay_route(place->relays, BYTES(""), address, &route, fault))
        return false;
    struct store_delivery_far *far = &mail->delivery.fars[mail->delivery.far_count];
    /* RFC 3461 6.1: no report of a report. */
    *far = (struct store_delivery_far){.notify = PH_NOTIFY_NEVER};
    if (!keep(mail, &text, &far->recipient) || !keep(mail, &route, &far->route))
        return fault_set_memory(fault);
    mail->delivery.is_utf8 = mail->delivery.is_utf8 || needs_utf8;
    mail->delivery.far_count++;
    return true;
}

static bool make_prefix(struct report_mail *mail, const struct report *report, struct bytes *prefix)
{
    AUTO(buffer)
    text = BUFFER(TRACE_HEADER_MAX);
    struct trace_header trace = {.name = report->reporter,
                                 .is_utf8 = !bytes_is_ascii(report->sender),
                                 .id = mail->delivery.id,
                                 .received = report->now};
    trace_header_own(&trace, report->sender, &text);
    return keep(mail, &text, prefix);
}

static bool add_targets(struct report_mail *mail, const struct report_mail_place *place,
                        const struct report *report, const struct store_targets *targets,
                        struct fault *fault)
{
    struct store_delivery *delivery = &mail->delivery;
    struct bytes prefix;
    delivery->locals =
        arena_allocate_array(&mail->arena, targets->count, sizeof(*delivery->locals));
    delivery->fars = arena_allocate_array(&mail->arena, targets->count, sizeof(*delivery->fars));
    if (delivery->locals == NULL || delivery->fars == NULL || !make_prefix(mail, report, &prefix))
        return fault_set_memory(fault);
    for (size_t i = 0; i < targets->count; i++) {
        const struct store_target *target = &targets->items[i];
        if (target->account != 0 ? !add_local(mail, target, prefix)
                                 : !add_far(mail, place, &target->far, fault))
            return false;
    }
    return true;
}

static bool address_it(struct report_mail *mail, const struct report_mail_place *place,
                       const struct report *report, struct fault *fault)
{
    struct address address;
    struct store_targets targets = {0};
    bool is_good = true;
    if (!address_parse(report->sender, &address, NULL)) {
        mail->objection = "the sender's address is none";
        return true;
    }
    if (!store_resolve(place->reader, &address, &targets, fault))
        return false;
    switch (targets.resolution) {
    case STORE_RESOLVED:
        is_good = add_targets(mail, place, report, &targets, fault);
        break;
    case STORE_DOMAIN_IS_FAR: {
        struct store_target far = {.far = address};
        const struct store_targets alone = {.items = &far, .count = 1};
        is_good = add_targets(mail, place, report, &alone, fault);
        break;
    }
    case STORE_UNKNOWN:
        mail->objection = "nobody has the sender's address here";
        break;
    case STORE_DISABLED:
        mail->objection = "the sender's mailbox takes no mail";
        break;
    case STORE_TOO_MANY:
        mail->objection = "the sender's address goes round in a circle or leads to too many";
        break;
    }
    store_targets_clear(&targets);
    return is_good;
}

/* ---- what they get ---- */

static bool keep_message(struct report_mail *mail, struct bytes text, struct fault *fault)
{
    if (!message_parser_feed(mail->parser, text, fault) ||
        !message_parser_finish(mail->parser, &mail->parsed, fault))
        return false;
    while (text.length > 0) {
        struct bytes piece = bytes_slice(text, 0, PIECE_MAX);
        if ((store_draft_is_full(mail->delivery.draft) &&
             !store_draft_spill(mail->delivery.draft, fault)) ||
            !store_draft_append(mail->delivery.draft, piece, fault))
            return false;
        text = bytes_skip(text, piece.length);
    }
    return !store_draft_is_full(mail->delivery.draft) ||
           store_draft_spill(mail->delivery.draft, fault);
}

static bool write_it(struct report_mail *mail, const struct report *report, struct fault *fault)
{
    AUTO(buffer)
    text = BUFFER(REPORT_SIZE_MAX);
    if (!delivery_report_write(report, &text, fault) ||
        !keep_message(mail, buffer_bytes(&text), fault))
        return false;
    mail->delivery.body_kind = mail->parsed.has_8bit ? STORE_BODY_8BIT : STORE_BODY_7BIT;
    /* Only the address in "To" can put UTF-8 into the header (RFC 6531 3.4). */
    if (!bytes_is_ascii(mail->parsed.header))
        mail->delivery.is_utf8 = true;
    return true;
}

static bool fill(struct report_mail *mail, const struct report_mail_place *place,
                 const struct report *report, struct fault *fault)
{
    if (!address_it(mail, place, report, fault))
        return false;
    if (mail->objection != NULL)
        return true;
    mail->parser = message_parser_new(fault);
    mail->delivery.draft = mail->parser == NULL ? NULL : store_draft_new(place->store, fault);
    return mail->delivery.draft != NULL && write_it(mail, report, fault);
}

struct report_mail *report_mail_new(const struct report_mail_place *place,
                                    const struct report *report, struct fault *fault)
{
    struct report_mail *mail = calloc(1, sizeof(*mail));
    if (mail == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    arena_init(&mail->arena, ARENA_MAX);
    struct report named = *report;
    if (named.id == 0)
        named.id = store_id_make(place->store);
    mail->delivery.store = place->store;
    mail->delivery.id = named.id;
    mail->delivery.received = named.now;
    mail->delivery.parsed = &mail->parsed;
    if (fill(mail, place, &named, fault))
        return mail;
    report_mail_free(mail);
    return NULL;
}
