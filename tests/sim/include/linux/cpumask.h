/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SIM_LINUX_CPUMASK_H
#define _SIM_LINUX_CPUMASK_H

#include <linux/bitmap.h>

struct cpumask {
	DECLARE_BITMAP(bits, SIM_MAX_CPUS);
};

#define num_possible_cpus()	(sim_nr_cpus)
#define for_each_possible_cpu(cpu) \
	for ((cpu) = 0; (cpu) < (int)sim_nr_cpus; (cpu)++)

static inline void cpumask_set_cpu(unsigned int cpu, struct cpumask *mask)
{
	sim_assert(cpu < sim_nr_cpus);
	set_bit(cpu, mask->bits);
}

static inline bool cpumask_test_cpu(unsigned int cpu, const struct cpumask *mask)
{
	return test_bit(cpu, mask->bits);
}

static inline void cpumask_clear(struct cpumask *mask)
{
	mask->bits[0] = 0;
}

static inline unsigned int cpumask_weight(const struct cpumask *mask)
{
	return bitmap_weight(mask->bits, SIM_MAX_CPUS);
}

#endif
