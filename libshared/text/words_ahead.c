/* Words on their way to the tokens of a text. Where each stands in the cache is fetched long before it is looked up there, and those that
 * the cache does not know are cut several at a time, so that no word waits for memory by itself; rows of few words go together. */
#include "base/utf8.h"
#include "text/tokenizer_internal.h"

/* ---------------------------------------------------------------- one word */

/* A token of the bytes [from, to) of a word that ends at `end`; its span is that of the characters that it has a part of. */
static void push_part(lm_side *out, lm_str text, int32_t id, int32_t word, size_t from, size_t to, size_t end)
{
    while (lm_utf8_inner(text.data[from]))
        from--;
    while (to < end && lm_utf8_inner(text.data[to]))
        to++;
    lm_side_push(out, id, word, from, to);
}

/* Tokens of a word, of which the first begins with its byte `begin`, with their places in the text if they are asked for. */
static void put_tokens(const struct lm_word_ahead *a, size_t begin, const lm_token *at, size_t n, int32_t word, lm_side *out)
{
    size_t start = a->from + begin;
    while (out->bare && out->cap - out->n < n)
        lm_side_grow(out);
    for (size_t i = 0; out->bare && i < n; i++)
        out->ids[out->n++] = at[i].id;
    if (out->bare)
        return;
    for (size_t i = 0; i < n; i++) {
        size_t end = a->from + (size_t)at[i].end;
        push_part(out, a->text, at[i].id, word, start, end, a->from + a->len);
        start = end;
    }
}

static void put_ids(const struct lm_word_ahead *a, int32_t word, const int32_t *ids, uint32_t n, uint32_t ends, lm_side *out)
{
    size_t start = a->from;
    for (uint32_t i = 0; i < n; i++, ends &= ends - 1) {
        size_t end = a->from + (size_t)__builtin_ctz(ends) + 1;
        push_part(out, a->text, ids[i], word, start, end, a->from + a->len);
        start = end;
    }
}

static inline void put_known(const struct lm_word_ahead *a, const lm_known_word *known, lm_side *out)
{
    while (out->cap - out->n < LM_WORD_TOKENS)
        lm_side_grow(out);
    if (out->bare) {
        lm_word_ids(known, out->ids + out->n);
        out->n += known->count;
        return;
    }
    int32_t ids[LM_WORD_TOKENS];
    lm_word_ids(known, ids);
    put_ids(a, out->words++, ids, known->count, known->ends, out);
}

/* The tokens of e->long_word, part by part. */
static void take_long(lm_encoder *e, const struct lm_word_ahead *a, lm_side *out)
{
    lm_word_walk walk = {0};
    size_t before = out->n;
    int32_t number = out->words++;
    bool more = true;
    for (e->tokens.n = 0; more && out->n <= out->limit;) {
        more = lm_token_model_walk(&e->t->model, e->long_word, e->t->bytes.usable, &walk, &e->scratch, &e->tokens);
        out->n = before + (size_t)walk.first;
        put_tokens(a, walk.begin, e->tokens.at, e->tokens.n, number, out);
    }
}

static void cut_one(lm_encoder *e, const struct lm_word_ahead *a, lm_side *out)
{
    e->tokens.n = 0;
    e->long_word = (lm_str){NULL, 0};
    e->cut(e, a->text, a->from, a->len);
    if (e->long_word.data) {
        take_long(e, a, out);
        return;
    }
    put_tokens(a, 0, e->tokens.at, e->tokens.n, out->words++, out);
    if (a->set && !e->scratch.lacks_unk)
        lm_word_put_tokens(&e->cache, a->set, a->key, a->len, &e->tokens);
}

static inline const lm_known_word *find(const struct lm_word_ahead *a)
{
    return a->set ? lm_word_find(a->set, a->key, a->len) : NULL;
}

/* ---------------------------------------------------------------- words that are late */

/* Tokens [from, to) move up by `by`, for which there is room. */
static void move_up(lm_side *s, size_t from, size_t to, size_t by)
{
    memmove(s->ids + from + by, s->ids + from, (to - from) * sizeof *s->ids);
    if (s->bare)
        return;
    memmove(s->word_ids + from + by, s->word_ids + from, (to - from) * sizeof *s->word_ids);
    memmove(s->offsets + 2 * (from + by), s->offsets + 2 * from, 2 * (to - from) * sizeof *s->offsets);
}

/* Opens gaps of as many tokens as the words became, and fills them, from the last on. */
static void put_late(lm_encoder *e, const lm_short_tokens *tokens, lm_side *out)
{
    const lm_late_words *late = &e->late;
    size_t before[LM_LATE_PLACES + 1] = {0}; /* tokens of those before each */
    for (int i = 0; i < late->places; i++)
        before[i + 1] = before[i] + tokens[late->at[i].which].n;
    for (int i = 0; i < e->ahead.placed; i++) {
        e->ahead.ends[i].place += before[e->ahead.ends[i].late];
        e->ahead.ends[i].late = 0;
    }
    size_t end = out->n, all = end + before[late->places];
    while (out->cap < all)
        lm_side_grow(out);
    for (int i = late->places; i-- > 0;) {
        const struct lm_late_place *w = &late->at[i];
        const lm_short_tokens *t = &tokens[w->which];
        move_up(out, w->place, end, before[i + 1]);
        end = w->place;
        out->n = end + before[i];
        if (out->bare)
            memcpy(out->ids + out->n, t->ids, t->n * sizeof *out->ids);
        else
            put_ids(&w->word, w->number, t->ids, t->n, t->ends, out);
    }
    out->n = all;
}

static void finish_late(lm_encoder *e, lm_side *out)
{
    lm_late_words *late = &e->late;
    lm_str bytes[LM_WORDS_LATE];
    lm_short_tokens tokens[LM_WORDS_LATE];
    if (!late->words)
        return;
    for (int i = 0; i < late->words; i++) {
        const struct lm_word_ahead *a = &late->at[late->first[i]].word;
        bytes[i] = (lm_str){a->text.data + a->from, a->len};
    }
    e->cut_late(e, bytes, (size_t)late->words, tokens);
    put_late(e, tokens, out);
    for (int i = 0; i < late->words; i++) {
        const struct lm_word_ahead *a = &late->at[late->first[i]].word;
        lm_word_put(&e->cache, lm_word_set(&e->cache, a->key), a->key, a->len, &tokens[i]); /* it may have grown since */
    }
    late->words = late->places = 0;
}

static int find_late(const lm_late_words *late, const struct lm_word_ahead *a, uint64_t sum)
{
    for (int i = 0; i < late->words; i++) {
        const struct lm_word_ahead *w = &late->at[late->first[i]].word;
        if (late->sums[i] == sum && memcmp(w->key, a->key, sizeof a->key) == 0 && w->len == a->len)
            return i;
    }
    return late->words;
}

static void make_late(lm_encoder *e, const struct lm_word_ahead *a, lm_side *out)
{
    lm_late_words *late = &e->late;
    if (late->words == LM_WORDS_LATE || late->places == LM_LATE_PLACES)
        finish_late(e, out);
    uint64_t sum = a->key[0] ^ a->key[1] ^ a->key[2];
    int which = find_late(late, a, sum);
    if (which == late->words) {
        late->sums[which] = sum;
        late->first[late->words++] = late->places;
    }
    late->at[late->places++] = (struct lm_late_place){*a, out->n, out->words++, which};
}

/* ---------------------------------------------------------------- all of them */

static void take_until(lm_encoder *e, int *i, int to, lm_side *out)
{
    for (; *i < to; ++*i) {
        const struct lm_word_ahead *a = &e->ahead.at[*i];
        const lm_known_word *known = find(a);
        if (known)
            put_known(a, known, out);
        else if (e->cut_late && a->set)
            make_late(e, a, out);
        else
            cut_one(e, a, out);
    }
}

void lm_words_take(lm_encoder *e, lm_side *out)
{
    lm_words_ahead *w = &e->ahead;
    int i = 0;
    for (; w->placed < w->ended; w->placed++) {
        struct lm_row_end *end = &w->ends[w->placed];
        take_until(e, &i, end->words, out);
        end->place = out->n;
        end->late = e->late.places;
    }
    take_until(e, &i, w->n, out);
    w->n = 0;
    if (!out->bare)
        finish_late(e, out);
    lm_word_cache_grow(&e->cache);
}

void lm_words_finish(lm_encoder *e, lm_side *out)
{
    lm_words_take(e, out);
    finish_late(e, out);
}
