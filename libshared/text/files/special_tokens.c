/* The tokens that stand beside a vocabulary: roles, added tokens, and the templates that they go into. */
#include "text/files/files.h"

#include "base/memory.h"

#include <stdlib.h>

/* ---------------------------------------------------------------- the draft */

void lm_draft_free(lm_draft *d)
{
    lm_token_tables_free(&d->tables);
    lm_vocabulary_free(&d->names);
    json_decref(d->spec);
    json_decref(d->added);
    json_decref(d->config);
    *d = (lm_draft){0};
}

/* What tokenizer_config.json does not say and the class implies, so that what is saved says it. */
static void complete_config(lm_draft *d, const lm_beside *beside)
{
    if (!d->config)
        d->config = json_object();
    if (beside->config)
        json_object_update(d->config, beside->config);
    for (int r = 0; r < LM_ROLE_COUNT; r++) {
        char name[16];
        snprintf(name, sizeof name, "%s_token", lm_role_names[r]);
        if (d->roles[r].data && lm_draft_id(d, d->roles[r]) >= 0 && !json_object_get(d->config, name) &&
            !json_object_get(beside->special_map, name))
            json_object_set_new(d->config, name, json_stringn(d->roles[r].data, d->roles[r].len));
    }
}

lm_tokenizer *lm_draft_tokenizer(lm_draft *d, const lm_beside *beside, lm_status *st)
{
    lm_tokenizer *t = NULL;
    if (lm_ok(st) && !d->spec)
        lm_fail(st, LM_FAILED, "%s: a special token is not valid UTF-8: mend the file", d->path);
    if (lm_ok(st)) {
        complete_config(d, beside);
        t = lm_tokenizer_from_spec(json_incref(d->spec), &d->tables, json_incref(d->config),
                                   json_incref(beside->special_map), d->path, st);
    }
    lm_draft_free(d);
    return t;
}

int lm_draft_id(const lm_draft *d, lm_str token)
{
    int id = lm_vocabulary_find(&d->tables.vocabulary, token);
    return id >= 0 ? id : lm_vocabulary_find(&d->names, token);
}

/* ---------------------------------------------------------------- classes and roles */

/* Types of models (config.json) whose tokenizer's class is not named alike. */
static const char *const model_classes[][2] = {
    {"llama", "LlamaTokenizer"},
    {"mistral", "LlamaTokenizer"},
    {"mixtral", "LlamaTokenizer"},
    {"phi3", "LlamaTokenizer"},
    {"code_llama", "LlamaTokenizer"},
    {"gemma", "GemmaTokenizer"},
    {"gemma2", "GemmaTokenizer"},
    {"gemma3", "GemmaTokenizer"},
    {"gemma3_text", "GemmaTokenizer"},
    {"t5", "T5Tokenizer"},
    {"mt5", "T5Tokenizer"},
    {"umt5", "T5Tokenizer"},
    {"xlm-roberta", "XLMRobertaTokenizer"},
    {"xlm-roberta-xl", "XLMRobertaTokenizer"},
    {"albert", "AlbertTokenizer"},
    {"xlnet", "XLNetTokenizer"},
    {"deberta-v2", "DebertaV2Tokenizer"},
    {"camembert", "CamembertTokenizer"},
    {"big_bird", "BigBirdTokenizer"},
    {"mbart", "MBartTokenizer"},
    {"xglm", "XGLMTokenizer"},
    {"gpt2", "GPT2Tokenizer"},
    {"roberta", "RobertaTokenizer"},
    {"bart", "RobertaTokenizer"},
    {"longformer", "RobertaTokenizer"},
    {"qwen2", "Qwen2Tokenizer"},
    {"qwen3", "Qwen2Tokenizer"},
    {"clip", "CLIPTokenizer"},
    {"openai-gpt", "OpenAIGPTTokenizer"},
    {"deberta", "DebertaTokenizer"},
    {"bert", "BertTokenizer"},
    {"electra", "BertTokenizer"},
    {"distilbert", "BertTokenizer"},
};

/* Classes that transformers converts alike. */
static const char *const same_classes[][2] = {
    {"CodeLlamaTokenizer", "LlamaTokenizer"},
    {"Phi3Tokenizer", "LlamaTokenizer"},
    {"MT5Tokenizer", "T5Tokenizer"},
    {"FNetTokenizer", "AlbertTokenizer"},
    {"LayoutXLMTokenizer", "XLMRobertaTokenizer"},
    {"CodeGenTokenizer", "GPT2Tokenizer"},
    {"BartTokenizer", "RobertaTokenizer"},
    {"LongformerTokenizer", "RobertaTokenizer"},
    {"LEDTokenizer", "RobertaTokenizer"},
    {"MvpTokenizer", "RobertaTokenizer"},
    {"LayoutLMv3Tokenizer", "RobertaTokenizer"},
    {"BertGenerationTokenizer", "ReformerTokenizer"},
    {"PreTrainedTokenizer", ""},
    {"TokenizersBackend", ""},
};

static const char *look_up(const char *const table[][2], size_t count, lm_str name)
{
    for (size_t i = 0; i < count; i++)
        if (lm_str_is(name, table[i][0]))
            return table[i][1];
    return NULL;
}

const char *lm_tokenizer_class(const lm_beside *beside)
{
    const char *name = json_string_value(json_object_get(beside->config, "tokenizer_class"));
    if (!name) {
        const char *type = json_string_value(json_object_get(beside->model, "model_type"));
        name = type ? look_up(model_classes, sizeof model_classes / sizeof *model_classes, lm_str_of(type))
                    : NULL;
        return name ? name : "";
    }
    lm_str bare = lm_str_of(name);
    if (bare.len > 4 && strcmp(name + bare.len - 4, "Fast") == 0) {
        bare.len -= 4;
        for (size_t i = 0; i < sizeof model_classes / sizeof *model_classes; i++)
            if (lm_str_is(bare, model_classes[i][1]))
                return model_classes[i][1];
    }
    const char *same = look_up(same_classes, sizeof same_classes / sizeof *same_classes, bare);
    return same ? same : name;
}

/* A role's token in a file beside: a string, or an object with `content`. */
static lm_str named(json_t *object, const char *name)
{
    json_t *v = json_object_get(object, name);
    if (json_is_object(v))
        v = json_object_get(v, "content");
    return json_is_string(v) ? (lm_str){json_string_value(v), json_string_length(v)} : (lm_str){NULL, 0};
}

void lm_draft_roles(lm_draft *d, const lm_beside *beside, const char *const usual[LM_ROLE_COUNT])
{
    for (int r = 0; r < LM_ROLE_COUNT; r++) {
        char name[16];
        snprintf(name, sizeof name, "%s_token", lm_role_names[r]);
        lm_str token = named(beside->config, name);
        if (!token.data)
            token = named(beside->special_map, name);
        if (!token.data && usual[r] && !json_is_null(json_object_get(beside->config, name)))
            token = lm_str_of(usual[r]);
        d->roles[r] = token;
    }
}

/* ---------------------------------------------------------------- added tokens */

/* Steals the spec. */
static void enter(lm_draft *d, lm_str token, json_int_t id, json_t *spec)
{
    if (!d->added)
        d->added = json_array();
    if (!spec)
        lm_fail(d->st, LM_FAILED, "%s: token %lld is not valid UTF-8: mend the file", d->path, (long long)id);
    else
        json_array_append_new(d->added, spec);
    if (!lm_vocabulary_add(&d->names, token, id, d->st))
        return;
    if (id >= d->next_id)
        d->next_id = (int)id + 1;
}

static void append(lm_draft *d, lm_str token, json_int_t id, lm_added_flags flags)
{
    enter(d, token, id,
          json_pack("{s:I, s:s%, s:b, s:b, s:b, s:b, s:b}", "id", id, "content", token.data, token.len,
                    "single_word", 0, "lstrip", flags.left_strip, "rstrip", 0, "normalized", flags.normalized,
                    "special", flags.special));
}

static bool is_added(const lm_draft *d, lm_str token)
{
    return lm_vocabulary_find(&d->names, token) >= 0;
}

void lm_draft_add(lm_draft *d, lm_str token, lm_added_flags flags)
{
    if (!token.data || !token.len || is_added(d, token))
        return;
    if (d->next_id < d->tables.vocabulary.size)
        d->next_id = d->tables.vocabulary.size;
    int id = lm_vocabulary_find(&d->tables.vocabulary, token);
    append(d, token, id >= 0 ? id : d->next_id, flags);
}

/* tokenizer_config.json's added_tokens_decoder: id to token, with all its flags. */
static void add_decoder(lm_draft *d, json_t *decoder)
{
    const char *id;
    json_t *token;
    json_object_foreach(decoder, id, token) {
        lm_str content = named(decoder, id);
        if (!json_is_object(token) || !content.data || is_added(d, content))
            continue;
        json_t *spec = json_copy(token);
        json_object_set_new(spec, "id", json_integer(atoll(id)));
        json_object_del(spec, "__type");
        enter(d, content, atoll(id), spec);
    }
}

static bool names_it(json_t *list, lm_str token)
{
    size_t i;
    json_t *name;
    json_array_foreach(list, i, name) {
        json_t *content = json_is_object(name) ? json_object_get(name, "content") : name;
        if (json_is_string(content) &&
            lm_str_equal((lm_str){json_string_value(content), json_string_length(content)}, token))
            return true;
    }
    return false;
}

/* added_tokens.json: special are those of a role and the additional ones. */
static void add_older(lm_draft *d, const lm_beside *beside)
{
    const char *key;
    size_t len;
    json_t *id;
    json_object_keylen_foreach(beside->older, key, len, id)
    {
        lm_str token = {key, len};
        bool special = names_it(json_object_get(beside->config, "additional_special_tokens"), token) ||
                       names_it(json_object_get(beside->special_map, "additional_special_tokens"), token);
        for (int r = 0; r < LM_ROLE_COUNT; r++)
            special |= lm_str_equal(d->roles[r], token);
        if (json_is_integer(id) && len && !is_added(d, token))
            append(d, token, json_integer_value(id),
                   (lm_added_flags){.special = special, .normalized = !special});
    }
}

void lm_draft_add_beside(lm_draft *d, const lm_beside *beside, lm_added_flags flags)
{
    static const enum lm_role order[] = {LM_ROLE_BOS, LM_ROLE_EOS, LM_ROLE_UNK, LM_ROLE_SEP,
                                         LM_ROLE_PAD, LM_ROLE_CLS, LM_ROLE_MASK};
    add_decoder(d, json_object_get(beside->config, "added_tokens_decoder"));
    add_older(d, beside);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        lm_added_flags own = flags;
        if (order[i] == LM_ROLE_MASK)
            own = (lm_added_flags){.special = true, .left_strip = flags.left_strip};
        own.left_strip = order[i] == LM_ROLE_MASK && flags.left_strip;
        lm_draft_add(d, d->roles[order[i]], own);
    }
    json_t *sources[] = {beside->config, beside->special_map};
    for (int s = 0; s < 2; s++) {
        size_t i;
        json_t *name;
        json_array_foreach(json_object_get(sources[s], "additional_special_tokens"), i, name) {
            json_t *content = json_is_object(name) ? json_object_get(name, "content") : name;
            if (json_is_string(content))
                lm_draft_add(d, (lm_str){json_string_value(content), json_string_length(content)},
                             (lm_added_flags){.special = true});
        }
    }
}

/* ---------------------------------------------------------------- templates */

typedef struct template_maker {
    const lm_draft *d;
    json_t *specials;
    lm_status *st;
} template_maker;

/* One word of a template: $A, $B, {role} or a token, each with `:TYPE` behind it or of type 0. */
static json_t *template_word(template_maker *m, lm_str word)
{
    int type = 0;
    if (word.len > 2 && word.data[word.len - 2] == ':') {
        type = word.data[word.len - 1] - '0';
        word.len -= 2;
    }
    if (word.len == 2 && word.data[0] == '$')
        return json_pack("{s:{s:s%, s:i}}", "Sequence", "id", word.data + 1, (size_t)1, "type_id", type);
    lm_str token = word;
    for (int r = 0; r < LM_ROLE_COUNT; r++)
        if (word.len > 2 && word.data[0] == '{' &&
            lm_str_is((lm_str){word.data + 1, word.len - 2}, lm_role_names[r]))
            token = m->d->roles[r];
    int id = token.data ? lm_draft_id(m->d, token) : -1;
    if (id < 0) {
        lm_fail(m->st, LM_FAILED,
                "%s: the vocabulary lacks the special token \"%.*s\": name its own in tokenizer_config.json",
                m->d->path, (int)(token.data ? token.len : word.len), token.data ? token.data : word.data);
        return NULL;
    }
    json_object_setn_new(m->specials, token.data, token.len,
                         json_pack("{s:s%, s:[i], s:[s%]}", "id", token.data, token.len, "ids", id, "tokens",
                                   token.data, token.len));
    return json_pack("{s:{s:s%, s:i}}", "SpecialToken", "id", token.data, token.len, "type_id", type);
}

static json_t *template_side(template_maker *m, const char *text)
{
    json_t *side = json_array();
    while (*text && lm_ok(m->st)) {
        size_t n = strcspn(text, " ");
        json_t *word = n ? template_word(m, (lm_str){text, n}) : NULL;
        if (word)
            json_array_append_new(side, word);
        text += n + (text[n] == ' ');
    }
    return side;
}

json_t *lm_draft_template(const lm_draft *d, const char *single, const char *pair, lm_status *st)
{
    template_maker m = {d, json_object(), st};
    json_t *first = template_side(&m, single), *second = template_side(&m, pair);
    json_t *spec = json_pack("{s:s, s:o, s:o, s:o}", "type", "TemplateProcessing", "single", first, "pair",
                             second, "special_tokens", m.specials);
    if (lm_ok(st))
        return spec;
    json_decref(spec);
    return NULL;
}

json_t *lm_draft_bos_eos(const lm_draft *d, bool bos, bool eos, lm_status *st)
{
    static const char *const singles[] = {"$A:0", "{bos}:0 $A:0", "$A:0 {eos}:0", "{bos}:0 $A:0 {eos}:0"};
    static const char *const pairs[] = {"$A:0 $B:1", "{bos}:0 $A:0 {bos}:1 $B:1", "$A:0 {eos}:0 $B:1 {eos}:1",
                                        "{bos}:0 $A:0 {eos}:0 {bos}:1 $B:1 {eos}:1"};
    int which = bos + 2 * eos;
    return lm_draft_template(d, singles[which], pairs[which], st);
}

/* ---------------------------------------------------------------- pieces */

/* <0x00> to <0xFF> */
static bool is_byte(lm_str s)
{
    static const char hex[] = "0123456789ABCDEF";
    return s.len == 6 && memcmp(s.data, "<0x", 3) == 0 && s.data[5] == '>' && s.data[3] &&
           strchr(hex, s.data[3]) && s.data[4] && strchr(hex, s.data[4]);
}

int lm_piece_type(const lm_tokenizer *t, int id)
{
    const lm_added_token *added = lm_added_tokens_get(&t->added, id);
    if (id == t->model.unk_id)
        return LM_PIECE_UNKNOWN;
    if (t->model.byte_fallback && is_byte(lm_vocabulary_get(&t->model.tables.vocabulary, id)))
        return LM_PIECE_BYTE;
    return !added ? LM_PIECE_NORMAL : added->special ? LM_PIECE_CONTROL : LM_PIECE_USER_DEFINED;
}
