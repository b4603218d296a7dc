/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SIM_LINUX_SCHED_H
#define _SIM_LINUX_SCHED_H

#include <linux/atomic.h>
#include <linux/spinlock.h>

#define TASK_RUNNING		0x0000
#define TASK_INTERRUPTIBLE	0x0001
#define TASK_UNINTERRUPTIBLE	0x0002
#define TASK_WAKEKILL		0x0100
#define TASK_FREEZABLE		0x2000
#define TASK_KILLABLE		(TASK_WAKEKILL | TASK_UNINTERRUPTIBLE)

struct task_struct {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	unsigned int state;
	bool blocked;		/* in io_schedule() */
	bool fatal;		/* a fatal signal is pending */
	int pid;
	char comm[16];
};

extern _Thread_local struct task_struct *sim_current;
#define current			sim_current
#define task_pid_nr(task)	((task)->pid)

static inline void __set_current_state(unsigned int state)
{
	__atomic_store_n(&current->state, state, SIM_RELAXED);
}

static inline void set_current_state(unsigned int state)
{
	__set_current_state(state);
	smp_mb();
}

void io_schedule(void);
bool wake_up_process(struct task_struct *task);

#define might_sleep()		sim_assert(!sim_irqs_off && !sim_locks_held)

#endif
