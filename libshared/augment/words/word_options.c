#include "augment/words/word_options.h"

#include "augment/options.h"

void lm_word_entries(lm_augment_entries *to)
{
    const lm_option entries[] = {
        LM_ENTRY_GROUP("Words"),
        LM_ENTRY("protect", LM_OPT_FILE, words.protect, "FILE", .aliases = "reserved_tokens",
                 .help = "words, one a line, that are not replaced, moved, deleted or misspelled"),
        LM_ENTRY("stop-words", LM_OPT_FILE, words.stop_words, "FILE", .shown = "English ones",
                 .help = "words, one a line, that mean little: they have no synonyms"),
        {0},
    };
    lm_augment_entries_add(to, entries);
}
