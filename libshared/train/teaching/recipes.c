/* Published recipes: which losses, of which weights. */
#include "train/teaching/internal.h"

#include <stdio.h>
#include <string.h>

const char *const lm_recipe_names[] = {"task", "distilbert", "tinybert", "tinybert-prediction", "minilm", "minilm2", "pkd", NULL};

/* In the order of their names. */
static const lm_recipe recipes[] = {
    /* Hinton et al. 2015, arXiv 1503.02531 */
    {.temperature = 2, .soft = 0.5, .hard = 0.5},
    /* Sanh et al. 2019, arXiv 1910.01108 */
    {.temperature = 2, .soft = 5, .hard = 2, .cosine = 1},
    /* Jiao et al. 2019, arXiv 1909.10351: first the layers, then what they predict */
    {.temperature = 1, .relation = 1, .hidden = 1, .embedding = 1, .relations = "qk", .scores = true, .map = "uniform"},
    {.temperature = 1, .soft = 1},
    /* Wang et al. 2020, arXiv 2002.10957, and 2021, arXiv 2012.15828 */
    {.temperature = 1, .relation = 1, .relations = "qk,vv", .map = "last"},
    {.temperature = 1, .relation = 1, .relations = "qq,kk,vv", .map = "last"},
    /* Sun et al. 2019, arXiv 1908.09355 */
    {.temperature = 10, .soft = 0.5, .hard = 0.5, .hidden = 100, .first_token = true, .map = "inner"},
};

static double chosen(bool given, double value, double usual)
{
    return given ? value : usual;
}

void lm_recipe_choose(lm_recipe *r, const lm_teaching_options *o, bool masks)
{
    *r = recipes[o->recipe >= 0 ? o->recipe : masks];
    r->temperature = chosen(o->has_temperature, o->temperature, r->temperature);
    r->soft = chosen(o->has_soft, o->soft, r->soft);
    r->hard = chosen(o->has_hard, o->hard, r->hard);
    r->cosine = chosen(o->has_cosine, o->cosine, o->teacher ? r->cosine : 0);
    r->relation = chosen(o->has_relation, o->relation, r->relation);
    r->hidden = chosen(o->has_hidden, o->hidden, r->hidden);
    r->embedding = chosen(o->has_embedding, o->embedding, r->embedding);
    r->scores = o->relation_form >= 0 ? o->relation_form == 1 : r->scores;
    r->first_token = o->hidden_form >= 0 ? o->hidden_form == 1 : r->first_token;
    r->relations = o->relations ? o->relations : r->relations ? r->relations : "qk";
    r->map = o->map ? o->map : r->map ? r->map : "uniform";
}

bool lm_recipe_compares_layers(const lm_recipe *r)
{
    return r->relation > 0 || r->hidden > 0 || r->embedding > 0;
}

bool lm_recipe_check(const lm_recipe *r, const lm_teaching_options *o, lm_status *st)
{
    if (!o->teacher && (r->cosine > 0 || lm_recipe_compares_layers(r)))
        return lm_fail(st, LM_USAGE, "what a stream of logits does not have is compared here, hidden states or attention: name the "
                       "model with --teacher");
    if (r->soft <= 0 && r->cosine <= 0 && !lm_recipe_compares_layers(r))
        return lm_fail(st, LM_USAGE, "--alpha-ce 0: nothing is learned from the teacher: finetune does that");
    return true;
}
