#include "base/log.h"
#include "model/model.h"
#include "text/tokenizer.h"

bool lm_model_check_tokenizer(const lm_model *m, const char *tokenizer, const lm_tokenizer_info *info,
                              bool force, lm_status *st)
{
    const char *dir = tokenizer ? tokenizer : m->path;
    if (!info->present || !info->has_xxh3) {
        lm_warn("the stream does not say which tokenizer made it: not checked");
        return true;
    }
    if (!dir || (!tokenizer && !lm_model_has_tokenizer(dir))) {
        lm_warn("%s: no tokenizer beside the model: that of the stream is not checked",
                dir ? dir : "new model");
        return true;
    }
    lm_tokenizer *t = lm_tokenizer_open(dir, st);
    if (!t)
        return false;
    uint64_t digest = lm_tokenizer_digest(t), behaviour = lm_tokenizer_behaviour(t);
    lm_tokenizer_free(t);
    const char *made_by = info->path ? info->path : "an unnamed tokenizer";
    if (digest != info->xxh3 && !force)
        return lm_fail(st, LM_FAILED,
                       "the tokens were made by %s (vocabulary %016llx), and the tokenizer of %s is "
                       "another (%016llx): make them with tok -m %s, or insist with --force",
                       made_by, (unsigned long long)info->xxh3, dir, (unsigned long long)digest, dir);
    if (digest != info->xxh3)
        lm_warn("the tokens were made by %s, whose vocabulary is not that of %s: going on, as --force says",
                made_by, dir);
    else if (info->has_behaviour && behaviour != info->behaviour)
        lm_warn("the tokens were made by %s, which has the vocabulary of %s but splits text differently",
                made_by, dir);
    return true;
}
