/* Tokenizers out of text. The result depends on the text and the options alone, not on threads and memory. */
#ifndef LM_TEXT_TRAIN_H
#define LM_TEXT_TRAIN_H

#include "text/tokenize/source.h"

typedef enum lm_trained_model { LM_TRAIN_BPE, LM_TRAIN_WORDPIECE, LM_TRAIN_UNIGRAM } lm_trained_model;
extern const char *const lm_trained_model_names[];      /* for --train */
extern const char *const lm_unicode_normalizer_names[]; /* for --unicode-normalizer; 0 is auto */

typedef struct lm_tokenizer_training {
    lm_trained_model model;
    const char *output; /* directory */
    const lm_strings *operands;
    lm_records_options records;
    int64_t vocab_size, min_frequency;
    int64_t limit_alphabet;    /* most letters; 0 = all; -1 = the model's own default */
    double character_coverage; /* share of the text that the letters have to make up; 0 = the model's own
                                  default */
    int64_t max_token_length;  /* in characters; 0 = the model's own default */
    bool byte_fallback;        /* BPE, unigram: letters outside the alphabet become bytes */
    lm_strings special;        /* beside those that the model has of itself */
    int64_t memory;
    int unicode_normalizer;
    bool lower_case, lower_case_given, min_frequency_given;
    bool cjk;           /* WordPiece: each Chinese character is a word */
    int strip_accents;  /* WordPiece: 0: as lower_case, 1: yes, 2: no */
    int64_t max_length; /* model_max_length that is written; 0 = the model's own default */
} lm_tokenizer_training;

/* Reads the text, learns a vocabulary and writes the tokenizer's files into the directory. */
bool lm_train_tokenizer(const lm_tokenizer_training *o, lm_status *st);

#endif
