/* Rotary positions as config.json describes them: what plugin.h says of lm_config_rope. */
#include "model/config.h"

#include <math.h>
#include <string.h>

/* A number above 0 that the type of scaling cannot do without. */
static double needed(lm_config *c, const char *key)
{
    double value = lm_config_float(c, key, 0);
    if (!(value > 0))
        lm_config_fail(c, "%s: a number above 0 is expected", key);
    return value;
}

typedef struct scaling {
    bool by_wave;             /* "llama3" */
    double factor, low, high; /* frequencies are divided by factor */
    double length;            /* of the rows before it was scaled */
} scaling;

/* As transformers' _compute_llama3_parameters: waves that turn less than `low` times in the original length are slower by
 * the factor, those that turn more than `high` times are left alone, and between the two it is interpolated. */
static double scaled(const scaling *s, double frequency)
{
    const double pi = 3.14159265358979323846;
    double slow = frequency / s->factor, turns = s->length * frequency / (2 * pi);
    if (!s->by_wave || turns < s->low)
        return slow;
    if (turns > s->high)
        return frequency;
    double smooth = (turns - s->low) / (s->high - s->low);
    return (1 - smooth) * slow + smooth * frequency;
}

static scaling read_scaling(lm_config *c)
{
    scaling s = {.factor = 1};
    if (lm_config_has(c, "rope_parameters"))
        lm_config_fail(c, "rope_parameters: only one set of them for all layers is known: use a model that has one");
    if (!lm_config_has(c, "rope_scaling"))
        return s;
    const char *type = lm_config_string(c, "rope_scaling.rope_type", lm_config_string(c, "rope_scaling.type", ""));
    s.by_wave = strcmp(type, "llama3") == 0;
    if (strcmp(type, "default") == 0)
        return s;
    if (!s.by_wave && strcmp(type, "linear") != 0) {
        lm_config_fail(c, "rope_scaling: the type \"%s\" is not served: default, linear and llama3 are", type);
        return s;
    }
    s.factor = needed(c, "rope_scaling.factor");
    if (!s.by_wave)
        return s;
    s.low = needed(c, "rope_scaling.low_freq_factor");
    s.high = needed(c, "rope_scaling.high_freq_factor");
    s.length = needed(c, "rope_scaling.original_max_position_embeddings");
    if (s.high <= s.low)
        lm_config_fail(c, "rope_scaling.high_freq_factor: has to be above low_freq_factor");
    return s;
}

const lm_rotation *lm_config_rope(lm_config *c, int head_width, double theta)
{
    theta = lm_config_float(c, "rope_theta", theta);
    double part = lm_config_float(c, "partial_rotary_factor", lm_config_float(c, "rope_scaling.partial_rotary_factor", 1));
    if (!(theta > 0))
        lm_config_fail(c, "rope_theta: %g has to be above 0", theta);
    if (!(part > 0 && part <= 1))
        lm_config_fail(c, "partial_rotary_factor: %g has to be above 0, and 1 at most", part);
    scaling s = read_scaling(c);
    int width = part > 0 && part <= 1 ? (int)(head_width * part) : 0;
    if (width % 2)
        lm_config_fail(c, "rotary positions need an even number of a head's columns, not %d", width);
    lm_rotation *r = lm_config_alloc(c, sizeof *r);
    float *frequency = lm_config_alloc(c, ((size_t)width / 2 + 1) * sizeof *frequency);
    for (int j = 0; j < width / 2; j++)
        frequency[j] = (float)scaled(&s, 1 / pow(theta, 2.0 * j / width));
    *r = (lm_rotation){.width = width, .frequency = frequency};
    return r;
}
