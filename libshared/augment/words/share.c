#include "augment/words/share.h"

#include "base/options.h"

bool lm_share_parse(const char *value, const char *name, double usual, double *share, lm_status *st)
{
    *share = usual;
    if (!*value || (lm_parse_float(value, share) && *share >= 0 && *share <= 1))
        return true;
    return lm_fail(st, LM_USAGE, "--%s: '%s' is no share: give a number from 0 to 1, such as 0.1 or 10%%", name, value);
}

bool lm_is_share(const char *word)
{
    double share;
    return lm_parse_float(word, &share);
}
