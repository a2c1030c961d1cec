#include "base/memory.h"
#include "text/tokenizer_internal.h"

#include <stdlib.h>

static lm_encoder *new_encoder(const lm_tokenizer *t, size_t cache)
{
    lm_encoder *e = lm_calloc(1, sizeof *e);
    e->t = t;
    if (t->model.dropout == 0 && cache)
        lm_word_cache_init(&e->cache, cache);
    return e;
}

lm_encoder *lm_encoder_new(const lm_tokenizer *t)
{
    return new_encoder(t, LM_WORD_CACHE_BYTES);
}

lm_encoder *lm_encoder_counting(const lm_tokenizer *t, lm_word_counts *counts)
{
    lm_encoder *e = new_encoder(t, LM_WORD_CACHE_BYTES / 8); /* the counts find words, too, and memory is theirs */
    e->counts = counts;
    return e;
}

lm_encoder *lm_encoder_slow(const lm_tokenizer *t)
{
    lm_encoder *e = new_encoder(t, 0);
    e->scratch.whole = true;
    return e;
}

static void free_side(lm_side *s)
{
    free(s->ids);
    free(s->word_ids);
    free(s->offsets);
    free(s->spaces);
}

void lm_encoder_free(lm_encoder *e)
{
    if (!e)
        return;
    free_side(&e->sides[0]);
    free_side(&e->sides[1]);
    free_side(&e->part);
    lm_pieces_free(&e->pieces);
    lm_token_list_free(&e->tokens);
    lm_model_scratch_free(&e->scratch);
    lm_buf_free(&e->word);
    lm_buf_free(&e->normal);
    lm_word_cache_free(&e->cache);
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

void lm_encode_unknown(lm_encoder *e, lm_str word, size_t chars)
{
    if (e->counts)
        lm_token_push(&e->tokens, lm_word_counts_number(e->counts, word), (int32_t)word.len);
    else
        lm_token_model_encode(&e->t->model, word, chars, &e->scratch, &e->tokens);
}

static void encode_known(lm_encoder *e, lm_str word, size_t chars)
{
    uint64_t key[3] = {0, 0, 0};
    memcpy(key, word.data, word.len);
    lm_known_word *set = lm_word_set(&e->cache, key);
    const lm_known_word *known = lm_word_find(set, key, word.len);
    if (known) {
        int32_t ids[LM_WORD_TOKENS];
        lm_word_ids(known, ids);
        lm_token_push_all(&e->tokens, ids, known->count, known->ends);
        return;
    }
    lm_encode_unknown(e, word, chars);
    if (!e->scratch.lacks_unk)
        lm_word_put_tokens(&e->cache, set, key, word.len, &e->tokens);
}

/* The tokens of one word into e->tokens, by way of the cache. */
static void encode_word(lm_encoder *e, lm_str word, size_t chars)
{
    e->tokens.n = 0;
    if (e->cache.sets && !e->t->bytes.usable && word.len <= LM_WORD_BYTES)
        encode_known(e, word, chars);
    else
        lm_encode_unknown(e, word, chars);
}

/* Characters [first, last), a word or what it may be cut into. */
static void encode_part(lm_encoder *e, int32_t first, int32_t last, int32_t word, lm_side *out)
{
    const lm_char *at = e->pieces.chars.at;
    e->word.len = 0;
    lm_chars_utf8(&e->pieces.chars, (size_t)first, (size_t)last, &e->word);
    encode_word(e, lm_buf_str(&e->word), (size_t)(last - first));
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
        if (e->t->post_processor.trim_count)
            lm_side_note_spaces(out, &e->pieces.chars, (size_t)w.from, (size_t)w.to);
        lm_side_push(out, w.id, word, (size_t)at[w.from].from, (size_t)at[w.to - 1].to);
        return;
    }
    while (w.from < w.to && out->n <= out->limit) {
        int32_t to = w.to;
        if (!e->counts && !e->scratch.whole)
            to = (int32_t)lm_token_model_cut(&e->t->model, at, (size_t)w.from, (size_t)w.to);
        encode_part(e, w.from, to, word, out);
        w.from = to;
    }
}

static void run_components(lm_encoder *e, lm_str text, size_t from, size_t to, lm_side *out)
{
    lm_pieces *p = &e->pieces;
    lm_pieces_read(p, text, from, to);
    lm_normalizer_run(&e->t->normalizer, p);
    lm_added_tokens_split(&e->t->added, p);
    lm_pre_tokenizer_run(&e->t->pre_tokenizer, p);
    for (size_t i = 0; i < p->word_count && out->n <= out->limit; i++)
        encode_piece(e, p->words[i], out);
}

void lm_encode_components(lm_encoder *e, lm_str text, size_t from, size_t to, lm_side *out)
{
    lm_words_take(e, out);
    run_components(e, text, from, to, out);
}

static void begin_side(lm_side *out, lm_str text, bool bare, bool split, size_t limit)
{
    out->text = text;
    out->bare = bare;
    out->split = split;
    out->space_count = 0;
    out->n = 0;
    out->words = 0;
    out->limit = limit;
}

void lm_cut_by_components(lm_encoder *e, lm_str text, size_t from, size_t len)
{
    lm_side *side = &e->part;
    begin_side(side, text, true, false, SIZE_MAX);
    run_components(e, text, from, from + len, side);
    e->tokens.n = 0;
    for (size_t i = 0; i < side->n; i++)
        lm_token_push(&e->tokens, side->ids[i], (int32_t)i + 1);
}

/* ---------------------------------------------------------------- a text */

static void append_text(lm_encoder *e, lm_str text, lm_side *out)
{
    void (*segment)(lm_encoder *, lm_str, size_t, size_t, lm_side *) =
        e->scratch.whole                                      ? lm_encode_components
        : e->t->bert.usable                                   ? lm_bert_encode
        : e->t->bytes.usable && !e->counts                    ? lm_byte_path_encode
        : e->t->spaces_path.usable && out->bare && !e->counts ? lm_space_path_encode
                                                              : lm_encode_components;
    size_t done = 0, start = 0;
    lm_match m;
    while (out->n <= out->limit && lm_added_tokens_find(&e->t->added, text, start, done, &m)) {
        if (done < m.from)
            segment(e, text, done, m.from, out);
        lm_words_take(e, out);
        lm_side_push(out, m.id, out->words++, m.from, m.to);
        done = m.to;
        start = m.end;
    }
    if (done < text.len && out->n <= out->limit)
        segment(e, text, done, text.len, out);
}

void lm_encode_text(lm_encoder *e, lm_str text, size_t limit, lm_side *out)
{
    lm_word_cache_grow(&e->cache);
    begin_side(out, text, e->bare, false, limit);
    append_text(e, text, out);
    lm_words_finish(e, out);
}

void lm_encode_texts(lm_encoder *e, const lm_encode_row *rows, size_t count, lm_side *out, size_t *ends)
{
    lm_word_cache_grow(&e->cache);
    begin_side(out, rows[0].text, true, false, SIZE_MAX);
    for (size_t i = 0; i < count; i++) {
        append_text(e, rows[i].text, out);
        lm_words_end_row(&e->ahead);
    }
    lm_words_finish(e, out);
    for (size_t i = 0; i < count; i++)
        ends[i] = e->ahead.ends[i].place;
    e->ahead.ended = e->ahead.placed = 0;
}

void lm_encode_split_text(lm_encoder *e, lm_str text, const lm_str *words, size_t count, size_t limit,
                          lm_side *out)
{
    begin_side(out, text, false, true, limit);
    for (size_t i = 0; i < count && out->n <= limit; i++) {
        size_t n = out->n;
        int32_t base = (int32_t)(words[i].data - text.data);
        append_text(e, words[i], out);
        lm_words_finish(e, out);
        for (; n < out->n; n++) {
            out->word_ids[n] = (int32_t)i;
            out->offsets[2 * n] += base;
            out->offsets[2 * n + 1] += base;
        }
    }
}

lm_side *lm_encode_words(lm_encoder *e, lm_str text)
{
    e->bare = e->valid = false;
    lm_encode_text(e, text, SIZE_MAX, &e->sides[0]);
    return &e->sides[0];
}

/* ---------------------------------------------------------------- decoding */

bool lm_decode(const lm_tokenizer *t, const int32_t *ids, size_t n, bool skip_special, lm_buf *out,
               lm_status *st)
{
    lm_texts tokens = {0}, spare = {0};
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++) {
        if (ids[i] < 0 || ids[i] >= lm_tokenizer_size(t)) {
            ok = lm_fail(st, LM_FAILED, "id %d is not in the tokenizer's 0 to %d: is it another tokenizer's?",
                         (int)ids[i], lm_tokenizer_size(t) - 1);
            continue;
        }
        lm_str token = lm_tokenizer_token(t, ids[i]);
        if (!token.data || (skip_special && lm_tokenizer_is_special(t, ids[i])))
            continue;
        lm_buf_append(&tokens.bytes, token.data, token.len);
        lm_texts_close(&tokens);
    }
    if (ok) {
        lm_decoder_run(&t->decoder, &tokens, &spare);
        lm_buf_append(out, tokens.bytes.data, tokens.bytes.len);
    }
    lm_texts_free(&tokens);
    lm_texts_free(&spare);
    return ok;
}
