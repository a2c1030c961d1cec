/* The vocabulary inside a GGUF file, as the model had it before it was converted (tokenizer.ggml.* in
 * llama.cpp's llama-vocab.cpp and convert_hf_to_gguf.py). What the format does not keep is said where it is
 * guessed. */
#include "text/files/files.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#define KEY(name)  "tokenizer.ggml." name
#define SPACE_MARK "\xE2\x96\x81"

typedef struct reader {
    lm_draft *d;
    const lm_gguf *f;
    lm_status *st;
    const lm_gguf_entry *types, *scores;
    bool add_bos, add_eos, any_bytes;
    int unk;
} reader;

static const lm_beside nothing_beside;

/* ---------------------------------------------------------------- tokens */

static int type_of(const reader *r, size_t i)
{
    return r->types ? (int)lm_gguf_number_at(r->types, i) : LM_PIECE_NORMAL;
}

static float score_of(const reader *r, size_t i)
{
    double score = r->scores ? lm_gguf_number_at(r->scores, i) : 0;
    return isfinite(score) ? (float)score : 0;
}

/* The converter puts a space mark before what begins a word, and takes the ## from what goes on in one. */
static lm_str wordpiece(lm_str token, lm_buf *b)
{
    static const char mark[] = SPACE_MARK;
    size_t n = sizeof mark - 1;
    if (token.len > 1 && token.data[0] == '[' && token.data[token.len - 1] == ']')
        return token;
    if (token.len >= n && memcmp(token.data, mark, n) == 0)
        return (lm_str){token.data + n, token.len - n};
    b->len = 0;
    lm_buf_puts(b, "##");
    lm_buf_append(b, token.data, token.len);
    return lm_buf_str(b);
}

static const lm_gguf_entry *numbers_for(reader *r, const char *key, size_t count)
{
    const lm_gguf_entry *e = lm_gguf_numbers(r->f, key, r->st);
    if (e && e->count < count)
        lm_fail(r->st, LM_FAILED, "%s: %zu tokens, but \"%s\" has %zu numbers: convert the model again",
                r->d->path, count, key, e->count);
    return e;
}

static bool read_tokens(reader *r, bool bert)
{
    const lm_gguf_entry *tokens = lm_gguf_strings(r->f, KEY("tokens"), r->st);
    if (lm_ok(r->st) && (!tokens || !tokens->count))
        lm_fail(r->st, LM_FAILED, "%s: has no tokens (\"%s\"): name a tokenizer with --tokenizer", r->d->path,
                KEY("tokens"));
    if (!lm_ok(r->st))
        return false;
    if (tokens->count > LM_MAX_TOKEN_ID)
        return lm_fail(r->st, LM_FAILED, "%s: %zu tokens, where at most %d are read", r->d->path,
                       tokens->count, LM_MAX_TOKEN_ID);
    r->types = numbers_for(r, KEY("token_type"), tokens->count);
    r->scores = numbers_for(r, KEY("scores"), tokens->count);
    const unsigned char *at = tokens->data;
    lm_buf b = {0};
    for (size_t i = 0; i < tokens->count && lm_ok(r->st); i++) {
        lm_str token = lm_gguf_next_string(&at);
        char empty[32];
        if (!token.len) /* as llama.cpp calls it */
            token = (lm_str){empty, (size_t)snprintf(empty, sizeof empty, "[EMPTY_%zu]", i)};
        if (!lm_utf8_valid(token.data, token.len))
            lm_fail(r->st, LM_FAILED, "%s: token %zu is not valid UTF-8: convert the model again", r->d->path,
                    i);
        else if (!lm_vocabulary_add(&r->d->tables.vocabulary, bert ? wordpiece(token, &b) : token, (int64_t)i,
                                    r->st))
            lm_fail_prefix(r->st, r->d->path);
        r->any_bytes |= type_of(r, i) == LM_PIECE_BYTE;
    }
    lm_buf_free(&b);
    return lm_ok(r->st);
}

/* A role by the key of its id; `otherwise` where the key is absent (-1: no such token). */
static void read_role(reader *r, enum lm_role role, const char *key, int otherwise)
{
    int64_t id = otherwise;
    lm_gguf_int(r->f, key, &id, r->st);
    if (id < 0 || id >= r->d->tables.vocabulary.size)
        return;
    r->d->roles[role] = lm_vocabulary_get(&r->d->tables.vocabulary, (int)id);
    if (role == LM_ROLE_UNK)
        r->unk = (int)id;
}

static void read_roles(reader *r, int bos, int eos, int unk, int pad)
{
    r->unk = -1;
    read_role(r, LM_ROLE_BOS, KEY("bos_token_id"), bos);
    read_role(r, LM_ROLE_EOS, KEY("eos_token_id"), eos);
    read_role(r, LM_ROLE_UNK, KEY("unknown_token_id"), unk);
    read_role(r, LM_ROLE_PAD, KEY("padding_token_id"), pad);
    read_role(r, LM_ROLE_CLS, KEY("cls_token_id"), -1);
    read_role(r, LM_ROLE_MASK, KEY("mask_token_id"), -1);
    read_role(r, LM_ROLE_SEP, KEY("separator_token_id"), -1);
    read_role(r, LM_ROLE_SEP, KEY("seperator_token_id"), -1); /* so the format spells it */
    lm_gguf_bool(r->f, KEY("add_bos_token"), &r->add_bos, r->st);
    lm_gguf_bool(r->f, KEY("add_eos_token"), &r->add_eos, r->st);
    r->add_bos &= r->d->roles[LM_ROLE_BOS].data != NULL;
    r->add_eos &= r->d->roles[LM_ROLE_EOS].data != NULL;
}

static void add_tokens(reader *r, bool left_strip)
{
    lm_draft_add_beside(r->d, &nothing_beside, (lm_added_flags){.special = true, .left_strip = left_strip});
    for (int i = 0; i < r->d->tables.vocabulary.size; i++) {
        int type = type_of(r, (size_t)i);
        if (type == LM_PIECE_CONTROL || type == LM_PIECE_USER_DEFINED)
            lm_draft_add(r->d, lm_vocabulary_get(&r->d->tables.vocabulary, i),
                         (lm_added_flags){.special = type == LM_PIECE_CONTROL});
    }
}

/* ---------------------------------------------------------------- llama: SentencePiece's BPE */

static char *role_text(const reader *r, enum lm_role role)
{
    lm_str s = r->d->roles[role];
    return s.data ? lm_strndup(s.data, s.len) : NULL;
}

static void read_llama(reader *r)
{
    bool prefix = true;
    r->add_bos = true;
    read_roles(r, 1, 2, 0, -1);
    lm_gguf_bool(r->f, KEY("add_space_prefix"), &prefix, r->st);
    if (!lm_ok(r->st))
        return;
    if (!r->scores) {
        lm_fail(r->st, LM_FAILED,
                "%s: has no scores (\"%s\"), which a vocabulary of this kind needs: convert the model again",
                r->d->path, KEY("scores"));
        return;
    }
    int size = r->d->tables.vocabulary.size;
    float *scores = lm_malloc((size_t)size, sizeof *scores);
    for (int i = 0; i < size; i++)
        scores[i] = score_of(r, (size_t)i);
    lm_merges_from_scores(&r->d->tables, scores);
    free(scores);
    add_tokens(r, false);
    char *unk = role_text(r, LM_ROLE_UNK);
    lm_draft_compose(r->d, lm_spec_llama_normalizer(prefix), NULL,
                     lm_draft_bos_eos(r->d, r->add_bos, r->add_eos, r->st), lm_spec_llama_decoder(prefix),
                     lm_spec_bpe(unk, r->any_bytes, true));
    r->d->config = json_pack("{s:s, s:b, s:b, s:b}", "tokenizer_class", "LlamaTokenizer", "legacy", 1,
                             "add_bos_token", r->add_bos, "add_eos_token", r->add_eos);
    free(unk);
}

/* ---------------------------------------------------------------- t5: Unigram */

static void read_t5(reader *r)
{
    r->add_eos = true;
    read_roles(r, -1, 1, 2, 0);
    if (lm_ok(r->st) && (!r->scores || r->unk < 0))
        lm_fail(r->st, LM_FAILED, "%s: has no scores, or no unknown token: convert the model again",
                r->d->path);
    const lm_gguf_entry *charsmap = lm_gguf_numbers(r->f, KEY("precompiled_charsmap"), r->st);
    if (charsmap && charsmap->type != LM_GGUF_U8 && charsmap->type != LM_GGUF_I8)
        lm_fail(r->st, LM_FAILED, "%s: \"%s\" is not of bytes: convert the model again", r->d->path,
                KEY("precompiled_charsmap"));
    if (!lm_ok(r->st))
        return;
    lm_draft *d = r->d;
    int size = d->tables.vocabulary.size;
    d->tables.scores = lm_malloc((size_t)size, sizeof *d->tables.scores);
    for (int i = 0; i < size; i++)
        d->tables.scores[i] = (double)score_of(r, (size_t)i);
    add_tokens(r, true);
    lm_str map = charsmap && charsmap->count ? (lm_str){(const char *)charsmap->data, charsmap->count}
                                             : (lm_str){NULL, 0};
    json_t *post = r->add_bos && r->add_eos
                       ? lm_draft_template(d, "{bos} $A {eos}", "{bos} $A {eos} {eos} $B {eos}", r->st)
                   : r->add_eos ? lm_draft_template(d, "$A {eos}", "$A {eos} $B {eos}", r->st)
                                : lm_draft_bos_eos(d, r->add_bos, false, r->st);
    lm_draft_compose(d, lm_spec_spm_normalizer(map), lm_spec_metaspace("always", true), post,
                     lm_spec_metaspace("always", true), lm_spec_unigram(r->unk, r->any_bytes));
    d->config = json_pack("{s:s}", "tokenizer_class", r->add_bos ? "XLMRobertaTokenizer" : "T5Tokenizer");
}

/* ---------------------------------------------------------------- bert: WordPiece */

/* Whether a model keeps case is not in older files: one that has capital letters in its words does. */
static bool looks_lower_case(const lm_vocabulary *v)
{
    for (int id = 0; id < v->size; id++) {
        lm_str token = lm_vocabulary_get(v, id);
        for (size_t i = 0; i < token.len && token.data[0] != '[' && token.data[0] != '<'; i++)
            if (isupper((unsigned char)token.data[i]))
                return false;
    }
    return true;
}

static void read_bert(reader *r)
{
    lm_draft *d = r->d;
    read_roles(r, -1, -1, 100, 0);
    if (!d->roles[LM_ROLE_CLS].data)
        read_role(r, LM_ROLE_CLS, KEY("bos_token_id"), 101);
    if (!d->roles[LM_ROLE_SEP].data)
        read_role(r, LM_ROLE_SEP, KEY("eos_token_id"), 102);
    d->roles[LM_ROLE_BOS] = d->roles[LM_ROLE_EOS] = (lm_str){NULL, 0};
    if (!d->roles[LM_ROLE_MASK].data && lm_draft_id(d, lm_str_of("[MASK]")) >= 0)
        d->roles[LM_ROLE_MASK] = lm_str_of("[MASK]");
    bool lower = looks_lower_case(&d->tables.vocabulary), accents = false;
    lm_gguf_bool(r->f, KEY("normalizer.lowercase"), &lower, r->st);
    bool says_accents = lm_gguf_entry_find(r->f, KEY("normalizer.strip_accents")) != NULL;
    lm_gguf_bool(r->f, KEY("normalizer.strip_accents"), &accents, r->st);
    if (!lm_ok(r->st))
        return;
    if (r->unk < 0 || !d->roles[LM_ROLE_CLS].data || !d->roles[LM_ROLE_SEP].data) {
        lm_fail(r->st, LM_FAILED,
                "%s: names no unknown token, or none to begin or end a text: convert the model again",
                d->path);
        return;
    }
    lm_bert_options o = {.lower_case = lower,
                         .clean_text = true,
                         .cjk = true,
                         .strip_accents = says_accents ? accents : -1,
                         .unk = d->roles[LM_ROLE_UNK],
                         .cls = d->roles[LM_ROLE_CLS],
                         .sep = d->roles[LM_ROLE_SEP],
                         .special = d->roles,
                         .special_count = LM_ROLE_COUNT};
    d->spec = lm_bert_spec(&o, &d->tables.vocabulary, r->st);
    d->config = json_pack("{s:s, s:b}", "tokenizer_class", "BertTokenizer", "do_lower_case", lower);
}

/* ---------------------------------------------------------------- gpt2: byte-level BPE */

static void read_merges(reader *r)
{
    const lm_gguf_entry *merges = lm_gguf_strings(r->f, KEY("merges"), r->st);
    if (lm_ok(r->st) && !merges)
        lm_fail(r->st, LM_FAILED, "%s: has no merges (\"%s\"): convert the model again", r->d->path,
                KEY("merges"));
    const unsigned char *at = merges ? merges->data : NULL;
    for (size_t i = 0; lm_ok(r->st) && i < merges->count; i++) {
        lm_str merge = lm_gguf_next_string(&at);
        const char *space = merge.len > 1 ? memchr(merge.data + 1, ' ', merge.len - 1) : NULL;
        size_t n = space ? (size_t)(space - merge.data) : 0;
        if (!space || n + 1 == merge.len)
            lm_fail(r->st, LM_FAILED,
                    "%s: merge %zu is not two tokens with a space between them: convert the model again",
                    r->d->path, i + 1);
        else if (!lm_token_tables_merge(&r->d->tables, (lm_str){merge.data, n},
                                        (lm_str){space + 1, merge.len - n - 1}, r->st))
            lm_fail_prefix(r->st, r->d->path);
    }
}

static void read_gpt2(reader *r)
{
    lm_draft *d = r->d;
    lm_str name = {NULL, 0};
    lm_gguf_string(r->f, KEY("pre"), &name, r->st);
    if (lm_ok(r->st) && !name.data)
        lm_warn("%s: does not say how it splits words (\"%s\"): split as llama.cpp's default", d->path,
                KEY("pre"));
    const lm_gguf_pre *pre = lm_ok(r->st) ? lm_gguf_pre_find(name.data ? name : lm_str_of("default")) : NULL;
    if (lm_ok(r->st) && !pre)
        lm_fail(r->st, LM_FAILED,
                "%s: needs: the way \"%.*s\" splits words, which this version does not have: name its "
                "tokenizer.json with --tokenizer",
                d->path, (int)name.len, name.data);
    if (!lm_ok(r->st))
        return;
    read_merges(r);
    r->add_bos = pre->add_bos;
    read_roles(r, -1, -1, -1, -1);
    if (!lm_ok(r->st))
        return;
    if (pre->roberta) {
        if (!d->roles[LM_ROLE_CLS].data)
            d->roles[LM_ROLE_CLS] = d->roles[LM_ROLE_BOS];
        if (!d->roles[LM_ROLE_SEP].data)
            d->roles[LM_ROLE_SEP] = d->roles[LM_ROLE_EOS];
    }
    add_tokens(r, pre->roberta);
    json_t *bytes = lm_spec_byte_level(true, false, true), *post = bytes;
    if (pre->roberta) {
        json_decref(bytes);
        post = lm_draft_template(d, "{cls} $A {sep}", "{cls} $A {sep} {sep} $B {sep}", r->st);
    } else if (r->add_bos || r->add_eos) {
        post = json_pack("[o]", bytes);
        json_array_append_new(post, lm_draft_bos_eos(d, r->add_bos, r->add_eos, r->st));
        post = lm_spec_sequence("processors", post);
    }
    lm_draft_compose(d, pre->nfc ? lm_spec_of("NFC") : NULL, lm_gguf_pre_spec(pre), post,
                     lm_spec_byte_level(true, true, true), lm_spec_byte_bpe(pre->ignore_merges));
    d->config = json_pack("{s:s}", "tokenizer_class", "PreTrainedTokenizerFast");
}

/* ---------------------------------------------------------------- all of it */

static void complete_config(reader *r)
{
    lm_str template = {NULL, 0}, architecture = {NULL, 0};
    int64_t length = 0;
    lm_gguf_string(r->f, "tokenizer.chat_template", &template, r->st);
    lm_gguf_string(r->f, "general.architecture", &architecture, r->st);
    char *key =
        lm_format("%.*s.context_length", (int)architecture.len, architecture.data ? architecture.data : "");
    lm_gguf_int(r->f, key, &length, r->st);
    free(key);
    if (template.data && lm_utf8_valid(template.data, template.len))
        json_object_set_new(r->d->config, "chat_template", json_stringn(template.data, template.len));
    if (length > 0)
        json_object_set_new(r->d->config, "model_max_length", json_integer(length));
}

bool lm_gguf_vocabulary_read(lm_draft *d, const lm_gguf *file, lm_status *st)
{
    static const struct {
        const char *name;
        void (*read)(reader *r);
    } models[] = {{"llama", read_llama}, {"gpt2", read_gpt2}, {"bert", read_bert}, {"t5", read_t5}};
    reader r = {.d = d, .f = file, .st = st};
    lm_str model = {NULL, 0};
    if (!lm_gguf_string(file, KEY("model"), &model, st))
        return false;
    if (!model.data)
        return lm_fail(st, LM_FAILED, "%s: has no tokenizer inside: name one with --tokenizer", d->path);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        if (!lm_str_is(model, models[i].name))
            continue;
        if (read_tokens(&r, models[i].read == read_bert))
            models[i].read(&r);
        if (lm_ok(st))
            complete_config(&r);
        return lm_ok(st);
    }
    return lm_fail(st, LM_FAILED,
                   "%s: needs: a tokenizer of the kind \"%.*s\", which this version does not have: name its "
                   "tokenizer.json with --tokenizer",
                   d->path, (int)(model.len < 100 ? model.len : 100), model.data);
}
