/* The inside of the readers and writers of tokenizer files: a file a format, and what they share.
 *
 * Every format ends as the specification that tokenizer.json would have, made as transformers makes it when
 * it converts that format (convert_slow_tokenizer.py), with vocabulary, merges and scores in tables beside
 * it. */
#ifndef LM_TEXT_FILES_FILES_H
#define LM_TEXT_FILES_FILES_H

#include "stream/json_tree.h"
#include "tensor/gguf.h"
#include "text/tokenizer_internal.h"

/* The JSON files that stand beside a tokenizer's; each NULL where there is none. */
typedef struct lm_beside {
    json_t *config;      /* tokenizer_config.json */
    json_t *special_map; /* special_tokens_map.json */
    json_t *older;       /* added_tokens.json of older versions: token to id */
    json_t *model;       /* config.json */
} lm_beside;

/* A tokenizer in the making. Zero-initialise; free with lm_draft_free, or give it to lm_draft_tokenizer. */
typedef struct lm_draft {
    lm_token_tables tables;
    json_t *spec;        /* tokenizer.json without vocab and merges */
    json_t *added;       /* its added_tokens */
    lm_vocabulary names; /* of these */
    json_t *config;      /* what becomes tokenizer_config.json */
    lm_str roles[LM_ROLE_COUNT];
    int next_id; /* of the next token that is added */
    const char *path;
    lm_status *st; /* where adding tokens fails to */
} lm_draft;

void lm_draft_free(lm_draft *d);
/* Takes over the draft, whether it fails or not. */
lm_tokenizer *lm_draft_tokenizer(lm_draft *d, const lm_beside *beside, lm_status *st);

/* ---- special and added tokens (special_tokens.c) */
/* The class of tokenizer that tokenizer_config.json names, or the type of model in config.json stands for, as
 * transformers calls it, without "Fast"; "" where nothing says. */
const char *lm_tokenizer_class(const lm_beside *beside);
/* The tokens of the roles: what the files say, else `usual`. A role that the files set to null has none. */
void lm_draft_roles(lm_draft *d, const lm_beside *beside, const char *const usual[LM_ROLE_COUNT]);
int lm_draft_id(const lm_draft *d, lm_str token); /* -1 if it is neither in the vocabulary nor added */
typedef struct lm_added_flags {
    bool special, left_strip, normalized;
} lm_added_flags;
/* Adds a token: with the id that it has in the vocabulary, else with the next one. Nothing if it was added.
 */
void lm_draft_add(lm_draft *d, lm_str token, lm_added_flags flags);
/* What the files beside say was added, then the tokens of the roles with `flags` (the mask with left_strip).
 */
void lm_draft_add_beside(lm_draft *d, const lm_beside *beside, lm_added_flags flags);
/* TemplateProcessing in the notation of the reference: "{cls} $A:0 {sep}:0", where {role} stands for a token
 * of that role, and other words for themselves. NULL and a failed status where a token is unknown. */
json_t *lm_draft_template(const lm_draft *d, const char *single, const char *pair, lm_status *st);
/* The post-processor of those that put bos and eos around each text, as LlamaTokenizer does. */
json_t *lm_draft_bos_eos(const lm_draft *d, bool bos, bool eos, lm_status *st);

/* ---- components that several formats share (components.c) */
json_t *lm_spec_of(const char *type); /* {"type": type} */
json_t *lm_spec_replace(const char *string, const char *content);
json_t *lm_spec_split(const char *regex);
json_t *lm_spec_byte_level(bool add_prefix_space, bool trim_offsets, bool use_regex);
json_t *lm_spec_metaspace(const char *prepend_scheme, bool split);
json_t *lm_spec_sequence(const char *member, json_t *parts); /* {"type": "Sequence", member: parts}; steals */
json_t *lm_spec_precompiled(lm_str charsmap);
/* Appends the map of the Precompiled normalizer, if there is one. */
bool lm_spec_charsmap(json_t *normalizer, lm_buf *out);
/* Of LlamaTokenizer: each with ▁ before the text where `prefix`. */
json_t *lm_spec_llama_normalizer(bool prefix);
json_t *lm_spec_llama_decoder(bool prefix);
json_t *lm_spec_spm_normalizer(lm_str charsmap); /* of T5 and most others; no charsmap if its data is NULL */
json_t *lm_spec_bpe(const char *unk, bool byte_fallback, bool fuse_unk);
json_t *lm_spec_byte_bpe(bool ignore_merges);
json_t *lm_spec_unigram(int unk_id, bool byte_fallback);
/* Puts the components into d->spec, all of them stolen; NULL is null. */
void lm_draft_compose(lm_draft *d, json_t *normalizer, json_t *pre_tokenizer, json_t *post_processor,
                      json_t *decoder, json_t *model);

/* ---- formats: each fills a draft from the bytes of its file; d->path is for messages */
bool lm_vocab_txt_read(lm_draft *d, lm_str bytes, const lm_beside *beside, lm_status *st);
/* `merges` are the bytes of merges.txt, whose name is `merges_path`. */
bool lm_vocab_json_read(lm_draft *d, lm_str bytes, lm_str merges, const char *merges_path,
                        const lm_beside *beside, lm_status *st);
bool lm_sentencepiece_read(lm_draft *d, lm_str bytes, const lm_beside *beside, lm_status *st);
bool lm_gguf_vocabulary_read(lm_draft *d, const lm_gguf *file, lm_status *st);

/* From the bytes of both files; config is borrowed, or NULL (files.c). */
lm_tokenizer *lm_tokenizer_from_vocab_json(lm_str vocab, lm_str merges, json_t *config, lm_status *st);

/* ---- how byte-level models split words (gguf_pre.c) */
enum { LM_GGUF_PRE_REGEXES = 4 };
typedef struct lm_gguf_pre {
    const char *names; /* parted by blanks; the first one is written */
    const char *regexes[LM_GGUF_PRE_REGEXES];
    bool digits; /* each by itself */
    bool words;  /* ByteLevel's own expression, GPT-2's */
    bool nfc, ignore_merges;
    bool add_bos; /* unless the file says otherwise */
    bool roberta; /* <s> $A </s> */
} lm_gguf_pre;
const lm_gguf_pre *lm_gguf_pre_find(lm_str name); /* NULL if unknown */
json_t *lm_gguf_pre_spec(const lm_gguf_pre *pre);
/* The one that splits as this pre-tokenizer of a tokenizer.json does; of several, the one that is like the rest of the
 * tokenizer. NULL: there is none. */
const lm_gguf_pre *lm_gguf_pre_of(const lm_tokenizer *t);

/* ---- a SentencePiece model as protobuf (sentencepiece.c); the numbers are those of
 * sentencepiece_model.proto */
enum {
    LM_PIECE_NORMAL = 1,
    LM_PIECE_UNKNOWN,
    LM_PIECE_CONTROL,
    LM_PIECE_USER_DEFINED,
    LM_PIECE_UNUSED,
    LM_PIECE_BYTE
};
enum { LM_SENTENCEPIECE_UNIGRAM = 1, LM_SENTENCEPIECE_BPE };

/* Of a token: unknown, byte, control (special), user defined (added), or normal. */
int lm_piece_type(const lm_tokenizer *t, int id);

typedef struct lm_piece {
    lm_str text;
    float score;
    int type;
} lm_piece;

typedef struct lm_sentencepiece {
    lm_piece *pieces;
    size_t count, cap;
    int model_type, unk_id, bos_id, eos_id, pad_id;
    lm_str unk_piece, charsmap; /* charsmap.data NULL = none */
    bool byte_fallback, add_dummy_prefix, remove_extra_whitespaces;
} lm_sentencepiece;

/* Slices point into `bytes`. Free with lm_sentencepiece_free in any case. */
bool lm_sentencepiece_parse(lm_sentencepiece *m, lm_str bytes, const char *name, lm_status *st);
void lm_sentencepiece_free(lm_sentencepiece *m);
/* Appends t as a SentencePiece model, as far as one can say it: whoever writes it reads it back first. False
 * where there is no such model: no unknown token, or holes in the ids (sentencepiece_write.c). */
bool lm_sentencepiece_print(const lm_tokenizer *t, lm_buf *out);

/* ---- merges that a vocabulary with scores amounts to (merges.c): for each token, all pairs of tokens that
 * make it, the best scores first (transformers' generate_merges) */
void lm_merges_from_scores(lm_token_tables *t, const float *scores);
/* And back, [size]: the sooner a token is merged, the better its score. Tokens whose merges are mixed have the same one, for
 * that is how they came to be mixed. What no merge makes comes last. Malloced. */
float *lm_scores_from_merges(const lm_token_tables *t);

#endif
