#include "text/unicode/unicode.h"

#include "base/memory.h"
#include "text/unicode/hangul.h"
#include "text/unicode/unicode_data.h"

#include <pthread.h>
#include <string.h>
#include <utf8proc.h>

static const lm_range cjk[] = {
    {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},   {0x20000, 0x2A6DF},
    {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F},
};

static uint16_t *table;
/* Beyond the table, where there is little: what code points from `first` up to the next one's are. */
static struct part {
    uint32_t first;
    unsigned properties;
} *parts;
static unsigned part_count, part_cap;
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void paint(const lm_range *ranges, unsigned count, uint16_t bit)
{
    for (unsigned i = 0; i < count && ranges[i].first < LM_CP_TABLE; i++)
        for (uint32_t c = ranges[i].first; c <= ranges[i].last && c < LM_CP_TABLE; c++)
            table[c] |= bit;
}

/* Of lists of ranges, in order: where a part begins that they have something to say about. */
static void add_part(uint32_t first)
{
    unsigned i = part_count;
    while (i > 0 && parts[i - 1].first > first)
        i--;
    if (first < LM_CP_TABLE || (i > 0 && parts[i - 1].first == first))
        return;
    LM_GROW(parts, part_count, part_cap);
    memmove(parts + i + 1, parts + i, (part_count++ - i) * sizeof *parts);
    parts[i] = (struct part){first, 0};
}

static void paint_parts(const lm_range *ranges, unsigned count, unsigned bit)
{
    for (unsigned i = count; i > 0 && ranges[i - 1].last >= LM_CP_TABLE; i--)
        for (unsigned k = 0; k < part_count; k++)
            if (parts[k].first >= ranges[i - 1].first && parts[k].first <= ranges[i - 1].last)
                parts[k].properties |= bit;
}

static void make_parts(void)
{
    const struct {
        const lm_range *ranges;
        unsigned count, bit;
    } lists[] = {
        {lm_unicode_control, lm_unicode_control_count, LM_CP_CONTROL},
        {lm_unicode_nonspacing, lm_unicode_nonspacing_count, LM_CP_NONSPACING},
        {lm_unicode_mark, lm_unicode_mark_count, LM_CP_MARK},
        {lm_unicode_word, lm_unicode_word_count, LM_CP_WORD},
        {lm_unicode_extend, lm_unicode_extend_count, LM_CP_EXTEND},
        {lm_unicode_break, lm_unicode_break_count, LM_CP_BREAK},
    };
    add_part(LM_CP_TABLE);
    for (size_t l = 0; l < sizeof lists / sizeof *lists; l++)
        for (unsigned i = lists[l].count; i > 0 && lists[l].ranges[i - 1].last >= LM_CP_TABLE; i--) {
            add_part(lists[l].ranges[i - 1].first);
            add_part(lists[l].ranges[i - 1].last + 1);
        }
    for (unsigned i = lm_unicode_late_count; i > 0 && lm_unicode_late[i - 1].last >= LM_CP_TABLE; i--) {
        add_part(lm_unicode_late[i - 1].first);
        add_part(lm_unicode_late[i - 1].last + 1);
    }
    for (size_t l = 0; l < sizeof lists / sizeof *lists; l++)
        paint_parts(lists[l].ranges, lists[l].count, lists[l].bit);
    for (unsigned k = 0; k < part_count; k++)
        if (lm_unicode_stand_in(parts[k].first) != parts[k].first)
            parts[k].properties |= LM_CP_LATE;
}

static void make_table(void)
{
    table = lm_calloc(LM_CP_TABLE, sizeof *table);
    paint(lm_unicode_space, lm_unicode_space_count, LM_CP_SPACE);
    paint(lm_unicode_control, lm_unicode_control_count, LM_CP_CONTROL);
    paint(lm_unicode_punct, lm_unicode_punct_count, LM_CP_PUNCT);
    paint(lm_unicode_nonspacing, lm_unicode_nonspacing_count, LM_CP_NONSPACING);
    paint(lm_unicode_mark, lm_unicode_mark_count, LM_CP_MARK);
    paint(lm_unicode_nfd, lm_unicode_nfd_count, LM_CP_NFD);
    paint(lm_unicode_nfkd, lm_unicode_nfkd_count, LM_CP_NFKD);
    paint(lm_unicode_word, lm_unicode_word_count, LM_CP_WORD);
    paint(lm_unicode_number, lm_unicode_number_count, LM_CP_NUMBER);
    paint(lm_unicode_extend, lm_unicode_extend_count, LM_CP_EXTEND);
    paint(lm_unicode_prepend, lm_unicode_prepend_count, LM_CP_PREPEND);
    paint(lm_unicode_break, lm_unicode_break_count, LM_CP_BREAK);
    for (unsigned i = 0; i < lm_unicode_late_count; i++)
        paint(&(lm_range){lm_unicode_late[i].first, lm_unicode_late[i].last}, 1, LM_CP_LATE);
    paint(cjk, sizeof cjk / sizeof *cjk, LM_CP_CJK);
    for (unsigned i = 0; i < lm_unicode_lower_count; i++)
        for (uint32_t c = lm_unicode_lower[i].first; c <= lm_unicode_lower[i].last;
             c += lm_unicode_lower[i].step)
            table[c] |= LM_CP_LOWER;
    table[0x130] |= LM_CP_LOWER;
    make_parts();
}

const uint16_t *lm_unicode_table(void)
{
    pthread_once(&table_once, make_table);
    return table;
}

unsigned lm_unicode_properties(uint32_t code)
{
    const uint16_t *first = lm_unicode_table();
    if (code < LM_CP_TABLE)
        return first[code];
    unsigned i = part_count - 1;
    while (parts[i].first > code)
        i--;
    return parts[i].properties;
}

int lm_unicode_lower_case(uint32_t code, uint32_t out[2])
{
    out[0] = code;
    if (!(lm_unicode_properties(code) & LM_CP_LOWER))
        return 1;
    if (code == 0x130) {
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    unsigned low = 0, high = lm_unicode_lower_count;
    while (low < high) { /* ranges of step 2 may be interleaved with none: first and last are sorted */
        unsigned middle = (low + high) / 2;
        if (code > lm_unicode_lower[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    out[0] = code + (uint32_t)lm_unicode_lower[low].by;
    return 1;
}

int lm_unicode_decompose(uint32_t code, bool compatibility, uint32_t out[LM_DECOMPOSITION_MAX])
{
    unsigned p = lm_unicode_properties(code);
    out[0] = code;
    if (!(p & LM_CP_NFD) && !(compatibility && p & LM_CP_NFKD))
        return 1;
    if (lm_is_syllable(code))
        return lm_syllable_letters(code, out);
    int boundary = 0;
    utf8proc_option_t how = UTF8PROC_DECOMPOSE | (compatibility ? UTF8PROC_COMPAT : 0);
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)code, (utf8proc_int32_t *)out,
                                                 LM_DECOMPOSITION_MAX, how, &boundary);
    return n > 0 && n <= LM_DECOMPOSITION_MAX ? (int)n : 1;
}

int lm_unicode_class(uint32_t code)
{
    if (!(lm_unicode_properties(code) & LM_CP_NFD))
        return 0;
    return utf8proc_get_property((utf8proc_int32_t)code)->combining_class;
}

uint32_t lm_unicode_compose(uint32_t a, uint32_t b)
{
    utf8proc_int32_t pair[3] = {(utf8proc_int32_t)a, (utf8proc_int32_t)b, 0};
    if (utf8proc_normalize_utf32(pair, 2, UTF8PROC_COMPOSE | UTF8PROC_STABLE) != 1)
        return 0;
    return lm_unicode_properties((uint32_t)pair[0]) & LM_CP_NFD ? (uint32_t)pair[0] : 0;
}

/* The value of the range that has `code`, or what stands for none. */
static uint32_t find_value(const lm_range_value *ranges, unsigned count, uint32_t code, uint32_t none)
{
    unsigned low = 0, high = count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (code > ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && code >= ranges[low].first ? ranges[low].value : none;
}

uint32_t lm_unicode_stand_in(uint32_t code)
{
    return find_value(lm_unicode_late, lm_unicode_late_count, code, code);
}

int lm_unicode_script(uint32_t code)
{
    return (int)find_value(lm_unicode_scripts, lm_unicode_scripts_count, code, 0);
}
