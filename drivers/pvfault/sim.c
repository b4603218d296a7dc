// SPDX-License-Identifier: GPL-2.0
/*
 * A simulated hypervisor, for working on the core and for its tests. It
 * withholds no memory: it only says so. Under /sys/kernel/debug/pvfault/sim/:
 *
 *	register	1: become the backend, 0: unregister
 *	not_present	write a token: the writer waits for its READY
 *	ready		write a token, or "all"
 *	window		write "START PAGES": user-mode faults in this window are
 *			NOT_PRESENT, with the page's number in it as the token,
 *			until its READY; "0 0": none
 *
 * The window takes the way of a hypervisor's injected #PF through the hook and
 * the recogniser: map it without access, let a task touch it, give access to
 * the page and write its number to ready.
 */

#include <linux/bitmap.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pvfault.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include <asm/ptrace.h>

#define SIM_PAGES	65536UL

static bool sim_registered;	/* ever: there is a table to work on */
static unsigned long sim_start;
static unsigned long sim_pages;
/* Pages of the window that had their READY: genuine faults from now on. */
static DECLARE_BITMAP(sim_present, SIM_PAGES);

static noinstr enum pvfault_kind sim_recognise(struct pt_regs *regs,
					       unsigned long error_code,
					       unsigned long address,
					       pvfault_token_t *token)
{
	unsigned long page = (address - READ_ONCE(sim_start)) >> PAGE_SHIFT;

	if (!user_mode(regs) || page >= READ_ONCE(sim_pages) ||
	    arch_test_bit(page, sim_present))
		return PVFAULT_GENUINE;
	*token = page;
	return PVFAULT_NOT_PRESENT;
}

static const struct pvfault_backend sim_backend = {
	.name		= "sim",
	.recognise	= sim_recognise,
};

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
	char text[24] = "";
	u64 token;

	if (!READ_ONCE(sim_registered))
		return -ENODEV;
	if (count >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, from, count))
		return -EFAULT;
	if (!strcmp(strim(text), "all")) {
		pvfault_ready_all();
		return count;
	}
	if (kstrtou64(text, 0, &token))
		return -EINVAL;
	if (token < SIM_PAGES)
		set_bit(token, sim_present);
	pvfault_ready(token);
	return count;
}

static const struct file_operations sim_ready_fops = {
	.open	= simple_open,
	.write	= sim_ready_write,
};

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
	WRITE_ONCE(sim_pages, 0);
	bitmap_zero(sim_present, SIM_PAGES);
	WRITE_ONCE(sim_start, start & PAGE_MASK);
	WRITE_ONCE(sim_pages, pages);
	return count;
}

static const struct file_operations sim_window_fops = {
	.open	= simple_open,
	.write	= sim_window_write,
};

static int __init sim_init(void)
{
	struct dentry *dir = debugfs_lookup("pvfault", NULL);
	struct dentry *sim = debugfs_create_dir("sim", dir);

	debugfs_create_file("register", 0200, sim, NULL, &sim_register_fops);
	debugfs_create_file("not_present", 0200, sim, NULL, &sim_not_present_fops);
	debugfs_create_file("ready", 0200, sim, NULL, &sim_ready_fops);
	debugfs_create_file("window", 0200, sim, NULL, &sim_window_fops);
	dput(dir);
	return 0;
}
late_initcall(sim_init);
