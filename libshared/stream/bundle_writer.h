/* Inside the bundle: what its writers share. */
#ifndef LM_STREAM_BUNDLE_WRITER_H
#define LM_STREAM_BUNDLE_WRITER_H

#include "base/atomic.h"
#include "stream/bundle.h"
#include "stream/lms.h"

#include <archive.h>

struct lm_bundle_writer {
    lm_bundle_form form;
    char *name;            /* for messages */
    lm_output_dir *made;   /* a directory that we publish; NULL: it is somebody else's */
    char *dir;             /* files are put here */
    lm_output_file *file;  /* of an archive or a stream */
    struct archive *archive;
    bool zip, in_member, dropped;
    char *prefix;          /* of an archive's members */
    lm_lms_writer *stream; /* NULL until something is put */
    lm_bundle_options options;
    lm_status *st;         /* where libarchive's writing fails to */
};

/* Of an archive: a file in it, whose bytes follow. */
bool lm_bundle_begin_member(lm_bundle_writer *w, const char *name, uint64_t size, bool weights, lm_status *st);
bool lm_bundle_member_bytes(void *writer, const void *bytes, size_t n, lm_status *st); /* a lm_bytes_sink */
bool lm_bundle_end_member(lm_bundle_writer *w, lm_status *st);

/* Of a stream: begun when it is first asked for. NULL: failed. */
lm_lms_writer *lm_bundle_stream_of(lm_bundle_writer *w, lm_status *st);
bool lm_bundle_put_index(lm_bundle_writer *w, const lm_safetensor *tensors, size_t count, lm_status *st);

/* Of files: which one each tensor goes to, from 0, in shard [count]; how many there are. */
size_t lm_bundle_assign_shards(const lm_safetensor *tensors, size_t count, uint64_t limit, size_t *shard);
char *lm_bundle_shard_name(size_t i, size_t shards); /* malloced */
/* model.safetensors.index.json */
bool lm_bundle_put_shard_index(lm_bundle_writer *w, const lm_safetensor *tensors, size_t count, const size_t *shard,
                               size_t shards, lm_status *st);

#endif
