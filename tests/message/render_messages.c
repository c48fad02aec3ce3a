/* Renders the messages that check_messages.py reads back: one file each in the folder given. */
#include <posthorn/message.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Any failure ends the program: the script then sees no file. */
static struct ph_error error;

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if (!(call)) {                                                                             \
            fprintf(stderr, "%s: %s\n", #call, error.message);                                     \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static const char *folder;

static bool write_piece(void *context, const char *piece, size_t length)
{
    return fwrite(piece, 1, length, context) == length;
}

static void render(struct ph_message *message, const char *name,
                   const struct ph_rendering *rendering)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.eml", folder, name);
    FILE *file = fopen(path, "wb");
    MUST(file != NULL);
    MUST(ph_message_write(message, rendering, write_piece, file, &error));
    MUST(fclose(file) == 0);
}

static struct ph_message *begin(const char *from, const char *to, const char *subject)
{
    struct ph_message *message = ph_message_new(&error);
    MUST(message != NULL);
    MUST(ph_message_add_from(message, from, &error));
    MUST(ph_message_add_to(message, to, &error));
    MUST(ph_message_set_subject(message, subject, &error));
    MUST(ph_message_set_date(message, 1795456088, 60, &error));
    MUST(ph_message_set_message_id(message, "fixed@posthorn.example", &error));
    return message;
}

static void end(struct ph_message *message, const char *name)
{
    render(message, name, NULL);
    ph_message_free(message);
}

static void set_text(struct ph_message *message, const char *text)
{
    MUST(ph_message_set_text(message, text, strlen(text), &error));
}

static void set_html(struct ph_message *message, const char *html)
{
    MUST(ph_message_set_html(message, html, strlen(html), &error));
}

static void render_plain(void)
{
    struct ph_message *message = begin("ann@x.example", "bob@y.example", "Hello");
    MUST(ph_message_add_cc(message, "Carl <carl@y.example>", &error));
    MUST(ph_message_add_bcc(message, "secret@y.example", &error));
    MUST(ph_message_add_reply_to(message, "list@x.example", &error));
    MUST(ph_message_set_sender(message, "desk@x.example", &error));
    MUST(ph_message_set_in_reply_to(message, "<1@a> <2@b>", &error));
    MUST(ph_message_set_references(message, "<0@a> <1@a> <2@b>", &error));
    MUST(ph_message_add_header(message, "X-Twice", "one", &error));
    MUST(ph_message_add_header(message, "X-Twice", "two", &error));
    set_text(message, "Hello Bob,\n\n.a dot\n..two\nFrom here\nno end");
    end(message, "plain");
}

static void render_international(void)
{
    struct ph_message *message =
        begin("\"Müller, Jörg\" <joerg@bücher.example>",
              "山田太郎 <taro@例え.テスト>, Groß und Klein: a@b.example, \"Ö\" <o@b.example>;",
              "Grüße aus München: und noch mehr Text, der bestimmt nicht in eine Zeile passt, "
              "=?UTF-8?Q?nicht?= dekodieren");
    MUST(ph_message_add_header(message, "X-Note", "naïve café 日本", &error));
    set_text(message, "Schöne Grüße \nüber=all\tx\t\nand a line that is plain for balance\n");
    end(message, "international");
}

static void render_japanese(void)
{
    struct ph_message *message =
        begin("a@x.example", "b@y.example",
              "日本語の件名がとても長いので、何行かに分けなければなりません。"
              "まだ続きます、もう少しで終わりです。はい、終わりました。");
    set_text(message, "日本語の本文です。\nこれも。\n");
    end(message, "japanese");
}

static void render_alternative(void)
{
    struct ph_message *message = begin("a@x.example", "b@y.example", "Both");
    set_text(message, "text\n");
    set_html(message, "<p>html ä</p>\n");
    end(message, "alternative");
}

/* 200,000 bytes that are all there are. */
static ssize_t read_pattern(void *context, char *buffer, size_t size)
{
    size_t *given = context;
    size_t left = 200000 - *given;
    size_t count = size < left ? size : left;
    if (count > 777)
        count = 777;
    for (size_t i = 0; i < count; i++)
        buffer[i] = (char)((*given + i) * 131 >> 2);
    *given += count;
    return (ssize_t)count;
}

static void render_tree(void)
{
    static const char eml[] = "From: x@y\nSubject: inner\n\ninner body\n";
    static const char eml8[] = "From: x@y\nSubject: inner\n\ninner b\xc3\xb6"
                               "dy\n";
    char path[4096];
    snprintf(path, sizeof path, "%s/attached file.csv", folder);
    FILE *file = fopen(path, "wb");
    MUST(file != NULL);
    for (int i = 0; i < 5000; i++)
        fprintf(file, "%d;value\n", i);
    MUST(fclose(file) == 0);

    size_t given = 0;
    struct ph_message *message = begin("a@x.example", "b@y.example", "A tree");
    set_text(message, "text");
    set_html(message, "<img src=\"cid:logo@x\"><img src=\"cid:two\">");
    struct ph_attachment logo = {.filename = "logo.png", .content_id = "logo@x"};
    MUST(ph_message_attach_memory(message, "\x89PNG\r\n\0x", 8, &logo, &error));
    struct ph_attachment two = {.content_type = "image/gif", .content_id = "two"};
    MUST(ph_message_attach_memory(message, "GIF89a", 6, &two, &error));
    MUST(ph_message_attach_file(message, path, NULL, &error));
    struct ph_attachment stream = {.filename = "sehr langer Dateiname mit Ümläuten, Leerzeichen "
                                               "und \"Anführungszeichen\" — 日本語.bin",
                                   .description = "Beschreibung ö"};
    MUST(ph_message_attach_callback(message, read_pattern, &given, 200000, &stream, &error));
    struct ph_attachment mail = {.filename = "mail.eml"};
    MUST(ph_message_attach_memory(message, eml, sizeof eml - 1, &mail, &error));
    MUST(ph_message_attach_memory(message, eml8, sizeof eml8 - 1, &mail, &error));
    struct ph_attachment empty = {.filename = "empty"};
    MUST(ph_message_attach_memory(message, "", 0, &empty, &error));
    struct ph_attachment notes = {.filename = "/home/ann/notes.txt",
                                  .content_type = "text/plain; charset=iso-8859-1",
                                  .is_inline = true};
    MUST(ph_message_attach_memory(message, "caf\xe9\n", 5, &notes, &error));
    end(message, "tree");
}

static void render_utf8(void)
{
    struct ph_rendering rendering = {.utf8 = true, .eight_bit = true};
    struct ph_message *message =
        begin("Jörg <jörg@bücher.example>", "用户@例子.广告", "Grüße mit UTF-8");
    set_text(message, "Schöne Grüße\n");
    render(message, "utf8", &rendering);
    ph_message_free(message);
}

static void render_long(void)
{
    struct ph_message *message = begin("a@x.example", "first@y.example", "Long");
    char address[100];
    for (int i = 0; i < 200; i++) {
        snprintf(address, sizeof address, "Recipient Number %d <r%d@y.example>", i, i);
        MUST(ph_message_add_to(message, address, &error));
    }
    char *text = malloc(3000);
    MUST(text != NULL);
    memset(text, 'x', 2999);
    text[2999] = '\0';
    MUST(ph_message_set_header(message, "X-Long", text, &error));
    set_text(message, text);
    free(text);
    end(message, "long");
}

static void render_names(void)
{
    struct ph_message *message = begin(
        "\"a \\\"quoted\\\" \\\\ name\" <a@x.example>",
        "\"a@x> ORCPT=..\"@y.example, \"john doe\"@y.example, J. R. \"Bob\" Dobbs <jr@y.example>, "
        "x@[192.0.2.1], Hidden recipients:;",
        "Names");
    MUST(ph_message_add_address(message, PH_TO, "Doe, Jane; <x@y>", "jane@y.example", &error));
    MUST(ph_message_add_address(message, PH_TO, "=?UTF-8?Q?not?=", "not@y.example", &error));
    MUST(ph_message_add_address(message, PH_TO, "two  blanks", "two@y.example", &error));
    set_text(message, "");
    end(message, "names");
}

static void render_existing(void)
{
    static const char existing[] =
        "Received: from a\n\tby b\nFrom: Ann <ann@x.example>\nBCC : s@x,\n"
        " t@x\nSubject: h\xc3\xa4llo\nTo: bob@y.example\nbcc: u@x\n"
        "X-Kept:  as   it is \n\nThe body\n.\nBcc: not a header\n";
    struct ph_message *message = ph_message_from_memory(existing, sizeof existing - 1, &error);
    MUST(message != NULL);
    MUST(ph_message_set_date(message, 1795456088, 0, &error));
    MUST(ph_message_set_message_id(message, "<fixed@posthorn.example>", &error));
    end(message, "existing");
}

static void render_empty(void)
{
    end(begin("a@x.example", "b@y.example", ""), "empty");
}

int main(int count, char **arguments)
{
    if (count != 2)
        return 2;
    folder = arguments[1];
    render_plain();
    render_international();
    render_japanese();
    render_alternative();
    render_tree();
    render_utf8();
    render_long();
    render_names();
    render_existing();
    render_empty();
    return 0;
}
