#include "metrics/written/written.h"
#include "config.h"

#include "base/memory.h"
#include "base/threads.h"
#include "metrics/metrics.h"
#include "metrics/written/kinds.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <xxhash.h>

/* ------------------------------------------------------------------ exact matches and answers */

static LM_WRITTEN_COUNT(count_exact)
{
    lm_str text = lm_text_trim(row->text, NULL, true, true);
    for (size_t i = 0; i < row->count; i++)
        sums[0] |= lm_str_equal(text, lm_text_trim(row->references[i], NULL, true, true));
}

static LM_WRITTEN_REPORT(report_exact)
{
    lm_report_add(r, k->name, lm_ratio((double)sums[0], (double)rows));
}

static LM_WRITTEN_COUNT(count_answer)
{
    double exact = 0, f1 = 0;
    lm_answer_compare(o->answers, row->text, row->references, row->count, &exact, &f1);
    sums[0] = exact > 0;
    sums[1] = llround(f1 * LM_WRITTEN_UNIT);
}

static LM_WRITTEN_REPORT(report_answer)
{
    char name[40];
    snprintf(name, sizeof name, "%s_exact_match", lm_answer_style_names[o->answers]);
    lm_report_add(r, name, lm_ratio((double)sums[0], (double)rows));
    snprintf(name, sizeof name, "%s_f1", lm_answer_style_names[o->answers]);
    lm_report_add(r, name, lm_ratio((double)sums[1] / LM_WRITTEN_UNIT, (double)rows));
}

/* ------------------------------------------------------------------ the table */

enum { KINDS = 7, USUAL = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 6, ROUGE = 6 };

static const lm_written_kind kinds[KINDS] = {
    {"exact_match", 1, 0, count_exact, report_exact, NULL},
    {"answers", 2, 0, count_answer, report_answer, NULL},
    {"bleu", 10, 0, lm_count_bleu, lm_report_bleu, lm_sign_bleu},
    {"chrf", 18, 0, lm_count_chrf, lm_report_chrf, lm_sign_chrf},
    {"chrf++", 24, 2, lm_count_chrf, lm_report_chrf, lm_sign_chrf},
    {"ter", 2, 0, lm_count_ter, lm_report_ter, lm_sign_ter},
    {"rouge", LM_ROUGE_SUMS, 0, lm_count_rouge, lm_report_rouge, lm_sign_rouge},
};

const char *const lm_written_names[] = {"exact_match", "answers", "bleu", "chrf", "chrf++", "ter", "rouge", NULL};

bool lm_written_choose(lm_written_options *o, const char *names, lm_status *st)
{
    for (const char *p = names, *end; *p; p = end + (*end == ',')) {
        end = strchrnul(p, ',');
        lm_str name = {p, (size_t)(end - p)};
        unsigned found = lm_str_is(name, "all") ? (1u << KINDS) - 1 : 0;
        for (int i = 0; i < KINDS; i++)
            found |= lm_str_is(name, kinds[i].name) ? 1u << i : 0;
        if (!found)
            return lm_fail(st, LM_USAGE,
                           "--metrics %s: \"%.*s\" is none of them: there are exact_match, answers, bleu, chrf, chrf++, ter, rouge and all",
                           names, (int)name.len, name.data);
        o->measures |= found;
    }
    return true;
}

/* ------------------------------------------------------------------ rows */

struct lm_written {
    lm_written_options o;
    size_t rows, cap;
    int width;     /* numbers of a row: those of all measures, one after the other */
    int64_t *sums; /* [rows, width] */
    uint64_t digest;
    size_t fewest, most; /* references of a row */
};

lm_written *lm_written_new(const lm_written_options *o)
{
    lm_written *w = lm_calloc(1, sizeof *w);
    w->o = *o;
    if (!w->o.measures)
        w->o.measures = USUAL;
    for (int i = 0; i < KINDS; i++)
        w->width += w->o.measures >> i & 1 ? kinds[i].sums : 0;
    return w;
}

void lm_written_free(lm_written *w)
{
    if (!w)
        return;
    free(w->sums);
    free(w);
}

static void free_lists(lm_ids *lists, size_t cap)
{
    for (size_t i = 0; i < cap; i++)
        free(lists[i].at);
    free(lists);
}

static void free_room(lm_written_room *room)
{
    lm_cutter_free(&room->cutter);
    lm_grams_free(&room->grams);
    free(room->text.at);
    free(room->text_words.at);
    free_lists(room->references, room->references_cap);
    free_lists(room->reference_words, room->reference_words_cap);
    lm_ter_free(room->ter);
    lm_lcs_free(room->lcs);
}

void lm_written_lists(lm_ids **lists, size_t *cap, size_t count)
{
    if (count > *cap) {
        *lists = lm_realloc(*lists, count, sizeof **lists);
        memset(*lists + *cap, 0, (count - *cap) * sizeof **lists);
        *cap = count;
    }
    for (size_t i = 0; i < count; i++)
        (*lists)[i].n = 0;
}

static uint64_t digest_of(const lm_written_row *row)
{
    uint64_t digest = row->count;
    for (size_t i = 0; i < row->count; i++)
        digest = XXH3_64bits_withSeed(row->references[i].data, row->references[i].len, digest);
    return digest;
}

void lm_written_add(lm_written *w, const lm_written_row *rows, size_t n)
{
    while (w->rows + n > w->cap) {
        w->cap = w->cap ? 2 * w->cap : 1024;
        w->sums = lm_realloc(w->sums, w->cap * (size_t)w->width, sizeof *w->sums);
    }
    int64_t *sums = w->sums + w->rows * (size_t)w->width;
    memset(sums, 0, n * (size_t)w->width * sizeof *sums);
#pragma omp parallel num_threads(lm_threads())
    {
        lm_written_room room = {0};
#pragma omp for schedule(dynamic, 8)
        for (size_t i = 0; i < n; i++) {
            int64_t *to = sums + i * (size_t)w->width;
            for (int k = 0; k < KINDS; k++) {
                if (!(w->o.measures >> k & 1))
                    continue;
                kinds[k].count(&room, &kinds[k], &w->o, &rows[i], to);
                to += kinds[k].sums;
            }
        }
        free_room(&room);
    }
    for (size_t i = 0; i < n; i++) {
        w->digest += digest_of(&rows[i]);
        w->fewest = w->rows + i == 0 || rows[i].count < w->fewest ? rows[i].count : w->fewest;
        w->most = rows[i].count > w->most ? rows[i].count : w->most;
    }
    w->rows += n;
}

size_t lm_written_rows(const lm_written *w)
{
    return w->rows;
}

uint64_t lm_written_digest(const lm_written *w)
{
    return w->digest;
}

/* ------------------------------------------------------------------ what comes of them */

static void report(const lm_written *w, const int64_t *sums, uint64_t rows, bool alone, lm_report *r)
{
    for (int k = 0; k < KINDS; k++) {
        if (!(w->o.measures >> k & 1))
            continue;
        kinds[k].report(&kinds[k], &w->o, sums, rows, alone, r);
        sums += kinds[k].sums;
    }
}

static int64_t *total(const lm_written *w, const uint32_t *times)
{
    int64_t *sums = lm_calloc((size_t)w->width + 1, sizeof *sums);
    for (size_t i = 0; i < w->rows; i++) {
        int64_t n = (int64_t)lm_times(times, i);
        for (int k = 0; k < w->width && n; k++)
            sums[k] += n * w->sums[i * (size_t)w->width + (size_t)k];
    }
    return sums;
}

void lm_written_measure(const lm_written *w, const uint32_t *times, lm_report *r)
{
    int64_t *sums = total(w, times);
    report(w, sums, lm_times_total(times, w->rows), false, r);
    free(sums);
}

void lm_written_print_row(const lm_written *w, size_t row, lm_buf *out)
{
    lm_report *r = lm_report_new();
    double value;
    report(w, w->sums + row * (size_t)w->width, 1, true, r);
    for (size_t i = 0; lm_report_at(r, i, &value); i++)
        lm_buf_printf(out, "%s%.6f", i ? "\t" : "", value);
    lm_report_free(r);
}

void lm_written_signatures(const lm_written *w, const char *bootstrap, lm_report *r)
{
    for (int k = 0; k < KINDS; k++) {
        lm_buf s = {0};
        if (!(w->o.measures >> k & 1) || !kinds[k].sign)
            continue;
        if (w->fewest == w->most)
            lm_buf_printf(&s, "nrefs:%zu", w->most);
        else
            lm_buf_puts(&s, "nrefs:var");
        lm_buf_printf(&s, "%s%s", *bootstrap ? "|" : "", bootstrap);
        kinds[k].sign(&kinds[k], &w->o, &s);
        lm_buf_printf(&s, "|version:lmutils-%s", PACKAGE_VERSION);
        char *name = lm_format("%s_signature", kinds[k].name);
        lm_report_text(r, name, lm_buf_cstr(&s));
        free(name);
        lm_buf_free(&s);
    }
}

size_t lm_written_unseen(const lm_written *w)
{
    size_t before = 0, rows = 0;
    if (!(w->o.measures >> ROUGE & 1))
        return 0;
    for (int k = 0; k < ROUGE; k++)
        before += w->o.measures >> k & 1 ? (size_t)kinds[k].sums : 0;
    for (size_t i = 0; i < w->rows; i++)
        rows += w->sums[i * (size_t)w->width + before + LM_ROUGE_UNSEEN] != 0;
    return rows;
}
