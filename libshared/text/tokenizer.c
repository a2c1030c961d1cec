#include "base/digest.h"
#include "base/memory.h"
#include "text/tokenizer_internal.h"

#include <limits.h>
#include <stdlib.h>

const char *const lm_role_names[LM_ROLE_COUNT] = {"pad", "cls", "sep", "mask", "unk", "bos", "eos"};

/* ---------------------------------------------------------------- roles */

/* A special token in tokenizer_config.json or special_tokens_map.json: a string, or an object with `content`.
 */
static lm_str named_token(json_t *object, const char *role)
{
    char name[16];
    snprintf(name, sizeof name, "%s_token", role);
    json_t *v = json_object_get(object, name);
    if (json_is_object(v))
        v = json_object_get(v, "content");
    return json_is_string(v) ? (lm_str){json_string_value(v), json_string_length(v)} : (lm_str){NULL, 0};
}

static void find_roles(lm_tokenizer *t)
{
    static const char *const usual[LM_ROLE_COUNT][3] = {
        {"[PAD]", "<pad>"}, {"[CLS]", NULL}, {"[SEP]", NULL}, {"[MASK]", "<mask>"},
        {"[UNK]", "<unk>"}, {NULL, NULL},    {"</s>", "<|endoftext|>", "<eos>"}};
    for (int r = 0; r < LM_ROLE_COUNT; r++) {
        lm_str token = named_token(t->config, lm_role_names[r]);
        if (!token.data)
            token = named_token(t->special_map, lm_role_names[r]);
        t->roles[r] = token.data ? lm_tokenizer_id(t, token) : -1;
        for (int i = 0; i < 3 && t->roles[r] < 0 && !token.data; i++) {
            int id = usual[r][i] ? lm_tokenizer_id(t, lm_str_of(usual[r][i])) : -1;
            if (r != LM_ROLE_EOS || lm_tokenizer_is_special(t, id)) /* no word that happens to be spelt so */
                t->roles[r] = id;
        }
    }
    if (t->roles[LM_ROLE_UNK] < 0)
        t->roles[LM_ROLE_UNK] = t->model.unk_id;
    const lm_template *single = &t->post_processor.single;
    if (t->roles[LM_ROLE_CLS] < 0 && single->count && single->pieces[0].id >= 0)
        t->roles[LM_ROLE_CLS] = single->pieces[0].id;
    if (t->roles[LM_ROLE_SEP] < 0 && single->count > 1 && single->pieces[single->count - 1].id >= 0)
        t->roles[LM_ROLE_SEP] = single->pieces[single->count - 1].id;
}

/* ---------------------------------------------------------------- digests, as lmstream(5) defines them */

static uint64_t vocabulary_digest(const lm_tokenizer *t)
{
    enum { SOME = 32 * 1024 };
    lm_buf b = {0};
    int size = lm_tokenizer_size(t);
    XXH3_state_t *state = XXH3_createState();
    lm_buf_reserve(&b, SOME);
    XXH3_64bits_reset(state);
    for (int id = 0; id < size; id++) {
        lm_str token = lm_tokenizer_token(t, id);
        lm_buf_append(&b, token.data, token.len);
        lm_buf_putc(&b, 0);
        if (b.len >= SOME || id == size - 1) {
            XXH3_64bits_update(state, b.data, b.len);
            b.len = 0;
        }
    }
    uint64_t digest = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    lm_buf_free(&b);
    return digest;
}

/* Of a line that says what each component does; so files that say the same in other words agree. */
static uint64_t behaviour_digest(const lm_tokenizer *t)
{
    lm_buf b = {0};
    lm_token_model_describe(&t->model, &b);
    lm_buf_putc(&b, '\n');
    lm_normalizer_describe(&t->normalizer, &b);
    lm_buf_putc(&b, '\n');
    lm_pre_tokenizer_describe(&t->pre_tokenizer, &b);
    lm_buf_putc(&b, '\n');
    lm_post_processor_describe(&t->post_processor, &b);
    uint64_t digest = XXH3_64bits(b.data, b.len);
    lm_buf_free(&b);
    return digest;
}

/* ---------------------------------------------------------------- making one */

static void read_max_length(lm_tokenizer *t)
{
    json_t *max = json_object_get(t->config, "model_max_length");
    double n = json_is_number(max) ? json_number_value(max) : 0;
    t->max_length = n >= 1 && n <= INT_MAX ? (int)n : 0; /* transformers writes 1e30 for "none" */
}

static bool read_components(lm_tokenizer *t, lm_token_tables *tables, lm_status *st)
{
    json_t *spec = t->spec;
    if (!json_is_object(spec))
        return lm_fail(st, LM_FAILED, "it is no JSON object");
    if (!lm_token_model_read(&t->model, json_object_get(spec, "model"), tables, st) ||
        (!t->added_text.data &&
         !lm_added_tokens_read(&t->added, json_object_get(spec, "added_tokens"), &t->model.tables.vocabulary, st)) ||
        !lm_normalizer_read(&t->normalizer, json_object_get(spec, "normalizer"), st) ||
        !lm_pre_tokenizer_read(&t->pre_tokenizer, json_object_get(spec, "pre_tokenizer"), st) ||
        !lm_post_processor_read(&t->post_processor, json_object_get(spec, "post_processor"),
                                lm_tokenizer_size(t), st))
        return false;
    return lm_decoder_read(&t->decoder, json_object_get(spec, "decoder"), st);
}

/* Of what is in t; t is freed where it fails. */
static lm_tokenizer *make(lm_tokenizer *t, lm_token_tables *tables, const char *path, lm_status *st)
{
    t->model.unk_id = -1;
    t->path = path ? lm_strdup(path) : NULL;
    if (!read_components(t, tables, st)) {
        if (tables)
            lm_token_tables_free(tables);
        lm_tokenizer_free(t);
        return NULL;
    }
    json_object_del(json_object_get(t->spec, "model"), "vocab"); /* they stand in the model now */
    json_object_del(json_object_get(t->spec, "model"), "merges");
    lm_added_tokens_ready(&t->added, &t->normalizer);
    lm_bert_prepare(t);
    lm_byte_path_prepare(t);
    lm_space_path_prepare(t);
    lm_trim_prepare(t);
    find_roles(t);
    read_max_length(t);
    if (!t->digest)
        t->digest = vocabulary_digest(t);
    t->behaviour = behaviour_digest(t);
    return t;
}

lm_tokenizer *lm_tokenizer_from_spec(json_t *spec, lm_token_tables *tables, json_t *config,
                                     json_t *special_map, const char *path, lm_status *st)
{
    lm_tokenizer *t = lm_calloc(1, sizeof *t);
    t->spec = spec;
    t->config = config;
    t->special_map = special_map;
    return make(t, tables, path, st);
}

void lm_kept_tables_free(lm_kept_tables *kept)
{
    lm_token_tables_free(&kept->tables);
    lm_added_tokens_free(&kept->added);
    *kept = (lm_kept_tables){0};
}

lm_tokenizer *lm_tokenizer_from_kept(json_t *spec, lm_kept_tables *kept, json_t *config, json_t *special_map, const char *path,
                                     lm_status *st)
{
    lm_tokenizer *t = lm_calloc(1, sizeof *t);
    lm_token_tables tables = kept->tables;
    t->spec = spec;
    t->config = config;
    t->special_map = special_map;
    t->added = kept->added;
    t->added_text = kept->added_text;
    t->digest = kept->digest;
    *kept = (lm_kept_tables){0};
    return make(t, &tables, path, st);
}

void lm_tokenizer_free(lm_tokenizer *t)
{
    if (!t)
        return;
    free(t->path);
    free(t->spaces);
    free(t->decoder_text);
    json_decref(t->spec);
    json_decref(t->config);
    json_decref(t->special_map);
    lm_added_tokens_free(&t->added);
    lm_normalizer_free(&t->normalizer);
    lm_pre_tokenizer_free(&t->pre_tokenizer);
    lm_token_model_free(&t->model);
    lm_post_processor_free(&t->post_processor);
    lm_decoder_free(&t->decoder);
    free(t);
}

/* ---------------------------------------------------------------- asking it */

int lm_tokenizer_size(const lm_tokenizer *t)
{
    int model = t->model.tables.vocabulary.size, added = t->added.vocabulary.size;
    return model > added ? model : added;
}

int lm_tokenizer_id(const lm_tokenizer *t, lm_str token)
{
    int id = lm_vocabulary_find(&t->added.vocabulary, token);
    return id >= 0 ? id : lm_vocabulary_find(&t->model.tables.vocabulary, token);
}

lm_str lm_tokenizer_token(const lm_tokenizer *t, int id)
{
    lm_str token = lm_vocabulary_get(&t->added.vocabulary, id);
    return token.data ? token : lm_vocabulary_get(&t->model.tables.vocabulary, id);
}

int lm_tokenizer_role(const lm_tokenizer *t, const char *role)
{
    for (int r = 0; r < LM_ROLE_COUNT; r++)
        if (strcmp(role, lm_role_names[r]) == 0)
            return t->roles[r];
    return -1;
}

bool lm_tokenizer_is_special(const lm_tokenizer *t, int id)
{
    const lm_added_token *a = lm_added_tokens_get(&t->added, id);
    return a && a->special;
}

int lm_tokenizer_max_length(const lm_tokenizer *t)
{
    return t->max_length;
}

uint64_t lm_tokenizer_digest(const lm_tokenizer *t)
{
    return t->digest;
}

uint64_t lm_tokenizer_behaviour(const lm_tokenizer *t)
{
    return t->behaviour;
}
