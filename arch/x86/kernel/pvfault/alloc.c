// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that have just been allocated and are about to be cleared.
 *
 * A host takes free pages, too. When the guest allocates one again, the first to touch
 * it is clear_page(). There no task may sleep: clear_page() also runs for allocations
 * that must not sleep, and in alloc_pages_bulk() with a lock held. So the page allocator
 * calls pvfault_page_in() before it clears pages. If the allocation may sleep, each page
 * is touched there by the one instruction of pvfault_touch_alloc() (ahead.c), where
 * pvfault_may_sleep() lets the task wait for the host.
 *
 * The touch stores zero. A load would cost a host twice where it has never populated the
 * page: it maps its zero page for the load, and replaces it for the store that follows;
 * if it maps a huge zero page, it splits it, and the guest's memory stays in small pages.
 * A store is right only if the page is cleared next: pvfault_page_in() asks what
 * post_alloc_hook() asks before it clears.
 *
 * Huge pages of processes that the allocator leaves as they are (init_on_alloc=0) are
 * cleared by folio_zero_user(), which calls pvfault_folio_in() first. There every task may
 * sleep.
 *
 * The hook is armed when the host has said NOT_PRESENT at an instruction that clears
 * pages (hook.c).
 */

#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/pvfault_alloc.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include <asm/page.h>
#include <asm/ptrace.h>

#include "internal.h"

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
 * pvfault_alloc_refused() - a NOT_PRESENT in kernel mode was rejected
 * @regs: of the #PF
 *
 * If it came while a page was cleared, this host takes free pages: arm the hook.
 *
 * Context: as pvfault_may_sleep().
 */
void pvfault_alloc_refused(const struct pt_regs *regs)
{
	if (pvfault_kernel_mode() && pvfault_clears_page(regs))
		pvfault_hook_arm(PVFAULT_HOOK_ALLOC);
}

/* Does post_alloc_hook() clear the pages of an allocation with @gfp? */
static inline bool pvfault_clears(gfp_t gfp)
{
	return !want_init_on_free() && want_init_on_alloc(gfp) &&
	       !page_poisoning_enabled_static();
}

/* May the task wait for a disk in an allocation with @gfp? */
static inline bool pvfault_may_wait(gfp_t gfp)
{
#ifdef CONFIG_PSI
	/* A wait for the host would count as memory pressure of this guest. */
	if (current->in_memstall)
		return false;
#endif
	/* An allocation that must not fail may come with the OOM killer's lock. */
	if (gfp & __GFP_NOFAIL)
		return false;
	/*
	 * A huge page is allocated without permission to reclaim, because it isn't worth
	 * that. But the allocation is made by a page fault, which may sleep.
	 */
	return gfpflags_allow_blocking(gfp) ||
	       (gfp & GFP_TRANSHUGE_LIGHT) == GFP_TRANSHUGE_LIGHT;
}

/* pvfault_page_in(), when the hook is enabled. */
void __pvfault_page_in(struct page *page, unsigned int order, gfp_t gfp)
{
	if (pvfault_clears(gfp) && pvfault_may_wait(gfp))
		pvfault_ahead_alloc(page, order, gfp);
}

/* pvfault_folio_in(), when the hook is enabled. */
void __pvfault_folio_in(struct folio *folio)
{
	gfp_t gfp = GFP_HIGHUSER_MOVABLE;

	if (!pvfault_clears(gfp) && pvfault_may_wait(gfp))
		pvfault_ahead_alloc(folio_page(folio, 0), folio_order(folio), gfp);
}
