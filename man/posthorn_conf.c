/* Writes posthorn.conf(5) from the table of options, so that manual and program cannot differ. */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "server/config.h"
#include "server/config_value.h"

enum {
    TEXT_MAX = 4096
};

/* Text of ours as the manual's language wants it: no line that begins with a dot, and backslashes
   and hyphens that stay what they are. */
static void print_text(const char *text)
{
    bool is_line_start = true;
    for (; *text != '\0'; text++) {
        if (strncmp(text, "\n\n", 2) == 0) {
            printf("\n.Pp\n");
            text++;
            is_line_start = true;
            continue;
        }
        if (is_line_start && (*text == '.' || *text == '\''))
            printf("\\&");
        is_line_start = *text == '\n';
        if (*text == '\\')
            printf("\\e");
        else if (*text == '-')
            printf("\\-");
        else
            putchar(*text);
    }
    putchar('\n');
}

static void print_opening(void)
{
    printf(".Dd November 23, 2026\n.Dt POSTHORN.CONF 5\n.Os Posthorn\n"
           ".Sh NAME\n.Nm posthorn.conf\n.Nd configuration of the Posthorn mail server\n"
           ".Sh SYNOPSIS\n.Pa " CONFIG_SYSTEM_FILE "\n"
           ".Sh DESCRIPTION\n"
           ".Nm\nsays how\n.Xr posthorn-serve 8\nserves.\n"
           "Every option has a default; a file names those that differ, each once:\n"
           ".Bd -literal -offset indent\n"
           "# Our own machine.\n"
           "host-name = 'mail.example.org'\n"
           "user = 'posthorn'\n"
           "tls-certificate = '/etc/posthorn/certificate.pem'\n"
           "tls-key = '/etc/posthorn/key.pem'\n"
           "listen-lmtp = {'unix:/run/posthorn/lmtp'}\n"
           "limit-message-size = 100M\n"
           ".Ed\n.Pp\n"
           "Texts stand in quotes; words, numbers, sizes and times need none.\n"
           "A list stands in braces with commas between its values, and may be empty.\n"
           "A comment begins with\n.Ql #\nor\n.Ql //\nand ends with its line, or stands between\n"
           ".Ql /*\nand\n.Ql */ .\n"
           "An option that is not known, a value that does not fit and an option that stands twice "
           "are refused, with file and line.\n.Pp\n"
           "A size is a number of bytes, or has\n.Cm k , M\nor\n.Cm G\nbehind it, in powers of "
           "1024.\n"
           "A time always has its unit:\n.Cm ms , s , min , h\nor\n.Cm d .\n.Pp\n"
           "Within double quotes and outside of quotes\n.Li ${NAME}\n"
           "stands for the environment variable of that name, or for nothing when there is none.\n"
           "Within single quotes nothing is replaced: they are the better choice.\n.Pp\n"
           "The file must not be writable by others than its owner, and one that root follows must "
           "be root's.\n"
           "What\n.Xr posthorn-serve 8\nis given with\n.Fl o\nstands above the file.\n.Pp\n"
           ".Dl posthorn config show --defaults\n.Pp\n"
           "prints a file to begin with,\n.Ql posthorn config check -c Ar file\n"
           "says whether one is right, and\n.Ql posthorn config explain Ar option\n"
           "what is written here.\n"
           ".Sh OPTIONS\n");
}

static void print_default(const struct config_option *option)
{
    if (option->value == NULL) {
        AUTO(buffer)
        text = BUFFER(TEXT_MAX);
        buffer_append_format(&text, "Not set: %s.", option->without);
        print_text(buffer_string(&text));
    } else if (config_option_is_list(option)) {
        printf("Default:\n.Li {%s%s%s} .\n", *option->value ? "\\(aq" : "", option->value,
               *option->value ? "\\(aq" : "");
    } else {
        printf("Default:\n.Li %s .\n", option->value);
    }
}

static void print_option(const struct config_option *option)
{
    AUTO(buffer)
    text = BUFFER(TEXT_MAX);
    printf(".It Ic %s\n", option->name);
    buffer_append_string(&text, option->summary);
    buffer_append_string(&text, ".");
    print_text(buffer_string(&text));
    if (*option->text != '\0')
        print_text(option->text);
    buffer_reset(&text);
    buffer_append_string(&text, config_option_is_list(option) ? "A list of: " : "Takes ");
    config_value_describe(option, &text);
    buffer_append_string(&text, ".");
    print_text(buffer_string(&text));
    print_default(option);
    printf("%s\n", option->change == CONFIG_AT_RELOAD ? "A reload is enough for a change."
                                                      : "A change needs a new start.");
}

int main(void)
{
    bool is_open = false;
    print_opening();
    for (size_t i = 0; i < CONFIG_OPTIONS; i++) {
        const struct config_option *option = config_option_of((enum config_id)i);
        if (option->section != NULL) {
            printf("%s.Ss %s\n.Bl -tag -width Ds\n", is_open ? ".El\n" : "", option->section);
            is_open = true;
        }
        print_option(option);
    }
    printf(".El\n"
           ".Sh FILES\n.Bl -tag -width Ds\n"
           ".It Pa " CONFIG_SYSTEM_FILE "\nfollowed when root starts the server.\n"
           ".It Pa /var/lib/posthorn\nthe store and the certificate of a server with a user of its "
           "own.\n.El\n"
           ".Sh SEE ALSO\n.Xr posthorn 1 ,\n.Xr posthorn-serve 8\n");
    return 0;
}
