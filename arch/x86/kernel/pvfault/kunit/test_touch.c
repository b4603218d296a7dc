// SPDX-License-Identifier: GPL-2.0
/* For the KUnit tests: NOT_PRESENT by a real #PF, where no task may sleep, or one may. */

#include <linux/completion.h>
#include <linux/hardirq.h>
#include <linux/iopoll.h>
#include <linux/irq_work.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "pvfault_test.h"

/* Something to be done somewhere. */
struct call {
	long (*fn)(void *arg);
	void *arg;
	int (*how)(void *call);
	struct irq_work work;
	struct work_struct item;
	long ret;
};

static int call_in_task(void *call)
{
	struct call *c = call;

	return c->fn(c->arg);
}

static int call_irqs_off(void *call)
{
	unsigned long flags;
	long ret;

	local_irq_save(flags);
	ret = call_in_task(call);
	local_irq_restore(flags);
	return ret;
}

/* As an NMI does, and a machine check. */
static int call_in_nmi(void *call)
{
	unsigned long flags;
	long ret;

	local_irq_save(flags);
	nmi_enter();
	ret = call_in_task(call);
	nmi_exit();
	local_irq_restore(flags);
	return ret;
}

static void call_work(struct irq_work *work)
{
	struct call *c = container_of(work, struct call, work);

	c->ret = in_hardirq() ? c->fn(c->arg) : 0;
}

static int call_in_hardirq(void *call)
{
	struct call *c = call;

	c->work = IRQ_WORK_INIT_HARD(call_work);
	irq_work_queue(&c->work);
	irq_work_sync(&c->work);
	return c->ret;
}

static int call_preempt_off(void *call)
{
	long ret;

	preempt_disable();
	ret = call_in_task(call);
	preempt_enable();
	return ret;
}

static void call_item(struct work_struct *item)
{
	struct call *c = container_of(item, struct call, item);

	c->ret = c->how(c);
}

/*
 * Call @fn on @cpu, in a kernel thread or what @where says. Return: what it returned.
 * Not by smp_call_on_cpu(), which makes the call in this task if there is one CPU only:
 * a case's task may have user memory.
 */
long pvt_call(int cpu, enum pvt_context where, long (*fn)(void *arg), void *arg)
{
	static int (*const how[])(void *) = {
		[PVT_TASK]		= call_in_task,
		[PVT_IRQS_OFF]		= call_irqs_off,
		[PVT_HARDIRQ]		= call_in_hardirq,
		[PVT_NMI]		= call_in_nmi,
		[PVT_PREEMPT_OFF]	= call_preempt_off,
	};
	static struct call call;

	call = (struct call) { .fn = fn, .arg = arg, .how = how[where] };
	INIT_WORK(&call.item, call_item);
	schedule_work_on(cpu, &call.item);
	flush_work(&call.item);
	return call.ret;
}

/* Touch the address that the backend claims; the retry finds it unmapped. */
static long touch_claimed(void *unused)
{
	char c;

	return copy_from_kernel_nofault(&c, (void *)pvt_host.address, 1);
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

/* A notification as a #PF of a kernel thread, on CPU 0, where no task may sleep. */
void pvt_tell(struct kunit *test, pvfault_token_t token, enum pvfault_kind kind,
	      enum pvt_context where)
{
	if (!pvt_host.address)
		pvt_guard_page(test);
	pvt_host.fault_token = token;
	pvt_host.kind = kind;
	WRITE_ONCE(pvt_host.faults, 1);
	KUNIT_EXPECT_EQ(test, -EFAULT, pvt_call(0, where, touch_claimed, NULL));
	KUNIT_EXPECT_EQ(test, pvt_host.faults, 0);
	pvt_host.kind = PVFAULT_NOT_PRESENT;
}

void pvt_refuse(struct kunit *test, pvfault_token_t token, enum pvt_context where)
{
	pvt_tell(test, token, PVFAULT_NOT_PRESENT, where);
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
	/* The task may hold a lock that others need before they can be frozen. */
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
