#include "augment/contextual/contextual.h"
#include "augment/contextual/masking.h"
#include "augment/eda/josa.h"
#include "augment/options.h"
#include "augment/words/case.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>

typedef struct contextual {
    lm_model *model;
    lm_tokenizer *tokenizer;
    lm_whole_words words;
    lm_word_set protect;
    lm_masking_words how;
    uint64_t seed;
    int place, top_k;
    lm_buf note;                     /* for provenance */
    atomic_uint_fast64_t replaced, kept; /* words that were masked: for another, or for want of one not */
} contextual;

/* ------------------------------------------------------------------ life */

static void contextual_close(void *self)
{
    contextual *c = self;
    lm_model_free(c->model);
    lm_tokenizer_free(c->tokenizer);
    lm_whole_words_free(&c->words);
    lm_word_set_free(&c->protect);
    lm_buf_free(&c->note);
    free(c);
}

/* Threads share the parameters, which must not be converted while they read them. */
static bool make_ready(lm_params *params, lm_status *st)
{
    for (size_t i = 0; i < lm_params_count(params); i++)
        if (!lm_param_ready(lm_params_at(params, i), st))
            return false;
    return true;
}

static bool open_model(contextual *c, const char *path, lm_status *st)
{
    if (!*path)
        return lm_fail(st, LM_USAGE, "give a masked language model: a directory such as bert-base-uncased/");
    c->model = lm_model_open(path, &(lm_model_options){.task = "mlm"}, st);
    if (!c->model)
        return false;
    c->tokenizer = lm_tokenizer_open(path, st);
    if (!c->tokenizer || !make_ready(c->model->params, st))
        return false;
    int limit = lm_tokenizer_max_length(c->tokenizer), most = c->model->arch.max_length;
    c->how = (lm_masking_words){.tokenizer = c->tokenizer,
                                .protect = &c->protect,
                                .mask_id = lm_tokenizer_role(c->tokenizer, "mask"),
                                .max_length = !limit || (most && most < limit) ? most : limit};
    if (c->how.mask_id < 0 || c->how.mask_id >= c->model->arch.vocab_size)
        return lm_fail(st, LM_FAILED, "%s: its tokenizer has no token for a mask that the model knows", path);
    return lm_whole_words_find(&c->words, c->tokenizer, lm_model_token_columns(c->model), st) || lm_fail_prefix(st, path);
}

static void *contextual_open(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    contextual *c = lm_calloc(1, sizeof *c);
    if (open_model(c, value, st) &&
        (!o->protect || lm_word_set_read(&c->protect, o->protect, "--protect", st))) {
        c->how.share = o->contextual.share;
        c->seed = o->seed;
        c->place = place;
        c->top_k = (int)o->contextual.top_k;
        lm_buf_printf(&c->note, "\"op\":\"mlm\",\"share\":%g,\"top_k\":%d", c->how.share, c->top_k);
        return c;
    }
    lm_fail_prefix(st, "--mlm");
    contextual_close(c);
    return NULL;
}

typedef struct room {
    lm_masking_room *masking;
    lm_masked_rows *rows;
    lm_masked_words words;
    lm_buf out;
} room;

static void *room_new(void *self)
{
    contextual *c = self;
    room *r = lm_calloc(1, sizeof *r);
    r->masking = lm_masking_room_new(&c->how);
    r->rows = lm_masked_rows_new(c->model, &c->words, c->top_k);
    return r;
}

static void room_free(void *opaque)
{
    room *r = opaque;
    lm_masking_room_free(r->masking);
    lm_masked_rows_free(r->rows);
    free(r->words.at);
    free(r->words.masks);
    lm_buf_free(&r->out);
    free(r);
}

/* ------------------------------------------------------------------ a batch */

/* Appends what stands for a masked word. */
static void put_word(contextual *c, const lm_masked_word *w, const lm_mask *mask, lm_str text, lm_buf *out)
{
    lm_str before = {text.data + w->from, w->stem}, tail = {text.data + w->from + w->stem, w->to - w->from - w->stem};
    if (mask->token < 0) {
        lm_buf_append(out, before.data, before.len + tail.len);
        c->kept++;
        return;
    }
    lm_str now = c->words.words[mask->token];
    c->replaced++;
    lm_case_like(now, before, out);
    if (tail.len)
        lm_josa_append(now, before, tail, out);
}

/* Puts the new words into their texts. */
static void replace(contextual *c, room *r, lm_drafts *batch)
{
    for (size_t i = 0, next; i < r->words.count; i = next) {
        const lm_masked_word *first = &r->words.at[i];
        lm_str *text = &batch->items[first->draft]->texts[first->text];
        size_t copied = 0;
        r->out.len = 0;
        for (next = i; next < r->words.count; next++) {
            const lm_masked_word *w = &r->words.at[next];
            if (w->draft != first->draft || w->text != first->text)
                break;
            lm_buf_append(&r->out, text->data + copied, w->from - copied);
            put_word(c, w, &r->words.masks[next], *text, &r->out);
            copied = w->to;
        }
        lm_buf_append(&r->out, text->data + copied, text->len - copied);
        *text = (lm_str){lm_arena_strndup(batch->arena, r->out.data, r->out.len), r->out.len};
    }
}

static bool contextual_apply(void *self, void *opaque, lm_drafts *batch, lm_status *st)
{
    contextual *c = self;
    room *r = opaque;
    r->words.count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const lm_draft *d = batch->items[i];
        if (d->note)
            lm_buf_append(d->note, c->note.data, c->note.len);
        for (int t = 0; t < d->text_count; t++) {
            lm_draws draws = lm_draws_of(c->seed, c->place, d, t);
            lm_masked_word at = {.draft = (uint32_t)i, .text = (uint32_t)t};
            if (!lm_masking_text(r->masking, d->texts[t], at, &draws, &r->words, r->rows, batch->arena, st))
                return false;
        }
    }
    if (!lm_masked_rows_finish(r->rows, r->words.masks, st))
        return false;
    replace(c, r, batch);
    return true;
}

static void contextual_report(const void *self, lm_buf *out)
{
    const contextual *c = self;
    lm_buf_printf(out, "mlm: %" PRIuFAST64 " words were replaced", atomic_load(&c->replaced));
    if (atomic_load(&c->kept))
        lm_buf_printf(out, ", and for %" PRIuFAST64 " none was found", atomic_load(&c->kept));
    lm_buf_putc(out, '\n');
}

const lm_operation_kind lm_mlm_kind = {
    .name = "mlm", .varies = true, .open = contextual_open, .close = contextual_close, .room_new = room_new,
    .room_free = room_free, .apply = contextual_apply, .report = contextual_report};

void lm_contextual_entries(lm_augment_entries *to)
{
    const lm_option entries[] = {
        LM_ENTRY_GROUP("Words by a masked language model"),
        LM_ENTRY_STEP("mlm", "MODEL", .aliases = "contextual",
                      .help = "replace words by others that this model expects in their places"),
        LM_ENTRY_ABOUT("mlm", "mask-share", LM_OPT_FLOAT, contextual.share, "SHARE", .min = 0, .max = 1,
                       .help = "of the words of a text that --mlm replaces; one word at least"),
        LM_ENTRY_ABOUT("mlm", "top-k", LM_OPT_COUNT, contextual.top_k, "K", .min = 1, .max = LM_TOP_K_MAX,
                       .help = "--mlm draws a word from the K likeliest; 1 is always the likeliest"),
        {0},
    };
    lm_augment_entries_add(to, entries);
}
