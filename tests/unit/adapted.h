/* Small models with adapters, as tests of them need them: made, adapted, moved as training would, written, opened, compared. What
 * fails fails the test. */
#ifndef LM_TESTS_ADAPTED_H
#define LM_TESTS_ADAPTED_H

#include "model/adapter/adapter.h"

extern const char adapted_llama[], adapted_gpt2[]; /* config.json */

lm_model *create(const char *config, const char *task, uint64_t seed);
char *saved(lm_model *m); /* in a new directory, and freed */
char *new_base(const char *config);
lm_model *open_path(const char *path);
lm_model *open_both(const char *base, const char *adapter); /* BASE+ADAPTER */
char *written(lm_model *m); /* its last adapter, in a new directory */
bool adapt(lm_model *m, lm_adapter_options o, lm_model *original, lm_status *st); /* as a command line would say */
double apart(lm_model *a, lm_model *b); /* the largest difference of logits */
void disturb(lm_model *m);
char *new_adapter(const char *base, lm_adapter_options how); /* trained a little; the directory */

#endif
