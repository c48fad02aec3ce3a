/* Outbound sessions against scripted hosts: greeting to QUIT, letters, their results. */
#include "delivery/outbound_session.h"

#include <stdlib.h>
#include <string.h>

#include "delivery/outbound_lab.h"
#include "unit.h"

#define HELLO                                                                                      \
    "S: 220 mx.test\n"                                                                             \
    "C: EHLO us.test\n"                                                                            \
    "S: 250-mx.test\n"                                                                             \
    "S: 250-ENHANCEDSTATUSCODES\n"                                                                 \
    "S: 250-8BITMIME\n"                                                                            \
    "S: 250-PIPELINING\n"                                                                          \
    "S: 250 SIZE 1000000\n"
#define GOODBYE                                                                                    \
    "C: QUIT\n"                                                                                    \
    "S: 221 2.0.0 Bye\n"

static void sends_a_letter(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(
        SCRIPTED_LOOPBACK, HELLO "K:\n"
                                 "C: MAIL FROM:<a@from.test> SIZE=14\n"
                                 "C: RCPT TO:<r0@to.test>\n"
                                 "C: DATA\n"
                                 "S: 250 2.1.0 Sender\nS: 250 2.1.5 Recipient\nS: 354 Go\n"
                                 "D:\n"
                                 "S: 250 2.0.0 Kept as 17\n" GOODBYE);
    struct outbound_lab *lab = outbound_lab_open(scripted_server_address(server), NULL);
    scripted_server_await(server);
    outbound_lab_await(lab, "ready\nroom\n");
    struct outbound_lab_letter *letter =
        outbound_lab_letter(lab, "one", 1, BYTES("A: b\r\n\r\n.dot\r\n"));
    letter->letter.size = letter->stored.size = letter->body.length;
    outbound_lab_give(lab);
    outbound_lab_await(lab, "letter one: accepted 250 2.0.0 Kept as 17\n");
    outbound_lab_quit(lab);
    outbound_lab_await(lab, "end lost 0 orderly");
    size_t length;
    char *body = scripted_server_finish_body(server, &length);
    assert_bytes(bytes_of(body, length), "A: b\r\n\r\n..dot\r\n");
    free(body);
    outbound_lab_close(lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_a_letter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
