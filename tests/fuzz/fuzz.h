/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by the fuzzer of the table and its oracle. */
#ifndef PVFAULT_FUZZ_H
#define PVFAULT_FUZZ_H

#include <stdlib.h>

#include "internal.h"

#define CPUS	2
#define TASKS	6
#define MARKS	64	/* of each CPU */
#define BATCHED	32	/* tokens in batches, of each CPU */

enum op {
	TELL,
	RUN,
	RUN_ALL,
	TIME,
	/* These may also interrupt another one. */
	READY,
	READY_MANY,
	READY_ALL,
	SCAN,
	KILL,
	NUDGE,
	REFUSE,
	OPS,
};

#define FIRST_INTERRUPTING	READY

void fail(const char *what, unsigned long seen, unsigned long wanted) __attribute__((noreturn));

#define must(cond)							\
do {									\
	if (!(cond))							\
		fail(#cond, 0, 1);					\
} while (0)

static inline void same(const char *what, unsigned long seen, unsigned long wanted)
{
	if (seen != wanted)
		fail(what, seen, wanted);
}

/* Counters since the beginning of this input */
extern unsigned long count_base[PVFAULT_NR_EVENTS];
void count_from_here(void);
#define counted(event) \
	(pvfault_count(PVFAULT_NR_##event) - count_base[PVFAULT_NR_##event])

/* The oracle: what the table must do, written down a second time and simpler. */
void oracle_begin(void);
void oracle_not_present(unsigned int task, pvfault_token_t token, u32 generation);
void oracle_batch(unsigned int task);
void oracle_batch_add(unsigned int task, pvfault_token_t token, u32 generation, unsigned int cpu);
void oracle_run(unsigned int task, unsigned int cpu, bool fatal);
void oracle_ready(pvfault_token_t token, unsigned int cpu);
void oracle_ready_all(void);
void oracle_refuse(pvfault_token_t token, u32 generation, unsigned int cpu);
void oracle_scan(void);
void oracle_check(void);
unsigned int oracle_marks(unsigned int cpu);
unsigned int oracle_batched(unsigned int cpu);
bool oracle_woken(unsigned int task);

#endif /* PVFAULT_FUZZ_H */
