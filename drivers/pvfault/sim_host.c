// SPDX-License-Identifier: GPL-2.0
/*
 * A simulated hypervisor, for working on the core and for its tests. It withholds no
 * memory: it only says so. Under /sys/kernel/debug/pvfault/sim/:
 *
 *	register	1: become the backend, 0: unregister
 *	not_present	write a token: the writer waits for its READY
 *	ready		write a token, or "all"
 *	window		write "START PAGES": user-mode faults in this window are
 *			NOT_PRESENT, with the page's number in it as the token,
 *			until its READY; "0 0": none
 *	pid		write a process: the same for all its memory, with the page's
 *			number as the token; 0: none
 *
 * READY comes when it is written, or by itself. What becomes of it is scripted by
 * numbers, which are 0 at first:
 *
 *	delay_ms	it comes by itself so long after NOT_PRESENT; 0: it doesn't
 *	lose_interrupt	of so many, the interrupt of one is lost
 *	lose_ready	of so many, one is lost, and its page stays away
 *	duplicate	of so many, one comes twice
 *	burst		they come when so many are due
 *	reorder		1: the last one first
 *
 * The window takes the way of a hypervisor's injected #PF through the hook and
 * the recogniser: map it without access, let a task touch it, give access to
 * the page and write its number to ready.
 */

#include <linux/bitmap.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include <asm/ptrace.h>

#include "sim.h"

#define SIM_PAGES	65536UL
#define SIM_TOLD	256

static bool sim_registered;	/* ever: there is a table to work on */
static unsigned long sim_start;
static unsigned long sim_pages;
static pid_t sim_pid;		/* 0: any process */
/* Pages that had their READY: genuine faults from now on. Two may share a bit. */
static DECLARE_BITMAP(sim_present, SIM_PAGES);

static u32 sim_delay_ms, sim_lose_interrupt, sim_lose_ready, sim_duplicate, sim_burst;
static bool sim_reorder;

/* Tokens of which a CPU was notified, for the timer. Written on that CPU, but for @cons. */
struct sim_told {
	u64 token[SIM_TOLD];
	u32 prod;
	u32 cons;
};

static DEFINE_PER_CPU(struct sim_told, sim_told);

/* The host's side of a CPU. */
struct sim_vcpu {
	struct sim_page *page;	/* NULL: it isn't notified */
	u32 prod;
	u32 all;
};

static DEFINE_PER_CPU(struct sim_vcpu, sim_vcpu);

/* Guards what is written into a CPU's page. The guest never takes it. */
static DEFINE_RAW_SPINLOCK(sim_lock);

/* A READY that is to come; see sim_tick(), which alone has the list. */
struct sim_due {
	struct list_head link;
	pvfault_token_t token;
	unsigned int cpu;
	unsigned long when;	/* jiffies */
};

static LIST_HEAD(sim_due);
static unsigned int sim_nr_due;

static void sim_tick(struct work_struct *work);
static DECLARE_DELAYED_WORK(sim_ticking, sim_tick);

/**
 * sim_host_withholds() - is the page that was touched missing?
 * @regs: of the fault
 * @address: that was touched
 * @token: set to its token, if it is
 *
 * Context: as a recogniser.
 * Return: true if NOT_PRESENT is to be said.
 */
noinstr bool sim_host_withholds(struct pt_regs *regs, unsigned long address,
				pvfault_token_t *token)
{
	unsigned long page = (address - READ_ONCE(sim_start)) >> PAGE_SHIFT;
	u32 prod;

	if (!user_mode(regs) || page >= READ_ONCE(sim_pages) ||
	    (READ_ONCE(sim_pid) && READ_ONCE(sim_pid) != current->tgid) ||
	    arch_test_bit(page % SIM_PAGES, sim_present))
		return false;
	*token = page;
	prod = __this_cpu_read(sim_told.prod);
	__this_cpu_write(sim_told.token[prod % SIM_TOLD], page);
	__this_cpu_write(sim_told.prod, prod + 1);
	return true;
}

/**
 * sim_host_on() - from here on notify this CPU
 * @page: that both share
 *
 * Context: interrupts off.
 * Return: 0.
 */
int sim_host_on(struct sim_page *page)
{
	raw_spin_lock(&sim_lock);
	*this_cpu_ptr(&sim_vcpu) = (struct sim_vcpu) { .page = page };
	raw_spin_unlock(&sim_lock);
	return 0;
}

/**
 * sim_host_off() - write no more into this CPU's page
 *
 * Takes no lock, because this CPU may be crashing; a READY that is being written
 * meanwhile lands in a page that nobody reads.
 *
 * Context: interrupts off.
 */
void sim_host_off(void)
{
	WRITE_ONCE(*this_cpu_ptr(&sim_vcpu.page), NULL);
}

/**
 * sim_host_page() - what is shared with a CPU
 * @cpu: any
 *
 * Context: any.
 * Return: that page, or NULL while that CPU isn't notified.
 */
struct sim_page *sim_host_page(unsigned int cpu)
{
	return READ_ONCE(per_cpu(sim_vcpu, cpu).page);
}

static void sim_raise(struct irq_work *work)
{
	sim_interrupt();
}

static DEFINE_PER_CPU(struct irq_work, sim_irq) = IRQ_WORK_INIT_HARD(sim_raise);

/**
 * sim_host_notify() - interrupt a CPU
 * @cpu: that takes its READYs; at once if it is this one
 *
 * Context: any but NMI.
 */
void sim_host_notify(unsigned int cpu)
{
	unsigned long flags;

	local_irq_save(flags);
	if (cpu == raw_smp_processor_id())
		sim_interrupt();
	else if (cpu_online(cpu))
		irq_work_queue_on(per_cpu_ptr(&sim_irq, cpu), cpu);
	local_irq_restore(flags);
}

/**
 * sim_host_say() - write READY for @cpu, without an interrupt
 * @cpu: whose ring it goes to; if that is full it becomes READY for all
 * @token: that is READY
 * @all: READY for all instead
 *
 * Context: any but NMI.
 */
void sim_host_say(unsigned int cpu, pvfault_token_t token, bool all)
{
	struct sim_vcpu *v = per_cpu_ptr(&sim_vcpu, cpu);
	struct sim_page *page;
	unsigned long flags;

	raw_spin_lock_irqsave(&sim_lock, flags);
	page = READ_ONCE(v->page);
	if (!page) {
		/* The core has woken all tasks that wait for this CPU's tokens. */
	} else if (all || v->prod - READ_ONCE(page->cons) >= SIM_RING) {
		WRITE_ONCE(page->all, ++v->all);
	} else {
		WRITE_ONCE(page->ring[v->prod % SIM_RING], token);
		/* Pairs with the backend's read barrier. */
		virt_wmb();
		WRITE_ONCE(page->prod, ++v->prod);
	}
	raw_spin_unlock_irqrestore(&sim_lock, flags);
}

static bool sim_one_in(u32 n)
{
	static atomic_t count;

	return n && (u32)atomic_inc_return(&count) % n == 0;
}

/* READY of @token, as the script has it. */
static void sim_ready(unsigned int cpu, pvfault_token_t token)
{
	if (sim_one_in(READ_ONCE(sim_lose_ready)))
		return;
	set_bit(token % SIM_PAGES, sim_present);
	sim_host_say(cpu, token, false);
	if (sim_one_in(READ_ONCE(sim_duplicate)))
		sim_host_say(cpu, token, false);
	if (!sim_one_in(READ_ONCE(sim_lose_interrupt)))
		sim_host_notify(cpu);
}

/* Take up the tokens of which @cpu was notified since the last time. */
static void sim_take_up(unsigned int cpu, unsigned long when)
{
	struct sim_told *told = per_cpu_ptr(&sim_told, cpu);
	u32 prod = READ_ONCE(told->prod);

	if (prod - told->cons > SIM_TOLD)
		told->cons = prod - SIM_TOLD;
	for (; told->cons != prod; told->cons++) {
		struct sim_due *due = kmalloc(sizeof(*due), GFP_KERNEL);

		if (!due)
			return;
		due->token = READ_ONCE(told->token[told->cons % SIM_TOLD]);
		due->cpu = cpu;
		due->when = when;
		sim_nr_due++;
		if (READ_ONCE(sim_reorder))
			list_add(&due->link, &sim_due);
		else
			list_add_tail(&due->link, &sim_due);
	}
}

static void sim_tick(struct work_struct *work)
{
	unsigned long when = jiffies + msecs_to_jiffies(READ_ONCE(sim_delay_ms));
	struct sim_due *due, *next;
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		sim_take_up(cpu, when);
	if (sim_nr_due >= READ_ONCE(sim_burst)) {
		list_for_each_entry_safe(due, next, &sim_due, link) {
			if (time_before(jiffies, due->when))
				continue;
			sim_ready(due->cpu, due->token);
			list_del(&due->link);
			kfree(due);
			sim_nr_due--;
		}
	}
	if (READ_ONCE(sim_delay_ms))
		schedule_delayed_work(&sim_ticking, 1);
}

static int sim_delay_set(void *data, u64 ms)
{
	unsigned int cpu;

	/* Older tokens wait for a READY that is written. */
	if (!sim_delay_ms)
		for_each_possible_cpu(cpu)
			per_cpu(sim_told, cpu).cons = READ_ONCE(per_cpu(sim_told, cpu).prod);
	WRITE_ONCE(sim_delay_ms, ms);
	if (ms)
		schedule_delayed_work(&sim_ticking, 1);
	return 0;
}

static int sim_delay_get(void *data, u64 *ms)
{
	*ms = sim_delay_ms;
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(sim_delay_fops, sim_delay_get, sim_delay_set, "%llu\n");

static int sim_register_set(void *data, u64 on)
{
	int err;

	if (!on) {
		pvfault_unregister(&sim_backend);
		return 0;
	}
	err = pvfault_register(&sim_backend);
	if (!err)
		WRITE_ONCE(sim_registered, true);
	return err;
}
DEFINE_DEBUGFS_ATTRIBUTE(sim_register_fops, NULL, sim_register_set, "%llu\n");

static int sim_not_present_set(void *data, u64 token)
{
	if (!READ_ONCE(sim_registered))
		return -ENODEV;
	local_irq_disable();
	pvfault_wait(token, pvfault_generation(), -1);
	local_irq_enable();
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(sim_not_present_fops, NULL, sim_not_present_set, "%llu\n");

static ssize_t sim_ready_write(struct file *file, const char __user *from,
			       size_t count, loff_t *pos)
{
	unsigned int cpu = raw_smp_processor_id();
	char text[24] = "";
	u64 token;

	if (!READ_ONCE(sim_registered))
		return -ENODEV;
	if (count >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, from, count))
		return -EFAULT;
	if (!strcmp(strim(text), "all")) {
		sim_host_say(cpu, 0, true);
		sim_host_notify(cpu);
		return count;
	}
	if (kstrtou64(text, 0, &token))
		return -EINVAL;
	sim_ready(cpu, token);
	return count;
}

static const struct file_operations sim_ready_fops = {
	.open	= simple_open,
	.write	= sim_ready_write,
};

/**
 * sim_host_withhold() - from here on these pages are out
 * @start: user address
 * @pages: from there on; 0: none
 * @pid: in this process, or 0 for any
 *
 * Context: process context; callers exclude each other.
 */
void sim_host_withhold(unsigned long start, unsigned long pages, pid_t pid)
{
	WRITE_ONCE(sim_pages, 0);
	bitmap_zero(sim_present, SIM_PAGES);
	WRITE_ONCE(sim_start, start & PAGE_MASK);
	WRITE_ONCE(sim_pid, pid);
	WRITE_ONCE(sim_pages, pages);
}

static ssize_t sim_window_write(struct file *file, const char __user *from,
				size_t count, loff_t *pos)
{
	unsigned long start, pages;
	char text[48] = "";

	if (count >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, from, count))
		return -EFAULT;
	if (sscanf(text, "%li %lu", &start, &pages) != 2 || pages > SIM_PAGES)
		return -EINVAL;
	sim_host_withhold(start, pages, 0);
	return count;
}

static const struct file_operations sim_window_fops = {
	.open	= simple_open,
	.write	= sim_window_write,
};

static int sim_pid_set(void *data, u64 pid)
{
	sim_host_withhold(0, pid ? TASK_SIZE_MAX >> PAGE_SHIFT : 0, pid);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(sim_pid_fops, NULL, sim_pid_set, "%llu\n");

static int __init sim_init(void)
{
	struct dentry *dir = debugfs_lookup("pvfault", NULL);
	struct dentry *sim = debugfs_create_dir("sim", dir);

	debugfs_create_file("register", 0200, sim, NULL, &sim_register_fops);
	debugfs_create_file("not_present", 0200, sim, NULL, &sim_not_present_fops);
	debugfs_create_file("ready", 0200, sim, NULL, &sim_ready_fops);
	debugfs_create_file("window", 0200, sim, NULL, &sim_window_fops);
	debugfs_create_file("pid", 0200, sim, NULL, &sim_pid_fops);
	debugfs_create_file("delay_ms", 0600, sim, NULL, &sim_delay_fops);
	debugfs_create_u32("lose_interrupt", 0600, sim, &sim_lose_interrupt);
	debugfs_create_u32("lose_ready", 0600, sim, &sim_lose_ready);
	debugfs_create_u32("duplicate", 0600, sim, &sim_duplicate);
	debugfs_create_u32("burst", 0600, sim, &sim_burst);
	debugfs_create_bool("reorder", 0600, sim, &sim_reorder);
	dput(dir);
	return 0;
}
late_initcall(sim_init);
