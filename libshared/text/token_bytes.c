#include "text/token_bytes.h"
#include "base/memory.h"
#include "text/tokenizer_internal.h"

#include <stdlib.h>

/* Decoders are run on a token between two of a known text, what they say of which is taken off again. */
typedef struct around {
    const lm_tokenizer *t;
    lm_texts tokens, spare;
    int known;             /* id of the token on both sides */
    lm_buf before, behind; /* what it gives there */
} around;

/* The text of these ids; valid until the next call. */
static lm_str run(around *a, const int *ids, int n)
{
    lm_texts_clear(&a->tokens);
    for (int i = 0; i < n; i++) {
        lm_str token = lm_tokenizer_token(a->t, ids[i]);
        lm_buf_append(&a->tokens.bytes, token.data, token.len);
        lm_texts_close(&a->tokens);
    }
    lm_decoder_run(&a->t->decoder, &a->tokens, &a->spare);
    return lm_buf_str(&a->tokens.bytes);
}

static bool adds(const lm_tokenizer *t, int id)
{
    return lm_tokenizer_token(t, id).data && !lm_tokenizer_is_special(t, id);
}

/* A token that gives the same text wherever it stands, a space between two of them aside. */
static bool find_known(around *a)
{
    for (int id = 0; id < lm_tokenizer_size(a->t); id++) {
        if (!adds(a->t, id))
            continue;
        lm_str once = run(a, (int[]){id}, 1);
        a->before.len = a->behind.len = 0;
        lm_buf_append(&a->before, once.data, once.len);
        lm_str twice = run(a, (int[]){id, id}, 2);
        size_t n = a->before.len;
        if (n == 0 || twice.len < 2 * n || twice.len > 2 * n + 1 || memcmp(twice.data, a->before.data, n) != 0 ||
            memcmp(twice.data + twice.len - n, a->before.data, n) != 0 || (twice.len > 2 * n && twice.data[n] != ' '))
            continue;
        lm_buf_append(&a->behind, twice.data + n, twice.len - n);
        a->known = id;
        return true;
    }
    return false;
}

static bool read_token(around *a, int id, lm_token_bytes *b)
{
    lm_str all = run(a, (int[]){a->known, id, a->known}, 3);
    size_t before = a->before.len, behind = a->behind.len;
    if (all.len < before + behind || memcmp(all.data, a->before.data, before) != 0 ||
        memcmp(all.data + all.len - behind, a->behind.data, behind) != 0)
        return false;
    lm_buf_append(&b->bytes, all.data + before, all.len - before - behind);
    return true;
}

/* Whether a token that begins with a space gives one more byte between others than by itself. */
static bool drops_space(around *a, const lm_token_bytes *b)
{
    for (int id = 0; id < b->count; id++) {
        lm_str bytes = lm_token_bytes_get(b, id);
        if (bytes.len > 1 && bytes.data[0] == ' ')
            return run(a, (int[]){id}, 1).len + 1 == bytes.len;
    }
    return false;
}

bool lm_token_bytes_read(lm_token_bytes *b, const lm_tokenizer *t, lm_status *st)
{
    around a = {.t = t, .tokens.as_bytes = true, .spare.as_bytes = true};
    b->count = lm_tokenizer_size(t);
    b->splits = lm_calloc((size_t)b->count + 1, sizeof *b->splits);
    bool ok = find_known(&a);
    for (int id = 0; id < b->count && ok; id++) {
        if (adds(t, id))
            ok = read_token(&a, id, b);
        b->splits[id + 1] = b->bytes.len;
    }
    if (ok)
        b->drops_space = drops_space(&a, b);
    else
        lm_fail(st, LM_FAILED, "the tokenizer's decoder does not turn its tokens into text one by one, as this needs");
    lm_texts_free(&a.tokens);
    lm_texts_free(&a.spare);
    lm_buf_free(&a.before);
    lm_buf_free(&a.behind);
    return ok;
}

void lm_token_bytes_free(lm_token_bytes *b)
{
    lm_buf_free(&b->bytes);
    free(b->splits);
    *b = (lm_token_bytes){0};
}
