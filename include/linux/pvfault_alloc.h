/* SPDX-License-Identifier: GPL-2.0 */
/* The hooks in memory management. For mm/page_alloc.c, memory.c and filemap.c only. */
#ifndef _LINUX_PVFAULT_ALLOC_H
#define _LINUX_PVFAULT_ALLOC_H

#include <linux/types.h>

struct folio;
struct folio_batch;
struct page;

#ifdef CONFIG_PVFAULT
#include <linux/jump_label.h>

DECLARE_STATIC_KEY_FALSE(pvfault_alloc_enabled);
DECLARE_STATIC_KEY_FALSE(pvfault_read_enabled);

void __pvfault_page_in(struct page *page, unsigned int order, gfp_t gfp);
void __pvfault_folio_in(struct folio *folio);
void __pvfault_read_in(struct folio_batch *fbatch, loff_t pos, loff_t end);

/* What mm/page_alloc.c does for pvfault; see there. */
struct page *take_unprepared_page(const struct page *page, gfp_t gfp);
void give_unprepared_page(struct page *page);
#endif

/**
 * pvfault_page_in() - let the task wait now for pages that it is about to clear
 * @page: the first of them, just allocated
 * @order: there are 2^@order
 * @gfp: of the allocation; tells whether it may sleep, and whether they are cleared
 *
 * The host may have taken free pages, too. clear_page() can't be waited for, since it
 * also runs where nobody may sleep. One patched no-op until a task has met such a page.
 *
 * Context: of an allocation with @gfp, with nothing held that the allocation's caller
 * doesn't know of.
 */
static inline void pvfault_page_in(struct page *page, unsigned int order, gfp_t gfp)
{
#ifdef CONFIG_PVFAULT
	if (static_branch_unlikely(&pvfault_alloc_enabled))
		__pvfault_page_in(page, order, gfp);
#endif
}

/**
 * pvfault_folio_in() - let the task wait now for a folio that it is about to clear
 * @folio: of user memory, and not mapped yet
 *
 * Where the allocator clears all pages itself, pvfault_page_in() has waited for them.
 * One patched no-op until a task has met such a page.
 *
 * Context: may sleep.
 */
static inline void pvfault_folio_in(struct folio *folio)
{
#ifdef CONFIG_PVFAULT
	if (static_branch_unlikely(&pvfault_alloc_enabled))
		__pvfault_folio_in(folio);
#endif
}

/**
 * pvfault_read_in() - let the task wait now, and once, for what it is about to copy
 * @fbatch: folios of a file, in order; the caller has references on them
 * @pos: where in the file the copy begins
 * @end: where it ends
 * @nowait: the caller mustn't sleep
 *
 * One patched no-op until a task has waited for a page in kernel mode.
 *
 * Context: may sleep, but for @nowait.
 */
static inline void pvfault_read_in(struct folio_batch *fbatch, loff_t pos, loff_t end,
				   bool nowait)
{
#ifdef CONFIG_PVFAULT
	if (static_branch_unlikely(&pvfault_read_enabled) && !nowait)
		__pvfault_read_in(fbatch, pos, end);
#endif
}

#endif /* _LINUX_PVFAULT_ALLOC_H */
