#include "text/train/train.h"

#include "base/atomic.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/threads.h"
#include "text/tokenizer_internal.h"

#include <limits.h>
#include <stdlib.h>

#ifdef _OPENMP
#include <omp.h>
#endif

enum { BATCH_ROWS = 16384, BATCH_BYTES = 1 << 22, ROWS_AT_ONCE = 64 };

/* A tokenizer of the training's normaliser and pre-tokeniser whose model does not matter. */
static lm_tokenizer *splitter(const lm_bert_options *options, lm_status *st)
{
    lm_token_tables tables = {0};
    for (size_t i = 0; i < options->special_count; i++)
        lm_vocabulary_add(&tables.vocabulary, options->special[i], (int64_t)i, st);
    json_t *spec = lm_ok(st) ? lm_bert_spec(options, &tables.vocabulary, st) : NULL;
    if (!spec) {
        lm_token_tables_free(&tables);
        return NULL;
    }
    json_object_set_new(spec, "added_tokens", json_array());
    json_object_set_new(json_object_get(spec, "model"), "max_input_chars_per_word", json_integer(INT_MAX));
    return lm_tokenizer_from_spec(spec, &tables, NULL, NULL, NULL, st);
}

static void count_row(lm_encoder *e, lm_word_counts *c, const lm_text_record *r)
{
    lm_str texts[2] = {r->text, r->pair};
    for (int k = 0; k < 2; k++) {
        if (!texts[k].data)
            continue;
        lm_side *side = lm_encode_words(e, texts[k]);
        for (size_t i = 0; i < side->n; i++)
            c->words[side->ids[i]].count++;
    }
}

/* Counts the words of all text, each thread into a table of its own. */
static bool count_words(const lm_tokenizer_training *o, const lm_tokenizer *t, lm_word_counts *out,
                        lm_status *st)
{
    int threads = lm_threads();
    lm_word_counts *counts = lm_calloc((size_t)threads, sizeof *counts);
    lm_encoder **encoders = lm_calloc((size_t)threads, sizeof *encoders);
    for (int i = 0; i < threads; i++)
        encoders[i] = lm_encoder_counting(t, &counts[i]);
    lm_text_source source = {0};
    lm_text_batch batch = {0};
    lm_progress_begin("reading", "B", 0);
    int rc = lm_text_source_open(&source, o->operands, &o->records, st) ? 1 : -1;
    uint64_t bytes = 0;
    while (rc > 0 && lm_signal_check(st) &&
           (rc = lm_text_source_batch(&source, BATCH_ROWS, BATCH_BYTES, &batch, st)) > 0) {
#pragma omp parallel for schedule(dynamic, ROWS_AT_ONCE) num_threads(threads) reduction(+ : bytes)
        for (size_t i = 0; i < batch.count; i++) {
#ifdef _OPENMP
            int me = omp_get_thread_num();
#else
            int me = 0;
#endif
            if (!batch.items[i].flush)
                count_row(encoders[me], &counts[me], &batch.items[i]);
            bytes += batch.items[i].text.len + batch.items[i].pair.len;
        }
        lm_progress_update(bytes, NULL);
    }
    lm_progress_end();
    uint64_t rows = source.count;
    lm_text_source_close(&source);
    lm_text_batch_free(&batch);
    for (int i = 0; i < threads; i++) {
        lm_encoder_free(encoders[i]);
        lm_word_counts_merge(out, &counts[i]);
        lm_word_counts_free(&counts[i]);
    }
    free(encoders);
    free(counts);
    lm_word_counts_sort(out);
    if (lm_ok(st) && out->n == 0)
        return lm_fail(st, LM_FAILED, "the input has no words to learn from");
    if (lm_ok(st))
        lm_info("%llu rows, %zu different words", (unsigned long long)rows, out->n);
    return lm_ok(st);
}

static bool save(const lm_tokenizer_training *o, const lm_bert_options *options, lm_token_tables *tables,
                 lm_status *st)
{
    json_t *spec = lm_bert_spec(options, &tables->vocabulary, st);
    lm_tokenizer *t = spec ? lm_tokenizer_from_spec(spec, tables, NULL, NULL, NULL, st) : NULL;
    if (!t)
        return false;
    t->max_length = (int)o->max_length;
    lm_output_dir *dir = lm_output_dir_open(o->output, st);
    bool ok = dir && lm_tokenizer_save(t, lm_output_dir_path(dir), st);
    if (ok) {
        int size = lm_tokenizer_size(t);
        ok = lm_output_dir_publish(dir, st);
        if (ok)
            lm_info("%s: %d tokens", o->output, size);
    } else if (dir) {
        lm_output_dir_discard(dir);
    }
    lm_tokenizer_free(t);
    return ok;
}

bool lm_train_wordpiece(const lm_tokenizer_training *o, lm_status *st)
{
    static const char *const usual[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    enum { USUAL = sizeof usual / sizeof *usual };
    lm_str *special = lm_malloc(USUAL + o->special.count, sizeof *special);
    size_t n = 0;
    for (int i = 0; i < USUAL; i++)
        special[n++] = lm_str_of(usual[i]);
    for (size_t i = 0; i < o->special.count; i++) {
        lm_str token = lm_str_of(o->special.items[i]);
        bool twice = token.len == 0;
        for (size_t k = 0; k < n; k++)
            twice |= lm_str_equal(special[k], token);
        if (!twice)
            special[n++] = token;
    }
    lm_bert_options options = {
        .lower_case = o->lower_case,
        .clean_text = true,
        .cjk = o->cjk,
        .strip_accents = o->strip_accents == 0 ? -1 : o->strip_accents == 1,
        .unk = special[1],
        .cls = special[2],
        .sep = special[3],
        .special = special,
        .special_count = n,
    };
    lm_word_counts counts = {0};
    lm_token_tables tables = {0};
    lm_tokenizer *t = splitter(&options, st);
    if (t && count_words(o, t, &counts, st) && lm_wordpiece_learn(&counts, o, special, n, &tables.vocabulary, st))
        save(o, &options, &tables, st);
    lm_tokenizer_free(t);
    lm_word_counts_free(&counts);
    lm_token_tables_free(&tables);
    free(special);
    return lm_ok(st);
}
