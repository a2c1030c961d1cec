#include "augment/overlap/overlap.h"

#include "augment/options.h"

void lm_overlap_entries(lm_augment_entries *to)
{
    const lm_option entries[] = {
        LM_ENTRY_GROUP("Passages that stand elsewhere"),
        LM_ENTRY_STEP("dedup-lines", NULL, .help = "take out lines that stood before, in this or an earlier record"),
        LM_ENTRY_STEP("dedup-sentences", NULL, .help = "take out spans of sentences that stood before"),
        LM_ENTRY("sentences", LM_OPT_INT, overlap.sentences, "N", .min = 1, .max = 1000, .aliases = "n_sentences",
                 .help = "sentences of a span; a text of fewer is one span"),
        LM_ENTRY_STEP("dedup-substring", "BYTES", .aliases = "length_threshold",
                      .help = "take out what stood before, byte for byte, for so many bytes or more"),
        LM_ENTRY_STEP("decontaminate", "FILE",
                      .help = "drop records that share words in a row with this test set; may be given again"),
        LM_ENTRY("decontaminate-ngram", LM_OPT_INT, overlap.decontaminate_ngram, "N", .min = 1, .max = 1000,
                 .help = "how many words"),
        LM_ENTRY("decontaminate-text", LM_OPT_STRING, overlap.decontaminate_text, "FIELD[,FIELD...]",
                 .shown = "that of --text", .help = "the text fields of the test set"),
        {0},
    };
    lm_augment_entries_add(to, entries);
}
