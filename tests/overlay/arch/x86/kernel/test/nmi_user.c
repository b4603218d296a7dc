// SPDX-License-Identifier: GPL-2.0
/*
 * For tests only: an NMI handler that reads memory of the process that it interrupted, as
 * profilers do, and that faults there: at pages that the host has taken, for which it waits
 * with the whole vCPU; and at addresses that nothing is mapped at. These look like a token
 * (error code 0, a small CR2), but the #PF that carries one may just be under way.
 */
#include <linux/atomic.h>
#include <linux/init.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/sysfs.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>

#include <asm/nmi.h>

#define SLOW_NS		(1000 * 1000)

/* What to read, in all processes alike. */
static ulong start;
module_param(start, ulong, 0600);
static ulong pages;
module_param(pages, ulong, 0600);

/* Reads that gave a word, those that took longer than SLOW_NS, and refused ones. */
static atomic_t reads, slow, refused;

#define COUNTER(name)								\
static int name##_get(char *buffer, const struct kernel_param *param)		\
{										\
	return sysfs_emit(buffer, "%d\n", atomic_read(&(name)));			\
}										\
static const struct kernel_param_ops name##_ops = { .get = name##_get };	\
module_param_cb(name, &name##_ops, NULL, 0400)

COUNTER(reads);
COUNTER(slow);
COUNTER(refused);

static int read_user(unsigned int cmd, struct pt_regs *regs)
{
	static atomic_t turns;
	u32 turn = atomic_inc_return(&turns);
	unsigned long address = PAGE_SIZE + turn % 4096 * 16;
	u64 begin, word;

	if (!pages)
		return NMI_DONE;
	if (!current->mm)
		return NMI_HANDLED;
	if (turn & 1)
		address = start + turn * 40503UL % pages * PAGE_SIZE;
	begin = ktime_get_mono_fast_ns();
	if (copy_from_user_nmi(&word, (void __user *)address, sizeof(word))) {
		atomic_inc(&refused);
		return NMI_HANDLED;
	}
	atomic_inc(&reads);
	if (ktime_get_mono_fast_ns() - begin > SLOW_NS)
		atomic_inc(&slow);
	return NMI_HANDLED;
}

static int __init nmi_user_init(void)
{
	return register_nmi_handler(NMI_LOCAL, read_user, 0, "nmi_user");
}
late_initcall(nmi_user_init);
