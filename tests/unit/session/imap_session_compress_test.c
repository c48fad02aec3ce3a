/* The compressed layer of a session: an answer of any size is packed in bounded portions, turn by
 * turn, and arrives whole. */
#include <stdlib.h>

#include "session/imap_session_inside.h"
#include "unit.h"

enum {
    ANSWER = 3 * 1024 * 1024, /* bytes; compressed some 10 KiB */
    PLAIN_MAX = 8 * 1024 * 1024
};

/* A session without anything but an engine and the layer. */
struct bare {
    struct imap_session session;
    struct deflate *client;
    struct buffer plain;
};

static int set_up(void **state)
{
    struct bare *bare = calloc(1, sizeof *bare);
    assert_non_null(bare);
    struct fault fault = {0};
    const struct imap_server_options options = {.name = "mx.example", .version = "1"};
    bare->session.engine = imap_server_new(&options, 1, &fault);
    bare->client = deflate_new(&fault);
    buffer_init(&bare->plain, PLAIN_MAX);
    assert_non_null(bare->session.engine);
    assert_non_null(bare->client);
    imap_server_sent(bare->session.engine, imap_server_output(bare->session.engine).length, 1);
    assert_true(imap_session_compress(&bare->session, 1));
    *state = bare;
    return 0;
}

static int tear_down(void **state)
{
    struct bare *bare = *state;
    imap_session_compress_free(bare->session.layer);
    imap_server_free(bare->session.engine);
    deflate_free(bare->client);
    buffer_clear(&bare->plain);
    free(bare);
    return 0;
}

static void answer(struct bare *bare, size_t size)
{
    struct buffer *out = imap_server_text(bare->session.engine);
    while (out->length < size)
        buffer_append(out, BYTES("* 1 FETCH (FLAGS (\\Seen))\r\n"));
    assert_false(buffer_is_failed(out));
}

static void unpack(struct bare *bare, struct bytes packed)
{
    bool has_more = false;
    while (packed.length > 0 || has_more) {
        size_t used;
        assert_true(deflate_expand(bare->client, packed, &used, &bare->plain, &has_more, NULL));
        packed = bytes_skip(packed, used);
    }
}

/* All that one turn gives. */
static void carry(struct bare *bare, int64_t now)
{
    for (;;) {
        struct bytes packed = imap_session_compress_output(&bare->session, now);
        if (packed.length == 0)
            return;
        unpack(bare, packed);
        buffer_consume(&bare->session.layer->out, packed.length);
    }
}

static void a_turn_packs_so_much_and_no_more(void **state)
{
    struct bare *bare = *state;
    int64_t now = 1;
    answer(bare, ANSWER);
    size_t size = imap_server_text(bare->session.engine)->length;
    while (bare->plain.length < size) {
        size_t before = bare->plain.length;
        carry(bare, ++now);
        size_t made = bare->plain.length - before;
        assert_true(made > 0 && made <= IMAP_SESSION_LAYER_TURN);
        assert_int_equal(bare->session.layer->is_output_paused, bare->plain.length < size);
        /* The same turn gives no more. */
        carry(bare, now);
        assert_int_equal(bare->plain.length, before + made);
    }
    assert_int_equal(now, 1 + (ANSWER + IMAP_SESSION_LAYER_TURN) / IMAP_SESSION_LAYER_TURN);
    assert_int_equal(bare->plain.length, size);
}

static void small_answers_share_a_turn(void **state)
{
    struct bare *bare = *state;
    size_t size = 0;
    for (int i = 0; i < 20; i++) {
        answer(bare, 1);
        size += imap_server_text(bare->session.engine)->length;
        carry(bare, 2);
        assert_int_equal(bare->plain.length, size);
        assert_false(bare->session.layer->is_output_paused);
    }
}

#define BARE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    BARE_TEST(a_turn_packs_so_much_and_no_more),
    BARE_TEST(small_answers_share_a_turn),
};

UNIT_MAIN(tests)
