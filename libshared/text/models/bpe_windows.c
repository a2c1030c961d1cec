/* A long word, in windows. Two tokens that stand side by side in what BPE makes of some text are what it makes of the two alone,
 * because no merge reaches beyond them; and tokens of which all neighbours are of this kind are what it makes of the whole, because
 * the first merge over a border would also have happened in the two at that border. So a window may begin anywhere where a token of
 * the window before began, if its own first token is that token: then every pair of neighbours was seen in a window. Where it is
 * another token, the window before was too short, and is tried again with twice the length. Time is linear in the length of a word, and
 * what is needed beside its tokens does not grow with it. */
#include "text/models/bpe.h"

enum { WINDOW = LM_BPE_SHORT };

static bool inside_char(lm_str word, size_t i)
{
    return i < word.len && ((unsigned char)word.data[i] & 0xC0) == 0x80;
}

/* How many of a window's tokens stay, so that a quarter of it is left to be seen again; 0: it is too short. */
static size_t tokens_to_keep(lm_str word, const lm_token_list *window, size_t from, size_t len, bool chars)
{
    size_t keep = 0;
    for (size_t i = 1; i < window->n; i++) {
        size_t start = (size_t)window->at[i - 1].end;
        if (chars && inside_char(word, from + start))
            continue;
        if (keep && start > len - len / 4)
            break;
        keep = i;
    }
    return keep;
}

typedef struct place {
    size_t from, n;   /* bytes of the word, tokens of it */
    int32_t expected; /* the token that begins here; -1: this is the start */
    size_t length;    /* of the window */
} place;

void lm_bpe_in_windows(const lm_token_model *m, lm_str word, bool chars, lm_bpe_window *cut, lm_model_scratch *scratch,
                       lm_token_list *out)
{
    lm_token_list *window = &scratch->window;
    size_t shortest = WINDOW;
    const place start = {0, out->n, -1, 0};
    place now = {0, out->n, -1, shortest}, last = start;
    while (now.from < word.len) {
        size_t len = word.len - now.from < now.length ? word.len - now.from : now.length;
        while (chars && inside_char(word, now.from + len))
            len++;
        bool end = now.from + len == word.len;
        window->n = 0;
        cut(m, (lm_str){word.data + now.from, len}, scratch, window);
        if (now.expected >= 0 && window->at[0].id != now.expected) {
            if (last.length == 0) /* that window fits no longer: from the start, and never so short again */
                last.length = shortest *= 2;
            now = last;
            now.length *= 2;
            last = start;
            out->n = now.n;
            continue;
        }
        size_t keep = end ? window->n : tokens_to_keep(word, window, now.from, len, chars);
        if (keep == 0) {
            now.length *= 2;
            continue;
        }
        last = now;
        for (size_t i = 0; i < keep; i++)
            lm_token_push(out, window->at[i].id, (int32_t)(now.from + (size_t)window->at[i].end));
        now = (place){now.from + (size_t)window->at[keep - 1].end, out->n, end ? -1 : window->at[keep].id,
                      now.length / 2 > shortest ? now.length / 2 : shortest};
    }
}
