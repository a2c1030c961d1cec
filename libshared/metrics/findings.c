#include "metrics/findings.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

lm_findings *lm_findings_new(int most)
{
    lm_findings *f = lm_calloc(1, sizeof *f);
    f->most = most;
    f->mistakes = lm_calloc((size_t)most, sizeof *f->mistakes);
    return f;
}

static void drop(lm_mistake *m)
{
    free(m->id);
    free(m->truth);
    free(m->prediction);
    free(m->text);
    free(m->pair);
}

void lm_findings_free(lm_findings *f)
{
    if (!f)
        return;
    for (int i = 0; i < f->count; i++)
        drop(&f->mistakes[i]);
    free(f->mistakes);
    free(f);
}

/* ------------------------------------------------------------------ the worst */

/* Of equals the later one is milder, so that what is kept does not depend on luck. */
static bool milder(const lm_mistake *a, const lm_mistake *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->number > b->number;
}

static void swap(lm_mistake *a, lm_mistake *b)
{
    lm_mistake other = *a;
    *a = *b;
    *b = other;
}

static void sift_down(lm_mistake *heap, int n)
{
    for (int at = 0, child; (child = 2 * at + 1) < n; at = child) {
        child += child + 1 < n && milder(&heap[child + 1], &heap[child]);
        if (!milder(&heap[child], &heap[at]))
            return;
        swap(&heap[at], &heap[child]);
    }
}

/* Takes the mistake over, or drops it. */
static void keep(lm_findings *f, lm_mistake *m)
{
    lm_mistake *heap = f->mistakes;
    if (f->count == f->most) {
        bool worse = milder(&heap[0], m);
        drop(worse ? &heap[0] : m);
        if (worse) {
            heap[0] = *m;
            sift_down(heap, f->count);
        }
        return;
    }
    int at = f->count++;
    heap[at] = *m;
    for (; at > 0 && milder(&heap[at], &heap[(at - 1) / 2]); at = (at - 1) / 2)
        swap(&heap[at], &heap[(at - 1) / 2]);
}

void lm_findings_sort(lm_findings *f)
{
    for (int last = f->count - 1; last > 0; last--) { /* the mildest goes to the end */
        swap(&f->mistakes[0], &f->mistakes[last]);
        sift_down(f->mistakes, last);
    }
}

/* ------------------------------------------------------------------ rows */

static char *line_of(lm_buf *b)
{
    char *s = lm_strndup(b->data ? b->data : "", b->len);
    b->len = 0;
    return s;
}

static char *id_of(const json_t *ids, int64_t i)
{
    const json_t *id = json_array_get(ids, (size_t)i);
    if (!id)
        return NULL;
    if (!json_is_string(id))
        return json_dumps(id, JSON_ENCODE_ANY);
    lm_buf line = {0};
    lm_word_line((lm_str){json_string_value(id), json_string_length(id)}, &line);
    char *s = line_of(&line);
    lm_buf_free(&line);
    return s;
}

static void count_confidence(lm_findings *f, double p, bool right)
{
    int bin = (int)(p * LM_CALIBRATION_BINS);
    bin = bin < 0 ? 0 : bin >= LM_CALIBRATION_BINS ? LM_CALIBRATION_BINS - 1 : bin;
    f->predictions[bin]++;
    f->right[bin] += right;
    f->confidence[bin] += p;
}

void lm_findings_add(lm_findings *f, const lm_wording *w, const json_t *ids, const lm_tokens_row *rows,
                     const lm_row_outputs *out, uint64_t first)
{
    lm_buf truth = {0}, prediction = {0}, text = {0}, pair = {0};
    bool classes = out->kind == LM_MEASURE_CLASSES;
    bool predicted = out->classes || out->chosen || out->values || out->spans;
    lm_place p = {.row = rows};
    for (; predicted && out->loss && p.at < out->rows; lm_place_next(&p, out->kind)) {
        lm_mistake m = {.rank = out->loss[p.at],
                        .loss = out->loss[p.at],
                        .probability = NAN,
                        .number = first + (uint64_t)p.at};
        if (isnan(m.loss)) /* no label */
            continue;
        if (classes)
            m.rank = m.probability = out->probs[p.at * out->columns + out->classes[p.at]];
        truth.len = prediction.len = 0;
        lm_word_truth(w, out->kind, p.row, &truth);
        lm_word_prediction(w, out, &p, &prediction);
        bool right = lm_str_equal(lm_buf_str(&truth), lm_buf_str(&prediction));
        if (classes)
            count_confidence(f, m.probability, right);
        if (right || (f->count == f->most && !milder(&f->mistakes[0], &m)))
            continue;
        lm_word_text(w, p.row, &text, &pair);
        m.id = id_of(ids, p.at);
        m.truth = line_of(&truth);
        m.prediction = line_of(&prediction);
        m.text = line_of(&text);
        m.pair = line_of(&pair);
        keep(f, &m);
    }
    lm_buf_free(&truth);
    lm_buf_free(&prediction);
    lm_buf_free(&text);
    lm_buf_free(&pair);
}
