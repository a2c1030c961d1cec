/* Reads the numerical goldens (goldens/README.md of the reference data): golden.json, the arrays of
 * golden.npz, and the batches, packed as the library wants them. Anything that is not as expected fails the
 * test. */
#ifndef LM_TESTS_GOLDEN_H
#define LM_TESTS_GOLDEN_H

#include "lmutils/plugin.h"

#include "npz.h"

#include <jansson.h>
#include <stddef.h>

typedef struct golden {
    char *dir;
    json_t *json;
    npz arrays;
} golden;

/* A batch without its padding. row r has tokens [row_splits[r], row_splits[r+1]); `padded` is the length of a
 * row of the arrays, where those tokens begin at first[r]. */
typedef struct golden_batch {
    lm_batch batch;
    int padded;
    int32_t *row_splits, *ids, *types, *positions, *first;
    int32_t *labels; /* [tokens] or [rows]; NULL where they are floats */
    float *values;   /* [rows, columns] */
    int columns;
    int32_t *next; /* [rows] next_sentence_label, or NULL */
    double loss;   /* NaN where it is not said */
    /* Of a case with a second stack what that reads: the labels, shifted, of whole rows. Then `labels` is as long as this. */
    struct golden_batch *target;
} golden_batch;

/* `path` below the directory of reference data. */
golden golden_open(const char *path);
golden golden_open_directory(const char *dir);
void golden_close(golden *g);
const float *golden_find(const golden *g, const char *name,
                         size_t count); /* fails unless it has count elements */
bool golden_has(const golden *g, const char *name);

golden_batch golden_batch_read(const json_t *batch);
/* The same with `target`, each row of which begins with start_id; where a label is -100 it reads pad_id. */
golden_batch golden_batch_read_target(const json_t *batch, int32_t start_id, int32_t pad_id);
void golden_batch_free(golden_batch *b);

/* Largest |a - b|. */
double golden_difference(const float *a, const float *b, size_t n);

#endif
