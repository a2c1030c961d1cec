/* The rows of a tokens stream, kept for reading in any order, as often as wanted: what arrives once through a pipe serves
 * many epochs and shuffling.
 *
 * Up to a budget they stay in memory; past it they go to an unlinked file in $TMPDIR or /var/tmp, or, with a name, to
 * that file from the start. The file is an LMS stream itself: a resume opens it again and verifies its digest. Files are
 * mapped, so they count as cache and not as anonymous memory. Costs 4 bytes a row beside the columns. */
#ifndef LM_STREAM_SPOOL_H
#define LM_STREAM_SPOOL_H

#include "stream/rows.h"
#include "stream/tokens.h"

typedef struct lm_spool lm_spool;

typedef struct lm_spool_options {
    size_t memory;             /* bytes kept in memory before a file is used; 0 = 256 MiB */
    const char *file;          /* a named file, written from the start; NULL = none */
    const char *const *keep;   /* columns and per-row members but `fields` to keep (rows.h); NULL = all of them */
    bool uniform;              /* refuse a record whose kept columns differ from the first's, naming the column */
} lm_spool_options;

/* The columns that training reads, for `keep`: ids types label labels multi_label mlm_labels loss_mask tags weight doc
 * target_ids answer seq_lengths; with those, word_ids; and with those, a teacher's logits; and with these what names the
 * source record, row and id. */
extern const char *const lm_training_columns[];
extern const char *const lm_training_word_columns[];
extern const char *const lm_distillation_columns[];
extern const char *const lm_paired_columns[];
/* And those of answers that were compared or judged, with a reference's log-probabilities. */
extern const char *const lm_preference_columns[];

lm_spool *lm_spool_new(const lm_spool_options *options, lm_status *st);
void lm_spool_free(lm_spool *s); /* a named file stays */
bool lm_spool_add(lm_spool *s, const lm_record *record, lm_status *st);
/* All rows of a stream, to its good end. */
bool lm_spool_add_all(lm_spool *s, lm_lms_reader *reader, lm_status *st);
/* No more rows: reading may begin. `preamble` (borrowed, or NULL) is kept in a named file for the resume. */
bool lm_spool_finish(lm_spool *s, json_t *preamble, lm_status *st);
/* Opens a named file again, checks all of it, and, where `digest` is not NULL, that it has this digest. */
lm_spool *lm_spool_reopen(const char *file, const uint64_t *digest, lm_status *st);

json_t *lm_spool_preamble(const lm_spool *s);      /* as given to finish, or of the file; NULL = none */
uint64_t lm_spool_rows(const lm_spool *s);
uint64_t lm_spool_tokens(const lm_spool *s);       /* sum of the lengths */
/* Length of ids of every row; where both answers of a pair are kept, of these together. */
const uint32_t *lm_spool_lengths(const lm_spool *s);
uint64_t lm_spool_bytes(const lm_spool *s);        /* held in memory or file */
bool lm_spool_in_memory(const lm_spool *s);
/* Of all rows in their order, whatever records they came in. */
uint64_t lm_spool_digest(const lm_spool *s);

/* Row i; the pointers are into the spool and stay valid as long as it does. Threads may read at once. `fields`
 * are not given. */
void lm_spool_row(const lm_spool *s, uint64_t i, lm_tokens_row *row);
/* From now on the logits of row i are those of row places[i] of `other`, which has to live as long; NULL: of row i. `places` is malloced,
 * and the spool's from here on. */
void lm_spool_take_logits(lm_spool *s, const lm_spool *other, uint64_t *places);

#endif
