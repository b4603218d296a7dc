// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that have just been allocated and are about to be cleared.
 *
 * A host takes free pages, too. When the guest allocates one again, the first to touch
 * it is clear_page(). There no task may sleep: clear_page() also runs for allocations
 * that must not sleep, and in alloc_pages_bulk() with a lock held. So the page allocator
 * calls pvfault_page_in() before it clears pages. If the allocation may sleep, each page
 * is touched there by the one instruction of pvfault_touch(), where pvfault_may_sleep()
 * lets the task wait for the host.
 *
 * The touch stores zero. A load would cost a host twice where it has never populated the
 * page: it maps its zero page for the load, and replaces it for the store that follows;
 * if it maps a huge zero page, it splits it, and the guest's memory stays in small pages.
 * A store is right only if the page is cleared next: pvfault_page_in() asks what
 * post_alloc_hook() asks before it clears.
 *
 * The hook in the allocator is a static key:
 *
 *	off	at boot; a guest whose host takes no free pages pays one no-op
 *	on	when the host has announced a page at an instruction that clears pages
 *	off	after five minutes without a wait at the touch; without a backend
 */

#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/jump_label.h>
#include <linux/mm.h>
#include <linux/pvfault_alloc.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include <asm/asm.h>
#include <asm/extable.h>
#include <asm/page.h>
#include <asm/ptrace.h>

#include "internal.h"

/* pvfault_touch() is not longer than this. */
#define PVFAULT_TOUCH_SIZE	64

DEFINE_STATIC_KEY_FALSE(pvfault_alloc_enabled);

/* So long without a wait at the touch: no free page is missing any more. */
unsigned long pvfault_alloc_idle __read_mostly = 300 * HZ;

/* Waits at the touch when they were last looked at. Work item only. */
static unsigned long pvfault_alloc_waits;

static void pvfault_alloc_enable(struct work_struct *unused);
static void pvfault_alloc_check(struct work_struct *unused);
static void pvfault_alloc_queue(struct irq_work *unused);

static DECLARE_WORK(pvfault_alloc_work, pvfault_alloc_enable);
static DECLARE_DELAYED_WORK(pvfault_alloc_idle_work, pvfault_alloc_check);
static DEFINE_IRQ_WORK(pvfault_alloc_irq_work, pvfault_alloc_queue);

static void pvfault_alloc_enable(struct work_struct *unused)
{
	pvfault_alloc_waits = pvfault_count(PVFAULT_NR_sleep_alloc);
	static_branch_enable(&pvfault_alloc_enabled);
	schedule_delayed_work(&pvfault_alloc_idle_work, pvfault_alloc_idle);
}

static void pvfault_alloc_check(struct work_struct *unused)
{
	unsigned long waits = pvfault_count(PVFAULT_NR_sleep_alloc);

	if (waits == pvfault_alloc_waits) {
		static_branch_disable(&pvfault_alloc_enabled);
		return;
	}
	pvfault_alloc_waits = waits;
	schedule_delayed_work(&pvfault_alloc_idle_work, pvfault_alloc_idle);
}

static void pvfault_alloc_queue(struct irq_work *unused)
{
	schedule_work(&pvfault_alloc_work);
}

/*
 * Do @regs show that pages are about to be cleared? They are if zero is to be stored from
 * the beginning of a page on, with whole pages left, by "rep stosb" or "rep stosq". These
 * stand in functions of their own, or, in later kernels, wherever pages are cleared. A
 * processor for which neither is good, which is very old, isn't recognised.
 */
static bool pvfault_clears_page(const struct pt_regs *regs)
{
#ifdef CONFIG_X86_64
	unsigned long left = regs->cx;
	u8 insn[3];

	if (regs->ax || !PAGE_ALIGNED(regs->di) || regs->di < TASK_SIZE_MAX ||
	    copy_from_kernel_nofault(insn, (void *)regs->ip, sizeof(insn)) || insn[0] != 0xf3)
		return false;
	if (insn[1] == 0x48 && insn[2] == 0xab)
		left *= sizeof(u64);
	else if (insn[1] != 0xaa)
		return false;
	return left && PAGE_ALIGNED(left);
#else
	return false;
#endif
}

/**
 * pvfault_alloc_refused() - a NOT_PRESENT in kernel mode had to be refused
 * @regs: of the #PF
 *
 * If it came while a page was cleared, this host takes free pages: enable the hook. By
 * irq_work, because the interrupted code may hold any lock.
 *
 * Context: as pvfault_may_sleep().
 */
void pvfault_alloc_refused(const struct pt_regs *regs)
{
	if (!static_key_enabled(&pvfault_alloc_enabled) && pvfault_kernel_mode() &&
	    pvfault_clears_page(regs))
		irq_work_queue(&pvfault_alloc_irq_work);
}

/**
 * pvfault_alloc_stop() - disable the hook in the page allocator
 *
 * Context: process context, may sleep; no backend announces pages any more.
 */
void pvfault_alloc_stop(void)
{
	irq_work_sync(&pvfault_alloc_irq_work);
	cancel_work_sync(&pvfault_alloc_work);
	cancel_delayed_work_sync(&pvfault_alloc_idle_work);
	static_branch_disable(&pvfault_alloc_enabled);
}

/**
 * pvfault_touch() - clear the first octet of a page where the task may sleep
 * @page: in the kernel's memory; need not be mapped (debug_pagealloc=)
 *
 * A memory error is passed over, too: clear_page() may overwrite it without a load.
 *
 * Context: process context that may sleep; elsewhere a missing page isn't waited for.
 */
noinline __noclone void pvfault_touch(void *page)
{
	asm volatile("1:\tmovb $0, %0\n"
		     "2:\n"
		     _ASM_EXTABLE_TYPE(1b, 2b, EX_TYPE_DEFAULT_MCE_SAFE)
		     : "=m" (*(char *)page));
}

/**
 * pvfault_touches() - is this the instruction of pvfault_touch() that touches the page?
 * @regs: of the #PF
 *
 * Not by a label of its own, which would stand for pvfault_touch() in each backtrace.
 *
 * Context: any.
 * Return: true if so.
 */
bool pvfault_touches(const struct pt_regs *regs)
{
	return regs->ip - (unsigned long)pvfault_touch < PVFAULT_TOUCH_SIZE &&
	       ex_get_fixup_type(regs->ip) == EX_TYPE_DEFAULT_MCE_SAFE;
}

/* Does post_alloc_hook() clear the pages of an allocation with @gfp? */
static bool pvfault_clears(gfp_t gfp)
{
	return !want_init_on_free() && want_init_on_alloc(gfp) &&
	       !page_poisoning_enabled_static();
}

/* May the task wait for a disk in an allocation with @gfp? */
static bool pvfault_may_wait(gfp_t gfp)
{
#ifdef CONFIG_PSI
	/* It would count as memory pressure of this guest. */
	if (current->in_memstall)
		return false;
#endif
	/* An allocation that must not fail may come with the OOM killer's lock. */
	if (gfp & __GFP_NOFAIL)
		return false;
	/* A huge page isn't worth reclaim, but its allocation is a page fault's. */
	return gfpflags_allow_blocking(gfp) ||
	       (gfp & GFP_TRANSHUGE_LIGHT) == GFP_TRANSHUGE_LIGHT;
}

/* pvfault_page_in(), when the hook is enabled. */
void __pvfault_page_in(struct page *page, unsigned int order, gfp_t gfp)
{
	unsigned int i;

	if (!pvfault_clears(gfp) || !pvfault_may_wait(gfp))
		return;
	for (i = 0; i < 1U << order; i++)
		if (!PageHighMem(page + i))
			pvfault_touch(page_address(page + i));
}
