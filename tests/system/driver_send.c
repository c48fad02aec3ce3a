/* The driver's requests that send mail: transactions, messages, and what became of them. */
#include "driver.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A transaction with all that it borrows. */
struct order {
    struct ph_transaction transaction;
    char *letter;
    int file;
};

static json_t *describe(const struct ph_result *result)
{
    json_t *recipients = json_array();
    for (size_t index = 0; index < result->recipient_count; index++) {
        const struct ph_recipient_result *recipient = &result->recipients[index];
        json_array_append_new(recipients,
                              json_pack("{s:o,s:b,s:i}", "reply", driver_reply(&recipient->reply),
                                        "accepted", recipient->is_accepted, "fate",
                                        (int)recipient->fate));
    }
    return json_pack("{s:i,s:o,s:o,s:i,s:i,s:o}", "fate", (int)result->fate, "reply",
                     driver_reply(&result->reply), "recipients", recipients, "accepted",
                     (int)result->accepted_count, "dropped", (int)result->dropped, "error",
                     driver_error(&result->error));
}

static const char **list(json_t *request, const char *name, size_t *count)
{
    json_t *array = json_object_get(request, name);
    const char **strings = calloc(json_array_size(array) + 1, sizeof *strings);
    if (!strings) {
        abort();
    }
    *count = json_array_size(array);
    for (size_t index = 0; index < *count; index++) {
        strings[index] = json_string_value(json_array_get(array, index));
    }
    return strings;
}

bool driver_sendmail(struct driver *driver, json_t *request)
{
    struct ph_result result = {.fate = PH_NOT_SENT};
    size_t length;
    size_t count;
    char *letter = read_file(text(request, "letter"), &length);
    const char **recipients = list(request, "recipients", &count);
    bool is_sent = ph_smtp_sendmail(driver->smtp, text(request, "sender"), recipients, count,
                                    letter, length, &result, &driver->error);
    json_object_set_new(driver->answer, "result", describe(&result));
    ph_result_clear(&result);
    free(recipients);
    free(letter);
    return is_sent;
}

static ssize_t read_piece(void *context, char *buffer, size_t size)
{
    /* Odd pieces, so that line ends and dots fall on their edges. */
    return read(*(int *)context, buffer, size < 1021 ? size : 1021);
}

static struct ph_body read_body(json_t *request, struct order *order)
{
    static const char *const kinds[] = {"memory", "file", "callback"};
    static const char *const contents[] = {"unknown", "7bit", "8bit", "binary"};
    struct ph_body body = {.kind = (enum ph_body_kind)choice(request, "body", kinds, 3),
                           .content = (enum ph_body_content)choice(request, "content", contents, 4),
                           .line_ends = truth(request, "refuse_line_ends")
                                            ? PH_LINE_ENDS_REFUSE
                                            : PH_LINE_ENDS_NORMALISE};
    if (body.kind == PH_BODY_MEMORY) {
        order->letter = read_file(text(request, "letter"), &body.length);
        body.data = order->letter;
        return body;
    }
    order->file = open(text(request, "letter"), O_RDONLY);
    if (order->file < 0) {
        perror(text(request, "letter"));
        exit(2);
    }
    body.descriptor = order->file;
    body.read = read_piece;
    body.context = &order->file;
    body.size = (uint64_t)number(request, "size");
    return body;
}

static struct ph_recipient *read_recipients(json_t *array, size_t *count)
{
    struct ph_recipient *recipients;
    *count = json_array_size(array);
    recipients = calloc(*count + 1, sizeof *recipients);
    if (!recipients) {
        abort();
    }
    for (size_t index = 0; index < *count; index++) {
        json_t *one = json_array_get(array, index);
        if (json_is_string(one)) {
            recipients[index].address = json_string_value(one);
        } else {
            recipients[index] =
                (struct ph_recipient){.address = text(one, "address"),
                                      .notify = (unsigned)number(one, "notify"),
                                      .original_recipient = text(one, "original_recipient"),
                                      .parameters = text(one, "parameters")};
        }
    }
    return recipients;
}

static void read_order(json_t *request, struct order *order)
{
    static const char *const returns[] = {"default", "full", "headers"};
    size_t count;
    order->file = -1;
    order->transaction = (struct ph_transaction){
        .sender = text(request, "sender"),
        .recipients = read_recipients(json_object_get(request, "recipients"), &count),
        .return_content = (enum ph_return_content)choice(request, "return", returns, 3),
        .envelope_id = text(request, "envelope_id"),
        .require_tls = truth(request, "require_tls"),
        .utf8_headers = truth(request, "utf8_headers"),
        .deliver_by_seconds = number(request, "deliver_by"),
        .hold_for_seconds = (uint64_t)number(request, "hold_for"),
        .priority = (int)number(request, "priority"),
        .has_priority = json_object_get(request, "priority"),
        .parameters = text(request, "parameters"),
        .demands = (unsigned)number(request, "demands"),
        .body = read_body(request, order),
    };
    order->transaction.recipient_count = count;
}

static void clear_order(struct order *order)
{
    free((void *)order->transaction.recipients);
    free(order->letter);
    if (order->file >= 0) {
        close(order->file);
    }
}

bool driver_send(struct driver *driver, json_t *request)
{
    struct order order = {.letter = NULL};
    struct ph_result result = {.fate = PH_NOT_SENT};
    bool is_sent;
    read_order(request, &order);
    is_sent = ph_smtp_send(driver->smtp, &order.transaction, &result, &driver->error);
    json_object_set_new(driver->answer, "result", describe(&result));
    ph_result_clear(&result);
    clear_order(&order);
    return is_sent;
}

bool driver_send_all(struct driver *driver, json_t *request)
{
    json_t *array = json_object_get(request, "transactions");
    size_t count = json_array_size(array);
    struct order *orders = calloc(count + 1, sizeof *orders);
    struct ph_transaction *transactions = calloc(count + 1, sizeof *transactions);
    struct ph_result *results = calloc(count + 1, sizeof *results);
    json_t *described = json_array();
    bool is_sent;
    if (!orders || !transactions || !results) {
        abort();
    }
    for (size_t index = 0; index < count; index++) {
        read_order(json_array_get(array, index), &orders[index]);
        transactions[index] = orders[index].transaction;
    }
    is_sent = ph_smtp_send_all(driver->smtp, transactions, count, results, &driver->error);
    for (size_t index = 0; index < count; index++) {
        json_array_append_new(described, describe(&results[index]));
        ph_result_clear(&results[index]);
        clear_order(&orders[index]);
    }
    json_object_set_new(driver->answer, "results", described);
    free(orders);
    free(transactions);
    free(results);
    return is_sent;
}

/* Headers and parts of a composed message, in the order of the request's members. */
static bool compose(struct ph_message *message, json_t *parts, struct ph_error *error)
{
    const char *name;
    json_t *value;
    json_object_foreach(parts, name, value)
    {
        const char *string = json_string_value(value);
        bool is_done;
        if (!strcmp(name, "text")) {
            is_done = ph_message_set_text(message, string, strlen(string), error);
        } else if (!strcmp(name, "html")) {
            is_done = ph_message_set_html(message, string, strlen(string), error);
        } else if (!strcmp(name, "attach")) {
            size_t index;
            json_t *one;
            is_done = true;
            json_array_foreach(value, index, one)
            {
                struct ph_attachment about = {.filename = text(one, "filename"),
                                              .content_type = text(one, "type"),
                                              .content_id = text(one, "content_id")};
                is_done =
                    is_done && ph_message_attach_file(message, text(one, "path"), &about, error);
            }
        } else {
            is_done = ph_message_add_header(message, name, string, error);
        }
        if (!is_done) {
            return false;
        }
    }
    return true;
}

/* The message of a request: composed from "parts", or existing in the file "letter". */
static struct ph_message *read_message(struct driver *driver, json_t *request)
{
    struct ph_message *message = text(request, "letter")
                                     ? ph_message_from_file(text(request, "letter"), &driver->error)
                                     : ph_message_new(&driver->error);
    if (message && !compose(message, json_object_get(request, "parts"), &driver->error)) {
        ph_message_free(message);
        return NULL;
    }
    return message;
}

bool driver_send_message(struct driver *driver, json_t *request)
{
    struct ph_result result = {.fate = PH_NOT_SENT};
    struct ph_message *message = read_message(driver, request);
    size_t count;
    const char **recipients;
    bool is_sent;
    if (!message) {
        return false;
    }
    recipients = list(request, "recipients", &count);
    /* Without a list in the request the headers' recipients are asked for: that is NULL. */
    is_sent = ph_smtp_send_message(
        driver->smtp, message, text(request, "sender"),
        json_is_array(json_object_get(request, "recipients")) ? recipients : NULL, count, &result,
        &driver->error);
    json_object_set_new(driver->answer, "result", describe(&result));
    ph_result_clear(&result);
    ph_message_free(message);
    free(recipients);
    return is_sent;
}

/* Writes a message to the file "into", as it would be sent with what "utf8" and "eight_bit" say. */
bool driver_render(struct driver *driver, json_t *request)
{
    struct ph_rendering rendering = {.utf8 = truth(request, "utf8"),
                                     .eight_bit = truth(request, "eight_bit")};
    struct ph_message *message = read_message(driver, request);
    char *data;
    size_t length;
    FILE *file;
    bool is_done =
        message && ph_message_to_memory(message, &rendering, &data, &length, &driver->error);
    if (is_done) {
        file = fopen(text(request, "into"), "wb");
        if (!file || fwrite(data, 1, length, file) != length || fclose(file)) {
            abort();
        }
        free(data);
    }
    ph_message_free(message);
    return is_done;
}
