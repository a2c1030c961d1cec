/* What carries messages between the processes of one training run: a shared object that exports one symbol,
 * lm_communicator_entry_point, and includes nothing else of ours. plugins/communicators/mpi.c is an example.
 *
 * The host asks for nothing but messages from one process to another: all sums over processes, their order, waiting and
 * its end by a signal are its own (train/parallel/communicator.h), so that a run is the same whatever carries it. */
#ifndef LMUTILS_COMMUNICATOR_H
#define LMUTILS_COMMUNICATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LM_COMMUNICATOR_MAGIC 0x4c4d434fu /* "LMCO" */
#define LM_COMMUNICATOR_ABI   1u

/* A message on its way. */
typedef struct lm_transfer lm_transfer;

enum { LM_TRANSFER_FAILED = -1, LM_TRANSFER_PENDING = 0, LM_TRANSFER_DONE = 1 };

/* All calls come from the thread that has called `join`. */
typedef struct lm_communicator_plugin {
    uint32_t magic, abi;
    /* Joins the processes that the launcher has started: which one this is, from 0, and how many there are. False: not
     * possible, for the reason in message[room]. Once. */
    bool (*join)(int *rank, int *size, char *message, size_t room);
    /* Begin sending `bytes` (2^30 at most) to a process, or receiving from one; NULL = failed. The memory is the
     * transfer's until it is done. A message is matched with a receiver of the same tag (from 0 to 32767) and as many bytes;
     * those of one tag from one process arrive in the order in which they were sent. Neither waits. */
    lm_transfer *(*send)(const void *data, size_t bytes, int to, int tag);
    lm_transfer *(*receive)(void *data, size_t bytes, int from, int tag);
    /* How it stands, and what moves all transfers on. A transfer that is not pending is freed. */
    int (*test)(lm_transfer *transfer);
    /* Every process is done, in good order, and no transfer is pending. Waits for the others. */
    void (*leave)(void);
} lm_communicator_plugin;

#define LM_COMMUNICATOR_ENTRY "lm_communicator_entry_point"
typedef const lm_communicator_plugin *(*lm_communicator_entry)(void);

#endif
