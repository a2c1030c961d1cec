#include "train/options.h"

#include "base/memory.h"
#include "model/model.h"
#include "model/quantise/types.h"
#include "train/data/instances.h"
#include "train/optimizer/optimizer_options.h"
#include "train/optimizer/period.h"
#include "train/optimizer/schedule.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

const lm_train_options lm_train_defaults = {
    .epochs = 3, .batch_size = 32, .accumulation = 1, .learning_rate = 5e-5, .decay_shape = LM_SHAPE_COSINE,
    .warmup_ratio = 0.1, .warmup_steps = -1, .weight_decay = 0.01, .beta1 = -1, .beta2 = -1, .epsilon = -1,
    .max_grad_norm = 1, .dropout = -1, .shuffle = true, .keep = 2, .logging_steps = 100, .shard_size = LM_SHARD_SIZE,
    .document_attention = true, .short_seq_prob = 0.1,
    .denoising = LM_DENOISING_DEFAULTS,
    .guard = {.on_nan = LM_GUARD_STOP, .on_spike = LM_GUARD_WARN, .on_empty = LM_GUARD_SKIP, .score = 6, .window = 100},
};

/* In the order of lm_instance_kind. */
static const char *const packings[] = {"none", "wrapped", "best-fit", NULL};
/* what TRL calls them */
static const char *const packing_synonyms[] = {"bfd", "best-fit", "bfd_split", "best-fit", "true", "best-fit", "false", "none", NULL};

static const char *const tasks[] = {"auto", "classify", "multilabel", "regress", "tag", "answer", "mlm", "clm", "sft",
                                    "seq2seq", NULL};
/* of transformers' pipelines */
static const char *const task_synonyms[] = {
    "text-classification", "classify", "sentiment-analysis", "classify", "token-classification", "tag", "ner", "tag",
    "question-answering", "answer", "fill-mask", "mlm", "text-generation", "clm", "text2text-generation", "seq2seq", NULL};

const char *lm_task_objective(int task)
{
    return task ? tasks[task] : NULL;
}

static void append(lm_option *table, size_t *n, const lm_option *entries)
{
    for (const lm_option *e = entries; e->name; e++) {
        if (*n + 1 >= LM_TRAIN_OPTION_MAX)
            abort(); /* the table is ours: raise the constant */
        table[(*n)++] = *e;
    }
}

#define GROUP(title)                {.name = title, .type = LM_OPT_GROUP}
#define FLAG(long_name, field, ...) {.name = long_name, .type = LM_OPT_FLAG, .target = &o->field, __VA_ARGS__}
#define OPTION(long_name, kind, field, shows, ...)                                                           \
    {.name = long_name, .type = kind, .target = &o->field, .value = shows, __VA_ARGS__}

static void new_model_entries(lm_new_model *o, lm_option *table, size_t *n)
{
    const lm_option entries[] = {
        GROUP("A new model"),
        OPTION("architecture", LM_OPT_STRING, architecture, "NAME", .letter = 'a', .aliases = "model_type",
               .help = "make a model of this family from random weights (bert, gpt2 ...; see --list-archs)"),
        OPTION("size", LM_OPT_STRING, size, "SIZE", .shown = "mini",
               .help = "tiny, mini, small, medium, base or large: the family's own of that name, else 2x128, 4x256, "
                       "4x512, 8x512, 12x768 and 24x1024 (layers x width); or another one that the family has"),
        OPTION("config", LM_OPT_FILE, config, "FILE", .aliases = "config_name",
               .help = "a config.json; the vocabulary's size is the tokenizer's"),
        OPTION("layers", LM_OPT_COUNT, layers, "N", .min = 0, .max = 1000, .shown = "by the size",
               .aliases = "num_hidden_layers", .help = "blocks"),
        OPTION("width", LM_OPT_COUNT, width, "N", .min = 0, .max = 65536, .shown = "by the size",
               .aliases = "hidden_size", .help = "columns of the hidden state"),
        OPTION("heads", LM_OPT_COUNT, heads, "N", .min = 0, .max = 1024, .shown = "by the width, as in the size",
               .aliases = "num_attention_heads", .help = "attention heads"),
        OPTION("inner", LM_OPT_COUNT, inner, "N", .min = 0, .max = 1 << 20, .shown = "by the width, as in the size",
               .aliases = "intermediate_size", .help = "columns of the feed-forward layer"),
        OPTION("max-length", LM_OPT_COUNT, max_length, "N", .min = 0, .max = 1 << 20,
               .aliases = "max_seq_length max_position_embeddings", .shown = "the family's, or the config's",
               .help = "the longest row that it takes, in tokens"),
        FLAG("list-archs", list,
             .help = "print a line for each family that there is (name, model types, tasks of its heads, its own sizes, "
                     "file), and stop"),
        FLAG("json", json, .help = "print that as one JSON object"),
        {0},
    };
    append(table, n, entries);
}

static void append_adapting(lm_train_options *o, lm_option *table, size_t *n)
{
    lm_option entries[LM_ADAPTING_OPTION_MAX];
    lm_adapting_entries(o->adapting, entries);
    append(table, n, entries);
}

static void task_entries(lm_train_options *o, lm_option *table, size_t *n)
{
    const lm_option entries[] = {
        GROUP("The task"),
        OPTION("task", LM_OPT_CHOICE, task, "NAME", .choices = tasks, .synonyms = task_synonyms,
               .help = "what is learned: a class, several classes or a number of each row, a class of each word, the part of a "
                       "text that answers a question, hidden tokens, the next token, the answers of conversations, another text; "
                       "auto goes by the stream's columns"),
        OPTION("labels", LM_OPT_STRING, labels, "NAME,NAME...", .shown = "all that occur, sorted",
               .help = "the classes, in this order"),
        FLAG("skip-unknown", skip_unknown,
             .help = "rows and tags of other classes than these carry no loss, instead of being an error"),
        OPTION("class-weight", LM_OPT_STRING, class_weight, "auto|FILE", .aliases = "class_weights", .shown = "all alike",
               .help = "weigh classes in the loss: by how rare they are, or as a file says (a class and its weight a line)"),
        OPTION("focal-gamma", LM_OPT_FLOAT, focal_gamma, "G", .min = 0, .max = 100,
               .help = "focal loss: rows that are learned already count for (1-p)^G; 0 is cross-entropy"),
        FLAG("keep-head", keep_head, .given = &o->has_keep_head, .shown = "where the classes are the same",
             .help = "go on with the head of -m, whose classes must be these"),
        {0},
    };
    append(table, n, entries);
}

static void training_entries(lm_train_options *o, lm_option *table, size_t *n)
{
    const lm_option entries[] = {
        GROUP("Training"),
        OPTION("epochs", LM_OPT_FLOAT, epochs, "N", .letter = 'e', .min = 0, .max = 1e6,
               .aliases = "num_train_epochs", .help = "times that every row is read"),
        OPTION("max-steps", LM_OPT_COUNT, max_steps, "N", .shown = "as many as the epochs take",
               .help = "optimiser steps, whatever --epochs says"),
        OPTION("batch-size", LM_OPT_COUNT, batch_size, "N", .letter = 'b', .min = 1, .max = 1e6,
               .aliases = "per_device_train_batch_size train_batch_size", .help = "rows of a batch"),
        OPTION("batch-tokens", LM_OPT_COUNT, batch_tokens, "N", .min = 0, .max = 1 << 28, .shown = "by --batch-size",
               .aliases = "max_tokens tokens_per_batch mini_batch_words",
               .help = "tokens of a batch, on average, in place of a number of rows"),
        OPTION("gradient-accumulation", LM_OPT_COUNT, accumulation, "N", .min = 1, .max = 1e6,
               .aliases = "gradient_accumulation_steps accum", .help = "batches of an optimiser step"),
        OPTION("learning-rate", LM_OPT_FLOAT, learning_rate, "RATE", .min = 0, .max = 1e3, .aliases = "lr",
               .given = &o->has_learning_rate, .help = "rate at the top of the schedule"),
        OPTION("schedule", LM_OPT_CHOICE, schedule, "NAME", .choices = lm_schedule_names,
               .synonyms = lm_schedule_synonyms, .aliases = "lr_scheduler_type",
               .help = "how the rate falls after the warm-up"),
        OPTION("min-lr-rate", LM_OPT_FLOAT, min_rate, "SHARE", .min = 0, .max = 1, .aliases = "min_lr_ratio",
               .help = "share of the rate at which a schedule ends"),
        OPTION("cycles", LM_OPT_FLOAT, cycles, "N", .min = 0, .max = 1e6, .aliases = "num_cycles",
               .shown = "0.5, or 1 with restarts", .help = "waves of a cosine schedule"),
        OPTION("power", LM_OPT_FLOAT, power, "P", .min = 0, .max = 100, .aliases = "lr_power", .shown = "1",
               .help = "of --schedule polynomial"),
        OPTION("decay-steps", LM_OPT_COUNT, decay_steps, "N", .aliases = "num_decay_steps", .shown = "a tenth of all",
               .help = "steps at the end in which --schedule stable-decay falls"),
        OPTION("decay-type", LM_OPT_CHOICE, decay_shape, "SHAPE", .choices = lm_schedule_shapes,
               .help = "how --schedule stable-decay falls"),
        OPTION("lr-decay-rate", LM_OPT_FLOAT, decay_rate, "X", .min = 0, .max = 1, .aliases = "gamma",
               .shown = "0.9, or 0.1 of step", .help = "what --schedule exponential and step multiply the rate by"),
        OPTION("lr-decay-every", LM_OPT_STRING, decay_every, "N", .aliases = "step_size", .shown = "1e",
               .help = "after so many steps, or epochs (1e)"),
        OPTION("warmup-ratio", LM_OPT_FLOAT, warmup_ratio, "SHARE", .min = 0, .max = 1,
               .help = "share of the steps during which the rate grows from 0"),
        OPTION("warmup-steps", LM_OPT_COUNT, warmup_steps, "N", .shown = "by --warmup-ratio",
               .help = "the same in steps"),
        OPTION("warmup-type", LM_OPT_CHOICE, warmup_shape, "SHAPE", .choices = lm_schedule_shapes,
               .help = "how the rate grows"),
        OPTION(o->adapting ? "model-dropout" : "dropout", LM_OPT_FLOAT, dropout, "P", .min = 0, .max = 0.99,
               .shown = "the model's own", .help = "dropout everywhere in the model, and in its config.json"),
        OPTION("label-smoothing", LM_OPT_FLOAT, label_smoothing, "E", .min = 0, .max = 0.999,
               .aliases = "label_smoothing_factor",
               .help = "share of the target spread over all classes, or all tokens of the vocabulary"),
        FLAG("shuffle", shuffle, .help = "read the rows of each epoch in a new random order"),
        OPTION("shuffle-window", LM_OPT_COUNT, shuffle_window, "N", .shown = "all rows",
               .help = "shuffle within so many rows only; one epoch is then trained as it arrives, without "
                       "a spool"),
        OPTION("frac", LM_OPT_FLOAT, frac, "SHARE", .min = 0, .max = 1, .shown = "all",
               .help = "train on this share of the rows, chosen by a hash of their tokens: 1% is part of 10%"),
        OPTION("max-train-samples", LM_OPT_COUNT, max_train_samples, "N", .shown = "all",
               .help = "train on so many rows, chosen by the same hash"),
        {.name = "mix", .type = LM_OPT_STRINGS, .target = &o->mix, .value = "FILE=WEIGHT...",
         .help = "take the rows of several streams of tokens in these proportions, each shuffled by itself and begun anew "
                 "when it is used up; further FILE=WEIGHT may stand behind it"},
        OPTION("replay", LM_OPT_STRING, replay, "FILE=SHARE", .shown = "",
               .help = "mix rows of another stream of tokens into each step, SHARE for each row of its own"),
        OPTION("packing", LM_OPT_CHOICE, packing, "HOW", .choices = packings, .synonyms = packing_synonyms,
               .given = &o->has_packing, .aliases = "packing_strategy", .shown = "none, or wrapped with --block-size",
               .help = "texts are joined to rows of --block-size tokens: wrapped, one behind the other and cut; best-fit, whole, "
                       "where they fit best"),
        OPTION("block-size", LM_OPT_COUNT, block_size, "N", .min = 0, .max = 1 << 24,
               .shown = "what the model takes, up to 1024, of pairs of sentences 512",
               .help = "tokens of a packed row, or of a pair of sentences with its special tokens"),
        FLAG("document-attention", document_attention, .aliases = "reset_attention_mask neat_packing",
             .help = "the texts of a packed row do not see one another, and the positions of each begin at 0"),
        OPTION("qat", LM_OPT_CHOICE, qat, "TYPE", .choices = lm_quantise_type_names, .synonyms = lm_quantise_type_synonyms,
               .aliases = "quantization_aware", .shown = "none", .hidden = o->adapting != NULL,
               .help = "compute with the weights that quant -t TYPE will make of them, so that training makes up for it; what is "
                       "written is still to be quantised"),
        OPTION("qat-from", LM_OPT_COUNT, qat_from, "N", .hidden = o->adapting != NULL, .aliases = "fake_quant_after_n_steps",
               .help = "after so many steps"),
        FLAG("group-by-length", by_length, .help = "put rows of like length into one batch"),
        OPTION("micro-tokens", LM_OPT_COUNT, micro_tokens, "N", .shown = "2048, or what --memory allows",
               .help = "tokens of one forward pass; a step is cut into as many as it takes, with the same "
                       "result"),
        {0},
    };
    append(table, n, entries);
}

static void optimizer_entries(lm_train_options *o, lm_option *table, size_t *n)
{
    const lm_option entries[] = {
        GROUP("The optimiser"),
        OPTION("optimizer", LM_OPT_CHOICE, optimizer, "NAME", .choices = lm_optimizer_names,
               .synonyms = lm_optimizer_synonyms, .aliases = "optim", .help = "how gradients move the weights"),
        OPTION("state-dtype", LM_OPT_CHOICE, state_type, "TYPE", .choices = lm_state_type_names,
               .synonyms = lm_state_type_synonyms,
               .help = "how the optimiser keeps its means: auto is 8bit where its name says so, and f32 elsewhere"),
        OPTION("weight-decay", LM_OPT_FLOAT, weight_decay, "X", .min = 0, .max = 1e3,
               .help = "decay of the weights, but of no biases and norms: apart from the gradient, or, by adam and sgd, added "
                       "to it"),
        OPTION("l2", LM_OPT_FLOAT, l2, "X", .min = 0, .max = 1e3,
               .help = "X times each of these weights is added to its gradient, whatever the optimiser"),
        OPTION("l1", LM_OPT_FLOAT, l1, "X", .min = 0, .max = 1e3,
               .help = "each of these weights goes X times the rate nearer to 0, and stays there when it has come to it"),
        OPTION("max-grad-norm", LM_OPT_FLOAT, max_grad_norm, "X", .min = 0, .max = 1e9,
               .help = "gradients are scaled down to this global norm; 0 leaves them"),
        OPTION("max-grad-value", LM_OPT_FLOAT, max_grad_value, "X", .min = 0, .max = 1e9, .shown = "no limit",
               .help = "then no number of a gradient is further from 0 than this"),
        OPTION("adam-beta1", LM_OPT_FLOAT, beta1, "X", .min = 0, .max = 0.999999, .shown = "0.9",
               .help = "decay of the mean of gradients"),
        OPTION("adam-beta2", LM_OPT_FLOAT, beta2, "X", .min = 0, .max = 0.99999999, .shown = "0.999, or 0.99 of lion",
               .help = "decay of the mean of their squares"),
        OPTION("adam-epsilon", LM_OPT_FLOAT, epsilon, "X", .min = 0, .max = 1, .shown = "1e-8",
               .help = "added to the denominator"),
        FLAG("adam-no-bias-correction", no_bias_correction,
             .help = "as Google's BERT trains: no correction of the means at the start"),
        OPTION("momentum", LM_OPT_FLOAT, momentum, "X", .min = 0, .max = 0.999999,
               .help = "of sgd; of adafactor the decay of a mean of its updates"),
        FLAG("nesterov", nesterov, .help = "Nesterov's momentum, of sgd"),
        FLAG("adafactor-scale-parameter", scale_parameter, .aliases = "scale_parameter",
             .help = "each tensor moves in proportion to the root of the mean of its squares"),
        OPTION("adafactor-clip-threshold", LM_OPT_FLOAT, clip_threshold, "X", .min = 0, .max = 1e9, .shown = "1",
               .aliases = "clip_threshold", .help = "the same of its update is at most this"),
        OPTION("adafactor-decay-rate", LM_OPT_FLOAT, factor_decay, "X", .min = -1, .max = 1, .shown = "0.8",
               .help = "the means of squares decay by 1-t^-X in step t"),
        OPTION("ema", LM_OPT_FLOAT, ema, "DECAY", .min = 0, .max = 0.999999999, .shown = "none",
               .aliases = "exponential_smoothing ema_decay",
               .help = "evaluate and write a moving average of the weights"),
        {0},
    };
    append(table, n, entries);
}

static void denoising_entries(lm_denoising_options *o, lm_option *table, size_t *n)
{
    const lm_option entries[] = {
        GROUP("What is hidden"),
        OPTION("mlm-probability", LM_OPT_FLOAT, probability, "P", .min = 0, .max = 1,
               .aliases = "masked_lm_prob noise_density", .help = "share of the tokens that is hidden, to be predicted"),
        OPTION("masking", LM_OPT_CHOICE, recipe, "RECIPE", .choices = lm_mask_recipe_names,
               .synonyms = lm_mask_recipe_synonyms,
               .help = "which tokens are masked: huggingface, each by its own draw; google, a fixed number of each row; "
                       "spanbert, spans of whole words"),
        FLAG("whole-word-mask", whole_words, .aliases = "do_whole_word_mask wwm",
             .help = "mask all tokens of a word, or none"),
        OPTION("mask-replace-prob", LM_OPT_FLOAT, replaced, "P", .min = 0, .max = 1, .given = &o->has_replaced,
               .shown = "0.8; 1 with huggingface's whole words", .help = "share of them that the mask token replaces"),
        OPTION("random-replace-prob", LM_OPT_FLOAT, random, "P", .min = 0, .max = 1, .given = &o->has_random,
               .shown = "0.1; 0 with huggingface's whole words",
               .help = "share that any token of the vocabulary replaces; the others stay"),
        OPTION("max-predictions", LM_OPT_COUNT, most, "N", .max = 1 << 30, .given = &o->has_most,
               .aliases = "max_predictions_per_seq", .help = "masked tokens of a row, of --masking google; 0 is no limit"),
        OPTION("dupe-factor", LM_OPT_COUNT, copies, "N", .max = 1 << 30, .shown = "new masks in each epoch",
               .help = "mask each row in N ways, one an epoch, and then in the same again"),
        {0},
    };
    append(table, n, entries);
}

static void freezing_entries(lm_freeze_options *o, lm_option *table, size_t *n)
{
    const lm_option entries[] = {
        GROUP("Freezing and rates"),
        OPTION("freeze", LM_OPT_STRINGS, freeze, "LIST",
               .help = "leave these as they are: embeddings, layer.0-5, body, head, or names of modules and "
                       "parameters (* ? [a-b]), with commas between; may be repeated"),
        OPTION("freeze-except", LM_OPT_STRINGS, except, "LIST",
               .help = "leave everything but these as it is, or of what --freeze names all but these"),
        OPTION("unfreeze-every", LM_OPT_STRING, unfreeze_every, "N", .shown = "",
               .help = "train the head alone at first, and one block more from the top every N steps, or "
                       "epochs (1e)"),
        FLAG("cache-frozen", cache,
             .help = "run the blocks that stay frozen once, without dropout, and keep their outputs"),
        OPTION("layer-lr-decay", LM_OPT_FLOAT, layer_decay, "X", .min = 1e-6, .max = 1,
               .aliases = "layerwise_lr_decay llrd",
               .help = "each block learns at the rate of the one above it times X, the top one at that of "
                       "the head times X"),
        OPTION("lr-mult", LM_OPT_STRINGS, multipliers, "REGEX=X",
               .help = "parameters whose name matches learn X times as fast; may be repeated"),
        FLAG("list-parameters", list,
             .help = "print name, shape and rate of every parameter and whether it is trained, and stop"),
        {0},
    };
    append(table, n, entries);
}

static void file_entries(lm_train_options *o, lm_option *table, size_t *n)
{
    const lm_option entries[] = {
        GROUP(o->adapting ? "The adapter's files" : "The model's files"),
        OPTION("dtype", LM_OPT_CHOICE, dtype, "TYPE", .choices = lm_save_dtype_names,
               .synonyms = lm_save_dtype_synonyms, .aliases = "torch_dtype",
               .help = "of the weights that are written; auto is f32, for that is what training computes with"),
        {0},
    };
    const lm_option shards[] = {
        OPTION("max-shard-size", LM_OPT_STRING, shard_size, "SIZE",
               .help = "weights that take more are written as several files, with an index"),
        {0},
    };
    append(table, n, entries);
    if (!o->adapting)
        append(table, n, shards);
}

static void other_entries(lm_train_options *o, lm_option *table, size_t *n)
{
    const lm_option entries[] = {
        GROUP("Tokenizer"),
        OPTION("tokenizer", LM_OPT_DIR, tokenizer, "DIR", .aliases = "tokenizer_name",
               .shown = "the model's, else the one that the stream names",
               .help = "where the tokenizer files of the new model come from"),
        FLAG("force", force, .help = "train although the tokens were made with another tokenizer"),
        GROUP("Evaluation"),
        OPTION("eval", LM_OPT_FILE, eval, "FILE", .aliases = "validation_file",
               .help = "a stream of tokens to evaluate on"),
        OPTION("eval-steps", LM_OPT_COUNT, eval_steps, "N", .shown = "after each epoch",
               .help = "evaluate every so many steps, and at the end"),
        FLAG("keep-best", keep_best, .aliases = "load_best_model_at_end",
             .help = "write the weights of the best evaluation instead of the last ones"),
        OPTION("best-metric", LM_OPT_STRING, best_metric, "NAME", .shown = "loss",
               .aliases = "metric_for_best_model",
               .help = "which value of the evaluation tells the best: loss, accuracy, f1_macro ..."),
        OPTION("patience", LM_OPT_COUNT, patience, "N", .shown = "none", .aliases = "early_stopping_patience",
               .help = "stop after so many evaluations without a better one; with --keep-best"),
        GROUP("Checkpoints"),
        OPTION("checkpoint", LM_OPT_DIR, checkpoint, "DIR",
               .help = "keep checkpoints, and the spooled input, in this directory"),
        OPTION("save-steps", LM_OPT_COUNT, save_steps, "N", .shown = "after each epoch",
               .help = "steps between checkpoints"),
        OPTION("keep", LM_OPT_COUNT, keep, "N", .aliases = "save_total_limit",
               .help = "checkpoints that are kept; 0 keeps all"),
        FLAG("resume", resume, .unrecorded = true, .help = "go on from the newest whole checkpoint, if there is one"),
        OPTION("max-time", LM_OPT_DURATION, max_time, "TIME",
               .help = "stop after so long with a checkpoint and status 5; --resume goes on"),
        GROUP("Guards"),
        FLAG("check", check, .help = "look at every weight of -m before anything else: NaN or infinite ones are an error"),
        OPTION("on-nan", LM_OPT_CHOICE, guard.on_nan, "ACTION", .choices = lm_guard_nan_actions,
               .help = "where the loss or the gradients are not finite, stop the run or skip the step"),
        OPTION("on-spike", LM_OPT_CHOICE, guard.on_spike, "ACTION", .choices = lm_guard_spike_actions,
               .help = "where the loss jumps, stop the run, skip the step, or say so"),
        OPTION("spike-score", LM_OPT_FLOAT, guard.score, "Z", .min = 0, .max = 1e6,
               .help = "a loss so many standard deviations above the mean of those before it is a jump; 0: none is"),
        OPTION("spike-window", LM_OPT_COUNT, guard.window, "N", .min = LM_SPIKE_LEAST, .max = 100000,
               .help = "how many steps before it that is"),
        OPTION("on-empty", LM_OPT_CHOICE, guard.on_empty, "ACTION", .choices = lm_guard_nan_actions,
               .help = "where nothing in a step's rows carries a loss, stop the run or skip the step"),
        FLAG("stop-at-zero-gradient", guard.stop_at_zero,
             .help = "stop where no gradient reaches a tensor that is to be trained, instead of saying so"),
        GROUP("Resources and reports"),
        OPTION("memory", LM_OPT_SIZE, memory, "SIZE", .shown = "no limit",
               .help = "stay within this much memory, or refuse before work starts"),
        FLAG("recompute", recompute, .aliases = "gradient_checkpointing",
             .help = "keep the inputs of blocks alone, and run each again when the backward pass comes to it: the same "
                     "result in less memory, for about a third more time"),
        OPTION("communicator", LM_OPT_STRING, communicator, "NAME", .shown = "mpi where mpirun or srun starts several processes",
               .help = "what joins the processes that a launcher has started to one run; none: each is a run by itself"),
        {.name = "sweep", .type = LM_OPT_STRINGS, .target = &o->sweep, .value = "NAME=A,B...",
         .help = "run once for each value of an option, and of further NAME=A,B... behind it, for each combination: "
                 "-o is a directory of models then, and a table says what came of them"},
        FLAG("plan", plan, .help = "say what the run would take (parameters, memory, FLOPs, time), and stop"),
        OPTION("tensorboard", LM_OPT_DIR, tensorboard, "DIR", .aliases = "logging_dir",
               .help = "write what is logged to an event file in this directory, too"),
        OPTION("logging-steps", LM_OPT_COUNT, logging_steps, "N", .min = 1, .max = 1e9,
               .help = "steps between two lines of the log; at first after 1, 2, 4, 8 ..."),
        {0},
    };
    append(table, n, entries);
}

lm_option lm_train_output_option(const char **output)
{
    return (lm_option){.name = "output", .letter = 'o', .type = LM_OPT_FILE, .target = output, .value = "MODEL",
                       .aliases = "output_dir",
                       .help = "the trained model: a directory, an archive of one (NAME.tar, .tar.gz, .tar.zst or .zip), or a "
                               "model stream (NAME.lms, or - for standard output)"};
}

void lm_train_option_table(lm_train_options *o, const lm_option *own, lm_option *table)
{
    size_t n = 0;
    memset(table, 0, LM_TRAIN_OPTION_MAX * sizeof *table);
    append(table, &n, own);
    if (o->adapting)
        append_adapting(o, table, &n);
    if (o->has_tasks)
        task_entries(o, table, &n);
    if (o->new_model)
        new_model_entries(o->new_model, table, &n);
    training_entries(o, table, &n);
    optimizer_entries(o, table, &n);
    denoising_entries(&o->denoising, table, &n);
    if (o->freeze)
        freezing_entries(o->freeze, table, &n);
    file_entries(o, table, &n);
    other_entries(o, table, &n);
}

int64_t lm_train_batch_rows(const lm_train_options *o)
{
    return o->batch_tokens > 0 ? INT_MAX : o->batch_size;
}

bool lm_train_options_join(const lm_train_options *o)
{
    return o->block_size || (o->has_packing && o->packing != LM_INSTANCES_ROWS);
}

const char *lm_train_metric(const lm_train_options *o)
{
    const char *name = o->best_metric;
    return !name ? "loss" : strncmp(name, "eval_", 5) == 0 ? name + 5 : name;
}

bool lm_train_options_make_new(const lm_train_options *o)
{
    return o->new_model && (o->new_model->architecture || o->new_model->config);
}

/* What shapes a new model says nothing of one that exists. */
static bool check_new_model(const lm_train_options *o, lm_status *st)
{
    const lm_new_model *n = o->new_model;
    if (n && n->json && !n->list)
        return lm_fail(st, LM_USAGE, "--json is the form of --list-archs: give both");
    if (!n || lm_train_options_make_new(o))
        return true;
    if (n->size)
        return lm_fail(st, LM_USAGE, "--size %s is that of a new model: give -a NAME", n->size);
    if (n->layers || n->width || n->heads || n->inner)
        return lm_fail(st, LM_USAGE, "--layers, --width, --heads and --inner shape a new model: give -a NAME");
    if (n->max_length)
        return lm_fail(st, LM_USAGE, "--max-length: how long rows can be is the model's, unless it is a new one (-a), and "
                       "how long they are is up to tok: give it there");
    return true;
}

/* What a schedule has no use for would be ignored in silence. */
static bool check_schedule(const lm_train_options *o, lm_status *st)
{
    lm_schedule_kind kind = (lm_schedule_kind)o->schedule;
    bool stable = kind == LM_SCHEDULE_STABLE_DECAY, rated = lm_schedule_has_rate(kind), own = lm_schedule_is_absolute(kind);
    bool waves = kind == LM_SCHEDULE_COSINE || kind == LM_SCHEDULE_COSINE_RESTARTS ||
                 (stable && o->decay_shape == LM_SHAPE_COSINE);
    const char *idle = o->min_rate > 0 && !lm_schedule_has_end(kind)         ? "min-lr-rate"
                       : o->cycles > 0 && !waves                             ? "cycles"
                       : o->power > 0 && kind != LM_SCHEDULE_POLYNOMIAL      ? "power"
                       : o->decay_steps > 0 && !stable                       ? "decay-steps"
                       : o->decay_shape != LM_SHAPE_COSINE && !stable        ? "decay-type"
                       : o->decay_rate > 0 && !rated                         ? "lr-decay-rate"
                       : o->decay_every && !rated                            ? "lr-decay-every"
                       : o->has_learning_rate && own                         ? "learning-rate"
                       : o->warmup_steps > 0 && own                          ? "warmup-steps"
                                                                             : NULL;
    lm_period every;
    if (o->decay_every && !lm_period_parse(o->decay_every, &every))
        return lm_fail(st, LM_USAGE, "--lr-decay-every %s: give a number of steps, or of epochs with an e: 500, 1e",
                       o->decay_every);
    return !idle || lm_fail(st, LM_USAGE, "--%s: --schedule %s has none: leave it out, or choose another schedule", idle,
                            lm_schedule_names[kind]);
}

bool lm_train_options_check(const lm_train_options *o, lm_status *st)
{
    if (o->resume && !o->checkpoint)
        return lm_fail(st, LM_USAGE, "--resume: no checkpoints to go on from: give --checkpoint DIR");
    if (o->max_time > 0 && !o->checkpoint)
        return lm_fail(st, LM_USAGE, "--max-time stops with a checkpoint: give --checkpoint DIR");
    if (o->save_steps > 0 && !o->checkpoint)
        return lm_fail(st, LM_USAGE, "--save-steps: nowhere to save: give --checkpoint DIR");
    if ((o->eval_steps > 0 || o->keep_best) && !o->eval)
        return lm_fail(st, LM_USAGE, "%s: nothing to evaluate on: give --eval FILE",
                       o->keep_best ? "--keep-best" : "--eval-steps");
    if (o->sweep.count && !o->eval && !o->plan)
        return lm_fail(st, LM_USAGE, "--sweep: nothing tells which run is the best: give --eval FILE");
    if (o->best_metric && !o->eval)
        return lm_fail(st, LM_USAGE, "--best-metric: nothing to evaluate on: give --eval FILE");
    if (o->patience > 0 && !o->keep_best)
        return lm_fail(st, LM_USAGE, "--patience ends behind the best evaluation, whose weights are meant: give "
                       "--keep-best and --eval FILE");
    if (o->qat && o->adapting)
        return lm_fail(st, LM_USAGE, "--qat: the model stays as it is: give -m one that is quantised");
    if (o->qat_from > 0 && !o->qat)
        return lm_fail(st, LM_USAGE, "--qat-from: nothing is quantised: give --qat TYPE");
    if (o->qat_from > 0 && o->freeze && o->freeze->cache)
        return lm_fail(st, LM_USAGE, "--qat-from: --cache-frozen keeps what weights give that are quantised later: leave one of them out");
    if (o->batch_size * o->accumulation > 1 << 24)
        return lm_fail(st, LM_USAGE, "a step of %lld rows: lower --batch-size or --gradient-accumulation",
                       (long long)(o->batch_size * o->accumulation));
    if (o->batch_tokens > 0 && o->accumulation > (INT32_MAX / 2) / o->batch_tokens)
        return lm_fail(st, LM_USAGE, "a step of %lld times %lld tokens: lower --batch-tokens or --gradient-accumulation",
                       (long long)o->accumulation, (long long)o->batch_tokens);
    if (!check_schedule(o, st) || !lm_optimizer_options_check(o, st) || !lm_denoising_check(&o->denoising, st))
        return false;
    if (o->freeze && !lm_freeze_options_check(o->freeze, st))
        return false;
    if (o->adapting && !lm_adapting_check(o->adapting, st))
        return false;
    if (!check_new_model(o, st))
        return false;
    if (o->max_steps == 0 && o->epochs <= 0)
        return lm_fail(st, LM_USAGE, "--epochs 0: nothing to do: give a number above 0");
    return true;
}
