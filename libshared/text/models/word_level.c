#include "text/models/models.h"

static bool read_word_level(lm_token_model *m, json_t *spec, lm_status *st)
{
    lm_str unk = lm_spec_string(spec, "unk_token", (lm_str){NULL, 0}, "WordLevel", st);
    if (lm_ok(st) && !unk.data)
        return lm_fail(st, LM_FAILED, "WordLevel: it has no \"unk_token\"");
    m->unk_id = lm_vocabulary_find(&m->tables.vocabulary, unk);
    return lm_ok(st);
}

static void encode_word_level(const lm_token_model *m, lm_str word, size_t chars, lm_model_scratch *scratch,
                              lm_token_list *out)
{
    (void)chars;
    int id = lm_vocabulary_find(&m->tables.vocabulary, word);
    if (id < 0)
        id = m->unk_id;
    if (id < 0)
        scratch->lacks_unk = true;
    lm_token_push(out, id, (int32_t)word.len);
}

static void describe_word_level(const lm_token_model *m, lm_buf *out)
{
    lm_buf_printf(out, "(unk=%d)", m->unk_id);
}

const struct lm_token_model_type lm_word_level_type = {
    .read = read_word_level,
    .encode = encode_word_level,
    .describe = describe_word_level,
};
