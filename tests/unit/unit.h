/* What every unit test program shares: one suite, one main. */
#ifndef LM_TESTS_UNIT_H
#define LM_TESTS_UNIT_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"

/* Fails the test with the status's own message. */
#define assert_ok(st) ck_assert_msg(lm_ok(st), "%s", (st)->message)

/* The directory of reference data (models, goldens, corpora), or NULL where there is none: a test that needs it then
 * prints that it skips. */
static inline const char *unit_testdata(void)
{
    const char *dir = getenv("LMUTILS_TESTDATA");
    return dir && *dir ? dir : NULL;
}

/* At the start of a test: `const char *data` is that directory; where there is none the test ends, and says so in a
 * line that tests/run counts. */
#define UNIT_NEEDS_DATA(data)                                                                                 \
    const char *data = unit_testdata();                                                                       \
    if (!data) {                                                                                              \
        printf("SKIP: %s: no reference data (LMUTILS_TESTDATA)\n", __func__);                                 \
        fflush(stdout);                                                                                       \
        return;                                                                                               \
    }

/* A process for each test costs more than the test, where AddressSanitizer is: they share one there, unless a suite defines UNIT_FORKS,
 * or CK_FORK says otherwise. */
#if defined __SANITIZE_ADDRESS__ && !defined UNIT_FORKS
#define UNIT_FORK_STATUS (getenv("CK_FORK") ? CK_FORK_GETENV : CK_NOFORK)
#else
#define UNIT_FORK_STATUS CK_FORK_GETENV
#endif

/* int main: runs the suite made by `suite()`; CK_FORK etc. work as in Check's manual. */
#define UNIT_MAIN(suite)                                                                                      \
    int main(void)                                                                                            \
    {                                                                                                         \
        SRunner *runner = srunner_create(suite());                                                            \
        srunner_set_fork_status(runner, UNIT_FORK_STATUS);                                                    \
        srunner_run_all(runner, CK_NORMAL);                                                                   \
        int failed = srunner_ntests_failed(runner);                                                           \
        srunner_free(runner);                                                                                 \
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;                                                          \
    }

#endif
