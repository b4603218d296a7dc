// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit: pages that were just allocated, and that the host has taken. The second of two
 * is missing: it is unmapped, and the backend claims the fault. Where the touch is made
 * again, the fault is genuine, and passed over.
 */

#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/iopoll.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/jump_label.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/pvfault_alloc.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/set_memory.h>

#include <asm/page.h>
#include <asm/ptrace.h>
#include <asm/tlbflush.h>

#include "pvfault_test.h"

#define ORDER	1

static struct page *pages;	/* 2^ORDER, the last one is missing */

static void map_last(void)
{
	struct page *last = pages + (1 << ORDER) - 1;

	if (pvt_host.address)
		set_direct_map_default_noflush(last);
	pvt_host.address = 0;
	__free_pages(pages, ORDER);
	pages = NULL;
}

static void unmap_last(struct kunit *test)
{
	struct page *last;
	unsigned long address;

	pages = alloc_pages(GFP_KERNEL | __GFP_COMP, ORDER);
	KUNIT_ASSERT_NOT_NULL(test, pages);
	last = pages + (1 << ORDER) - 1;
	address = (unsigned long)page_address(last);
	if (set_direct_map_invalid_noflush(last)) {
		map_last();
		KUNIT_FAIL_AND_ABORT(test, "can't unmap a page");
	}
	flush_tlb_kernel_range(address, address + PAGE_SIZE);
	pvt_host.fault_token = pvt_fresh_tokens(1);
	pvt_host.address = address;
	WRITE_ONCE(pvt_host.faults, 1);
}

/* The allocating thread, which has no user memory. */
static struct {
	struct mutex lock;		/* held meanwhile */
	struct completion back;
	gfp_t gfp;			/* 0: it clears a folio that it has */
	bool wrong;
} allocator;

static int allocator_thread(void *unused)
{
	allow_signal(SIGKILL);
	mutex_lock(&allocator.lock);
	if (allocator.gfp)
		__pvfault_page_in(pages, ORDER, allocator.gfp);
	else
		__pvfault_folio_in(page_folio(pages));
	allocator.wrong = irqs_disabled() || !task_is_running(current);
	mutex_unlock(&allocator.lock);
	flush_signals(current);
	complete(&allocator.back);
	return 0;
}

static struct task_struct *allocator_start(struct kunit *test, gfp_t gfp)
{
	struct task_struct *task;

	unmap_last(test);
	allocator.gfp = gfp;
	mutex_init(&allocator.lock);
	init_completion(&allocator.back);
	task = kthread_create(allocator_thread, NULL, "pvfault_test/a");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	get_task_struct(task);
	wake_up_process(task);

	pvt_expect_asleep_in_kernel(test, task);
	KUNIT_EXPECT_TRUE(test, mutex_is_locked(&allocator.lock));
	return task;
}

static void allocator_end(struct kunit *test, struct task_struct *task)
{
	pvt_expect_back_from_kernel(test, &allocator.back);
	kthread_stop(task);
	put_task_struct(task);
	KUNIT_EXPECT_FALSE(test, allocator.wrong);
	if (!pvt.stuck)
		map_last();
}

/*
 * A page is touched only if it is cleared next. The boot parameters init_on_free=1 and
 * page_poison=1 let nothing be cleared: the KUnit kernels are booted with them, too.
 */
static bool nothing_is_cleared(void)
{
	return want_init_on_free() || page_poisoning_enabled_static();
}

static bool allocator_clears_user_memory(void)
{
	return !nothing_is_cleared() && want_init_on_alloc(GFP_HIGHUSER_MOVABLE);
}

static void wait_in_allocation(struct kunit *test, gfp_t gfp)
{
	struct task_struct *task;

	if (gfp && nothing_is_cleared())
		kunit_skip(test, "init_on_free=1 or page_poison=1");
	task = allocator_start(test, gfp);

	/* So a host can tell that nobody needs what is in the page. */
	KUNIT_EXPECT_EQ(test, pvt_host.ip, pvfault_clear_ip());
	KUNIT_EXPECT_EQ(test, pvt_host.di, pvt_host.address);
	pvfault_ready(pvt_host.fault_token);
	allocator_end(test, task);
	expect_counts(test, 1, N(not_present, 1), N(sleep, 1), N(sleep_kernel, 1),
		      N(sleep_alloc, 1), N(wake, 1), N(ready, 1));
}

static void test_page_in(struct kunit *test)
{
	wait_in_allocation(test, GFP_KERNEL | __GFP_ZERO);
}

/* The allocation of a huge page doesn't reclaim, and may wait. */
static void test_page_in_huge(struct kunit *test)
{
	wait_in_allocation(test, GFP_TRANSHUGE_LIGHT | __GFP_ZERO);
}

/* One that the allocator hasn't cleared. */
static void test_folio_in(struct kunit *test)
{
	if (allocator_clears_user_memory())
		kunit_skip(test, "init_on_alloc=1");
	wait_in_allocation(test, 0);
}

static void test_page_in_kill(struct kunit *test)
{
	struct task_struct *task;

	if (nothing_is_cleared())
		kunit_skip(test, "init_on_free=1 or page_poison=1");
	task = allocator_start(test, GFP_KERNEL | __GFP_ZERO);
	KUNIT_EXPECT_EQ(test, send_sig(SIGKILL, task, 1), 0);
	allocator_end(test, task);
	pvfault_ready(pvt_host.fault_token);
	expect_counts(test, 0, N(not_present, 1), N(sleep, 1), N(sleep_kernel, 1),
		      N(sleep_alloc, 1), N(abandoned, 1), N(ready, 1), N(dropped, 1));
}

/* What clears pages, as it is found in memory: "rep stosb", and "rep stosq". */
static const u8 rep_stosb[] = { 0xf3, 0xaa, 0xc3 };
static const u8 rep_stosq[] = { 0xf3, 0x48, 0xab };
static const u8 other_insn[] = { 0x48, 0x89, 0x07 };

/* A refusal at @insn, which is to store @value into so many @left from @to on. */
static void refuse(const u8 *insn, unsigned long left, unsigned long to, unsigned long value)
{
	struct pt_regs regs = { .ip = (unsigned long)insn };

	regs.cx = left;
	regs.di = to;
	regs.ax = value;
	pvfault_alloc_refused(&regs);
}

static bool enabled(void)
{
	return static_key_enabled(&pvfault_alloc_enabled);
}

static void await_enabled(struct kunit *test, bool want)
{
	bool is;

	KUNIT_EXPECT_EQ(test, 0, read_poll_timeout(enabled, is, is == want, 20000,
						   WAIT_MS * 1000, false));
}

/* The hook is enabled by a rejection while a page was cleared, and by no other. */
static void evidence(struct kunit *test, const u8 *insn, unsigned long left)
{
	refuse(other_insn, left, PAGE_OFFSET, 0);
	refuse(insn, left / 2, PAGE_OFFSET, 0);			/* half a page */
	refuse(insn, left, PAGE_OFFSET + 8, 0);			/* in the middle of one */
	refuse(insn, left, PAGE_SIZE, 0);			/* of user memory */
	refuse(insn, left, PAGE_OFFSET, 1);			/* not with zero */
	msleep(100);
	KUNIT_EXPECT_FALSE(test, enabled());

	refuse(insn, left, PAGE_OFFSET, 0);
	await_enabled(test, true);

	pvfault_unregister(&pvt_backend);
	KUNIT_EXPECT_FALSE(test, enabled());
}

static void test_evidence(struct kunit *test)
{
	evidence(test, rep_stosb, PAGE_SIZE);
}

static void test_evidence_old(struct kunit *test)
{
	evidence(test, rep_stosq, PAGE_SIZE / 8);
}

/* Disabled again when no task has waited at the touch for a period. */
static void test_idle(struct kunit *test)
{
	unsigned long idle = pvfault_hook_idle;

	pvfault_hook_idle = HZ / 2;
	refuse(rep_stosb, PAGE_SIZE, PAGE_OFFSET, 0);
	await_enabled(test, true);
	await_enabled(test, false);
	pvfault_hook_idle = idle;
}

/* Not touched if the allocation must not sleep or fail, or if nothing is cleared. */
static void test_page_in_not(struct kunit *test)
{
	unmap_last(test);
	__pvfault_page_in(pages, ORDER, GFP_ATOMIC | __GFP_ZERO);
	__pvfault_page_in(pages, ORDER, GFP_NOWAIT | __GFP_ZERO);
	__pvfault_page_in(pages, ORDER, GFP_KERNEL | __GFP_ZERO | __GFP_NOFAIL);
	__pvfault_page_in(pages, 0, GFP_KERNEL | __GFP_ZERO);
	if (!want_init_on_alloc(GFP_KERNEL))
		__pvfault_page_in(pages, ORDER, GFP_KERNEL);
	if (nothing_is_cleared())
		__pvfault_page_in(pages, ORDER, GFP_KERNEL | __GFP_ZERO);
	if (allocator_clears_user_memory())
		__pvfault_folio_in(page_folio(pages));
#ifdef CONFIG_PSI
	current->in_memstall = 1;
	__pvfault_page_in(pages, ORDER, GFP_KERNEL | __GFP_ZERO);
	current->in_memstall = 0;
#endif
	KUNIT_EXPECT_EQ(test, pvt_host.faults, 1);
	map_last();
	expect_counts(test, 0, 0);
}

static void touch_last(void)
{
	struct pvfault_batch b;

	pvfault_batch_init(&b);
	pvfault_touch_alloc((void *)pvt_host.address, &b);
}

/* Where no task may sleep, none does, whatever the allocation allows. */
static void test_touch_refused(struct kunit *test)
{
	unmap_last(test);
	if (IS_ENABLED(CONFIG_PREEMPT_RCU)) {
		rcu_read_lock();
		pvt_refused(test, touch_last, PVFAULT_NR_rejected_atomic);
		rcu_read_unlock();
		pvfault_ready(pvt_host.fault_token);
	}
	if (IS_ENABLED(CONFIG_PREEMPT_COUNT)) {
		preempt_disable();
		pvt_refused(test, touch_last, PVFAULT_NR_rejected_atomic);
		preempt_enable();
		pvfault_ready(pvt_host.fault_token);
	}
	local_bh_disable();
	pvt_refused(test, touch_last, PVFAULT_NR_rejected_atomic);
	local_bh_enable();
	pvfault_ready(pvt_host.fault_token);

	local_irq_disable();
	pvt_refused(test, touch_last, PVFAULT_NR_rejected_irqs);
	local_irq_enable();
	/* Nothing is remembered of it, so its READY is. */
	pvfault_ready(pvt_host.fault_token);
	pvt_forget(test, pvt_host.fault_token, 1);
	map_last();
	pvt_expect_balance(test, 0);
}

static struct kunit_case pvfault_alloc_cases[] = {
	KUNIT_CASE(test_page_in),
	KUNIT_CASE(test_page_in_huge),
	KUNIT_CASE(test_folio_in),
	KUNIT_CASE(test_page_in_kill),
	KUNIT_CASE(test_page_in_not),
	KUNIT_CASE(test_touch_refused),
	KUNIT_CASE_SLOW(test_evidence),
	KUNIT_CASE_SLOW(test_evidence_old),
	KUNIT_CASE_SLOW(test_idle),
	{}
};

static struct kunit_suite pvfault_alloc_suite = {
	.name		= "pvfault_alloc",
	.init		= pvt_init_in_kernel,
	.exit		= pvt_exit,
	.test_cases	= pvfault_alloc_cases,
};

kunit_test_suite(pvfault_alloc_suite);
