#include "text/train/train.h"

#include "base/atomic.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/threads.h"
#include "text/tokenizer_internal.h"
#include "text/train/merges.h"
#include "text/train/specs.h"
#include "text/train/unigram.h"

#include <limits.h>
#include <stdlib.h>

#ifdef _OPENMP
#include <omp.h>
#endif

enum {
    BATCH_ROWS = 16384,
    BATCH_BYTES = 1 << 22,
    ROWS_AT_ONCE = 64,
    BERT_MAX_LENGTH = 512,
    BERT_ALPHABET = 1000,
    UNIGRAM_TOKEN_LENGTH = 16
};

static const double byte_fallback_coverage = 0.9995; /* as SentencePiece has it */

/* ---------------------------------------------------------------- words */

/* A tokenizer of the training's normaliser and pre-tokeniser whose model does not matter: a WordPiece of the
 * head tokens alone. Special tokens are no tokens yet, but text. */
static lm_tokenizer *splitter(const lm_tokenizer_training *o, const lm_head_tokens *head, lm_status *st)
{
    lm_token_tables tables = {0};
    for (size_t i = 0; i < head->count && lm_ok(st); i++)
        lm_vocabulary_add(&tables.vocabulary, head->items[i], (int64_t)i, st);
    json_t *spec = lm_ok(st) ? lm_trained_spec(o, head, &tables.vocabulary, st) : NULL;
    if (!spec) {
        lm_token_tables_free(&tables);
        return NULL;
    }
    json_object_set_new(spec, "added_tokens", json_array());
    json_object_set_new(spec, "post_processor", json_null());
    json_object_set_new(spec, "decoder", json_null());
    json_object_set_new(spec, "model",
                        json_pack("{s:s, s:s%, s:s, s:i}", "type", "WordPiece", "unk_token",
                                  head->items[0].data, head->items[0].len, "continuing_subword_prefix", "##",
                                  "max_input_chars_per_word", INT_MAX));
    return lm_tokenizer_from_spec(spec, &tables, NULL, NULL, NULL, st);
}

/* What one thread counts with. */
typedef struct worker {
    const lm_tokenizer *tokenizer;
    lm_word_counter *counter;
    int number;
    lm_encoder *encoder;
    lm_status st;
} worker;

static void count_row(worker *w, const lm_text_record *r)
{
    lm_str texts[2] = {r->text, r->pair};
    for (int k = 0; k < 2 && lm_ok(&w->st); k++) {
        if (!texts[k].data)
            continue;
        lm_word_counts *table = lm_word_counter_table(w->counter, w->number);
        if (!w->encoder)
            w->encoder = lm_encoder_counting(w->tokenizer, table);
        lm_side *side = lm_encode_words(w->encoder, texts[k]);
        for (size_t i = 0; i < side->n; i++)
            table->words[side->ids[i]].count++;
        if (lm_word_counter_full(w->counter, w->number)) {
            lm_word_counter_spill(w->counter, w->number, &w->st);
            lm_encoder_free(w->encoder); /* it remembers numbers of words */
            w->encoder = NULL;
        }
    }
}

static uint64_t count_batch(worker *workers, int threads, const lm_text_batch *batch)
{
    uint64_t bytes = 0;
#pragma omp parallel for schedule(dynamic, ROWS_AT_ONCE) num_threads(threads) reduction(+ : bytes)
    for (size_t i = 0; i < batch->count; i++) {
#ifdef _OPENMP
        int me = omp_get_thread_num();
#else
        int me = 0;
#endif
        if (!batch->items[i].flush)
            count_row(&workers[me], &batch->items[i]);
        bytes += batch->items[i].text.len + batch->items[i].pair.len;
    }
    return bytes;
}

static bool workers_ok(const worker *workers, int threads, lm_status *st)
{
    for (int i = 0; i < threads && lm_ok(st); i++)
        if (!lm_ok(&workers[i].st))
            lm_fail(st, workers[i].st.code, "%s", workers[i].st.message);
    return lm_ok(st);
}

/* Reads all text. Each thread counts into a table of its own. */
static bool read_text(const lm_tokenizer_training *o, worker *workers, int threads, uint64_t *rows,
                      lm_status *st)
{
    lm_text_source source = {0};
    lm_text_batch batch = {0};
    char note[48];
    uint64_t bytes = 0;
    int rc = lm_text_source_open(&source, o->operands, &o->records, st) ? 1 : -1;
    lm_progress_begin("reading", "B", 0);
    while (rc > 0 && lm_signal_check(st) && workers_ok(workers, threads, st) &&
           (rc = lm_text_source_batch(&source, BATCH_ROWS, BATCH_BYTES, &batch, st)) > 0) {
        bytes += count_batch(workers, threads, &batch);
        snprintf(note, sizeof note, "%llu rows", (unsigned long long)source.count);
        lm_progress_update(bytes, note);
    }
    lm_progress_end();
    *rows = source.count;
    lm_text_source_close(&source);
    lm_text_batch_free(&batch);
    return lm_ok(st) && workers_ok(workers, threads, st);
}

static bool count_words(const lm_tokenizer_training *o, const lm_tokenizer *t, lm_words *out, lm_status *st)
{
    int threads = lm_threads();
    uint64_t rows = 0;
    lm_word_counter *counter = lm_word_counter_new(threads, (size_t)o->memory);
    worker *workers = lm_calloc((size_t)threads, sizeof *workers);
    for (int i = 0; i < threads; i++)
        workers[i] = (worker){.tokenizer = t, .counter = counter, .number = i};
    bool ok = read_text(o, workers, threads, &rows, st);
    for (int i = 0; i < threads; i++)
        lm_encoder_free(workers[i].encoder);
    free(workers);
    bool on_disk = lm_word_counter_on_disk(counter);
    ok = ok && lm_word_counter_finish(counter, out, st);
    lm_word_counter_free(counter);
    if (ok && out->n == 0)
        return lm_fail(st, LM_FAILED, "the input has no words to learn from");
    if (ok)
        lm_info("%llu rows, %llu words, %llu of them different%s", (unsigned long long)rows,
                (unsigned long long)out->occurrences, (unsigned long long)out->n,
                on_disk ? ", counted on disk for want of --memory" : "");
    return ok;
}

/* ---------------------------------------------------------------- learning */

static lm_alphabet_options alphabet_options(const lm_tokenizer_training *o)
{
    bool all = o->limit_alphabet == 0;
    lm_alphabet_options a = {.limit = o->limit_alphabet, .coverage = o->character_coverage};
    if (o->limit_alphabet < 0)
        a.limit = o->model == LM_TRAIN_WORDPIECE ? BERT_ALPHABET : 0;
    if (o->character_coverage <= 0)
        a.coverage = o->byte_fallback && !all ? byte_fallback_coverage : 1;
    return a;
}

static bool learn_merges(const lm_tokenizer_training *o, const lm_words *words, const lm_head_tokens *head,
                         lm_token_tables *out, lm_status *st)
{
    uint32_t bytes[LM_BYTE_TOKENS];
    lm_merges_options options = {.vocab_size = o->vocab_size,
                                 .min_frequency = o->min_frequency,
                                 .max_token_length = o->max_token_length,
                                 .alphabet = alphabet_options(o),
                                 .prefix = lm_str_of(o->model == LM_TRAIN_WORDPIECE ? "##" : ""),
                                 .head = head->items,
                                 .head_count = head->count,
                                 .memory = (size_t)o->memory};
    if (o->model == LM_TRAIN_BPE && !o->byte_fallback) {
        lm_byte_level_alphabet(bytes);
        options.alphabet.initial = bytes;
        options.alphabet.initial_count = LM_BYTE_TOKENS;
    }
    return lm_learn_merges(words, &options, out, st);
}

static bool learn(const lm_tokenizer_training *o, const lm_words *words, const lm_head_tokens *head,
                  lm_token_tables *out, lm_status *st)
{
    if (o->model != LM_TRAIN_UNIGRAM)
        return learn_merges(o, words, head, out, st);
    lm_unigram_options options = {.vocab_size = o->vocab_size,
                                  .max_piece_length =
                                      o->max_token_length ? o->max_token_length : UNIGRAM_TOKEN_LENGTH,
                                  .alphabet = alphabet_options(o),
                                  .head = head->items,
                                  .head_count = head->count,
                                  .memory = (size_t)o->memory};
    return lm_learn_unigram(words, &options, out, st);
}

/* ---------------------------------------------------------------- all together */

static bool save(const lm_tokenizer_training *o, const lm_head_tokens *head, lm_token_tables *tables,
                 lm_status *st)
{
    json_t *spec = lm_trained_spec(o, head, &tables->vocabulary, st);
    lm_tokenizer *t =
        spec ? lm_tokenizer_from_spec(spec, tables, lm_trained_config(o), NULL, NULL, st) : NULL;
    if (!t)
        return false;
    if (o->model == LM_TRAIN_WORDPIECE)
        t->max_length = o->max_length > 0 ? (int)o->max_length : BERT_MAX_LENGTH;
    lm_bundle_writer *to = lm_bundle_create(o->output, NULL, st);
    bool ok = to && lm_tokenizer_write(t, to, st);
    if (ok) {
        ok = lm_bundle_publish(to, st);
        if (ok)
            lm_info("%s: %d tokens", o->output, lm_tokenizer_size(t));
    } else {
        lm_bundle_discard(to, st);
    }
    lm_tokenizer_free(t);
    return ok;
}

static bool check_options(const lm_tokenizer_training *o, lm_status *st)
{
    const char *name = lm_trained_model_names[o->model];
    if (o->model == LM_TRAIN_WORDPIECE && o->byte_fallback)
        return lm_fail(st, LM_USAGE, "--byte-fallback: a wordpiece model has none: train bpe or unigram");
    if (o->model == LM_TRAIN_WORDPIECE && o->unicode_normalizer)
        return lm_fail(st, LM_USAGE,
                       "--unicode-normalizer: wordpiece has BERT's normaliser: see --lowercase, "
                       "--strip-accents and --chinese-chars");
    if (o->model == LM_TRAIN_UNIGRAM && o->min_frequency_given)
        return lm_fail(st, LM_USAGE,
                       "--min-frequency: unigram weighs pieces by likelihood: give --vocab-size alone");
    if (o->model == LM_TRAIN_UNIGRAM && (o->max_token_length == 1 || o->max_token_length > 256))
        return lm_fail(st, LM_USAGE, "--max-token-length: %lld is not between 2 and 256, as %s needs it",
                       (long long)o->max_token_length, name);
    return true;
}

bool lm_train_tokenizer(const lm_tokenizer_training *o, lm_status *st)
{
    if (!check_options(o, st))
        return false;
    lm_head_tokens head;
    lm_words words = {0};
    lm_token_tables tables = {0};
    lm_head_tokens_make(o, &head);
    lm_tokenizer *t = splitter(o, &head, st);
    bool ok = t && count_words(o, t, &words, st);
    lm_tokenizer_free(t);
    if (ok && learn(o, &words, &head, &tables, st))
        save(o, &head, &tables, st);
    lm_words_free(&words);
    lm_token_tables_free(&tables);
    lm_head_tokens_free(&head);
    return lm_ok(st);
}
