/* augment: text in, better text or more of it out. */
#include "augment/options.h"
#include "base/tool.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
    lm_common common = LM_COMMON_INIT;
    lm_augment_options o = lm_augment_defaults;
    lm_option_steps steps = {0};
    lm_option table[LM_AUGMENT_OPTION_MAX];
    lm_augment_option_table(&o, &steps, table);
    const lm_program program = {
        .name = "augment", .purpose = "clean, deduplicate and multiply text", .operands = "[FILE...]",
        .summary = "Reads text (JSON Lines, csv, tsv, plain lines or a text stream; compressed or not) and writes the same with "
                   "the same columns, changed by operations in the order in which they are given. What it writes depends on the "
                   "records and --seed alone.",
        .options = table,
        .examples = (const char *const[]){
            "One record in ten, always the same ones", "augment --sample 10% news.csv >tenth.csv", NULL}};
    lm_tool_begin(&program, LM_TAKES_OUTPUT | LM_TAKES_THREADS | LM_TAKES_SEED, &common, argc, argv);

    lm_status st = LM_STATUS_INIT;
    o.seed = (uint64_t)common.seed;
    o.output = common.output;
    o.operands = &common.operands;
    o.command = common.command_line;
    lm_augment_run(&o, &steps, &st);
    return lm_tool_end(&st);
}
