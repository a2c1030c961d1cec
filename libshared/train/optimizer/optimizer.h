/* Optimisers over the trainable parameters of a table, with clipping.
 *
 * The updates are those of kernels/kernels.h, with lr the step's rate times the parameter's factor and t the updates that the
 * parameter has had: AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) and Lion decay p apart from the gradient, Adam and
 * SGD by way of it, as torch.optim's do. Google's BERT leaves AdamW's two corrections out (bias_correction false). Adafactor is
 * transformers': b2 of update t is 1 - t^decay_rate; with scale_parameter lr is multiplied by max(1e-3, RMS(p)). Parameters
 * whose `decay` is false have neither decay nor l1 nor l2.
 *
 * Where a parameter has a start p0, decay is towards that: p -= lr pull (p - p0) in place of p *= 1 - lr wd. It is
 * the penalty L2-SP (Li et al. 2018, arXiv 1802.01483), apart from the gradient as AdamW's is.
 *
 * A parameter whose gradient is by rows (graph/params.h) has states for those rows alone that have ever had a gradient:
 * the result is the same, to the bit. One that is `lazy` moves only in rows that have one now, and has no decay, as
 * torch.optim.SparseAdam has it, whose epsilon alone stands elsewhere. Adafactor refuses it.
 *
 * Results do not depend on the number of threads (kernels/kernels.h). */
#ifndef LM_TRAIN_OPTIMIZER_H
#define LM_TRAIN_OPTIMIZER_H

#include "base/status.h"
#include "graph/params.h"
#include "kernels/kernels.h"
#include "tensor/safetensors.h"

#include <stdint.h>

typedef enum lm_optimizer_kind {
    LM_OPTIMIZER_ADAMW,
    LM_OPTIMIZER_ADAM,
    LM_OPTIMIZER_SGD,
    LM_OPTIMIZER_ADAFACTOR,
    LM_OPTIMIZER_LION,
    LM_OPTIMIZER_KINDS
} lm_optimizer_kind;

typedef struct lm_optimizer_options {
    lm_optimizer_kind kind;
    /* Of the states (kernels/kernels.h). Those of fewer than LM_SMALL_STATES numbers, and those by rows, have no codes but
     * are float32; so is Adafactor's mean. */
    lm_state_form states;
    double beta1, beta2, epsilon; /* of AdamW and Adam: .9, .999, 1e-8; of Lion the first two */
    double momentum;              /* of SGD, and of Adafactor the decay of the mean of updates; 0 = none */
    bool nesterov;
    double clip_threshold, decay_rate; /* of Adafactor: 1, -.8 */
    bool scale_parameter;
    double weight_decay, l1, l2;
    double max_value; /* each number of the gradient, after clipping by norm, is no further from 0; 0 = no limit */
    bool bias_correction;
    uint64_t seed;       /* of what is drawn to round states */
    const double *rates; /* [parameters of the table] factors of lr, borrowed; NULL = 1 */
    double pull;         /* strength of the decay towards `starts`, which is theirs in place of weight_decay */
    const float *const *starts; /* [parameters of the table] values [elements], or NULL: decay is towards 0; borrowed.
                                 * NULL = none has one */
} lm_optimizer_options;

enum { LM_SMALL_STATES = 4096 }; /* bitsandbytes' min_8bit_size */

typedef struct lm_optimizer lm_optimizer;

/* Parameters that have a gradient now belong to it; the table must outlive it. NULL: not enough memory, or
 * nothing is trainable. */
lm_optimizer *lm_optimizer_new(lm_params *params, const lm_optimizer_options *how, lm_status *st);
/* Takes in parameters that have got a gradient since, and gives up those that have none any more, with their
 * states. Those that are new begin with states of zero and count their own steps, as torch's do. */
bool lm_optimizer_follow(lm_optimizer *o, lm_status *st);
void lm_optimizer_free(lm_optimizer *o);

/* Drops what has been added to the gradients; an update leaves them at zero by itself. */
void lm_optimizer_zero_gradients(lm_optimizer *o);
/* L2 norm over all gradients; NaN or infinity where one of them is. */
double lm_optimizer_gradient_norm(lm_optimizer *o);
/* One update at rate `lr` with the gradients times `clip` (lm_clip_coefficient). False: no memory for states of rows that
 * have a gradient for the first time. */
bool lm_optimizer_update(lm_optimizer *o, double lr, double clip, lm_status *st);

/* max_norm/(norm + 1e-6), at most 1 (torch.nn.utils.clip_grad_norm_); 1 where max_norm is 0. */
double lm_clip_coefficient(double norm, double max_norm);

/* States: under NAME. exp_avg and exp_avg_sq, SGD's momentum_buffer, Adafactor's exp_avg_sq_row and exp_avg_sq_col, in their
 * form, with NAME.exp_avg.absmax and so on as scales of codes; and NAME.step, int64 [1]; in a safetensors file. Where there are
 * some rows' alone, NAME.rows, int32, says which. */
bool lm_optimizer_save(const lm_optimizer *o, int fd, const char *name, lm_status *st);
/* Loads those of the parameters that belong to it; a missing or misshapen one is named. */
bool lm_optimizer_load(lm_optimizer *o, const lm_safetensors *file, lm_status *st);
size_t lm_optimizer_bytes(const lm_optimizer *o);      /* memory of the states */
size_t lm_optimizer_growth(const lm_optimizer *o);     /* how much more states and gradients by rows can come to */
size_t lm_optimizer_parameters(const lm_optimizer *o); /* numbers that are trained now */
/* What the states would come to with another kind and form. */
size_t lm_optimizer_bytes_as(const lm_optimizer *o, lm_optimizer_kind kind, lm_state_form states);

#endif
