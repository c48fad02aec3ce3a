/* Benchmark client: libcurl, one easy handle that keeps its connection. */
#include <curl/curl.h>
#include <stdio.h>

#include "workload.h"

struct upload {
    const struct workload *workload;
    size_t offset;
};

static size_t read_body(char *to, size_t size, size_t count, void *context)
{
    struct upload *upload = context;
    size_t n = workload_body_read(upload->workload, upload->offset, to, size * count);
    upload->offset += n;
    return n;
}

static void check(const struct workload *w, CURLcode code)
{
    if (code != CURLE_OK)
        workload_fail(w, "%s", curl_easy_strerror(code));
}

int main(int argc, char **argv)
{
    struct workload w;
    char url[256];
    workload_open(&w, argc, argv);
    if (w.wants_bdat)
        workload_fail(&w, "libcurl has no BDAT");
    check(&w, curl_global_init(CURL_GLOBAL_DEFAULT));
    snprintf(url, sizeof url, "smtp://%s:%s/%s", w.host, w.port_text, WORKLOAD_CLIENT_NAME);

    workload_start(&w);
    struct upload upload = {.workload = &w};
    struct curl_slist *recipients = NULL;
    for (unsigned i = 0; i < w.recipient_count; i++)
        recipients = curl_slist_append(recipients, w.recipients[i]);
    CURL *curl = curl_easy_init();
    if (curl == NULL || recipients == NULL)
        workload_fail(&w, "out of memory");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_MAIL_FROM, WORKLOAD_SENDER);
    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients);
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, read_body);
    curl_easy_setopt(curl, CURLOPT_READDATA, &upload);
    curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)w.body_size);
    for (unsigned i = 0; i < w.messages; i++) {
        upload.offset = 0;
        check(&w, curl_easy_perform(curl));
    }
    curl_easy_cleanup(curl);
    curl_slist_free_all(recipients);
    workload_report(&w);
    return 0;
}
