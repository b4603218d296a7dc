// SPDX-License-Identifier: GPL-2.0
/*
 * The deadline: one task probes for all that were notified on its CPU.
 *
 * A task that has waited for longer than the deadline either waits for a slow host, or
 * its READY was lost. Only a touch of the page tells the two apart, and a touch of a page
 * that is still out is dear: the host holds the CPU, as if there were no pvfault, because
 * it has notified this CPU of that page before. If all tasks past their deadline touched
 * their pages, they would take the CPU from the tasks that can run.
 *
 * So of all tasks notified on one CPU a single one is asked to probe: it leaves the table
 * and retries its instruction. The result holds for all of them:
 *
 *	result			seen by			then
 *	NOT_PRESENT again	the #PF hook		still out: it sleeps on the new
 *							token (it ran on another CPU,
 *							which hosts notify anew)
 *	no progress		a timer, after 1 ms	still out: it sleeps again on the
 *							old token
 *	the page is there	the timer: registers	READY was lost: all tasks that
 *				have changed		were notified on this CPU before,
 *							and are past their deadline, retry
 *
 * After "still out" the next probe of that CPU waits for a deadline, the one after that
 * twice as long, and so on up to an hour. If READY for its token comes while a task probes,
 * the table remembers it as an early one.
 *
 * The timer can put a task to sleep again only on its way to user mode. So tasks notified
 * in user mode are asked first. A task notified in kernel mode is asked if none of those
 * has taken the turn for another deadline. If its page is still out, the host holds its
 * CPU from time to time, as it would have done at the first touch without pvfault.
 */

#define pr_fmt(fmt) "pvfault: " fmt

#include <linux/atomic.h>
#include <linux/hrtimer.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/percpu.h>
#include <linux/ptrace.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/task_work.h>

#include <asm/irq_regs.h>
#include <asm/ptrace.h>
#include <asm/pvfault_compat.h>

#include "internal.h"

/* For so long a task that makes no progress may hold its CPU. */
#define PVFAULT_HOLD		NSEC_PER_MSEC
/* How often the timer looks at a task that doesn't run, before it gives up. */
#define PVFAULT_LOOKS		64
/* A task that was asked has to begin within this time. */
#define PVFAULT_ASK_TIMEOUT	(3 * HZ)
#define PVFAULT_MAX_INTERVAL	(3600 * HZ)

/* The probes of one CPU, for the tasks that were notified on it. */
struct pvfault_probe {
	raw_spinlock_t lock;		/* all below; inside a bucket's lock */
	/* pacing */
	unsigned long next;		/* jiffies: no probe before */
	unsigned long interval;		/* jiffies; 0: none has failed yet */
	/* asked, has not begun; compared with current, never followed */
	const struct task_struct *asked;
	unsigned long asked_at;		/* jiffies */
	/* probing */
	struct task_struct *task;	/* a reference; or NULL */
	struct pvfault_told told;
	struct pt_regs regs;		/* when it began, if has_regs */
	bool has_regs;
	unsigned int looks;
	struct hrtimer timer;
	struct callback_head work;
	bool working;			/* the work is queued */
	/* READY was lost: tasks notified before this moment, and overdue, retry */
	bool released;
	unsigned long released_at;	/* jiffies */
};

static DEFINE_PER_CPU(struct pvfault_probe, pvfault_probes);

/* Tasks that probe now. */
atomic_t pvfault_probing = ATOMIC_INIT(0);

static bool pvfault_released(const struct pvfault_probe *p, const struct pvfault_told *told)
{
	return p->released && time_before_eq(told->since, p->released_at);
}

/* No task has needed a probe of this CPU for a while: start with short intervals again. */
static void pvfault_probe_pace(struct pvfault_probe *p)
{
	if (p->interval && time_after(jiffies, p->next + p->interval))
		p->interval = 0;
}

static bool pvfault_probe_due(struct pvfault_probe *p, const struct pvfault_told *told)
{
	unsigned long wait = told->user ? 0 : READ_ONCE(pvfault_deadline);

	if (p->task || p->working ||
	    (p->asked && time_before(jiffies, p->asked_at + PVFAULT_ASK_TIMEOUT)))
		return false;
	if (p->interval)
		return time_after_eq(jiffies, p->next + wait);
	/* The first of this outage: the deadline has passed already. */
	return time_after_eq(jiffies, told->since + READ_ONCE(pvfault_deadline) + wait);
}

/**
 * pvfault_probe_offer() - a sleeper is past its deadline
 * @told: its notification
 * @task: the sleeper's
 *
 * Wakes the task if it is to retry, or if it is the one to probe. pvfault_probe_turn()
 * tells it which.
 *
 * Context: its bucket is locked, interrupts off.
 */
void pvfault_probe_offer(const struct pvfault_told *told, struct task_struct *task)
{
	struct pvfault_probe *p;
	bool wake;

	if (told->cpu == PVFAULT_ANY_CPU) {
		wake_up_process(task);
		return;
	}
	p = per_cpu_ptr(&pvfault_probes, told->cpu);
	raw_spin_lock(&p->lock);
	pvfault_probe_pace(p);
	wake = pvfault_released(p, told);
	if (!wake && pvfault_probe_due(p, told)) {
		p->asked = task;
		p->asked_at = jiffies;
		wake = true;
	}
	raw_spin_unlock(&p->lock);
	if (wake)
		wake_up_process(task);
}

/* Take the turn. Context: @p is locked, the current task has been asked. */
static void pvfault_probe_claim(struct pvfault_probe *p, const struct pvfault_told *told)
{
	p->asked = NULL;
	p->task = get_task_struct(current);
	p->told = *told;
	p->looks = 0;
	atomic_inc(&pvfault_probing);
}

/**
 * pvfault_probe_turn() - a sleeper looks at its deadline
 * @told: the current task's notification
 *
 * Context: the sleeper, interrupts on.
 * Return: PVFAULT_TRY if it has taken the turn to probe. Then it leaves the table,
 * without a mark, and calls pvfault_probe_begin(); or pvfault_probe_cancel(), if it was
 * woken meanwhile.
 */
enum pvfault_turn pvfault_probe_turn(const struct pvfault_told *told)
{
	enum pvfault_turn turn = PVFAULT_SLEEP_ON;
	struct pvfault_probe *p;
	unsigned long flags;

	if (likely(!pvfault_overdue(told->since)))
		return PVFAULT_SLEEP_ON;
	if (told->cpu == PVFAULT_ANY_CPU) {
		pr_warn_ratelimited("%s/%d waited %u ms for token %#llx, retries\n",
				    current->comm, task_pid_nr(current),
				    jiffies_to_msecs(jiffies - told->since), told->token);
		return PVFAULT_GIVE_UP;
	}
	p = per_cpu_ptr(&pvfault_probes, told->cpu);
	raw_spin_lock_irqsave(&p->lock, flags);
	if (pvfault_released(p, told)) {
		turn = PVFAULT_GIVE_UP;
	} else if (p->asked == current && !p->task && !p->working) {
		pvfault_probe_claim(p, told);
		turn = PVFAULT_TRY;
	}
	raw_spin_unlock_irqrestore(&p->lock, flags);
	return turn;
}

/*
 * The probe of @p is over. Return: the task, or NULL if it has been over already.
 * Context: @p is locked.
 */
static struct task_struct *pvfault_probe_end(struct pvfault_probe *p)
{
	struct task_struct *task = p->task;

	if (task) {
		p->task = NULL;
		atomic_dec(&pvfault_probing);
	}
	return task;
}

/* The page is still out: wait longer for the next probe. Context: @p is locked. */
static void pvfault_probe_slower(struct pvfault_probe *p)
{
	unsigned long deadline = READ_ONCE(pvfault_deadline);

	p->interval = p->interval ? min(2 * p->interval, PVFAULT_MAX_INTERVAL) : deadline;
	p->next = jiffies + p->interval;
}

/**
 * pvfault_probe_cancel() - the task that took the turn has been woken
 * @told: its notification
 *
 * Context: that task, interrupts on.
 */
void pvfault_probe_cancel(const struct pvfault_told *told)
{
	struct pvfault_probe *p = per_cpu_ptr(&pvfault_probes, told->cpu);
	struct task_struct *task;
	unsigned long flags;

	raw_spin_lock_irqsave(&p->lock, flags);
	task = pvfault_probe_end(p);
	raw_spin_unlock_irqrestore(&p->lock, flags);
	if (task)
		put_task_struct(task);
}

/**
 * pvfault_probe_over() - READY has come at last, after the deadline
 * @told: what the current task was told
 *
 * Says so, once for all tasks of an outage. Not while the outage lasts, because pages that
 * printing needs may be out, too.
 *
 * Context: that task, interrupts on.
 */
void pvfault_probe_over(const struct pvfault_told *told)
{
	static unsigned long said;	/* jiffies; read and written without order */
	unsigned long last = READ_ONCE(said), now = jiffies;

	if (last && time_before(now, last + READ_ONCE(pvfault_deadline)))
		return;
	if (cmpxchg(&said, last, now ?: 1) == last)
		pr_warn("the host has needed %u s for a page\n",
			jiffies_to_msecs(now - told->since) / 1000);
}

/**
 * pvfault_probe_keep_warm() - touch what a probe needs, see watch.c
 * @cpu: on which a sleeper was notified
 *
 * Context: any.
 */
void pvfault_probe_keep_warm(int cpu)
{
	if (cpu != PVFAULT_ANY_CPU)
		(void)READ_ONCE(per_cpu(pvfault_probes, cpu).interval);
}

/* READY was lost. Said once for all that retry. */
static void pvfault_probe_say_lost(const struct pvfault_told *told)
{
	rcu_read_lock();
	pr_warn_ratelimited("%s: READY was lost for what CPU %d was told %u s ago, tasks retry\n",
			    pvfault_backend_name(), told->cpu,
			    jiffies_to_msecs(jiffies - told->since) / 1000);
	rcu_read_unlock();
}

/* Has @now got on since @then? Without the flags, which differ in an interrupt. */
static bool pvfault_progress(const struct pt_regs *then, const struct pt_regs *now)
{
	return memcmp(then, now, offsetof(struct pt_regs, orig_ax)) ||
	       then->ip != now->ip || then->sp != now->sp;
}

enum pvfault_sight {
	PVFAULT_STUCK,			/* at its instruction, here and now */
	PVFAULT_MOVED,
	PVFAULT_UNKNOWN,		/* it doesn't run here */
};

/* Where it last left user mode. While it runs on another CPU that shows nothing. */
static enum pvfault_sight pvfault_probe_look_aside(const struct pvfault_probe *p)
{
	enum pvfault_sight sight = PVFAULT_UNKNOWN;

	if (!p->told.user || !try_get_task_stack(p->task))
		return sight;
	/* It may be entering the kernel right now. Then it has moved, or is about to. */
	if (data_race(pvfault_progress(&p->regs, task_pt_regs(p->task))))
		sight = PVFAULT_MOVED;
	put_task_stack(p->task);
	return sight;
}

static enum pvfault_sight pvfault_probe_look(const struct pvfault_probe *p)
{
	struct pt_regs *regs = get_irq_regs();

	if (!p->has_regs)
		return PVFAULT_UNKNOWN;
	if (!regs || p->task != current || (p->told.user && !user_mode(regs)))
		return pvfault_probe_look_aside(p);
	return pvfault_progress(&p->regs, regs) ? PVFAULT_MOVED : PVFAULT_STUCK;
}

static enum hrtimer_restart pvfault_probe_timer(struct hrtimer *timer)
{
	struct pvfault_probe *p = container_of(timer, struct pvfault_probe, timer);
	enum hrtimer_restart restart = HRTIMER_NORESTART;
	struct task_struct *over = NULL;
	struct pvfault_told told;
	bool lost = false;

	raw_spin_lock(&p->lock);
	told = p->told;
	if (!p->task)
		goto unlock;
	switch (pvfault_probe_look(p)) {
	case PVFAULT_MOVED:
		p->released = true;
		p->released_at = jiffies;
		p->interval = 0;
		over = pvfault_probe_end(p);
		lost = true;
		break;
	case PVFAULT_STUCK:
		/* If it exits, or was notified in kernel mode, it can't sleep again. */
		if (told.user && !task_work_add(p->task, &p->work, TWA_RESUME)) {
			p->working = true;
			break;
		}
		fallthrough;
	case PVFAULT_UNKNOWN:
		if (++p->looks < PVFAULT_LOOKS) {
			hrtimer_forward_now(timer, PVFAULT_HOLD);
			restart = HRTIMER_RESTART;
			break;
		}
		pvfault_probe_slower(p);
		over = pvfault_probe_end(p);
		break;
	}
unlock:
	raw_spin_unlock(&p->lock);
	if (!over)
		return restart;

	/* No task waits for its READY any more. */
	pvfault_table_forget(told.token, told.generation);
	put_task_struct(over);
	if (lost) {
		pvfault_probe_say_lost(&told);
		pvfault_watch_kick();
	}
	return restart;
}

/* Back to sleep on the old token. Context: on the way to user mode. */
static void pvfault_probe_held(struct callback_head *work)
{
	struct pvfault_probe *p = container_of(work, struct pvfault_probe, work);
	struct task_struct *task = NULL;
	struct pvfault_told told;
	bool moved;

	raw_spin_lock_irq(&p->lock);
	p->working = false;
	/* A signal may have made it leave its instruction, and wait for another page. */
	if (p->task == current) {
		told = p->told;
		moved = pvfault_progress(&p->regs, current_pt_regs());
		pvfault_probe_slower(p);
		task = pvfault_probe_end(p);
	}
	raw_spin_unlock_irq(&p->lock);
	if (!task)
		return;
	put_task_struct(task);
	if (moved || current->flags & PF_EXITING) {
		pvfault_table_forget(told.token, told.generation);
		return;
	}
	pvfault_note(probe_held, told.token);
	local_irq_disable();
	if (pvfault_table_sleep(&told) == PVFAULT_PROBES)
		pvfault_probe_begin(told.cpu, current_pt_regs());
	local_irq_enable();
}

/**
 * pvfault_probe_begin() - the current task is about to retry its instruction
 * @cpu: the CPU on which it was notified
 * @regs: of the instruction; NULL if it isn't known, and then progress isn't seen
 *
 * Context: it took the turn of @cpu in pvfault_probe_turn(); interrupts off, until the
 * instruction is retried.
 */
void pvfault_probe_begin(int cpu, const struct pt_regs *regs)
{
	struct pvfault_probe *p = per_cpu_ptr(&pvfault_probes, cpu);

	raw_spin_lock(&p->lock);
	if (p->task == current) {
		p->has_regs = regs;
		if (regs)
			p->regs = *regs;
		hrtimer_start(&p->timer, PVFAULT_HOLD, HRTIMER_MODE_REL_PINNED_HARD);
	}
	raw_spin_unlock(&p->lock);
}

/**
 * __pvfault_probe_missing() - the current task has been notified anew
 *
 * If it probed, the page is still out. For pvfault_probe_missing().
 *
 * Context: where a task may begin to wait, interrupts off.
 */
void __pvfault_probe_missing(void)
{
	struct task_struct *task = NULL;
	struct pvfault_told told;
	int cpu;

	for_each_possible_cpu(cpu) {
		struct pvfault_probe *p = per_cpu_ptr(&pvfault_probes, cpu);

		if (READ_ONCE(p->task) != current)
			continue;
		raw_spin_lock(&p->lock);
		/* The timer may have decided meanwhile. */
		if (p->task == current) {
			told = p->told;
			pvfault_probe_slower(p);
			task = pvfault_probe_end(p);
		}
		raw_spin_unlock(&p->lock);
	}
	if (!task)
		return;
	pvfault_table_forget(told.token, told.generation);
	put_task_struct(task);
}

/**
 * pvfault_probes_running() - how many tasks retry an instruction for all of their CPU
 *
 * Context: any.
 * Return: that number.
 */
unsigned int pvfault_probes_running(void)
{
	return atomic_read(&pvfault_probing);
}

/**
 * pvfault_probe_init() - prepare the probes of all possible CPUs
 *
 * Context: boot, before the first backend.
 */
void __init pvfault_probe_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct pvfault_probe *p = per_cpu_ptr(&pvfault_probes, cpu);

		raw_spin_lock_init(&p->lock);
		hrtimer_setup(&p->timer, pvfault_probe_timer, CLOCK_MONOTONIC,
			      HRTIMER_MODE_REL_PINNED_HARD);
		init_task_work(&p->work, pvfault_probe_held);
	}
}
