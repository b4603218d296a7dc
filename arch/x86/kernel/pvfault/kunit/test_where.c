// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit: where a task may sleep in kernel mode, and where not. There is a case for
 * each thing that would go wrong if tasks slept wherever they can be preempted.
 *
 * The address that the backend claims is a guard page, at the end of a page of the
 * vmalloc area, for the cases that are rejected, and user memory that has not been
 * touched yet for those that sleep. The retry is a genuine fault.
 */

#include <linux/blkdev.h>
#include <linux/bottom_half.h>
#include <linux/completion.h>
#include <linux/cpufeature.h>
#include <linux/err.h>
#include <linux/irqflags.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>
#include <linux/uaccess.h>

#include <net/checksum.h>

#include <asm/fpu/api.h>
#include <asm/word-at-a-time.h>

#include "pvfault_test.h"

/* An access to user memory, allowed by SMAP, whatever its address. */
static void touch_user(void)
{
	char c;

	if (!__get_user(c, (char __user *)pvt_host.address))
		atomic_inc(&pvt_host.wrong);
}

/* May cross into a missing page, as path lookup does it: no user memory. */
static void touch_zeropad(void)
{
	load_unaligned_zeropad((void *)(pvt_host.address - 1));
}

/* Entries as for user memory, but from kernel to kernel. */
static void touch_csum(void)
{
	u64 to;

	if (csum_partial_copy_nocheck((void *)pvt_host.address, &to, sizeof(to)))
		atomic_inc(&pvt_host.wrong);
}

#ifdef CONFIG_X86_64	/* as the function, and sleeping in kernel mode */
#ifndef copy_to_nontemporal	/* as Linux 6.1 has it */
#define copy_to_nontemporal(to, from, size) \
	__copy_user_nocache(to, (const void __force __user *)(from), size, 0)
#endif

static void touch_nontemporal(void)
{
	u64 to;

	if (!copy_to_nontemporal(&to, (void *)pvt_host.address, sizeof(to)))
		atomic_inc(&pvt_host.wrong);
}
#else
static void touch_nontemporal(void) { }
#endif

/* One page of user memory, and with it an mm. */
static unsigned long user_page(struct kunit *test)
{
	unsigned long page = kunit_vm_mmap(test, NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
					   MAP_ANONYMOUS | MAP_PRIVATE, 0);

	KUNIT_ASSERT_NE(test, page, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(page));
	KUNIT_ASSERT_NOT_NULL(test, current->mm);
	return page;
}

/* Erase the marks of the rejected tokens. */
static void end_refused(struct kunit *test)
{
	pvfault_token_t last = pvt_host.fault_token;

	pvfault_ready(last);
	pvt_expect_balance(test, 0);
}

static void test_no_entry(struct kunit *test)
{
	user_page(test);
	pvt_guard_page(test);
	pvt_refused(test, touch_zeropad, PVFAULT_NR_rejected_insn);
	end_refused(test);
}

/* A voluntary schedule() says that no RCU reader is here. */
static void test_rcu_reader(struct kunit *test)
{
	user_page(test);
	pvt_guard_page(test);
	rcu_read_lock();
	pvt_refused(test, touch_zeropad, PVFAULT_NR_rejected_insn);
	rcu_read_unlock();
	end_refused(test);
}

/* A reader must not access user memory. It gets away with it while that is present. */
static void test_rcu_user(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_PREEMPT_RCU))
		kunit_skip(test, "nobody counts");
	user_page(test);
	pvt_guard_page(test);
	rcu_read_lock();
	pvt_refused(test, touch_user, PVFAULT_NR_rejected_atomic);
	rcu_read_unlock();
	end_refused(test);
}

/* schedule() flushes the plug, which may be just being edited. */
static void test_block_plug(struct kunit *test)
{
	struct blk_plug plug;

	user_page(test);
	pvt_guard_page(test);
	blk_start_plug(&plug);
	pvt_refused(test, touch_zeropad, PVFAULT_NR_rejected_insn);
	KUNIT_EXPECT_PTR_EQ(test, current->plug, &plug);
	blk_finish_plug(&plug);
	end_refused(test);
}

/* Sleeping would lose it, and its waker with it. */
static void test_special_state(struct kunit *test)
{
	unsigned int state;

	user_page(test);
	pvt_guard_page(test);
	set_special_state(TASK_TRACED);
	pvt_host.fault_token = pvt_fresh_tokens(1);
	WRITE_ONCE(pvt_host.faults, 1);
	touch_zeropad();
	state = READ_ONCE(current->__state);
	__set_current_state(TASK_RUNNING);
	KUNIT_EXPECT_EQ(test, state, TASK_TRACED);
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_rejected_insn), 1);
	end_refused(test);
}

/* The same at an instruction that may sleep in other states. */
static void test_state(struct kunit *test)
{
	unsigned int state;

	user_page(test);
	pvt_guard_page(test);
	pvt_host.fault_token = pvt_fresh_tokens(1);
	WRITE_ONCE(pvt_host.faults, 1);
	set_current_state(TASK_INTERRUPTIBLE);
	touch_user();
	state = READ_ONCE(current->__state);
	__set_current_state(TASK_RUNNING);
	KUNIT_EXPECT_EQ(test, state, TASK_INTERRUPTIBLE);
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_rejected_state), 1);
	end_refused(test);
}

static void test_fpu(struct kunit *test)
{
	user_page(test);
	pvt_guard_page(test);
	kernel_fpu_begin();
	pvt_refused(test, touch_zeropad, PVFAULT_NR_rejected_insn);
	kernel_fpu_end();
	end_refused(test);
}

/* Under any lock: network code checksums skbs like this. */
static void test_csum(struct kunit *test)
{
	if (IS_ENABLED(CONFIG_GENERIC_CSUM))
		kunit_skip(test, "checksums have no exception table here");
	user_page(test);
	pvt_guard_page(test);
	pvt_refused(test, touch_csum, PVFAULT_NR_rejected_insn);
	end_refused(test);
}

/* Under any lock: drivers of some network cards copy packets like this. */
static void test_nontemporal(struct kunit *test)
{
	user_page(test);
	pvt_guard_page(test);
	pvt_refused(test, touch_nontemporal, PVFAULT_NR_rejected_insn);
	end_refused(test);
}

static void test_pagefault_disabled(struct kunit *test)
{
	user_page(test);
	pvt_guard_page(test);
	pagefault_disable();
	pvt_refused(test, touch_user, PVFAULT_NR_rejected_atomic);
	pagefault_enable();
	end_refused(test);
}

static void test_softirq(struct kunit *test)
{
	user_page(test);
	pvt_guard_page(test);
	local_bh_disable();
	pvt_refused(test, touch_user, PVFAULT_NR_rejected_atomic);
	local_bh_enable();
	end_refused(test);
}

/* Only if the preempt count shows it; otherwise such an access isn't allowed. */
static void test_preempt_disabled(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_PREEMPT_COUNT))
		kunit_skip(test, "nobody counts");
	user_page(test);
	pvt_guard_page(test);
	preempt_disable();
	pvt_refused(test, touch_user, PVFAULT_NR_rejected_atomic);
	preempt_enable();
	end_refused(test);
}

static void test_irqs_off(struct kunit *test)
{
	user_page(test);
	pvt_guard_page(test);
	local_irq_disable();
	pvt_refused(test, touch_user, PVFAULT_NR_rejected_irqs);
	local_irq_enable();
	/* Nothing is remembered of it, so its READY is. */
	pvfault_ready(pvt_host.fault_token);
	pvt_forget(test, pvt_host.fault_token, 1);
}

static void test_no_mm(struct kunit *test)
{
	KUNIT_ASSERT_NULL(test, current->mm);
	pvt_guard_page(test);
	pvt_refused(test, touch_user, PVFAULT_NR_rejected_no_mm);
	end_refused(test);
}

static void test_mode(struct kunit *test)
{
	enum pvfault_mode mode = pvfault_mode;

	user_page(test);
	pvt_guard_page(test);
	pvfault_mode = PVFAULT_MODE_USER;
	KUNIT_EXPECT_FALSE(test, pvfault_kernel_mode());
	KUNIT_EXPECT_STREQ(test, pvfault_mode_name(), "user");
	pvt_refused(test, touch_user, PVFAULT_NR_rejected_mode);
	pvfault_mode = mode;
	end_refused(test);
}

/* The task that sleeps in kernel mode: a thread that borrows the test's user memory. */
static struct {
	struct mm_struct *mm;
	struct mutex lock;		/* held while asleep */
	struct completion back;
	bool unsafe;			/* by unsafe_get_user() */
	long left;			/* not read */
	char got;
	bool wrong;
} reader;

static long reader_read(const char __user *from)
{
	if (!reader.unsafe)
		return copy_from_user(&reader.got, from, 1);
	if (!user_read_access_begin(from, 1))
		return 1;
	unsafe_get_user(reader.got, from, failed);
	user_read_access_end();
	return 0;
failed:
	user_read_access_end();
	return 1;
}

static int reader_thread(void *unused)
{
	allow_signal(SIGKILL);
	kthread_use_mm(reader.mm);
	mutex_lock(&reader.lock);
	reader.got = -1;
	reader.left = reader_read((char __user *)pvt_host.address);
	reader.wrong = irqs_disabled() || !task_is_running(current);
	mutex_unlock(&reader.lock);
	kthread_unuse_mm(reader.mm);
	flush_signals(current);
	complete(&reader.back);
	return 0;
}

static struct task_struct *reader_start(struct kunit *test, pvfault_token_t token)
{
	struct task_struct *task;

	pvt_host.address = user_page(test);
	pvt_host.fault_token = token;
	reader.mm = current->mm;
	mutex_init(&reader.lock);
	init_completion(&reader.back);
	WRITE_ONCE(pvt_host.faults, 1);
	task = kthread_create(reader_thread, NULL, "pvfault_test/k");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	get_task_struct(task);
	wake_up_process(task);
	return task;
}

static void reader_end(struct kunit *test, struct task_struct *task)
{
	pvt_expect_back_from_kernel(test, &reader.back);
	pvt_host.address = 0;
	reader.unsafe = false;
	kthread_stop(task);
	put_task_struct(task);
	KUNIT_EXPECT_EQ(test, reader.left, 0);
	KUNIT_EXPECT_EQ(test, reader.got, 0);
	KUNIT_EXPECT_FALSE(test, reader.wrong);
}

static void expect_reader_asleep(struct kunit *test, struct task_struct *task)
{
	pvt_expect_asleep_in_kernel(test, task);
	KUNIT_EXPECT_TRUE(test, mutex_is_locked(&reader.lock));
}

/* In kernel mode: an access to user memory, here with a mutex. */
static void test_sleep(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(1);
	struct task_struct *task = reader_start(test, token);

	expect_reader_asleep(test, task);
	pvfault_ready(token);
	reader_end(test, task);
	expect_counts(test, 1, N(not_present, 1), N(sleep, 1), N(sleep_kernel, 1),
		      N(wake, 1), N(ready, 1));
}

/* Between user_access_begin() and end(), by an entry that FPU state has, too. */
static void test_sleep_unsafe(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(1);
	struct task_struct *task;

	if (!cpu_feature_enabled(X86_FEATURE_SMAP) &&
	    !IS_ENABLED(CONFIG_CC_HAS_ASM_GOTO_OUTPUT))
		kunit_skip(test, "needs SMAP or a newer compiler");
	reader.unsafe = true;
	task = reader_start(test, token);
	expect_reader_asleep(test, task);
	pvfault_ready(token);
	reader_end(test, task);
	expect_counts(test, 1, N(not_present, 1), N(sleep, 1), N(sleep_kernel, 1),
		      N(wake, 1), N(ready, 1));
}

/* A fatal signal ends it; the access is retried even so. */
static void test_kill(struct kunit *test)
{
	pvfault_token_t token = pvt_fresh_tokens(1);
	struct task_struct *task = reader_start(test, token);

	expect_reader_asleep(test, task);
	KUNIT_EXPECT_EQ(test, send_sig(SIGKILL, task, 1), 0);
	reader_end(test, task);
	pvt_expect_marks(test, 1);
	pvfault_ready(token);
	expect_counts(test, 0, N(not_present, 1), N(sleep, 1), N(sleep_kernel, 1),
		      N(abandoned, 1), N(ready, 1), N(dropped, 1));
}

static struct kunit_case pvfault_where_cases[] = {
	KUNIT_CASE(test_no_entry),
	KUNIT_CASE(test_rcu_reader),
	KUNIT_CASE(test_rcu_user),
	KUNIT_CASE(test_block_plug),
	KUNIT_CASE(test_special_state),
	KUNIT_CASE(test_state),
	KUNIT_CASE(test_fpu),
	KUNIT_CASE(test_csum),
	KUNIT_CASE(test_nontemporal),
	KUNIT_CASE(test_pagefault_disabled),
	KUNIT_CASE(test_softirq),
	KUNIT_CASE(test_preempt_disabled),
	KUNIT_CASE(test_irqs_off),
	KUNIT_CASE(test_no_mm),
	KUNIT_CASE(test_mode),
	KUNIT_CASE(test_sleep),
	KUNIT_CASE(test_sleep_unsafe),
	KUNIT_CASE(test_kill),
	{}
};

static struct kunit_suite pvfault_where_suite = {
	.name		= "pvfault_where",
	.init		= pvt_init_in_kernel,
	.exit		= pvt_exit,
	.test_cases	= pvfault_where_cases,
};

kunit_test_suite(pvfault_where_suite);
