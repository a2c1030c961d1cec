/* Inside train: the states of a parameter. */
#ifndef LM_TRAIN_OPTIMIZER_STATES_H
#define LM_TRAIN_OPTIMIZER_STATES_H

#include "train/optimizer/optimizer.h"

/* What is kept of a parameter. Which of them there are, and in what type, follows from the optimiser. */
typedef enum lm_state_role {
    LM_STATE_FIRST,  /* the mean of gradients, or of updates */
    LM_STATE_SECOND, /* that of their squares */
    LM_STATE_FIRST_SCALE,
    LM_STATE_SECOND_SCALE,
    LM_STATE_ROW, /* Adafactor's */
    LM_STATE_COLUMN,
    LM_STATE_ROLES
} lm_state_role;

typedef struct lm_state {
    const char *name; /* NULL: there is none */
    lm_dtype dtype;
    size_t count; /* of elements; by rows those of a row */
    lm_shape shape;
    void *data;
    int room; /* by rows: how many rows */
} lm_state;

/* What an optimiser has of one parameter. */
typedef struct lm_slot {
    lm_param *param;
    size_t index; /* of the parameter in the table */
    lm_state state[LM_STATE_ROLES];
    lm_state_form form; /* of the first two */
    int64_t steps;
    bool by_rows;    /* row i of each state is that of row seen.row[i]; those of all others are zero */
    lm_row_set seen; /* rows that have had a gradient */
} lm_slot;

/* Lays out the states of s->param, without memory. */
void lm_slot_lay_out(lm_slot *s, const lm_optimizer_options *how);
/* Memory for them, zeroed, or none yet where they are by rows. */
bool lm_slot_allocate(lm_slot *s, lm_status *st);
void lm_slot_free(lm_slot *s); /* the states */
lm_states lm_slot_states(const lm_slot *s);
size_t lm_slot_bytes(const lm_slot *s); /* now */
/* With all rows. */
size_t lm_slot_most_bytes(const lm_slot *s);
/* Room for the states of `more` rows behind those that are there. */
bool lm_slot_reserve(lm_slot *s, int more, lm_status *st);
/* Takes in a row with states of zero, if it is new; there is room. */
void lm_slot_take_row(lm_slot *s, int32_t row);
/* The parameter's gradient is no longer by rows: nor are the states. */
bool lm_slot_make_dense(lm_slot *s, lm_status *st);

bool lm_slots_save(lm_slot *slots, size_t count, int fd, const char *name, lm_status *st);
bool lm_slots_load(lm_slot *slots, size_t count, const lm_safetensors *file, lm_status *st);

#endif
