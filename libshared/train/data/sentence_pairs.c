#include "train/data/sentence_pairs.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SPECIAL = 3, TRIES = 10 }; /* tokens of a pair that are no sentence's; draws of another document */
enum { FOR_LAYOUT, FOR_CUTS };    /* sites of the key */

/* A row with tokens in it, without the special ones around them. */
typedef struct sentence {
    uint32_t row, len;
    bool wrapped; /* the row has them */
} sentence;

/* A and B are so many sentences from these on. */
typedef struct pair {
    uint32_t a, b, a_count, b_count;
    bool other; /* the label: B is not what follows A */
} pair;

struct lm_sentence_pairs {
    lm_instances_options how;
    lm_spool_range rows;
    bool has_words;
    sentence *sentences;
    size_t sentence_count, sentence_cap;
    uint32_t *documents; /* [document_count+1] their first sentences */
    size_t document_count, document_cap;
    uint64_t epoch;
    pair *pairs;
    size_t count, cap;
    uint32_t *lengths;
    size_t length_cap;
};

/* ------------------------------------------------------------------ documents */

static bool read_sentence(const lm_sentence_pairs *p, const lm_tokens_row *row, uint64_t i, sentence *out, lm_status *st)
{
    const lm_instances_options *how = &p->how;
    size_t n = row->len;
    bool wrapped = n >= 2 && row->ids[0] == how->cls_id && row->ids[n - 1] == how->sep_id;
    *out = (sentence){(uint32_t)i, (uint32_t)(wrapped ? n - 2 : n), wrapped};
    for (size_t k = wrapped; k + wrapped < n; k++)
        if (row->ids[k] == how->cls_id || row->ids[k] == how->sep_id)
            return lm_spool_range_fail(&p->rows, i, st, "a special token within it, and a row has to be a sentence: make the tokens "
                                   "with tok --documents, without --pair and --eos");
    if (!row->has_doc)
        return lm_spool_range_fail(&p->rows, i, st, "neither a label nor the number of a document: make the tokens with tok "
                               "--documents from a sentence a line and a blank line between documents, or with tok --pair and "
                               "--label from pairs");
    return true;
}

static bool read_documents(lm_sentence_pairs *p, lm_status *st)
{
    int64_t doc = INT64_MIN;
    lm_tokens_row row;
    sentence s;
    for (uint64_t i = 0; i < p->rows.count; i++) {
        lm_spool_range_get(&p->rows, i, &row);
        if (!read_sentence(p, &row, i, &s, st))
            return false;
        p->has_words |= row.word_ids != NULL;
        if (s.len && doc != row.doc) {
            LM_GROW(p->documents, p->document_count, p->document_cap);
            p->documents[p->document_count++] = (uint32_t)p->sentence_count;
            doc = row.doc;
        }
        if (s.len) {
            LM_GROW(p->sentences, p->sentence_count, p->sentence_cap);
            p->sentences[p->sentence_count++] = s;
        }
    }
    if (p->document_count < 2 && !p->how.window)
        return lm_fail(st, LM_FAILED,
                       "%zu documents, and pairs of sentences need several, since half of the second ones are of another: put a "
                       "blank line between documents (tok --documents)", p->document_count);
    LM_GROW(p->documents, p->document_count, p->document_cap);
    p->documents[p->document_count] = (uint32_t)p->sentence_count;
    return true;
}

/* ------------------------------------------------------------------ laying out */

/* The draws of one document, or of one pair, one after the other. */
typedef struct draws {
    lm_philox_key key;
    uint64_t of, done;
} draws;

static draws draws_of(const lm_sentence_pairs *p, uint64_t site, uint64_t number)
{
    return (draws){.key = lm_random_key(p->how.seed, LM_FOR_PAIRS, site), .of = p->epoch << 32 | number};
}

static uint32_t draw_below(draws *d, uint64_t bound)
{
    return (uint32_t)lm_random_below(d->key, d->of, d->done++, bound);
}

static bool draw_chance(draws *d, double p)
{
    return (double)lm_random_u32(d->key, d->of, d->done++) * 0x1p-32 < p;
}

static uint64_t tokens_of(const lm_sentence_pairs *p, uint32_t first, uint32_t count)
{
    uint64_t sum = 0;
    for (uint32_t i = first; i < first + count; i++)
        sum += p->sentences[i].len;
    return sum;
}

/* B of another document: from a sentence on as many as reach the tokens that A has left. */
static void draw_other(const lm_sentence_pairs *p, draws *d, uint32_t document, int64_t wanted, pair *out)
{
    uint32_t other = document;
    for (int i = 0; i < TRIES && other == document; i++)
        other = draw_below(d, p->document_count);
    uint32_t first = p->documents[other], end = p->documents[other + 1];
    out->other = true;
    out->b = first + draw_below(d, end - first);
    out->b_count = 0;
    for (int64_t got = 0; out->b + out->b_count < end && (got < wanted || !out->b_count); out->b_count++)
        got += p->sentences[out->b + out->b_count].len;
}

/* The pair of a chunk of `n` sentences from `first` on; returns how many of them it takes. */
static uint32_t pair_up(const lm_sentence_pairs *p, draws *d, uint32_t document, uint32_t first, uint32_t n, uint32_t target,
                        pair *out)
{
    *out = (pair){.a = first, .a_count = n >= 2 ? 1 + draw_below(d, n - 1) : 1};
    out->b = first + out->a_count;
    out->b_count = n - out->a_count;
    bool order = p->how.kind == LM_INSTANCES_SENTENCE_ORDER;
    if (n == 1 || (!order && draw_chance(d, .5))) {
        draw_other(p, d, document, (int64_t)target - (int64_t)tokens_of(p, first, out->a_count), out);
        return out->a_count;
    }
    if (order && draw_chance(d, .5))
        *out = (pair){.a = out->b, .a_count = out->b_count, .b = out->a, .b_count = out->a_count, .other = true};
    return n;
}

static void pair_document(lm_sentence_pairs *p, uint32_t document)
{
    draws d = draws_of(p, FOR_LAYOUT, document);
    uint32_t most = p->how.length - SPECIAL, target = most, end = p->documents[document + 1];
    if (draw_chance(&d, p->how.short_share))
        target = 2 + draw_below(&d, most - 1);
    for (uint32_t first = p->documents[document]; first < end;) {
        uint32_t n = 0;
        for (uint64_t got = 0; first + n < end && got < target; n++)
            got += p->sentences[first + n].len;
        LM_GROW(p->pairs, p->count, p->cap);
        pair *x = &p->pairs[p->count];
        first += pair_up(p, &d, document, first, n, target, x);
        uint64_t all = tokens_of(p, x->a, x->a_count) + tokens_of(p, x->b, x->b_count);
        size_t at = p->count;
        LM_GROW(p->lengths, at, p->length_cap);
        p->lengths[p->count++] = SPECIAL + (uint32_t)(all < most ? all : most);
    }
}

void lm_sentence_pairs_lay_out(lm_sentence_pairs *p, uint64_t epoch)
{
    p->epoch = epoch;
    p->count = 0;
    for (uint32_t i = 0; i < p->document_count && p->document_count > 1; i++)
        pair_document(p, i);
}

lm_sentence_pairs *lm_sentence_pairs_new(const lm_spool_range *rows, const lm_instances_options *how, lm_status *st)
{
    lm_sentence_pairs *p = lm_calloc(1, sizeof *p);
    *p = (lm_sentence_pairs){.how = *how, .rows = *rows};
    if (how->cls_id < 0 || how->sep_id < 0)
        lm_fail(st, LM_FAILED, "the tokenizer has no %s token, which stands %s a pair of sentences: use one that has",
                how->cls_id < 0 ? "cls" : "sep", how->cls_id < 0 ? "before" : "behind each part of");
    if (!lm_ok(st) || !read_documents(p, st)) {
        lm_sentence_pairs_free(p);
        return NULL;
    }
    lm_sentence_pairs_lay_out(p, 0);
    return p;
}

void lm_sentence_pairs_free(lm_sentence_pairs *p)
{
    if (!p)
        return;
    free(p->sentences);
    free(p->documents);
    free(p->pairs);
    free(p->lengths);
    free(p);
}

uint32_t lm_sentence_pairs_count(const lm_sentence_pairs *p)
{
    return (uint32_t)p->count;
}

const uint32_t *lm_sentence_pairs_lengths(const lm_sentence_pairs *p)
{
    return p->lengths;
}

void lm_sentence_pairs_log(const lm_sentence_pairs *p)
{
    size_t others = 0;
    for (size_t i = 0; i < p->count; i++)
        others += p->pairs[i].other;
    lm_info("pairs of sentences: %zu documents of %zu sentences make %zu examples of up to %" PRIu32 " tokens in the first epoch, "
            "%.0f %% of them with label 1", p->document_count, p->sentence_count, p->count, p->how.length,
            100.0 * (double)others / (double)p->count);
}

/* ------------------------------------------------------------------ putting together */

/* Tokens [from, from + len) of the sentences from `first` on. */
static void append(const lm_sentence_pairs *p, uint32_t first, uint64_t from, uint64_t len, lm_joined_row *j)
{
    for (const sentence *s = &p->sentences[first]; len; s++) {
        if (from >= s->len) {
            from -= s->len;
            continue;
        }
        uint64_t n = s->len - from < len ? s->len - from : len;
        lm_tokens_row row, part;
        lm_spool_range_get(&p->rows, s->row, &row);
        lm_tokens_row_part(&row, s->wrapped + from, n, &part);
        lm_joined_row_add(j, &part);
        len -= n;
        from = 0;
    }
}

/* What is left of A and B where they are too long together: token after token goes from the longer one. */
static void cut(const lm_sentence_pairs *p, uint32_t i, uint64_t len[2], uint64_t front[2])
{
    draws d = draws_of(p, FOR_CUTS, i);
    front[0] = front[1] = 0;
    while (len[0] + len[1] > p->how.length - SPECIAL) {
        int longer = len[0] > len[1] ? 0 : 1;
        front[longer] += draw_chance(&d, .5);
        len[longer]--;
    }
}

void lm_sentence_pairs_get(const lm_sentence_pairs *p, uint32_t i, lm_arena *room, lm_tokens_row *row)
{
    const pair *x = &p->pairs[i];
    uint64_t len[2] = {tokens_of(p, x->a, x->a_count), tokens_of(p, x->b, x->b_count)}, front[2];
    cut(p, i, len, front);
    lm_joined_row j;
    lm_joined_row_begin(&j, LM_JOINED_IDS | (p->has_words ? LM_JOINED_WORD_IDS : 0), p->lengths[i], room);
    lm_joined_row_add_special(&j, p->how.cls_id);
    append(p, x->a, front[0], len[0], &j);
    lm_joined_row_add_special(&j, p->how.sep_id);
    append(p, x->b, front[1], len[1], &j);
    lm_joined_row_add_special(&j, p->how.sep_id);
    uint8_t *types = lm_arena_alloc(room, j.len, 1);
    memset(types, 0, len[0] + 2);
    memset(types + len[0] + 2, 1, len[1] + 1);
    lm_joined_row_give(&j, row);
    row->types = types;
    row->has_label_id = true;
    row->label_id = x->other;
}
