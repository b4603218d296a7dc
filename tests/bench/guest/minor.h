/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PVFAULT_BENCH_MINOR_H
#define PVFAULT_BENCH_MINOR_H

#include <stdint.h>

/*
 * What a minor read fault costs, in TSC ticks: the median over single faults, so
 * that interrupts and new page tables fall out.
 */
uint64_t minor_fault(void);

#endif /* PVFAULT_BENCH_MINOR_H */
