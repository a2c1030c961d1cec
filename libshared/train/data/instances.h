/* The examples of an epoch, where they are not the rows of the input as they stand.
 *
 * Which tokens make an example is laid out from the lengths and documents (`doc`) of the rows alone, as a function of (seed,
 * epoch), and an example is put together when it is asked for: nothing is copied beforehand, and neither threads nor
 * micro-batches nor a resumed run change anything. Laying out costs some bytes an example and a pass over the rows. */
#ifndef LM_TRAIN_INSTANCES_H
#define LM_TRAIN_INSTANCES_H

#include "stream/spool.h"
#include "train/data/joined_row.h"
#include "train/data/subset.h"

typedef enum lm_instance_kind {
    LM_INSTANCES_ROWS, /* the rows as they stand */
    /* Texts one behind the other, cut every `length` tokens; what is left at the end is dropped (transformers' run_clm,
     * over all texts instead of a thousand at a time). */
    LM_INSTANCES_WRAPPED,
    /* Texts whole, several in an example of at most `length` tokens, by best-fit decreasing; a longer one is cut first
     * (TRL's bfd_split). */
    LM_INSTANCES_BEST_FIT,
    /* [CLS] A [SEP] B [SEP] of sentences, a sentence a row: train/data/sentence_pairs.h. */
    LM_INSTANCES_NEXT_SENTENCE,
    LM_INSTANCES_SENTENCE_ORDER
} lm_instance_kind;

typedef struct lm_instances_options {
    lm_instance_kind kind;
    uint32_t length;       /* most tokens of an example, special ones included; of rows ignored */
    bool across;           /* texts in one example see one another: it has no seq_lengths, whatever the stream says */
    double short_share;    /* of documents whose pairs are shorter (short_seq_prob) */
    int32_t cls_id, sep_id; /* of pairs */
    bool window;           /* these are rows of a longer input: one document makes no pairs, instead of being a failure */
    uint64_t seed;
} lm_instances_options;

/* Rows of a spool, or of a subset of it (NULL = all); both borrowed. */
typedef struct lm_spool_range {
    const lm_spool *spool;
    const lm_subset *subset;
    uint64_t first, count;
    uint64_t number; /* of the spool's first row, for messages */
} lm_spool_range;

/* Row i of a range, from 0, and its number in the spool. */
uint64_t lm_spool_range_number(const lm_spool_range *range, uint64_t i);
void lm_spool_range_get(const lm_spool_range *range, uint64_t i, lm_tokens_row *row);
/* Fails with "row N: " and what is wrong with it. */
bool lm_spool_range_fail(const lm_spool_range *range, uint64_t i, lm_status *st, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

typedef struct lm_instances lm_instances;

/* Rows that are joined are one text where they follow one another and have the same `doc`; without that column each is a
 * text. Looks at every row: fails where one cannot be joined with others, naming it. Pairs whose first row has a label are
 * rows as they stand: somebody has made the pairs already. Epoch 0 is laid out; there may be no example at all.
 *
 * `first`: rows first[k] to first[k+1]-1 of the range are those of source k, of `sources`, and only joined among themselves;
 * NULL: it is one source. Of several sources the layout is that of epoch 0 for good, since each goes through its rows at a
 * pace of its own. */
lm_instances *lm_instances_new(const lm_spool_range *rows, const uint32_t *first, size_t sources, const lm_instances_options *how,
                               lm_status *st);
void lm_instances_free(lm_instances *in);
lm_instance_kind lm_instances_kind(const lm_instances *in);
/* What follows is about this epoch. True: it is laid out anew, otherwise than the one before. */
bool lm_instances_lay_out(lm_instances *in, uint64_t epoch);
uint64_t lm_instances_count(const lm_instances *in);
const uint32_t *lm_instances_first(const lm_instances *in); /* [sources+1] the examples of each source */
const uint32_t *lm_instances_lengths(const lm_instances *in); /* [count] in tokens */
/* Example i; what it is put together of lies in `room` (unused, and may be NULL, where it is a row as it stands). Threads may
 * ask at once, each with a room of its own. */
void lm_instances_get(const lm_instances *in, uint64_t i, lm_arena *room, lm_tokens_row *row);
/* What draws for example i are keyed by: of rows their number in the spool. */
uint64_t lm_instances_number(const lm_instances *in, uint64_t i);
/* Says in the log what has come of the rows; nothing of rows as they stand. */
void lm_instances_log(const lm_instances *in);

#endif
