/* A stranger's program against the installed library; it is C99 and C++17 alike. Sends one letter
 * to HOST PORT. */
#include <posthorn/posthorn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argument_count, char **arguments)
{
    const char *letter = "From: alice@example.org\r\nTo: bob@example.net\r\n"
                         "Subject: Posthorn\r\n\r\nInstalled.\r\n";
    const char *recipients[] = {"bob@example.net"};
    struct ph_error error;
    struct ph_smtp_options options;
    struct ph_smtp *smtp;
    bool is_sent;

    if (argument_count != 3)
        return 2;
    memset(&error, 0, sizeof error);
    memset(&options, 0, sizeof options);
    options.host = arguments[1];
    options.port = (unsigned)atoi(arguments[2]);
    smtp = ph_smtp_new(&options, &error);
    is_sent = smtp != NULL && ph_smtp_connect(smtp, NULL, 0, &error) &&
              ph_smtp_sendmail(smtp, "alice@example.org", recipients, 1, letter, strlen(letter),
                               NULL, &error);
    if (is_sent)
        puts("sent");
    else
        printf("%s: %s\n", ph_error_kind_name(error.kind), error.message);
    ph_smtp_quit(smtp, NULL);
    ph_smtp_free(smtp);
    return is_sent ? 0 : 1;
}
