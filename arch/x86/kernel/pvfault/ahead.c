// SPDX-License-Identifier: GPL-2.0
/*
 * Touching ahead: if the kernel knows which pages come next, it touches all of them, and
 * the task waits once. So a task gets its memory at the disk's bandwidth, not at its
 * latency.
 *
 *	free pages	when the page that is about to be cleared is out, those that
 *			will be allocated next most likely are out, too. They are
 *			taken from the free list unprepared, so that no other task
 *			touches them meanwhile, and go back there unchanged
 *	huge pages	all their small pages, in order
 *	read()		the pages that filemap_read() has looked up and is about to
 *			copy
 *
 * A touch is one instruction. If the host says NOT_PRESENT there, the token joins the
 * batch on the task's stack, which the #PF finds in a register. The instruction is
 * skipped, because a host may hold the virtual CPU when a page that it is already
 * fetching is touched again. For the same reason nothing is touched after the wait.
 *
 * Laws
 *
 *	1. No guess about a task, no write to memory that is in use, no fault: each page
 *	   touched is free, or about to be copied, and mapped by the kernel.
 *	2. Of free pages only the first is touched unless it was out, and nothing after
 *	   the first one that is there.
 *	3. A token joins a batch only where pvfault_may_sleep() would let the task sleep.
 *	4. 16 tokens a task and 32 a CPU at most, of the 64 that a host has outstanding for it.
 *	   Without room the touch waits alone, as everywhere.
 *
 * All of it needs a host that notifies in kernel mode.
 */

#define pr_fmt(fmt) "pvfault: " fmt

#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/kstrtox.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pvfault_alloc.h>
#include <linux/sched/signal.h>

#include <asm/asm.h>
#include <asm/extable.h>
#include <asm/ptrace.h>
#include <asm/pvfault_compat.h>
#include <asm/trapnr.h>

#include "internal.h"

/* Neither touch is longer than this. */
#define PVFAULT_TOUCH_SIZE	64

/* Pages at once. 0 and 1: each alone. */
unsigned int pvfault_ahead __read_mostly = PVFAULT_BATCH;

/**
 * pvfault_set_ahead() - set how many pages are touched at once
 * @pages: 0 to 16; 0 and 1: each is waited for alone
 *
 * Context: any.
 * Return: 0, or -EINVAL if out of range; the old value then stays.
 */
int pvfault_set_ahead(unsigned int pages)
{
	if (pages > PVFAULT_BATCH)
		return -EINVAL;
	WRITE_ONCE(pvfault_ahead, pages);
	return 0;
}

static int __init pvfault_ahead_param(char *arg)
{
	unsigned int pages;

	if (!arg || kstrtouint(arg, 0, &pages) || pvfault_set_ahead(pages))
		pr_warn("pvfault_ahead=%s is not in 0..%u, using %u\n", arg ?: "",
			PVFAULT_BATCH, PVFAULT_BATCH);
	return 0;
}
early_param("pvfault_ahead", pvfault_ahead_param);

/**
 * pvfault_touch_alloc() - clear the first octet of a page that is not in use
 * @page: in the kernel's memory; need not be mapped (debug_pagealloc=)
 * @b: the batch for its token if the page is out; not full
 *
 * A memory error is passed over, too, because the next user of the page can handle it.
 *
 * Context: any; where a task mustn't sleep it doesn't wait for the host.
 * Return: true if the page is out, so that the task has to wait for @b.
 */
noinline __noclone bool pvfault_touch_alloc(void *page, struct pvfault_batch *b)
{
	unsigned long told = false;

	asm volatile("1:\tmovb $0, (%1)\n"
		     "2:\n"
		     _ASM_EXTABLE_TYPE(1b, 2b, EX_TYPE_DEFAULT_MCE_SAFE)
		     : "+a" (told)
		     : "D" (page), "S" (b)
		     : "cc", "memory");
	return told;
}

/**
 * pvfault_touch_read() - read the first octet of a page
 * @page: in the kernel's memory
 * @b: the batch for its token if the page is out; not full
 *
 * Context: as pvfault_touch_alloc().
 * Return: as pvfault_touch_alloc().
 */
noinline __noclone bool pvfault_touch_read(const void *page, struct pvfault_batch *b)
{
	unsigned long told = false;

	asm volatile("1:\tcmpb $0, (%1)\n"
		     "2:\n"
		     _ASM_EXTABLE_TYPE(1b, 2b, EX_TYPE_DEFAULT_MCE_SAFE)
		     : "+a" (told)
		     : "D" (page), "S" (b)
		     : "cc", "memory");
	return told;
}

/**
 * pvfault_touch() - is this an instruction that touches a page ahead?
 * @regs: of the #PF
 *
 * There is one in each of the two functions above. The address range of the function
 * tells, because a label at the instruction would hide the function in backtraces.
 *
 * Context: any.
 * Return: which of them, or PVFAULT_TOUCH_NONE.
 */
enum pvfault_touch pvfault_touch(const struct pt_regs *regs)
{
	/* Offsets from the two functions; very large if before them. They are neighbours. */
	unsigned long alloc = regs->ip - (unsigned long)pvfault_touch_alloc;
	unsigned long read = regs->ip - (unsigned long)pvfault_touch_read;

	if (min(alloc, read) >= PVFAULT_TOUCH_SIZE ||
	    ex_get_fixup_type(regs->ip) != EX_TYPE_DEFAULT_MCE_SAFE)
		return PVFAULT_TOUCH_NONE;
	return alloc < read ? PVFAULT_TOUCH_ALLOC : PVFAULT_TOUCH_READ;
}

/**
 * pvfault_clear_ip() - where pages are touched that are cleared next
 *
 * For a backend with a host that can give a page of zeroes then, and has nothing to fetch: one
 * instruction, which touches no other pages, with the page's address in RDI.
 *
 * Context: any.
 * Return: the address of the instruction.
 */
unsigned long pvfault_clear_ip(void)
{
	unsigned long ip = (unsigned long)pvfault_touch_alloc;

	while (ex_get_fixup_type(ip) != EX_TYPE_DEFAULT_MCE_SAFE)
		ip++;
	return ip;
}

/**
 * pvfault_ahead_told() - NOT_PRESENT at a touch: the batch waits for it, not the touch
 * @regs: of the #PF; changed to go on behind the touch
 * @told: the task's notification
 *
 * Context: as pvfault_batch_add(), where pvfault_may_sleep().
 * Return: as pvfault_batch_add().
 */
int pvfault_ahead_told(struct pt_regs *regs, const struct pvfault_told *told)
{
	struct pvfault_batch *b = (struct pvfault_batch *)regs->si;
	int waits;

	pvfault_probe_missing();
	waits = pvfault_batch_add(b, told);
	if (waits < 0)
		return waits;
	if (waits && b->n > 1)
		pvfault_note(ahead, told->token);
	fixup_exception(regs, X86_TRAP_PF, 0, 0);
	regs->ax = true;
	return waits;
}

/* May one more page be touched before the wait? The first one in any case. */
static bool pvfault_ahead_room(const struct pvfault_batch *b)
{
	return !b->n || (b->n < READ_ONCE(pvfault_ahead) && pvfault_batch_room(b));
}

/*
 * Functions that are noinline keep what is seldom needed out of the way of the rest: an
 * armed hook runs for each page that is cleared, and for each read().
 */

/*
 * The first page that will be cleared is out: touch the next ones on the free list. They
 * go back in such an order that they will be allocated as before.
 */
static void pvfault_ahead_free_pages(const struct page *page, gfp_t gfp,
				     struct pvfault_batch *b, struct list_head *taken)
{
	struct page *next;

	while (pvfault_ahead_room(b)) {
		next = take_unprepared_page(page, gfp);
		if (!next)
			break;
		list_add(&next->lru, taken);
		if (!pvfault_touch_alloc(page_address(next), b)) {
			pvfault_note(ahead_present, page_to_pfn(next));
			break;
		}
	}
}

/* Wait for @page and for those that will be allocated next. */
static noinline void pvfault_ahead_next(const struct page *page, gfp_t gfp,
					struct pvfault_batch *b)
{
	struct page *next, *tmp;
	LIST_HEAD(taken);

	pvfault_ahead_free_pages(page, gfp, b, &taken);
	pvfault_batch_wait(b);
	list_for_each_entry_safe(next, tmp, &taken, lru) {
		pvfault_note(ahead_back, page_to_pfn(next));
		give_unprepared_page(next);
	}
}

static noinline void pvfault_ahead_pages(struct page *page, unsigned int order,
					 struct pvfault_batch *b)
{
	unsigned int i;

	for (i = 0; i < 1U << order && !PageHighMem(page); i++) {
		if (!pvfault_ahead_room(b))
			pvfault_batch_wait(b);
		pvfault_touch_alloc(page_address(page + i), b);
	}
	pvfault_batch_wait(b);
}

/**
 * pvfault_ahead_alloc() - wait for pages that are about to be cleared
 * @page: the first of them, just allocated
 * @order: there are 2^@order
 * @gfp: of the allocation
 *
 * Context: process context that may sleep.
 */
void pvfault_ahead_alloc(struct page *page, unsigned int order, gfp_t gfp)
{
	struct pvfault_batch b __uninitialized;

	pvfault_batch_init(&b);
	if (order || PageHighMem(page))
		pvfault_ahead_pages(page, order, &b);
	else if (unlikely(pvfault_touch_alloc(page_address(page), &b)) && b.n)
		pvfault_ahead_next(page, gfp, &b);
}

/* Touch the part of @folio between @pos and @end of the file. */
static void pvfault_ahead_folio(struct folio *folio, loff_t pos, loff_t end,
				struct pvfault_batch *b)
{
	loff_t start = folio_pos(folio);
	size_t from = max(pos, start) - start;
	size_t to = min_t(loff_t, end - start, folio_size(folio));

	for (from = round_down(from, PAGE_SIZE); from < to; from += PAGE_SIZE) {
		if (!pvfault_ahead_room(b) && pvfault_batch_wait(b) &&
		    fatal_signal_pending(current))
			return;
		pvfault_touch_read(folio_address(folio) + from, b);
	}
}

static noinline void pvfault_ahead_read(struct folio_batch *fbatch, loff_t pos, loff_t end)
{
	struct pvfault_batch b __uninitialized;
	unsigned int i;

	pvfault_batch_init(&b);
	for (i = 0; i < folio_batch_count(fbatch); i++) {
		struct folio *folio = fbatch->folios[i];

		if (folio_test_highmem(folio) || folio_pos(folio) >= end)
			break;
		pvfault_ahead_folio(folio, pos, end, &b);
	}
	pvfault_batch_wait(&b);
}

/* pvfault_read_in(), when the hook is enabled. A single page gains nothing. */
void __pvfault_read_in(struct folio_batch *fbatch, loff_t pos, loff_t end)
{
	if (READ_ONCE(pvfault_ahead) > 1 && pos >> PAGE_SHIFT != (end - 1) >> PAGE_SHIFT)
		pvfault_ahead_read(fbatch, pos, end);
}

/* If memory management lacks these functions, no free page is touched ahead. */
struct page * __weak take_unprepared_page(const struct page *page, gfp_t gfp)
{
	return NULL;
}

void __weak give_unprepared_page(struct page *page)
{
}
