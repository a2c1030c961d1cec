/* Requests that are all there from the beginning, and the order in which they are answered. What a test keeps of the answers goes
 * behind it: lm_generate_calls have a context that begins with one. */
#ifndef LM_TESTS_ASKED_H
#define LM_TESTS_ASKED_H

#include "unit.h"

#include "generate/generate.h"

enum { ASKED_MAX = 64 };

typedef struct asked {
    lm_request requests[ASKED_MAX];
    int count, given, answered;
} asked;

/* lm_generate_calls.next */
static inline int next_asked(void *context, bool wait, const lm_request **r, lm_status *st)
{
    asked *a = context;
    (void)wait, (void)st;
    *r = a->given < a->count ? &a->requests[a->given] : NULL;
    return a->given++ < a->count;
}

/* Which request these are all the answers to: the next one, in their order. */
static inline int answered_next(asked *a, const lm_answer *answers, int count)
{
    for (int i = 0; i < count; i++) {
        ck_assert_ptr_eq(answers[i].request, &a->requests[a->answered]);
        ck_assert_int_eq(answers[i].sample, i);
    }
    return a->answered++;
}

#endif
