/* Inside the stream floor: a record's header taken apart where it stands, without building objects of it. This is how every
 * header is checked; jansson is asked where the scanner is not sure, and for what goes wrong. */
#ifndef LM_STREAM_HEADER_VIEW_H
#define LM_STREAM_HEADER_VIEW_H

#include "base/buffer.h"

#include <jansson.h>
#include <stdint.h>
#include <string.h>

enum { LM_HEADER_LEVELS = 3 }; /* a tensor's shape is the deepest that anybody asks for */

typedef struct lm_header_member {
    lm_str name;            /* without its quotes, as it stands; what lmstream(5) names needs no escapes */
    lm_str value;
    size_t level;           /* 1: of the header; members of its value come behind it, with 2, and theirs with 3 */
    size_t count;           /* elements of a list, members of an object */
    bool strings, scalars;  /* a list: of strings alone; of strings and numbers */
} lm_header_member;

/* Zero-initialise; reused by each scan. Slices are of the text that was scanned. */
typedef struct lm_header_view {
    lm_header_member *members;
    size_t count, cap;
    uint64_t *names;        /* digests of the names of the objects that are open */
    size_t name_count, name_cap;
    char *text;             /* of lm_header_view_json */
} lm_header_view;

void lm_header_view_free(lm_header_view *v);
/* Takes apart the header line that bytes begin with, and gives its length, LF included: lm_header_parse takes it, too. 0: it may be
 * cut or wrong, or has what is seldom (escapes in names, numbers of many digits, very many names), which is left to
 * lm_header_parse. */
size_t lm_header_scan(lm_str bytes, lm_header_view *v);
/* The same where it is no more than {"text":STRING} and as little pad as may be, without taking it apart; else 0. */
size_t lm_header_is_text(lm_str bytes);
/* Takes apart what lm_header_parse made. False: no memory. */
bool lm_header_view_json(json_t *header, lm_header_view *v);

static inline bool lm_header_is(const lm_header_member *m, char first) /* '"', '{', '[' */
{
    return m && m->value.data[0] == first;
}

/* The first member of an object that is a member itself, and the one after another of them; NULL = no more. */
static inline const lm_header_member *lm_header_next(const lm_header_view *v, const lm_header_member *m)
{
    const lm_header_member *end = v->members + v->count, *n = m + 1;
    while (n < end && n->level > m->level)
        n++;
    return n < end && n->level == m->level ? n : NULL;
}

static inline const lm_header_member *lm_header_first(const lm_header_member *object)
{
    bool any = lm_header_is(object, '{') && object->count && object->level < LM_HEADER_LEVELS;
    return any ? object + 1 : NULL;
}

/* The one of this name among m and those after it; NULL if absent. */
static inline const lm_header_member *lm_header_from(const lm_header_view *v, const lm_header_member *m, const char *name)
{
    size_t n = strlen(name);
    while (m && (m->name.len != n || memcmp(m->name.data, name, n) != 0))
        m = lm_header_next(v, m);
    return m;
}

/* The member of the header of this name, and that of an object; NULL if absent. */
static inline const lm_header_member *lm_header_find(const lm_header_view *v, const char *name)
{
    return lm_header_from(v, v->count ? v->members : NULL, name);
}

static inline const lm_header_member *lm_header_below(const lm_header_view *v, const lm_header_member *object, const char *name)
{
    return lm_header_from(v, object ? lm_header_first(object) : NULL, name);
}

/* Whether it is an integer (with neither point nor exponent), and which. */
bool lm_header_integer(const lm_header_member *m, int64_t *out);
/* A list of at most `most` integers: how many; -1: it is no such list. */
int lm_header_integers(const lm_header_member *m, int64_t *out, int most);

#endif
