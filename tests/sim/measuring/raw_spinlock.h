/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SIM_RAW_SPINLOCK_H
#define _SIM_RAW_SPINLOCK_H

#include <linux/types.h>

/* Spinning is good enough, because the critical sections are short. */
typedef struct {
	int taken;
} raw_spinlock_t;

static inline void raw_spin_lock_init(raw_spinlock_t *lock)
{
	lock->taken = 0;
}

static inline void raw_spin_lock(raw_spinlock_t *lock)
{
	int free = 0;

	while (unlikely(!__atomic_compare_exchange_n(&lock->taken, &free, 1, false,
						     __ATOMIC_ACQUIRE, SIM_RELAXED))) {
		free = 0;
		__builtin_ia32_pause();
	}
}

static inline void raw_spin_unlock(raw_spinlock_t *lock)
{
	__atomic_store_n(&lock->taken, 0, __ATOMIC_RELEASE);
}

#define local_irq_disable()		(sim_irqs_off = true)
#define local_irq_enable()		(sim_irqs_off = false)
#define local_irq_save(flags)		((flags) = sim_irqs_off, sim_irqs_off = true)
#define local_irq_restore(flags)	(sim_irqs_off = (flags))

#endif
