/* Words that several operations ask about. */
#ifndef LM_AUGMENT_WORD_OPTIONS_H
#define LM_AUGMENT_WORD_OPTIONS_H

typedef struct lm_word_options {
    const char *stop_words; /* file; NULL: each operation's own */
    const char *protect;    /* file of words that stay as they are, and where they are */
} lm_word_options;

struct lm_augment_entries;
void lm_word_entries(struct lm_augment_entries *to);

#endif
