/* Entities in sequences of tags (B-PER I-PER O ...), as seqeval finds them.
 *
 * A tag is a prefix letter and a type: "B-PER". Tags are given by their class ids; a tag set knows their
 * names. */
#ifndef LM_METRICS_ENTITIES_H
#define LM_METRICS_ENTITIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* LENIENT is conlleval's reading and seqeval's default: any change of type, any B or S, and an I or E after O
 * begins an entity. The others are seqeval's strict mode (mode="strict", scheme=...): an entity that breaks
 * the scheme's rules is none. */
typedef enum lm_scheme {
    LM_SCHEME_LENIENT,
    LM_SCHEME_IOB1,
    LM_SCHEME_IOB2,
    LM_SCHEME_IOE1,
    LM_SCHEME_IOE2,
    LM_SCHEME_IOBES,
    LM_SCHEME_BILOU,
    LM_SCHEMES
} lm_scheme;

extern const char *const lm_scheme_names[LM_SCHEMES + 1]; /* lenient, iob1 ...; ends with NULL */

typedef struct lm_tag_set {
    int tags;
    char *prefix; /* [tags] B I O E S U L ... */
    int *type;    /* [tags] index into types; -1 of O */
    int types;
    char **type_names; /* [types] in bytewise order; that of a bare "B" is "_" */
    bool entities;     /* the names are prefixes with types and O; false: plain classes (parts of speech) */
} lm_tag_set;

lm_tag_set *lm_tag_set_new(const char *const *names, int tags); /* copies the names */
void lm_tag_set_free(lm_tag_set *s);
/* The first tag whose prefix the scheme does not have; -1 = it fits. */
int lm_tag_set_misfit(const lm_tag_set *s, lm_scheme scheme);

/* Tags [first, last) of a sequence. */
typedef struct lm_entity {
    int type;
    int32_t first, last;
} lm_entity;

/* The entities of n tags, in their order; returns how many. `found` has room for n + 1. */
size_t lm_entities_find(const lm_tag_set *s, lm_scheme scheme, const int32_t *tags, size_t n,
                        lm_entity *found);

#endif
