#include "kernels/preference.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

static double sigmoid(double x)
{
    double e = exp(-fabs(x));
    return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

/* log s(x), without overflow. */
static double log_sigmoid(double x)
{
    return fmin(x, 0) - log1p(exp(-fabs(x)));
}

bool lm_preference_averages(lm_preference loss)
{
    return loss == LM_PREFER_IPO || loss == LM_PREFER_SIMPO || loss == LM_PREFER_ORPO;
}

bool lm_preference_sorts(lm_preference loss)
{
    return loss == LM_PREFER_AOT || loss == LM_PREFER_AOT_PAIR;
}

/* ------------------------------------------------------------------ of a difference */

typedef struct curve {
    double loss, slope;
} curve;

/* -(1-e) log s(z) - e log s(-z), by z. */
static curve smoothed(double z, double e)
{
    return (curve){-(1 - e) * log_sigmoid(z) - e * log_sigmoid(-z), sigmoid(z) - (1 - e)};
}

static curve exo(double z, double e)
{
    double s = sigmoid(z), up = log_sigmoid(z) - log1p(-e), down = log_sigmoid(-z) - log(e);
    return (curve){s * up + (1 - s) * down, s * (1 - s) * (up - down)}; /* s(1-s) - (1-s)s of the logs themselves is 0 */
}

static curve discopop(double z)
{
    static const double temperature = 0.05;
    double m = sigmoid(z / temperature), dm = m * (1 - m) / temperature, plain = -log_sigmoid(z), steep = exp(-z);
    return (curve){(1 - m) * plain + m * steep, (1 - m) * (sigmoid(z) - 1) - m * steep + dm * (steep - plain)};
}

/* Of losses that depend on beta d alone. */
static curve of_difference(const lm_preference_how *how, double z)
{
    double e = how->smoothing;
    switch (how->loss) {
    case LM_PREFER_ROBUST:
        return (curve){(-(1 - e) * log_sigmoid(z) + e * log_sigmoid(-z)) / (1 - 2 * e),
                       ((1 - e) * (sigmoid(z) - 1) - e * sigmoid(z)) / (1 - 2 * e)};
    case LM_PREFER_HINGE:
        return (curve){fmax(0, 1 - z), z < 1 ? -1 : 0};
    case LM_PREFER_EXO:
        return exo(z, e);
    case LM_PREFER_DISCOPOP:
        return discopop(z);
    default:
        return smoothed(z, e);
    }
}

/* ------------------------------------------------------------------ of a pair */

/* Losses in which the two answers are not alike: of a and b, with the slopes by each. */
static double of_pair(const lm_preference_how *how, double a, double b, double slope[2])
{
    double beta = how->beta, sa = sigmoid(beta * a), sb = sigmoid(beta * b), half = 0.5 / beta, sd;
    switch (how->loss) {
    case LM_PREFER_IPO:
        slope[0] = 2 * (a - b - half);
        slope[1] = -slope[0];
        return (a - b - half) * (a - b - half);
    case LM_PREFER_NCA:
        slope[0] = beta * (sa - 1 + 0.5 * sa);
        slope[1] = beta * 0.5 * sb;
        return -log_sigmoid(beta * a) - 0.5 * (log_sigmoid(-beta * a) + log_sigmoid(-beta * b));
    case LM_PREFER_SPPO:
        slope[0] = 2 * (a - half);
        slope[1] = 2 * (b + half);
        return (a - half) * (a - half) + (b + half) * (b + half);
    case LM_PREFER_APO_ZERO:
        slope[0] = -beta * sa * (1 - sa);
        slope[1] = beta * sb * (1 - sb);
        return 1 - sa + sb;
    case LM_PREFER_APO_DOWN:
        sd = sigmoid(beta * (a - b));
        slope[1] = beta * sd * (1 - sd);
        slope[0] = beta * sa * (1 - sa) - slope[1];
        return sa + 1 - sd;
    default: { /* a function of beta d */
        curve c = of_difference(how, beta * (a - b) - (how->loss == LM_PREFER_SIMPO ? how->gamma : 0));
        slope[0] = beta * c.slope;
        slope[1] = -slope[0];
        return c.loss;
    }
    }
}

/* log(1 - exp x) of a mean log-probability, which may be 0 to the last place. */
static double log_complement(double x)
{
    return x > -M_LN2 ? log(-expm1(x)) : log1p(-exp(x));
}

static double orpo(double beta, double a, double b, double slope[2])
{
    static const double most = -1e-7; /* float32 knows no smaller step below a probability of 1 */
    double x = fmin(a, most), y = fmin(b, most), odds = (x - log_complement(x)) - (y - log_complement(y));
    double s = beta * (sigmoid(odds) - 1);
    slope[0] = s / -expm1(x); /* the odds rise by 1 / (1 - exp x) */
    slope[1] = -s / -expm1(y);
    return -beta * log_sigmoid(odds);
}

static double reward(double center, double a, double b, double margin, double slope[2])
{
    double s = sigmoid(a - b - margin) - 1, both = 2 * center * (a + b);
    slope[0] = s + both;
    slope[1] = both - s;
    return -log_sigmoid(a - b - margin) + center * (a + b) * (a + b);
}

/* ------------------------------------------------------------------ sorted */

typedef struct place {
    double value;
    int at;
} place;

static int ascending(const void *x, const void *y)
{
    const place *a = x, *b = y;
    return a->value != b->value ? (a->value > b->value) - (a->value < b->value) : (a->at > b->at) - (a->at < b->at);
}

/* The i-th smallest of what policy and reference prefer, or of a and of b, are compared with each other. */
static void sorted(const lm_preference_how *how, int n, const double *score, const double *reference, double *loss, double *slope)
{
    bool pairs = how->loss == LM_PREFER_AOT_PAIR;
    place *up = lm_malloc((size_t)n + 1, sizeof *up), *down = lm_malloc((size_t)n + 1, sizeof *down);
    for (int i = 0; i < n; i++) {
        double c = reference ? reference[2 * i] : 0, r = reference ? reference[2 * i + 1] : 0;
        up[i] = (place){pairs ? score[2 * i] - c : score[2 * i] - score[2 * i + 1], i};
        down[i] = (place){pairs ? score[2 * i + 1] - r : c - r, i};
    }
    qsort(up, (size_t)n, sizeof *up, ascending);
    qsort(down, (size_t)n, sizeof *down, ascending);
    for (int i = 0; i < n; i++) {
        curve c = smoothed(how->beta * (up[i].value - down[i].value), how->smoothing);
        int a = up[i].at, b = pairs ? down[i].at : a;
        loss[i] = c.loss;
        slope[2 * a] = how->beta * c.slope;
        slope[2 * b + 1] = -how->beta * c.slope;
    }
    free(up);
    free(down);
}

/* ------------------------------------------------------------------ all */

static void judged(const lm_preference_how *how, int n, const double *score, const double *reference, const uint8_t *desirable,
                   double *loss, double *slope)
{
    for (int i = 0; i < n; i++) {
        double sign = desirable[i] ? 1 : -1, weight = desirable[i] ? how->desirable : how->undesirable;
        double s = sigmoid(sign * how->beta * (score[i] - (reference ? reference[i] : 0) - how->kl));
        loss[i] = weight * (1 - s);
        slope[i] = -sign * weight * how->beta * s * (1 - s);
    }
}

void lm_preference_losses(const lm_preference_how *how, int n, const double *score, const double *reference, const float *margin,
                          const uint8_t *desirable, double *loss, double *slope)
{
    if (how->loss == LM_PREFER_KTO) {
        judged(how, n, score, reference, desirable, loss, slope);
        return;
    }
    if (lm_preference_sorts(how->loss)) {
        sorted(how, n, score, reference, loss, slope);
        return;
    }
    for (int i = 0; i < n; i++) {
        double a = score[2 * i] - (reference ? reference[2 * i] : 0);
        double b = score[2 * i + 1] - (reference ? reference[2 * i + 1] : 0);
        loss[i] = how->loss == LM_PREFER_ORPO     ? orpo(how->beta, a, b, slope + 2 * i)
                  : how->loss == LM_PREFER_REWARD ? reward(how->center, a, b, margin ? margin[i] : 0, slope + 2 * i)
                                                  : of_pair(how, a, b, slope + 2 * i);
    }
}
