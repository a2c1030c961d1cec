#include "text/masking.h"

#include "base/random.h"

#include <math.h>
#include <stddef.h>

const char *const lm_mask_recipe_names[] = {"huggingface", "google", "spanbert", NULL};
const char *const lm_mask_recipe_synonyms[] = {"hf", "huggingface", "transformers", "huggingface",
                                               "bert", "google", "span", "spanbert", NULL};

static const double UNIT = 0x1p-32; /* a word becomes a number in [0,1) */

/* A row that is being masked. What is chosen stands in `label` first; ids are replaced at the end, so that special tokens
 * and words can be seen in them until then. */
typedef struct masked_row {
    const lm_masking *how;
    lm_philox_key tokens, row; /* of what is drawn for each token, and for the row */
    uint64_t epoch, number;
    int n, chosen;
    int32_t *ids, *label;
    const int32_t *words;
} masked_row;

static bool is_special(const lm_masking *how, int32_t id)
{
    for (int i = 0; i < how->special_count; i++)
        if (how->special[i] == id)
            return true;
    return false;
}

bool lm_mask_any(const lm_masking *how, int n, const int32_t *ids)
{
    for (int i = 0; i < n; i++)
        if (!is_special(how, ids[i]))
            return true;
    return false;
}

/* Whether token i belongs to the word of the token before it. */
static bool goes_on(const masked_row *r, int i)
{
    const lm_masking *how = r->how;
    if (i == 0 || i >= r->n || is_special(how, r->ids[i]) || is_special(how, r->ids[i - 1]))
        return false;
    return r->words ? r->words[i] == r->words[i - 1] : how->continues && how->continues[r->ids[i]];
}

static void choose(masked_row *r, int i)
{
    r->chosen += r->label[i] == LM_IGNORE;
    r->label[i] = r->ids[i];
}

static void draw_token(const masked_row *r, int i, uint32_t word[4])
{
    const uint32_t counter[4] = {(uint32_t)i, (uint32_t)r->number, (uint32_t)(r->number >> 32), (uint32_t)r->epoch};
    lm_philox(r->tokens, counter, word);
}

/* ------------------------------------------------------------------ which */

static void choose_each(masked_row *r)
{
    for (int i = 0; i < r->n; i++) {
        uint32_t word[4];
        if (r->how->whole_words && goes_on(r, i)) {
            if (r->label[i - 1] != LM_IGNORE)
                choose(r, i);
        } else if (!is_special(r->how, r->ids[i])) {
            draw_token(r, i, word);
            if (word[0] * UNIT < r->how->probability)
                choose(r, i);
        }
    }
}

/* The places where something begins that is chosen as a whole: words, or tokens. */
static uint32_t find_places(const masked_row *r, bool words, uint32_t *place)
{
    uint32_t count = 0;
    for (int i = 0; i < r->n; i++)
        if (!is_special(r->how, r->ids[i]) && !(words && goes_on(r, i)))
            place[count++] = (uint32_t)i;
    return count;
}

static void choose_number(masked_row *r, lm_arena *room)
{
    bool words = r->how->whole_words;
    uint32_t *place = lm_arena_alloc(room, (size_t)r->n, sizeof *place);
    uint32_t *order = lm_arena_alloc(room, (size_t)r->n, sizeof *order);
    uint32_t count = find_places(r, words, place);
    double share = rint(r->n * r->how->probability);
    int wanted = share < 1 ? 1 : (int)share;
    if (r->how->most && wanted > r->how->most)
        wanted = r->how->most;
    lm_random_permutation(r->row, r->epoch, order, count);
    for (uint32_t k = 0; k < count && r->chosen < wanted; k++) {
        int first = (int)place[order[k]], last = first + 1;
        while (words && goes_on(r, last))
            last++;
        if (r->chosen + last - first > wanted)
            continue;
        for (int i = first; i < last; i++)
            choose(r, i);
    }
}

/* Words of a span: the least l whose share of the distribution, all up to it together, is more than u. */
static int span_words(double u)
{
    enum { LONGEST = 10 };
    const double stays = 0.8, all = 1 - pow(stays, LONGEST);
    double left = stays;
    int length = 1;
    for (; length < LONGEST && u * all >= 1 - left; length++)
        left *= stays;
    return length;
}

static void choose_span(masked_row *r, int first, int words, int wanted)
{
    int i = first;
    while (goes_on(r, i))
        i--;
    for (int word = 0; word < words && i < r->n && !is_special(r->how, r->ids[i]); word++) {
        do {
            if (r->chosen == wanted)
                return;
            choose(r, i++);
        } while (goes_on(r, i));
    }
}

static void choose_spans(masked_row *r, lm_arena *room)
{
    uint32_t *place = lm_arena_alloc(room, (size_t)r->n, sizeof *place);
    uint32_t count = find_places(r, false, place);
    int wanted = (int)ceil(count * r->how->probability);
    for (uint64_t draw = 0; r->chosen < wanted; draw += 2) {
        int words = span_words(lm_random_u32(r->row, r->epoch, draw) * UNIT);
        int first = (int)place[lm_random_below(r->row, r->epoch, draw + 1, count)];
        if (r->label[first] == LM_IGNORE)
            choose_span(r, first, words, wanted);
    }
}

/* ------------------------------------------------------------------ by what */

static void replace(masked_row *r)
{
    const lm_masking *how = r->how;
    double kind = 0;
    for (int i = 0; i < r->n; i++) {
        uint32_t word[4];
        if (r->label[i] == LM_IGNORE)
            continue;
        draw_token(r, i, word);
        if (how->recipe != LM_MASK_SPANS || i == 0 || r->label[i - 1] == LM_IGNORE)
            kind = word[1] * UNIT;
        if (kind < how->replaced) {
            r->ids[i] = how->mask_id;
        } else if (kind < how->replaced + how->random) {
            uint64_t draw = (uint64_t)word[2] << 32 | word[3];
            r->ids[i] = (int32_t)((unsigned __int128)draw * (uint64_t)how->vocab_size >> 64);
        }
    }
}

int lm_mask_row(const lm_masking *how, uint64_t epoch, uint64_t row, int n, int32_t *ids, const int32_t *words,
                int32_t *label, lm_arena *room)
{
    masked_row r = {.how = how,
                    .tokens = lm_random_key(how->seed, LM_FOR_MASKING, 0),
                    .row = lm_random_key(how->seed, LM_FOR_NOISE, row),
                    .epoch = how->copies ? epoch % (uint64_t)how->copies : epoch,
                    .number = row,
                    .n = n,
                    .ids = ids,
                    .label = label,
                    .words = words};
    for (int i = 0; i < n; i++)
        label[i] = LM_IGNORE;
    lm_arena_mark mark = lm_arena_mark_get(room);
    switch (how->recipe) {
    case LM_MASK_EACH:
        choose_each(&r);
        break;
    case LM_MASK_NUMBER:
        choose_number(&r, room);
        break;
    case LM_MASK_SPANS:
        choose_spans(&r, room);
        break;
    }
    lm_arena_release(room, mark);
    replace(&r);
    return r.chosen;
}
