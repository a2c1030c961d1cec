/* TER (Snover et al. 2006), as sacreBLEU computes it, which follows Tercom: words that have to be inserted, deleted or replaced, after
 * shifts of runs of words that make them fewer, for each word of the reference. */
#include "metrics/written/kinds.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_SHIFT = 10, MAX_DISTANCE = 50, MAX_CANDIDATES = 1000, BEAM = 25 };
enum { FAR = 1 << 29 }; /* the cost of what is outside the beam */

enum { SAME, REPLACED, DELETED, INSERTED };

/* The table of edit distances between the first i words of the text and the first k of the reference. A row has those k alone that are
 * near the diagonal. */
typedef struct lm_ter {
    const lm_ids *reference;
    lm_ids text;     /* as it has been shifted */
    lm_ids in_table; /* the words that the rows of the table are of */
    lm_ids trial;
    size_t width;    /* cells of a row */
    int32_t *cost;
    uint8_t *edit;
    size_t cells_cap;
    int32_t *aligned;               /* of each word of the reference: the word of the text before which it would stand, less 1 */
    uint8_t *wrong, *wrong_reference; /* words of the text and of the reference that are no match */
    size_t wrong_cap, aligned_cap;
} lm_ter;

void lm_ter_free(lm_ter *t)
{
    if (!t)
        return;
    void *const all[] = {t->text.at, t->in_table.at, t->trial.at,        t->cost, t->edit,
                         t->aligned, t->wrong,       t->wrong_reference, t};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void copy(lm_ids *to, const lm_ids *from)
{
    to->n = 0;
    for (size_t i = 0; i < from->n; i++)
        lm_ids_add(to, from->at[i]);
}

/* ------------------------------------------------------------------ edit distance */

typedef struct band {
    size_t from, to;
} band;

static size_t beam_of(double ratio)
{
    return BEAM < ratio / 2 ? (size_t)ceil(ratio / 2 + BEAM) : BEAM;
}

/* The columns of row i. */
static band band_of(const lm_ter *t, size_t i)
{
    size_t n = t->text.n, m = t->reference->n;
    if (i == 0)
        return (band){0, m + 1};
    double ratio = (double)m / (double)n;
    size_t beam = beam_of(ratio), diagonal = (size_t)floor((double)i * ratio);
    band b = {diagonal > beam ? diagonal - beam : 0, diagonal + beam};
    if (i == n || b.to > m + 1)
        b.to = m + 1;
    return b;
}

static int32_t cost_at(const lm_ter *t, size_t i, band b, size_t k)
{
    if (i == 0)
        return (int32_t)k;
    return k >= b.from && k < b.to ? t->cost[i * t->width + k - b.from] : FAR;
}

/* Room for a table of the text that is to be compared; nothing of the last one is kept. */
static void begin_table(lm_ter *t)
{
    size_t n = t->text.n, m = t->reference->n;
    t->width = 2 * beam_of(n ? (double)m / (double)n : 1) + 1;
    t->width = t->width < m + 2 ? t->width : m + 2;
    if ((n + 1) * t->width > t->cells_cap) {
        t->cells_cap = (n + 1) * t->width;
        t->cost = lm_realloc(t->cost, t->cells_cap, sizeof *t->cost);
        t->edit = lm_realloc(t->edit, t->cells_cap, sizeof *t->edit);
    }
    t->in_table.n = 0;
}

static void fill_row(lm_ter *t, size_t i, uint32_t word)
{
    band above = band_of(t, i - 1), here = band_of(t, i);
    int32_t *cost = t->cost + i * t->width;
    uint8_t *edit = t->edit + i * t->width;
    for (size_t k = here.from; k < here.to; k++) {
        int32_t least = FAR;
        uint8_t how = DELETED;
        if (k > 0) {
            bool same = word == t->reference->at[k - 1];
            least = cost_at(t, i - 1, above, k - 1) + !same;
            how = same ? SAME : REPLACED;
        }
        if (cost_at(t, i - 1, above, k) + 1 < least || k == 0) {
            least = cost_at(t, i - 1, above, k) + 1;
            how = DELETED;
        }
        if (k > here.from && cost[k - 1 - here.from] + 1 < least) {
            least = cost[k - 1 - here.from] + 1;
            how = INSERTED;
        }
        cost[k - here.from] = least;
        edit[k - here.from] = how;
    }
}

/* Of as many words as the text has. Rows of words that are those of the last time are still right. */
static int32_t distance(lm_ter *t, const lm_ids *words)
{
    size_t i = 0, m = t->reference->n;
    while (i < t->in_table.n && t->in_table.at[i] == words->at[i])
        i++;
    t->in_table.n = i;
    for (; i < words->n; i++) {
        fill_row(t, i + 1, words->at[i]);
        lm_ids_add(&t->in_table, words->at[i]);
    }
    return cost_at(t, words->n, band_of(t, words->n), m);
}

/* What the table, which is of the text, says of each word. */
static void align(lm_ter *t)
{
    size_t i = t->text.n, k = t->reference->n;
    if (i + 1 > t->wrong_cap) {
        t->wrong_cap = i + 1;
        t->wrong = lm_realloc(t->wrong, t->wrong_cap, 1);
    }
    if (k > t->aligned_cap) {
        t->aligned_cap = k;
        t->aligned = lm_realloc(t->aligned, k, sizeof *t->aligned);
        t->wrong_reference = lm_realloc(t->wrong_reference, k, 1);
    }
    while (i > 0 || k > 0) {
        uint8_t how = i == 0 ? INSERTED : t->edit[i * t->width + k - band_of(t, i).from];
        if (how != INSERTED)
            t->wrong[i - 1] = how != SAME;
        if (how != DELETED) {
            t->aligned[k - 1] = (int32_t)i - 1;
            t->wrong_reference[k - 1] = how != SAME;
        }
        i -= how != INSERTED;
        k -= how != DELETED;
    }
}

/* ------------------------------------------------------------------ shifts */

static void add_slice(lm_ids *to, const lm_ids *from, size_t begin, size_t end)
{
    for (size_t i = begin; i < end && i < from->n; i++)
        lm_ids_add(to, from->at[i]);
}

/* The text with `n` words from `start` on before the word that stands at `target`, or, where that is among them, as far behind. */
static void shift(const lm_ids *text, size_t start, size_t n, size_t target, lm_ids *out)
{
    out->n = 0;
    if (target < start) {
        add_slice(out, text, 0, target);
        add_slice(out, text, start, start + n);
        add_slice(out, text, target, start);
        add_slice(out, text, start + n, text->n);
        return;
    }
    size_t behind = target > start + n ? target : target + n;
    add_slice(out, text, 0, start);
    add_slice(out, text, start + n, behind);
    add_slice(out, text, start, start + n);
    add_slice(out, text, behind, text->n);
}

typedef struct candidate {
    int32_t gain;
    size_t length, start, target;
} candidate;

/* The larger gain; then the longer run, the earlier one, the earlier place. */
static bool is_better(candidate a, candidate b)
{
    if (a.gain != b.gain)
        return a.gain > b.gain;
    if (a.length != b.length)
        return a.length > b.length;
    return a.start != b.start ? a.start < b.start : a.target < b.target;
}

static bool any(const uint8_t *wrong, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (wrong[i])
            return true;
    return false;
}

typedef struct search {
    candidate best;
    bool found;
    int32_t before; /* the distance without a shift */
    int checked;
} search;

/* Tries the places at which the run could stand beside the words that it matches in the reference. */
static void try_run(lm_ter *t, size_t start, size_t match, size_t n, search *s)
{
    int32_t aligned = t->aligned[match];
    if (!any(t->wrong + start, n) || !any(t->wrong_reference + match, n) ||
        (aligned >= (int32_t)start && aligned < (int32_t)(start + n)))
        return;
    size_t last = SIZE_MAX;
    for (size_t i = 0; i <= n; i++) {
        size_t target = match + i == 0 ? 0 : (size_t)(t->aligned[match + i - 1] + 1);
        if (target == last)
            continue;
        last = target;
        shift(&t->text, start, n, target, &t->trial);
        candidate c = {s->before - distance(t, &t->trial), n, start, target};
        s->checked++;
        if (s->found && !is_better(c, s->best))
            continue;
        s->found = true;
        s->best = c;
    }
}

/* The best shift of the text; false where so many have been looked at that Tercom stops. */
static bool find_shift(lm_ter *t, search *s)
{
    const lm_ids *own = &t->text, *reference = t->reference;
    s->found = false;
    s->before = distance(t, own);
    align(t);
    for (size_t i = 0; i < own->n; i++) {
        size_t from = i > MAX_DISTANCE ? i - MAX_DISTANCE : 0;
        for (size_t k = from; k < reference->n && k <= i + MAX_DISTANCE; k++) {
            for (size_t n = 0; n < MAX_SHIFT && i + n < own->n && k + n < reference->n && own->at[i + n] == reference->at[k + n]; n++) {
                try_run(t, i, k, n + 1, s);
                if (s->checked >= MAX_CANDIDATES)
                    return false;
            }
        }
    }
    return true;
}

static int64_t edits(lm_ter *t, const lm_ids *text, const lm_ids *reference)
{
    search s = {.checked = 0};
    int64_t shifts = 0;
    if (reference->n == 0)
        return (int64_t)text->n;
    t->reference = reference;
    copy(&t->text, text);
    begin_table(t);
    while (find_shift(t, &s) && s.found && s.best.gain > 0) {
        shift(&t->text, s.best.start, s.best.length, s.best.target, &t->trial);
        copy(&t->text, &t->trial);
        shifts++;
    }
    return shifts + distance(t, &t->text);
}

/* ------------------------------------------------------------------ the measure */

static void cut(lm_written_room *room, lm_str text, lm_ids *out)
{
    lm_buf lower = {0};
    lm_text_lower(text, &lower);
    out->n = 0;
    lm_cut_blanks(&room->cutter, lm_buf_str(&lower), out);
    lm_buf_free(&lower);
}

/* The fewest edits of any reference, and their mean length. */
LM_WRITTEN_COUNT(lm_count_ter)
{
    int64_t fewest = INT64_MAX, words = 0;
    if (!room->ter)
        room->ter = lm_calloc(1, sizeof *room->ter);
    lm_pairs_forget(&room->cutter.words);
    lm_written_lists(&room->references, &room->references_cap, 1);
    cut(room, row->text, &room->text);
    for (size_t i = 0; i < row->count; i++) {
        cut(room, row->references[i], room->references);
        int64_t n = edits(room->ter, &room->text, room->references);
        fewest = n < fewest ? n : fewest;
        words += (int64_t)room->references->n;
    }
    sums[0] = fewest;
    sums[1] = llround((double)words / (double)row->count * LM_WRITTEN_UNIT);
}

LM_WRITTEN_REPORT(lm_report_ter)
{
    double words = (double)sums[1] / LM_WRITTEN_UNIT;
    lm_report_add(r, k->name, words > 0 ? 100 * (double)sums[0] / words : sums[0] > 0 ? 100 : 0);
}

LM_WRITTEN_SIGN(lm_sign_ter)
{
    lm_buf_puts(out, "|case:lc|tok:tercom|norm:no|punct:yes|asian:no");
}
