/* A teacher: what it says of the rows that a student learns from, and the loss that comes of it.
 *
 * The teacher is a model in this process, frozen (--teacher), or it has read the rows before: then its logits travel with them (score
 * --emit logits), the k largest of each and the log-sum-exp of the others, and the two never share memory. */
#ifndef LM_TRAIN_TEACHING_H
#define LM_TRAIN_TEACHING_H

#include "base/options.h"
#include "model/model.h"
#include "train/new_model.h"
#include "train/objectives/micro_batch.h"

typedef struct lm_run lm_run;

/* Weights of the losses, and how they are taken. `has_`: the option was given; else the objective says. */
typedef struct lm_teaching_options {
    const char *teacher; /* NULL = logits of the stream, or */
    const char *logits;  /* of another stream of the same rows */
    int recipe;          /* of lm_recipe_names; -1 = by the task */
    double temperature;
    int divergence;      /* lm_divergence */
    double beta;         /* of LM_JSD */
    double soft, hard, cosine, relation, hidden, embedding;
    bool has_temperature, has_soft, has_hard, has_cosine, has_relation, has_hidden, has_embedding;
    const char *relations, *map; /* NULL = the recipe's */
    int relation_form, hidden_form; /* -1 = the recipe's */
    int64_t relation_heads;      /* 0 = the heads of attention */
    bool masked_only;    /* the teacher is heard at tokens with a label alone */
    const char *layers;  /* --init-from-teacher; NULL = the student is what -m or -a says */
} lm_teaching_options;

#define LM_TEACHING_DEFAULTS {.recipe = -1, .beta = 0.5, .relation_form = -1, .hidden_form = -1}
enum { LM_TEACHING_OPTIONS = 19 };
extern const char *const lm_divergence_names[]; /* of lm_divergence; NULL-terminated */
extern const char *const lm_recipe_names[];     /* NULL-terminated */

/* The entries of an option table, LM_TEACHING_OPTIONS of them. */
void lm_teaching_option_table(lm_teaching_options *o, lm_option *table);
bool lm_teaching_check(const lm_teaching_options *o, lm_status *st); /* LM_USAGE */

typedef struct lm_teaching lm_teaching;

/* Opens the teacher of r->spec, whose head is that of r->objective; of a stream that brings logits, looks at the first row. Before the
 * classes are collected. NULL: failed. */
lm_teaching *lm_teaching_new(lm_run *r, lm_status *st);
void lm_teaching_free(lm_teaching *t);
/* The teacher at work; NULL: it has left its logits in the stream. */
lm_graph *lm_teaching_graph(const lm_teaching *t);
/* The classes of the teacher's head, which the student's are then; NULL where there is no teacher here, or no names. */
lm_labels *lm_teaching_labels(const lm_teaching *t);
/* After the student is made: what both have to have in common, and how the rows are read (r->targets). */
bool lm_teaching_fit(lm_teaching *t, lm_run *r, lm_status *st);

/* What the losses need of the student, beside what its own does; g is about to read m. */
void lm_teaching_select(lm_teaching *t, const lm_micro_batch *m, lm_graph *g, lm_select *select);
/* The part of the step's loss that falls to m, from the student's outputs. The teacher reads
 * m's batch here, and is asked for logits of words while the student's graph runs backward. NULL and a failed status: it failed. */
lm_tensor *lm_teaching_loss(lm_teaching *t, const lm_micro_batch *m, const lm_step_rows *s, const lm_targets *targets,
                            lm_outputs out, lm_graph *g, lm_status *st);

/* --init-from-teacher: the student is a teacher with these of its blocks alone, or of the family that is asked for and of the
 * teacher's sizes, or narrower (narrow.h); and then their weights, by name. */
lm_config *lm_teaching_student_config(const lm_teaching *t, const lm_new_model *asked, const char *plugin_path,
                                      const lm_new_vocabulary *vocabulary, lm_status *st);
bool lm_teaching_give_weights(const lm_teaching *t, lm_model *student, lm_status *st);

void lm_teaching_log(const lm_teaching *t);                          /* says what is learned from whom */
void lm_teaching_run_options(const lm_teaching *t, json_t *all);     /* adds those that decide the result */

#endif
