#include "text/train/unigram.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/threads.h"
#include "base/utf8.h"
#include "text/train/unigram_internal.h"

#include <math.h>
#include <stdlib.h>

enum { SUB_ITERATIONS = 2 };

static const double shrinking_factor = 0.75, least_expected = 0.5, score_step = 0.0001;

/* ---------------------------------------------------------------- pieces */

void lm_piece_list_free(lm_piece_list *p)
{
    lm_buf_free(&p->bytes);
    free(p->at);
    *p = (lm_piece_list){0};
}

void lm_piece_list_add(lm_piece_list *p, lm_str piece, double score)
{
    LM_GROW(p->at, p->n, p->cap);
    p->at[p->n++] =
        (lm_piece){p->bytes.len, (uint32_t)piece.len, (uint32_t)lm_utf8_count(piece.data, piece.len), score};
    lm_buf_append(&p->bytes, piece.data, piece.len);
}

/* ---------------------------------------------------------------- the text */

typedef struct loader {
    lm_unigram_text *text;
    const lm_alphabet *alphabet;
    bool *known; /* by code point */
    size_t n;    /* characters of the unit that is being written */
} loader;

static bool end_unit(loader *l, uint64_t count, lm_status *st)
{
    lm_unigram_text *t = l->text;
    if (!l->n)
        return true;
    if (!lm_scratch_reserve(t->scratch, &t->counts, (t->units + 1) * sizeof count, st))
        return false;
    ((unsigned char *)t->bytes.data)[t->length++] = LM_UNIGRAM_END;
    ((uint64_t *)t->counts.data)[t->units++] = count;
    t->characters += l->n;
    l->n = 0;
    lm_scratch_touch(t->scratch, 1);
    return true;
}

static bool load_word(loader *l, lm_str word, uint64_t count, lm_status *st)
{
    lm_unigram_text *t = l->text;
    if (!lm_scratch_reserve(t->scratch, &t->bytes, t->length + 2 * word.len + 8, st)) /* with the ends */
        return false;
    for (size_t i = 0, len; i < word.len; i += len) {
        uint32_t code;
        len = lm_utf8_decode(word.data + i, word.len - i, &code);
        if (!l->known[code] || l->n == LM_UNIGRAM_LONGEST)
            if (!end_unit(l, count, st))
                return false;
        if (l->known[code]) {
            memcpy((char *)t->bytes.data + t->length, word.data + i, len);
            t->length += len;
            l->n++;
        }
    }
    return end_unit(l, count, st);
}

/* Lanes of about the same number of bytes. */
static void part_lanes(lm_unigram_text *t)
{
    const unsigned char *bytes = t->bytes.data;
    size_t unit = 0, lane = 0;
    for (size_t i = 0; i < t->length; i++) {
        if (i > 0 && bytes[i - 1] == LM_UNIGRAM_END) {
            unit++;
            while (lane + 1 < LM_UNIGRAM_LANES && i >= (lane + 1) * (t->length / LM_UNIGRAM_LANES + 1)) {
                lane++;
                t->lanes[lane].byte = i;
                t->lanes[lane].unit = unit;
            }
        }
    }
    while (lane < LM_UNIGRAM_LANES) {
        lane++;
        t->lanes[lane].byte = t->length;
        t->lanes[lane].unit = t->units;
    }
}

static bool load(lm_unigram_text *text, const lm_words *words, const lm_alphabet *alphabet, lm_status *st)
{
    loader l = {.text = text, .alphabet = alphabet, .known = lm_calloc(LM_CODE_POINTS, sizeof *l.known)};
    for (size_t i = 0; i < alphabet->n; i++)
        l.known[alphabet->letters[i].code] = true;
    lm_word_reader r;
    lm_words_read(words, 0, words->block_count, &r);
    while (lm_signal_check(st) && lm_word_reader_next(&r, st) > 0)
        if (!load_word(&l, lm_buf_str(&r.word), r.count, st))
            break;
    lm_word_reader_close(&r);
    free(l.known);
    if (lm_ok(st))
        part_lanes(text);
    return lm_ok(st);
}

/* ---------------------------------------------------------------- expectation and maximisation */

typedef struct learner {
    const lm_unigram_options *o;
    lm_status *st;
    lm_scratch scratch;
    lm_unigram_text text;
    lm_piece_list pieces;
    lm_unigram_model model;
    double *sums; /* by piece */
    double occurrences;
    size_t done, all; /* sweeps over the text */
} learner;

/* The derivative of the logarithm of the gamma function: recurrence, then the asymptotic series about x -
 * 1/2. */
static double digamma(double x)
{
    double result = 0;
    for (; x < 7; x++)
        result -= 1 / x;
    x -= 0.5;
    double y = 1 / (x * x);
    return result + log(x) + y * (1.0 / 24 + y * (-7.0 / 960 + y * (31.0 / 8064 - y * (127.0 / 30720))));
}

static void progress(learner *l)
{
    l->done++;
    lm_progress_update(l->done < l->all ? l->done : l->all, NULL);
}

/* Keeps the pieces for which keep says so (piece 0 always); their order stays. */
static void keep_pieces(lm_piece_list *p, const bool *keep)
{
    size_t n = 1, bytes = 0;
    for (size_t i = 1; i < p->n; i++) {
        if (!keep[i])
            continue;
        lm_piece x = p->at[i];
        memmove(p->bytes.data + bytes, p->bytes.data + x.start, x.len);
        x.start = bytes;
        bytes += x.len;
        p->at[n++] = x;
    }
    p->n = n;
    p->bytes.len = bytes;
}

static bool iterate(learner *l)
{
    if (!lm_unigram_expect(&l->model, &l->text, l->sums, l->st))
        return false;
    bool *keep = lm_malloc(l->pieces.n, sizeof *keep);
    double sum = 0;
    for (size_t i = 1; i < l->pieces.n; i++) {
        keep[i] = !(l->sums[i] < least_expected);
        if (keep[i])
            sum += l->sums[i];
    }
    double logsum = digamma(sum); /* not of the mean: a sparse prior (Liang and Klein 2007) */
    for (size_t i = 1; i < l->pieces.n; i++)
        if (keep[i])
            l->pieces.at[i].score = digamma(l->sums[i]) - logsum;
    keep_pieces(&l->pieces, keep);
    free(keep);
    progress(l);
    return lm_unigram_model_make(&l->model, &l->pieces, &l->scratch, l->st);
}

/* ---------------------------------------------------------------- pruning */

typedef struct loss {
    double value; /* of likelihood, if the piece goes */
    uint32_t piece;
} loss;

enum verdict { DROP, KEEP, WEIGH };

/* What becomes of a piece: without it the text that it stands for would be cut as its best alternative is. */
static enum verdict weigh(const learner *l, lm_unigram_lattice *lattice, size_t i, double total,
                          uint32_t *path, double *value)
{
    double score, freq = l->sums[i], used = 0;
    size_t n = lm_unigram_alternative(&l->model, lattice, i, path, &score);
    bool best = n == 0 || l->pieces.at[i].score > score; /* the piece itself is its best segmentation */
    if (!best || n == 0)
        return freq == 0 && !best ? DROP : KEEP;
    if (freq == 0)
        return DROP;
    double alternative = log(total + freq * (double)(n - 1));
    for (size_t k = 0; k < n; k++)
        used += log(l->sums[path[k]] + freq) - alternative;
    *value = freq / l->occurrences * (log(freq) - log(total) - used);
    return WEIGH;
}

static int largest_first(const void *a, const void *b)
{
    const loss *x = a, *y = b;
    if (x->value != y->value)
        return x->value > y->value ? -1 : 1;
    return (x->piece > y->piece) - (x->piece < y->piece);
}

static void weigh_all(const learner *l, double total, uint8_t *verdicts, double *values)
{
    int threads = lm_threads();
    size_t longest = (size_t)l->o->max_piece_length + 1;
#pragma omp parallel num_threads(threads)
    {
        lm_unigram_lattice *lattice = lm_unigram_lattice_new();
        uint32_t *path = lm_malloc(longest, sizeof *path);
#pragma omp for schedule(dynamic, 1024)
        for (size_t i = 1; i < l->pieces.n; i++)
            verdicts[i] = (uint8_t)weigh(l, lattice, i, total, path, &values[i]);
        free(path);
        lm_unigram_lattice_free(lattice);
    }
}

/* The order of the pieces changes, as in the reference: first those that stay in any case, then by falling
 * loss. */
static void reorder(learner *l, const uint8_t *verdicts, loss *losses, size_t losses_n, size_t size)
{
    lm_piece_list kept = {0};
    lm_piece_list_add(&kept, (lm_str){"", 0}, 0);
    for (size_t i = 1; i < l->pieces.n; i++)
        if (verdicts[i] == KEEP)
            lm_piece_list_add(&kept, lm_piece_list_get(&l->pieces, i), l->pieces.at[i].score);
    qsort(losses, losses_n, sizeof *losses, largest_first);
    for (size_t i = 0; i < losses_n && kept.n < size; i++)
        lm_piece_list_add(&kept, lm_piece_list_get(&l->pieces, losses[i].piece),
                          l->pieces.at[losses[i].piece].score);
    lm_piece_list_free(&l->pieces);
    l->pieces = kept;
}

static bool prune(learner *l, size_t desired)
{
    if (!lm_unigram_count_best(&l->model, &l->text, l->sums, l->st))
        return false;
    size_t n = l->pieces.n, losses_n = 0;
    uint8_t *verdicts = lm_malloc(n, 1);
    double *values = lm_malloc(n, sizeof *values), total = 0;
    loss *losses = lm_malloc(n, sizeof *losses);
    for (size_t i = 0; i < n; i++)
        total += l->sums[i];
    weigh_all(l, total, verdicts, values);
    for (size_t i = 1; i < n; i++)
        if (verdicts[i] == WEIGH)
            losses[losses_n++] = (loss){values[i], (uint32_t)i};
    free(values);
    size_t size = (size_t)((double)n * shrinking_factor);
    reorder(l, verdicts, losses, losses_n, size > desired ? size : desired);
    free(verdicts);
    free(losses);
    progress(l);
    return lm_unigram_model_make(&l->model, &l->pieces, &l->scratch, l->st);
}

/* ---------------------------------------------------------------- the vocabulary */

static int highest_first(const void *a, const void *b)
{
    const lm_piece *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->start < y->start ? -1 : 1; /* as they stood */
}

/* The letters, and then as many pieces as there is room for. */
static void choose(const learner *l, const lm_alphabet *alphabet, const lm_vocabulary *head, size_t most,
                   lm_piece_list *out)
{
    lm_vocabulary pieces = {0};
    lm_status never = LM_STATUS_INIT;
    double least = INFINITY, penalty = 0;
    for (size_t i = 1; i < l->pieces.n; i++) {
        lm_vocabulary_add(&pieces, lm_piece_list_get(&l->pieces, i), (int64_t)i, &never);
        if (l->pieces.at[i].score < least)
            least = l->pieces.at[i].score;
    }
    bool *taken = lm_calloc(l->pieces.n, sizeof *taken);
    for (size_t i = 0; i < alphabet->n; i++) {
        char utf8[4];
        lm_str letter = {utf8, lm_utf8_encode(alphabet->letters[i].code, utf8)};
        int known = lm_vocabulary_find(&pieces, letter);
        if (lm_vocabulary_find(head, letter) >= 0)
            continue;
        lm_piece_list_add(out, letter, known >= 0 ? l->pieces.at[known].score : least + penalty);
        if (known >= 0)
            taken[known] = true;
        else
            penalty += score_step;
    }
    for (size_t i = 1; i < l->pieces.n && out->n < most; i++) {
        lm_str piece = lm_piece_list_get(&l->pieces, i);
        if (!taken[i] && lm_vocabulary_find(head, piece) < 0)
            lm_piece_list_add(out, piece, l->pieces.at[i].score);
    }
    qsort(out->at, out->n, sizeof *out->at, highest_first);
    free(taken);
    lm_vocabulary_free(&pieces);
}

static bool finish(learner *l, const lm_alphabet *alphabet, lm_token_tables *out)
{
    const lm_unigram_options *o = l->o;
    lm_vocabulary *v = &out->vocabulary;
    for (size_t i = 0; i < o->head_count; i++)
        if (lm_vocabulary_find(v, o->head[i]) < 0 && !lm_vocabulary_add(v, o->head[i], v->size, l->st))
            return false;
    lm_piece_list list = {0};
    size_t heads = (size_t)v->size;
    choose(l, alphabet, v, (size_t)o->vocab_size - heads, &list);
    out->scores = lm_calloc(heads + list.n, sizeof *out->scores);
    for (size_t i = 0; i < list.n && lm_ok(l->st); i++) {
        out->scores[v->size] = list.at[i].score;
        lm_vocabulary_add(v, lm_piece_list_get(&list, i), v->size, l->st);
    }
    lm_piece_list_free(&list);
    return lm_ok(l->st);
}

/* ---------------------------------------------------------------- all together */

static bool check_size(const lm_unigram_options *o, const lm_alphabet *alphabet, lm_status *st)
{
    size_t least = alphabet->n + o->head_count;
    return (uint64_t)o->vocab_size >= least || lm_fail(st, LM_FAILED,
                                                       "the alphabet has %zu characters: --vocab-size has to "
                                                       "be %zu at least, or the alphabet smaller "
                                                       "(--limit-alphabet, --character-coverage)",
                                                       alphabet->n, least);
}

static bool learn(learner *l, const lm_alphabet *alphabet)
{
    const lm_unigram_options *o = l->o;
    size_t desired = (size_t)o->vocab_size * 11 / 10;
    lm_progress_begin("seeds", "pieces", 0);
    bool ok = lm_unigram_seeds(&l->text, alphabet, (size_t)o->max_piece_length, &l->pieces, l->st);
    lm_progress_end();
    if (!ok || !lm_unigram_model_make(&l->model, &l->pieces, &l->scratch, l->st))
        return false;
    lm_info("%zu seed pieces", l->pieces.n - 1);
    l->sums = lm_malloc(l->pieces.n, sizeof *l->sums);
    lm_scratch_account(&l->scratch,
                       (ptrdiff_t)(l->pieces.n * (sizeof *l->sums + sizeof(lm_piece)) + l->pieces.bytes.len));
    double rounds = log((double)desired / (double)l->pieces.n) / log(shrinking_factor);
    l->all = ((rounds > 0 ? (size_t)rounds : 0) + 1) * (SUB_ITERATIONS + 1) - 1;
    lm_progress_begin("expectation", "sweeps", l->all);
    for (;;) {
        for (int i = 0; i < SUB_ITERATIONS && ok; i++)
            ok = iterate(l);
        size_t before = l->pieces.n;
        if (!ok || before <= desired)
            break;
        ok = prune(l, desired);
        if (l->pieces.n >= before)
            break; /* nothing more can go */
    }
    lm_progress_end();
    return ok;
}

bool lm_learn_unigram(const lm_words *words, const lm_unigram_options *o, lm_token_tables *out, lm_status *st)
{
    learner l = {.o = o, .st = st, .occurrences = 0};
    lm_alphabet alphabet = {0};
    lm_scratch_begin(&l.scratch, o->memory);
    lm_scratch_account(&l.scratch, (ptrdiff_t)words->log.buffer.len);
    l.text.scratch = &l.scratch;
    bool ok = lm_alphabet_count(words, &o->alphabet, &alphabet, st) && check_size(o, &alphabet, st) &&
              load(&l.text, words, &alphabet, st);
    for (size_t i = 0; ok && i < l.text.units; i++)
        l.occurrences += (double)((const uint64_t *)l.text.counts.data)[i];
    if (ok && learn(&l, &alphabet))
        finish(&l, &alphabet, out);
    lm_unigram_model_free(&l.model);
    lm_piece_list_free(&l.pieces);
    lm_scratch_free(&l.scratch, &l.text.bytes);
    lm_scratch_free(&l.scratch, &l.text.counts);
    lm_scratch_end(&l.scratch);
    lm_alphabet_free(&alphabet);
    free(l.sums);
    return lm_ok(st);
}
