/* Tokenizers out of text. The result depends on the text alone, not on the threads. */
#ifndef LM_TEXT_TRAIN_H
#define LM_TEXT_TRAIN_H

#include "text/source.h"
#include "text/vocabulary.h"
#include "text/train/word_counts.h"

typedef struct lm_tokenizer_training {
    const char *output; /* directory */
    const lm_strings *operands;
    lm_records_options records;
    int64_t vocab_size, min_frequency, limit_alphabet;
    lm_strings special; /* beside [PAD] [UNK] [CLS] [SEP] [MASK] */
    bool lower_case, cjk;
    int strip_accents;  /* 0: as lower_case, 1: yes, 2: no */
    int64_t max_length; /* model_max_length that is written */
} lm_tokenizer_training;

/* Reads the text, learns a WordPiece vocabulary and writes the tokenizer's files into the directory. */
bool lm_train_wordpiece(const lm_tokenizer_training *o, lm_status *st);

/* The vocabulary alone: `special` first, then the characters by code point, those inside words behind "##",
 * and what merging the most frequent pair makes again and again, until there are vocab_size tokens or no pair
 * is min_frequency times there: the way of Hugging Face's WordPieceTrainer. Among equals the pair whose
 * first, then second, part came into the vocabulary first. `counts` sorted. */
bool lm_wordpiece_learn(const lm_word_counts *counts, const lm_tokenizer_training *o, const lm_str *special,
                        size_t special_count, lm_vocabulary *out, lm_status *st);

#endif
