/* A bag of words: Joulin et al. 2016, arXiv 1607.01759 (fastText's classifier). A text is the mean of the vectors of its
 * tokens and of its n-grams of tokens, which share a number of buckets by a hash, and a linear layer tells its class: nothing
 * is learned faster, and it is a student for any teacher. torch.nn.EmbeddingBag(mode="mean") computes the same. Not a family
 * of transformers. */
#include "lmutils/plugin.h"

#include <math.h>

typedef struct bow {
    int vocab_size, width, longest, buckets, labels;
    double dropout;
} bow;

enum { NGRAMS_MAX = 16, WIDTH_MAX = 1 << 20 };

static const void *configure(lm_config *c, lm_arch *arch)
{
    bow *m = lm_config_alloc(c, sizeof *m);
    m->vocab_size = lm_config_int(c, "vocab_size", 30522);
    m->width = lm_config_int(c, "hidden_size", 100);
    m->longest = lm_config_int(c, "word_ngrams", 2);
    m->buckets = lm_config_int(c, "buckets", m->longest > 1 ? 1 << 18 : 0);
    m->dropout = lm_config_float(c, "dropout", 0);
    m->labels = lm_config_labels(c);
    if (!m->vocab_size || !m->width || !m->labels)
        lm_config_fail(c, "vocab_size, hidden_size and the number of classes: each has to be at least 1");
    if (m->width > WIDTH_MAX)
        lm_config_fail(c, "hidden_size: %d columns: at most %d are possible", m->width, WIDTH_MAX);
    if (m->longest < 1 || m->longest > NGRAMS_MAX)
        lm_config_fail(c, "word_ngrams: n-grams of up to %d words: give 1 (words alone) to %d", m->longest, NGRAMS_MAX);
    if (m->longest > 1 && !m->buckets)
        lm_config_fail(c, "buckets: n-grams need some: give a number above 0, or word_ngrams 1");
    if (m->buckets > 0x7fffffff - m->vocab_size)
        lm_config_fail(c, "buckets: %d beside %d words are too many: give fewer", m->buckets, m->vocab_size);
    *arch = (lm_arch){.width = m->width,
                      .vocab_size = m->vocab_size,
                      .max_length = lm_config_int(c, "max_position_embeddings", 0),
                      .body = "",
                      .layer = "layer"};
    return m;
}

/* fastText begins with small random vectors and a layer of zeros; here it is the other way round, so that a word or n-gram
 * that training has not seen says nothing. */
static void declare(lm_declare *d, lm_scope s, const void *config)
{
    const bow *m = config;
    lm_declare_sparse_embedding(d, lm_in(s, "embedding"), m->vocab_size + m->buckets, m->width, (lm_init){LM_INIT_ZERO, 0});
}

static lm_tensor *embed(lm_graph *g, lm_scope s, const void *config, const lm_batch *batch)
{
    const bow *m = config;
    return lm_ngrams(g, lm_in(s, "embedding"), batch, m->longest, m->buckets);
}

/* There are no blocks. */
static lm_tensor *block(lm_graph *g, lm_scope layer, const void *config, int index, lm_tensor *x)
{
    (void)g, (void)layer, (void)config, (void)index;
    return x;
}

static void base_declare(lm_declare *d, lm_scope s, const void *config)
{
    (void)d, (void)s, (void)config;
}

static lm_tensor *mean(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    (void)s, (void)config;
    return lm_mean_token(g, x);
}

static void classify_declare(lm_declare *d, lm_scope s, const void *config)
{
    const bow *m = config;
    lm_init init = lm_uniform(1 / sqrt(m->width)); /* as torch.nn.Linear begins */
    lm_declare_param(d, lm_in(s, "classifier"), "weight", (int64_t[4]){m->labels, m->width}, init);
    lm_declare_param(d, lm_in(s, "classifier"), "bias", (int64_t[4]){m->labels}, (lm_init){LM_INIT_ZERO, 0});
}

static lm_tensor *classify(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    const bow *m = config;
    return lm_linear(g, lm_in(s, "classifier"), lm_dropout(g, mean(g, s, m, x), m->dropout));
}

static const lm_head heads[] = {
    {.name = "base", .architecture = "BowModel", .declare = base_declare, .rows = mean, .bare = true},
    {.name = "classify", .architecture = "BowForSequenceClassification", .declare = classify_declare, .rows = classify},
    {0},
};

static const char defaults[] = "{\"buckets\":262144,\"dropout\":0.0,\"hidden_size\":100,\"model_type\":\"bow\",\"vocab_size\":30522,"
                               "\"word_ngrams\":2}";

/* 100 columns and two million buckets are fastText's. */
static const lm_size sizes[] = {{"tiny", 0, 16, 0, 0, "{\"buckets\":65536}"},    {"mini", 0, 64, 0, 0, "{\"buckets\":262144}"},
                                {"small", 0, 100, 0, 0, "{\"buckets\":1048576}"}, {"medium", 0, 100, 0, 0, "{\"buckets\":2000000}"},
                                {"base", 0, 200, 0, 0, "{\"buckets\":2000000}"},  {"large", 0, 300, 0, 0, "{\"buckets\":2000000}"},
                                {0}};

LM_PLUGIN(.name = "bow", .model_types = "bow", .configure = configure, .declare = declare, .embed = embed, .block = block,
          .heads = heads, .defaults = defaults, .sizes = sizes)
