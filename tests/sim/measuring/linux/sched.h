/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SIM_LINUX_SCHED_H
#define _SIM_LINUX_SCHED_H

#include <linux/atomic.h>
#include <linux/spinlock.h>

#define TASK_RUNNING		0
#define TASK_UNINTERRUPTIBLE	2
#define TASK_KILLABLE		TASK_UNINTERRUPTIBLE
#define TASK_FREEZABLE		0

/* All sleepers of a thread are one task. */
struct task_struct {
	unsigned long wakes;
	int pid;
	char comm[16];
};

extern _Thread_local struct task_struct sim_task;
#define current			(&sim_task)
#define task_pid_nr(task)	((task)->pid)

static inline void wake_up_process(struct task_struct *task)
{
	__atomic_store_n(&task->wakes, task->wakes + 1, SIM_RELAXED);
}

#define set_current_state(state)	smp_mb()
#define __set_current_state(state)	((void)(state))
#define io_schedule()			((void)0)
#define schedule()			((void)0)
#define might_sleep()			((void)0)
#define smp_processor_id()		((int)sim_cpu)

#endif
