/* The sum of what stands for a token and for the n-grams that end with it. */
#include "graph/tape.h"

#include <string.h>

struct lm_ngrams_node {
    int longest;
    int32_t *index; /* [tokens, longest]: the rows that a token adds up; -1 = none */
    float *scale;   /* [tokens] */
};

/* Numbers of n-grams: h = (h xor (id + 1)) K, folded, for each id in turn; then as many as there are buckets. */
static uint64_t extend(uint64_t h, int32_t id)
{
    h = (h ^ ((uint64_t)(uint32_t)id + 1)) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 32;
}

static int32_t bucket_of(uint64_t h, int buckets)
{
    return (int32_t)((uint64_t)(uint32_t)h * (uint64_t)buckets >> 32);
}

static void find_rows(const struct lm_ngrams_node *s, const lm_batch *batch, int words, int buckets)
{
    for (int r = 0; r < batch->rows; r++) {
        int from = batch->row_splits[r], to = batch->row_splits[r + 1];
        int64_t all = 0;
        for (int t = from; t < to; t++) {
            int32_t *index = s->index + (size_t)t * (size_t)s->longest;
            index[0] = batch->ids[t];
            for (int n = 2; n <= s->longest; n++) {
                uint64_t h = 0;
                bool there = t - from + 1 >= n;
                for (int i = t - n + 1; there && i <= t; i++)
                    h = extend(h, batch->ids[i]);
                index[n - 1] = there ? words + bucket_of(h, buckets) : -1;
            }
            all += t - from + 1 < s->longest ? t - from + 1 : s->longest;
        }
        for (int t = from; t < to; t++)
            s->scale[t] = (float)((double)(to - from) / (double)all);
    }
}

lm_tensor *lm_ngrams(lm_graph *g, lm_scope scope, const lm_batch *batch, int longest, int buckets)
{
    lm_param *table = lm_graph_ok(g) ? lm_graph_table(g, scope, "weight") : NULL;
    if (!table)
        return g->nothing;
    int64_t rows = table->shape.dims == 2 ? table->shape.size[0] : 0, words = rows - buckets;
    if (longest < 1 || buckets < (longest > 1) || words < 1 || rows > INT32_MAX || table->shape.size[1] > INT32_MAX ||
        (int64_t)batch->tokens * longest > INT32_MAX)
        return lm_graph_fail(g, table->name,
                             "%lld rows are no table of words and %d buckets for n-grams of up to %d words: check the plugin "
                             "against config.json",
                             (long long)rows, buckets, longest);
    if (!lm_ids_fit(g, scope, batch->ids, batch->tokens, words))
        return g->nothing;
    struct lm_ngrams_node *s = lm_graph_alloc(g, 1, sizeof *s);
    s->longest = longest;
    s->index = lm_graph_alloc(g, (size_t)batch->tokens * (size_t)longest, sizeof *s->index);
    s->scale = lm_graph_alloc(g, (size_t)batch->tokens, sizeof *s->scale);
    find_rows(s, batch, (int)words, buckets);
    lm_node *n = lm_node_new(g, LM_OP_NGRAMS, batch->tokens, (int)table->shape.size[1], lm_layout_of(g, batch), NULL, NULL,
                             NULL);
    n->weight = table;
    n->ngrams = s;
    return lm_node_run(g, n);
}

void lm_ngrams_op_forward(lm_graph *g, lm_node *n)
{
    const struct lm_ngrams_node *s = n->ngrams;
    (void)g;
    lm_gather_sums_forward(n->weight->value, s->index, s->longest, s->scale, n->out->value, n->out->rows, n->out->width);
}

void lm_ngrams_op_backward(lm_graph *g, lm_node *n)
{
    const struct lm_ngrams_node *s = n->ngrams;
    lm_row_grad *rows = n->weight->row_grad;
    int tokens = n->out->rows, width = n->out->width;
    if (!rows) {
        lm_gather_sums_backward(n->weight->grad, s->index, s->longest, s->scale, n->out->grad, tokens, width);
        return;
    }
    lm_arena_mark mark = lm_arena_mark_get(g->arena);
    int32_t *place = lm_graph_alloc(g, (size_t)tokens * (size_t)s->longest, sizeof *place);
    if (lm_row_grad_take(rows, s->index, tokens * s->longest, -1, place, n->weight->name, &g->status))
        lm_gather_sums_backward(rows->value, place, s->longest, s->scale, n->out->grad, tokens, width);
    lm_arena_release(g->arena, mark);
}
