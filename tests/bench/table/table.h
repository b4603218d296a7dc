/* SPDX-License-Identifier: GPL-2.0 */
/* Two token tables that are measured by the same driver. */
#ifndef PVFAULT_BENCH_TABLE_H
#define PVFAULT_BENCH_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct table - what the driver needs of a token table
 * @name: for people
 * @node_size: of what a sleeper puts into the table
 * @init: for so many CPUs as sim_nr_cpus says
 * @told: NOT_PRESENT on CPU sim_cpu, up to where the task would sleep.
 *	Returns false if READY came first
 * @ready: READY
 * @ready_all: READY for all, on all CPUs
 */
struct table {
	const char *name;
	size_t node_size;
	void (*init)(void);
	bool (*told)(void *node, uint32_t token);
	void (*ready)(uint32_t token);
	void (*ready_all)(void);
};

extern const struct table pvfault_table, stock_table;

#endif /* PVFAULT_BENCH_TABLE_H */
