/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A machine for measuring: as ../checking/sim.h, but it checks nothing and
 * stops nowhere. Its locks are the two instructions that they are in a
 * kernel, and no task really sleeps: a wake-up only counts.
 */
#ifndef PVFAULT_SIM_H
#define PVFAULT_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define SIM_MAX_CPUS	4096
#define SIM_RELAXED	__ATOMIC_RELAXED

#define sim_point(point)	((void)0)
#define sim_assert(cond)	((void)sizeof(cond))
#define sim_warn(fmt, ...)	((void)0)
#define sim_count_down()	((void)0)

/* The CPU that this thread runs on. */
extern _Thread_local unsigned int sim_cpu;
extern _Thread_local bool sim_irqs_off;
extern unsigned int sim_nr_cpus;
extern unsigned long sim_jiffies;

#endif /* PVFAULT_SIM_H */
