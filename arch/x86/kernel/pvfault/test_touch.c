// SPDX-License-Identifier: GPL-2.0
/* For the KUnit tests: NOT_PRESENT by a real #PF, where no task may sleep, or one may. */

#include <linux/completion.h>
#include <linux/hardirq.h>
#include <linux/iopoll.h>
#include <linux/irq_work.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "pvfault_test.h"

/* Touch the address that the backend claims; the retry finds it unmapped. */
static long touch_claimed(void)
{
	char c;

	return copy_from_kernel_nofault(&c, (void *)pvt_host.address, 1);
}

static int touch_in_task(void *unused)
{
	return touch_claimed();
}

static int touch_irqs_off(void *unused)
{
	unsigned long flags;
	long err;

	local_irq_save(flags);
	err = touch_claimed();
	local_irq_restore(flags);
	return err;
}

/* As an NMI does, and a machine check. */
static int touch_in_nmi(void *unused)
{
	unsigned long flags;
	long err;

	local_irq_save(flags);
	nmi_enter();
	err = touch_claimed();
	nmi_exit();
	local_irq_restore(flags);
	return err;
}

static long hardirq_err;

static void touch_in_hardirq(struct irq_work *work)
{
	hardirq_err = in_hardirq() ? touch_claimed() : 0;
}

static int touch_by_hardirq(void *unused)
{
	static struct irq_work work = IRQ_WORK_INIT_HARD(touch_in_hardirq);

	irq_work_queue(&work);
	irq_work_sync(&work);
	return hardirq_err;
}

/* Let the backend claim the address behind a page of the kernel's. */
void pvt_guard_page(struct kunit *test)
{
	void *page = vmalloc(PAGE_SIZE);

	KUNIT_ASSERT_NOT_NULL(test, page);
	pvt_host.page = page;
	/* A guard page follows. */
	pvt_host.address = (unsigned long)page + PAGE_SIZE;
}

/* NOT_PRESENT where no task may sleep: a #PF of a kernel thread, on CPU 0. */
void pvt_refuse(struct kunit *test, pvfault_token_t token, enum pvt_context where)
{
	static int (*const touch[])(void *) = {
		[PVT_TASK]	= touch_in_task,
		[PVT_IRQS_OFF]	= touch_irqs_off,
		[PVT_HARDIRQ]	= touch_by_hardirq,
		[PVT_NMI]	= touch_in_nmi,
	};

	if (!pvt_host.address)
		pvt_guard_page(test);
	pvt_host.fault_token = token;
	WRITE_ONCE(pvt_host.faults, 1);
	KUNIT_EXPECT_EQ(test, -EFAULT, smp_call_on_cpu(0, touch[where], NULL, false));
	KUNIT_EXPECT_EQ(test, pvt_host.faults, 0);
}

/* NOT_PRESENT for @touch, which is rejected, in this task. */
void pvt_refused(struct kunit *test, void (*touch)(void), enum pvfault_event why)
{
	unsigned long before = pvt_since(why);
	unsigned long all = pvt_since(PVFAULT_NR_rejected);

	pvt_host.fault_token = pvt_fresh_tokens(1);
	WRITE_ONCE(pvt_host.faults, 1);
	touch();
	KUNIT_EXPECT_EQ(test, pvt_host.faults, 0);
	KUNIT_EXPECT_EQ(test, pvt_since(why), before + 1);
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_rejected), all + 1);
	KUNIT_EXPECT_EQ(test, pvt_since(PVFAULT_NR_sleep), 0);
}

/* The one sleeper is @task, as it should be in kernel mode. */
void pvt_expect_asleep_in_kernel(struct kunit *test, struct task_struct *task)
{
	unsigned int state;

	pvt_expect_asleep(test, 1);
	KUNIT_EXPECT_EQ(test, 0,
			read_poll_timeout(READ_ONCE, state,
					  (state & TASK_KILLABLE) == TASK_KILLABLE,
					  200, WAIT_MS * 1000, false, task->__state));
	/* It may hold what others need to freeze. */
	KUNIT_EXPECT_FALSE(test, state & TASK_FREEZABLE);
}

/* The task that slept there completes @back. */
void pvt_expect_back_from_kernel(struct kunit *test, struct completion *back)
{
	bool came = wait_for_completion_timeout(back, msecs_to_jiffies(WAIT_MS));

	KUNIT_EXPECT_TRUE(test, came);
	if (came)
		return;
	/* Wait until the watch's timer has stopped, because the next case would see it. */
	pvfault_ready_all();
	pvt.stuck = !wait_for_completion_timeout(back, msecs_to_jiffies(WAIT_MS));
}

/* pvt_init() of a suite that makes tasks sleep in kernel mode. */
int pvt_init_in_kernel(struct kunit *test)
{
	int err = pvt_init(test);

	if (!err && !pvfault_kernel_mode())
		kunit_skip(test, "kernel mode is off");
	return err;
}
