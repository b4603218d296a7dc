// SPDX-License-Identifier: GPL-2.0
/*
 * Where may a notified task sleep?
 *
 * In user mode everywhere: it holds nothing (entry.c). In kernel mode exactly where a
 * genuine page fault of its own may put it to sleep, because code that accesses user
 * memory is prepared for such a fault; and where it touches a page that it is about to
 * clear or to copy (ahead.c). All of these must hold, and the first that doesn't is
 * counted as rejected_NAME:
 *
 *	irqs	interrupts are on
 *	mode	pvfault=kernel
 *	no_mm	there is user memory; not needed for a touch of ahead.c
 *	insn	the instruction accesses user memory: it has an entry for that
 *		in the exception table, and is allowed to (SMAP); or it is a touch
 *	atomic	page faults are not disabled, and nothing is known that forbids
 *		sleeping (faulthandler_disabled(), as the fault handler asks; and
 *		rcu_preempt_depth(), which is also where PREEMPT_RT counts its
 *		spinlocks and disabled softirqs)
 *	state	the task is TASK_RUNNING
 *
 * Documentation/virt/pvfault/kernel-mode.rst has the proof, why nothing weaker is enough
 * (being preemptible is not), and why each type of entry counts or doesn't.
 */

#include <linux/cpufeature.h>
#include <linux/extable.h>
#include <linux/init.h>
#include <linux/kallsyms.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include <asm/extable.h>
#include <asm/processor-flags.h>
#include <asm/ptrace.h>

#include "internal.h"

#ifdef CONFIG_X86_64

/* As Linux 6.1 calls it. */
#ifdef copy_to_nontemporal
#define PVFAULT_NONTEMPORAL	"copy_to_nontemporal"
#else
#define PVFAULT_NONTEMPORAL	"__copy_user_nocache"
#endif

/*
 * The functions that copy between user and kernel, and from kernel to kernel. The checksums
 * that a kernel for sanitizers has instead access kernel memory as everybody does. They are
 * found by name: a pointer to a function stands for an indirect call of it, for which these
 * lack the mark (IBT).
 */
static struct {
	const char *name;
	unsigned long start, size;
} pvfault_copiers[] __ro_after_init = {
#ifndef CONFIG_GENERIC_CSUM
	{ .name = "csum_partial_copy_generic" },
#endif
	{ .name = PVFAULT_NONTEMPORAL },
};

static bool pvfault_copiers_known __ro_after_init;

static bool pvfault_in_copier(unsigned long ip)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pvfault_copiers); i++)
		if (ip - pvfault_copiers[i].start < pvfault_copiers[i].size)
			return true;
	return false;
}

static int __init pvfault_copiers_init(void)
{
	unsigned long offset;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pvfault_copiers); i++) {
		pvfault_copiers[i].start = kallsyms_lookup_name(pvfault_copiers[i].name);
		if (!pvfault_copiers[i].start ||
		    !kallsyms_lookup_size_offset(pvfault_copiers[i].start,
						 &pvfault_copiers[i].size, &offset))
			return 0;
	}
	pvfault_copiers_known = true;
	return 0;
}
core_initcall(pvfault_copiers_init);

#else

static const bool pvfault_copiers_known;

static bool pvfault_in_copier(unsigned long ip)
{
	return true;
}

#endif /* CONFIG_X86_64 */

/* Is this user memory that is accessed? Context: as pvfault_may_sleep(). */
static bool pvfault_accesses_user(const struct pt_regs *regs)
{
	bool smap = cpu_feature_enabled(X86_FEATURE_SMAP);

	if (smap && !(regs->flags & X86_EFLAGS_AC))
		return false;
	switch (ex_get_fixup_type(regs->ip)) {
	case EX_TYPE_UACCESS:
		return smap || !pvfault_in_copier(regs->ip);
	case EX_TYPE_IMM_REG:
		return smap;
#ifdef EX_TYPE_COPY	/* as Linux 6.1 has it */
	case EX_TYPE_COPY:
		return pvfault_copiers_known && !pvfault_in_copier(regs->ip);
#endif
	default:
		return false;
	}
}

/**
 * pvfault_may_sleep() - may a task be put to sleep in kernel mode?
 * @regs: of the #PF that turned out to be a NOT_PRESENT there
 * @token: for the traces
 *
 * Counts and traces the first reason against it.
 *
 * Context: after irqentry_enter(), interrupts off.
 * Return: true if it may.
 */
bool pvfault_may_sleep(struct pt_regs *regs, pvfault_token_t token)
{
	bool touches = pvfault_touch(regs) != PVFAULT_TOUCH_NONE, may = false;

	if (!(regs->flags & X86_EFLAGS_IF))
		pvfault_note(rejected_irqs, token);
	else if (!pvfault_kernel_mode())
		pvfault_note(rejected_mode, token);
	else if (!current->mm && (!touches || is_idle_task(current)))
		pvfault_note(rejected_no_mm, token);
	else if (!touches && !pvfault_accesses_user(regs))
		pvfault_note(rejected_insn, token);
	else if (faulthandler_disabled() || rcu_preempt_depth())
		pvfault_note(rejected_atomic, token);
	else if (!task_is_running(current))
		pvfault_note(rejected_state, token);
	else
		may = true;
	if (!may)
		pvfault_alloc_refused(regs);
	return may;
}

/**
 * pvfault_kernel_possible() - can the rule tell where tasks may sleep in kernel mode?
 *
 * Context: any, from core_initcall on.
 * Return: true if so on this processor.
 */
bool pvfault_kernel_possible(void)
{
	/*
	 * Without PREEMPT_COUNT a spinlock doesn't show, so that a caller which is wrong
	 * about its context would not be refused.
	 */
	if (!IS_ENABLED(CONFIG_X86_64) || !IS_ENABLED(CONFIG_PREEMPT_COUNT))
		return false;
	return cpu_feature_enabled(X86_FEATURE_SMAP) ||
	       (pvfault_copiers_known && !cpu_feature_enabled(X86_FEATURE_IBT));
}
