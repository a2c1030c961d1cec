#include "train/adapting.h"

#include <math.h>
#include <string.h>

#define OPTION(long_name, kind, field, shows, ...)                                                           \
    {.name = long_name, .type = kind, .target = &a->field, .value = shows, __VA_ARGS__}

void lm_adapting_entries(lm_adapting *a, lm_option table[LM_ADAPTING_OPTION_MAX])
{
    const lm_option entries[] = {
        {.name = "The adapter", .type = LM_OPT_GROUP},
        OPTION("rank", LM_OPT_COUNT, how.r, "N", .letter = 'r', .min = 0, .max = 1 << 20, .shown = "8",
               .aliases = "r lora_r lora_rank", .help = "columns of B and rows of A"),
        OPTION("alpha", LM_OPT_FLOAT, how.alpha, "X", .min = 0, .max = 1e6, .shown = "as the rank", .aliases = "lora_alpha",
               .help = "what the adapter gives counts for X / rank, with --rslora for X / sqrt(rank)"),
        OPTION("dropout", LM_OPT_FLOAT, how.dropout, "P", .min = 0, .max = 0.99, .aliases = "lora_dropout",
               .given = &a->has_dropout,
               .help = "dropout of what the adapter reads"),
        OPTION("target", LM_OPT_STRING, how.target, "NAMES|REGEX", .shown = "PEFT's for the family",
               .aliases = "target_modules lora_target_modules lora_target",
               .help = "the modules that get an adapter: names or ends of names with commas between (q_proj,v_proj), all-linear "
                       "(all but the head), or one regular expression for the whole name"),
        OPTION("exclude", LM_OPT_STRING, how.exclude, "NAMES|REGEX", .shown = "", .aliases = "exclude_modules",
               .help = "of these the ones that get none"),
        OPTION("modules-to-save", LM_OPT_STRING, how.modules_to_save, "NAMES", .shown = "the head of a task with classes",
               .aliases = "lora_modules_to_save additional_target",
               .help = "modules that are trained as they are, and written with the adapter"),
        OPTION("bias", LM_OPT_CHOICE, how.bias, "WHICH", .choices = lm_adapter_bias_names, .aliases = "lora_bias_type",
               .help = "biases that are trained as well: none, all, or those of layers with an adapter"),
        OPTION("rslora", LM_OPT_FLAG, how.rslora, NULL, .aliases = "use_rslora peft_use_rslora",
               .help = "scale by the root of the rank: for high ranks"),
        OPTION("dora", LM_OPT_FLAG, how.dora, NULL, .aliases = "use_dora peft_use_dora",
               .help = "train the length of each row of a weight apart from its direction (DoRA)"),
        OPTION("init", LM_OPT_STRING, how.init, "HOW", .shown = "true", .aliases = "init_lora_weights",
               .help = "first values: true, A uniform and B zero; gaussian; false, B not zero either; pissa or pissa_niter_N, the "
                       "weight's own main directions; loftq, what --original has over a quantised -m"),
        OPTION("original", LM_OPT_FILE, original, "MODEL", .shown = "", .help = "what -m was quantised from"),
        OPTION("rank-pattern", LM_OPT_STRINGS, how.rank_pattern, "REGEX=N",
               .help = "another rank for modules whose name ends so; may be repeated"),
        OPTION("alpha-pattern", LM_OPT_STRINGS, how.alpha_pattern, "REGEX=X",
               .help = "another alpha for modules whose name ends so; may be repeated"),
        OPTION("layers-to-transform", LM_OPT_STRING, how.layers, "N,N...", .shown = "all",
               .help = "the blocks that get adapters, counted from 0: 0,1 or 4-7"),
        OPTION("layers-pattern", LM_OPT_STRING, how.layers_pattern, "NAMES", .shown = "the usual ones",
               .help = "what the list of blocks is called in names of modules"),
        OPTION("lr-ratio", LM_OPT_FLOAT, b_rate, "X", .min = 0, .max = 1e6, .shown = "1", .aliases = "loraplus_lr_ratio",
               .help = "B learns X times as fast as A (LoRA+)"),
        OPTION("lr-embedding", LM_OPT_FLOAT, table_rate, "RATE", .min = 0, .max = 1e3, .aliases = "loraplus_lr_embedding",
               .help = "with it, the rate of adapters of embeddings"),
        OPTION("base-name", LM_OPT_STRING, base_name, "NAME", .shown = "as -m", .aliases = "base_model_name_or_path",
               .help = "what adapter_config.json calls the model that the adapter is for"),
        {0},
    };
    memset(table, 0, LM_ADAPTING_OPTION_MAX * sizeof *table);
    memcpy(table, entries, sizeof entries);
}
