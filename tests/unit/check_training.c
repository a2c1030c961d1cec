/* Learning vocabularies: by hand, by brute force, and as the Rust tokenizers learn them (training.json, made
 * by tests/differential/training.mjs; LMUTILS_TRAINING names another). */
#include "unit.h"

#include "base/memory.h"
#include "base/threads.h"
#include "text/train/merges.h"
#include "text/train/string_sort.h"
#include "text/train/unigram_internal.h"

#include <jansson.h>
#include <math.h>

enum { PLENTY = 1 << 30, LITTLE = 1 << 16 };

static uint64_t random_state;

static uint32_t draw(uint32_t below) /* the same in every run */
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % below;
}

/* ---------------------------------------------------------------- words */

/* Of "word count word count ...". */
static void words_of(const char *text, lm_words *out)
{
    lm_status st = LM_STATUS_INIT;
    lm_word_counter *c = lm_word_counter_new(1, PLENTY);
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, " ");
        lm_word_counts *t = lm_word_counter_table(c, 0);
        int32_t k = lm_word_counts_number(t, (lm_str){p, n});
        char *end;
        t->words[k].count += strtoull(p + n + 1, &end, 10);
        p = *end ? end + 1 : end;
    }
    ck_assert(lm_word_counter_finish(c, out, &st));
    lm_word_counter_free(c);
}

/* "word count word count ..." of words in their order. */
static char *text_of(const lm_words *w)
{
    lm_status st = LM_STATUS_INIT;
    lm_buf b = {0};
    lm_word_reader r;
    lm_words_read(w, 0, w->block_count, &r);
    while (lm_word_reader_next(&r, &st) > 0) {
        lm_buf_append(&b, r.word.data, r.word.len);
        lm_buf_printf(&b, " %llu ", (unsigned long long)r.count);
    }
    assert_ok(&st);
    lm_word_reader_close(&r);
    lm_buf_cstr(&b);
    return b.data;
}

/* Words of a, b and a Korean syllable, many of them the same. */
static void random_word(lm_buf *b)
{
    static const char *const parts[] = {"a", "b", "\xEB\xA7\x90", "abab"};
    b->len = 0;
    for (uint32_t n = draw(12) + 1; n > 0; n--)
        lm_buf_puts(b, parts[draw(4)]);
}

/* `large`: with counts beyond 32 bits. */
static void count_random(int threads, size_t memory, uint32_t n, bool large, lm_words *out, bool *on_disk)
{
    lm_status st = LM_STATUS_INIT;
    lm_word_counter *c = lm_word_counter_new(threads, memory);
    lm_buf b = {0};
    random_state = 7;
    for (uint32_t i = 0; i < n; i++) {
        int thread = (int)(i % (uint32_t)threads);
        lm_word_counts *t = lm_word_counter_table(c, thread);
        random_word(&b);
        int32_t k = lm_word_counts_number(t, lm_buf_str(&b)); /* may move the words */
        t->words[k].count += 1 + (large ? (uint64_t)i << 33 : 0);
        if (lm_word_counter_full(c, thread))
            ck_assert(lm_word_counter_spill(c, thread, &st));
    }
    lm_buf_free(&b);
    *on_disk = lm_word_counter_on_disk(c);
    ck_assert(lm_word_counter_finish(c, out, &st));
    lm_word_counter_free(c);
}

START_TEST(words_whatever_the_memory)
{
    enum { WORDS = 60000 };
    static const size_t memories[] = {PLENTY, 1 << 20, LITTLE};
    char *want = NULL;
    for (int threads = 1; threads <= 5; threads += 2)
        for (size_t i = 0; i < sizeof memories / sizeof *memories; i++) {
            lm_words w = {0};
            bool on_disk;
            count_random(threads, memories[i], WORDS, true, &w, &on_disk);
            ck_assert(on_disk ==
                      (memories[i] < PLENTY)); /* the least memory has more runs than are merged at once */
            char *got = text_of(&w);
            if (!want)
                want = lm_strdup(got);
            ck_assert(!strcmp(want, got));
            ck_assert_uint_gt(w.n, 10000);
            ck_assert_uint_eq(w.block_count, (w.n + LM_WORDS_BLOCK - 1) / LM_WORDS_BLOCK);
            free(got);
            lm_words_free(&w);
        }
    free(want);
}
END_TEST

START_TEST(words_by_hand)
{
    lm_words w = {0};
    words_of("b 2 ab 1 a 4000000000 abc 3 b 5 a 4000000000", &w);
    char *got = text_of(&w);
    ck_assert_str_eq(got, "a 8000000000 ab 1 abc 3 b 7 ");
    ck_assert_uint_eq(w.occurrences, 8000000011u);
    free(got);
    lm_words_free(&w);
}
END_TEST

static int compare_items(const lm_sort_item *x, const lm_sort_item *y)
{
    int d = memcmp(x->data, y->data, x->len < y->len ? x->len : y->len);
    return d ? d : (x->len > y->len) - (x->len < y->len);
}

START_TEST(sorting)
{
    enum { N = 50000 };
    char *bytes = lm_malloc(N + 64, 1);
    lm_sort_item *items = lm_malloc(N, sizeof *items);
    random_state = 3;
    for (int round = 0; round < 4; round++) { /* of few letters and NULs, long common prefixes */
        for (int i = 0; i < N + 64; i++)
            bytes[i] = (char)(round < 2 ? draw(3) : round == 2 ? (uint32_t)'x' : draw(256));
        for (uint32_t i = 0; i < N; i++)
            items[i] = (lm_sort_item){0, bytes + i, draw(60), i};
        lm_threads_set(round % 2 ? 4 : 1);
        lm_string_sort(items, N);
        for (int i = 1; i < N; i++)
            ck_assert(compare_items(&items[i - 1], &items[i]) <= 0);
    }
    lm_threads_set(0);
    free(items);
    free(bytes);
}
END_TEST

/* ---------------------------------------------------------------- the alphabet */

static char *letters_of(const char *text, lm_alphabet_options o)
{
    lm_status st = LM_STATUS_INIT;
    lm_words w = {0};
    lm_alphabet a = {0};
    lm_buf b = {0};
    words_of(text, &w);
    ck_assert(lm_alphabet_count(&w, &o, &a, &st));
    for (size_t i = 0; i < a.n; i++)
        lm_buf_printf(&b, "%c%s", (char)a.letters[i].code, a.letters[i].inside ? "+" : "");
    lm_alphabet_free(&a);
    lm_words_free(&w);
    lm_buf_cstr(&b);
    return b.data;
}

START_TEST(alphabets)
{
    static const uint32_t initial[] = {'z', 'd'};
    const struct {
        lm_alphabet_options options;
        const char *want;
    } cases[] = {
        {{.coverage = 1}, "ab+c+de+"},
        {{.coverage = 1, .limit = 3}, "ab+c+"},  /* of d and e, equally rare, none stays */
        {{.coverage = 1, .limit = 4}, "ab+c+d"}, /* and here the lower */
        {{.coverage = .9}, "ab+c+"},             /* 18 of 20 */
        {{.coverage = .91}, "ab+c+d"},
        {{.coverage = .5, .initial = initial, .initial_count = 2}, "adz"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) { /* a 11, b 5, c 2, d 1, e 1 */
        char *got = letters_of("abc 2 ab 3 a 6 de 1", cases[i].options);
        ck_assert_str_eq(got, cases[i].want);
        free(got);
    }
}
END_TEST

/* ---------------------------------------------------------------- merging */

/* The tokens, and behind "|" the merges, with spaces between. */
static char *merges_of(const lm_words *w, lm_merges_options o)
{
    lm_status st = LM_STATUS_INIT;
    lm_token_tables t = {0};
    lm_buf b = {0};
    if (!o.memory)
        o.memory = PLENTY;
    o.alphabet.coverage = 1;
    lm_learn_merges(w, &o, &t, &st);
    assert_ok(&st);
    for (int i = 0; i < t.vocabulary.size; i++) {
        lm_str token = lm_vocabulary_get(&t.vocabulary, i);
        lm_buf_printf(&b, "%.*s ", (int)token.len, token.data);
    }
    lm_buf_puts(&b, "|");
    for (size_t i = 0; i < t.merge_count; i++) {
        lm_str x = lm_vocabulary_get(&t.vocabulary, t.merges[i].left),
               y = lm_vocabulary_get(&t.vocabulary, t.merges[i].right);
        lm_buf_printf(&b, " %.*s,%.*s", (int)x.len, x.data, (int)y.len, y.data);
    }
    lm_token_tables_free(&t);
    lm_buf_cstr(&b);
    return b.data;
}

START_TEST(merges_by_hand)
{
    const lm_str head[] = {lm_str_of("<s>"), lm_str_of("b")};
    const struct {
        const char *words;
        lm_merges_options options;
        const char *want;
    } cases[] = {
        /* r e has 3; of a r (then a re) and i s with 2 each the one whose first letter is older */
        {"roses 1 are 2 red 1 voilets 1 blue 1 BERT 1 is 2 big 1 and 1 so 1 GPT-2 1",
         {.vocab_size = 30000, .min_frequency = 2},
         "- 2 B E G P R T a b d e g i l n o r s t u v re are is | r,e a,re i,s"},
        {"abcd 9", {.vocab_size = 100, .max_token_length = 3}, "a b c d ab cd | a,b c,d"},
        {"abcd 9", {.vocab_size = 100, .min_frequency = 10}, "a b c d |"},
        {"abcd 9", {.vocab_size = 5}, "a b c d ab | a,b"},
        {"abcd 9", {.vocab_size = 2}, "a b c d |"}, /* the alphabet is larger */
        {"aaaa 1", {.vocab_size = 100}, "a aa aaaa | a,a aa,aa"},
        {"aaaaa 1",
         {.vocab_size = 100},
         "a aa aaa aaaaa | a,a aa,a aa,aaa"}, /* aa,a before aa,aa: a is older */
        {"ab 2 ba 1", {.vocab_size = 100, .head = head, .head_count = 2}, "<s> b a ab ba | a,b b,a"},
        {"abc 3 bc 1",
         {.vocab_size = 100, .prefix = lm_str_of("##")},
         "a b c ##b ##c ab abc bc | a,##b ab,##c b,##c"},
        {"abcabc 5 bcab 2 ab 9", {.vocab_size = 6}, "a b c ab abc abcabc | a,b ab,c abc,abc"},
        {"x 3", {.vocab_size = 100}, "x |"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lm_words w = {0};
        words_of(cases[i].words, &w);
        char *got = merges_of(&w, cases[i].options);
        ck_assert_str_eq(got, cases[i].want);
        free(got);
        lm_words_free(&w);
    }
}
END_TEST

START_TEST(merges_whatever_the_memory)
{
    lm_words w = {0};
    bool on_disk;
    count_random(1, PLENTY, 30000, false, &w, &on_disk);
    char *want = merges_of(&w, (lm_merges_options){.vocab_size = 600});
    char *got =
        merges_of(&w, (lm_merges_options){.vocab_size = 600, .memory = LITTLE}); /* tables are in files */
    ck_assert_str_eq(got, want);
    free(got);
    free(want);
    lm_words_free(&w);
}
END_TEST

/* ---------------------------------------------------------------- as the reference */

static json_t *reference(lm_words *words)
{
    const char *source = getenv("abs_top_srcdir"), *other = getenv("LMUTILS_TRAINING");
    char *path = other ? lm_strdup(other) : lm_format("%s/tests/unit/training.json", source ? source : "..");
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    ck_assert_msg(root != NULL, "%s: %s", path, error.text);
    free(path);
    lm_status st = LM_STATUS_INIT;
    lm_word_counter *c = lm_word_counter_new(1, PLENTY);
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(root, "words"), i, row) {
        lm_word_counts *t = lm_word_counter_table(c, 0);
        json_t *word = json_array_get(row, 0);
        int32_t k = lm_word_counts_number(t, (lm_str){json_string_value(word), json_string_length(word)});
        t->words[k].count += (uint64_t)json_integer_value(json_array_get(row, 1));
    }
    ck_assert(lm_word_counter_finish(c, words, &st));
    lm_word_counter_free(c);
    return root;
}

START_TEST(bpe_as_the_reference)
{
    lm_words w = {0};
    json_t *root = reference(&w), *bpe = json_object_get(root, "bpe"), *item;
    lm_buf want = {0};
    size_t i;
    json_array_foreach(json_object_get(bpe, "tokens"), i, item)
        lm_buf_printf(&want, "%s ", json_string_value(item));
    lm_buf_puts(&want, "|");
    json_array_foreach(json_object_get(bpe, "merges"), i, item)
        lm_buf_printf(&want, " %s,%s", json_string_value(json_array_get(item, 0)),
                      json_string_value(json_array_get(item, 1)));
    char *got = merges_of(&w, (lm_merges_options){.vocab_size = 30000});
    ck_assert(!strcmp(got, lm_buf_cstr(&want)));
    free(got);
    lm_buf_free(&want);
    json_decref(root);
    lm_words_free(&w);
}
END_TEST

static void learn_unigram(const lm_words *w, int64_t size, size_t memory, int threads, lm_token_tables *t)
{
    lm_status st = LM_STATUS_INIT;
    lm_threads_set(threads);
    lm_unigram_options o = {
        .vocab_size = size, .max_piece_length = 16, .alphabet = {.coverage = 1}, .memory = memory};
    lm_learn_unigram(w, &o, t, &st);
    lm_threads_set(0);
    assert_ok(&st);
}

START_TEST(unigram_as_the_reference)
{
    lm_words w = {0};
    lm_token_tables t = {0};
    json_t *root = reference(&w), *unigram = json_object_get(root, "unigram"), *item;
    learn_unigram(&w, 8000, PLENTY, 2, &t);
    ck_assert_uint_eq((size_t)t.vocabulary.size, json_array_size(unigram));
    size_t i, moved = 0;
    json_array_foreach(unigram, i, item) {
        json_t *piece = json_array_get(item, 0);
        int id =
            lm_vocabulary_find(&t.vocabulary, (lm_str){json_string_value(piece), json_string_length(piece)});
        ck_assert_msg(id >= 0, "%s is missing", json_string_value(piece));
        double d = fabs(t.scores[id] - json_number_value(json_array_get(item, 1)));
        moved += d > 1e-9;
        ck_assert_double_lt(d, 0.01); /* letters that EM dropped: in any order */
    }
    ck_assert_uint_lt(moved, 40);
    lm_token_tables_free(&t);
    json_decref(root);
    lm_words_free(&w);
}
END_TEST

/* ---------------------------------------------------------------- unigram by brute force */

/* All segmentations of text[from..): adds the product of chances, and notes the pieces' shares in sums. */
static double segment(const lm_piece_list *p, lm_str text, size_t from, double chance, uint32_t *path,
                      size_t n, double *sums, double all)
{
    if (from == text.len) {
        for (size_t i = 0; i < n && sums; i++)
            sums[path[i]] += chance / all;
        return chance;
    }
    double total = 0;
    for (size_t i = 1; i < p->n; i++) {
        lm_str piece = lm_piece_list_get(p, i);
        if (piece.len <= text.len - from && memcmp(piece.data, text.data + from, piece.len) == 0) {
            path[n] = (uint32_t)i;
            total += segment(p, text, from + piece.len, chance * exp(p->at[i].score), path, n + 1, sums, all);
        }
    }
    return total;
}

static void fill_text(lm_unigram_text *t, lm_scratch *scratch, const char *words)
{
    lm_status st = LM_STATUS_INIT;
    *t = (lm_unigram_text){.scratch = scratch, .length = strlen(words)};
    ck_assert(lm_scratch_resize(scratch, &t->bytes, t->length + 1, &st));
    ck_assert(lm_scratch_resize(scratch, &t->counts, t->length * sizeof(uint64_t), &st));
    for (size_t i = 0; i < t->length; i++) {
        bool end = words[i] == ' ';
        ((char *)t->bytes.data)[i] = end ? (char)LM_UNIGRAM_END : words[i];
        if (end) {
            ((uint64_t *)t->counts.data)[t->units] = t->units + 1;
            t->units++;
        } else {
            t->characters += ((unsigned char)words[i] & 0xC0) != 0x80;
        }
    }
    for (size_t i = 1; i <= LM_UNIGRAM_LANES; i++) { /* all in the first lane */
        t->lanes[i].byte = t->length;
        t->lanes[i].unit = t->units;
    }
}

START_TEST(expectations)
{
    static const char words[] = "abracadabra b a aaaaaaaaaaaa cab ";
    static const char *const pieces[] = {"",     "a",  "b",  "r",   "c",   "d",  "ab",
                                         "abra", "ra", "aa", "aaa", "cad", "bra"};
    enum { N = sizeof pieces / sizeof *pieces };
    lm_status st = LM_STATUS_INIT;
    lm_scratch scratch;
    lm_unigram_text text;
    lm_unigram_model m = {0};
    lm_piece_list list = {0};
    lm_scratch_begin(&scratch, PLENTY);
    fill_text(&text, &scratch, words);
    for (int scale = 1; scale <= 100; scale += 99) { /* so small that products leave the range of a double */
        double want[N] = {0}, got[N];
        list.n = list.bytes.len = 0;
        for (size_t i = 0; i < N; i++)
            lm_piece_list_add(&list, lm_str_of(pieces[i]), -0.3 * (double)(i + 1) * scale);
        ck_assert(lm_unigram_model_make(&m, &list, &scratch, &st));
        ck_assert(lm_unigram_expect(&m, &text, got, &st));
        if (scale == 1) {
            uint64_t count = 1;
            for (const char *p = words; *p; p += strcspn(p, " ") + 1, count++) {
                lm_str word = {p, strcspn(p, " ")};
                uint32_t path[16];
                double all = segment(&list, word, 0, 1, path, 0, NULL, 1), sums[N] = {0};
                segment(&list, word, 0, 1, path, 0, sums, all);
                for (int i = 0; i < N; i++)
                    want[i] += (double)count * sums[i];
            }
        } else { /* all but the best segmentation have no chance */
            ck_assert(lm_unigram_count_best(&m, &text, want, &st));
        }
        for (int i = 0; i < N; i++)
            ck_assert_double_eq_tol(got[i], want[i], 1e-9);
    }
    lm_unigram_model_free(&m);
    lm_piece_list_free(&list);
    lm_scratch_free(&scratch, &text.bytes);
    lm_scratch_free(&scratch, &text.counts);
    lm_scratch_end(&scratch);
}
END_TEST

/* Occurrences of a string in the text, and whether two different characters follow it. */
static size_t occurrences(const char *text, lm_str s, bool *branches)
{
    size_t n = 0;
    char next = 0;
    *branches = false;
    for (const char *p = text; *p; p++)
        if (!strncmp(p, s.data, s.len)) {
            *branches |= n++ > 0 && p[s.len] != next;
            next = p[s.len];
        }
    return n;
}

START_TEST(seeds)
{
    static const char words[] = "abracadabra banana ban an bandana cabana abracadabra-abracadabra ";
    lm_status st = LM_STATUS_INIT;
    for (size_t memory = PLENTY; memory >= LITTLE; memory = memory == PLENTY ? LITTLE : 0) {
        lm_scratch scratch;
        lm_unigram_text text;
        lm_piece_list list = {0};
        lm_letter letter = {.code = 'a', .count = 1000};
        lm_scratch_begin(&scratch, memory);
        fill_text(&text, &scratch, words);
        ck_assert(lm_unigram_seeds(&text, &(lm_alphabet){&letter, 1}, 5, &list, &st));
        size_t found = 0;
        double sum = 0, norm = exp(list.at[1].score) / 1000;
        for (size_t i = 2; i < list.n; i++) { /* each is one, and by falling score */
            bool branches;
            lm_str s = lm_piece_list_get(&list, i);
            size_t n = occurrences(words, s, &branches);
            ck_assert(branches && s.len >= 2 && s.len <= 5 && !memchr(s.data, ' ', s.len));
            ck_assert_double_eq_tol(exp(list.at[i].score) / norm, (double)(n * s.len), 1e-6);
            ck_assert(i == 2 || list.at[i].score <= list.at[i - 1].score);
            sum += (double)n;
        }
        for (const char *p = words; *p; p++) /* and each of them is there */
            for (size_t len = 2; len <= 5 && !memchr(p, ' ', len); len++) {
                bool branches;
                const char *first = p;
                size_t n = occurrences(words, (lm_str){p, len}, &branches);
                for (const char *q = words; q < p; q++)
                    first = !strncmp(q, p, len) && first == p ? q : first;
                if (branches && first == p) {
                    found++;
                    sum -= (double)n;
                }
            }
        ck_assert_uint_eq(found, list.n - 2);
        ck_assert_double_eq(sum, 0);
        lm_piece_list_free(&list);
        lm_scratch_free(&scratch, &text.bytes);
        lm_scratch_free(&scratch, &text.counts);
        lm_scratch_end(&scratch);
    }
}
END_TEST

START_TEST(unigram_whatever_the_memory)
{
    static const struct {
        size_t memory;
        int threads;
    } cases[] = {{PLENTY, 1}, {PLENTY, 3}, {LITTLE, 2}};
    lm_words w = {0};
    lm_token_tables first = {0};
    bool on_disk;
    count_random(1, PLENTY, 3000, false, &w, &on_disk);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lm_token_tables t = {0};
        learn_unigram(&w, 100, cases[i].memory, cases[i].threads, &t);
        ck_assert_int_le(t.vocabulary.size, 100);
        ck_assert_int_ge(t.vocabulary.size, 50);
        ck_assert_int_ge(lm_vocabulary_find(&t.vocabulary, lm_str_of("abab")), 0);
        for (int id = 1; id < t.vocabulary.size; id++)
            ck_assert_double_le(t.scores[id], t.scores[id - 1]);
        if (i == 0) {
            first = t;
            continue;
        }
        for (int id = 0; id < t.vocabulary.size; id++)
            ck_assert(
                t.scores[id] == first.scores[id] &&
                lm_str_equal(lm_vocabulary_get(&t.vocabulary, id), lm_vocabulary_get(&first.vocabulary, id)));
        lm_token_tables_free(&t);
    }
    lm_token_tables_free(&first);
    lm_words_free(&w);
}
END_TEST

START_TEST(unigram_vocabulary)
{
    const lm_str head[] = {lm_str_of("<pad>"), lm_str_of("<unk>")};
    lm_unigram_options o = {.vocab_size = 5,
                            .max_piece_length = 16,
                            .alphabet = {.coverage = 1},
                            .head = head,
                            .head_count = 2,
                            .memory = PLENTY};
    lm_words w = {0};
    lm_token_tables t = {0};
    lm_status st = LM_STATUS_INIT;
    words_of("ababab 3 <pad>ab 4 cd 1", &w);
    ck_assert(!lm_learn_unigram(&w, &o, &t, &st)); /* seven letters */
    ck_assert(strstr(st.message, "--vocab-size has to be 9") != NULL);
    lm_status_clear(&st);
    o.alphabet.limit = 2; /* a and b */
    lm_learn_unigram(&w, &o, &t, &st);
    assert_ok(&st);
    ck_assert_int_eq(lm_vocabulary_find(&t.vocabulary, lm_str_of("<pad>")), 0);
    ck_assert_int_eq(t.vocabulary.size, 5);
    lm_token_tables_free(&t);
    lm_words_free(&w);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("training");
    TCase *c = tcase_create("training");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, words_by_hand);
    tcase_add_test(c, words_whatever_the_memory);
    tcase_add_test(c, sorting);
    tcase_add_test(c, alphabets);
    tcase_add_test(c, merges_by_hand);
    tcase_add_test(c, merges_whatever_the_memory);
    tcase_add_test(c, bpe_as_the_reference);
    tcase_add_test(c, unigram_as_the_reference);
    tcase_add_test(c, expectations);
    tcase_add_test(c, seeds);
    tcase_add_test(c, unigram_whatever_the_memory);
    tcase_add_test(c, unigram_vocabulary);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
