/* The tables behind text/unicode/unicode.h. */
#ifndef LM_TEXT_UNICODE_DATA_H
#define LM_TEXT_UNICODE_DATA_H

#include <stdint.h>

typedef struct lm_range {
    uint32_t first, last;
} lm_range;

typedef struct lm_case_range {
    uint32_t first, last;
    int32_t step, by;
} lm_case_range;

/* All of first ... last have this value. */
typedef struct lm_range_value {
    uint32_t first, last, value;
} lm_range_value;

/* Sorted, without overlap. */
extern const lm_range lm_unicode_space[], lm_unicode_control[], lm_unicode_punct[], lm_unicode_nonspacing[],
    lm_unicode_mark[], lm_unicode_nfd[], lm_unicode_nfkd[], lm_unicode_word[], lm_unicode_number[],
    lm_unicode_extend[], lm_unicode_prepend[], lm_unicode_break[];
extern const unsigned lm_unicode_space_count, lm_unicode_control_count, lm_unicode_punct_count,
    lm_unicode_nonspacing_count, lm_unicode_mark_count, lm_unicode_nfd_count, lm_unicode_nfkd_count,
    lm_unicode_word_count, lm_unicode_number_count, lm_unicode_extend_count, lm_unicode_prepend_count,
    lm_unicode_break_count;
extern const lm_case_range lm_unicode_lower[];
extern const unsigned lm_unicode_lower_count;
extern const lm_range_value lm_unicode_late[];
extern const unsigned lm_unicode_late_count;
extern const lm_range_value lm_unicode_scripts[];
extern const unsigned lm_unicode_scripts_count;
extern const lm_range_value lm_unicode_kinds[];
extern const unsigned lm_unicode_kinds_count;

#endif
