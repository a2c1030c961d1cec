/* The files of a model, an adapter or a tokenizer, wherever they are: in a directory, in an archive of one (tar, zip and
 * what else libarchive reads, compressed or not), or in an LMS stream of kind model. And the way out: the same files
 * written to any of these. A GGUF file is a bundle, too, which has no files: all is in its metadata and tensors; of one
 * that is cut into several (NAME-00001-of-00003.gguf) the first is named, and the others are found.
 *
 * An archive may hold the directory under its name, or what is in it: a bundle's files are those of the outermost
 * directory that has any. Refused are archives with links, devices, absolute names or `..`, two members of one name, and
 * members larger than they say or than there is room for.
 *
 * What can stay where it is, is mapped: files of a directory, members of an uncompressed tar, tensors of an uncompressed
 * stream. So opening costs no more than looking at names, and processes share the memory. The rest goes to an unlinked
 * file in $TMPDIR or /var/tmp, weights (.safetensors, .gguf) only when somebody asks for them. A pipe is copied there
 * first, unless it is a model stream that is read forward. */
#ifndef LM_STREAM_BUNDLE_H
#define LM_STREAM_BUNDLE_H

#include "base/map.h"
#include "base/status.h"
#include "tensor/gguf.h"
#include "tensor/safetensors.h"

#include <jansson.h>

typedef struct lm_bundle lm_bundle;

/* Whether `path` is a directory, an archive, a model stream, a GGUF file, or "-": something that can be opened. A
 * tokenizer.json and what does not exist are not. Consumes nothing. */
bool lm_bundle_at(const char *path);
/* "-" is standard input, which can be read once: to open it again gives the same bundle, and nothing else can be read
 * from it any more. Other paths are looked at again only where they have changed. */
lm_bundle *lm_bundle_open(const char *path, lm_status *st);
/* For who goes through the tensors once, in their order: of a model stream that comes through a pipe, or is compressed, only what is before
 * the tensors is read, and nothing is kept. Whoever else opens it meanwhile sees that, and tensors without data. Another model, and one
 * that is open already, is opened as above. */
lm_bundle *lm_bundle_open_forward(const char *path, lm_status *st);
/* The directory that a single file stands in; *name becomes its name there, within `path`. */
lm_bundle *lm_bundle_beside(const char *path, const char **name);
lm_bundle *lm_bundle_ref(lm_bundle *b);
void lm_bundle_close(lm_bundle *b);

/* BASE+ADAPTER+...: a model and what is added to it, where the whole is no path of something that is there. To open such a path, or to
 * ask whether it is a bundle, is to do so with BASE. The parts, malloced, one at least; and the first of them. */
size_t lm_bundle_parts(const char *path, char ***parts);
void lm_bundle_parts_free(char **parts, size_t count);
char *lm_bundle_base(const char *path);
/* For those who read the weights as they are stored: false where something would have to be added to them. */
bool lm_bundle_is_one(const char *path, lm_status *st);

const char *lm_bundle_name(const lm_bundle *b);             /* as the user wrote it; "standard input" */
const char *lm_bundle_shown(const char *path);              /* the same of a path; NULL of NULL */
char *lm_bundle_file(const lm_bundle *b, const char *name); /* a file's, for messages; of a directory its path. Malloced */
bool lm_bundle_is_directory(const lm_bundle *b);
bool lm_bundle_has(const lm_bundle *b, const char *name);
/* A whole file, malloced and NUL-terminated; one of more than `limit` bytes fails. */
bool lm_bundle_read(lm_bundle *b, const char *name, size_t limit, char **out, size_t *n, lm_status *st);
json_t *lm_bundle_json(lm_bundle *b, const char *name, unsigned allowed, lm_status *st); /* stream/json_tree.h */
/* A whole file where it is; valid as long as the bundle, which unmaps it. */
bool lm_bundle_map(lm_bundle *b, const char *name, lm_map *map, lm_status *st);
/* The files, in their order; NULL past the last. A directory's are not listed. */
const char *lm_bundle_at_index(const lm_bundle *b, size_t i);

const lm_gguf *lm_bundle_gguf(const lm_bundle *b); /* NULL: it is no GGUF file */

/* A model stream has its tensors beside its files. */
bool lm_bundle_is_stream(const lm_bundle *b);
json_t *lm_bundle_via(const lm_bundle *b); /* the command lines that made it, of its preamble; NULL = none */
size_t lm_bundle_tensors(const lm_bundle *b);
const lm_safetensor *lm_bundle_tensor(const lm_bundle *b, size_t i);

/* Whether the tensors are still to come. Then lm_bundle_bring reads on to the i-th, whose data are there until the next one is
 * asked for; i = lm_bundle_tensors(b) reads to the end of the stream, which is only known to be whole then. What is announced and does not
 * come, or comes otherwise, fails. lm_bundle_gather takes what is to come to a file, and makes it a bundle like any other. */
bool lm_bundle_comes(const lm_bundle *b);
bool lm_bundle_bring(lm_bundle *b, size_t i, lm_status *st);
bool lm_bundle_gather(lm_bundle *b, lm_status *st);

/* ------------------------------------------------------------------ writing */

typedef enum lm_bundle_form { LM_BUNDLE_DIRECTORY, LM_BUNDLE_ARCHIVE, LM_BUNDLE_STREAM } lm_bundle_form;

/* What a name asks for: NAME.tar, .tar.gz, .tgz, .tar.xz, .tar.zst, .tzst and .zip an archive, "-", a pipe and NAME.lms a
 * stream, anything else and what is a directory already a directory. */
lm_bundle_form lm_bundle_form_of(const char *path);
/* What a model of that name is called: "news" of "models/news/" and of "news.tar.zst", "model" of "-". Malloced. */
char *lm_bundle_title(const char *path);

typedef struct lm_bundle_writer lm_bundle_writer;

typedef struct lm_bundle_options {
    json_t *via;         /* of the stream that the model was made from (borrowed), and */
    const char *command; /* this invocation: for the preamble of a model stream. NULL = none */
} lm_bundle_options;

/* Nothing stands under the final name before lm_bundle_publish (base/atomic.h); a stream on standard output, which is
 * refused where that is a terminal, is written as it comes. In an archive the files stand in a directory of its name. */
lm_bundle_writer *lm_bundle_create(const char *path, const lm_bundle_options *options, lm_status *st);
/* Into a directory that is there, the temporary of somebody else. */
lm_bundle_writer *lm_bundle_into(const char *dir);
bool lm_bundle_put(lm_bundle_writer *w, const char *name, const void *bytes, size_t n, lm_status *st);
/* A file of another bundle. */
bool lm_bundle_copy(lm_bundle_writer *w, lm_bundle *from, const char *name, lm_status *st);
/* The weights, last of all: model.safetensors, or, where that would be over shard_bytes (0 = no limit), shards and
 * their model.safetensors.index.json, cut in the tensors' order as huggingface_hub's split_torch_state_dict_into_shards
 * does; in a stream, records. */
bool lm_bundle_put_tensors(lm_bundle_writer *w, const lm_safetensor *tensors, size_t count, uint64_t shard_bytes,
                           lm_status *st);

/* The same tensor by tensor, by whoever makes their bytes as they are written: names, dtypes and shapes are known
 * beforehand, and data are not looked at. Of a directory the bytes go to their place in the files, an archive's are put together in an
 * unlinked file first, and a stream takes the tensors in their order alone. */
typedef struct lm_bundle_pieces lm_bundle_pieces;
lm_bundle_pieces *lm_bundle_begin_pieces(lm_bundle_writer *w, const lm_safetensor *tensors, size_t count, uint64_t shard_bytes,
                                         lm_status *st);
/* The next n bytes of tensor i. */
bool lm_bundle_put_piece(lm_bundle_pieces *p, size_t i, const void *bytes, size_t n, lm_status *st);
/* After the last byte of all; frees p in any case. A failed status: only frees. */
bool lm_bundle_end_pieces(lm_bundle_pieces *p, lm_status *st);

/* Both free w in any case. discard: `why` ends a stream that has been begun. */
bool lm_bundle_publish(lm_bundle_writer *w, lm_status *st);
void lm_bundle_discard(lm_bundle_writer *w, const lm_status *why);

#endif
