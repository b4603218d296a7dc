/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SIM_LINUX_PERCPU_H
#define _SIM_LINUX_PERCPU_H

#include <linux/cpumask.h>

/* A thread is a CPU for good. */
#define DECLARE_PER_CPU(type, name)	extern _Thread_local type name
#define DEFINE_PER_CPU(type, name)	_Thread_local type name
#define this_cpu_inc(counter)		((void)(counter)++)
#define this_cpu_add(counter, n)	((void)((counter) += (n)))
#define raw_cpu_read(var)		(var)
#define raw_cpu_write(var, n)		((void)((var) = (n)))

#define raw_smp_processor_id()	((int)sim_cpu)

#define alloc_percpu(type)	((type *)calloc(sim_nr_cpus, sizeof(type)))
#define free_percpu(ptr)	free(ptr)
#define per_cpu_ptr(ptr, cpu)	(&(ptr)[cpu])
#define this_cpu_ptr(ptr)	(&(ptr)[sim_cpu])

#endif
