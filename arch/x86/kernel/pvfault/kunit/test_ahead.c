// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit: pages that are touched ahead, and waited for together. Eight pages are missing:
 * they are unmapped, and the backend claims the faults. A fault that came twice would be
 * genuine, and not be passed over by what comes after the touch.
 */

#include <linux/bits.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/pvfault_alloc.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/set_memory.h>

#include <asm/page.h>
#include <asm/pvfault_compat.h>
#include <asm/tlbflush.h>

#include "pvfault_test.h"

#define ORDER	3
#define PAGES	8	/* of that order */
#define PATTERN	0x5a

static struct folio *folio;	/* of PAGES, the first ones are missing */

static void take_away(struct kunit *test, unsigned int n)
{
	unsigned long address;
	struct page *pages;
	unsigned int i;

	pages = alloc_pages(GFP_KERNEL | __GFP_COMP, ORDER);
	KUNIT_ASSERT_NOT_NULL(test, pages);
	folio = page_folio(pages);
	folio->index = 0;
	address = (unsigned long)page_address(pages);
	memset((void *)address, PATTERN, PAGES * PAGE_SIZE);
	for (i = 0; i < n; i++)
		KUNIT_EXPECT_EQ(test, 0, set_direct_map_invalid_noflush(pages + i));
	flush_tlb_kernel_range(address, address + n * PAGE_SIZE);
	pvt_host.fault_token = pvt_fresh_tokens(n);
	pvt_host.address = address;
	pvt_host.pages = n;
	WRITE_ONCE(pvt_host.faults, n);
}

/* Give all back. @cleared: in which of them the first octet should have been cleared. */
static void bring_back(struct kunit *test, unsigned int cleared)
{
	char *p = folio_address(folio);
	unsigned int i, wrong = 0;

	for (i = 0; i < pvt_host.pages; i++)
		set_direct_map_default_noflush(folio_page(folio, i));
	for (i = 0; i < PAGES; i++)
		wrong += p[i * PAGE_SIZE] != (cleared & BIT(i) ? 0 : PATTERN) ||
			 p[i * PAGE_SIZE + 1] != PATTERN;
	KUNIT_EXPECT_EQ(test, wrong, 0);
	pvt_host.address = 0;
	pvt_host.pages = 0;
	folio_put(folio);
}

static struct {
	struct completion back;
	void (*touch)(void);
	bool wrong;
} toucher;

static int toucher_thread(void *unused)
{
	allow_signal(SIGKILL);
	toucher.touch();
	toucher.wrong = irqs_disabled() || !task_is_running(current);
	flush_signals(current);
	complete(&toucher.back);
	return 0;
}

static struct task_struct *toucher_start(struct kunit *test, void (*touch)(void))
{
	struct task_struct *task;

	toucher.touch = touch;
	init_completion(&toucher.back);
	task = kthread_create(toucher_thread, NULL, "pvfault_test/t");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	get_task_struct(task);
	wake_up_process(task);
	return task;
}

static void toucher_end(struct kunit *test, struct task_struct *task)
{
	pvt_expect_back_from_kernel(test, &toucher.back);
	kthread_stop(task);
	put_task_struct(task);
	KUNIT_EXPECT_FALSE(test, toucher.wrong);
	KUNIT_EXPECT_EQ(test, pvt_host.faults, 0);
}

static void ready_range(pvfault_token_t token, unsigned int n)
{
	while (n--)
		pvfault_ready(token++);
}

static void expect_batched(struct kunit *test, unsigned int n)
{
	unsigned int sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += pvfault_table_batched(cpu);
	KUNIT_EXPECT_EQ(test, sum, n);
}

static void clear_all(void)
{
	pvfault_ahead_alloc(folio_page(folio, 0), ORDER, GFP_KERNEL | __GFP_ZERO);
}

/* All are told at once, and the last READY wakes, none before. */
static void test_alloc(struct kunit *test)
{
	struct task_struct *task;

	take_away(test, PAGES);
	task = toucher_start(test, clear_all);
	pvt_expect_asleep(test, PAGES);
	expect_batched(test, PAGES);
	ready_range(pvt_host.fault_token + 1, PAGES - 1);
	pvt_expect_asleep(test, 1);
	KUNIT_EXPECT_FALSE(test, completion_done(&toucher.back));
	pvfault_ready(pvt_host.fault_token);
	toucher_end(test, task);
	expect_batched(test, 0);
	/* Skipped, not repeated: nothing was stored. */
	bring_back(test, 0);
	expect_counts(test, PAGES, N(not_present, PAGES), N(sleep, PAGES),
		      N(sleep_kernel, PAGES), N(sleep_alloc, PAGES), N(ahead, PAGES - 1),
		      N(wake, PAGES), N(ready, PAGES));
}

/* No more at once than is asked for. */
static void test_window(struct kunit *test)
{
	unsigned int ahead = pvfault_ahead, i;
	struct task_struct *task;

	KUNIT_EXPECT_EQ(test, pvfault_set_ahead(PVFAULT_BATCH + 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, pvfault_set_ahead(2), 0);
	take_away(test, 4);
	task = toucher_start(test, clear_all);
	for (i = 0; i < 4; i += 2) {
		pvt_expect_asleep(test, 2);
		ready_range(pvt_host.fault_token + i, 2);
	}
	toucher_end(test, task);
	pvfault_set_ahead(ahead);
	bring_back(test, GENMASK(PAGES - 1, 4));
	expect_counts(test, 4, N(not_present, 4), N(sleep, 4), N(sleep_kernel, 4),
		      N(sleep_alloc, 4), N(ahead, 2), N(wake, 4), N(ready, 4));
}

/* A fatal signal: what was left is dropped when it comes. */
static void test_kill(struct kunit *test)
{
	struct task_struct *task;

	take_away(test, PAGES);
	task = toucher_start(test, clear_all);
	pvt_expect_asleep(test, PAGES);
	pvfault_ready(pvt_host.fault_token);
	KUNIT_EXPECT_EQ(test, send_sig(SIGKILL, task, 1), 0);
	toucher_end(test, task);
	expect_batched(test, PAGES - 1);
	ready_range(pvt_host.fault_token + 1, PAGES - 1);
	expect_batched(test, 0);
	bring_back(test, 0);
	expect_counts(test, 1, N(not_present, PAGES), N(sleep, PAGES), N(sleep_kernel, PAGES),
		      N(sleep_alloc, PAGES), N(ahead, PAGES - 1), N(wake, 1),
		      N(abandoned, PAGES - 1), N(ready, PAGES), N(dropped, PAGES - 1));
}

static void test_ready_for_all(struct kunit *test)
{
	struct task_struct *task;

	take_away(test, PAGES);
	task = toucher_start(test, clear_all);
	pvt_expect_asleep(test, PAGES);
	pvfault_ready_all();
	toucher_end(test, task);
	expect_batched(test, 0);
	bring_back(test, 0);
	expect_counts(test, 0, N(not_present, PAGES), N(sleep, PAGES), N(sleep_kernel, PAGES),
		      N(sleep_alloc, PAGES), N(ahead, PAGES - 1), N(wake, PAGES),
		      N(wake_all, 1));
}

static void read_some(loff_t pos, loff_t end)
{
	struct folio_batch fbatch;

	folio_batch_init(&fbatch);
	folio_batch_add(&fbatch, folio);
	__pvfault_read_in(&fbatch, pos, end);
}

static void read_all(void)
{
	read_some(100, PAGES * PAGE_SIZE);
}

/* What is copied next is read, and not written to. */
static void test_read(struct kunit *test)
{
	struct task_struct *task;

	take_away(test, PAGES);
	task = toucher_start(test, read_all);
	pvt_expect_asleep(test, PAGES);
	KUNIT_EXPECT_NE(test, pvt_host.ip, pvfault_clear_ip());
	ready_range(pvt_host.fault_token, PAGES);
	toucher_end(test, task);
	bring_back(test, 0);
	expect_counts(test, PAGES, N(not_present, PAGES), N(sleep, PAGES),
		      N(sleep_kernel, PAGES), N(sleep_read, PAGES), N(ahead, PAGES - 1),
		      N(wake, PAGES), N(ready, PAGES));
}

/* What isn't copied, what is there, and one page alone are left alone. */
static void test_read_not(struct kunit *test)
{
	unsigned int ahead = pvfault_ahead;

	take_away(test, 2);
	read_some(2 * PAGE_SIZE, PAGES * PAGE_SIZE);
	read_some(0, PAGE_SIZE);
	read_some(PAGE_SIZE + 1, PAGE_SIZE + 2);
	pvfault_set_ahead(0);
	read_some(0, PAGES * PAGE_SIZE);
	pvfault_set_ahead(ahead);
	KUNIT_EXPECT_EQ(test, pvt_host.faults, 2);
	WRITE_ONCE(pvt_host.faults, 0);
	bring_back(test, 0);
	expect_counts(test, 0, 0);
}

static void clear_first(void)
{
	pvfault_ahead_alloc(folio_page(folio, 0), 0, GFP_KERNEL | __GFP_ZERO);
}

/* A free page that is missing: the next one is tried, is there, and goes back. */
static void test_free_pages(struct kunit *test)
{
	struct task_struct *task;

	if (page_poisoning_enabled_static())
		kunit_skip(test, "page_poison=1: free pages must not be written to");
	take_away(test, 1);
	task = toucher_start(test, clear_first);
	pvt_expect_asleep(test, 1);
	pvfault_ready(pvt_host.fault_token);
	toucher_end(test, task);
	bring_back(test, 0);
	expect_counts(test, 1, N(not_present, 1), N(sleep, 1), N(sleep_kernel, 1),
		      N(sleep_alloc, 1), N(wake, 1), N(ready, 1),
		      N(ahead_present, pvt_since(PVFAULT_NR_ahead_back)),
		      N(ahead_back, pvt_since(PVFAULT_NR_ahead_back)));
	KUNIT_EXPECT_LE(test, pvt_since(PVFAULT_NR_ahead_back), 1);
}

/* Nothing was missing: nothing is taken, and the octet is cleared. */
static void test_nothing_missing(struct kunit *test)
{
	take_away(test, 0);
	clear_first();
	bring_back(test, BIT(0));
	expect_counts(test, 0, 0);
}

/* Free pages come and go as they are. */
static void test_lend(struct kunit *test)
{
	struct page *page = alloc_page(GFP_KERNEL), *lent;

	KUNIT_ASSERT_NOT_NULL(test, page);
	lent = take_unprepared_page(page, GFP_KERNEL);
	if (lent) {
		KUNIT_EXPECT_EQ(test, page_count(lent), 0);
		KUNIT_EXPECT_PTR_EQ(test, page_zone(lent), page_zone(page));
		give_unprepared_page(lent);
	}
	__free_page(page);
	if (!lent)
		kunit_skip(test, "none to lend");
}

static struct kunit_case pvfault_ahead_cases[] = {
	KUNIT_CASE(test_alloc),
	KUNIT_CASE(test_window),
	KUNIT_CASE(test_kill),
	KUNIT_CASE(test_ready_for_all),
	KUNIT_CASE(test_read),
	KUNIT_CASE(test_read_not),
	KUNIT_CASE(test_free_pages),
	KUNIT_CASE(test_nothing_missing),
	KUNIT_CASE(test_lend),
	{}
};

static struct kunit_suite pvfault_ahead_suite = {
	.name		= "pvfault_ahead",
	.init		= pvt_init_in_kernel,
	.exit		= pvt_exit,
	.test_cases	= pvfault_ahead_cases,
};

kunit_test_suite(pvfault_ahead_suite);
