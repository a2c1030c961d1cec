/* Layers of a student that learn from layers of the teacher: hidden states, and how attention relates tokens. */
#include "train/teaching/internal.h"
#include "train/run_internal.h"

#include "base/memory.h"
#include "graph/distillation.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUERIES, KEYS, VALUES, PARTS, MOST_PAIRS = PARTS * PARTS };
static const char letters[] = "qkv";

/* What the teacher has said, copied out of its graph, whose values live for one block. */
typedef struct copy {
    float *at;
    size_t room;
    int width; /* 0 = it has said nothing */
} copy;

typedef struct pair {
    int mine, theirs;       /* layers, from 0 */
    lm_tensor *hidden;      /* the student's; NULL = it was not run, or nothing below is trained */
    lm_attended attended;   /* the student's; q NULL in the same way */
    bool attends;           /* the student has attention there */
    copy their_hidden, their_part[PARTS];
    lm_attended their_attended; /* its numbers alone */
} pair;

struct lm_taps {
    lm_teaching *t;
    int layers, their_layers;
    pair *pair;
    int count;
    int relation[MOST_PAIRS][2], relations;
    lm_tensor *embedding;
    copy their_embedding;
    float *by_row, *by_token; /* shares of the means */
    int row_cap, token_cap;
};

/* ------------------------------------------------------------------ which layers, which relations */

static void add_pair(lm_taps *taps, int mine, int theirs)
{
    taps->pair = lm_realloc(taps->pair, (size_t)taps->count + 1, sizeof *taps->pair);
    taps->pair[taps->count++] = (pair){.mine = mine, .theirs = theirs};
}

/* "0:1,1:3" */
static bool read_pairs(lm_taps *taps, const char *map)
{
    for (const char *at = map;; at++) {
        int mine, theirs, length = 0;
        if (sscanf(at, "%6d:%6d%n", &mine, &theirs, &length) != 2 || (at[length] && at[length] != ',') || mine < 0 ||
            mine >= taps->layers || theirs < 0 || theirs >= taps->their_layers)
            return false;
        add_pair(taps, mine, theirs);
        at += length;
        if (!*at)
            return true;
    }
}

static bool choose_layers(lm_taps *taps, const char *map, lm_status *st)
{
    int n = taps->layers, all = taps->their_layers;
    bool last = strcmp(map, "last") == 0, inner = strcmp(map, "inner") == 0, uniform = strcmp(map, "uniform") == 0;
    if (!last && !inner && !uniform)
        return read_pairs(taps, map) ||
               lm_fail(st, LM_USAGE, "--layer-map %s: give uniform, inner, last, or pairs such as 0:1,1:3: a layer of the student, 0 to "
                       "%d, and one of the teacher, 0 to %d", map, n - 1, all - 1);
    if (n > all || n < 1 + inner)
        return lm_fail(st, LM_USAGE, "--layer-map %s: the student has %d layers, and the teacher %d: name pairs of them, such as 0:1,1:3",
                       map, n, all);
    if (last)
        add_pair(taps, n - 1, all - 1);
    for (int i = 0; !last && i < n - inner; i++)
        add_pair(taps, i, (int)((int64_t)(i + 1) * all / n) - 1);
    return true;
}

static bool choose_relations(lm_taps *taps, const char *list, lm_status *st)
{
    for (const char *at = list;; at++) {
        const char *a = *at ? strchr(letters, at[0]) : NULL, *b = a && at[1] ? strchr(letters, at[1]) : NULL;
        if (!b || (at[2] && at[2] != ',') || taps->relations == MOST_PAIRS)
            return lm_fail(st, LM_USAGE, "--relations %s: give pairs of q, k and v with commas between, such as qk,vv", list);
        taps->relation[taps->relations][0] = (int)(a - letters);
        taps->relation[taps->relations++][1] = (int)(b - letters);
        at += 2;
        if (!*at)
            return true;
    }
}

/* ------------------------------------------------------------------ the projection */

/* From the student's width to the teacher's, for all layers (Jiao et al.'s fit_dense). */
static lm_scope projection(void)
{
    return (lm_scope){"teaching.projection"};
}

static bool project(lm_taps *taps, lm_run *r, lm_status *st)
{
    lm_model *m = r->model;
    const lm_recipe *how = &taps->t->how;
    int mine = m->arch.width, theirs = taps->t->model->arch.width;
    if (mine == theirs || (how->hidden <= 0 && how->embedding <= 0))
        return true;
    if (how->first_token)
        return lm_fail(st, LM_USAGE, "--hidden-loss first: hidden states of %d and %d numbers have no angle: compare --hidden-loss all",
                       mine, theirs);
    m->adapter_from = lm_params_count(m->params);
    lm_declare *d = lm_declare_begin(m->params);
    lm_declare_linear(d, projection(), mine, theirs, 0.02);
    bool ok = lm_declare_end(d, st);
    for (size_t i = m->adapter_from; ok && i < lm_params_count(m->params); i++)
        ok = lm_param_initialise(lm_params_at(m->params, i), (uint64_t)r->spec->common->seed, st);
    return ok;
}

static bool refuse_recompute(lm_status *st)
{
    return lm_fail(st, LM_USAGE, "--recompute gives back what --alpha-relation compares: leave it out, or take smaller batches "
                   "(--batch-tokens, --gradient-accumulation)");
}

/* What a run may not do where layers teach: parts of the student that are not run cannot be looked at. */
static bool may_tap(const lm_teaching *t, const lm_run *r, lm_status *st)
{
    if (r->o->freeze && r->o->freeze->cache)
        return lm_fail(st, LM_USAGE, "--cache-frozen leaves out layers that the teacher's are compared with: leave it out");
    if (r->o->recompute && t->how.relation > 0)
        return refuse_recompute(st);
    return true;
}

lm_taps *lm_taps_new(lm_teaching *t, lm_run *r, lm_status *st)
{
    if (!may_tap(t, r, st))
        return NULL;
    lm_taps *taps = lm_calloc(1, sizeof *taps);
    *taps = (lm_taps){.t = t, .layers = r->model->arch.layers, .their_layers = t->model->arch.layers};
    if (choose_layers(taps, t->how.map, st) && choose_relations(taps, t->how.relations, st) && project(taps, r, st))
        return taps;
    lm_taps_free(taps);
    return NULL;
}

void lm_taps_free(lm_taps *taps)
{
    if (!taps)
        return;
    for (int i = 0; i < taps->count; i++) {
        free(taps->pair[i].their_hidden.at);
        for (int p = 0; p < PARTS; p++)
            free(taps->pair[i].their_part[p].at);
    }
    free(taps->pair);
    free(taps->their_embedding.at);
    free(taps->by_row);
    free(taps->by_token);
    free(taps);
}

/* ------------------------------------------------------------------ what both are seen to do */

static void make_room(copy *c, int rows, int width)
{
    size_t n = (size_t)rows * (size_t)width;
    if (n > c->room) {
        free(c->at);
        c->at = lm_malloc(n, sizeof *c->at);
        c->room = n;
    }
    c->width = width;
}

static void keep(copy *c, const lm_tensor *x)
{
    size_t n = (size_t)x->rows * (size_t)x->width;
    make_room(c, x->rows, x->width);
    if (n)
        memcpy(c->at, x->value, n * sizeof *c->at);
}

/* Of each sequence the first token, or zeros. */
static void keep_first(copy *c, const lm_tensor *x)
{
    const lm_layout *l = x->layout;
    size_t width = (size_t)x->width;
    make_room(c, l->sequences, x->width);
    for (int s = 0; s < l->sequences; s++) {
        if (l->row_splits[s] < l->row_splits[s + 1])
            memcpy(c->at + (size_t)s * width, x->value + (size_t)l->row_splits[s] * width, width * sizeof *c->at);
        else
            memset(c->at + (size_t)s * width, 0, width * sizeof *c->at);
    }
}

/* Of values below everything that is trained nothing can be learned, and they may be gone when the loss is computed. */
static lm_tensor *trained(const lm_tensor *x)
{
    return x->needs_grad ? (lm_tensor *)x : NULL;
}

static void see_hidden(void *context, int layer, const lm_tensor *hidden)
{
    lm_taps *taps = context;
    if (layer == 0)
        taps->embedding = trained(hidden);
    for (int i = 0; i < taps->count; i++)
        if (taps->pair[i].mine == layer - 1)
            taps->pair[i].hidden = trained(hidden);
}

static void see_attention(void *context, const lm_attended *what)
{
    lm_taps *taps = context;
    bool alive = what->q->needs_grad && what->k->needs_grad && what->v->needs_grad;
    for (int i = 0; i < taps->count; i++) {
        if (taps->pair[i].mine != what->layer)
            continue;
        taps->pair[i].attends = true;
        if (alive)
            taps->pair[i].attended = *what;
    }
}

static void hear_hidden(void *context, int layer, const lm_tensor *hidden)
{
    lm_taps *taps = context;
    if (layer == 0 && taps->t->how.embedding > 0)
        keep(&taps->their_embedding, hidden);
    for (int i = 0; i < taps->count && taps->t->how.hidden > 0; i++)
        if (taps->pair[i].theirs == layer - 1)
            (taps->t->how.first_token ? keep_first : keep)(&taps->pair[i].their_hidden, hidden);
}

static bool is_related(const lm_taps *taps, int part)
{
    for (int i = 0; i < taps->relations; i++)
        if (taps->relation[i][0] == part || taps->relation[i][1] == part)
            return true;
    return false;
}

static void hear_attention(void *context, const lm_attended *what)
{
    lm_taps *taps = context;
    const lm_tensor *parts[PARTS] = {what->q, what->k, what->v};
    for (int i = 0; i < taps->count; i++) {
        if (taps->pair[i].theirs != what->layer)
            continue;
        taps->pair[i].their_attended = *what;
        for (int p = 0; p < PARTS; p++)
            if (is_related(taps, p))
                keep(&taps->pair[i].their_part[p], parts[p]);
    }
}

void lm_taps_student(lm_taps *taps, lm_graph *g, lm_select *select)
{
    taps->embedding = NULL;
    for (int i = 0; i < taps->count; i++) {
        taps->pair[i].hidden = NULL;
        taps->pair[i].attended = (lm_attended){0};
        taps->pair[i].attends = false;
    }
    select->hidden = true;
    select->tap = see_hidden;
    select->tap_context = taps;
    lm_graph_tap(g, taps->t->how.relation > 0 ? see_attention : NULL, taps);
}

void lm_taps_teacher(lm_taps *taps, lm_graph *g, lm_select *select)
{
    select->tap = hear_hidden;
    select->tap_context = taps;
    lm_graph_tap(g, taps->t->how.relation > 0 ? hear_attention : NULL, taps);
}

/* ------------------------------------------------------------------ losses */

/* The weights of all means: over rows, and over tokens, of the optimiser step. */
static void weigh(lm_taps *taps, const lm_micro_batch *m, const lm_step_rows *s)
{
    double rows = 0;
    if (m->batch.rows > taps->row_cap) {
        taps->row_cap = m->batch.rows;
        taps->by_row = lm_realloc(taps->by_row, (size_t)taps->row_cap, sizeof *taps->by_row);
    }
    if (m->batch.tokens > taps->token_cap) {
        taps->token_cap = m->batch.tokens;
        taps->by_token = lm_realloc(taps->by_token, (size_t)taps->token_cap, sizeof *taps->by_token);
    }
    for (int r = 0; r < s->rows; r++)
        rows += (double)s->weight[r];
    for (int r = 0; r < m->batch.rows; r++) {
        double weight = s->weight[m->first + r];
        taps->by_row[r] = (float)(weight / rows);
        for (int i = m->batch.row_splits[r]; i < m->batch.row_splits[r + 1]; i++)
            taps->by_token[i] = (float)(weight / s->all_count);
    }
}

/* Of which heads a relation is, and of which widths; heads 0: they cannot be compared. */
static lm_relation relation_of(const lm_taps *taps, const pair *p, const int parts[2])
{
    const lm_attended *a = &p->attended, *b = &p->their_attended;
    const lm_tensor *mine[PARTS] = {a->q, a->k, a->v}, *x = mine[parts[0]], *y = mine[parts[1]];
    const copy *u = &p->their_part[parts[0]], *v = &p->their_part[parts[1]];
    int asked = (int)taps->t->o->relation_heads;
    lm_relation r = {.causal = a->causal, .window = a->window, .scores = taps->t->how.scores, .weight = taps->by_row,
                     .teacher = {.a = u->at, .b = v->at}};
    if (parts[0] == QUERIES && parts[1] == KEYS && a->heads == b->heads && (!asked || asked == a->heads)) {
        r.heads = a->heads; /* what attention itself computes */
        r.b_heads = a->kv_heads;
        r.scale = a->scale;
        r.teacher.b_heads = b->kv_heads;
        r.teacher.dim = u->width / b->heads;
        r.teacher.scale = b->scale;
        return r;
    }
    bool of_queries = parts[0] == QUERIES || parts[1] == QUERIES;
    int own = of_queries ? a->heads : a->kv_heads, theirs = of_queries ? b->heads : b->kv_heads;
    int heads = asked ? asked : own == theirs ? own : 0;
    if (!heads || x->width != y->width || u->width != v->width || x->width % heads || u->width % heads)
        return r;
    r.heads = r.b_heads = r.teacher.b_heads = heads;
    r.scale = (float)(1 / sqrt(x->width / heads));
    r.teacher.dim = u->width / heads;
    r.teacher.scale = (float)(1 / sqrt(r.teacher.dim));
    return r;
}

static bool relate(lm_taps *taps, const pair *p, lm_graph *g, lm_tensor **loss, lm_status *st)
{
    const lm_attended *a = &p->attended;
    lm_tensor *parts[PARTS] = {a->q, a->k, a->v};
    bool theirs = p->their_attended.heads > 0;
    if (!p->attends || !theirs || p->their_attended.causal != a->causal)
        return lm_fail(st, LM_USAGE, "--alpha-relation: layer %d of the student and %d of the teacher: %s: leave it out, or name others "
                       "with --layer-map", p->mine, p->theirs,
                       !theirs       ? "the latter has no attention"
                       : !p->attends ? "the former has no attention"
                                     : "one looks at the tokens before it alone");
    for (int i = 0; i < taps->relations; i++) {
        const int *of = taps->relation[i];
        lm_relation how = relation_of(taps, p, of);
        if (!how.heads)
            return lm_fail(st, LM_USAGE, "--relations %c%c: the student has %d heads in %d columns, and the teacher %d in %d: give a "
                           "number of --relation-heads that divides both", letters[of[0]], letters[of[1]], a->heads, a->q->width,
                           p->their_attended.heads, p->their_part[of[0]].width);
        *loss = lm_plus(g, *loss, lm_scale(g, lm_relation_loss(g, parts[of[0]], parts[of[1]], &how), (float)taps->t->how.relation));
    }
    return true;
}

/* The mean over tokens and columns of the squared difference. */
static lm_tensor *compare_tokens(const lm_taps *taps, lm_tensor *x, const copy *theirs, lm_graph *g)
{
    if (x->width != theirs->width)
        x = lm_linear(g, projection(), x);
    return lm_scale(g, lm_squared_error(g, x, theirs->at, taps->by_token, NULL), 1 / (float)theirs->width);
}

/* Of first tokens of length 1 it is 2 (1 - cos) / columns, and the mean is one over layers, too. */
static lm_tensor *compare_hidden(const lm_taps *taps, const pair *p, lm_graph *g)
{
    const lm_recipe *how = &taps->t->how;
    if (!how->first_token)
        return lm_scale(g, compare_tokens(taps, p->hidden, &p->their_hidden, g), (float)how->hidden);
    double share = 2.0 / p->their_hidden.width / taps->count;
    return lm_scale(g, lm_cosine_loss(g, lm_first_token(g, p->hidden), p->their_hidden.at, taps->by_row), (float)(how->hidden * share));
}

bool lm_taps_loss(lm_taps *taps, const lm_micro_batch *m, const lm_step_rows *s, lm_graph *g, lm_tensor **loss, lm_status *st)
{
    const lm_recipe *how = &taps->t->how;
    lm_graph_tap(g, NULL, NULL); /* what follows is not the student's */
    if (how->relation > 0 && taps->t->run->recompute)
        return refuse_recompute(st); /* it was --memory that asked for it */
    weigh(taps, m, s);
    if (how->embedding > 0 && taps->embedding)
        *loss = lm_plus(g, *loss, lm_scale(g, compare_tokens(taps, taps->embedding, &taps->their_embedding, g), (float)how->embedding));
    for (int i = 0; i < taps->count; i++) {
        const pair *p = &taps->pair[i];
        if (how->hidden > 0 && p->hidden)
            *loss = lm_plus(g, *loss, compare_hidden(taps, p, g));
        if (how->relation > 0 && (p->attended.q || !p->attends) && !relate(taps, p, g, loss, st))
            return false;
    }
    return true;
}

char *lm_taps_words(const lm_taps *taps)
{
    const lm_recipe *how = &taps->t->how;
    lm_buf words = {0};
    if (how->relation > 0)
        lm_buf_printf(&words, ", %g times relations %s (%s)", how->relation, how->relations, how->scores ? "scores" : "KL");
    if (how->hidden > 0)
        lm_buf_printf(&words, ", %g times %s", how->hidden, how->first_token ? "the directions of first tokens" : "hidden states");
    if (how->embedding > 0)
        lm_buf_printf(&words, ", %g times embeddings", how->embedding);
    for (int i = 0; i < taps->count; i++)
        lm_buf_printf(&words, "%s%d:%d", i ? "," : "; layers ", taps->pair[i].mine, taps->pair[i].theirs);
    char *text = lm_strdup(lm_buf_cstr(&words));
    lm_buf_free(&words);
    return text;
}
