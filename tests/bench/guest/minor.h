/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PVFAULT_BENCH_MINOR_H
#define PVFAULT_BENCH_MINOR_H

#include <stddef.h>
#include <stdint.h>

enum minor {
	MINOR_READ,		/* of a page that was never written: finds the zero page */
	MINOR_WRITE,		/* to it: gets a page of its own, which is cleared */
};

/*
 * The cost of a minor fault, in TSC ticks: the median over single faults, so that
 * interrupts and new page tables fall out.
 */
uint64_t minor_fault(enum minor minor);

/* Sorts them. */
uint64_t median_of(uint64_t *values, size_t n);

#endif /* PVFAULT_BENCH_MINOR_H */
