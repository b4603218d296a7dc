/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SIM_LINUX_PERCPU_H
#define _SIM_LINUX_PERCPU_H

#include <linux/cpumask.h>

/* Static per-CPU variables are counters only, of which all CPUs share one. */
#define DECLARE_PER_CPU(type, name)	extern type name
#define DEFINE_PER_CPU(type, name)	type name
#define this_cpu_inc(counter) \
	((void)__atomic_fetch_add(&(counter), 1, SIM_RELAXED))
#define this_cpu_add(counter, n) \
	((void)__atomic_fetch_add(&(counter), (n), SIM_RELAXED))
#define raw_cpu_read(var)		__atomic_load_n(&(var), SIM_RELAXED)
#define raw_cpu_write(var, n)		__atomic_store_n(&(var), (n), SIM_RELAXED)

#define raw_smp_processor_id()	((int)sim_cpu)

#define alloc_percpu(type)	((type *)sim_alloc(sim_nr_cpus, sizeof(type)))
#define free_percpu(ptr)	sim_free(ptr)
#define per_cpu_ptr(ptr, cpu)						\
({									\
	int __cpu = (cpu);						\
	sim_assert(__cpu >= 0 && __cpu < (int)sim_nr_cpus);		\
	&(ptr)[__cpu];							\
})

/* Stays on this CPU only while interrupts are off. */
#define this_cpu_ptr(ptr)						\
({									\
	sim_assert(sim_irqs_off);					\
	&(ptr)[sim_cpu];						\
})

#endif
