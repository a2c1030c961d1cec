/* The guards of a run: which steps are taken, passed over, or its end. */
#include "train/run_internal.h"

#include "base/log.h"
#include "base/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { SAID = 3, NAMED = 12 }; /* spikes that are said one by one; tensors that are */

void lm_run_guard_begin(lm_run *r)
{
    lm_guard_begin(&r->guard, r->o->guard.score, r->o->guard.window);
    r->silent = lm_calloc(lm_params_count(r->model->params), sizeof *r->silent);
}

/* The end of a run, with what can be done about it. */
static bool stop(const lm_run *r, const char *what, const char *remedy, lm_status *st)
{
    if (r->saved_step != UINT64_MAX)
        return lm_fail(st, LM_FAILED, "step %" PRIu64 ": %s: %s; the checkpoint of step %" PRIu64 " in %s is kept", r->step + 1,
                       what, remedy, r->saved_step, r->o->checkpoint);
    return lm_fail(st, LM_FAILED, "step %" PRIu64 ": %s: %s", r->step + 1, what, remedy);
}

static bool judge_nan(lm_run *r, double loss, double norm, bool *take, lm_status *st)
{
    lm_guard *g = &r->guard;
    *take = isfinite(loss) && isfinite(norm);
    g->nan_in_a_row = *take ? 0 : g->nan_in_a_row + 1;
    if (*take)
        return true;
    char *what = lm_format("the %s is %g", isfinite(loss) ? "gradient's norm" : "loss", isfinite(loss) ? norm : loss);
    if (r->o->guard.on_nan == LM_GUARD_STOP)
        stop(r, what, "lower --learning-rate or lengthen the warm-up, or pass over such steps with --on-nan skip", st);
    else if (g->nan_in_a_row > LM_NAN_MOST)
        stop(r, what, "and so it was in all of the steps before that were skipped (--on-nan skip): lower --learning-rate or "
             "lengthen the warm-up", st);
    else
        lm_warn("step %" PRIu64 ": %s: skipped", r->step + 1, what);
    g->not_finite += lm_ok(st);
    free(what);
    return lm_ok(st);
}

static bool judge_spike(lm_run *r, double loss, bool *take, lm_status *st)
{
    lm_guard *g = &r->guard;
    double score = lm_guard_score(g, loss);
    bool spike = score > g->score;
    if (!spike || r->o->guard.on_spike != LM_GUARD_STOP) /* a run that goes on from before it judges it anew */
        lm_guard_add(g, loss);
    if (!spike)
        return true;
    if (r->o->guard.on_spike == LM_GUARD_STOP) {
        char *what = lm_format("the loss is %.4f, %.1f standard deviations above those before it", loss, score);
        stop(r, what, "look at the rows and the rate, or pass over such steps with --on-spike skip", st);
        free(what);
        return false;
    }
    bool skip = r->o->guard.on_spike == LM_GUARD_SKIP;
    if (g->spikes + g->warned < SAID)
        lm_warn("step %" PRIu64 ": the loss is %.4f, %.1f standard deviations above those before it%s", r->step + 1, loss,
                score, skip ? ": skipped" : "");
    g->spikes += skip;
    g->warned += !skip;
    *take = !skip;
    return true;
}

/* ------------------------------------------------------------------ tensors that nothing reaches */

static bool is_zero(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (x[i] != 0)
            return false;
    return true;
}

static bool gets_nothing(const lm_param *p)
{
    return p->grad ? is_zero(p->grad, p->elements)
                   : is_zero(p->row_grad->value, (size_t)p->row_grad->rows.count * (size_t)p->row_grad->width);
}

/* A tensor is looked at until its gradient has once been other than 0: most often that is the first step and the first
 * number. Not kept in checkpoints: a run that goes on looks again. */
static bool judge_gradients(lm_run *r, lm_status *st)
{
    lm_buf names = {0};
    int dead = 0;
    for (size_t i = 0; i < lm_params_count(r->model->params); i++) {
        const lm_param *p = lm_params_at(r->model->params, i);
        if (!lm_param_learns(p) || r->silent[i] > LM_ZERO_STEPS)
            continue;
        r->silent[i] = gets_nothing(p) ? r->silent[i] + 1 : LM_ZERO_STEPS + 1;
        if (r->silent[i] != LM_ZERO_STEPS)
            continue;
        r->silent[i]++;
        if (++dead <= NAMED)
            lm_buf_printf(&names, "%s%s", dead > 1 ? ", " : "", p->name);
    }
    if (dead) {
        char *what = lm_format("no gradient has reached %d of the tensors in %d steps (%s%s)", dead, LM_ZERO_STEPS,
                               lm_buf_cstr(&names), dead > NAMED ? " ..." : "");
        if (r->o->guard.stop_at_zero)
            stop(r, what, "freeze them, or mend the model or the rows", st);
        else
            lm_warn("step %" PRIu64 ": %s: nothing is learned there", r->step + 1, what);
        free(what);
    }
    lm_buf_free(&names);
    return lm_ok(st);
}

/* ------------------------------------------------------------------ steps */

bool lm_run_guard(lm_run *r, double loss, double norm, bool *take, lm_status *st)
{
    return judge_nan(r, loss, norm, take, st) && (!*take || judge_spike(r, loss, take, st)) &&
           (!*take || judge_gradients(r, st));
}

bool lm_run_guard_empty(lm_run *r, lm_status *st)
{
    if (r->o->guard.on_empty == LM_GUARD_STOP)
        return stop(r, "nothing in its rows carries a loss", "look at the masks or labels, or leave out --on-empty stop", st);
    if (r->guard.empty++ == 0)
        lm_warn("step %" PRIu64 ": nothing in its rows carries a loss: skipped", r->step + 1);
    return true;
}

void lm_run_guard_report(const lm_run *r)
{
    const lm_guard *g = &r->guard;
    if (lm_guard_skipped(g))
        lm_warn("%" PRIu64 " steps were skipped: %" PRIu64 " with a loss or gradient that is not finite, %" PRIu64
                " with a loss that jumped, %" PRIu64 " with nothing that carries a loss",
                lm_guard_skipped(g), g->not_finite, g->spikes, g->empty);
    if (g->warned > SAID)
        lm_warn("the loss jumped in %" PRIu64 " steps (--on-spike skip passes over them)", g->warned);
}
