/* The inside of a tokenizer, shared by the files of this floor. */
#ifndef LM_TEXT_TOKENIZER_INTERNAL_H
#define LM_TEXT_TOKENIZER_INTERNAL_H

#include "text/components/added_tokens.h"
#include "text/byte_path.h"
#include "text/tokenizer.h"
#include "text/train/word_counts.h"
#include "text/words_ahead.h"

enum lm_role {
    LM_ROLE_PAD,
    LM_ROLE_CLS,
    LM_ROLE_SEP,
    LM_ROLE_MASK,
    LM_ROLE_UNK,
    LM_ROLE_BOS,
    LM_ROLE_EOS,
    LM_ROLE_COUNT
};
extern const char *const lm_role_names[LM_ROLE_COUNT]; /* "pad" ... */

/* What ASCII bytes are to BERT's normaliser and pre-tokeniser together. */
enum { LM_BYTE_WORD, LM_BYTE_SPACE, LM_BYTE_PUNCT, LM_BYTE_ODD };

/* BertNormalizer, BertPreTokenizer and WordPiece in one pass over the bytes (text/bert.c). */
typedef struct lm_bert_path {
    bool usable, lower_case;
    unsigned cleans;       /* 1: clean_text */
    const uint16_t *table; /* lm_unicode_table() */
    unsigned odd; /* properties of what normalisation changes, but for ASCII capitals */
    unsigned cut; /* properties that part words (LM_CP_SPACE, LM_CP_PUNCT, LM_CP_CJK) */
    uint8_t kind[256];
    char lower[256];
} lm_bert_path;

/* Where spaces part what is kept with its tokens (text/space_path.c). */
typedef struct lm_space_path {
    bool usable;
    bool by_model;   /* the text is one word, and the model says where it may be taken apart; */
    bool prepends;   /* it begins with one space more; */
    bool may_be_late; /* short parts go to the model together */
    bool drops_space, prepends_always; /* else: white space before a word is no part of it, and a word always begins with `space` */
    const uint16_t *table; /* lm_unicode_table(), for these */
    uint32_t space;        /* this is what spaces become */
    bool parts[128]; /* by ASCII character: whether a space behind it begins another part */
    bool plain[128]; /* whether nothing but the model changes it, or cuts at it */
} lm_space_path;

struct lm_tokenizer {
    char *path;          /* as opened */
    json_t *spec;        /* tokenizer.json without the model's vocab and merges */
    json_t *config;      /* tokenizer_config.json, or NULL */
    json_t *special_map; /* special_tokens_map.json, or NULL */
    /* What is large, and of use only to who writes them: the text of a member whose value is null in `spec` (added_tokens; in the
     * tables' block), and in `config` (added_tokens_decoder; malloced). NULL: the value stands there. */
    lm_str added_text;
    char *decoder_text;
    lm_added_tokens added;
    lm_normalizer normalizer;
    lm_pre_tokenizer pre_tokenizer;
    lm_token_model model;
    lm_post_processor post_processor;
    lm_decoder decoder;
    lm_bert_path bert;
    lm_byte_path bytes;
    lm_space_path spaces_path;
    uint8_t *spaces; /* by id, for trimming (trim.c); NULL = there is none */
    int roles[LM_ROLE_COUNT];
    int max_length;
    uint64_t digest, behaviour;
};

/* Makes a tokenizer of a spec (stolen) whose vocabulary, merges and scores stand in it, or in `tables` (taken
 * over) if not NULL; `config` and `special_map` are stolen or NULL. What other files than tokenizer.json and
 * training make goes through here, too. */
lm_tokenizer *lm_tokenizer_from_spec(json_t *spec, lm_token_tables *tables, json_t *config,
                                     json_t *special_map, const char *path, lm_status *st);
/* What a tokenizer.json comes to when it is opened once more (files/table_cache.h). */
typedef struct lm_kept_tables {
    lm_token_tables tables; /* whose block all of it lies in, but for */
    lm_added_tokens added;
    lm_str rest;       /* tokenizer.json without the model's vocab and merges, and without */
    lm_str added_text; /* its added_tokens; NULL: they are there */
    uint64_t digest;   /* of the vocabulary */
} lm_kept_tables;
void lm_kept_tables_free(lm_kept_tables *kept);
/* The same with a spec read from its `rest`; what is kept is taken over. */
lm_tokenizer *lm_tokenizer_from_kept(json_t *spec, lm_kept_tables *kept, json_t *config, json_t *special_map, const char *path,
                                     lm_status *st);
/* From the bytes of a tokenizer.json, or of a vocab.txt where `path` ends in .txt; to the latter belongs what
 * older added_tokens.json has (borrowed, or NULL). */
lm_tokenizer *lm_tokenizer_from_bytes(lm_str bytes, json_t *config, json_t *special_map, json_t *older,
                                      const char *path, lm_status *st);
/* The spec of a BERT tokenizer without vocabulary: `special` are the tokens of its added_tokens. */
typedef struct lm_bert_options {
    bool lower_case, clean_text, cjk;
    int strip_accents; /* -1 = as lower_case */
    lm_str unk, cls, sep;
    const lm_str *special;
    size_t special_count;
} lm_bert_options;
json_t *lm_bert_spec(const lm_bert_options *options, const lm_vocabulary *vocabulary, lm_status *st);

/* Of an added token that was found in normalised text: what spaces are in it, for trimming. */
typedef struct lm_added_spaces {
    size_t token, leading, trailing;
} lm_added_spaces;

/* The tokens of one text, before truncation and template. */
typedef struct lm_side {
    int32_t *ids, *word_ids, *offsets;
    size_t n, cap, limit; /* limit: encoding may stop once n is larger */
    int32_t words;
    lm_str text; /* borrowed */
    lm_added_spaces *spaces; /* in the order of the tokens */
    size_t space_count, space_cap;
    bool split;  /* it came in words, each of which was encoded by itself */
    bool bare;   /* ids alone are asked for: what else is here need not be filled */
} lm_side;

void lm_side_grow(lm_side *s);
static inline void lm_side_push(lm_side *s, int32_t id, int32_t word, size_t from, size_t to)
{
    if (s->n == s->cap)
        lm_side_grow(s);
    s->ids[s->n] = id;
    s->word_ids[s->n] = word;
    s->offsets[2 * s->n] = (int32_t)from;
    s->offsets[2 * s->n + 1] = (int32_t)to;
    s->n++;
}

/* The tokens of text[from..from+len) into e->tokens; of a long word, into e->long_word what the model gets in parts. */
typedef void lm_word_cut(lm_encoder *e, lm_str text, size_t from, size_t len);
enum { LM_LONG_WORD = 1 << 12 };
/* The tokens of several words that have a key. */
typedef void lm_words_cut(lm_encoder *e, const lm_str *words, size_t count, lm_short_tokens *out);

struct lm_encoder {
    const lm_tokenizer *t;
    lm_side sides[2], part; /* part: of a text, by the path of spaces */
    lm_pieces pieces;
    lm_token_list tokens;
    lm_str long_word;       /* see lm_word_cut; data NULL = there is none */
    lm_model_scratch scratch;
    lm_buf word, normal;    /* normal: a part of a text, normalised, where the path of spaces cuts words out of it */
    lm_word_cache cache;    /* by the normalised word, or the source's bytes: with LM_OWN_KEY where both are kept */
    lm_words_ahead ahead;
    lm_late_words late;
    lm_word_cut *cut;       /* for those of `ahead` that the cache does not know, unless */
    lm_words_cut *cut_late; /* for those of them that go to the model with others; NULL: none may be late */
    bool bare, valid;       /* of the row in hand: see lm_encode_options.ids_only and .valid */
    lm_word_counts *counts; /* not NULL: words are numbered there instead of being cut into tokens */
};

/* An encoder whose ids are the numbers of words in `counts` (borrowed), for training. */
lm_encoder *lm_encoder_counting(const lm_tokenizer *t, lm_word_counts *counts);
/* One that takes no path but that of the components, keeps no words and cuts none: what all others are compared with. */
lm_encoder *lm_encoder_slow(const lm_tokenizer *t);
/* The words of a text, without truncation and template; valid until the encoder is used again. */
lm_side *lm_encode_words(lm_encoder *e, lm_str text);
/* The tokens of a text into `out`; once there are more than `limit`, the rest may be left out. */
void lm_encode_text(lm_encoder *e, lm_str text, size_t limit, lm_side *out);
/* The same of several texts, of LM_ROWS_AT_ONCE at most, into one side, for ids alone: ends[i]: where those of row i end. */
void lm_encode_texts(lm_encoder *e, const lm_encode_row *rows, size_t count, lm_side *out, size_t *ends);
/* The same of a text that is split already: each word (a slice of `text`) by itself, and all its tokens are that
 * word's. */
void lm_encode_split_text(lm_encoder *e, lm_str text, const lm_str *words, size_t count, size_t limit,
                          lm_side *out);

/* Notes the spaces of all tokens. */
void lm_trim_prepare(lm_tokenizer *t);
/* Trims the spans of the tokens from `from` on, which are those of `side` from `first` on, as the post-processor wants
 * it. */
void lm_encoding_trim(const lm_tokenizer *t, const lm_side *side, size_t first, lm_encoding *e, int from);
/* Notes the spaces in the added token that is next in `side`: characters [from, to). */
void lm_side_note_spaces(lm_side *side, const lm_chars *c, size_t from, size_t to);

/* Encode text[from..to), which holds no added token that is matched raw. The last words may still be on their way then
 * (lm_words_finish). */
void lm_encode_components(lm_encoder *e, lm_str text, size_t from, size_t to, lm_side *out);
void lm_bert_prepare(lm_tokenizer *t);
void lm_byte_path_prepare(lm_tokenizer *t);
void lm_byte_path_encode(lm_encoder *e, lm_str text, size_t from, size_t to, lm_side *out);
void lm_space_path_prepare(lm_tokenizer *t);
/* Ids alone: `out` is bare. */
void lm_space_path_encode(lm_encoder *e, lm_str text, size_t from, size_t to, lm_side *out);
void lm_bert_encode(lm_encoder *e, lm_str text, size_t from, size_t to, lm_side *out);
/* The tokens of the words of e->ahead, which are then none, to `out`: before anything else is put there. With ids alone, the tokens of
 * words that may be late need not be there yet. */
void lm_words_take(lm_encoder *e, lm_side *out);
/* All of them. */
void lm_words_finish(lm_encoder *e, lm_side *out);
/* The tokens of one word of `chars` code points, appended to e->tokens. */
void lm_encode_unknown(lm_encoder *e, lm_str word, size_t chars);
/* An lm_word_cut by the components, for ids alone: the ends are of no meaning. */
void lm_cut_by_components(lm_encoder *e, lm_str text, size_t from, size_t len);

#endif
