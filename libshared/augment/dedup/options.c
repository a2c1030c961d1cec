#include "augment/options.h"

const char *const lm_ngram_names[] = {"words", "characters", NULL};

void lm_dedup_entries(lm_augment_entries *to)
{
    const lm_option entries[] = {
        LM_ENTRY_GROUP("Duplicates"),
        LM_ENTRY_STEP("dedup", "WHAT[,WHAT...]", .aliases = "exact_dedup deduplicate", .optional = lm_dedup_takes,
                      .help = "drop records whose text was there before, but for what is not looked at: case, space, punctuation, "
                              "numbers, accents, or none of these; by itself case,space"),
        LM_ENTRY_STEP("near-dedup", "SIMILARITY", .aliases = "minhash_dedup minhash", .optional = lm_near_dedup_takes,
                      .help = "drop records that share most n-grams with one before (MinHash, as datatrove has it); with a "
                              "SIMILARITY, such as 0.8, those whose Jaccard similarity is as high as that"),
        LM_ENTRY("ngram", LM_OPT_INT, near.ngram, "N", .min = 1, .max = LM_NGRAM_MAX, .aliases = "n_grams ngram_size",
                 .help = "near duplicates: how long an n-gram is"),
        LM_ENTRY("ngram-of", LM_OPT_CHOICE, near.ngram_of, "UNIT", .choices = lm_ngram_names,
                 .help = "near duplicates: what n-grams are made of; characters for texts without blanks, and for short ones"),
        LM_ENTRY("buckets", LM_OPT_INT, near.buckets, "N", .min = 1, .max = LM_BUCKETS_MAX, .aliases = "num_buckets bands",
                 .help = "near duplicates: in how many ways two texts may come to be compared"),
        LM_ENTRY("hashes", LM_OPT_INT, near.hashes, "N", .min = 1, .max = LM_HASHES_MAX, .aliases = "hashes_per_bucket",
                 .help = "near duplicates: how many hashes have to agree in each of them"),
        LM_ENTRY("minhash-seed", LM_OPT_INT, near.seed, "N", .min = 0, .max = UINT32_MAX,
                 .help = "near duplicates: seed of the hash functions, those of numpy's RandomState"),
        {0},
    };
    lm_augment_entries_add(to, entries);
}
