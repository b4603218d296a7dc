/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SIM_LINUX_SCHED_SIGNAL_H
#define _SIM_LINUX_SCHED_SIGNAL_H

#include <linux/sched.h>

static inline bool fatal_signal_pending(struct task_struct *task)
{
	return __atomic_load_n(&task->fatal, SIM_RELAXED);
}

#endif
