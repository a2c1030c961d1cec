/* --target-size: types are chosen. */
#include "model/quantise/job.h"

#include "base/memory.h"
#include "tensor/blocks.h"

#include <math.h>
#include <stdlib.h>

enum { SAMPLE_ROWS = 32, SAMPLE_NUMBERS = 1 << 16, LADDER = 7 };

/* From the smallest to the largest. */
static const lm_dtype ladder[LADDER] = {LM_Q2_K, LM_Q3_K, LM_Q4_K, LM_Q5_K, LM_Q6_K, LM_Q8_0, LM_F16};

/* What a tensor can become; where blocks of 256 do not fit, those that stand in for them. */
typedef struct choice {
    size_t tensor;
    lm_dtype type[LADDER];
    uint64_t bytes[LADDER];
    double error[LADDER];
    int count, at;
} choice;

/* ------------------------------------------------------------------ errors */

static double sum_errors(const float *x, const float *back, size_t n, size_t width, const float *importance, double *squares)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double weight = importance ? (double)importance[i % width] : 1, d = (double)x[i] - (double)back[i];
        sum += weight * d * d;
        *squares += weight * (double)x[i] * (double)x[i];
    }
    return sum;
}

static void through(lm_dtype type, const float *x, int64_t width, const float *importance, void *made, float *back)
{
    if (lm_dtype_block(type) > 1)
        lm_quantise(type, x, 1, (size_t)width, importance, made);
    else
        lm_from_f32(type, x, (size_t)width, made);
    lm_to_f32(type, made, (size_t)width, back);
}

/* Errors of all its types, on rows that lie evenly over the tensor. */
static void measure(const lm_quantise_tensor *t, choice *c)
{
    lm_quantise_rows shape = lm_quantise_rows_of(t);
    int64_t n = SAMPLE_NUMBERS / shape.width;
    n = n < 1 ? 1 : n > SAMPLE_ROWS ? SAMPLE_ROWS : n;
    n = n > shape.rows ? shape.rows : n;
    float *scratch = lm_malloc((size_t)shape.width, sizeof *scratch), *back = lm_malloc((size_t)shape.width, sizeof *back);
    void *made = lm_malloc((size_t)shape.width, sizeof(float));
    double squares[LADDER] = {0}, errors[LADDER] = {0};
    for (int64_t k = 0; k < n; k++) {
        int64_t r = shape.rows * k / n;
        const float *x = lm_quantise_is_codes(t->from) && lm_weight_read(t->from, r, 1, scratch)
                             ? scratch : lm_quantise_read_rows(t, NULL, r, 1, scratch);
        for (int i = 0; x && i < c->count; i++) {
            through(c->type[i], x, shape.width, t->importance, made, back);
            errors[i] += sum_errors(x, back, (size_t)shape.width, (size_t)shape.width, t->importance, &squares[i]);
        }
    }
    for (int i = 0; i < c->count; i++)
        c->error[i] = squares[i] > 0 && isfinite(errors[i]) ? (double)(shape.rows * shape.width) * errors[i] / squares[i] : 0;
    free(made);
    free(back);
    free(scratch);
}

static void list_types(const lm_quantise_tensor *t, choice *c)
{
    for (int i = 0; i < LADDER; i++) {
        lm_dtype type = lm_plan_fitting(ladder[i], t->shape.size[t->shape.dims - 1]);
        size_t bytes;
        if (!lm_tensor_bytes(type, &t->shape, &bytes) || (c->count && bytes <= c->bytes[c->count - 1]))
            continue;
        c->type[c->count] = type;
        c->bytes[c->count++] = bytes;
    }
}

/* ------------------------------------------------------------------ the choice */

/* Bytes of the file with the types of now, but for paddings behind the tensors, which are counted in full. */
static bool file_size(lm_quantise_job *j, uint64_t *size, lm_status *st)
{
    enum { ALIGNMENT = 32 };
    lm_gguf_writer *w = lm_quantise_header(j, st);
    if (!w)
        return false;
    *size = lm_gguf_file_size(w) + ALIGNMENT * j->count;
    lm_gguf_writer_free(w);
    return true;
}

/* The step up that takes most error away for its bytes, among those that fit. False: there is none. */
static bool step_up(choice *choices, size_t count, uint64_t *room)
{
    choice *best = NULL;
    int to = 0;
    double most = 0;
    for (size_t k = 0; k < count; k++) {
        choice *c = &choices[k];
        for (int i = c->at + 1; i < c->count; i++) {
            uint64_t more = c->bytes[i] - c->bytes[c->at];
            double gain = (c->error[c->at] - c->error[i]) / (double)more;
            if (more <= *room && gain > most) {
                best = c;
                to = i;
                most = gain;
            }
        }
    }
    if (best) {
        *room -= best->bytes[to] - best->bytes[best->at];
        best->at = to;
    }
    return best != NULL;
}

/* The type that most bytes have, and so general.file_type. */
static const lm_quantise_type *commonest(const choice *choices, size_t count, const lm_quantise_type *none)
{
    uint64_t bytes[LM_DTYPE_COUNT] = {0};
    lm_dtype most = none->dtype;
    for (size_t k = 0; k < count; k++) {
        lm_dtype t = choices[k].type[choices[k].at];
        bytes[t] += choices[k].bytes[choices[k].at];
        most = bytes[t] > bytes[most] ? t : most;
    }
    for (const lm_quantise_type *t = lm_quantise_types; t->name; t++)
        if (t->dtype == most && t->file_type >= 0)
            return t;
    return none;
}

bool lm_quantise_fit(lm_quantise_job *j, lm_status *st)
{
    choice *choices = lm_calloc(j->count, sizeof *choices);
    size_t count = 0;
    for (size_t i = 0; i < j->count; i++) {
        if (!j->tensors[i].free)
            continue;
        choices[count].tensor = i;
        list_types(&j->tensors[i], &choices[count]);
        j->tensors[i].to = choices[count++].type[0];
    }
    uint64_t least = 0, aim = (uint64_t)j->options->target_size;
    if (file_size(j, &least, st) && least > aim)
        lm_fail(st, LM_FAILED, "--target-size: the smallest file of this model has %llu bytes, and %llu are asked for: take a "
                "smaller model", (unsigned long long)least, (unsigned long long)aim);
    if (lm_ok(st)) {
#pragma omp parallel for schedule(dynamic, 1)
        for (size_t k = 0; k < count; k++)
            measure(&j->tensors[choices[k].tensor], &choices[k]);
        for (uint64_t room = aim - least; step_up(choices, count, &room);)
            ;
        for (size_t k = 0; k < count; k++)
            j->tensors[choices[k].tensor].to = choices[k].type[choices[k].at];
        j->type = commonest(choices, count, j->type);
    }
    free(choices);
    return lm_ok(st);
}
