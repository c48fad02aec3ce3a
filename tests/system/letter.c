/* The first letter: a client of a submission server on one page. tests/system/letter runs it
 * against Postfix.
 *
 * letter HOST CA_FILE USER PASSWORD SENDER RECIPIENT LETTER */
#include <stdio.h>
#include <string.h>

#include <posthorn/smtp.h>

int main(int count, char *words[])
{
    struct ph_error error = {.message = "wrong number of arguments"};
    struct ph_smtp_options options = {.host = words[1], .tls.ca_file = words[2]};
    struct ph_smtp *smtp = count == 8 ? ph_smtp_new(&options, &error) : NULL;
    ph_smtp_set_debuglevel(smtp, 1);
    bool sent = smtp && ph_smtp_connect(smtp, NULL, 0, &error) &&
                ph_smtp_ehlo(smtp, NULL, &error) == 250 && ph_smtp_starttls(smtp, &error) &&
                ph_smtp_login(smtp, words[3], words[4], &error) &&
                ph_smtp_sendmail(smtp, words[5], (const char *[]){words[6]}, 1, words[7],
                                 strlen(words[7]), NULL, &error);
    if (!sent)
        fprintf(stderr, "letter: %s\n", error.message);
    ph_smtp_quit(smtp, NULL);
    ph_smtp_free(smtp);
    return sent ? 0 : 1;
}
