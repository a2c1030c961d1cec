#include "base/memory.h"
#include "text/tokenizer_internal.h"

#include <limits.h>
#include <stdlib.h>

static lm_cached_word *cache_new(void)
{
    size_t bytes = 2 * LM_CACHE_SETS * sizeof(lm_cached_word);
    lm_status st = LM_STATUS_INIT;
    lm_cached_word *cache = lm_try_malloc(bytes, 1, "the cache of words", &st);
    if (!cache)
        return lm_calloc(bytes, 1); /* says that there is no memory, and ends */
    return memset(cache, 0, bytes);
}

lm_encoder *lm_encoder_new(const lm_tokenizer *t)
{
    lm_encoder *e = lm_calloc(1, sizeof *e);
    e->t = t;
    e->cache = cache_new();
    memcpy(e->punct_id, t->bert.punct_id, sizeof e->punct_id);
    return e;
}

lm_encoder *lm_encoder_counting(const lm_tokenizer *t, lm_word_counts *counts)
{
    lm_encoder *e = lm_encoder_new(t);
    e->counts = counts;
    for (int c = 0; t->bert.usable && c < 128; c++)
        if (t->bert.kind[c] == LM_BYTE_PUNCT)
            e->punct_id[c] = lm_word_counts_number(counts, (lm_str){&(char){(char)c}, 1});
    return e;
}

void lm_encoder_free(lm_encoder *e)
{
    if (!e)
        return;
    for (int i = 0; i < 2; i++) {
        free(e->sides[i].ids);
        free(e->sides[i].word_ids);
        free(e->sides[i].offsets);
    }
    lm_pieces_free(&e->pieces);
    lm_token_list_free(&e->tokens);
    lm_model_scratch_free(&e->scratch);
    lm_buf_free(&e->word);
    free(e->cache);
    free(e);
}

void lm_side_grow(lm_side *s)
{
    s->cap = s->cap ? 2 * s->cap : 256;
    s->ids = lm_realloc(s->ids, s->cap, sizeof *s->ids);
    s->word_ids = lm_realloc(s->word_ids, s->cap, sizeof *s->word_ids);
    s->offsets = lm_realloc(s->offsets, s->cap, 2 * sizeof *s->offsets);
}

/* ---------------------------------------------------------------- words */

void lm_encode_word(lm_encoder *e, lm_str word, size_t chars)
{
    uint64_t key[2] = {0, 0};
    lm_cached_word *c = NULL;
    e->tokens.n = 0;
    if (word.len <= sizeof key && memchr(word.data, 0, word.len) == NULL) {
        memcpy(key, word.data, word.len);
        const lm_cached_word *hit = lm_cache_find(e->cache, key);
        if (hit) {
            for (int i = 0; i < hit->count; i++)
                lm_token_push(&e->tokens, hit->ids[i], hit->ends[i]);
            return;
        }
        c = lm_cache_set(e->cache, key);
    }
    if (e->counts)
        lm_token_push(&e->tokens, lm_word_counts_number(e->counts, word), (int32_t)word.len);
    else
        lm_token_model_encode(&e->t->model, word, chars, &e->scratch, &e->tokens);
    if (!c || e->tokens.n > LM_CACHE_TOKENS || e->scratch.lacks_unk || e->t->model.dropout > 0)
        return;
    c[1] = c[0];
    memcpy(c->key, key, sizeof key);
    c->count = (uint8_t)e->tokens.n;
    for (size_t i = 0; i < e->tokens.n; i++) {
        c->ids[i] = e->tokens.at[i].id;
        c->ends[i] = (uint8_t)e->tokens.at[i].end;
    }
}

/* Characters [first, last), a word or what it may be cut into. */
static void encode_part(lm_encoder *e, int32_t first, int32_t last, int32_t word, lm_side *out)
{
    const lm_char *at = e->pieces.chars.at;
    e->word.len = 0;
    lm_chars_utf8(&e->pieces.chars, (size_t)first, (size_t)last, &e->word);
    lm_encode_word(e, lm_buf_str(&e->word), (size_t)(last - first));
    int32_t from = first, to = first, byte = 0; /* byte: where character `to` begins */
    for (size_t i = 0; i < e->tokens.n; i++) {
        lm_token t = e->tokens.at[i];
        if (i > 0 && t.end > e->tokens.at[i - 1].end) /* else it shares the span of the one before */
            from = byte > e->tokens.at[i - 1].end ? to - 1 : to;
        while (byte < t.end && to < last) {
            uint32_t code = at[to++].code;
            byte += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        }
        lm_side_push(out, t.id, word, (size_t)at[from].from, (size_t)at[to - 1].to);
    }
}

static void encode_piece(lm_encoder *e, lm_word w, lm_side *out)
{
    const lm_char *at = e->pieces.chars.at;
    int32_t word = out->words++;
    if (w.id >= 0) {
        lm_side_push(out, w.id, word, (size_t)at[w.from].from, (size_t)at[w.to - 1].to);
        return;
    }
    while (w.from < w.to && out->n <= out->limit) {
        int32_t to = w.to;
        if (!e->counts)
            to = (int32_t)lm_token_model_cut(&e->t->model, at, (size_t)w.from, (size_t)w.to);
        encode_part(e, w.from, to, word, out);
        w.from = to;
    }
}

void lm_encode_components(lm_encoder *e, lm_str text, size_t from, size_t to, lm_side *out)
{
    lm_pieces *p = &e->pieces;
    lm_pieces_read(p, text, from, to);
    lm_normalizer_run(&e->t->normalizer, p);
    lm_added_tokens_split(&e->t->added, p);
    lm_pre_tokenizer_run(&e->t->pre_tokenizer, p);
    for (size_t i = 0; i < p->word_count && out->n <= out->limit; i++)
        encode_piece(e, p->words[i], out);
}

/* ---------------------------------------------------------------- a text */

static void encode_text(lm_encoder *e, lm_str text, lm_side *out, size_t limit)
{
    out->n = 0;
    out->words = 0;
    out->limit = limit;
    void (*segment)(lm_encoder *, lm_str, size_t, size_t, lm_side *) =
        e->t->bert.usable ? lm_bert_encode : lm_encode_components;
    size_t done = 0, start = 0;
    lm_match m;
    while (out->n <= limit && lm_added_tokens_find(&e->t->added, text, start, done, &m)) {
        if (done < m.from)
            segment(e, text, done, m.from, out);
        lm_side_push(out, m.id, out->words++, m.from, m.to);
        done = m.to;
        start = m.end;
    }
    if (done < text.len && out->n <= limit)
        segment(e, text, done, text.len, out);
}

lm_side *lm_encode_words(lm_encoder *e, lm_str text)
{
    encode_text(e, text, &e->sides[0], SIZE_MAX);
    return &e->sides[0];
}

/* ---------------------------------------------------------------- truncation and template */

/* How many tokens of each text stay so that at most `budget` do; `b` < 0: there is no second text. */
static bool truncate_sides(size_t budget, lm_truncation how, bool pair, size_t *a, size_t *b, lm_status *st)
{
    size_t total = *a + (pair ? *b : 0);
    if (budget == 0) {
        *a = *b = 0;
        return true;
    }
    if (total <= budget)
        return true;
    if (how == LM_LONGEST_FIRST) {
        if (!pair) {
            *a = budget;
            return true;
        }
        size_t shorter = *a < *b ? *a : *b;
        bool swapped = *a > *b;
        size_t longer = shorter > budget ? shorter : budget - shorter > shorter ? budget - shorter : shorter;
        if (shorter + longer > budget) {
            shorter = budget / 2;
            longer = shorter + budget % 2;
        }
        if (swapped ? *a > longer : *a > shorter)
            *a = swapped ? longer : shorter;
        if (swapped ? *b > shorter : *b > longer)
            *b = swapped ? shorter : longer;
        return true;
    }
    if (how == LM_ONLY_SECOND && !pair)
        return lm_fail(st, LM_FAILED,
                       "truncation only_second: there is no second text to cut: choose another");
    size_t *cut = how == LM_ONLY_FIRST ? a : b, remove = total - budget;
    if (*cut <= remove)
        return lm_fail(st, LM_FAILED,
                       "truncation %s: the other text alone fills the length: choose longest_first",
                       how == LM_ONLY_FIRST ? "only_first" : "only_second");
    *cut -= remove;
    return true;
}

static void encoding_reserve(lm_encoding *e, size_t n)
{
    if (n <= (size_t)e->cap)
        return;
    size_t cap = e->cap ? (size_t)e->cap : 128;
    while (cap < n)
        cap *= 2;
    e->ids = lm_realloc(e->ids, cap, sizeof *e->ids);
    e->types = lm_realloc(e->types, cap, sizeof *e->types);
    e->word_ids = lm_realloc(e->word_ids, cap, sizeof *e->word_ids);
    e->offsets = lm_realloc(e->offsets, cap, 2 * sizeof *e->offsets);
    e->special = lm_realloc(e->special, cap, sizeof *e->special);
    e->cap = (int)cap;
}

void lm_encoding_free(lm_encoding *e)
{
    free(e->ids);
    free(e->types);
    free(e->word_ids);
    free(e->offsets);
    free(e->special);
    *e = (lm_encoding){0};
}

static void put_side(lm_encoding *out, const lm_side *side, size_t first, size_t n, uint8_t type)
{
    if (n == 0)
        return;
    memcpy(out->ids + out->len, side->ids + first, n * sizeof *out->ids);
    memcpy(out->word_ids + out->len, side->word_ids + first, n * sizeof *out->word_ids);
    memcpy(out->offsets + 2 * out->len, side->offsets + 2 * first, 2 * n * sizeof *out->offsets);
    memset(out->types + out->len, type, n);
    memset(out->special + out->len, 0, n);
    out->len += (int)n;
}

static void put_special(lm_encoding *out, const lm_template_piece *piece)
{
    int i = out->len++;
    out->ids[i] = piece->id;
    out->types[i] = piece->type;
    out->word_ids[i] = -1;
    out->offsets[2 * i] = out->offsets[2 * i + 1] = 0;
    out->special[i] = 1;
}

bool lm_encode(lm_encoder *e, lm_str text, lm_str pair, const lm_encode_options *options, lm_encoding *out,
               lm_status *st)
{
    const lm_template *t = pair.data ? &e->t->post_processor.pair : &e->t->post_processor.single;
    int added = options->no_special ? 0 : t->added;
    bool cut = options->max_length > 0 && options->truncation != LM_NO_TRUNCATION;
    out->len = 0;
    out->truncated = false;
    if (cut && options->max_length < added)
        return lm_fail(st, LM_USAGE, "max-length %d: the template alone has %d special tokens",
                       options->max_length, added);
    if (text.len > INT32_MAX || pair.len > INT32_MAX)
        return lm_fail(st, LM_FAILED, "a text of more than 2 GiB: split it");

    size_t budget = cut ? (size_t)(options->max_length - added) : SIZE_MAX;
    bool whole = !cut || options->left || (pair.data && options->truncation == LM_LONGEST_FIRST);
    size_t limit = whole ? SIZE_MAX : budget; /* of what lies beyond, only that it is there matters */
    e->scratch.lacks_unk = false;
    e->scratch.seed = options->seed;
    e->scratch.row = options->row;
    e->scratch.draws = 0;
    encode_text(e, text, &e->sides[0], limit);
    if (pair.data)
        encode_text(e, pair, &e->sides[1], limit);
    if (e->scratch.lacks_unk)
        return lm_fail(
            st, LM_FAILED,
            "a part of the text is not in the vocabulary, and the model has no token for the unknown");
    size_t a = e->sides[0].n, b = pair.data ? e->sides[1].n : 0;
    if (cut && !truncate_sides(budget, options->truncation, pair.data != NULL, &a, &b, st))
        return false;
    out->truncated = a < e->sides[0].n || (pair.data && b < e->sides[1].n);
    if (a + b + (size_t)added > INT_MAX / 2)
        return lm_fail(st, LM_FAILED, "a text of more than a thousand million tokens: split it");

    encoding_reserve(out, a + b + (size_t)t->count);
    for (int i = 0; i < t->count; i++) {
        const lm_template_piece *p = &t->pieces[i];
        if (p->id >= 0) {
            if (!options->no_special)
                put_special(out, p);
        } else {
            const lm_side *side = &e->sides[p->id == LM_TEMPLATE_B];
            size_t n = p->id == LM_TEMPLATE_B ? b : a;
            encoding_reserve(out, (size_t)out->len + n + (size_t)(t->count - i));
            put_side(out, side, options->left ? side->n - n : 0, n, p->type);
        }
    }
    return true;
}

/* ---------------------------------------------------------------- decoding */

bool lm_decode(const lm_tokenizer *t, const int32_t *ids, size_t n, bool skip_special, lm_buf *out,
               lm_status *st)
{
    bool first = true;
    for (size_t i = 0; i < n; i++) {
        if (ids[i] < 0 || ids[i] >= lm_tokenizer_size(t))
            return lm_fail(st, LM_FAILED,
                           "id %d is not in the tokenizer's 0 to %d: is it another tokenizer's?", (int)ids[i],
                           lm_tokenizer_size(t) - 1);
        lm_str token = lm_tokenizer_token(t, ids[i]);
        if (!token.data || (skip_special && lm_tokenizer_is_special(t, ids[i])))
            continue;
        lm_decoder_run(&t->decoder, token, first, out);
        first = false;
    }
    return true;
}
