/* --balance[=SIZE]: copies of the records of small classes, until each class has as many records as the largest one, or SIZE. A
 * class that is larger stays. The copies are shared out over the records of a class as evenly as can be. They are made here: what
 * stands behind and draws lots changes them. All records are looked at first, and each needs a label; what is kept of a record
 * is 12 bytes. */
#ifndef LM_AUGMENT_BALANCE_H
#define LM_AUGMENT_BALANCE_H

struct lm_augment_entries;
struct lm_operation_kind;

extern const struct lm_operation_kind lm_balance_kind;

void lm_balance_entries(struct lm_augment_entries *to);

#endif
