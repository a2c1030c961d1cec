#include "train/teaching/teaching.h"

#include "kernels/distillation.h"

#include <string.h>

const char *const lm_divergence_names[] = {[LM_FORWARD_KL] = "forward", [LM_REVERSE_KL] = "reverse", [LM_JSD] = "jsd",
                                          [LM_LOGIT_ERROR] = "mse", NULL};
static const char *const synonyms[] = {"kl", "forward", "fkl", "forward", "rkl", "reverse", NULL};

void lm_teaching_option_table(lm_teaching_options *o, lm_option *table)
{
    const lm_option all[LM_TEACHING_OPTIONS] = {
        {.name = "teacher", .type = LM_OPT_FILE, .target = &o->teacher, .value = "MODEL", .aliases = "teacher_model_name_or_path",
         .shown = "the logits that the stream brings",
         .help = "the model to learn from, which reads every row, too; without it the rows bring its logits (score --emit "
                 "logits)"},
        {.name = "init-from-teacher", .type = LM_OPT_STRING, .target = &o->layers, .value = "LAYER,LAYER...",
         .aliases = "student_layers", .shown = "the student of -m or -a",
         .help = "begin with these of the teacher's layers, counted from 0, and all else that it has (0,2,4,7,9,11 of 12 is "
                 "DistilBERT's choice)"},
        {.name = "temperature", .type = LM_OPT_FLOAT, .target = &o->temperature, .value = "T", .min = 0.01, .max = 1000,
         .help = "both models' logits are divided by T, and the loss multiplied by its square"},
        {.name = "divergence", .type = LM_OPT_CHOICE, .target = &o->divergence, .value = "NAME", .choices = lm_divergence_names,
         .synonyms = synonyms,
         .help = "how the student's probabilities are compared with the teacher's: forward is KL(teacher||student), reverse the other "
                 "way round, jsd between them, mse the squared difference of the logits"},
        {.name = "beta", .type = LM_OPT_FLOAT, .target = &o->beta, .value = "B", .min = 0, .max = 1,
         .help = "of --divergence jsd: the share of the teacher in the mean of both; 0 is forward, 1 is reverse"},
        {.name = "alpha-ce", .type = LM_OPT_FLOAT, .target = &o->soft, .given = &o->has_soft, .value = "A", .min = 0, .max = 1e6,
         .aliases = "kd_ratio alpha_kd", .shown = "5 for mlm, else 0.5", .help = "weight of the loss against the teacher"},
        {.name = "alpha-hard", .type = LM_OPT_FLOAT, .target = &o->hard, .given = &o->has_hard, .value = "A", .min = 0, .max = 1e6,
         .aliases = "alpha_mlm alpha_clm", .shown = "2 for mlm, else 0.5", .help = "weight of the loss against the labels"},
        {.name = "alpha-cos", .type = LM_OPT_FLOAT, .target = &o->cosine, .given = &o->has_cosine, .value = "A", .min = 0,
         .max = 1e6, .shown = "1 for mlm, where the widths are the same, else 0",
         .help = "weight of the angles between the last hidden states of both"},
        {.name = "restrict-ce-to-mask", .type = LM_OPT_FLAG, .target = &o->masked_only,
         .help = "listen to the teacher at tokens that carry a label alone, not at all of a row"},
    };
    memcpy(table, all, sizeof all);
}

bool lm_teaching_check(const lm_teaching_options *o, lm_status *st)
{
    if (o->layers && !o->teacher)
        return lm_fail(st, LM_USAGE, "--init-from-teacher takes the layers of --teacher MODEL: name it");
    if (o->has_cosine && o->cosine > 0 && !o->teacher)
        return lm_fail(st, LM_USAGE, "--alpha-cos compares hidden states, which a stream of logits does not have: give --teacher");
    if (o->has_soft && o->soft <= 0 && !(o->has_cosine && o->cosine > 0))
        return lm_fail(st, LM_USAGE, "--alpha-ce 0: nothing is learned from the teacher: finetune does that");
    return true;
}
