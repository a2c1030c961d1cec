/* What each token adds to a text that goes on: the bytes of byte-level and byte-fallback tokens, be they parts of characters; a
 * space and a word for WordPiece's that begin one. A text that is decoded token by token is these, one after the other; it is
 * what lm_decode says of all of them, except that of a text that begins with them some tokenizers drop the first space. */
#ifndef LM_TEXT_TOKEN_BYTES_H
#define LM_TEXT_TOKEN_BYTES_H

#include "text/tokenizer.h"

/* Zero-initialise; lm_token_bytes_free. */
typedef struct lm_token_bytes {
    lm_buf bytes;
    size_t *splits;    /* [count+1] */
    int count;         /* ids: lm_tokenizer_size */
    bool drops_space;  /* at the beginning of a text, the space of its first token is left out */
} lm_token_bytes;

/* Special tokens add nothing, nor do ids without token. Fails where the tokenizer's decoder looks at neighbours (CTC). */
bool lm_token_bytes_read(lm_token_bytes *b, const lm_tokenizer *t, lm_status *st);
void lm_token_bytes_free(lm_token_bytes *b);

static inline lm_str lm_token_bytes_get(const lm_token_bytes *b, int id)
{
    return (lm_str){b->bytes.data + b->splits[id], b->splits[id + 1] - b->splits[id]};
}

#endif
