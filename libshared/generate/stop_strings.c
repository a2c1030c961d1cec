#include "generate/stop_strings.h"

#include <stdint.h>
#include <string.h>

size_t lm_find_stop(lm_str text, size_t from, const char *const *strings, int count)
{
    size_t first = SIZE_MAX;
    for (int i = 0; i < count && from < text.len; i++) {
        const char *at = memmem(text.data + from, text.len - from, strings[i], strlen(strings[i]));
        if (at && (size_t)(at - text.data) < first)
            first = (size_t)(at - text.data);
    }
    return first;
}

size_t lm_before_stop(lm_str text, const char *const *strings, int count)
{
    size_t safe = text.len;
    for (int i = 0; i < count; i++) {
        size_t longest = strlen(strings[i]) - 1;
        for (size_t n = longest < text.len ? longest : text.len; n > 0; n--) {
            if (memcmp(text.data + text.len - n, strings[i], n) != 0)
                continue;
            safe = text.len - n < safe ? text.len - n : safe;
            break;
        }
    }
    return safe;
}
