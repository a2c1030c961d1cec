#include "generate/sampler.h"

#include <math.h>
#include <string.h>

void lm_sampling_init(lm_sampling *s)
{
    lm_status st = LM_STATUS_INIT;
    *s = (lm_sampling){.top_p = 1, .typical = 1, .repetition = 1, .penalty_last = -1};
    lm_sampling_order(s, "hf", &st);
}

/* ------------------------------------------------------------------ the chain */

/* Names are compared without hyphens. */
static const struct name {
    const char *name;
    lm_filter filter;
} names[] = {
    {"penalties", LM_FILTER_PENALTIES}, {"temperature", LM_FILTER_TEMPERATURE}, {"temp", LM_FILTER_TEMPERATURE},
    {"top-k", LM_FILTER_TOP_K},         {"top-p", LM_FILTER_TOP_P},             {"min-p", LM_FILTER_MIN_P},
    {"typical", LM_FILTER_TYPICAL},     {"typical-p", LM_FILTER_TYPICAL},       {"typ-p", LM_FILTER_TYPICAL},
    {"top-n-sigma", LM_FILTER_TOP_N_SIGMA},
};

static const struct chain {
    const char *name, *filters;
} chains[] = {
    {"hf", "penalties,temperature,top-k,top-p,min-p,typical,top-n-sigma"},
    {"llama", "penalties,top-n-sigma,top-k,typical,top-p,min-p,temperature"},
};

static bool is_name(const char *name, const char *text, size_t n)
{
    if (strlen(name) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (name[i] != (text[i] == '_' ? '-' : text[i]))
            return false;
    return true;
}

static lm_filter filter_of(const char *text, size_t n)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_name(names[i].name, text, n))
            return names[i].filter;
    return 0;
}

bool lm_sampling_order(lm_sampling *s, const char *text, lm_status *st)
{
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++)
        if (strcmp(text, chains[i].name) == 0)
            text = chains[i].filters;
    s->order_count = 0;
    while (*text) {
        size_t n = strcspn(text, ",;");
        lm_filter filter = filter_of(text, n);
        if (!filter)
            return lm_fail(st, LM_USAGE, "\"%.*s\" is no filter: give some of %s", (int)(n < 100 ? n : 100), text, chains[0].filters);
        if (memchr(s->order, (int)filter, (size_t)s->order_count))
            return lm_fail(st, LM_USAGE, "filter \"%.*s\" is there twice: give it once", (int)n, text);
        s->order[s->order_count++] = (uint8_t)filter;
        text += n;
        text += *text != 0;
    }
    return true;
}

/* ------------------------------------------------------------------ what numbers may be */

static bool in_range(const char *what, double value, double least, double most, lm_status *st)
{
    return (value >= least && value <= most) ||
           lm_fail(st, LM_USAGE, "%s is %g: give a number from %g to %g", what, value, least, most);
}

bool lm_sampling_check(const lm_sampling *s, int columns, lm_status *st)
{
    const double most = 1e6;
    bool ok = in_range("temperature", s->temperature, s->temperature == 0 ? 0 : 1 / most, most, st) &&
              in_range("top-k", (double)s->top_k, 0, INT32_MAX, st) && in_range("top-p", s->top_p, 0, 1, st) &&
              in_range("min-p", s->min_p, 0, 1, st) && in_range("typical-p", s->typical, 0, 1, st) &&
              in_range("top-n-sigma", s->top_n_sigma, 0, most, st) &&
              in_range("repetition-penalty", s->repetition, 1 / most, most, st) &&
              in_range("presence-penalty", s->presence, -most, most, st) &&
              in_range("frequency-penalty", s->frequency, -most, most, st) &&
              in_range("penalty-last", (double)s->penalty_last, -1, INT32_MAX, st) &&
              in_range("logprobs", s->top_logprobs, 0, INT32_MAX - 1, st);
    for (int i = 0; ok && i < s->bias_count; i++) {
        if (s->bias[i].id < 0 || (columns && s->bias[i].id >= columns))
            ok = lm_fail(st, LM_USAGE, "logit-bias: there is no token %d: the model has %d", (int)s->bias[i].id, columns);
        else if (!(s->bias[i].add < INFINITY))
            ok = lm_fail(st, LM_USAGE, "logit-bias of token %d: give a number, or -inf", (int)s->bias[i].id);
    }
    return ok;
}
