/* Records of text taken field by field, in any form that stream/records.h reads, for what is measured of texts rather than tokens. A
 * line of text is a record whose one field is its line, whatever it is called. */
#ifndef LM_METRICS_FIELDS_H
#define LM_METRICS_FIELDS_H

#include "stream/records.h"

typedef struct lm_fields lm_fields;

/* No paths: standard input. The names are borrowed. */
lm_fields *lm_fields_open(const lm_strings *paths, lm_text_format format, lm_status *st);
void lm_fields_free(lm_fields *f);

int lm_fields_next(lm_fields *f, lm_status *st); /* 1: a record, until the next call; 0: the end; -1: failed */
const char *lm_fields_where(lm_fields *f);       /* "FILE:LINE" of it; until the next call */
const char *lm_fields_name(const lm_fields *f);  /* of the file it is in */
bool lm_fields_is_line(const lm_fields *f);

/* The JSON value of a field: by its name, its path (.meta.title) or its number from 1; false where it is not there, or null. */
bool lm_fields_find(const lm_fields *f, const char *field, lm_str *json);
/* Fails, naming the fields that there are. `option` chooses another. */
bool lm_fields_missing(lm_fields *f, const char *field, const char *option, lm_status *st);

/* The texts that a JSON value is: a string, a number or a truth value, as it stands; a list of these; or what is so under `text` (of an
 * object). The list is valid until the next call, their bytes as long as the record. False: fails, naming the field. */
bool lm_fields_texts(lm_fields *f, const char *field, lm_str json, const lm_str **texts, size_t *count, lm_status *st);

#endif
