/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SIM_RAW_SPINLOCK_H
#define _SIM_RAW_SPINLOCK_H

#include <linux/types.h>

#define SIM_LOCK_MAGIC	0x10c4ab1eU

typedef struct {
	pthread_mutex_t mutex;
	unsigned int magic;
} raw_spinlock_t;

void raw_spin_lock_init(raw_spinlock_t *lock);
void raw_spin_lock(raw_spinlock_t *lock);
void raw_spin_unlock(raw_spinlock_t *lock);

#define local_irq_disable()	sim_irq_disable()
#define local_irq_enable()	sim_irq_enable()

/* @flags: whether interrupts were off already */
#define local_irq_save(flags)						\
do {									\
	(flags) = sim_irqs_off;						\
	if (!(flags))							\
		sim_irq_disable();					\
} while (0)

#define local_irq_restore(flags)					\
do {									\
	if (!(flags))							\
		sim_irq_enable();					\
} while (0)

#endif
