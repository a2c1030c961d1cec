/* What transformers makes of a SentencePiece model, class by class (convert_slow_tokenizer.py: SpmConverter
 * and those derived from it). */
#include "text/files/files.h"

#include "base/memory.h"

#include <ctype.h>
#include <stdlib.h>

#define SPACE_MARK "\xE2\x96\x81"

enum kind { PLAIN, LLAMA, GEMMA, ALBERT, DEBERTA };

typedef struct conversion {
    const char *class;
    enum kind kind;
    const char *front; /* tokens that stand in the place of the first `drop` pieces, parted by blanks */
    int drop;
    const char *back; /* tokens behind the pieces */
    int unk_id;       /* -1: the model's own */
    const char *single, *pair;
    const char *roles[LM_ROLE_COUNT];
} conversion;

#define CLS_SEP "{cls}:0 $A:0 {sep}:0", "{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1"
#define S_S     "{bos} $A {eos}", "{bos} $A {eos} {eos} $B {eos}"
#define ROLES(pad, cls, sep, mask, unk, bos, eos)                                                            \
    {                                                                                                        \
        pad, cls, sep, mask, unk, bos, eos                                                                   \
    }
#define FAIRSEQ ROLES("<pad>", "<s>", "</s>", "<mask>", "<unk>", "<s>", "</s>")
#define MBART_LANGUAGES                                                                                      \
    "ar_AR cs_CZ de_DE en_XX es_XX et_EE fi_FI fr_XX gu_IN hi_IN it_IT ja_XX kk_KZ ko_KR lt_LT lv_LV my_MM " \
    "ne_NP "                                                                                                 \
    "nl_XX ro_RO ru_RU si_LK tr_TR vi_VN zh_CN "
#define MADE_UP                                                                                              \
    "<madeupword0> <madeupword1> <madeupword2> <madeupword3> <madeupword4> <madeupword5> <madeupword6>"

static const conversion conversions[] = {
    {"LlamaTokenizer", LLAMA, NULL, 0, NULL, 0, NULL, NULL,
     ROLES(NULL, NULL, NULL, NULL, "<unk>", "<s>", "</s>")},
    {"GemmaTokenizer", GEMMA, NULL, 0, NULL, 3, NULL, NULL,
     ROLES("<pad>", NULL, NULL, NULL, "<unk>", "<bos>", "<eos>")},
    {"T5Tokenizer", PLAIN, NULL, 0, NULL, -1, "$A {eos}", "$A {eos} $B {eos}",
     ROLES("<pad>", NULL, NULL, NULL, "<unk>", NULL, "</s>")},
    {"XLMRobertaTokenizer", PLAIN, "<s> <pad> </s> <unk>", 3, "<mask>", 3, S_S, FAIRSEQ},
    {"CamembertTokenizer", PLAIN, "<s>NOTUSED <pad> </s>NOTUSED <unk> <unk>NOTUSED", 1, "<mask>", 3, S_S,
     FAIRSEQ},
    {"MBartTokenizer", PLAIN, "<s> <pad> </s> <unk>", 3, MBART_LANGUAGES "<mask>", 3, "$A {eos} en_XX",
     "$A $B {eos} en_XX", FAIRSEQ},
    {"XGLMTokenizer", PLAIN, "<s> <pad> </s> <unk>", 3, MADE_UP, 3, "{eos} $A", "{eos} $A {eos} {eos} $B",
     ROLES("<pad>", "<s>", "</s>", NULL, "<unk>", "<s>", "</s>")},
    {"AlbertTokenizer", ALBERT, NULL, 0, NULL, -1, CLS_SEP,
     ROLES("<pad>", "[CLS]", "[SEP]", "[MASK]", "<unk>", "[CLS]", "[SEP]")},
    {"XLNetTokenizer", ALBERT, NULL, 0, NULL, -1, "$A:0 {sep}:0 {cls}:2", "$A:0 {sep}:0 $B:1 {sep}:1 {cls}:2",
     ROLES("<pad>", "<cls>", "<sep>", "<mask>", "<unk>", "<s>", "</s>")},
    {"DebertaV2Tokenizer", DEBERTA, NULL, 0, NULL, -1, CLS_SEP,
     ROLES("[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "[CLS]", "[SEP]")},
    {"BigBirdTokenizer", PLAIN, NULL, 0, NULL, -1, CLS_SEP,
     ROLES("<pad>", "[CLS]", "[SEP]", "[MASK]", "<unk>", "<s>", "</s>")},
    {"ReformerTokenizer", PLAIN, NULL, 0, NULL, -1, NULL, NULL,
     ROLES(NULL, NULL, NULL, NULL, "<unk>", NULL, "</s>")},
    /* no class: the converter that all are derived from */
    {"", PLAIN, NULL, 0, NULL, -1, NULL, NULL, ROLES(NULL, NULL, NULL, NULL, NULL, NULL, NULL)},
};

/* ---------------------------------------------------------------- which class */

static bool piece_is(const lm_sentencepiece *m, size_t i, const char *text)
{
    return i < m->count && lm_str_is(m->pieces[i].text, text);
}

static bool has_piece(const lm_sentencepiece *m, const char *text)
{
    for (size_t i = 0; i < m->count && i < 100; i++)
        if (piece_is(m, i, text))
            return true;
    return false;
}

/* Where no file beside tells: by the model's own special pieces. */
static const char *guess_class(const lm_sentencepiece *m, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (piece_is(m, 0, "<pad>") && piece_is(m, 1, "<eos>") && piece_is(m, 2, "<bos>"))
        return "GemmaTokenizer";
    if (m->model_type == LM_SENTENCEPIECE_BPE || m->byte_fallback)
        return "LlamaTokenizer";
    if (piece_is(m, 0, "<pad>") && piece_is(m, 1, "</s>") && piece_is(m, 2, "<unk>"))
        return "T5Tokenizer";
    if (has_piece(m, "[CLS]") && has_piece(m, "[SEP]"))
        return has_piece(m, "<pad>") ? "AlbertTokenizer" : "DebertaV2Tokenizer";
    if (has_piece(m, "<cls>") && has_piece(m, "<sep>"))
        return "XLNetTokenizer";
    if (strcmp(name, "sentencepiece.bpe.model") == 0)
        return "XLMRobertaTokenizer";
    return "";
}

static const conversion *find_conversion(const lm_sentencepiece *m, const lm_beside *beside, const char *path,
                                         lm_status *st)
{
    const char *class = lm_tokenizer_class(beside);
    if (!*class)
        class = guess_class(m, path);
    for (size_t i = 0; i < sizeof conversions / sizeof *conversions; i++)
        if (strcmp(conversions[i].class, class) == 0)
            return &conversions[i];
    lm_fail(st, LM_FAILED,
            "%s: needs: what \"%s\" makes of a SentencePiece model: save it with its tokenizer.json", path,
            class);
    return NULL;
}

/* ---------------------------------------------------------------- the vocabulary */

typedef struct vocabulary_maker {
    lm_draft *d;
    float *scores;
    size_t count, cap;
    lm_status *st;
} vocabulary_maker;

static void put(vocabulary_maker *v, lm_str token, float score)
{
    if (!lm_ok(v->st))
        return;
    if (!lm_vocabulary_add(&v->d->tables.vocabulary, token, (int64_t)v->count, v->st)) {
        lm_fail_prefix(v->st, v->d->path);
        return;
    }
    LM_GROW(v->scores, v->count, v->cap);
    v->scores[v->count++] = score;
}

static void put_words(vocabulary_maker *v, const char *words)
{
    while (words && *words) {
        size_t n = strcspn(words, " ");
        bool unused = n > 7 && strncmp(words, "<unk>NOTUSED", n) == 0; /* CamemBERT puts it out of reach */
        put(v, (lm_str){words, n}, unused ? -100 : 0);
        words += n + (words[n] == ' ');
    }
}

/* A digit and a comma at the end: ALBERT and XLNet cut such pieces themselves. */
static bool ends_in_digit_and_comma(lm_str s)
{
    return s.len > 1 && s.data[s.len - 1] == ',' && isdigit((unsigned char)s.data[s.len - 2]);
}

static void put_pieces(vocabulary_maker *v, const lm_sentencepiece *m, const conversion *c)
{
    bool tab = false;
    for (size_t i = 0; c->kind == GEMMA && i < m->count && !tab; i++)
        tab = piece_is(m, i, "\t");
    put_words(v, c->front);
    for (size_t i = (size_t)c->drop; i < m->count; i++) {
        const lm_piece *p = &m->pieces[i];
        if (c->kind == GEMMA && !tab && piece_is(m, i, "<0x09>")) /* Gemma's first vocabularies lack it */
            put(v, lm_str_of("\t"), 0);
        else
            put(v, p->text, p->score - (c->kind == ALBERT && ends_in_digit_and_comma(p->text) ? 100 : 0));
    }
    put_words(v, c->back);
}

/* T5 has tokens for the spans that it leaves out, the last one first; returns how many. */
static int put_extra_ids(vocabulary_maker *v, const lm_beside *beside)
{
    json_t *given = json_object_get(beside->config, "extra_ids");
    json_int_t n = json_is_integer(given) ? json_integer_value(given) : 100;
    if (n < 0 || n > LM_MAX_TOKEN_ID / 2) {
        lm_fail(v->st, LM_FAILED, "tokenizer_config.json: \"extra_ids\" is %lld: no number of tokens",
                (long long)n);
        return 0;
    }
    for (json_int_t i = n - 1; i >= 0; i--) {
        char *token = lm_format("<extra_id_%lld>", (long long)i);
        put(v, lm_str_of(token), 0);
        free(token);
    }
    return (int)n;
}

/* ---------------------------------------------------------------- the components */

static bool config_bool(const lm_beside *beside, const char *name, bool otherwise, lm_status *st)
{
    return lm_spec_bool(beside->config, name, otherwise, "tokenizer_config.json", st);
}

static json_t *albert_normalizer(const lm_sentencepiece *m, const lm_beside *beside, bool lower,
                                 lm_status *st)
{
    json_t *parts = json_pack("[o, o]", lm_spec_replace("``", "\""), lm_spec_replace("''", "\""));
    if (!config_bool(beside, "keep_accents", false, st)) {
        json_array_append_new(parts, lm_spec_of("NFKD"));
        json_array_append_new(parts, lm_spec_of("StripAccents"));
    }
    if (config_bool(beside, "do_lower_case", lower, st))
        json_array_append_new(parts, lm_spec_of("Lowercase"));
    if (m->charsmap.data)
        json_array_append_new(parts, lm_spec_precompiled(m->charsmap));
    json_array_append_new(parts, json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", "Regex",
                                           " {2,}", "content", " "));
    return lm_spec_sequence("normalizers", parts);
}

static json_t *deberta_normalizer(const lm_sentencepiece *m, const lm_beside *beside, lm_status *st)
{
    json_t *parts = json_array();
    if (config_bool(beside, "do_lower_case", false, st))
        json_array_append_new(parts, lm_spec_of("Lowercase"));
    json_array_append_new(parts,
                          json_pack("{s:s, s:b, s:b}", "type", "Strip", "strip_left", 1, "strip_right", 1));
    if (m->charsmap.data)
        json_array_append_new(parts, lm_spec_precompiled(m->charsmap));
    json_array_append_new(parts, json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", "Regex",
                                           " {2,}", "content", " "));
    return lm_spec_sequence("normalizers", parts);
}

static json_t *deberta_pre_tokenizer(json_t *metaspace, const lm_beside *beside, lm_status *st)
{
    json_t *parts = json_array();
    if (config_bool(beside, "split_by_punct", false, st))
        json_array_append_new(parts, json_pack("{s:s, s:s}", "type", "Punctuation", "behavior", "Isolated"));
    json_array_append_new(parts, metaspace);
    return lm_spec_sequence("pretokenizers", parts);
}

static void compose(lm_draft *d, const conversion *c, const lm_sentencepiece *m, const lm_beside *beside,
                    json_t *model, lm_status *st)
{
    bool legacy = config_bool(beside, "legacy", true, st),
         prefix = config_bool(beside, "add_prefix_space", true, st);
    const char *scheme = !prefix ? "never" : legacy ? "always" : "first";
    json_t *normalizer, *pre = NULL, *post = NULL, *decoder = NULL;
    if (c->single)
        post = lm_draft_template(d, c->single, c->pair, st);
    else if (c->kind == LLAMA || c->kind == GEMMA)
        post = lm_draft_bos_eos(d, config_bool(beside, "add_bos_token", true, st),
                                config_bool(beside, "add_eos_token", false, st), st);
    switch (c->kind) {
    case LLAMA:
        normalizer = legacy ? lm_spec_llama_normalizer(prefix) : NULL;
        pre = legacy ? NULL : lm_spec_metaspace(scheme, false);
        decoder = lm_spec_llama_decoder(prefix);
        break;
    case GEMMA:
        normalizer = lm_spec_replace(" ", SPACE_MARK);
        pre = json_pack("{s:s, s:{s:s}, s:s, s:b}", "type", "Split", "pattern", "String", " ", "behavior",
                        "MergedWithPrevious", "invert", 0);
        decoder = lm_spec_llama_decoder(false);
        break;
    default:
        normalizer = c->kind == ALBERT    ? albert_normalizer(m, beside, c->roles[LM_ROLE_CLS][0] == '[', st)
                     : c->kind == DEBERTA ? deberta_normalizer(m, beside, st)
                                          : lm_spec_spm_normalizer(m->charsmap);
        pre = lm_spec_metaspace(scheme, true);
        decoder = lm_spec_metaspace(scheme, true);
        if (c->kind == DEBERTA)
            pre = deberta_pre_tokenizer(pre, beside, st);
    }
    lm_draft_compose(d, normalizer, pre, post, decoder, model);
}

/* ---------------------------------------------------------------- all of it */

static void add_pieces(lm_draft *d, const lm_sentencepiece *m, const conversion *c)
{
    for (size_t i = 0; i < m->count; i++) {
        const lm_piece *p = &m->pieces[i];
        bool turn = c->kind == GEMMA &&
                    (lm_str_is(p->text, "<start_of_turn>") || lm_str_is(p->text, "<end_of_turn>"));
        if (p->type == LM_PIECE_CONTROL || p->type == LM_PIECE_USER_DEFINED)
            lm_draft_add(d, p->text, (lm_added_flags){.special = p->type == LM_PIECE_CONTROL || turn});
    }
}

static void keep_scores(lm_draft *d, const vocabulary_maker *v)
{
    d->tables.scores = lm_malloc(v->count, sizeof *d->tables.scores);
    for (size_t i = 0; i < v->count; i++)
        d->tables.scores[i] = (double)v->scores[i];
}

static void convert(lm_draft *d, const conversion *c, const lm_sentencepiece *m, const lm_beside *beside,
                    lm_status *st)
{
    vocabulary_maker v = {.d = d, .st = st};
    bool t5 = strcmp(c->class, "T5Tokenizer") == 0, bytes = c->kind == LLAMA || c->kind == GEMMA;
    put_pieces(&v, m, c);
    int extra = t5 ? put_extra_ids(&v, beside) : 0;
    int unk = c->unk_id < 0 ? m->unk_id : c->unk_id;
    if (lm_ok(st) && (unk < 0 || (size_t)unk >= v.count))
        lm_fail(st, LM_FAILED,
                "%s: the unknown token would be piece %d of %zu: the file is damaged: fetch it again",
                d->path, unk, v.count);
    if (lm_ok(st)) {
        lm_draft_roles(d, beside, c->roles);
        add_pieces(d, m, c);
        for (int i = extra - 1; i >= 0; i--)
            lm_draft_add(d, lm_vocabulary_get(&d->tables.vocabulary, (int)v.count - 1 - i),
                         (lm_added_flags){.special = true});
        lm_draft_add_beside(d, beside, (lm_added_flags){.special = true, .left_strip = true});
        json_t *model;
        if (m->model_type == LM_SENTENCEPIECE_UNIGRAM) {
            keep_scores(d, &v);
            model = lm_spec_unigram(unk, bytes);
        } else {
            char *piece = lm_strndup(m->unk_piece.data, m->unk_piece.len);
            lm_merges_from_scores(&d->tables, v.scores);
            model = lm_spec_bpe(piece, bytes, true);
            free(piece);
        }
        compose(d, c, m, beside, model, st);
        d->config = json_object();
        if (*c->class)
            json_object_set_new(d->config, "tokenizer_class", json_string(c->class));
    }
    free(v.scores);
}

bool lm_sentencepiece_read(lm_draft *d, lm_str bytes, const lm_beside *beside, lm_status *st)
{
    lm_sentencepiece m;
    bool ok = lm_sentencepiece_parse(&m, bytes, d->path, st);
    if (ok && m.model_type != LM_SENTENCEPIECE_UNIGRAM && m.model_type != LM_SENTENCEPIECE_BPE)
        ok = lm_fail(
            st, LM_FAILED,
            "%s: needs: a SentencePiece model of words or characters, which this version does not have",
            d->path);
    const conversion *c = ok ? find_conversion(&m, beside, d->path, st) : NULL;
    if (c)
        convert(d, c, &m, beside, st);
    lm_sentencepiece_free(&m);
    return lm_ok(st);
}
