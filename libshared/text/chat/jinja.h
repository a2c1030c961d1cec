/* Chat templates: the part of Jinja that they are written in, with the meaning that transformers gives it
 * (ImmutableSandboxedEnvironment, trim_blocks, lstrip_blocks, loop controls, tojson as json.dumps, raise_exception,
 * strftime_now, generation blocks). Sources: Jinja's documentation ("Template Designer Documentation") and transformers'
 * "Chat templates".
 *
 * What it knows: for (with else, if, recursive), if, set (also of blocks and of a namespace's members), macro, call,
 * filter, with, raw, generation, break and continue; expressions with filters, tests and the methods of Python's str,
 * dict and list that change nothing. What it does not know fails with `needs: ...` when it is reached, a tag when the
 * template is read. */
#ifndef LM_TEXT_CHAT_JINJA_H
#define LM_TEXT_CHAT_JINJA_H

#include "text/chat/value.h"

typedef struct lm_jinja lm_jinja;

/* `name` is for messages. The source is copied; it has to be UTF-8. */
lm_jinja *lm_jinja_parse(lm_str source, const char *name, lm_status *st);
void lm_jinja_free(lm_jinja *t);
bool lm_jinja_marks_generation(const lm_jinja *t); /* has a {% generation %} block */
bool lm_jinja_names(const lm_jinja *t, const char *name); /* whether a variable of that name is read somewhere */

/* Of one rendering: zero = the default. */
typedef struct lm_jinja_limits {
    uint64_t steps; /* nodes visited, and work of that size: 100 million */
    size_t memory;  /* bytes that values take: 1 GiB */
    size_t output;  /* bytes: 256 MiB */
} lm_jinja_limits;

/* Bytes of the output. */
typedef struct lm_jinja_span {
    size_t from, to;
} lm_jinja_span;

/* One rendering after the other in the same memory, by one thread. The template is shared and read-only. */
typedef struct lm_jinja_run {
    lm_jinja_memory memory;
    lm_jinja_limits limits;
    lm_buf out;
    lm_jinja_span *spans; /* of the generation blocks, in order */
    size_t span_count, span_cap;
    bool spans_lost; /* a generation block stood in a macro or a captured block: where it went is not known */
    int64_t now;     /* seconds since 1970, for strftime_now; below 0: the clock's */
    bool utc;        /* strftime_now in UTC, not in local time */
} lm_jinja_run;

lm_jinja_run *lm_jinja_run_new(const lm_jinja_limits *limits); /* NULL: the defaults */
void lm_jinja_run_free(lm_jinja_run *r);
/* Gives all values back. Values for the next renderings are then made in r->memory; failures go to `st`. */
void lm_jinja_run_reset(lm_jinja_run *r, lm_status *st);
/* Renders with the members of the dict `variables`; the text is then in r->out. A template that refuses its input
 * (raise_exception) fails with what it says. */
bool lm_jinja_render(const lm_jinja *t, lm_jinja_run *r, lm_value variables, lm_status *st);

#endif
