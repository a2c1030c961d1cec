/* Text on its way through operations: what augment does, from records to records.
 *
 * A run is a row of operations in the order of the command line. Records travel in batches, several of them at once, each on
 * a thread of its own; what an operation has to know of other records it is told in the order of the input, so that nothing
 * depends on threads or on where batches end.
 *
 * Operations that draw lots (they `vary`) make copies: with `copies` = N a record becomes itself and N copies at the first of
 * them, which changes the copies alone; what stands before it is done once, to the record, and what stands behind it to the
 * record and to each of its copies, varying operations to the copies alone. Without copies they change the record itself. */
#ifndef LM_AUGMENT_AUGMENT_H
#define LM_AUGMENT_AUGMENT_H

#include "augment/contextual/contextual.h"
#include "augment/dedup/dedup.h"
#include "augment/eda/eda.h"
#include "augment/overlap/overlap.h"
#include "augment/translate/translate.h"
#include "augment/typos/typos.h"
#include "base/arena.h"
#include "base/buffer.h"
#include "base/options.h"
#include "base/random.h"
#include "stream/records.h"

/* ------------------------------------------------------------------ records */

/* One record. Strings are never written into: an operation puts another in place of one, in the batch's arena (or one that
 * outlives the batch). */
typedef struct lm_draft {
    lm_str *texts;       /* the chosen fields, each by itself; valid UTF-8 */
    int text_count;
    lm_str label;        /* as a word; data NULL = none */
    uint64_t number;     /* of the source record, from --offset on */
    uint32_t copy;       /* 0: the record itself; from 1 on its copies */
    uint64_t position;   /* in what this operation is given, dense from 0, records that were dropped not counted; only in
                          * operations that ask for all records first or for their order */
    const char *dropped; /* by which rule, for --rejects: static, or in the arena; NULL = it is kept. Operations see kept records only
                          * at the time they begin: one that drops a record sets this and goes on */
    lm_buf *note;        /* where --provenance is asked for: operations that vary append what they did to this copy, as JSON members
                          * without braces: "op":"synonym","share":0.1 (the run adds the seed); else NULL */
    void *source;        /* the run's */
} lm_draft;

typedef struct lm_drafts {
    lm_draft **items;    /* records that are kept, in the order of the input; a copy stands behind its record */
    size_t count, cap;
    lm_arena *arena;     /* what a record becomes; given back when the batch has been written */
} lm_drafts;

/* The random numbers of an operation, for a text of a draft: the key is of (seed, the operation's place among all, text), the
 * counter's first half is lm_draw_at(draft), of (record's number, copy); the second half counts the draws. */
lm_philox_key lm_draw_key(uint64_t seed, int place, int text);
static inline uint64_t lm_draw_at(const lm_draft *d)
{
    return d->number << 16 ^ d->copy; /* LM_COPIES_MAX copies */
}
enum { LM_COPIES_MAX = 65535 };

/* ------------------------------------------------------------------ operations */

/* An option that says more about some operations, and does nothing without one of them. */
typedef struct lm_augment_detail {
    const char *option, *operations; /* names of operations between blanks */
    bool given;
} lm_augment_detail;
enum { LM_DETAILS_MAX = 64 };

/* What all operations may look at. Begin with lm_augment_defaults (options.h); strings are borrowed and live as long as the
 * run. */
typedef struct lm_augment_options {
    uint64_t seed;
    int threads;         /* 0 = lm_threads() */
    int64_t memory_limit; /* of the whole run */
    size_t memory;       /* for operations, to whom the run says what is theirs of it: bytes for all that an operation keeps of
                          * the whole input; past it, files in $TMPDIR or /var/tmp */
    int64_t copies;      /* N; 0 = records are changed in place */
    bool exclude_original; /* write the copies alone */
    bool provenance;     /* each copy has a field `aug` */
    bool framed;         /* written as a stream of kind text, whatever was read */
    bool plan;           /* say what would be done, and stop */
    lm_records_options records; /* but for format, header and offset, which are: */
    int input_format, header;   /* lm_text_format, lm_header */
    int64_t offset;
    const char *output;  /* dropped records go to records.rejects, with the rule and where they stood */
    const lm_strings *operands;
    const char *command;
    lm_augment_detail details[LM_DETAILS_MAX]; /* of the option table */
    int detail_count;
    /* each operation's own options are structs of its header, members of this one: */
    lm_near_options near;
    const char *stop_words; /* of --filter (quality/filters.h) and --synonym: a file; NULL = those that were published */
    const char *protect; /* file of words that are not replaced, moved, deleted or misspelled */
    lm_eda_options eda;
    lm_overlap_options overlap;
    lm_translate_options translate;
    lm_contextual_options contextual;
    lm_typos_options typos;
} lm_augment_options;

/* One kind of operation. NULL where it has no use for a call. `self` is shared by all threads and constant but in `collect`,
 * `settle` and `follow`; `room` belongs to the batch in hand and is reused for others. False with a failed status ends the run.
 * Calls run within an OpenMP region that has a thread for each batch: what they call in parallel runs on the one thread. */
typedef struct lm_operation_kind {
    const char *name;    /* its option */
    bool varies;
    /* `value` is what stands behind the option, "" for nothing. NULL: failed (LM_USAGE for a value that is no good). */
    void *(*open)(const char *value, const lm_augment_options *o, int place, lm_status *st);
    /* The same of an option that takes two values (lm_option.two_values); then open is NULL. */
    void *(*open_two)(const char *first, const char *second, const lm_augment_options *o, int place, lm_status *st);
    /* Behind the last batch, with threads at rest: what was kept running is ended. False ends the run, too: it has failed. */
    bool (*finish)(void *self, lm_status *st);
    void (*close)(void *self);
    size_t room_bytes;   /* of a room, which is zeroed at first; where that will not do: */
    void *(*room_new)(void *self);
    void (*room_free)(void *room); /* the room itself, too */
    /* Where an operation must know all records before it can change the first (near duplicates, frequencies, balance), the
     * records are read twice: `observe` looks at a batch, on any thread, and keeps what it found in the room; `collect` takes it
     * from there, one batch at a time, in the order of the input; `settle` is called once behind the last. */
    bool (*observe)(void *self, void *room, const lm_drafts *batch, lm_status *st);
    bool (*collect)(void *self, void *room, const lm_drafts *batch, lm_status *st);
    bool (*settle)(void *self, lm_status *st);
    /* Changes and drops, on any thread. */
    bool (*apply)(void *self, void *room, lm_drafts *batch, lm_status *st);
    /* Behind apply, one batch at a time, in the order of the input: what was seen before (exact duplicates). */
    bool (*follow)(void *self, void *room, lm_drafts *batch, lm_status *st);
    /* How many copies a record gets, where it is not `copies` of all (balance); asked for at the first operation that varies,
     * which may be this one and must not stand before it, behind settle. NULL: it has no opinion. */
    int64_t (*copies)(const void *self, const lm_draft *d);
    /* What it did, for people, as lines `name: what`: "dedup: 120 of 3,000 records are duplicates"; with threads at rest.
     * NULL: how many records it changed and dropped is said for it. */
    void (*report)(const void *self, lm_buf *out);
} lm_operation_kind;

/* All of them, in the order in which --help has them; ends with NULL. */
extern const lm_operation_kind *const lm_operation_kinds[];
const lm_operation_kind *lm_operation_find(const char *name);
void *lm_operation_room(const lm_operation_kind *kind, void *self); /* a new one, for room_free; NULL where it has none */

/* Reads, does `steps`, writes in the form that was read. */
bool lm_augment_run(const lm_augment_options *o, const lm_option_steps *steps, lm_status *st);

#endif
