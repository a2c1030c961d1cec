#include "train/reports/watch.h"

#include <math.h>
#include <string.h>

lm_watch lm_watch_new(void)
{
    return (lm_watch){.last_train = NAN, .best = NAN, .least_loss = NAN, .least_train = NAN};
}

void lm_watch_step(lm_watch *w, double loss)
{
    w->train_sum += loss;
    w->train_steps++;
}

static bool is_best(const lm_watch *w, double value, bool rises)
{
    return !isnan(value) && (isnan(w->best) || (rises ? value > w->best : value < w->best));
}

lm_watch_verdict lm_watch_evaluation(lm_watch *w, uint64_t step, double loss, double value, bool rises)
{
    lm_watch_verdict v = {.train_loss = w->train_steps ? w->train_sum / (double)w->train_steps : NAN,
                          .best = is_best(w, value, rises)};
    w->last_train = v.train_loss;
    w->stale++;
    if (v.best) {
        w->best = value;
        w->best_step = step;
        w->stale = 0;
    }
    bool least = !isnan(loss) && !(loss >= w->least_loss);
    w->rising = least ? 0 : w->rising + (w->train_steps > 0);
    if (least) {
        w->least_loss = loss;
        w->least_train = v.train_loss;
        w->least_step = step;
    }
    v.parted = !w->warned && w->rising >= 2 && v.train_loss < w->least_train;
    w->warned |= v.parted;
    w->train_sum = 0;
    w->train_steps = 0;
    return v;
}

bool lm_metric_rises(const char *name)
{
    static const char *const falling[] = {"loss", "mse", "mae", "rmse", "brier", "ece", "perplexity", "bits"};
    for (size_t i = 0; i < sizeof falling / sizeof *falling; i++)
        if (strstr(name, falling[i]))
            return false;
    return true;
}

/* NaN has no place in JSON: it is null there. */
static json_t *number(double x)
{
    return isnan(x) ? json_null() : json_real(x);
}

static double number_of(const json_t *state, const char *name)
{
    const json_t *x = json_object_get(state, name);
    return json_is_number(x) ? json_number_value(x) : NAN;
}

static uint64_t count_of(const json_t *state, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(state, name));
}

json_t *lm_watch_state(const lm_watch *w)
{
    return json_pack("{s:f, s:I, s:o, s:o, s:I, s:I, s:o, s:o, s:I, s:I, s:b}", "train_sum", w->train_sum,
                     "train_steps", (json_int_t)w->train_steps, "last_train",
                     number(w->last_train), "best", number(w->best), "best_step",
                     (json_int_t)w->best_step, "stale", (json_int_t)w->stale, "least_loss",
                     number(w->least_loss), "least_train", number(w->least_train), "least_step",
                     (json_int_t)w->least_step, "rising", (json_int_t)w->rising, "warned", w->warned);
}

void lm_watch_restore(lm_watch *w, const json_t *state)
{
    if (!json_is_object(state))
        return;
    w->train_sum = json_number_value(json_object_get(state, "train_sum"));
    w->train_steps = count_of(state, "train_steps");
    w->last_train = number_of(state, "last_train");
    w->best = number_of(state, "best");
    w->best_step = count_of(state, "best_step");
    w->stale = count_of(state, "stale");
    w->least_loss = number_of(state, "least_loss");
    w->least_train = number_of(state, "least_train");
    w->least_step = count_of(state, "least_step");
    w->rising = count_of(state, "rising");
    w->warned = json_is_true(json_object_get(state, "warned"));
}
