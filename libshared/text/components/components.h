/* The components of a tokenizer, as tokenizer.json names them. Each kind is a table of types in one file
 * (normalizers.c, pre_tokenizers.c, models.c, post_processors.c, decoders.c); a type that is in no table is
 * refused with `needs: ...`. Reading one fills its options and fails into a status; using one cannot fail. */
#ifndef LM_TEXT_COMPONENTS_H
#define LM_TEXT_COMPONENTS_H

#include "base/buffer.h"
#include "base/status.h"
#include "text/unicode/chars.h"
#include "text/regex/pattern.h"
#include "text/components/precompiled.h"
#include "text/models/tables.h"

#include <jansson.h>

/* ---- normalizers: text to text */
typedef struct lm_normalizer {
    const struct lm_normalizer_type *type;
    bool clean_text, cjk, strip_accents, lower_case; /* BertNormalizer */
    bool left, right;                                /* Strip */
    lm_chars prefix;                                 /* Prepend; Replace: what a match becomes */
    lm_pattern pattern;                              /* Replace */
    lm_precompiled map;                              /* Precompiled */
    uint64_t map_digest;
    struct lm_normalizer *parts; /* Sequence */
    size_t part_count;
} lm_normalizer;

/* A JSON null reads as no component: type NULL, and nothing happens. */
bool lm_normalizer_read(lm_normalizer *n, json_t *spec, lm_status *st);
void lm_normalizer_free(lm_normalizer *n);
void lm_normalizer_run(const lm_normalizer *n, lm_pieces *p); /* on p->chars */
/* What distinguishes it, in one canonical line: goes into the behaviour digest. */
void lm_normalizer_describe(const lm_normalizer *n, lm_buf *out);
const char *lm_normalizer_name(const lm_normalizer *n); /* its type; NULL: there is none */
bool lm_normalizer_is_bert(const lm_normalizer *n);

/* ---- pre-tokenizers: words to smaller words */
typedef enum lm_split {
    LM_SPLIT_REMOVED,
    LM_SPLIT_ISOLATED,
    LM_SPLIT_PREVIOUS,
    LM_SPLIT_NEXT,
    LM_SPLIT_CONTIGUOUS
} lm_split;

typedef enum lm_prepend { LM_PREPEND_ALWAYS, LM_PREPEND_FIRST, LM_PREPEND_NEVER } lm_prepend;

typedef struct lm_pre_tokenizer {
    const struct lm_pre_tokenizer_type *type;
    lm_split behavior;     /* Punctuation, Split */
    uint32_t delimiter;    /* CharDelimiterSplit; Metaspace: what a space becomes */
    lm_prepend prepend;    /* Metaspace */
    bool split;            /* Metaspace: at the replacement; ByteLevel: with GPT-2's expression */
    bool add_prefix_space; /* ByteLevel */
    bool invert;           /* Split: what does not match are the delimiters */
    bool individual;       /* Digits */
    size_t length;         /* FixedLength */
    lm_pattern pattern;    /* Split, ByteLevel */
    struct lm_pre_tokenizer *parts;
    size_t part_count;
} lm_pre_tokenizer;

bool lm_pre_tokenizer_read(lm_pre_tokenizer *t, json_t *spec, lm_status *st);
void lm_pre_tokenizer_free(lm_pre_tokenizer *t);
void lm_pre_tokenizer_run(const lm_pre_tokenizer *t, lm_pieces *p); /* on p->words */
void lm_pre_tokenizer_describe(const lm_pre_tokenizer *t, lm_buf *out);
const char *lm_pre_tokenizer_name(const lm_pre_tokenizer *t); /* its type; NULL: there is none */
bool lm_pre_tokenizer_is_bert(const lm_pre_tokenizer *t);

/* ---- models: a word to ids */
/* Tokens of one word. A token begins where the one before it ends; those that end at the same byte stand for
 * the same bytes (the byte tokens of a piece that Unigram does not know). Where BPE drops what it does not
 * know, ends fall short of the word; never beyond. */
typedef struct lm_token {
    int32_t id, end; /* end: byte of the word behind the token */
} lm_token;

typedef struct lm_token_list {
    lm_token *at;
    size_t n, cap;
} lm_token_list;

void lm_token_list_grow(lm_token_list *t);
void lm_token_list_free(lm_token_list *t);

static inline void lm_token_push(lm_token_list *t, int32_t id, int32_t end)
{
    if (t->n == t->cap)
        lm_token_list_grow(t);
    t->at[t->n++] = (lm_token){id, end};
}

/* n of them; the bits of `ends` say behind which bytes they end. */
static inline void lm_token_push_all(lm_token_list *t, const int32_t *ids, uint32_t n, uint32_t ends)
{
    for (uint32_t i = 0; i < n; i++, ends &= ends - 1)
        lm_token_push(t, ids[i], __builtin_ctz(ends) + 1);
}

/* The tokens of a short word; `ends` as above. */
enum { LM_SHORT_WORD = 32 };
typedef struct lm_short_tokens {
    int32_t ids[LM_SHORT_WORD];
    uint32_t ends;
    uint32_t n;
} lm_short_tokens;

typedef struct lm_token_model {
    const char *name; /* "WordPiece", "BPE", "Unigram", "WordLevel" */
    const struct lm_token_model_type *type;
    lm_token_tables tables; /* the vocabulary without added tokens until these are placed in it */
    int unk_id;             /* -1 = none */
    lm_buf prefix;          /* WordPiece, BPE: of tokens inside a word */
    lm_buf suffix;          /* BPE: of tokens that end a word */
    size_t max_chars;       /* WordPiece: longer words are unknown */
    bool byte_fallback;     /* BPE, Unigram: <0x00> to <0xFF> stand for the bytes of what is unknown */
    bool fuse_unk;          /* BPE: unknown neighbours are one token */
    bool ignore_merges;     /* BPE: a word that is a token is one, whatever the merges say */
    double dropout;         /* BPE: the chance of a merge not to happen */
    void *own;              /* what the model's file makes of the tables */
} lm_token_model;

/* Memory of one thread of encoding, and what distinguishes one text from another. Zero-initialise. */
typedef struct lm_model_scratch {
    void *at;
    size_t cap;
    lm_buf form;
    lm_token_list window;      /* BPE: of a long word's piece */
    bool whole;                /* words are merged in one go, however long they are (lm_encoder_slow) */
    bool lacks_unk;            /* set where a word has unknown parts and the model no token for them */
    uint64_t seed, row, draws; /* BPE's dropout: of this run, this text, and how many numbers it drew */
} lm_model_scratch;

/* A long word on its way: its tokens are given part by part, so that they need not be kept. Zero-initialise. */
typedef struct lm_word_place {
    size_t from;      /* bytes of the word before it, */
    int64_t n;        /* and tokens */
    int32_t expected; /* the token that begins here; -1: not known */
    size_t length;    /* of the window to look at */
} lm_word_place;

typedef struct lm_word_walk {
    int64_t first; /* number of the list's first token in the word: tokens from there on that were given before are not true */
    size_t begin;  /* the byte where it begins */
    lm_word_place now, last;
    size_t shortest; /* so much is looked at, or more, */
    size_t several;  /* and so many windows at once */
    double score;    /* Unigram: of the tokens before */
} lm_word_walk;

/* `tables` are taken over where they are not NULL; else they are read from the spec. */
bool lm_token_model_read(lm_token_model *m, json_t *spec, lm_token_tables *tables, lm_status *st);
void lm_token_model_free(lm_token_model *m);
/* Appends the tokens of `word` (UTF-8, of `chars` code points). */
void lm_token_model_encode(const lm_token_model *m, lm_str word, size_t chars, lm_model_scratch *scratch,
                           lm_token_list *out);
/* Whether it is BPE with a token for each byte, written as text/components/byte_level.h says, so that words can be given as the
 * bytes that such characters stand for; the ends of tokens are those of bytes then. */
bool lm_token_model_takes_bytes(const lm_token_model *m);
void lm_token_model_encode_bytes(const lm_token_model *m, lm_str bytes, lm_model_scratch *scratch,
                                 lm_token_list *out);
/* The same for up to LM_WORDS_AT_ONCE words of 1 to LM_SHORT_WORD bytes, which takes less time. */
enum { LM_WORDS_AT_ONCE = 64 };
void lm_token_model_encode_words(const lm_token_model *m, const lm_str *words, size_t count, lm_model_scratch *scratch,
                                 lm_short_tokens *out);
/* The same for words of characters, of BPE that falls back to bytes and whose words may be cut; the ends of tokens are of no meaning. */
void lm_token_model_encode_short(const lm_token_model *m, const lm_str *words, size_t count, lm_model_scratch *scratch,
                                 lm_short_tokens *out);
/* The tokens of a word part by part, whatever its length; `bytes`: it is given so. `out` is empty at the first call, and each one puts
 * the next part in the place of the last; false: that was all. */
bool lm_token_model_walk(const lm_token_model *m, lm_str word, bool bytes, lm_word_walk *walk, lm_model_scratch *scratch,
                         lm_token_list *out);
/* Whether it does so, and not all at once. */
bool lm_token_model_walks(const lm_token_model *m);
void lm_model_scratch_free(lm_model_scratch *scratch);
/* Behind how many of the characters [from, to), which are a word or its rest, it may be cut into two words
 * without a change of its tokens: the first such place, `to` where there is none. */
size_t lm_token_model_cut(const lm_token_model *m, const lm_char *at, size_t from, size_t to);
/* Whether that is so between these two characters, whatever is around them. */
bool lm_token_model_parts(const lm_token_model *m, uint32_t left, uint32_t right);
void lm_token_model_describe(const lm_token_model *m, lm_buf *out);

/* ---- post-processors: all of them are a template, and some trim spans */
typedef struct lm_template_piece {
    int32_t id;   /* of a special token; -1: the first text, -2: the second */
    uint8_t type; /* segment */
} lm_template_piece;

enum { LM_TEMPLATE_A = -1, LM_TEMPLATE_B = -2 };

typedef struct lm_template {
    lm_template_piece *pieces;
    int count, added; /* added: how many special tokens */
} lm_template;

enum { LM_MAX_TRIMS = 4 };

typedef struct lm_post_processor {
    lm_template single, pair;
    int trim_count; /* how often spans are trimmed of the spaces that their tokens begin or end with */
    bool keep_prefix_space[LM_MAX_TRIMS]; /* each time: but not of one space before a text, which was added */
} lm_post_processor;

bool lm_post_processor_read(lm_post_processor *p, json_t *spec, int vocabulary_size, lm_status *st);
void lm_post_processor_free(lm_post_processor *p);
void lm_post_processor_describe(const lm_post_processor *p, lm_buf *out);
/* Trims the span (bytes of `text`) of a token that begins with `leading` characters that are spaces and ends
 * with `trailing`; `first`: of the first token of a row's text. */
void lm_post_processor_trim(const lm_post_processor *p, lm_str text, bool first, size_t leading,
                            size_t trailing, int32_t span[2]);

/* ---- decoders: tokens to text */
/* Texts in a row, one behind the other in one block. Zero-initialise. */
typedef struct lm_texts {
    lm_buf bytes;
    size_t *ends; /* of each */
    size_t n, cap;
    bool as_bytes; /* what decoders make of tokens may be a part of a character, which else becomes U+FFFD; it stays so */
} lm_texts;

void lm_texts_free(lm_texts *t);
void lm_texts_clear(lm_texts *t);
void lm_texts_close(lm_texts *t); /* what was appended to `bytes` since the last one is the next */
static inline lm_str lm_texts_get(const lm_texts *t, size_t i)
{
    size_t start = i ? t->ends[i - 1] : 0;
    return (lm_str){t->bytes.data ? t->bytes.data + start : "", t->ends[i] - start};
}

typedef struct lm_decoder {
    const struct lm_decoder_type *type;
    lm_buf prefix;    /* WordPiece; BPEDecoder: the suffix; Replace, Strip: the content; CTC: the pad token */
    lm_buf delimiter; /* CTC: between words */
    uint32_t character; /* Metaspace */
    bool cleanup;       /* WordPiece, CTC */
    bool keep_first;    /* Metaspace: a space that begins the row stays */
    size_t start, stop; /* Strip: at most so many */
    lm_pattern pattern; /* Replace */
    struct lm_decoder *parts;
    size_t part_count;
} lm_decoder;

bool lm_decoder_read(lm_decoder *d, json_t *spec, lm_status *st);
void lm_decoder_free(lm_decoder *d);
/* Makes of the texts of tokens others, whose concatenation is the text of the row; `spare` is room, with the same as_bytes. */
void lm_decoder_run(const lm_decoder *d, lm_texts *tokens, lm_texts *spare);

/* ---- reading */
/* Members of a spec, with messages that name `what`. A missing member gives `otherwise`; another type fails.
 */
bool lm_spec_bool(json_t *spec, const char *name, bool otherwise, const char *what, lm_status *st);
size_t lm_spec_count(json_t *spec, const char *name, size_t otherwise, const char *what, lm_status *st);
/* A string of one character. */
uint32_t lm_spec_character(json_t *spec, const char *name, uint32_t otherwise, const char *what,
                           lm_status *st);
lm_str lm_spec_string(json_t *spec, const char *name, lm_str otherwise, const char *what, lm_status *st);
/* The index of spec's "type" in a table of `count` entries of `stride` bytes that begin with the name; -1 and
 * a failed status if it is in none. */
int lm_spec_type(json_t *spec, const void *table, size_t count, size_t stride, const char *kind,
                 lm_status *st);

#endif
