#include "augment/contextual/masked_rows.h"
#include "augment/contextual/contextual.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

/* Tokens of a batch, and masks whose logits over the vocabulary exist at once. */
enum { BATCH_TOKENS = 4096, LOGIT_ROWS = 64 };

/* A growing column of numbers. */
typedef struct column {
    int32_t *at;
    size_t count, cap;
} column;

struct lm_masked_rows {
    lm_model *model;
    lm_graph *graph;
    const lm_whole_words *words;
    int top_k;
    column splits, ids, types, positions; /* of the rows that wait */
    column masked;                        /* places of masks among the tokens */
    int64_t *asked;                       /* which masks they are */
    size_t asked_cap;
};

static void push(column *c, int32_t value)
{
    LM_GROW(c->at, c->count, c->cap);
    c->at[c->count++] = value;
}

lm_masked_rows *lm_masked_rows_new(lm_model *model, const lm_whole_words *words, int top_k)
{
    lm_masked_rows *m = lm_calloc(1, sizeof *m);
    m->model = model;
    m->graph = lm_graph_new(model->params);
    m->words = words;
    m->top_k = top_k;
    return m;
}

void lm_masked_rows_free(lm_masked_rows *m)
{
    if (!m)
        return;
    lm_graph_free(m->graph);
    free(m->splits.at);
    free(m->ids.at);
    free(m->types.at);
    free(m->positions.at);
    free(m->masked.at);
    free(m->asked);
    free(m);
}

/* ------------------------------------------------------------------ which word */

static bool is_fit(const lm_mask *mask, const lm_whole_words *words, int id)
{
    return words->words[id].data && lm_begins_with_syllable(words->words[id]) == mask->syllable &&
           !lm_str_equal(words->lower[id], mask->not_this);
}

/* The top_k likeliest that are fit, in the order of their ids: so that a difference in the last bit of a logit changes nothing but
 * where the last place is at stake. Returns how many there are. */
static int find_likeliest(const lm_mask *mask, const lm_whole_words *words, const float *logits, int columns, int top_k,
                          int32_t *best)
{
    int count = 0, least = 0; /* place of the least likely */
    for (int id = 0; id < words->size && id < columns; id++) {
        if ((count == top_k && !(logits[id] > logits[best[least]])) || !is_fit(mask, words, id))
            continue;
        if (count < top_k) {
            best[count++] = id;
        } else {
            memmove(best + least, best + least + 1, (size_t)(count - 1 - least) * sizeof *best);
            best[count - 1] = id;
        }
        least = 0;
        for (int i = 1; count == top_k && i < count; i++)
            if (logits[best[i]] < logits[best[least]])
                least = i;
    }
    return count;
}

int32_t lm_mask_draw(const lm_mask *mask, const lm_whole_words *words, const float *logits, int columns, int top_k)
{
    int32_t best[LM_TOP_K_MAX];
    int count = find_likeliest(mask, words, logits, columns, top_k, best);
    float most = -INFINITY;
    double sum = 0, so_far = 0;
    for (int i = 0; i < count; i++)
        most = logits[best[i]] > most ? logits[best[i]] : most;
    for (int i = 0; i < count; i++)
        sum += exp((double)logits[best[i]] - most);
    for (int i = 0; i < count; i++) {
        so_far += exp((double)logits[best[i]] - most) / sum;
        if (mask->unit < so_far)
            return best[i];
    }
    return count ? best[count - 1] : -1;
}

/* ------------------------------------------------------------------ rows */

void lm_masked_rows_begin(lm_masked_rows *m)
{
    if (!m->splits.count)
        push(&m->splits, 0);
}

void lm_masked_rows_add(lm_masked_rows *m, int32_t id, int32_t type, int64_t mask)
{
    if (mask >= 0) {
        LM_GROW(m->asked, m->masked.count, m->asked_cap);
        m->asked[m->masked.count] = mask;
        push(&m->masked, (int32_t)m->ids.count);
    }
    push(&m->positions, (int32_t)m->ids.count - m->splits.at[m->splits.count - 1]);
    push(&m->ids, id);
    push(&m->types, type);
}

/* The logits of masks [from, from + n), and what is drawn from them. */
static void answer(lm_masked_rows *m, lm_tensor *hidden, size_t from, int n, lm_mask *masks)
{
    lm_arena_mark mark = lm_graph_scope_open(m->graph);
    lm_tensor *t = lm_model_token_logits(m->model, m->graph, hidden, m->masked.at + from, n);
    const float *logits = lm_tensor_read(m->graph, t);
    for (int i = 0; i < n && t->rows == n; i++) { /* else a failure stands on the graph */
        lm_mask *mask = &masks[m->asked[from + (size_t)i]];
        mask->token = lm_mask_draw(mask, m->words, logits + (size_t)i * (size_t)t->width, t->width, m->top_k);
    }
    lm_arena_release(lm_graph_arena(m->graph), mark);
}

bool lm_masked_rows_finish(lm_masked_rows *m, lm_mask *masks, lm_status *st)
{
    if (m->splits.count < 2)
        return true;
    lm_batch batch = {.rows = (int)m->splits.count - 1,
                      .tokens = (int)m->ids.count,
                      .row_splits = m->splits.at,
                      .ids = m->ids.at,
                      .types = m->types.at,
                      .positions = m->positions.at};
    bool good = lm_model_check_batch(m->model, &batch, st);
    if (good) {
        lm_graph_begin(m->graph, &batch, (lm_step){0});
        lm_outputs out = lm_model_forward(m->model, m->graph, &batch, &(lm_select){.hidden = true});
        for (size_t from = 0; from < m->masked.count; from += LOGIT_ROWS) {
            size_t n = m->masked.count - from < LOGIT_ROWS ? m->masked.count - from : LOGIT_ROWS;
            answer(m, out.hidden, from, (int)n, masks);
        }
        good = lm_graph_end(m->graph, st);
    }
    m->splits.count = m->ids.count = m->types.count = m->positions.count = m->masked.count = 0;
    return good;
}

bool lm_masked_rows_end(lm_masked_rows *m, lm_mask *masks, lm_status *st)
{
    push(&m->splits, (int32_t)m->ids.count);
    return m->ids.count < BATCH_TOKENS || lm_masked_rows_finish(m, masks, st);
}
