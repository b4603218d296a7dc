// SPDX-License-Identifier: GPL-2.0
/*
 * From the page-fault hook to the table: sleep or refuse. Where a task may sleep
 * is decided in where.c.
 *
 * The recogniser, which the hook in asm/pvfault.h calls, runs before
 * irqentry_enter(): if it says no, the fault goes on as if it had never been
 * looked at.
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
	if (likely(user_mode(regs))) {
		/* It holds nothing, so it may also be frozen. */
		pvfault_table_sleep(token, generation, smp_processor_id(),
				    TASK_KILLABLE | TASK_FREEZABLE);
	} else if (!pvfault_may_sleep(regs, token)) {
		pvfault_refuse(regs, token, generation);
	} else if (pvfault_table_sleep(token, generation, smp_processor_id(),
				       TASK_KILLABLE)) {
		pvfault_note(sleep_kernel, token);
		if (pvfault_touches(regs))
			pvfault_note(sleep_alloc, token);
	}
}

/**
 * __pvfault_not_present() - the whole #PF of a NOT_PRESENT, entry and exit included
 * @regs: of the interrupted context
 * @token: of the missing page
 *
 * Context: #PF entry, before irqentry_enter(), interrupts off.
 */
noinstr void __pvfault_not_present(struct pt_regs *regs, pvfault_token_t token)
{
	/* Before interrupts are on: no READY for all since it was told is missed. */
	u32 generation = pvfault_generation_read();
	irqentry_state_t state = irqentry_enter(regs);

	instrumentation_begin();
	pvfault_not_present(regs, token, generation);
	instrumentation_end();

	irqentry_exit(regs, state);
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
