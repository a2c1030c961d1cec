#include "text/tokenize/agreement.h"

#include "base/log.h"

#include <inttypes.h>

bool lm_tokenizer_agrees(const lm_tokenizer *t, const char *path, const lm_tokenizer_info *info, bool force,
                         lm_status *st)
{
    uint64_t digest = lm_tokenizer_digest(t);
    const char *maker = info->path ? info->path : "an unnamed tokenizer";
    if (info->has_xxh3 && digest != info->xxh3) {
        if (!force)
            return lm_fail(st, LM_FAILED,
                           "%s: its vocabulary (%016" PRIx64 ") is not the one that the tokens were made with "
                           "(%016" PRIx64 ", %s): make them with tok -m %s, or insist with --force",
                           path, digest, info->xxh3, maker, path);
        lm_warn("%s: the tokens were made with another vocabulary (%s): going on, as --force says", path, maker);
    } else if (info->has_behaviour && lm_tokenizer_behaviour(t) != info->behaviour) {
        lm_warn("%s: %s, which made the tokens, has the same vocabulary but splits text differently", path, maker);
    }
    return true;
}
