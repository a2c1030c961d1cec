/* A stream for tests of what is read when. */
#ifndef LM_TESTS_NUMBERED_ROWS_H
#define LM_TESTS_NUMBERED_ROWS_H

/* Writes dir/name: row i has 1 + i % 7 tokens and begins with first + i; its label is i % 3. Returns its path, malloced. */
char *numbered_rows(const char *dir, const char *name, int rows, int first);

#endif
