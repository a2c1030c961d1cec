/* ROUGE (Lin 2004), as rouge-score computes it: the F1 of words, of pairs of words and of longest common subsequences, of the whole text
 * (L) and of its lines (Lsum), each against the reference that it is best for. */
#include "metrics/written/kinds.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

enum { LSUM = 3 };

static void cut(lm_written_room *room, const lm_written_options *o, lm_str text, lm_ids *out)
{
    out->n = 0;
    lm_cut_rouge(&room->cutter, (lm_rouge_tokens)o->rouge_tokens, o->stemmer, text, out);
}

/* F1, in units. */
static int64_t f1(int64_t both, int64_t own, int64_t reference)
{
    double precision = (double)both / (double)(own ? own : 1), recall = (double)both / (double)(reference ? reference : 1);
    return both ? llround(LM_WRITTEN_UNIT * 2 * precision * recall / (precision + recall)) : 0;
}

/* The lines of a text that are not empty, cut; returns how many. */
static size_t cut_lines(lm_written_room *room, const lm_written_options *o, lm_str text, lm_ids **lines, size_t *cap)
{
    size_t count = 0, line = 0;
    for (size_t i = 0; i < text.len; i++)
        count += text.data[i] == '\n';
    lm_written_lists(lines, cap, count + 1);
    while (text.len) {
        const char *lf = memchr(text.data, '\n', text.len);
        size_t n = lf ? (size_t)(lf - text.data) : text.len;
        cut(room, o, (lm_str){text.data, n}, &(*lines)[line++]);
        text = (lm_str){text.data + n, text.len - n};
        if (lf)
            text = (lm_str){text.data + 1, text.len - 1};
    }
    return line;
}

/* How often each word is in the lines. */
static void count_words(const lm_ids *lines, size_t count, int64_t *times)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < lines[i].n; k++)
            times[lines[i].at[k]]++;
}

/* The words of each line of the reference that are in its longest subsequence with any line of the text, no word more often than it
 * is in both. */
static int64_t union_of_subsequences(lm_written_room *room, const lm_ids *own, size_t n, const lm_ids *reference, size_t m)
{
    size_t words = room->cutter.words.count;
    int64_t both = 0, *own_times = lm_calloc(words + 1, sizeof *own_times), *times = lm_calloc(words + 1, sizeof *times);
    count_words(own, n, own_times);
    count_words(reference, m, times);
    for (size_t i = 0; i < m; i++) {
        uint8_t *marks = lm_calloc(reference[i].n + 1, 1);
        for (size_t k = 0; k < n; k++)
            lm_lcs_mark(room->lcs, &reference[i], &own[k], marks);
        for (size_t k = 0; k < reference[i].n; k++) {
            uint32_t word = reference[i].at[k];
            if (!marks[k] || !own_times[word] || !times[word])
                continue;
            own_times[word]--;
            times[word]--;
            both++;
        }
        free(marks);
    }
    free(own_times);
    free(times);
    return both;
}

static void keep_better(int64_t *best, int64_t value)
{
    *best = value > *best ? value : *best;
}

static bool has_text(lm_str s)
{
    return lm_text_trim(s, NULL, true, true).len > 0;
}

LM_WRITTEN_COUNT(lm_count_rouge)
{
    bool text = false, words = false;
    if (!room->lcs)
        room->lcs = lm_lcs_new();
    lm_pairs_forget(&room->cutter.words);
    lm_ids whole = {0}; /* of a reference */
    cut(room, o, row->text, &room->text);
    size_t n = cut_lines(room, o, row->text, &room->references, &room->references_cap);
    for (size_t i = 0; i < row->count; i++) {
        int64_t both[2], own = (int64_t)room->text.n;
        cut(room, o, row->references[i], &whole);
        int64_t theirs = (int64_t)whole.n;
        text = text || has_text(row->references[i]);
        words = words || whole.n;
        lm_grams_match(&room->grams, &room->text, &whole, 1, 2, both);
        for (int g = 0; g < 2; g++)
            keep_better(&sums[g], f1(both[g], lm_gram_count(room->text.n, g + 1), lm_gram_count(whole.n, g + 1)));
        keep_better(&sums[2], f1((int64_t)lm_lcs_length(room->lcs, &whole, &room->text), own, theirs));
        size_t m = cut_lines(room, o, row->references[i], &room->reference_words, &room->reference_words_cap);
        keep_better(&sums[LSUM], f1(union_of_subsequences(room, room->references, n, room->reference_words, m), own, theirs));
    }
    sums[LM_ROUGE_UNSEEN] = text && !words;
    free(whole.at);
}

LM_WRITTEN_REPORT(lm_report_rouge)
{
    static const char *const names[] = {"rouge1", "rouge2", "rougeL", "rougeLsum"};
    for (int i = 0; i <= LSUM; i++)
        lm_report_add(r, names[i], rows ? (double)sums[i] / LM_WRITTEN_UNIT / (double)rows : 0);
}

LM_WRITTEN_SIGN(lm_sign_rouge)
{
    lm_buf_printf(out, "|case:lc|tok:%s|stemmer:%s|mean:f1", lm_rouge_token_names[o->rouge_tokens], o->stemmer ? "porter" : "no");
}
