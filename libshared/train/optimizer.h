/* AdamW over the trainable parameters of a table, with clipping by the global norm.
 *
 * The update (Loshchilov and Hutter 2019, arXiv 1711.05101; torch.optim.AdamW): p *= 1 - lr wd; m = b1 m +
 * (1-b1) g; v = b2 v + (1-b2) g^2; p -= lr (m/(1-b1^t)) / (sqrt(v/(1-b2^t)) + eps). Google's BERT leaves the
 * two corrections out (bias_correction false). Parameters whose `decay` is false keep wd 0. t counts the
 * updates of the parameter, lr is the step's rate times the parameter's factor.
 *
 * Where a parameter has a start p0, decay is towards that: p -= lr pull (p - p0) in place of p *= 1 - lr wd. It is
 * the penalty L2-SP (Li et al. 2018, arXiv 1802.01483), decoupled from the gradient as AdamW's is.
 *
 * A parameter whose gradient is by rows (graph/params.h) has states for those rows alone that have ever had a gradient:
 * the result is the same, to the bit. One that is `lazy` moves only in rows that have one now, and has no decay, as
 * torch.optim.SparseAdam has it, whose epsilon alone stands elsewhere.
 *
 * Results do not depend on the number of threads (kernels/kernels.h). */
#ifndef LM_TRAIN_OPTIMIZER_H
#define LM_TRAIN_OPTIMIZER_H

#include "base/status.h"
#include "graph/params.h"
#include "tensor/safetensors.h"

#include <stdint.h>

typedef struct lm_adamw_options {
    double beta1, beta2, epsilon; /* .9, .999, 1e-8 */
    double weight_decay;
    bool bias_correction;
    const double *rates; /* [parameters of the table] factors of lr, borrowed; NULL = 1 */
    double pull;         /* strength of the decay towards `starts`, which is theirs in place of weight_decay */
    const float *const *starts; /* [parameters of the table] values [elements], or NULL: decay is towards 0; borrowed.
                                 * NULL = none has one */
} lm_adamw_options;

typedef struct lm_optimizer lm_optimizer;

/* Parameters that have a gradient now belong to it; the table must outlive it. NULL: not enough memory, or
 * nothing is trainable. */
lm_optimizer *lm_optimizer_new(lm_params *params, const lm_adamw_options *how, lm_status *st);
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

/* States: NAME.exp_avg and NAME.exp_avg_sq, float32, and NAME.step, int64 [1], in a safetensors file; where there are
 * some rows' alone, NAME.rows, int32, says which. */
bool lm_optimizer_save(const lm_optimizer *o, int fd, const char *name, lm_status *st);
/* Loads those of the parameters that belong to it; a missing or misshapen one is named. */
bool lm_optimizer_load(lm_optimizer *o, const lm_safetensors *file, lm_status *st);
size_t lm_optimizer_bytes(const lm_optimizer *o);      /* memory of the states */
size_t lm_optimizer_growth(const lm_optimizer *o);     /* how much more states and gradients by rows can come to */
size_t lm_optimizer_parameters(const lm_optimizer *o); /* numbers that are trained now */

#endif
