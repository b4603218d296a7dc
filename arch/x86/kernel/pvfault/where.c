// SPDX-License-Identifier: GPL-2.0
/*
 * Where may a notified task sleep?
 *
 * In user mode everywhere: it holds nothing (entry.c). In kernel mode exactly where a
 * genuine page fault of its own may put it to sleep, and nowhere else:
 *
 *	insn	the instruction accesses user memory: it has an entry for that
 *		in the exception table, and is allowed to (SMAP)
 *	no_mm	there is user memory
 *	atomic	page faults are not disabled, and nothing is known that forbids
 *		sleeping (faulthandler_disabled(), as the fault handler asks; and
 *		rcu_preempt_depth(), which is also where PREEMPT_RT counts its
 *		spinlocks and disabled softirqs)
 *	irqs	interrupts are on
 *	state	the task is TASK_RUNNING
 *
 * The proof: such an instruction may take a genuine fault at any time, because no
 * user page is sure to stay mapped, and the fault handler then takes mmap_lock,
 * allocates and reads from disks. So code that runs it there is prepared to be put
 * to sleep at this instruction. It doesn't matter whether the page that is out is the
 * one in user memory: pread() copies out of the page cache, and either of the two
 * pages may be out. The proof doesn't depend on the preempt count, which sees no
 * spinlock when CONFIG_PREEMPT_COUNT is off.
 *
 * Being preemptible is much less. A task can be preempted between
 * set_special_state() and schedule(), where sleeping would lose its state; while
 * it edits its block plug, which schedule() flushes; in the accounting of a
 * workqueue, which schedule() calls; in an ftrace trampoline and as an RCU reader,
 * where a voluntary schedule() says that it isn't there; between kernel_fpu_begin()
 * and end; with a spinlock. None of these runs an instruction that accesses user
 * memory, unless with page faults disabled. Documentation/virt/pvfault/kernel-mode.rst
 * has this case by case.
 *
 * The entry's type has to be that of user memory. Entries for instructions that may
 * fail have other types (MSRs, segments), and so have those that may cross into a
 * missing kernel page (load_unaligned_zeropad(), as an RCU reader, and
 * copy_mc_to_kernel()). EX_TYPE_UACCESS is meant for user memory alone, EX_TYPE_IMM_REG
 * for it (unsafe_get_user(), with compilers that lack asm goto outputs) and FPU state.
 *
 * Even EX_TYPE_UACCESS is not enough. csum_partial_copy_generic() copies between user
 * and kernel, but also from kernel to kernel, then with any lock held; so does
 * copy_to_nontemporal(), and the decoder of FineIBT's traps reads kernel text like this.
 * With SMAP these differ: an access to user memory has AC set, without AC the fault
 * handler itself gives up, and objtool checks that nothing else is called with AC set.
 * Without SMAP only EX_TYPE_UACCESS counts, and the two functions are known by their
 * addresses. With IBT but without SMAP, which no vendor builds, no task sleeps in kernel
 * mode.
 *
 * In Linux 6.1 the instructions of copy_user_generic() have a type of their own, with
 * those of copy_to_nontemporal(), which sets AC whatever it copies.
 *
 * Two more instructions count, with user memory or without: the touches of ahead.c. One
 * touches a page that has just been allocated and is about to be cleared, and the free
 * pages after it, if the allocation may wait for memory to be reclaimed, that is for
 * disks. The caller of such an allocation is prepared to be put to sleep in it, and
 * might_alloc() checks that. The other touches pages that filemap_read() is about to copy,
 * between two places where that waits for disks itself.
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
