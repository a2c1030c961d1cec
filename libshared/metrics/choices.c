#include "metrics/choices.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode/python_text.h"

#include <stdlib.h>
#include <xxhash.h>

struct lm_choice_reader {
    lm_choices_options o;
    const lm_tokenizer *tokenizer;
    lm_encoder *encoder;
    bool encodes;  /* the context is the first stack's */
    int32_t start; /* what the second stack starts with */
    int32_t first; /* what a row begins with that has no context; -1 = nothing */
    int leading;   /* special tokens before each text */
    int room;
    lm_buf before; /* the examples */
    lm_encoding context, whole;
};

/* A question as it is written; the texts live as long as the record. */
typedef struct written {
    lm_str context;
    lm_str *choices;
    size_t count, right;
} written;

void lm_question_free(lm_question *q)
{
    for (size_t i = 0; i < q->count; i++)
        free(q->choices[i].ids);
    free(q->choices);
    free(q->source);
    *q = (lm_question){0};
}

/* ------------------------------------------------------------------ fields */

/* The field that is asked for, or the first of the usual ones that is there. */
static bool find(lm_fields *f, const char **field, const char *const *usual, const char *option, lm_str *json, lm_status *st)
{
    if (*field)
        return lm_fields_find(f, *field, json) || lm_fields_missing(f, *field, option, st);
    for (size_t i = 0; usual[i]; i++)
        if (lm_fields_find(f, usual[i], json)) {
            *field = usual[i];
            return true;
        }
    return lm_fields_missing(f, usual[0], option, st);
}

/* A number, or one in a string. */
static bool is_number(lm_str s, size_t *number)
{
    *number = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9' || *number > 1000000)
            return false;
        *number = 10 * *number + (size_t)(s.data[i] - '0');
    }
    return s.len > 0;
}

static bool place_of(const lm_str *texts, size_t count, lm_str text, size_t *at)
{
    for (*at = 0; *at < count; ++*at)
        if (lm_str_equal(texts[*at], text))
            return true;
    return false;
}

/* Which choice is right: its name in the list `label` beside the texts (A, B ...), its text, or its number from 0. */
static bool find_right(lm_fields *f, const char *field, lm_str label, lm_str choices, written *w, lm_status *st)
{
    const lm_str *texts, *names;
    lm_str list;
    size_t count;
    bool named = choices.data[0] == '{' && lm_json_find(choices, lm_str_of("label"), &list);
    if (!lm_fields_texts(f, field, label, &texts, &count, st))
        return false;
    lm_str right = count == 1 ? texts[0] : (lm_str){"", 0};
    if (named && !lm_fields_texts(f, "label", list, &names, &count, st))
        return false;
    if ((named && count == w->count && place_of(names, count, right, &w->right)) || place_of(w->choices, w->count, right, &w->right) ||
        (is_number(right, &w->right) && w->right < w->count))
        return true;
    return lm_fail(st, LM_FAILED, "%s: field `%s`: \"%.*s\" is none of the %zu choices, neither their text nor their number from 0",
                   lm_fields_where(f), field, (int)(right.len < 60 ? right.len : 60), right.data, w->count);
}

static bool read_written(const lm_choices_options *o, lm_fields *f, written *w, lm_status *st)
{
    static const char *const contexts[] = {"context", "ctx", "question", "query", "prompt", "goal", "text", NULL};
    static const char *const lists[] = {"choices", "endings", "options", "answers", NULL};
    static const char *const labels[] = {"label", "answer", "gold", "answerKey", NULL};
    const char *context = o->context, *choices = o->choices, *label = o->label;
    const lm_str *texts;
    lm_str json, list, right;
    size_t n;
    *w = (written){0};
    if (!find(f, &context, contexts, "--context", &json, st) || !lm_fields_texts(f, context, json, &texts, &n, st))
        return false;
    if (n != 1)
        return lm_fail(st, LM_FAILED, "%s: field `%s` is a list of %zu texts: one is expected", lm_fields_where(f), context, n);
    w->context = texts[0];
    if (!find(f, &choices, lists, "--choices=FIELD", &list, st) || !lm_fields_texts(f, choices, list, &texts, &w->count, st))
        return false;
    if (w->count < 2)
        return lm_fail(st, LM_FAILED, "%s: field `%s` has %zu choices: a list of two or more is expected", lm_fields_where(f), choices,
                       w->count);
    w->choices = memcpy(lm_malloc(w->count, sizeof *w->choices), texts, w->count * sizeof *w->choices);
    return find(f, &label, labels, "--label", &right, st) && find_right(f, label, right, list, w, st);
}

/* ------------------------------------------------------------------ the reader */

static const char *delimiter_of(const lm_choice_reader *r)
{
    return r->o.delimiter ? r->o.delimiter : " ";
}

/* Solved questions, which stand before each context, with a blank line behind each. */
static bool read_examples(lm_choice_reader *r, lm_status *st)
{
    int64_t count = 0;
    int got = 0;
    lm_fields *f = lm_fields_open(&(lm_strings){&r->o.examples, 1, 1}, LM_FORMAT_AUTO, st);
    while (f && (r->o.shots == 0 || count < r->o.shots) && (got = lm_fields_next(f, st)) > 0) {
        written w;
        if (read_written(&r->o, f, &w, st)) {
            lm_str answer = w.choices[w.right];
            lm_buf_append(&r->before, w.context.data, w.context.len);
            lm_buf_puts(&r->before, delimiter_of(r));
            lm_buf_append(&r->before, answer.data, answer.len);
            lm_buf_puts(&r->before, "\n\n");
        }
        free(w.choices);
        if (!lm_ok(st))
            break;
        count++;
    }
    lm_fields_free(f);
    if (lm_ok(st) && count < (r->o.shots ? r->o.shots : 1))
        lm_fail(st, LM_FAILED, "--few-shot %s: %lld examples, and %lld are asked for", r->o.examples, (long long)count,
                (long long)(r->o.shots ? r->o.shots : 1));
    return lm_ok(st);
}

/* Without the special tokens that end a row. */
static bool encode(lm_choice_reader *r, lm_str text, lm_encoding *e, lm_status *st)
{
    lm_encode_options how = {.truncation = LM_NO_TRUNCATION, .ids_only = true};
    if (!lm_encode(r->encoder, text, (lm_str){NULL, 0}, &how, e, st))
        return false;
    while (e->len > r->leading && e->special[e->len - 1])
        e->len--;
    return true;
}

lm_choice_reader *lm_choice_reader_new(const lm_choices_options *o, const lm_model *m, const lm_tokenizer *t, int room, lm_status *st)
{
    lm_choice_reader *r = lm_calloc(1, sizeof *r);
    r->o = *o;
    r->tokenizer = t;
    r->encoder = lm_encoder_new(t);
    r->encodes = m->arch.decoder_layers > 0;
    r->start = m->arch.decoder_start_id;
    r->first = lm_tokenizer_role(t, "bos");
    if (r->first < 0)
        r->first = lm_tokenizer_role(t, "eos");
    r->room = room;
    bool ok = encode(r, lm_str_of("a"), &r->whole, st) && (!o->examples || read_examples(r, st));
    while (r->leading < r->whole.len && r->whole.special[r->leading])
        r->leading++;
    if (ok)
        return r;
    lm_choice_reader_free(r);
    return NULL;
}

void lm_choice_reader_free(lm_choice_reader *r)
{
    if (!r)
        return;
    lm_encoder_free(r->encoder);
    lm_encoding_free(&r->context);
    lm_encoding_free(&r->whole);
    lm_buf_free(&r->before);
    free(r);
}

static bool encode_bare(lm_choice_reader *r, lm_str text, lm_encoding *e, lm_status *st)
{
    lm_encode_options how = {.truncation = LM_NO_TRUNCATION, .ids_only = true, .no_special = true};
    return lm_encode(r->encoder, text, (lm_str){NULL, 0}, &how, e, st);
}

static void set_ids(lm_choice *c, const int32_t *first, const int32_t *ids, int count, int from)
{
    c->count = count + (first != NULL);
    c->ids = lm_malloc((size_t)c->count + 1, sizeof *c->ids);
    if (first)
        c->ids[0] = *first;
    memcpy(c->ids + (first != NULL), ids, (size_t)count * sizeof *ids);
    c->from = from;
}

/* What is behind the tokens of the context are the answer's. Blanks at the end of the context are part of what follows, since most
 * tokenizers have them in the first token there. `context` has been encoded without them; `answer` begins with them. */
static bool make_choice(lm_choice_reader *r, lm_str context, lm_str answer, lm_choice *c, lm_status *st)
{
    if (r->encodes || r->context.len == 0) {
        if (!encode_bare(r, answer, &r->whole, st))
            return false;
        set_ids(c, r->encodes ? &r->start : &r->first, r->whole.ids, r->whole.len, 1);
        return true;
    }
    lm_buf whole = {0};
    lm_buf_append(&whole, context.data, context.len);
    lm_buf_append(&whole, answer.data, answer.len);
    bool ok = encode(r, lm_buf_str(&whole), &r->whole, st);
    lm_buf_free(&whole);
    if (ok)
        set_ids(c, NULL, r->whole.ids, r->whole.len, r->context.len);
    return ok;
}

/* How many tokens all choices begin with before an answer does. */
static int shared_by(const lm_question *q)
{
    int n = q->choices[0].from;
    for (size_t i = 0; i < q->count; i++) {
        const lm_choice *c = &q->choices[i];
        int same = 0;
        while (same < n && same < c->from && c->ids[same] == q->choices[0].ids[same])
            same++;
        n = same;
    }
    return n;
}

static bool make_choices(lm_choice_reader *r, lm_fields *f, const written *w, lm_str context, lm_question *q, lm_status *st)
{
    lm_str bare = lm_text_trim(context, NULL, false, true);
    lm_buf answer = {0};
    lm_buf_append(&answer, bare.data + bare.len, context.len - bare.len);
    lm_buf_puts(&answer, delimiter_of(r));
    size_t begin = answer.len;
    if (r->encodes ? !encode_bare(r, context, &r->context, st) : !encode(r, bare, &r->context, st))
        return false;
    if (!r->encodes && r->context.len == 0 && r->first < 0)
        lm_fail(st, LM_FAILED, "%s: there is no context, and the tokenizer has no token that begins a text", lm_fields_where(f));
    for (size_t i = 0; i < w->count && lm_ok(st); i++) {
        lm_choice *c = &q->choices[i];
        answer.len = begin;
        lm_buf_append(&answer, w->choices[i].data, w->choices[i].len);
        c->bytes = w->choices[i].len;
        c->characters = lm_utf8_count(w->choices[i].data, w->choices[i].len);
        if (!make_choice(r, bare, lm_buf_str(&answer), c, st))
            break;
        if (c->count <= c->from || !c->bytes)
            lm_fail(st, LM_FAILED, "%s: choice %zu has no token of its own", lm_fields_where(f), i);
        else if (c->count - 1 > r->room)
            lm_fail(st, LM_FAILED, "%s: the context and choice %zu are %d tokens, and the model takes %d: shorten them",
                    lm_fields_where(f), i, c->count, r->room + 1);
    }
    lm_buf_free(&answer);
    return lm_ok(st);
}

bool lm_choice_read(lm_choice_reader *r, lm_fields *f, lm_question *q, lm_status *st)
{
    written w;
    lm_buf context = {0};
    *q = (lm_question){0};
    if (read_written(&r->o, f, &w, st)) {
        lm_buf_append(&context, r->before.data, r->before.len);
        lm_buf_append(&context, w.context.data, w.context.len);
        q->count = w.count;
        q->right = w.right;
        q->choices = lm_calloc(w.count, sizeof *q->choices);
        q->digest = XXH3_64bits_withSeed(context.data, context.len, w.right);
        for (size_t i = 0; i < w.count; i++)
            q->digest = XXH3_64bits_withSeed(w.choices[i].data, w.choices[i].len, q->digest);
        make_choices(r, f, &w, lm_buf_str(&context), q, st);
    }
    if (lm_ok(st) && r->encodes) {
        lm_encode_options how = {.truncation = LM_NO_TRUNCATION, .ids_only = true};
        if (lm_encode(r->encoder, lm_buf_str(&context), (lm_str){NULL, 0}, &how, &r->context, st)) {
            q->source_count = r->context.len;
            q->source = memcpy(lm_malloc((size_t)r->context.len + 1, sizeof *q->source), r->context.ids,
                               (size_t)r->context.len * sizeof *q->source);
        }
    }
    if (lm_ok(st))
        q->shared = shared_by(q);
    lm_buf_free(&context);
    free(w.choices);
    return lm_ok(st);
}
