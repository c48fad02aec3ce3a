/* Message objects sent through a session: envelopes from their headers and of one's own. */
#include <posthorn/posthorn.h>

#include <stdlib.h>
#include <string.h>

#include "client/client_talk.h"
#include "unit.h"

static const char *const bob[] = {"bob@x.example"};

static void sends_a_message(void **state)
{
    (void)state;
    struct client_talk talk =
        client_talk_begin(NULL, CLIENT_TALK_GREETING "C: MAIL FROM:<ann@x.example>*\n"
                                                     "C: RCPT TO:<bob@x.example>\n"
                                                     "C: RCPT TO:<carl@x.example>\n"
                                                     "C: DATA\n"
                                                     "S: 250 ok\n"
                                                     "S: 250 ok\n"
                                                     "S: 250 ok\n"
                                                     "S: 354 go\n"
                                                     "D:\n"
                                                     "S: 250 ok\n"
                                                     "E:\n");
    static const char text[] = "From: Ann <ann@x.example>\n"
                               "To: Bob <bob@x.example>\n"
                               "Bcc: carl@x.example\n"
                               "Subject: x\n"
                               "\n"
                               ".body\n";
    struct ph_error error = {0};
    struct ph_message *message = ph_message_from_memory(text, strlen(text), &error);
    assert_non_null(message);
    if (!ph_smtp_send_message(talk.smtp, message, NULL, NULL, 0, NULL, &error))
        fail_msg("%s", error.message);
    ph_message_free(message);
    size_t length;
    char *body = client_talk_end_body(&talk, &length);
    assert_non_null(strstr(body, "To: Bob <bob@x.example>\r\n"));
    assert_non_null(strstr(body, "\r\n\r\n..body\r\n"));
    assert_null(strstr(body, "carl"));
    free(body);
}

static void sends_a_message_in_an_envelope_of_ones_own(void **state)
{
    (void)state;
    struct client_talk talk =
        client_talk_begin(NULL, CLIENT_TALK_GREETING "C: MAIL FROM:<>*\n"
                                                     "C: RCPT TO:<bob@x.example>\n"
                                                     "C: DATA\n"
                                                     "S: 250 ok\n"
                                                     "S: 250 ok\n"
                                                     "S: 354 go\n"
                                                     "D:\n"
                                                     "S: 250 ok\n"
                                                     "E:\n");
    struct ph_error error = {0};
    struct ph_message *message = ph_message_new(&error);
    assert_true(ph_message_add_from(message, "Ann <ann@x.example>", &error));
    assert_true(ph_message_set_subject(message,
                                       "Gr\xc3\xbc\xc3\x9f"
                                       "e",
                                       &error));
    assert_true(ph_message_set_text(message, "hello\n", 6, &error));
    struct ph_result result = {0};
    assert_false(ph_smtp_send_message(talk.smtp, message, NULL, NULL, 0, &result, &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    if (!ph_smtp_send_message(talk.smtp, message, "", bob, 1, &result, &error))
        fail_msg("%s", error.message);
    assert_int_equal(result.accepted_count, 1);
    ph_result_clear(&result);
    ph_message_free(message);
    size_t length;
    char *body = client_talk_end_body(&talk, &length);
    assert_non_null(strstr(body, "Subject: =?"));
    assert_non_null(strstr(body, "\r\n\r\nhello\r\n"));
    free(body);
}

static void sends_a_message_with_wishes(void **state)
{
    (void)state;
    struct client_talk talk =
        client_talk_begin(NULL, "S: 220 hi\n"
                                "C: EHLO *\n"
                                "S: 250-mx\n"
                                "S: 250-PIPELINING\n"
                                "S: 250-MT-PRIORITY\n"
                                "S: 250 DSN\n"
                                "C: MAIL FROM:<ann@x.example> RET=HDRS ENVID=77 MT-PRIORITY=3\n"
                                "C: RCPT TO:<bob@x.example> NOTIFY=NEVER\n"
                                "C: DATA\n"
                                "S: 250 ok\n"
                                "S: 250 ok\n"
                                "S: 354 go\n"
                                "D:\n"
                                "S: 250 ok\n"
                                "C: MAIL FROM:<ann@x.example> ENVID=78\n"
                                "C: RCPT TO:<carl@x.example>\n"
                                "C: DATA\n"
                                "S: 250 ok\n"
                                "S: 250 ok\n"
                                "S: 354 go\n"
                                "D:\n"
                                "S: 250 ok\n"
                                "E:\n");
    static const char text[] = "From: ann@x.example\nTo: carl@x.example\n\nhello\n";
    struct ph_error error = {0};
    struct ph_message *message = ph_message_from_memory(text, strlen(text), &error);
    const struct ph_recipient silent = {.address = "bob@x.example", .notify = PH_NOTIFY_NEVER};
    struct ph_transaction wishes = {
        .recipients = &silent,
        .recipient_count = 1,
        .return_content = PH_RETURN_HEADERS,
        .envelope_id = "77",
        .priority = 3,
        .has_priority = true,
        .demands = PH_EXTENSION_DSN,
        .body = {.data = "not this", .length = 8},
    };
    struct ph_result result = {0};
    if (!ph_smtp_send_message_as(talk.smtp, message, &wishes, &result, &error))
        fail_msg("%s", error.message);
    assert_int_equal(result.accepted_count, 1);
    wishes = (struct ph_transaction){.envelope_id = "78"};
    if (!ph_smtp_send_message_as(talk.smtp, message, &wishes, &result, &error))
        fail_msg("%s", error.message);
    ph_result_clear(&result);
    ph_message_free(message);
    size_t length;
    char *body = client_talk_end_body(&talk, &length);
    assert_non_null(strstr(body, "\r\n\r\nhello\r\n"));
    assert_null(strstr(body, "not this"));
    free(body);
}

static void takes_an_empty_list_for_a_mistake(void **state)
{
    (void)state;
    struct client_talk talk = client_talk_begin(NULL, "S: 220 hi\nE:\n");
    static const char text[] = "From: ann@x.example\nTo: carl@x.example\n\nhello\n";
    struct ph_error error = {0};
    struct ph_message *message = ph_message_from_memory(text, strlen(text), &error);
    assert_false(ph_smtp_send_message(talk.smtp, message, NULL, bob, 0, NULL, &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    error.kind = PH_OK;
    assert_false(ph_smtp_send_message(talk.smtp, message, NULL, NULL, 1, NULL, &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    ph_message_free(message);
    client_talk_end(&talk);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(sends_a_message),
    cmocka_unit_test(sends_a_message_in_an_envelope_of_ones_own),
    cmocka_unit_test(sends_a_message_with_wishes),
    cmocka_unit_test(takes_an_empty_list_for_a_mistake),
};

UNIT_MAIN(tests)
