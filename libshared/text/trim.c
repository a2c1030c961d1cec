/* Spans without the spaces that a token begins or ends with, as ByteLevel and RobertaProcessing trim them. */
#include "base/utf8.h"
#include "text/byte_level.h"
#include "text/tokenizer_internal.h"
#include "text/unicode.h"

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

void lm_encoding_trim(const lm_tokenizer *t, const lm_side *side, lm_encoding *e, int from)
{
    for (int i = from; i < e->len; i++) {
        int32_t *span = e->offsets + 2 * i;
        bool added = lm_added_tokens_get(&t->added, e->ids[i]) != NULL; /* it reads as what it was found in */
        lm_str token = added ? (lm_str){side->text.data + span[0], (size_t)(span[1] - span[0])}
                             : lm_tokenizer_token(t, e->ids[i]);
        bool first = i == from || (side->split && e->word_ids[i] != e->word_ids[i - 1]);
        size_t leading, trailing;
        count_spaces(token, &leading, &trailing);
        if (leading || trailing)
            lm_post_processor_trim(&t->post_processor, side->text, first, leading, trailing, span);
    }
}
