/* Kind tokens with its meaning: rows as programs make and use them, written in records of the usual size, and a typed
 * view of a record whose every column has been checked. The columns are those of lmstream(5). */
#ifndef LM_STREAM_TOKENS_H
#define LM_STREAM_TOKENS_H

#include "stream/lms.h"
#include "stream/records.h"

/* An answer of a preference pair. */
typedef struct lm_tokens_answer {
    const int32_t *ids;            /* prompt and answer; NULL = the column is absent */
    size_t len;
    const uint8_t *loss_mask;
    const float *logprobs;         /* of each token given those before it, by a reference; or, `summed`, one of all the answer */
    bool summed;
} lm_tokens_answer;

/* Outputs of a model: a unit of them for each row, or for each token. All logits of a unit, or the k largest with the log-sum-exp of
 * the others. */
typedef struct lm_tokens_logits {
    const float *all;     /* [units, width]; NULL = these: */
    const int32_t *index; /* [units, width] */
    const float *top;     /* [units, width] */
    const float *rest;    /* [units] */
    size_t width;         /* 0 = there are none */
    bool per_token;
} lm_tokens_logits;

/* One row. NULL (or the zero value of its flag) = the column is absent. Everything is borrowed. */
typedef struct lm_tokens_row {
    const int32_t *ids;
    size_t len;                    /* of ids and all that is ragged like it */
    const uint8_t *types;
    const int32_t *word_ids;
    const int32_t *offsets;        /* [len][2] */
    const uint8_t *loss_mask;
    const int32_t *tags;
    const int32_t *mlm_labels;
    const float *logprobs;         /* of each token given those before it */
    const int32_t *seq_lengths;    /* of a packed row: how many tokens each of its texts has; their sum is len */
    size_t seq_count;
    bool has_label_word, has_label_id, has_label_float;
    lm_str label_word;             /* header member `labels` */
    int32_t label_id;              /* column `label`, I32 */
    float label_float;             /* column `label`, F32 */
    lm_tokens_answer chosen, rejected;
    const int32_t *target_ids;     /* [target_len] of seq2seq */
    size_t target_len;
    const int32_t *answer;         /* [2] first and last token of the answer; -100 = carries no loss */
    const json_t *answers;         /* the record's field of this name, where a record was read; NULL = absent */
    const uint8_t *multi_label;    /* [classes] */
    size_t classes;
    lm_tokens_logits logits;       /* of a model that has read the row */
    bool has_weight, has_doc, has_row, has_truncated, has_desirable;
    float weight;
    uint8_t desirable;             /* whether the answer is a good one */
    int32_t doc, row;
    uint8_t truncated;
    lm_str text, pair;             /* the source (`--keep-text`); data NULL = absent */
    lm_str id;                     /* JSON text; data NULL = absent */
    const lm_field *fields;        /* header member `fields`; NULL where rows were read back from a record or a spool */
    size_t field_count;
} lm_tokens_row;

/* An answer of a preference pair as a row by itself, with the pair's weight. */
lm_tokens_row lm_tokens_answer_row(const lm_tokens_row *pair, const lm_tokens_answer *answer);
/* Tokens [first, first + n) of a row: what has a value for each token, and nothing else. */
void lm_tokens_row_part(const lm_tokens_row *row, size_t first, size_t n, lm_tokens_row *part);

/* ------------------------------------------------------------------------------------------- what the ids belong to */

/* The preamble's `tokenizer` member. Ids that are not there are -1. */
typedef struct lm_tokenizer_info {
    bool present;                  /* a preamble without it is accepted with a warning */
    const char *path;              /* borrowed (from the preamble when read); NULL = not said */
    bool has_xxh3, has_behaviour;
    uint64_t xxh3, behaviour;      /* digests of the vocabulary and of the rest (lmstream(5)) */
    int64_t vocab_size;            /* -1 = not said */
    int32_t pad_id, cls_id, sep_id, mask_id, unk_id, bos_id, eos_id;
    int64_t max_length;            /* model_max_length; 0 = not said */
} lm_tokenizer_info;

#define LM_TOKENIZER_INFO_NONE                                                                                \
    {.vocab_size = -1, .pad_id = -1, .cls_id = -1, .sep_id = -1, .mask_id = -1, .unk_id = -1, .bos_id = -1,   \
     .eos_id = -1}

/* A new object {"tokenizer":{...}} for lm_lms_writer_new; the caller may add members. */
json_t *lm_tokens_preamble(const lm_tokenizer_info *info);
/* Reads it back; fails where a member has the wrong type. info->path stays valid as long as the preamble. */
bool lm_tokenizer_info_read(json_t *preamble, lm_tokenizer_info *info, lm_status *st);

/* ------------------------------------------------------------------------------------------------------- writing */

/* Packs rows into records. A row whose set of columns differs from those before it begins a new record. */
typedef struct lm_tokens_writer lm_tokens_writer;

lm_tokens_writer *lm_tokens_writer_new(lm_lms_writer *w); /* borrows w */
void lm_tokens_writer_free(lm_tokens_writer *t);
bool lm_tokens_writer_add(lm_tokens_writer *t, const lm_tokens_row *row, lm_status *st);
/* Writes the record in hand: before a flush record, and before the end. */
bool lm_tokens_writer_flush(lm_tokens_writer *t, lm_status *st);

/* ------------------------------------------------------------------------------------------------------- reading */

/* The columns of a record that programs know, NULL where absent; the pointers are into the record. n+1 splits each. */
typedef struct lm_tokens_view {
    int64_t n;
    int64_t tokens;                /* ids_splits[n] */
    const int32_t *ids, *ids_splits;
    const uint8_t *types;
    const int32_t *word_ids, *offsets;
    const uint8_t *loss_mask;
    const int32_t *tags, *mlm_labels;
    const float *logprobs;
    struct lm_tokens_answers {
        const int32_t *ids, *splits;
        const uint8_t *loss_mask;
        const float *logprobs;
        bool summed;
    } chosen, rejected;
    const uint8_t *desirable;
    const int32_t *target_ids, *target_ids_splits;
    const int32_t *label_id;       /* one of the two */
    const float *label_float;
    const uint8_t *multi_label;
    int64_t classes;               /* of multi_label */
    const int32_t *answer;         /* [n][2] */
    const float *weight;
    const int32_t *doc, *row;
    const uint8_t *truncated;
    const uint8_t *text, *pair;
    const int32_t *text_splits, *pair_splits;
    lm_tokens_logits logits;       /* per_token: as long as ids */
    json_t *labels, *id, *fields;  /* header members; arrays of n, arrays of n, object of arrays of n */
} lm_tokens_view;

/* Fails where a known column has another dtype or shape than lmstream(5) gives it, or where `ids` is missing. */
bool lm_tokens_view_read(const lm_record *record, lm_tokens_view *view, lm_status *st);
/* Row i of a view; valid as long as the view's record. */
void lm_tokens_view_row(const lm_tokens_view *view, int64_t i, lm_tokens_row *row);
/* Fails, naming the row, where an id is not in 0..vocab-1. `where` is for the message. */
bool lm_tokens_check_ids(const int32_t *ids, size_t n, int64_t vocab, const char *where, lm_status *st);

#endif
