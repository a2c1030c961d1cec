/* Where the answer to a question stands among the tokens of a row. */
#include "text/tokenize/sinks.h"

static int first_of(const lm_encoding *e, int id)
{
    for (int i = 0; i < e->len && id >= 0; i++)
        if (e->ids[i] == id)
            return i;
    return 0;
}

/* The tokens of the text that the answer's first and last byte are in (as run_qa.py of transformers has it, but that the
 * search ends with the text). An answer that is cut is none. */
void lm_token_answer(const lm_text_record *r, const lm_encoding *e, int cls_id, int32_t span[2])
{
    int first = e->second, last = e->second + e->second_len - 1;
    int32_t from = (int32_t)r->answer_from, to = (int32_t)r->answer_to;
    span[0] = span[1] = first_of(e, cls_id);
    if (to <= from || last < first || e->offsets[2 * first] > from || e->offsets[2 * last + 1] < to)
        return;
    while (first < last && e->offsets[2 * (first + 1)] <= from)
        first++;
    while (last > first && e->offsets[2 * (last - 1) + 1] >= to)
        last--;
    span[0] = first;
    span[1] = last;
}
