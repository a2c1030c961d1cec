#include "train/objectives/spans.h"

#include "base/random.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------ how many */

static int at_least(int least, double x)
{
    return x > least ? (int)x : least;
}

int lm_span_count(const lm_span_noise *how, int n, int *hidden)
{
    n = n < 2 ? 2 : n; /* a single token is cut as if another one followed it */
    int noise = at_least(1, rint(n * how->density));
    noise = noise < n ? noise : n - 1;
    int spans = at_least(1, rint(noise / how->mean_length)), most = noise < n - noise ? noise : n - noise;
    *hidden = noise;
    return spans < most ? spans : most;
}

void lm_span_lengths(const lm_span_noise *how, int n, int *input, int *target)
{
    int hidden, spans = lm_span_count(how, n, &hidden);
    *input = n < 2 ? n + 1 : n - hidden + spans + 1;
    *target = n < 2 ? n + 1 : hidden + spans + 1;
}

int lm_span_tokens(const lm_span_noise *how, int input, int *target)
{
    enum { MOST = 1 << 24 }; /* where next to nothing is left, any number comes into the input */
    int n = 0, got = 0;
    do
        lm_span_lengths(how, ++n, &got, target);
    while (got <= input && n < MOST);
    lm_span_lengths(how, --n, &got, target);
    bool longer = n && how->density == 0.5 && *target > got;
    *target = n ? *target - longer : 0;
    return n - longer;
}

/* ------------------------------------------------------------------ where */

static lm_philox_key key_of(const lm_span_noise *how, uint64_t number)
{
    return lm_random_key(how->seed, LM_FOR_NOISE, number);
}

/* Cuts n items into parts of at least one: n - 1 places, of which parts - 1 are drawn (Knuth, The Art of Computer
 * Programming, volume 2, section 3.4.2, algorithm S). */
static void cut(lm_philox_key key, uint64_t epoch, uint64_t draw, int n, int parts, int *length)
{
    int part = 0, left = parts - 1;
    length[0] = 1;
    for (int places = n - 1; places > 0; places--) {
        if (left && lm_random_below(key, epoch, draw + (uint64_t)places, (uint64_t)places) < (uint64_t)left) {
            left--;
            length[++part] = 0;
        }
        length[part]++;
    }
}

/* Tokens of a row without the end that it has already. */
static int tokens_of(const lm_span_noise *how, const lm_tokens_row *row)
{
    return (int)row->len - (row->len && row->ids[row->len - 1] == how->eos_id);
}

/* What is put together: a column of ids. */
typedef struct column {
    int32_t *ids;
    int n;
} column;

static void add(column *c, const int32_t *ids, int n)
{
    if (n)
        memcpy(c->ids + c->n, ids, (size_t)n * sizeof *ids);
    c->n += n;
}

static column new_column(lm_arena *room, int most)
{
    return (column){lm_arena_alloc(room, (size_t)most, sizeof(int32_t)), 0};
}

static void finish(const lm_span_noise *how, lm_tokens_row *row, column *input, column *target)
{
    add(input, &how->eos_id, 1);
    add(target, &how->eos_id, 1);
    row->ids = input->ids;
    row->len = (size_t)input->n;
    row->target_ids = target->ids;
    row->target_len = (size_t)target->n;
    row->types = row->loss_mask = NULL;
    row->word_ids = row->offsets = row->tags = row->mlm_labels = row->seq_lengths = NULL;
    row->seq_count = 0;
}

void lm_corrupt_spans(const lm_span_noise *how, uint64_t epoch, uint64_t number, lm_tokens_row *row, lm_arena *room)
{
    const uint64_t second = UINT64_C(1) << 32; /* draws for the texts, beyond those for the spans */
    lm_philox_key key = key_of(how, number);
    int n = tokens_of(how, row), hidden, spans = lm_span_count(how, n, &hidden), all = n < 2 ? 2 : n, at = 0;
    int *span = lm_arena_alloc(room, (size_t)spans, sizeof *span);
    int *text = lm_arena_alloc(room, (size_t)spans, sizeof *text);
    cut(key, epoch, 0, hidden, spans, span);
    cut(key, epoch, second, all - hidden, spans, text);
    column input = new_column(room, n + spans + 1), target = new_column(room, n + spans + 1);
    for (int s = 0; s < spans && at < n; s++) {
        add(&input, row->ids + at, text[s]);
        at += text[s];
        add(&target, how->sentinels + s, 1);
        if (at == n) /* of a row of one token the span is not there */
            break;
        add(&input, how->sentinels + s, 1);
        add(&target, row->ids + at, span[s]);
        at += span[s];
    }
    finish(how, row, &input, &target);
}

/* Uniform from 1 to n - 1, for a row's text number `text`; 0 where there is nothing to cut. */
static int draw_prefix(const lm_span_noise *how, uint64_t epoch, uint64_t number, uint64_t text, int n)
{
    return n < 2 ? 0 : 1 + (int)lm_random_below(key_of(how, number), epoch, text, (uint64_t)n - 1);
}

void lm_split_prefix(const lm_span_noise *how, uint64_t epoch, uint64_t number, lm_tokens_row *row, lm_arena *room)
{
    int n = tokens_of(how, row), prefix = draw_prefix(how, epoch, number, 0, n);
    column input = new_column(room, prefix + 1), target = new_column(room, n - prefix + 1);
    add(&input, row->ids, prefix);
    add(&target, row->ids + prefix, n - prefix);
    finish(how, row, &input, &target);
}

void lm_mask_prefix(const lm_span_noise *how, uint64_t epoch, uint64_t number, lm_tokens_row *row, lm_arena *room)
{
    uint8_t *carries = lm_arena_alloc(room, row->len + 1, 1), *at = carries;
    size_t texts = row->seq_count ? row->seq_count : 1;
    for (size_t i = 0; i < texts; i++) {
        size_t n = row->seq_count ? (size_t)row->seq_lengths[i] : row->len;
        size_t prefix = (size_t)draw_prefix(how, epoch, number, i, (int)n);
        memset(at, 0, prefix);
        memset(at + prefix, 1, n - prefix);
        at += n;
    }
    row->loss_mask = carries;
}
