/* SPDX-License-Identifier: GPL-2.0 */
/* NOT_PRESENT for the current task, in one line. */
#ifndef PVFAULT_TOLD_H
#define PVFAULT_TOLD_H

#include "internal.h"

static inline enum pvfault_end sleep_on(pvfault_token_t token, u32 generation, int cpu,
					bool user)
{
	const struct pvfault_told told = {
		.token = token,
		.generation = generation,
		.cpu = cpu,
		.user = user,
		.since = jiffies,
	};

	return pvfault_table_sleep(&told);
}

/* The same for a batch, which waits later. */
static inline int batch_on(struct pvfault_batch *b, pvfault_token_t token, u32 generation,
			   int cpu)
{
	const struct pvfault_told told = {
		.token = token,
		.generation = generation,
		.cpu = cpu,
		.since = jiffies,
	};

	return pvfault_batch_add(b, &told);
}

#endif /* PVFAULT_TOLD_H */
