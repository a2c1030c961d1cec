#include "train/teaching/teaching.h"

#include "kernels/distillation.h"

#include <string.h>

const char *const lm_divergence_names[] = {[LM_FORWARD_KL] = "forward", [LM_REVERSE_KL] = "reverse", [LM_JSD] = "jsd",
                                          [LM_LOGIT_ERROR] = "mse", NULL};
static const char *const relation_forms[] = {"kl", "scores", NULL}, *const hidden_forms[] = {"all", "first", NULL};
static const char *const synonyms[] = {"kl", "forward", "fkl", "forward", "rkl", "reverse", NULL};

void lm_teaching_option_table(lm_teaching_options *o, lm_option *table)
{
    const lm_option all[LM_TEACHING_OPTIONS] = {
        {.name = "teacher", .type = LM_OPT_FILE, .target = &o->teacher, .value = "MODEL", .aliases = "teacher_model_name_or_path",
         .shown = "the logits that the stream brings",
         .help = "the model to learn from, which reads every row, too; without it the rows bring its logits (score --emit "
                 "logits)"},
        {.name = "logits", .type = LM_OPT_FILE, .target = &o->logits, .value = "FILE", .shown = "those of the rows themselves",
         .help = "another stream of the same records, in any order, brings the teacher's logits of whole rows (score --emit logits): "
                 "tokens of another tokenizer, perhaps"},
        {.name = "init-from-teacher", .type = LM_OPT_STRING, .target = &o->layers, .value = "LAYER,LAYER...",
         .aliases = "student_layers", .shown = "the student of -m or -a",
         .help = "begin with these of the teacher's layers, counted from 0, and all else that it has (0,2,4,7,9,11 of 12 is "
                 "DistilBERT's choice); with -a and --width, of its family, projected to fewer dimensions"},
        {.name = "recipe", .type = LM_OPT_CHOICE, .target = &o->recipe, .value = "NAME", .choices = lm_recipe_names,
         .shown = "distilbert for mlm, else task",
         .help = "which losses there are, of which weights: those of a paper, each of which can be said otherwise (after tinybert, which "
                 "teaches layers, comes tinybert-prediction)"},
        {.name = "temperature", .type = LM_OPT_FLOAT, .target = &o->temperature, .given = &o->has_temperature, .value = "T",
         .min = 0.01, .max = 1000, .shown = "the recipe's: 2 for task and distilbert, 10 for pkd, else 1",
         .help = "both models' logits are divided by T, and the loss multiplied by its square"},
        {.name = "divergence", .type = LM_OPT_CHOICE, .target = &o->divergence, .value = "NAME", .choices = lm_divergence_names,
         .synonyms = synonyms,
         .help = "how the student's probabilities are compared with the teacher's: forward is KL(teacher||student), reverse the other "
                 "way round, jsd between them, mse the squared difference of the logits"},
        {.name = "beta", .type = LM_OPT_FLOAT, .target = &o->beta, .value = "B", .min = 0, .max = 1,
         .help = "of --divergence jsd: the share of the teacher in the mean of both; 0 is forward, 1 is reverse"},
        {.name = "alpha-ce", .type = LM_OPT_FLOAT, .target = &o->soft, .given = &o->has_soft, .value = "A", .min = 0, .max = 1e6,
         .aliases = "kd_ratio alpha_kd", .shown = "the recipe's: 0.5 for task",
         .help = "weight of the loss against the teacher's logits"},
        {.name = "alpha-hard", .type = LM_OPT_FLOAT, .target = &o->hard, .given = &o->has_hard, .value = "A", .min = 0, .max = 1e6,
         .aliases = "alpha_mlm alpha_clm", .shown = "the recipe's: 0.5 for task",
         .help = "weight of the loss against the labels"},
        {.name = "alpha-cos", .type = LM_OPT_FLOAT, .target = &o->cosine, .given = &o->has_cosine, .value = "A", .min = 0,
         .max = 1e6, .shown = "the recipe's: 1 for distilbert, where the widths are the same, else 0",
         .help = "weight of the angles between the last hidden states of both"},
        {.name = "alpha-relation", .type = LM_OPT_FLOAT, .target = &o->relation, .given = &o->has_relation, .value = "A", .min = 0,
         .max = 1e6, .aliases = "alpha_att", .shown = "the recipe's: 1 for tinybert and minilm",
         .help = "weight of how tokens are related to one another in layers of both (--relations)"},
        {.name = "alpha-hidden", .type = LM_OPT_FLOAT, .target = &o->hidden, .given = &o->has_hidden, .value = "A", .min = 0,
         .max = 1e6, .aliases = "alpha_rep", .shown = "the recipe's: 1 for tinybert, 100 for pkd",
         .help = "weight of the differences between hidden states after layers of both; a narrower student's are projected, by a matrix "
                 "that learns with it and is not saved"},
        {.name = "alpha-embedding", .type = LM_OPT_FLOAT, .target = &o->embedding, .given = &o->has_embedding, .value = "A", .min = 0,
         .max = 1e6, .aliases = "alpha_emb", .shown = "the recipe's: 1 for tinybert", .help = "the same before the first layer"},
        {.name = "layer-map", .type = LM_OPT_STRING, .target = &o->map, .value = "STUDENT:TEACHER,...",
         .shown = "the recipe's",
         .help = "which of the student's layers learns from which of the teacher's, both counted from 0; or uniform: each from the last of "
                 "its share of the teacher's, inner: the same but for the last, last: the last alone"},
        {.name = "relations", .type = LM_OPT_STRING, .target = &o->relations, .value = "PAIR,PAIR...",
         .shown = "the recipe's: qk for tinybert, qk,vv for minilm, qq,kk,vv for minilm2",
         .help = "the relations that are compared: of queries with keys (attention), values with values ..."},
        {.name = "relation-loss", .type = LM_OPT_CHOICE, .target = &o->relation_form, .value = "HOW", .choices = relation_forms,
         .shown = "the recipe's: scores for tinybert",
         .help = "kl compares them as probabilities, scores by the squared differences before the softmax"},
        {.name = "relation-heads", .type = LM_OPT_COUNT, .target = &o->relation_heads, .value = "N", .min = 0, .max = 65536,
         .shown = "the heads of attention, where both have as many",
         .help = "divide queries, keys and values of both into so many heads for it"},
        {.name = "hidden-loss", .type = LM_OPT_CHOICE, .target = &o->hidden_form, .value = "OF", .choices = hidden_forms,
         .shown = "the recipe's: first for pkd, else all",
         .help = "hidden states of all tokens, or of first ones as directions, of length 1"},
        {.name = "restrict-ce-to-mask", .type = LM_OPT_FLAG, .target = &o->masked_only,
         .help = "listen to the teacher at tokens that carry a label alone, not at all of a row"},
    };
    memcpy(table, all, sizeof all);
}

bool lm_teaching_check(const lm_teaching_options *o, lm_status *st)
{
    if (o->layers && !o->teacher)
        return lm_fail(st, LM_USAGE, "--init-from-teacher takes the layers of --teacher MODEL: name it");
    if (o->logits && o->teacher)
        return lm_fail(st, LM_USAGE, "--teacher reads the rows, and --logits has what one has said of them: give one of them");
    return true;
}
