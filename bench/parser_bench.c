/* How fast messages are read: plain text, an ordinary message of 4 KiB, a multipart of base64, and
 * the worst that nested boundaries can do. `parser_bench [SECONDS-A-CASE]`. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/auto.h"
#include "base/buffer.h"
#include "mail/message_parser.h"
#include "mail/transfer_decoder.h"

enum {
    INPUT_MAX = 64 * 1024 * 1024,
    PIECE = 16 * 1024 /* as a connection reads */
};

/* Of this process, so that other work on the machine does not count. */
static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void repeat(struct buffer *out, const char *text, size_t until)
{
    while (out->length < until)
        buffer_append_string(out, text);
}

static void put_header(struct buffer *out, const char *content_type)
{
    buffer_append_string(
        out, "Received: from mail.example.org (mail.example.org [192.0.2.1])\r\n"
             "\tby mx.example.net with ESMTPS id 4f2a91; Mon, 23 Nov 2026 17:48:08 +0100\r\n"
             "From: \"Ann Example\" <ann@example.org>\r\n"
             "To: Bob <bob@example.net>, carl@example.net\r\n"
             "Subject: =?utf-8?q?An_ordinary_message?=\r\n"
             "Date: Mon, 23 Nov 2026 17:48:08 +0100\r\n"
             "Message-ID: <4f2a91.1@example.org>\r\n"
             "MIME-Version: 1.0\r\nUser-Agent: Something 1.0\r\n");
    buffer_append_format(out, "Content-Type: %s\r\n\r\n", content_type);
}

static const char line[] =
    "The quick brown fox jumps over the lazy dog, again and again and again.\r\n";
static const char base64_line[] =
    "VGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcyBvdmVyIHRoZSBsYXp5IGRvZywgYWdhaW4gYW5kIGFn\r\n";

static void parse(struct message_parser *parser, struct bytes in)
{
    struct message_parsed parsed;
    message_parser_reset(parser);
    while (in.length > 0) {
        struct bytes piece = bytes_slice(in, 0, PIECE);
        if (!message_parser_feed(parser, piece, NULL))
            abort();
        in = bytes_skip(in, piece.length);
    }
    if (!message_parser_finish(parser, &parsed, NULL))
        abort();
}

static void measure(const char *name, const struct buffer *in, double seconds)
{
    struct message_parser *parser = message_parser_new(NULL);
    size_t rounds = 0;
    if (parser == NULL || buffer_is_failed(in))
        abort();
    double start = now();
    double spent = 0;
    while (spent < seconds) {
        parse(parser, buffer_bytes(in));
        rounds++;
        spent = now() - start;
    }
    double bytes = (double)rounds * (double)in->length;
    printf("%-28s %10zu bytes  %9.2f us  %8.0f MB/s\n", name, in->length,
           spent / (double)rounds * 1e6, bytes / spent / 1e6);
    message_parser_free(parser);
}

static void measure_decoder(const char *name, enum transfer_encoding encoding,
                            const struct buffer *in, double seconds)
{
    AUTO(buffer)
    out = BUFFER(INPUT_MAX);
    struct transfer_decoder decoder;
    double start = now();
    double spent = 0;
    size_t rounds = 0;
    while (spent < seconds) {
        buffer_reset(&out);
        transfer_decoder_begin(&decoder, encoding);
        transfer_decoder_feed(&decoder, buffer_bytes(in), &out);
        rounds++;
        spent = now() - start;
    }
    printf("%-28s %10zu bytes  %9.2f us  %8.0f MB/s\n", name, in->length,
           spent / (double)rounds * 1e6, (double)rounds * (double)in->length / spent / 1e6);
}

static void put_multipart(struct buffer *out)
{
    put_header(out, "multipart/mixed; boundary=\"=_boundary_of_the_bench\"");
    for (unsigned i = 1; i <= 4; i++) {
        buffer_append_string(out, "--=_boundary_of_the_bench\r\n"
                                  "Content-Type: application/pdf; name=\"a file.pdf\"\r\n"
                                  "Content-Transfer-Encoding: base64\r\n\r\n");
        repeat(out, base64_line, (size_t)i * 1024 * 1024);
    }
    buffer_append_string(out, "--=_boundary_of_the_bench--\r\n");
}

/* 99 open boundaries, each the beginning of the next, and lines that are nearly the longest. */
static void put_nested(struct buffer *out)
{
    char boundary[128] = "";
    buffer_append_string(out, "Subject: nested\r\n");
    for (size_t i = 0; i < 99; i++) {
        boundary[i] = 'x';
        buffer_append_format(out, "Content-Type: multipart/mixed; boundary=%s\r\n\r\n--%s\r\n",
                             boundary, boundary);
    }
    buffer_append_string(out, "\r\n");
    boundary[0] = 'y';
    char nearly[256];
    snprintf(nearly, sizeof nearly, "-x%s\r\n--%s\r\n", boundary, boundary);
    repeat(out, nearly, 2 * 1024 * 1024);
    repeat(out, "--\r\n", 4 * 1024 * 1024);
}

int main(int count, char **arguments)
{
    double seconds = count > 1 ? strtod(arguments[1], NULL) : 1;
    AUTO(buffer)
    plain = BUFFER(INPUT_MAX);
    AUTO(buffer)
    ordinary = BUFFER(INPUT_MAX);
    AUTO(buffer)
    multipart = BUFFER(INPUT_MAX);
    AUTO(buffer)
    nested = BUFFER(INPUT_MAX);
    AUTO(buffer)
    dashes = BUFFER(INPUT_MAX);
    AUTO(buffer)
    addresses = BUFFER(INPUT_MAX);
    AUTO(buffer)
    encoded = BUFFER(INPUT_MAX);
    AUTO(buffer)
    quoted = BUFFER(INPUT_MAX);
    put_header(&plain, "text/plain; charset=utf-8");
    repeat(&plain, line, 4 * 1024 * 1024);
    put_header(&ordinary, "text/plain; charset=utf-8");
    repeat(&ordinary, line, 4096);
    put_multipart(&multipart);
    put_nested(&nested);
    put_header(&dashes, "multipart/mixed; boundary=b");
    repeat(&dashes, "-\r\n", 4 * 1024 * 1024);
    buffer_append_string(&addresses, "To: ");
    repeat(&addresses, "\"A B\" <a@b.example>,", 200 * 1000);
    repeat(&encoded, base64_line, 1024 * 1024);
    repeat(&quoted, line, 1024 * 1024);
    measure("plain text", &plain, seconds);
    measure("an ordinary message", &ordinary, seconds);
    measure("multipart of base64", &multipart, seconds);
    measure("99 nested boundaries", &nested, seconds);
    measure("lines of one dash", &dashes, seconds);
    measure("ten thousand addresses", &addresses, seconds);
    measure_decoder("base64 decoder", TRANSFER_BASE64, &encoded, seconds);
    measure_decoder("quoted-printable decoder", TRANSFER_QUOTED_PRINTABLE, &quoted, seconds);
    return 0;
}
