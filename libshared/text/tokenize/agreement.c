#include "text/tokenize/agreement.h"

#include "base/log.h"

#include <inttypes.h>
#include <string.h>

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

lm_tokenizer_info lm_tokenizer_info_of(const lm_tokenizer *t, const char *path)
{
    lm_tokenizer_info info = LM_TOKENIZER_INFO_NONE;
    info.present = info.has_xxh3 = info.has_behaviour = true;
    info.path = strcmp(path, "-") == 0 ? NULL : path; /* nobody can read that again */
    info.xxh3 = lm_tokenizer_digest(t);
    info.behaviour = lm_tokenizer_behaviour(t);
    info.vocab_size = lm_tokenizer_size(t);
    info.pad_id = lm_tokenizer_role(t, "pad");
    info.cls_id = lm_tokenizer_role(t, "cls");
    info.sep_id = lm_tokenizer_role(t, "sep");
    info.mask_id = lm_tokenizer_role(t, "mask");
    info.unk_id = lm_tokenizer_role(t, "unk");
    info.bos_id = lm_tokenizer_role(t, "bos");
    info.eos_id = lm_tokenizer_role(t, "eos");
    info.max_length = lm_tokenizer_max_length(t);
    return info;
}
