/* What the examples of a run are: the rows, texts packed together, or pairs of sentences. */
#include "train/run_internal.h"

#include <inttypes.h>

/* Tokens: run_clm's; BERT's and T5's; two beside the special ones. */
enum { USUAL_PACKED = 1024, USUAL_SHORT = 512, LEAST_PAIR = 5 };

static bool check_options(const lm_run *r, lm_instance_kind packing, lm_status *st)
{
    const lm_train_options *o = r->o;
    const lm_objective *objective = r->objective;
    bool pairs = objective->pairs != LM_INSTANCES_ROWS;
    if (packing != LM_INSTANCES_ROWS && pairs)
        return lm_fail(st, LM_USAGE, "--packing: %s makes its examples of sentences already: leave it out", objective->purpose);
    if (packing != LM_INSTANCES_ROWS && objective->tokens != LM_TOKENS_NEXT && objective->noise == LM_NOISE_NONE)
        return lm_fail(st, LM_USAGE, "--packing joins rows, and %s is about each by itself: leave it out", objective->purpose);
    if (o->block_size && packing == LM_INSTANCES_ROWS && !pairs)
        return lm_fail(st, LM_USAGE, "--block-size: rows stay as they are with --packing none: leave out one of the two");
    if (o->has_short_seq_prob && !pairs)
        return lm_fail(st, LM_USAGE, "--short-seq-prob is about pairs of sentences, and %s has none: leave it out",
                       objective->purpose);
    return true;
}

/* What is hidden of a row, or begins it, is one text's. */
static bool is_whole(const lm_objective *o)
{
    return o->noise == LM_NOISE_SPANS || o->noise == LM_NOISE_PREFIX;
}

static bool choose_length(lm_run *r, lm_status *st)
{
    bool pairs = r->objective->pairs != LM_INSTANCES_ROWS;
    int64_t most = r->targets.max_length, usual = pairs || is_whole(r->objective) ? USUAL_SHORT : USUAL_PACKED;
    int64_t length = r->o->block_size ? r->o->block_size : most && most < usual ? most : usual;
    r->block_size = length;
    if (r->objective->noise == LM_NOISE_SPANS) { /* it is the inputs that are so long, behind the corruption */
        lm_span_noise how = {.density = r->o->denoising.probability, .mean_length = r->o->denoising.span_length};
        int target;
        r->examples.length = (uint32_t)lm_span_tokens(&how, (int)length, &target);
        return r->examples.length ||
               lm_fail(st, LM_USAGE, "--block-size %" PRId64 ": no text is corrupted to so few tokens: raise it", length);
    }
    if (most && length > most)
        return lm_fail(st, LM_USAGE, "--block-size %" PRId64 ": the model takes rows of %" PRId64 " tokens: lower it", length, most);
    if (pairs && length < LEAST_PAIR)
        return lm_fail(st, LM_USAGE, "--block-size %" PRId64 ": two sentences and the special tokens around them take %d: raise it",
                       length, LEAST_PAIR);
    r->examples.length = (uint32_t)length;
    return true;
}

bool lm_run_arrange(lm_run *r, lm_status *st)
{
    const lm_train_options *o = r->o;
    lm_instance_kind packing = o->has_packing    ? (lm_instance_kind)o->packing
                               : !o->block_size || r->objective->pairs ? LM_INSTANCES_ROWS
                                                                       : LM_INSTANCES_WRAPPED;
    r->examples = (lm_instances_options){.kind = packing != LM_INSTANCES_ROWS ? packing : r->objective->pairs,
                                         .across = !o->document_attention || is_whole(r->objective),
                                         .short_share = o->short_seq_prob,
                                         .cls_id = r->tokenizer.cls_id,
                                         .sep_id = r->tokenizer.sep_id,
                                         .seed = (uint64_t)r->spec->common->seed};
    if (!check_options(r, packing, st) || (r->examples.kind != LM_INSTANCES_ROWS && !choose_length(r, st)) ||
        !lm_data_arrange(r->data, &r->examples, st))
        return false;
    const lm_instances *made = lm_data_instances(r->data);
    if (made && o->block_size && lm_instances_kind(made) == LM_INSTANCES_ROWS)
        return lm_fail(st, LM_USAGE, "--block-size: the rows have labels, so that they are pairs of sentences already: leave it out, "
                       "or make the tokens with tok --documents");
    lm_data_log(r->data);
    if (!r->replay)
        return true;
    if (!lm_data_arrange(r->replay, &r->examples, st))
        return false;
    lm_data_mix(r->data, r->replay, r->replay_share, &r->replay_targets);
    return true;
}

void lm_run_example_options(const lm_run *r, json_t *all)
{
    static const char *const names[] = {"none", "wrapped", "best-fit", "next-sentence", "sentence-order"};
    const lm_instances_options *e = &r->examples;
    if (e->kind != LM_INSTANCES_ROWS) {
        json_object_set_new(all, "packing", json_string(names[e->kind]));
        json_object_set_new(all, "block-size", json_integer((json_int_t)r->block_size));
    }
    if (r->objective->pairs)
        json_object_set_new(all, "short-seq-prob", json_real(e->short_share));
    else if (!is_whole(r->objective) && (e->across || e->kind != LM_INSTANCES_ROWS))
        json_object_set_new(all, "document-attention", json_boolean(!e->across));
}

const char *lm_run_example_name(const lm_run *r)
{
    lm_instance_kind kind = lm_instances_kind(lm_data_instances(r->data));
    return kind == LM_INSTANCES_ROWS ? "rows" : r->objective->pairs ? "pairs of sentences" : "packed rows";
}
