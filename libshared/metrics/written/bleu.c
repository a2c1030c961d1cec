/* BLEU (Papineni et al. 2002), as sacreBLEU computes it (Post 2018). */
#include "metrics/written/kinds.h"

#include <math.h>

enum { ORDER = 4, OWN_LENGTH = 0, REFERENCE_LENGTH = 1, MATCHES = 2, TOTALS = MATCHES + ORDER };

const char *const lm_bleu_smooth_names[] = {"exp", "floor", "add-k", "none", NULL};

static void cut(lm_written_room *room, const lm_written_options *o, lm_str text, lm_ids *out)
{
    lm_buf lower = {0};
    if (o->lowercase) {
        lm_text_lower(text, &lower);
        text = lm_buf_str(&lower);
    }
    out->n = 0;
    lm_cut_bleu(&room->cutter, (lm_bleu_tokens)o->bleu_tokens, text, out);
    lm_buf_free(&lower);
}

static size_t distance(size_t a, size_t b)
{
    return a > b ? a - b : b - a;
}

LM_WRITTEN_COUNT(lm_count_bleu)
{
    lm_pairs_forget(&room->cutter.words);
    lm_written_lists(&room->references, &room->references_cap, row->count);
    cut(room, o, row->text, &room->text);
    size_t n = room->text.n, nearest = 0;
    for (size_t i = 0; i < row->count; i++) {
        cut(room, o, row->references[i], &room->references[i]);
        size_t m = room->references[i].n; /* the nearest length; of two as near the shorter */
        if (i == 0 || distance(m, n) < distance(nearest, n) || (distance(m, n) == distance(nearest, n) && m < nearest))
            nearest = m;
    }
    sums[OWN_LENGTH] = (int64_t)n;
    sums[REFERENCE_LENGTH] = (int64_t)nearest;
    lm_grams_match(&room->grams, &room->text, room->references, row->count, ORDER, sums + MATCHES);
    for (int i = 0; i < ORDER; i++)
        sums[TOTALS + i] = lm_gram_count(n, i + 1);
}

static double value_of(const lm_written_options *o)
{
    if (o->smooth_value >= 0)
        return o->smooth_value;
    return o->smooth == LM_SMOOTH_FLOOR ? 0.1 : 1;
}

/* The precision of runs of n; *halves is what smoothing has come to, from 1. */
static double precision(const lm_written_options *o, const int64_t *sums, int n, double *halves)
{
    double value = value_of(o), add = o->smooth == LM_SMOOTH_ADD_K && n > 1 ? value : 0;
    double matches = (double)sums[MATCHES + n - 1] + add, total = (double)sums[TOTALS + n - 1] + add;
    if (total == 0)
        return NAN; /* there are no such runs, nor longer ones */
    if (matches > 0)
        return matches / total;
    if (o->smooth == LM_SMOOTH_EXP)
        return 1 / ((*halves *= 2) * total);
    return o->smooth == LM_SMOOTH_FLOOR ? value / total : 0;
}

static double bleu(const lm_written_options *o, const int64_t *sums, double brevity, bool alone)
{
    double logs = 0, halves = 1;
    int order = ORDER;
    bool any = false, zero = false;
    for (int n = 1; n <= ORDER; n++)
        any = any || sums[MATCHES + n - 1];
    for (int n = 1; n <= ORDER; n++) {
        double p = precision(o, sums, n, &halves);
        if (isnan(p)) {
            order = alone ? n - 1 : ORDER;
            zero = zero || !alone;
            break;
        }
        zero = zero || p == 0;
        logs += zero ? 0 : log(p);
    }
    return any && !zero ? 100 * brevity * exp(logs / order) : 0;
}

LM_WRITTEN_REPORT(lm_report_bleu)
{
    double own = (double)sums[OWN_LENGTH], reference = (double)sums[REFERENCE_LENGTH], brevity = 1;
    if (own < reference)
        brevity = own > 0 ? exp(1 - reference / own) : 0;
    lm_report_add(r, k->name, bleu(o, sums, brevity, alone));
    if (alone)
        return;
    lm_report_add(r, "bleu_bp", brevity);
    lm_report_add(r, "bleu_ratio", reference > 0 ? own / reference : 0);
}

LM_WRITTEN_SIGN(lm_sign_bleu)
{
    lm_buf_printf(out, "|case:%s|eff:no|tok:%s|smooth:%s", o->lowercase ? "lc" : "mixed", lm_bleu_token_names[o->bleu_tokens],
                  lm_bleu_smooth_names[o->smooth]);
    if (o->smooth == LM_SMOOTH_FLOOR || o->smooth == LM_SMOOTH_ADD_K)
        lm_buf_printf(out, "[%.2f]", value_of(o));
}
