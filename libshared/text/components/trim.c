/* Spans without the spaces that a token begins or ends with, as ByteLevel and RobertaProcessing trim them. */
#include "base/memory.h"
#include "base/utf8.h"
#include "text/components/byte_level.h"
#include "text/tokenizer_internal.h"
#include "text/unicode/unicode.h"

static bool is_space(uint32_t code)
{
    return code == LM_BYTE_LEVEL_SPACE || lm_unicode_properties(code) & LM_CP_SPACE;
}

/* How many characters at the start of s are spaces, and at its end. */
static void count_spaces(lm_str s, size_t *leading, size_t *trailing)
{
    *leading = *trailing = 0;
    bool all = true;
    for (size_t i = 0; i < s.len;) {
        uint32_t code;
        i += lm_utf8_decode(s.data + i, s.len - i, &code);
        bool space = is_space(code);
        all = all && space;
        *leading += all;
        *trailing = space ? *trailing + 1 : 0;
    }
}

/* What stands in t->spaces: the spaces at both ends of a token, or that it has to be looked at. */
enum { LOOK = 255, MOST = 14 };

void lm_trim_prepare(lm_tokenizer *t)
{
    if (!t->post_processor.trim_count)
        return;
    int size = lm_tokenizer_size(t);
    t->spaces = lm_malloc((size_t)size, 1);
    for (int id = 0; id < size; id++) {
        size_t leading, trailing;
        count_spaces(lm_tokenizer_token(t, id), &leading, &trailing);
        bool look = leading > MOST || trailing > MOST || lm_added_tokens_get(&t->added, id);
        t->spaces[id] = (uint8_t)(look ? LOOK : leading | trailing << 4);
    }
}

void lm_side_note_spaces(lm_side *side, const lm_chars *c, size_t from, size_t to)
{
    lm_added_spaces s = {.token = side->n};
    while (from + s.leading < to && is_space(c->at[from + s.leading].code))
        s.leading++;
    while (s.trailing < to - from && is_space(c->at[to - 1 - s.trailing].code))
        s.trailing++;
    LM_GROW(side->spaces, side->space_count, side->space_cap);
    side->spaces[side->space_count++] = s;
}

/* An added token reads as what it was found in, in normalised text or in the source. */
static void token_spaces(const lm_tokenizer *t, const lm_side *side, size_t token, const int32_t span[2],
                         size_t *noted, size_t *leading, size_t *trailing)
{
    while (*noted < side->space_count && side->spaces[*noted].token < token)
        ++*noted;
    if (*noted < side->space_count && side->spaces[*noted].token == token) {
        *leading = side->spaces[*noted].leading;
        *trailing = side->spaces[*noted].trailing;
        return;
    }
    bool added = lm_added_tokens_get(&t->added, side->ids[token]) != NULL;
    count_spaces(added ? (lm_str){side->text.data + span[0], (size_t)(span[1] - span[0])}
                       : lm_tokenizer_token(t, side->ids[token]),
                 leading, trailing);
}

void lm_encoding_trim(const lm_tokenizer *t, const lm_side *side, size_t first_token, lm_encoding *e,
                      int from)
{
    size_t noted = 0;
    for (int i = from; i < e->len; i++) {
        int32_t *span = e->offsets + 2 * i;
        unsigned known = t->spaces[e->ids[i]];
        size_t leading = known & 15, trailing = known >> 4;
        bool first = i == from || (side->split && e->word_ids[i] != e->word_ids[i - 1]);
        if (known == LOOK)
            token_spaces(t, side, first_token + (size_t)(i - from), span, &noted, &leading, &trailing);
        if (leading || trailing)
            lm_post_processor_trim(&t->post_processor, side->text, first, leading, trailing, span);
    }
}
