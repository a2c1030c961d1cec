#include "augment/augment.h"
#include "augment/balance.h"
#include "augment/clean/clean.h"
#include "augment/noise/noise.h"
#include "augment/quality/filters.h"
#include "augment/rules/rules.h"
#include "augment/sample.h"
#include "base/memory.h"

const lm_operation_kind *const lm_operation_kinds[] = {
    /* choosing */
    &lm_sample_kind,

    /* cleaning */
    &lm_clean_kind,
    &lm_fix_mojibake_kind,
    &lm_normalize_kind,
    &lm_strip_html_kind,
    &lm_strip_markup_kind,
    &lm_strip_control_kind,
    &lm_mask_urls_kind,
    &lm_mask_emails_kind,
    &lm_mask_phones_kind,
    &lm_squeeze_kind,
    &lm_whitespace_kind,

    /* quality */
    &lm_script_kind,
    &lm_filter_kind,
    &lm_min_length_kind,
    &lm_max_length_kind,
    &lm_rules_kind,

    /* duplicates */
    &lm_dedup_kind,
    &lm_near_dedup_kind,

    /* passages that stand elsewhere */
    &lm_dedup_lines_kind,
    &lm_dedup_sentences_kind,
    &lm_dedup_substring_kind,
    &lm_decontaminate_kind,

    /* typos */
    &lm_fix_typos_kind,

    /* noise */
    &lm_keyboard_kind,
    &lm_ocr_kind,
    &lm_jamo_kind,
    &lm_typo_kind,

    /* words: easy data augmentation */
    &lm_synonym_kind,
    &lm_insert_kind,
    &lm_swap_kind,
    &lm_delete_kind,
    &lm_eda_kind,

    /* words and texts by models and commands */
    &lm_translate_kind,
    &lm_back_translate_kind,
    &lm_mlm_kind,

    /* copies */
    &lm_balance_kind,

    NULL,
};

const lm_operation_kind *lm_operation_find(const char *name)
{
    for (const lm_operation_kind *const *k = lm_operation_kinds; *k; k++)
        if (strcmp((*k)->name, name) == 0)
            return *k;
    return NULL;
}

void *lm_operation_room(const lm_operation_kind *kind, void *self)
{
    return kind->room_new ? kind->room_new(self) : kind->room_bytes ? lm_calloc(1, kind->room_bytes) : NULL;
}

lm_philox_key lm_draw_key(uint64_t seed, int place, int text)
{
    return lm_random_key(seed, LM_FOR_AUGMENT, (uint64_t)(uint32_t)place << 32 | (uint32_t)text);
}
