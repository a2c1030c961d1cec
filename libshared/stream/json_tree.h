/* JSON files as trees of jansson's: read with messages that name the line, and printed with the bytes that others write,
 * so that what is written back differs from what was read only where it was changed. */
#ifndef LM_STREAM_JSON_TREE_H
#define LM_STREAM_JSON_TREE_H

#include "base/buffer.h"
#include "base/status.h"

#include <jansson.h>
#include <stdbool.h>

/* What a file may hold beside what all may. */
enum {
    LM_JSON_NUL = 1,         /* strings with U+0000 */
    LM_JSON_BIG_INTEGERS = 2 /* beyond 64 bits, which become reals (transformers writes 10^30 for "no limit") */
};

/* The tree, for the caller to json_decref. Duplicate names fail. */
json_t *lm_json_parse(lm_str bytes, const char *name, unsigned allowed, lm_status *st);
json_t *lm_json_read(const char *path, unsigned allowed, lm_status *st);

typedef struct lm_json_style {
    void (*string)(lm_str s, lm_buf *out); /* quoted and escaped */
    void (*real)(double value, lm_buf *out);
    bool sorted; /* by code point; names that are all decimal integers by number, as Python holds id2label */
} lm_json_style;

/* Python's json.dumps(value, indent=2, sort_keys=True), as transformers writes its files. */
extern const lm_json_style lm_json_python;
/* The Rust library's tokenizer.json: indented by two, UTF-8 as it is, the order as it stands, the shortest numbers. */
extern const lm_json_style lm_json_rust;

/* Appends the text, without a final newline; lines but the first are indented for `depth`. */
void lm_json_print(const json_t *value, const lm_json_style *style, int depth, lm_buf *out);
void lm_json_rust_real(double value, lm_buf *out);
/* Writes a file, whole or not at all, in Python's style. */
bool lm_json_write(const char *path, const json_t *value, lm_status *st);

#endif
