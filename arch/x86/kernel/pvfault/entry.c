// SPDX-License-Identifier: GPL-2.0
/*
 * From the page-fault hook to the table: recognise, then sleep or refuse. Where
 * a task may sleep is decided in where.c.
 *
 * The recogniser runs before irqentry_enter(): if it says no, the fault goes
 * on as if it had never been looked at. It is reached by a static call, for a
 * call through an ops pointer can't be shown to stay in noinstr text.
 */

#include <linux/entry-common.h>
#include <linux/hardirq.h>
#include <linux/jump_label.h>
#include <linux/sched.h>
#include <linux/static_call.h>

#include <asm/processor-flags.h>
#include <asm/ptrace.h>
#include <asm/pvfault.h>

#include "internal.h"

DEFINE_STATIC_KEY_FALSE(pvfault_enabled);

noinstr bool pvfault_recognise_none(struct pt_regs *regs, unsigned long error_code,
				    unsigned long address, pvfault_token_t *token)
{
	return false;
}

DEFINE_STATIC_CALL(pvfault_recognise, pvfault_recognise_none);

/*
 * Refuse: the task retries, the host waits as if there were no pvfault. The
 * mark that drops the late READY takes locks of the table, which may be held
 * by what was interrupted if that had interrupts off.
 */
static void pvfault_refuse(const struct pt_regs *regs, pvfault_token_t token,
			   u32 generation)
{
	pvfault_note(rejected, token);
	trace_pvfault_rejected_at(token, regs->ip);
	if ((regs->flags & X86_EFLAGS_IF) && !in_nmi())
		pvfault_table_forget(token, generation);
}

/* NOT_PRESENT for the interrupted context. */
static void pvfault_not_present(struct pt_regs *regs, pvfault_token_t token, u32 generation)
{
	pvfault_note(not_present, token);
	if (!pvfault_may_sleep(regs, token))
		pvfault_refuse(regs, token, generation);
	else if (user_mode(regs))
		/* A user-mode wait holds nothing, so it may also be frozen. */
		pvfault_table_sleep(token, generation, smp_processor_id(),
				    TASK_KILLABLE | TASK_FREEZABLE);
	else if (pvfault_table_sleep(token, generation, smp_processor_id(),
				     TASK_KILLABLE))
		pvfault_note(sleep_kernel, token);
}

noinstr struct pvfault_entry __pvfault_enter(struct pt_regs *regs, unsigned long error_code,
					     unsigned long address)
{
	struct pvfault_entry entry;
	pvfault_token_t token;
	/* First, so that READY for all is missed by nobody who has been told. */
	u32 generation = pvfault_generation();

	entry.genuine = !static_call(pvfault_recognise)(regs, error_code, address, &token);
	entry.state = irqentry_enter(regs);
	if (likely(entry.genuine))
		return entry;

	instrumentation_begin();
	pvfault_not_present(regs, token, generation);
	instrumentation_end();

	irqentry_exit(regs, entry.state);
	return entry;
}

/**
 * pvfault_wait() - NOT_PRESENT that didn't come as a #PF of this task
 * @token: of the missing page
 * @generation: pvfault_generation() when the backend learnt of it
 *
 * For a backend that learns of a missing page somewhere else and sends the
 * task to sleep later, maybe on another CPU.
 *
 * Context: process context that may sleep, but with interrupts off, which are
 * on while it sleeps. A backend must be registered, or have been.
 */
void pvfault_wait(pvfault_token_t token, u32 generation)
{
	pvfault_note(not_present, token);
	pvfault_note(deferred, token);
	pvfault_table_sleep(token, generation, PVFAULT_ANY_CPU, TASK_KILLABLE);
}
EXPORT_SYMBOL_GPL(pvfault_wait);
