/* A letter: connects to a submission server, starts TLS, logs in and sends.
 * Usage: letter HOST:PORT USER PASSWORD FROM TO */
#include <posthorn/posthorn.h>

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    const char *text = "Subject: A letter\r\n\r\nIt was sent by fifteen lines of C.\r\n";
    struct ph_smtp_options options = {.host = argv[1], .port = PH_SUBMISSION_PORT};
    struct ph_error error = {0};
    struct ph_smtp *smtp = argc == 6 ? ph_smtp_new(&options, &error) : NULL;
    bool is_sent = smtp != NULL && ph_smtp_connect(smtp, NULL, 0, &error) &&
                   ph_smtp_starttls(smtp, &error) &&
                   ph_smtp_login(smtp, argv[2], argv[3], &error) &&
                   ph_smtp_sendmail(smtp, argv[4], (const char *[]){argv[5]}, 1, text, strlen(text),
                                    NULL, &error);
    printf("%s\n", is_sent ? ph_smtp_reply(smtp)->text : error.message);
    if (smtp != NULL && ph_smtp_is_connected(smtp))
        ph_smtp_quit(smtp, NULL);
    ph_smtp_free(smtp);
    return is_sent ? 0 : 1;
}
