/* config.json: read whole, changed by setters, written as transformers 4 writes it (two spaces, keys sorted,
 * `torch_dtype`, `transformers_version`); the transformers-5 form (`dtype`, `rope_parameters`) is read too.
 * The getters for plugins are in lmutils/plugin.h. */
#ifndef LM_MODEL_CONFIG_H
#define LM_MODEL_CONFIG_H

#include "base/buffer.h"
#include "base/status.h"
#include "lmutils/plugin.h"
#include "stream/bundle.h"

#include <jansson.h>

/* The version of transformers whose form is written. */
#define LM_TRANSFORMERS_VERSION "4.44.2"

/* An empty config is lm_config_parse of "{}". */
lm_config *lm_config_read(const char *file, lm_status *st);
lm_config *lm_config_open(lm_bundle *b, lm_status *st); /* the config.json of a model, or what stands for it */
lm_config *lm_config_parse(lm_str json, const char *name, lm_status *st); /* `name` is for messages */
void lm_config_free(lm_config *c);
bool lm_config_failed(lm_config *c,
                      lm_status *st); /* moves a failure of the getters into st; true if there is one */

void lm_config_set_int(lm_config *c, const char *key, int64_t value);
void lm_config_set_float(lm_config *c, const char *key, double value);
void lm_config_set_bool(lm_config *c, const char *key, bool value);
void lm_config_set_string(lm_config *c, const char *key, const char *value);
/* id2label and label2id of n classes (omitted from the file for the default two, as transformers does). */
void lm_config_set_labels(lm_config *c, const char *const *names, int n);
const char *lm_config_label(const lm_config *c, int id); /* name of a class; NULL past the last */
int lm_config_label_id(const lm_config *c, lm_str name); /* -1 if no class is called so */
void lm_config_set_strings(lm_config *c, const char *key, const char *const *values, int n);
void lm_config_set_null(lm_config *c, const char *key);
void lm_config_remove(lm_config *c, const char *key);
/* The value of `from`, where there is one, becomes that of `to`. */
void lm_config_rename(lm_config *c, const char *from, const char *to);
/* Sets every member of the JSON object `defaults` that the config does not have; false where it is no object.
 */
bool lm_config_complete(lm_config *c, const char *defaults);
/* Sets every member of the JSON object `members`, whatever the config has; false where it is no object. */
bool lm_config_replace(lm_config *c, const char *members);
/* First element of a list of strings (`architectures`); NULL where there is none. */
const char *lm_config_first(const lm_config *c, const char *key);

/* Any member as it stands; NULL where it is absent. */
const json_t *lm_config_member(const lm_config *c, const char *key);

void lm_config_print(const lm_config *c, lm_buf *out); /* the text of the file, final newline included */

#endif
