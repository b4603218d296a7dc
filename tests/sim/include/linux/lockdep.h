/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SIM_LINUX_LOCKDEP_H
#define _SIM_LINUX_LOCKDEP_H

#include <linux/types.h>

struct lock_class_key {
	char unused;
};

struct lockdep_map {
	char unused;
};

enum { LD_WAIT_SLEEP };

static inline void lockdep_init_map_wait(struct lockdep_map *map, const char *name,
					 struct lock_class_key *key, int subclass,
					 int inner)
{
	(void)map, (void)name, (void)key, (void)subclass, (void)inner;
}

static inline void lock_map_acquire(struct lockdep_map *map)
{
	(void)map;
}

static inline void lock_map_release(struct lockdep_map *map)
{
	(void)map;
}

#define lockdep_assert_irqs_disabled()	sim_assert(sim_irqs_off)
#define lockdep_assert_irqs_enabled()	sim_assert(!sim_irqs_off)

#endif
