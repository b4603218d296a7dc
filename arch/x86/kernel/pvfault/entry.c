// SPDX-License-Identifier: GPL-2.0
/*
 * From the page-fault hook to the table: sleep, reject or wake. where.c decides where
 * a task may sleep.
 *
 * The recogniser, which the hook in asm/pvfault.h calls, runs before
 * irqentry_enter(): if it says that the fault is genuine, that goes on as if it had
 * never been looked at.
 */

#include <linux/entry-common.h>
#include <linux/errno.h>
#include <linux/hardirq.h>
#include <linux/irq_work.h>
#include <linux/jump_label.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/static_call.h>

#include <asm/processor-flags.h>
#include <asm/ptrace.h>
#include <asm/pvfault.h>

#include "internal.h"

DEFINE_STATIC_KEY_FALSE(pvfault_enabled);

noinstr enum pvfault_kind pvfault_recognise_none(struct pt_regs *regs,
						 unsigned long error_code,
						 unsigned long address,
						 pvfault_token_t *token)
{
	return PVFAULT_GENUINE;
}

DEFINE_STATIC_CALL(pvfault_recognise, pvfault_recognise_none);

/* May a #PF take locks of the table? What it interrupted may hold them, with interrupts off. */
static bool pvfault_may_lock(const struct pt_regs *regs)
{
	return (regs->flags & X86_EFLAGS_IF) && !in_nmi();
}

/*
 * Reject: the task retries, the host holds the CPU as if there were no pvfault. If the
 * table may be touched, a mark there drops the late READY.
 */
static void pvfault_refuse(const struct pt_regs *regs, pvfault_token_t token,
			   u32 generation)
{
	pvfault_note(rejected, token);
	trace_pvfault_rejected_at(token, regs->ip);
	if (pvfault_may_lock(regs))
		pvfault_table_forget(token, generation);
}

/* The host has not been asked to stop yet, see mode.c. */
static void pvfault_refuse_off(const struct pt_regs *regs, pvfault_token_t token,
			       u32 generation)
{
	pvfault_note(rejected_mode, token);
	pvfault_refuse(regs, token, generation);
}

/* Wait for the page of @told. Return: false if READY came first. */
static bool pvfault_wait_for(const struct pvfault_told *told, const struct pt_regs *regs)
{
	enum pvfault_end end;

	pvfault_probe_missing();
	end = pvfault_table_sleep(told);
	if (unlikely(end == PVFAULT_PROBES))
		pvfault_probe_begin(told->cpu, regs);
	return end != PVFAULT_NO_WAIT;
}

/* NOT_PRESENT in kernel mode, where the task may sleep. */
static void pvfault_sleep_in_kernel(struct pt_regs *regs, const struct pvfault_told *told)
{
	enum pvfault_touch touch = pvfault_touch(regs);
	int waits = -EBUSY;

	if (touch != PVFAULT_TOUCH_NONE)
		waits = pvfault_ahead_told(regs, told);
	if (waits < 0)
		waits = pvfault_wait_for(told, regs);
	if (!waits)
		return;
	pvfault_note(sleep_kernel, told->token);
	if (touch == PVFAULT_TOUCH_ALLOC)
		pvfault_note(sleep_alloc, told->token);
	else if (touch == PVFAULT_TOUCH_READ)
		pvfault_note(sleep_read, told->token);
	else
		pvfault_hook_arm(PVFAULT_HOOK_READ);
}

/* NOT_PRESENT for the interrupted context. */
static void pvfault_not_present(struct pt_regs *regs, pvfault_token_t token, u32 generation)
{
	struct pvfault_told told = {
		.token = token,
		.generation = generation,
		.cpu = smp_processor_id(),
		.user = user_mode(regs),
		.since = jiffies,
	};

	pvfault_note(not_present, token);
	if (likely(told.user)) {
		if (likely(READ_ONCE(pvfault_mode) != PVFAULT_MODE_OFF))
			pvfault_wait_for(&told, regs);
		else
			pvfault_refuse_off(regs, token, generation);
	} else if (pvfault_may_sleep(regs, token)) {
		pvfault_sleep_in_kernel(regs, &told);
	} else {
		pvfault_refuse(regs, token, generation);
	}
}

static void pvfault_late_ready(struct irq_work *work)
{
	pvfault_ready_all();
}

static DEFINE_PER_CPU(struct irq_work, pvfault_late_work) =
	IRQ_WORK_INIT_HARD(pvfault_late_ready);

/*
 * READY that came as a #PF. Where the table can't be touched it becomes READY for
 * all, which needs no token and so no room to keep one: right in any case, but dear.
 * A second one is covered by the first if that is still on its way.
 */
static void pvfault_ready_fault(const struct pt_regs *regs, pvfault_token_t token,
				enum pvfault_kind kind)
{
	if (unlikely(!pvfault_may_lock(regs))) {
		pvfault_note(ready_late, token);
		irq_work_queue(this_cpu_ptr(&pvfault_late_work));
	} else if (kind == PVFAULT_READY_ALL) {
		pvfault_ready_all();
	} else {
		pvfault_ready(token);
	}
}

/**
 * __pvfault_told() - the whole #PF of a notification, entry and exit included
 * @regs: of the interrupted context
 * @token: of the page
 * @kind: what is said of it
 *
 * Context: #PF entry, before irqentry_enter(), interrupts off.
 */
noinstr void __pvfault_told(struct pt_regs *regs, pvfault_token_t token,
			    enum pvfault_kind kind)
{
	/* Before interrupts are on, so that no READY for all since then is missed. */
	u32 generation = pvfault_generation_read();
	irqentry_state_t state = irqentry_enter(regs);

	instrumentation_begin();
	if (kind == PVFAULT_NOT_PRESENT)
		pvfault_not_present(regs, token, generation);
	else
		pvfault_ready_fault(regs, token, kind);
	instrumentation_end();

	irqentry_exit(regs, state);
}

/**
 * pvfault_wait() - NOT_PRESENT that didn't come as a #PF of this task
 * @token: of the missing page
 * @generation: pvfault_generation() when the backend learnt of it
 * @cpu: the notified CPU, or -1 if it isn't known; a lost READY is then looked for on
 *	all CPUs
 *
 * For a backend that learns of a missing page somewhere else and sends the
 * task to sleep later, maybe on another CPU.
 *
 * Context: process context that may sleep, but with interrupts off, which are
 * on while it sleeps. A backend must be registered, or have been.
 */
void pvfault_wait(pvfault_token_t token, u32 generation, int cpu)
{
	const struct pvfault_told told = {
		.token = token,
		.generation = generation,
		.cpu = cpu >= 0 && cpu < nr_cpu_ids && cpu_possible(cpu) ? cpu : PVFAULT_ANY_CPU,
		.since = jiffies,
	};

	pvfault_note(not_present, token);
	pvfault_note(deferred, token);
	if (likely(READ_ONCE(pvfault_mode) != PVFAULT_MODE_OFF)) {
		pvfault_wait_for(&told, NULL);
		return;
	}
	pvfault_note(rejected_mode, token);
	pvfault_note(rejected, token);
	pvfault_table_forget(token, generation);
}
