#include "train/policy/value_head.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t numbers(const lm_value_head *h)
{
    return (size_t)h->width + 1;
}

void lm_value_head_init(lm_value_head *h, int width)
{
    *h = (lm_value_head){.width = width};
    h->weight = lm_calloc(numbers(h), sizeof *h->weight);
    h->gradient = lm_calloc(numbers(h), sizeof *h->gradient);
    h->m = lm_calloc(numbers(h), sizeof *h->m);
    h->v = lm_calloc(numbers(h), sizeof *h->v);
}

void lm_value_head_free(lm_value_head *h)
{
    free(h->weight);
    free(h->gradient);
    free(h->m);
    free(h->v);
    *h = (lm_value_head){0};
}

float lm_value_head_of(const lm_value_head *h, const float *hidden)
{
    double sum = h->weight[h->width];
    for (int i = 0; i < h->width; i++)
        sum += h->weight[i] * hidden[i];
    return (float)sum;
}

void lm_value_head_learn(lm_value_head *h, const float *hidden, double slope, float *dhidden)
{
    for (int i = 0; i < h->width; i++) {
        dhidden[i] = (float)(slope * h->weight[i]);
        h->gradient[i] += slope * hidden[i];
    }
    h->gradient[h->width] += slope;
}

void lm_value_head_update(lm_value_head *h, double rate)
{
    static const double b1 = 0.9, b2 = 0.999;
    h->steps++;
    for (size_t i = 0; i < numbers(h); i++) {
        double g = h->gradient[i];
        h->m[i] = b1 * h->m[i] + (1 - b1) * g;
        h->v[i] = b2 * h->v[i] + (1 - b2) * g * g;
        h->weight[i] -= rate * h->m[i] / (1 - pow(b1, h->steps)) / (sqrt(h->v[i] / (1 - pow(b2, h->steps))) + 1e-8);
        h->gradient[i] = 0;
    }
}

json_t *lm_value_head_state(const lm_value_head *h)
{
    json_t *list = json_array();
    json_array_append_new(list, json_real(h->steps));
    for (size_t i = 0; i < numbers(h); i++) {
        json_array_append_new(list, json_real(h->weight[i]));
        json_array_append_new(list, json_real(h->m[i]));
        json_array_append_new(list, json_real(h->v[i]));
    }
    return list;
}

void lm_value_head_restore(lm_value_head *h, const json_t *state)
{
    h->steps = json_number_value(json_array_get(state, 0));
    for (size_t i = 0; i < numbers(h); i++) {
        h->weight[i] = json_number_value(json_array_get(state, 3 * i + 1));
        h->m[i] = json_number_value(json_array_get(state, 3 * i + 2));
        h->v[i] = json_number_value(json_array_get(state, 3 * i + 3));
    }
}
