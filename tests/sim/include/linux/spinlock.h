/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SIM_LINUX_SPINLOCK_H
#define _SIM_LINUX_SPINLOCK_H

#include <raw_spinlock.h>

#define raw_spin_lock_irqsave(lock, flags)				\
do {									\
	local_irq_save(flags);						\
	raw_spin_lock(lock);						\
} while (0)

#define raw_spin_unlock_irqrestore(lock, flags)				\
do {									\
	raw_spin_unlock(lock);						\
	local_irq_restore(flags);					\
} while (0)

#endif
