/* How fast text records are cut, parsed and written, in processor time of one thread: blocks FILE... */
#include "base/log.h"
#include "base/memory.h"
#include "stream/blocks.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void write_block(const lm_block *block, bool change, lm_buf *out)
{
    out->len = 0;
    for (size_t i = 0; i < block->count; i++) {
        const lm_source *s = &block->sources[i];
        lm_str texts[32];
        for (int k = 0; k < s->text_count; k++) {
            texts[k] = s->texts[k].text;
            texts[k].len -= change && texts[k].len;
        }
        lm_buf_append(out, s->lead.data, s->lead.len);
        lm_source_write(s, texts, (lm_str){NULL, 0}, out);
    }
}

static bool measure(const char *path, lm_status *st)
{
    double cut = 0, parse = 0, same = 0, changed = 0, bytes = 0, records = 0, t = seconds(), u;
    lm_input *in = lm_input_open(path, st);
    lm_blocks *b = in ? lm_blocks_new(in, &(lm_blocks_options){0}, st) : NULL;
    lm_block block = {0};
    lm_buf out = {0};
    while (b && lm_blocks_next(b, &block, st) > 0) {
        cut += (u = seconds()) - t;
        if (!lm_block_parse(&block, st))
            break;
        parse += (t = seconds()) - u;
        write_block(&block, false, &out);
        same += (u = seconds()) - t;
        bytes += (double)out.len;
        records += (double)block.count;
        write_block(&block, true, &out);
        changed += (t = seconds()) - u;
    }
    if (lm_ok(st))
        printf("%s: %.0f MB, %.0f bytes a record; MB/s: cut %.0f, parse %.0f, write %.0f, write changed %.0f\n", path, bytes / 1e6,
               bytes / records, bytes / cut / 1e6, bytes / parse / 1e6, bytes / same / 1e6, bytes / changed / 1e6);
    lm_buf_free(&out);
    lm_block_free(&block);
    lm_blocks_free(b);
    lm_input_close(in);
    return lm_ok(st);
}

int main(int argc, char **argv)
{
    lm_status st = LM_STATUS_INIT;
    lm_log_level(LM_ERROR);
    for (int i = 1; i < argc; i++)
        if (!measure(argv[i], &st)) {
            fprintf(stderr, "%s\n", st.message);
            return EXIT_FAILURE;
        }
    return EXIT_SUCCESS;
}
