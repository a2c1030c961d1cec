/* A tokenizer as GGUF files have it (tokenizer.ggml.*), as llama.cpp's converter writes them (conversion/base.py, bert.py, t5.py
 * and gguf-py/gguf/vocab.py). What was written is read back, and has to encode a text as the tokenizer does: so what the format
 * cannot say is found. */
#include "text/files/files.h"

#include "base/log.h"
#include "base/memory.h"

#include <stdlib.h>

#define KEY(name)  "tokenizer.ggml." name
#define SPACE_MARK "\xE2\x96\x81"

typedef enum kind { LLAMA, GPT2, BERT, T5, NONE } kind;
static const char *const kind_names[] = {"llama", "gpt2", "bert", "t5"};

typedef struct vocabulary_writer {
    const lm_tokenizer *t;
    lm_gguf_writer *w;
    int size; /* of the list */
    kind kind;
} vocabulary_writer;

static bool has_type(json_t *spec, const char *type)
{
    json_t *child;
    const char *key, *is = json_string_value(json_object_get(spec, "type"));
    size_t i;
    bool found = is && strcmp(is, type) == 0;
    if (json_is_array(spec)) {
        json_array_foreach(spec, i, child)
            found = found || has_type(child, type);
    } else {
        json_object_foreach(spec, key, child)
            found = found || has_type(child, type);
    }
    return found;
}

static kind kind_of(const lm_tokenizer *t)
{
    const lm_token_model *m = &t->model;
    json_t *pre = json_object_get(t->spec, "pre_tokenizer");
    if (strcmp(m->name, "Unigram") == 0)
        return T5;
    if (strcmp(m->name, "WordPiece") == 0)
        return lm_str_is(lm_buf_str(&m->prefix), "##") && lm_normalizer_is_bert(&t->normalizer) ? BERT : NONE;
    if (strcmp(m->name, "BPE") != 0 || m->suffix.len)
        return NONE;
    return has_type(pre, "ByteLevel") ? GPT2 : m->byte_fallback ? LLAMA : NONE;
}

/* ---------------------------------------------------------------- tokens */

static bool begins(lm_str s, const char *with)
{
    size_t n = strlen(with);
    return s.len >= n && memcmp(s.data, with, n) == 0;
}

static bool ends(lm_str s, const char *with)
{
    size_t n = strlen(with);
    return s.len >= n && memcmp(s.data + s.len - n, with, n) == 0;
}

/* Added tokens that are not marked as special but are, as the converter sees it: they are never part of a text. */
static bool looks_special(lm_str s)
{
    static const char *const known[] = {"<pad>", "<mask>", "<2mass>", "[@BOS@]"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (lm_str_is(s, known[i]))
            return true;
    return (begins(s, "<|") && ends(s, "|>")) || (begins(s, "<\xEF\xBD\x9C") && ends(s, "\xEF\xBD\x9C>")) ||
           (begins(s, "<unused") && ends(s, ">"));
}

static int type_of(const vocabulary_writer *v, int id)
{
    lm_str token = lm_tokenizer_token(v->t, id);
    if (!token.data)
        return LM_PIECE_UNUSED;
    int type = lm_piece_type(v->t, id);
    if (type == LM_PIECE_UNKNOWN && (v->kind == BERT || v->kind == GPT2))
        return LM_PIECE_CONTROL;
    return type == LM_PIECE_USER_DEFINED && looks_special(token) ? LM_PIECE_CONTROL : type;
}

/* BERT's words get the mark of a space, and what goes on in one loses its ##. */
static lm_str token_of(const vocabulary_writer *v, int id, lm_buf *b)
{
    lm_str token = lm_tokenizer_token(v->t, id);
    b->len = 0;
    if (!token.data) {
        lm_buf_printf(b, "[PAD%d]", id);
        return lm_buf_str(b);
    }
    if (v->kind != BERT || type_of(v, id) == LM_PIECE_CONTROL)
        return token;
    if (begins(token, "##"))
        return (lm_str){token.data + 2, token.len - 2};
    lm_buf_puts(b, SPACE_MARK);
    lm_buf_append(b, token.data, token.len);
    return lm_buf_str(b);
}

static void put_tokens(vocabulary_writer *v)
{
    enum { ABSENT = -10000 }; /* the score of what no text has */
    size_t size = (size_t)v->size;
    int32_t *types = lm_malloc(size + 1, sizeof *types);
    float *scores = lm_calloc(size + 1, sizeof *scores);
    float *from_merges = v->kind == LLAMA ? lm_scores_from_merges(&v->t->model.tables) : NULL;
    const double *own = v->t->model.tables.scores;
    int known = v->t->model.tables.vocabulary.size;
    lm_buf b = {0};
    lm_gguf_put_strings(v->w, KEY("tokens"), size);
    for (int i = 0; i < v->size; i++) {
        lm_gguf_put_next(v->w, token_of(v, i, &b));
        types[i] = type_of(v, i);
        if (types[i] == LM_PIECE_UNUSED)
            scores[i] = ABSENT;
        else if (v->kind == T5 && i < known)
            scores[i] = (float)own[i];
        else if (from_merges && i < known && types[i] == LM_PIECE_NORMAL)
            scores[i] = from_merges[i];
    }
    if (v->kind == LLAMA || v->kind == T5)
        lm_gguf_put_numbers(v->w, KEY("scores"), LM_GGUF_F32, scores, size);
    lm_gguf_put_numbers(v->w, KEY("token_type"), LM_GGUF_I32, types, size);
    lm_buf_free(&b);
    free(from_merges);
    free(scores);
    free(types);
}

/* "left right": a blank within a token is the letter that stands for it in byte-level vocabularies. */
static void put_merge_part(lm_str token, lm_buf *b)
{
    for (size_t i = 0; i < token.len; i++)
        if (token.data[i] == ' ')
            lm_buf_puts(b, "\xC4\xA0");
        else
            lm_buf_putc(b, token.data[i]);
}

static void put_merges(vocabulary_writer *v)
{
    const lm_token_tables *t = &v->t->model.tables;
    lm_buf b = {0};
    lm_gguf_put_strings(v->w, KEY("merges"), t->merge_count);
    for (size_t i = 0; i < t->merge_count; i++) {
        b.len = 0;
        put_merge_part(lm_vocabulary_get(&t->vocabulary, t->merges[i].left), &b);
        lm_buf_putc(&b, ' ');
        put_merge_part(lm_vocabulary_get(&t->vocabulary, t->merges[i].right), &b);
        lm_gguf_put_next(v->w, lm_buf_str(&b));
    }
    lm_buf_free(&b);
}

/* ---------------------------------------------------------------- roles */

static void put_id(vocabulary_writer *v, const char *key, int id)
{
    if (id >= 0)
        lm_gguf_put_u32(v->w, key, (uint32_t)id);
}

/* Whether the files beside a tokenizer.json give a role to a token, and it was not guessed by its name; true where there are
 * none. */
static bool is_said(const lm_tokenizer *t, enum lm_role role)
{
    char *member = lm_format("%s_token", lm_role_names[role]);
    json_t *config = json_object_get(t->config, member), *map = json_object_get(t->special_map, member);
    bool said = (!t->config && !t->special_map) || (config && !json_is_null(config)) || (map && !json_is_null(map));
    free(member);
    return said;
}

static void put_role(vocabulary_writer *v, const char *key, enum lm_role role)
{
    if (v->kind == BERT || is_said(v->t, role))
        put_id(v, key, v->t->roles[role]);
}

/* BERT's first and last token of a row count as its bos and eos. */
static void put_roles(vocabulary_writer *v)
{
    const int *r = v->t->roles;
    int bos = r[LM_ROLE_BOS] >= 0 ? r[LM_ROLE_BOS] : r[LM_ROLE_CLS];
    int eos = r[LM_ROLE_EOS] >= 0 ? r[LM_ROLE_EOS] : r[LM_ROLE_SEP];
    put_id(v, KEY("bos_token_id"), bos);
    put_id(v, KEY("eos_token_id"), eos);
    if (v->t->model.unk_id >= 0)
        put_id(v, KEY("unknown_token_id"), v->t->model.unk_id);
    else
        put_role(v, KEY("unknown_token_id"), LM_ROLE_UNK);
    put_role(v, KEY("seperator_token_id"), LM_ROLE_SEP); /* so the format spells it */
    put_role(v, KEY("padding_token_id"), LM_ROLE_PAD);
    put_role(v, KEY("cls_token_id"), LM_ROLE_CLS);
    put_role(v, KEY("mask_token_id"), LM_ROLE_MASK);
}

/* Whether a row begins with bos, and ends with eos: an empty text is looked at. */
static bool put_ends(vocabulary_writer *v, lm_status *st)
{
    const int *r = v->t->roles;
    lm_encoding row = {0};
    lm_encoder *encoder = lm_encoder_new(v->t);
    bool ok = lm_encode(encoder, lm_str_of(""), (lm_str){NULL, 0}, &(lm_encode_options){0}, &row, st);
    int first = row.len ? row.ids[0] : -1, last = row.len ? row.ids[row.len - 1] : -1;
    bool bos = first >= 0 && (first == r[LM_ROLE_BOS] || first == r[LM_ROLE_CLS]);
    bool eos = last >= 0 && row.len > bos && (last == r[LM_ROLE_EOS] || last == r[LM_ROLE_SEP]);
    lm_gguf_put_bool(v->w, KEY("add_bos_token"), bos);
    lm_gguf_put_bool(v->w, KEY("add_eos_token"), eos);
    if (eos && r[LM_ROLE_SEP] >= 0)
        lm_gguf_put_bool(v->w, KEY("add_sep_token"), true);
    lm_encoding_free(&row);
    lm_encoder_free(encoder);
    return ok;
}

/* The token that ends a turn, where the chat template has it and it is not the eos: text goes on to it. */
static void put_turn_ends(vocabulary_writer *v, lm_str template)
{
    static const struct {
        const char *token, *key;
    } known[] = {{"<|eot_id|>", KEY("eot_token_id")},      {"<|im_end|>", KEY("eot_token_id")},
                 {"<end_of_turn>", KEY("eot_token_id")},   {"<|end|>", KEY("eot_token_id")},
                 {"<|end_of_turn|>", KEY("eot_token_id")}, {"<|eom_id|>", KEY("eom_token_id")}};
    const char *said = NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        int id = lm_tokenizer_id(v->t, lm_str_of(known[i].token));
        if (id < 0 || id == v->t->roles[LM_ROLE_EOS] || !lm_tokenizer_is_special(v->t, id) || said == known[i].key ||
            !memmem(template.data, template.len, known[i].token, strlen(known[i].token)))
            continue;
        put_id(v, known[i].key, id);
        said = known[i].key;
    }
}

/* ---------------------------------------------------------------- what else each kind has */

/* Whether a space is put before a text. */
static bool adds_space(const lm_tokenizer *t)
{
    json_t *pre = json_object_get(t->spec, "pre_tokenizer");
    const char *scheme = json_string_value(json_object_get(pre, "prepend_scheme"));
    json_t *older = json_object_get(pre, "add_prefix_space");
    if (has_type(json_object_get(t->spec, "normalizer"), "Prepend"))
        return true;
    return has_type(pre, "Metaspace") && (scheme ? strcmp(scheme, "never") != 0 : !older || json_is_true(older));
}

static void put_normalizer(vocabulary_writer *v)
{
    json_t *normalizer = json_object_get(v->t->spec, "normalizer");
    lm_buf charsmap = {0};
    json_t *accents = json_object_get(normalizer, "strip_accents");
    switch (v->kind) {
    case LLAMA:
        lm_gguf_put_bool(v->w, KEY("add_space_prefix"), adds_space(v->t));
        break;
    case T5:
        lm_gguf_put_bool(v->w, KEY("add_space_prefix"), adds_space(v->t));
        lm_gguf_put_bool(v->w, KEY("remove_extra_whitespaces"), true);
        if (lm_spec_charsmap(normalizer, &charsmap))
            lm_gguf_put_numbers(v->w, KEY("precompiled_charsmap"), LM_GGUF_U8, charsmap.data, charsmap.len);
        break;
    case BERT:
        lm_gguf_put_bool(v->w, KEY("normalizer.lowercase"), v->t->normalizer.lower_case);
        if (json_is_boolean(accents))
            lm_gguf_put_bool(v->w, KEY("normalizer.strip_accents"), json_is_true(accents));
        break;
    default:
        break;
    }
    lm_buf_free(&charsmap);
}

static bool put_pre(vocabulary_writer *v, lm_status *st)
{
    if (v->kind != GPT2) {
        lm_gguf_put_string(v->w, KEY("pre"), lm_str_of("default"));
        return true;
    }
    const lm_gguf_pre *pre = lm_gguf_pre_of(v->t);
    if (!pre)
        return lm_fail(st, LM_FAILED, "%s: llama.cpp has no name for the way it splits words: write a directory or a model stream",
                       v->t->path);
    lm_gguf_put_string(v->w, KEY("pre"), (lm_str){pre->names, strcspn(pre->names, " ")});
    return true;
}

static bool put_all(vocabulary_writer *v, lm_str template, lm_status *st)
{
    lm_gguf_put_string(v->w, KEY("model"), lm_str_of(kind_names[v->kind]));
    if (!put_pre(v, st))
        return false;
    put_tokens(v);
    if (v->kind == GPT2)
        put_merges(v);
    put_roles(v);
    if (v->kind != BERT && !put_ends(v, st))
        return false;
    put_normalizer(v);
    if (template.data) {
        put_turn_ends(v, template);
        lm_gguf_put_string(v->w, "tokenizer.chat_template", template);
    }
    return true;
}

/* ---------------------------------------------------------------- read back */

/* What the ways to cut words differ in: numbers, contractions, blanks, lines, marks, letters of several scripts, pictures. */
static const char *const probes[] = {
    "Hello world, it's 12345 and I'LL pay $3.50!  Two  blanks",
    "\n\nA line\r\n\tA tab; x=f(a_b)*2; // end...  ",
    "caf\xC3\xA9 na\xC3\xAFve",
    "\xEC\x95\x88\xEB\x85\x95\xED\x95\x98\xEC\x84\xB8\xEC\x9A\x94 \xEC\x84\xB8\xEA\xB3\x84 2024\xEB\x85\x84\xEC\x97\x90",
    "\xD0\x9F\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82 \xE4\xBD\xA0\xE5\xA5\xBD\xE4\xB8\x96\xE7\x95\x8C",
    "\xF0\x9F\x98\x80 \xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD",
};

/* Newer tokenizers of SentencePiece models put no space before a text that begins with one; llama.cpp does. */
static const char rare_probe[] = "  two blanks before";

/* A text that the tokenizer itself cannot encode, since it has no unknown token, says nothing. */
static bool encode_alike(lm_encoder *first, lm_encoder *second, const char *text)
{
    lm_encoding one = {0}, other = {0};
    lm_status cannot = LM_STATUS_INIT;
    bool alike = true;
    if (lm_encode(first, lm_str_of(text), (lm_str){NULL, 0}, &(lm_encode_options){0}, &one, &cannot))
        alike = lm_encode(second, lm_str_of(text), (lm_str){NULL, 0}, &(lm_encode_options){0}, &other, &cannot) &&
                one.len == other.len && memcmp(one.ids, other.ids, (size_t)one.len * sizeof *one.ids) == 0;
    lm_encoding_free(&one);
    lm_encoding_free(&other);
    return alike;
}

static bool check(const lm_tokenizer *t, const lm_buf *file, lm_status *st)
{
    lm_tokenizer *again = lm_tokenizer_from_bytes(lm_buf_str(file), NULL, NULL, NULL, t->path, st);
    if (!again)
        return false;
    lm_encoder *first = lm_encoder_new(t), *second = lm_encoder_new(again);
    for (size_t i = 0; lm_ok(st) && i < sizeof probes / sizeof *probes; i++)
        if (!encode_alike(first, second, probes[i]))
            lm_fail(st, LM_FAILED,
                    "%s: a GGUF file cannot say how it cuts texts: \"%s\" has other tokens then: write a directory or a model "
                    "stream",
                    t->path, probes[i]);
    if (lm_ok(st) && !encode_alike(first, second, rare_probe))
        lm_warn("%s: llama.cpp cuts texts that begin with a blank otherwise (\"%s\")", t->path, rare_probe);
    lm_encoder_free(first);
    lm_encoder_free(second);
    lm_tokenizer_free(again);
    return lm_ok(st);
}

/* The tokenizer's own: a text, or a list of named ones. */
static lm_str own_template(const lm_tokenizer *t)
{
    json_t *member = json_object_get(t->config, "chat_template"), *item;
    size_t i;
    json_array_foreach(member, i, item) {
        const char *name = json_string_value(json_object_get(item, "name"));
        if (name && strcmp(name, "default") == 0) {
            member = json_object_get(item, "template");
            break;
        }
    }
    return (lm_str){json_string_value(member), json_string_length(member)};
}

bool lm_tokenizer_put_gguf(const lm_tokenizer *t, int size, lm_str template, lm_gguf_writer *out, lm_status *st)
{
    vocabulary_writer v = {.t = t, .size = size, .kind = kind_of(t)};
    if (v.kind == NONE)
        return lm_fail(st, LM_FAILED, "%s: llama.cpp has no tokenizer of its kind (%s): write a directory or a model stream", t->path,
                       t->model.name);
    if (lm_tokenizer_size(t) > size)
        return lm_fail(st, LM_FAILED, "%s: %d tokens, where the model has rows for %d: they do not belong together", t->path,
                       lm_tokenizer_size(t), size);
    if (!template.data)
        template = own_template(t);
    v.w = lm_gguf_writer_new(t->path);
    lm_buf file = {0};
    bool ok = put_all(&v, template, st) && lm_gguf_write_header(v.w, lm_buf_write, &file, st) && check(t, &file, st);
    lm_gguf *f = ok ? lm_gguf_from_memory(file.data, file.len, t->path, st) : NULL;
    for (size_t i = 0; f && i < lm_gguf_entries(f); i++)
        lm_gguf_put_entry(out, lm_gguf_entry_at(f, i));
    lm_gguf_close(f);
    lm_gguf_writer_free(v.w);
    lm_buf_free(&file);
    return f != NULL;
}
