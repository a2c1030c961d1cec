/* Texts through commands of the user's: any filter that answers each line with a line (base/line_filter.h).
 *
 *   translate       each text becomes what the command makes of it
 *   back-translate  what the second command makes of what the first one made of it; this varies: it makes copies where there
 *                   are some, and leaves the record alone. All copies of a record come out alike
 *
 * A command is given lines. A text of several is cut at its line breaks and put together again, with the breaks and the white space
 * at both ends of lines as they were; blank lines are not given. A line that several records have is given once in a batch. A
 * record with a line that the command cannot answer, or answers with nothing, is dropped where there are --rejects, and ends
 * the run elsewhere. */
#ifndef LM_AUGMENT_TRANSLATE_H
#define LM_AUGMENT_TRANSLATE_H

#include <stdint.h>

struct lm_augment_entries;
struct lm_operation_kind;

typedef struct lm_translate_options {
    double timeout;        /* --command-timeout, seconds */
    int input;             /* --command-input: a lm_record_end; with LM_END_NUL a text is given as a whole */
    int runs;              /* --command-runs: a lm_filter_runs */
    int64_t jobs;          /* --command-jobs: of each command; 0 = as many as threads */
} lm_translate_options;

#define LM_TRANSLATE_DEFAULTS {.timeout = 60}

extern const struct lm_operation_kind lm_translate_kind, lm_back_translate_kind;

void lm_translate_entries(struct lm_augment_entries *to);

#endif
