/* Tokenizers: text to ids and back, equal to Hugging Face's `tokenizers`.
 *
 * A tokenizer is a pipeline: added tokens are cut out, the rest is normalised, split into words, each word
 * turned into ids by the model, and the result put into a template with special tokens. Spans refer to the
 * source text in bytes. */
#ifndef LM_TEXT_TOKENIZER_H
#define LM_TEXT_TOKENIZER_H

#include "base/buffer.h"
#include "base/status.h"
#include "stream/bundle.h"
#include "tensor/gguf_write.h"

#include <stdint.h>

typedef struct lm_tokenizer lm_tokenizer;

/* From a directory (tokenizer.json, else vocab.txt with tokenizer_config.json), an archive of one or a model stream
 * (stream/bundle.h), or one such file. */
lm_tokenizer *lm_tokenizer_open(const char *path, lm_status *st);
void lm_tokenizer_free(lm_tokenizer *t);

int lm_tokenizer_size(const lm_tokenizer *t);             /* ids, added tokens included */
int lm_tokenizer_id(const lm_tokenizer *t, lm_str token); /* -1 if absent */
lm_str lm_tokenizer_token(const lm_tokenizer *t, int id); /* as it stands in tokenizer.json */
/* Ids by role: "pad", "cls", "sep", "mask", "unk", "bos", "eos"; -1 if there is none. */
int lm_tokenizer_role(const lm_tokenizer *t, const char *role);
/* Whether its template ends each row with a special token. */
bool lm_tokenizer_ends_rows(const lm_tokenizer *t);
bool lm_tokenizer_is_special(const lm_tokenizer *t, int id);
int lm_tokenizer_max_length(const lm_tokenizer *t); /* model_max_length; 0 = no limit known */
/* XXH3-64 digests as lmstream(5) defines them: of the vocabulary, and of the rest of the behaviour. */
uint64_t lm_tokenizer_digest(const lm_tokenizer *t);
uint64_t lm_tokenizer_behaviour(const lm_tokenizer *t);

typedef enum lm_truncation {
    LM_LONGEST_FIRST,
    LM_ONLY_FIRST,
    LM_ONLY_SECOND,
    LM_NO_TRUNCATION
} lm_truncation;

typedef struct lm_encode_options {
    int max_length; /* special tokens included; 0 = no limit */
    lm_truncation truncation;
    bool left;          /* what is cut is cut at the start of a text, not at its end */
    bool no_special;    /* no template */
    bool end;           /* the row ends with `end_id`, unless the template ends it so already */
    int32_t end_id;
    bool overflow;      /* what is cut becomes rows of its own (lm_encoding.overflow), ... */
    int stride;         /* ... which share that many tokens with the row before */
    bool fit_stride;    /* a stride for which a row is too short becomes half of the row, instead of a failure */
    bool ids_only;      /* word_ids and offsets are not needed, and may be anything */
    bool valid;         /* the texts are valid UTF-8, which is not looked at again; without it, what is ill-formed counts as U+FFFD */
    uint64_t seed, row; /* of a model with dropout: what it leaves out depends on these and the text alone */
} lm_encode_options;

/* One encoded row. Zero-initialise; reuse it: arrays grow and stay. Free with lm_encoding_free. */
typedef struct lm_encoding {
    int32_t *ids;
    uint8_t *types;
    int32_t *word_ids; /* index of the word within its text; -1 for special tokens */
    int32_t *offsets;  /* [len][2] byte span in the source text (of the pair's second text where type is 1) */
    uint8_t *special;  /* 1 for the template's tokens */
    uint8_t *loss_mask; /* where `masked`: 1 for tokens that carry loss */
    int len, cap;
    int second, second_len; /* where the tokens of the second text stand, and how many there are */
    bool truncated;               /* the text did not fit: this row, or an overflow of it, has only a part */
    struct lm_encoding *overflow; /* options.overflow: the other windows of the text, in the reference's order */
    int overflow_count, overflow_cap;
    bool masked;
    struct lm_chat_row *chat; /* what else a conversation has (text/chat/chat.h); NULL: it is none */
} lm_encoding;

void lm_encoding_free(lm_encoding *e);
void lm_encoding_reserve(lm_encoding *e, size_t n); /* room for n tokens in all arrays */

/* Scratch memory of one thread of encoding; encoders share the tokenizer, which is read-only. */
typedef struct lm_encoder lm_encoder;
lm_encoder *lm_encoder_new(const lm_tokenizer *t);
void lm_encoder_free(lm_encoder *e);
/* `pair.data` NULL = no pair.
 * Fails where the truncation cannot be done (the text that may not be cut fills the length by itself, or the stride
 * fills a window), and where something is not in the vocabulary of a model without unknown token. */
bool lm_encode(lm_encoder *e, lm_str text, lm_str pair, const lm_encode_options *options, lm_encoding *out,
               lm_status *st);
/* Rows of a text each, which take less time together than one by one where they are short. Of the options ids_only is set, and `row` is
 * not looked at. False: row *failed cannot be encoded, and those before it are. */
typedef struct lm_encode_row {
    lm_str text;
    uint64_t row; /* see lm_encode_options */
    lm_encoding *out;
} lm_encode_row;
bool lm_encode_rows(lm_encoder *e, const lm_encode_row *rows, size_t count, const lm_encode_options *options, size_t *failed,
                    lm_status *st);
/* A text that is split into words already (slices of `text`, in their order): each is encoded by itself, as the
 * reference does with is_split_into_words, and word_ids are the indices of these words. */
bool lm_encode_split(lm_encoder *e, lm_str text, const lm_str *words, size_t count,
                     const lm_encode_options *options, lm_encoding *out, lm_status *st);
/* Ids to text, appended to out. */
bool lm_decode(const lm_tokenizer *t, const int32_t *ids, size_t n, bool skip_special, lm_buf *out,
               lm_status *st);

/* Writes tokenizer.json, tokenizer_config.json, special_tokens_map.json and the classic files. */
bool lm_tokenizer_write(const lm_tokenizer *t, lm_bundle_writer *to, lm_status *st);
/* The same into the existing directory `dir`. */
bool lm_tokenizer_save(const lm_tokenizer *t, const char *dir, lm_status *st);
/* Puts tokenizer.ggml.* and, where there is one, tokenizer.chat_template: `size` tokens, the rows of the model's embedding, of
 * which those that the tokenizer lacks are called [PADi]. The template is `chat`, or the tokenizer's own where its data is NULL.
 * Refused is what llama.cpp would cut into other tokens. */
bool lm_tokenizer_put_gguf(const lm_tokenizer *t, int size, lm_str chat, lm_gguf_writer *w, lm_status *st);

#endif
