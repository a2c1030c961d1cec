#include "generate/generate.h"

/* A number, or a list of them. */
static int read_ids(const json_t *member, int32_t *ids, int most)
{
    int n = 0;
    if (json_is_integer(member) && most > 0)
        ids[n++] = (int32_t)json_integer_value(member);
    for (size_t i = 0; i < json_array_size(member) && n < most; i++)
        if (json_is_integer(json_array_get(member, i)))
            ids[n++] = (int32_t)json_integer_value(json_array_get(member, i));
    return n;
}

int lm_generate_stops(const lm_model *m, const lm_tokenizer *t, int32_t *ids, int most)
{
    json_t *generation = m->generation_config ? json_loads(m->generation_config, 0, NULL) : NULL;
    int n = read_ids(json_object_get(generation, "eos_token_id"), ids, most);
    json_decref(generation);
    if (n == 0)
        n = read_ids(lm_config_member(m->config, "eos_token_id"), ids, most);
    int eos = n == 0 && t ? lm_tokenizer_role(t, "eos") : -1;
    if (eos >= 0 && most > 0)
        ids[n++] = eos;
    return n;
}
