/* What a run hides of its rows. */
#include "train/run_internal.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ options */

lm_masking lm_denoising_masking(const lm_denoising_options *o, uint64_t seed)
{
    lm_masking m = {.recipe = (lm_mask_recipe)o->recipe,
                    .probability = o->probability,
                    .replaced = o->replaced,
                    .random = o->random,
                    .whole_words = o->whole_words,
                    .most = o->recipe == LM_MASK_NUMBER && o->most < INT32_MAX ? (int)o->most : 0,
                    .copies = (int)o->copies,
                    .seed = seed};
    if (o->whole_words && o->recipe == LM_MASK_EACH && !o->has_replaced && !o->has_random) {
        m.replaced = 1; /* transformers replaces whole words by nothing else */
        m.random = 0;
    }
    return m;
}

const char *const *lm_denoising_columns(const lm_denoising_options *o)
{
    lm_masking m = lm_denoising_masking(o, 0);
    return lm_mask_by_words(&m) ? lm_training_word_columns : lm_training_columns;
}

bool lm_denoising_check(const lm_denoising_options *o, lm_status *st)
{
    if (o->replaced + o->random > 1 + 1e-12)
        return lm_fail(st, LM_USAGE, "--mask-replace-prob %g and --random-replace-prob %g are more than 1 together",
                       o->replaced, o->random);
    if (o->has_most && o->recipe != LM_MASK_NUMBER)
        return lm_fail(st, LM_USAGE, "--max-predictions: --masking %s has no such limit: leave it out, or choose "
                       "--masking google", lm_mask_recipe_names[o->recipe]);
    return true;
}

/* What the objective has no use for would be ignored in silence. */
static bool check_objective(const lm_run *r, lm_status *st)
{
    const lm_denoising_options *o = &r->o->denoising;
    const char *masks = o->recipe                         ? "masking"
                        : o->whole_words                  ? "whole-word-mask"
                        : o->has_replaced                 ? "mask-replace-prob"
                        : o->has_random                   ? "random-replace-prob"
                        : o->copies                       ? "dupe-factor"
                                                          : NULL;
    if (masks && r->objective->noise != LM_NOISE_MASKS)
        return lm_fail(st, LM_USAGE, "--%s: %s masks no tokens: leave it out", masks, r->objective->name);
    if (o->has_span_length && r->objective->noise != LM_NOISE_SPANS)
        return lm_fail(st, LM_USAGE, "--mean-span-length: %s hides no spans: leave it out", r->objective->name);
    return true;
}

void lm_run_denoising_options(const lm_run *r, json_t *all)
{
    lm_masking m = lm_denoising_masking(&r->o->denoising, 0);
    if (r->objective->noise == LM_NOISE_MASKS || r->objective->noise == LM_NOISE_SPANS)
        json_object_set_new(all, "mlm-probability", json_real(m.probability));
    if (r->objective->noise == LM_NOISE_SPANS)
        json_object_set_new(all, "mean-span-length", json_real(r->o->denoising.span_length));
    if (r->objective->noise != LM_NOISE_MASKS)
        return;
    json_object_set_new(all, "masking", json_string(lm_mask_recipe_names[m.recipe]));
    json_object_set_new(all, "whole-word-mask", json_boolean(m.whole_words));
    json_object_set_new(all, "mask-replace-prob", json_real(m.replaced));
    json_object_set_new(all, "random-replace-prob", json_real(m.random));
    json_object_set_new(all, "max-predictions", json_integer(m.most));
    json_object_set_new(all, "dupe-factor", json_integer(m.copies));
}

/* ------------------------------------------------------------------ masks */

/* Marks the tokens that go on with a word, where the vocabulary shows it as WordPiece does. */
static void find_pieces(lm_run *r)
{
    const lm_tokenizer *t = r->tokenizer.tokenizer;
    int size = r->targets.vocab_size, pieces = 0;
    uint8_t *continues = lm_calloc((size_t)size + 1, 1);
    for (int id = 0; t && id < size && id < lm_tokenizer_size(t); id++) {
        lm_str token = lm_tokenizer_token(t, id);
        continues[id] = token.len > 2 && memcmp(token.data, "##", 2) == 0;
        pieces += continues[id];
    }
    if (pieces)
        r->targets.masking.continues = r->continues = continues;
    else
        free(continues);
}

/* Google's recipe leaves out the tokens of the template alone. */
static void keep_unknown(lm_run *r)
{
    const lm_tokenizer *t = r->tokenizer.tokenizer;
    int unk = t ? lm_tokenizer_role(t, "unk") : lm_data_tokenizer(r->data)->unk_id, n = 0;
    for (int i = 0; i < r->tokenizer.special_count; i++)
        if (r->tokenizer.special[i] != unk)
            r->tokenizer.special[n++] = r->tokenizer.special[i];
    r->targets.masking.special_count = r->tokenizer.special_count = n;
}

static bool prepare_masks(lm_run *r, lm_status *st)
{
    lm_masking *m = &r->targets.masking;
    *m = lm_denoising_masking(&r->o->denoising, (uint64_t)r->spec->common->seed);
    m->mask_id = r->tokenizer.mask_id;
    m->special = r->tokenizer.special;
    m->special_count = r->tokenizer.special_count;
    m->vocab_size = r->tokenizer.size && r->tokenizer.size < r->targets.vocab_size ? r->tokenizer.size
                                                                                  : r->targets.vocab_size;
    if (m->recipe == LM_MASK_NUMBER)
        keep_unknown(r);
    if (lm_mask_by_words(m))
        find_pieces(r);
    lm_tokens_row row = {0};
    if (lm_data_spool(r->data))
        lm_spool_row(lm_data_spool(r->data), 0, &row);
    return m->mask_id >= 0 || row.mlm_labels ||
           lm_fail(st, LM_FAILED,
                   "the tokenizer has no mask token, which %s needs: use one that has, or mask "
                   "the stream (mlm_labels)",
                   r->objective->purpose);
}

/* ------------------------------------------------------------------ spans */

static int sentinel(const lm_tokenizer *t, int n)
{
    char name[32]; /* in mT5's vocabulary it is a word like others */
    snprintf(name, sizeof name, "\xe2\x96\x81<extra_id_%d>", n);
    int id = lm_tokenizer_id(t, lm_str_of(name + 3));
    return id >= 0 ? id : lm_tokenizer_id(t, lm_str_of(name));
}

/* <extra_id_0>, <extra_id_1> ...: as many as there are, whatever their ids. */
static void find_sentinels(lm_run *r)
{
    const lm_tokenizer *t = r->tokenizer.tokenizer;
    lm_span_noise *how = &r->targets.spans;
    int n = 0;
    for (; t; n++) {
        int id = sentinel(t, n);
        if (id < 0 || id >= r->targets.vocab_size)
            break;
        r->sentinels = lm_realloc(r->sentinels, (size_t)n + 1, sizeof *r->sentinels);
        r->sentinels[n] = id;
    }
    how->sentinels = r->sentinels;
    how->sentinel_count = n;
}

static bool prepare_spans(lm_run *r, lm_status *st)
{
    const lm_tokenizer *t = r->tokenizer.tokenizer;
    lm_span_noise *how = &r->targets.spans;
    *how = (lm_span_noise){.density = r->o->denoising.probability,
                           .mean_length = r->o->denoising.span_length,
                           .eos_id = t ? lm_tokenizer_role(t, "eos") : lm_data_tokenizer(r->data)->eos_id,
                           .seed = (uint64_t)r->spec->common->seed};
    if (r->objective->tokens != LM_TOKENS_TARGETS)
        return true;
    if (how->eos_id < 0)
        return lm_fail(st, LM_FAILED, "the tokenizer has no token for the end of a text, which %s needs: use one that has",
                       r->objective->name);
    if (r->objective->noise != LM_NOISE_SPANS)
        return true;
    find_sentinels(r);
    if (!how->sentinel_count)
        return lm_fail(st, LM_FAILED, "the tokenizer has no <extra_id_0>, <extra_id_1> ..., which stand for hidden spans: use T5's, "
                       "or train one with these (tok --train unigram --special '<extra_id_0>' ...)");
    bool packed = r->examples.kind != LM_INSTANCES_ROWS; /* then no row is as long as what is made of it */
    int hidden, spans = packed ? lm_span_count(how, (int)r->examples.length, &hidden) : 0;
    return spans <= how->sentinel_count ||
           lm_fail(st, LM_FAILED, "%u tokens have %d hidden spans, and the tokenizer has %d <extra_id_...> for them: lower "
                   "--block-size, or make longer spans (--mean-span-length)",
                   (unsigned)r->examples.length, spans, how->sentinel_count);
}

bool lm_run_hide(lm_run *r, lm_status *st)
{
    if (!check_objective(r, st))
        return false;
    switch (r->objective->noise) {
    case LM_NOISE_MASKS:
        return prepare_masks(r, st);
    case LM_NOISE_SPANS:
    case LM_NOISE_PREFIX:
        return prepare_spans(r, st);
    case LM_NOISE_NONE:
        break;
    }
    return true;
}
