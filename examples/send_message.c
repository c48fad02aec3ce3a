/* Composes a message with text, HTML and an attachment, sends it, and tells what became of each
 * recipient. Usage: send_message HOST:PORT FROM FILE TO... */
#include <posthorn/posthorn.h>

#include <stdio.h>
#include <string.h>

static struct ph_message *compose(const char *from, const char *file, char **to,
                                  struct ph_error *error)
{
    static const char text[] = "Please find the file attached.\n";
    static const char html[] = "<p>Please find the file <b>attached</b>.</p>\n";
    struct ph_message *message = ph_message_new(error);
    bool is_well = message != NULL && ph_message_add_from(message, from, error) &&
                   ph_message_set_subject(message, "Grüße, with a file", error) &&
                   ph_message_set_text(message, text, strlen(text), error) &&
                   ph_message_set_html(message, html, strlen(html), error) &&
                   ph_message_attach_file(message, file, NULL, error);
    for (; is_well && *to != NULL; to++)
        is_well = ph_message_add_to(message, *to, error);
    if (is_well)
        return message;
    ph_message_free(message);
    return NULL;
}

static void tell(const struct ph_result *result, char **to)
{
    for (size_t i = 0; i < result->recipient_count; i++)
        printf("%s: %s (%d %s)\n", to[i],
               result->recipients[i].is_accepted ? "accepted" : "not accepted",
               result->recipients[i].reply.code,
               result->recipients[i].reply.code != 0 ? result->recipients[i].reply.text : "");
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: send_message HOST:PORT FROM FILE TO...\n");
        return 2;
    }
    struct ph_error error = {0};
    struct ph_result result = {0};
    struct ph_smtp *smtp = ph_smtp_new(NULL, &error);
    struct ph_message *message = compose(argv[2], argv[3], argv + 4, &error);
    bool is_sent = smtp != NULL && message != NULL && ph_smtp_connect(smtp, argv[1], 0, &error) &&
                   ph_smtp_send_message(smtp, message, NULL, NULL, 0, &result, &error);
    tell(&result, argv + 4);
    if (is_sent)
        ph_smtp_quit(smtp, NULL);
    else
        fprintf(stderr, "%s\n", error.message);
    ph_result_clear(&result);
    ph_message_free(message);
    ph_smtp_free(smtp);
    return is_sent ? 0 : 1;
}
