/* chrF (Popovic 2015) and chrF++ (2017), as sacreBLEU computes them: F2 of the mean precision and recall of runs of 1 to 6 characters,
 * and of 1 and 2 words. */
#include "metrics/written/kinds.h"

#include <math.h>

enum { CHARACTERS = 6, BETA = 2 };

static int orders_of(const lm_written_kind *k)
{
    return CHARACTERS + k->word_order;
}

/* sums: of each order the runs of the text, of the reference, and of both. */
static double f_score(const lm_written_kind *k, const int64_t *sums)
{
    double precision = 0, recall = 0;
    int orders = 0;
    for (int i = 0; i < orders_of(k); i++) {
        double own = (double)sums[3 * i], reference = (double)sums[3 * i + 1], both = (double)sums[3 * i + 2];
        if (own == 0 || reference == 0)
            continue;
        precision += both / own;
        recall += both / reference;
        orders++;
    }
    double below = BETA * BETA * precision + recall;
    return below > 0 ? 100 * (1 + BETA * BETA) * precision * recall / below / orders : 0;
}

static void cut(lm_written_room *room, const lm_written_options *o, lm_str text, lm_ids *characters, lm_ids *words)
{
    lm_buf lower = {0};
    if (o->lowercase) {
        lm_text_lower(text, &lower);
        text = lm_buf_str(&lower);
    }
    characters->n = words->n = 0;
    lm_cut_chrf(&room->cutter, text, characters, words);
    lm_buf_free(&lower);
}

static void count_runs(lm_written_room *room, const lm_ids *text, const lm_ids *reference, int orders, int64_t *sums)
{
    int64_t both[CHARACTERS];
    lm_grams_match(&room->grams, text, reference, 1, orders, both);
    for (int i = 0; i < orders; i++) {
        int64_t theirs = lm_gram_count(reference->n, i + 1);
        sums[3 * i] = theirs ? lm_gram_count(text->n, i + 1) : 0;
        sums[3 * i + 1] = theirs;
        sums[3 * i + 2] = both[i];
    }
}

/* Of the references the one that the text is nearest to. */
LM_WRITTEN_COUNT(lm_count_chrf)
{
    lm_pairs_forget(&room->cutter.words);
    lm_written_lists(&room->references, &room->references_cap, 1);
    lm_written_lists(&room->reference_words, &room->reference_words_cap, 1);
    cut(room, o, row->text, &room->text, &room->text_words);
    double best = -1;
    for (size_t i = 0; i < row->count; i++) {
        int64_t these[LM_WRITTEN_SUMS];
        cut(room, o, row->references[i], room->references, room->reference_words);
        count_runs(room, &room->text, room->references, CHARACTERS, these);
        count_runs(room, &room->text_words, room->reference_words, k->word_order, these + 3 * CHARACTERS);
        double f = f_score(k, these);
        if (f <= best)
            continue;
        best = f;
        memcpy(sums, these, (size_t)k->sums * sizeof *sums);
    }
}

LM_WRITTEN_REPORT(lm_report_chrf)
{
    lm_report_add(r, k->name, f_score(k, sums));
}

LM_WRITTEN_SIGN(lm_sign_chrf)
{
    lm_buf_printf(out, "|case:%s|eff:yes|nc:%d|nw:%d|space:no", o->lowercase ? "lc" : "mixed", CHARACTERS, k->word_order);
}
