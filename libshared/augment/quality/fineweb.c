/* FineWebQualityFilter of datatrove. */
#include "augment/quality/judging.h"

#include "base/utf8.h"
#include "text/unicode/python_text.h"

#include <xxhash.h>

enum { STOPS, SHORT, SHORT_LENGTH, REPEATED, LINES };

static const lm_threshold thresholds[] = {
    [STOPS] = {"line-punct-thr", NULL, {0.12, 0.062}},
    [SHORT] = {"short-line-thr", NULL, {0.67, 0}},
    [SHORT_LENGTH] = {"short-line-length", NULL, {30, 30}},
    [REPEATED] = {"char-duplicates-ratio", NULL, {0.01, 0.1}},
    [LINES] = {"new-line-ratio", NULL, {0.3, 0.196}},
    {0},
};

static bool judge_fineweb(lm_judging *j, const double *limit, lm_verdict *v)
{
    double lines = 0, stops = 0, shorts = 0, repeated = 0, ends = 0;
    lm_repeats_begin(&j->repeats, 0);
    for (lm_str rest = j->text, line; lm_take_part(&rest, 1, false, &line);) {
        ends += rest.data != NULL;
        if (lm_text_trim(line, NULL, true, false).len == 0)
            continue;
        size_t chars = lm_utf8_count(line.data, line.len);
        lines++;
        stops += lm_ends_with_stop(line);
        shorts += (double)chars <= limit[SHORT_LENGTH];
        if (lm_repeats_again(&j->repeats, XXH3_64bits(line.data, line.len)))
            repeated += (double)chars;
    }
    if (!lines)
        return lm_drops(v, STOPS, 0, "lines have text");
    if (stops / lines < limit[STOPS])
        return lm_drops(v, STOPS, stops / lines, "of the lines end in a full stop");
    if (limit[SHORT] > 0 && shorts / lines > limit[SHORT])
        return lm_drops(v, SHORT, shorts / lines, "of the lines are short");
    double share = repeated / ((double)lm_utf8_count(j->text.data, j->text.len) - ends);
    if (limit[REPEATED] > 0 && share > limit[REPEATED])
        return lm_drops(v, REPEATED, share, "of the characters");
    double words = (double)lm_judging_words(j)->count;
    if (limit[LINES] > 0 && words && ends / words > limit[LINES])
        return lm_drops(v, LINES, ends / words, "lines a word");
    return false;
}

const lm_quality_filter lm_fineweb_filter = {"fineweb", thresholds, judge_fineweb};
