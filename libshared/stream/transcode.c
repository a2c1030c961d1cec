/* Bytes of another encoding made UTF-8 with iconv. */
#include "stream/transcode.h"
#include "base/memory.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 64 * 1024, LONGEST = 32 /* bytes that one character may become, and more */ };

struct lm_transcoder {
    iconv_t cd;
    lm_buf raw; /* not yet converted: raw.data[at..len) */
    size_t at;
    bool ended;
    char cooked[4 * CHUNK];
    size_t cooked_at, cooked_len;
};

lm_transcoder *lm_transcoder_new(const char *encoding, lm_str first, const char *where, lm_status *st)
{
    iconv_t cd = iconv_open("UTF-8", encoding);
    if (cd == (iconv_t)-1) {
        lm_fail(st, LM_USAGE, "%s: unknown encoding `%s`: `iconv -l` lists those there are", where, encoding);
        return NULL;
    }
    lm_transcoder *d = lm_calloc(1, sizeof *d);
    d->cd = cd;
    lm_buf_append(&d->raw, first.data, first.len);
    return d;
}

void lm_transcoder_free(lm_transcoder *d)
{
    if (!d)
        return;
    iconv_close(d->cd);
    lm_buf_free(&d->raw);
    free(d);
}

/* Converts what is there. A byte that means nothing becomes 0xFF, which UTF-8 does not have, so that it is treated as
 * any invalid byte is; so does what is left of a character that the end cuts. */
static void convert(lm_transcoder *d)
{
    char *out = d->cooked;
    size_t room = sizeof d->cooked;
    while (d->at < d->raw.len && room > LONGEST) {
        char *in = d->raw.data + d->at;
        size_t left = d->raw.len - d->at, before = left;
        size_t rc = iconv(d->cd, &in, &left, &out, &room);
        d->at += before - left;
        if (rc != (size_t)-1 || errno == E2BIG)
            continue;
        if (errno == EINVAL && !d->ended)
            break; /* the rest of the character is still to come */
        *out++ = '\xff';
        room--;
        d->at += errno == EINVAL ? left : 1;
        iconv(d->cd, NULL, NULL, NULL, NULL);
    }
    d->cooked_at = 0;
    d->cooked_len = sizeof d->cooked - room;
}

ssize_t lm_transcoder_read(lm_transcoder *d, void *to, size_t n, lm_raw_read *read, void *context, lm_status *st)
{
    while (d->cooked_at == d->cooked_len) {
        if (d->at == d->raw.len && d->ended)
            return 0;
        if (d->raw.len - d->at < CHUNK / 2 && !d->ended) {
            if (d->at)
                memmove(d->raw.data, d->raw.data + d->at, d->raw.len - d->at);
            d->raw.len -= d->at;
            d->at = 0;
            lm_buf_reserve(&d->raw, CHUNK);
            ssize_t got = read(context, d->raw.data + d->raw.len, CHUNK, st);
            if (got < 0)
                return -1;
            d->ended = got == 0;
            d->raw.len += (size_t)got;
        }
        convert(d);
    }
    size_t give = d->cooked_len - d->cooked_at < n ? d->cooked_len - d->cooked_at : n;
    memcpy(to, d->cooked + d->cooked_at, give);
    d->cooked_at += give;
    return (ssize_t)give;
}
