/* What both directions ask of a config.json. */
#include "model/gguf/gguf_families.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool lm_gguf_is_t5(const lm_gguf_family *f)
{
    return strncmp(f->architecture, "t5", 2) == 0;
}

bool lm_gguf_is_tied(lm_config *c, const lm_gguf_family *f)
{
    bool tied = lm_config_bool(c, "tie_word_embeddings", f->tied);
    /* transformers 5 says by itself whether the logits are scaled, and ties those that are */
    return tied && (!lm_gguf_is_t5(f) || lm_config_bool(c, "scale_decoder_outputs", true));
}

bool lm_gguf_is_gated(lm_config *c)
{
    return lm_config_bool(c, "is_gated_act", strncmp(lm_config_string(c, "feed_forward_proj", ""), "gated-", 6) == 0);
}

const char *lm_gguf_member(const lm_gguf_family *f, const char *there)
{
    const lm_gguf_key *k = f->keys;
    while (strcmp(k->there, there) != 0)
        k++;
    return k->here;
}

int lm_gguf_head_width(lm_config *c, const lm_gguf_family *f)
{
    int heads = lm_config_int(c, f->heads, 0), width = lm_config_int(c, lm_gguf_member(f, "embedding_length"), 0);
    return lm_config_int(c, "head_dim", heads > 0 ? width / heads : 0);
}

float *lm_gguf_rope_factors(lm_config *c, const lm_gguf_family *f, int *n)
{
    const char *type = lm_config_string(c, "rope_scaling.rope_type", lm_config_string(c, "rope_scaling.type", ""));
    int width = lm_gguf_head_width(c, f);
    double theta = lm_config_float(c, "rope_theta", 10000);
    if (strcmp(type, "llama3") != 0)
        return NULL;
    const lm_rotation *r = lm_config_rope(c, width, theta);
    *n = r->width / 2;
    float *factors = lm_malloc((size_t)*n + 1, sizeof *factors);
    for (int j = 0; j < *n; j++)
        factors[j] = (float)(1 / pow(theta, 2.0 * j / r->width)) / r->frequency[j];
    return factors;
}
