/* Segmentations of the text into pieces. */
#include "base/memory.h"
#include "base/signals.h"
#include "base/threads.h"
#include "base/utf8.h"
#include "text/train/unigram_internal.h"

#include <math.h>
#include <stdlib.h>

/* An edge of the trie. */
typedef struct slot {
    uint64_t key; /* node and code point; 0 = free */
    uint32_t child, piece;
} slot;

enum { ROOT = 1, CODE_BITS = 21 };

static const double unk_penalty = 10; /* below the least score, as the reference has it */

/* ---------------------------------------------------------------- the trie */

static size_t slot_of(const lm_unigram_model *m, uint32_t node, uint32_t code)
{
    const slot *slots = m->slots.data;
    uint64_t key = (uint64_t)node << CODE_BITS | code;
    size_t mask = m->slot_count - 1, i = (key * 0x9e3779b97f4a7c15u >> 28) & mask;
    while (slots[i].key && slots[i].key != key)
        i = (i + 1) & mask;
    return i;
}

static bool grow(lm_unigram_model *m, lm_status *st)
{
    lm_scratch_array old;
    size_t n = m->slot_count;
    lm_scratch_move(m->scratch, &m->slots, &old);
    m->slot_count = n ? 2 * n : 1 << 12;
    bool ok = lm_scratch_resize(m->scratch, &m->slots, m->slot_count * sizeof(slot), st);
    for (size_t i = 0; ok && i < n; i++) {
        slot s = ((slot *)old.data)[i];
        if (s.key) {
            uint32_t node = (uint32_t)(s.key >> CODE_BITS), code = (uint32_t)(s.key & ((1 << CODE_BITS) - 1));
            ((slot *)m->slots.data)[slot_of(m, node, code)] = s;
            lm_scratch_touch(m->scratch, 1);
        }
    }
    lm_scratch_free(m->scratch, &old);
    return ok;
}

static bool insert(lm_unigram_model *m, lm_str piece, uint32_t number, lm_status *st)
{
    uint32_t node = ROOT;
    size_t at = 0;
    for (size_t i = 0; i < piece.len;) {
        uint32_t code;
        i += lm_utf8_decode(piece.data + i, piece.len - i, &code);
        if (3 * (m->node_count + 1) > 2 * m->slot_count && !grow(m, st))
            return false;
        at = slot_of(m, node, code);
        slot *s = (slot *)m->slots.data + at;
        if (!s->key)
            *s = (slot){(uint64_t)node << CODE_BITS | code, (uint32_t)++m->node_count, 0};
        node = s->child;
    }
    ((slot *)m->slots.data)[at].piece = number;
    return true;
}

bool lm_unigram_model_make(lm_unigram_model *m, const lm_piece_list *pieces, lm_scratch *scratch,
                           lm_status *st)
{
    lm_unigram_model_free(m);
    *m = (lm_unigram_model){.pieces = pieces, .scratch = scratch, .node_count = ROOT};
    if (!lm_scratch_resize(scratch, &m->chances, pieces->n * sizeof(double), st) || !grow(m, st))
        return false;
    double least = INFINITY, *chances = m->chances.data;
    for (size_t i = 1; i < pieces->n; i++) {
        if (!insert(m, lm_piece_list_get(pieces, i), (uint32_t)i, st))
            return false;
        chances[i] = exp(pieces->at[i].score);
        if (pieces->at[i].score < least)
            least = pieces->at[i].score;
        lm_scratch_touch(scratch, 4);
    }
    m->unk_score = least - unk_penalty;
    chances[0] = exp(m->unk_score);
    return true;
}

void lm_unigram_model_free(lm_unigram_model *m)
{
    if (!m->scratch)
        return;
    lm_scratch_free(m->scratch, &m->slots);
    lm_scratch_free(m->scratch, &m->chances);
    *m = (lm_unigram_model){0};
}

/* ---------------------------------------------------------------- one unit */

/* A number that may be far too small for a double: mantissa * 2^(-LEVEL level). */
enum { LEVEL = 256 };
typedef struct tiny {
    double mantissa;
    int level;
} tiny;

static void tiny_normalise(tiny *x)
{
    while (x->mantissa > 0 && x->mantissa < 0x1p-256) {
        x->mantissa *= 0x1p256;
        x->level++;
    }
}

static void tiny_add(tiny *x, double mantissa, int level)
{
    if (x->level == level) {
        x->mantissa += mantissa;
    } else if (x->mantissa == 0 || x->level > level) {
        x->mantissa = ldexp(x->mantissa, -LEVEL * (x->level - level)) + mantissa;
        x->level = level;
    } else {
        x->mantissa += ldexp(mantissa, -LEVEL * (level - x->level));
    }
}

typedef struct edge {
    uint16_t from, to;
    uint32_t piece;
} edge;

/* What one thread needs; for units of up to LM_UNIGRAM_LONGEST characters. */
typedef struct lm_unigram_lattice {
    uint32_t codes[LM_UNIGRAM_LONGEST];
    size_t n;
    tiny forward[LM_UNIGRAM_LONGEST + 1], backward[LM_UNIGRAM_LONGEST + 1];
    double best[LM_UNIGRAM_LONGEST + 1];
    edge last[LM_UNIGRAM_LONGEST + 1]; /* of the best segmentation of what is before */
    edge *edges;
    size_t edge_count, edge_cap;
} lattice;

lattice *lm_unigram_lattice_new(void)
{
    return lm_calloc(1, sizeof(lattice));
}

void lm_unigram_lattice_free(lattice *l)
{
    free(l->edges);
    free(l);
}

/* Reads the unit at `at`; returns the place behind its end. */
static const char *read_unit(lattice *l, const char *at)
{
    l->n = 0;
    while ((unsigned char)*at != LM_UNIGRAM_END)
        at += lm_utf8_decode(at, 4, &l->codes[l->n++]); /* the end cuts an ill-formed character short */
    return at + 1;
}

/* The edges that begin at `from`, the shorter ones first, and one of the unknown piece where no piece has the
 * one character alone. */
static void find_edges(const lm_unigram_model *m, lattice *l, size_t from)
{
    const slot *slots = m->slots.data;
    uint32_t node = ROOT;
    bool single = false;
    for (size_t to = from; to < l->n; to++) {
        const slot *s = &slots[slot_of(m, node, l->codes[to])];
        if (!s->key)
            break;
        node = s->child;
        if (!s->piece)
            continue;
        single |= to == from;
        LM_GROW(l->edges, l->edge_count, l->edge_cap);
        l->edges[l->edge_count++] = (edge){(uint16_t)from, (uint16_t)(to + 1), s->piece};
    }
    if (!single) {
        LM_GROW(l->edges, l->edge_count, l->edge_cap);
        l->edges[l->edge_count++] = (edge){(uint16_t)from, (uint16_t)(from + 1), 0};
    }
}

static void expect(const lm_unigram_model *m, lattice *l, double count, double *sums)
{
    const double *chances = m->chances.data;
    tiny *f = l->forward, *b = l->backward;
    for (size_t i = 0; i <= l->n; i++)
        f[i] = b[i] = (tiny){0, 0};
    l->edge_count = 0;
    f[0].mantissa = b[l->n].mantissa = 1;
    for (size_t from = 0; from < l->n; from++) {
        size_t k = l->edge_count;
        tiny_normalise(&f[from]);
        find_edges(m, l, from);
        for (; k < l->edge_count; k++)
            tiny_add(&f[l->edges[k].to], f[from].mantissa * chances[l->edges[k].piece], f[from].level);
    }
    tiny all = f[l->n];
    tiny_normalise(&all);
    for (size_t k = l->edge_count; k-- > 0;) {
        edge e = l->edges[k];
        double tail = chances[e.piece] * b[e.to].mantissa;
        tiny_add(&b[e.from], tail, b[e.to].level);
        if (k == 0 || l->edges[k - 1].from != e.from)
            tiny_normalise(&b[e.from]);
        int level = f[e.from].level + b[e.to].level - all.level;
        double share = f[e.from].mantissa / all.mantissa * tail;
        sums[e.piece] += count * (level ? ldexp(share, -LEVEL * level) : share);
    }
}

/* Fills best and last. `but`: a piece that is not used, or 0. */
static void find_best(const lm_unigram_model *m, lattice *l, uint32_t but)
{
    for (size_t i = 1; i <= l->n; i++)
        l->best[i] = -INFINITY;
    l->best[0] = 0;
    for (size_t from = 0; from < l->n; from++) {
        l->edge_count = 0;
        find_edges(m, l, from);
        for (size_t k = 0; k < l->edge_count; k++) {
            edge e = l->edges[k];
            double score = l->best[from] + (e.piece ? m->pieces->at[e.piece].score : m->unk_score);
            if (score > l->best[e.to] && !(but && e.piece == but)) {
                l->best[e.to] = score;
                l->last[e.to] = e;
            }
        }
    }
}

static void count_best(const lm_unigram_model *m, lattice *l, double count, double *sums)
{
    find_best(m, l, 0);
    for (size_t to = l->n; to > 0; to = l->last[to].from)
        sums[l->last[to].piece] += count;
}

size_t lm_unigram_alternative(const lm_unigram_model *m, lattice *l, size_t which, uint32_t *path,
                              double *score)
{
    lm_str piece = lm_piece_list_get(m->pieces, which);
    size_t n = 0;
    l->n = 0;
    for (size_t i = 0; i < piece.len;)
        i += lm_utf8_decode(piece.data + i, piece.len - i, &l->codes[l->n++]);
    if (l->n > 1) {
        find_best(m, l, (uint32_t)which);
        *score = l->best[l->n];
        for (size_t to = l->n; to > 0; to = l->last[to].from)
            path[n++] = l->last[to].piece;
    }
    return n;
}

/* ---------------------------------------------------------------- the whole text */

typedef void sweep_unit(const lm_unigram_model *m, lattice *l, double count, double *sums);

static void sweep_lane(const lm_unigram_model *m, const lm_unigram_text *text, size_t lane, sweep_unit *unit,
                       double *sums)
{
    lattice *l = lm_unigram_lattice_new();
    const char *bytes = text->bytes.data, *at = bytes + text->lanes[lane].byte,
               *end = bytes + text->lanes[lane + 1].byte;
    const uint64_t *count = (const uint64_t *)text->counts.data + text->lanes[lane].unit;
    for (size_t touched = 0; at < end && !lm_signal_pending(); count++) {
        at = read_unit(l, at);
        unit(m, l, (double)*count, sums);
        touched += 2 + l->edge_count / 4;
        if (touched >= 128 && m->scratch->files) {
#pragma omp critical
            lm_scratch_touch(m->scratch, touched);
            touched = 0;
        }
    }
    lm_unigram_lattice_free(l);
}

/* As many lanes at once as there are threads; their sums are added in the order of the lanes. */
static bool sweep(const lm_unigram_model *m, const lm_unigram_text *text, sweep_unit *unit, double *sums,
                  lm_status *st)
{
    size_t n = m->pieces->n, threads = (size_t)lm_threads();
    if (threads > LM_UNIGRAM_LANES)
        threads = LM_UNIGRAM_LANES;
    lm_scratch_array parts = {0};
    if (!lm_scratch_resize(m->scratch, &parts, threads * n * sizeof(double), st))
        return false;
    double *part = parts.data;
    memset(sums, 0, n * sizeof *sums);
    for (size_t first = 0; first < LM_UNIGRAM_LANES && lm_signal_check(st); first += threads) {
        size_t lanes = LM_UNIGRAM_LANES - first < threads ? LM_UNIGRAM_LANES - first : threads;
        memset(part, 0, lanes * n * sizeof *part);
#pragma omp parallel for num_threads(lanes) schedule(static, 1)
        for (size_t i = 0; i < lanes; i++)
            sweep_lane(m, text, first + i, unit, part + i * n);
#pragma omp parallel for num_threads(lanes) schedule(static)
        for (size_t k = 0; k < n; k++)
            for (size_t i = 0; i < lanes; i++)
                sums[k] += part[i * n + k];
    }
    lm_scratch_free(m->scratch, &parts);
    return lm_ok(st);
}

bool lm_unigram_expect(const lm_unigram_model *m, const lm_unigram_text *text, double *sums, lm_status *st)
{
    return sweep(m, text, expect, sums, st);
}

bool lm_unigram_count_best(const lm_unigram_model *m, const lm_unigram_text *text, double *sums,
                           lm_status *st)
{
    return sweep(m, text, count_best, sums, st);
}
