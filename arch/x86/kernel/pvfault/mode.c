// SPDX-License-Identifier: GPL-2.0
/*
 * The mode: where tasks may sleep. At boot from the command line, later by sysfs.
 *
 * A new mode takes effect in this guest at once: a notification that it doesn't allow is
 * rejected, and no other task begins to wait. Tasks that wait already are still woken by
 * READY.
 *
 * The host follows later. When notifications to a CPU are disabled, a host may cancel the
 * pages that it is fetching for that CPU, and wait for this in the vCPU's thread. While
 * its disk stands still, the vCPU would stand still, too. So after "off" no CPU is disabled
 * before a pass of the watch finds that no task sleeps, and then each by an interrupt, for
 * which no CPU waits.
 */

#define pr_fmt(fmt) "pvfault: " fmt

#include <linux/array_size.h>
#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/pvfault.h>
#include <linux/string.h>

#include "internal.h"

#if IS_ENABLED(CONFIG_PVFAULT_DEFAULT_USER)
#define PVFAULT_MODE_DEFAULT	PVFAULT_MODE_USER
#else
#define PVFAULT_MODE_DEFAULT	PVFAULT_MODE_KERNEL
#endif

enum pvfault_mode pvfault_mode __read_mostly = PVFAULT_MODE_DEFAULT;

static const char * const pvfault_mode_names[] = {
	[PVFAULT_MODE_OFF]	= "off",
	[PVFAULT_MODE_USER]	= "user",
	[PVFAULT_MODE_KERNEL]	= "kernel",
};

static DEFINE_MUTEX(pvfault_mode_mutex);

/* Switched off at boot: no backend has registered, nor will. */
static bool pvfault_boot_off __ro_after_init;

/* CPUs are to be switched by the watch. */
static bool pvfault_switch_wanted;

/* Return: the mode of this name, "on" being the default; or -EINVAL. */
static int pvfault_mode_of(const char *name)
{
	if (sysfs_streq(name, "on"))
		return PVFAULT_MODE_DEFAULT;
	return __sysfs_match_string(pvfault_mode_names, ARRAY_SIZE(pvfault_mode_names), name);
}

static int __init pvfault_param(char *arg)
{
	int mode = arg ? pvfault_mode_of(arg) : -EINVAL;

	if (mode >= 0)
		pvfault_mode = mode;
	else
		pr_warn("pvfault=%s is none of on, off, user, kernel; using on\n",
			arg ?: "");
	pvfault_boot_off = pvfault_mode == PVFAULT_MODE_OFF;
	return 0;
}
early_param("pvfault", pvfault_param);

/**
 * pvfault_off_at_boot() - was it switched off by "pvfault=off"?
 *
 * Context: any, once early parameters have been read.
 * Return: true if so: then it stays off.
 */
bool pvfault_off_at_boot(void)
{
	return pvfault_boot_off;
}

/**
 * pvfault_kernel_mode() - may a host be asked for NOT_PRESENT in kernel mode?
 *
 * If this says no, a NOT_PRESENT in kernel mode is rejected.
 *
 * Context: any, from subsys_initcall on.
 * Return: true if so. Changes with the mode, see &pvfault_backend.mode_changed.
 */
bool pvfault_kernel_mode(void)
{
	return READ_ONCE(pvfault_mode) == PVFAULT_MODE_KERNEL && pvfault_kernel_possible();
}

/**
 * pvfault_mode_name() - where tasks may sleep
 *
 * Context: any.
 * Return: "off", "user" or "kernel".
 */
const char *pvfault_mode_name(void)
{
	enum pvfault_mode mode = READ_ONCE(pvfault_mode);

	if (mode == PVFAULT_MODE_KERNEL && !pvfault_kernel_possible())
		mode = PVFAULT_MODE_USER;
	return pvfault_mode_names[mode];
}

/**
 * pvfault_set_mode() - change the mode while the system runs
 * @name: "on", "off", "user" or "kernel", a newline may follow
 *
 * Context: process context, may sleep; waits for no other CPU and no host.
 * Return: 0; -EINVAL if @name is none of these; -ENODEV if switched off at boot.
 */
int pvfault_set_mode(const char *name)
{
	int mode = pvfault_mode_of(name);

	if (mode < 0)
		return -EINVAL;
	if (pvfault_boot_off)
		return mode == PVFAULT_MODE_OFF ? 0 : -ENODEV;
	mutex_lock(&pvfault_mode_mutex);
	WRITE_ONCE(pvfault_mode, mode);
	pvfault_backend_quiet(mode == PVFAULT_MODE_OFF);
	if (!pvfault_kernel_mode())
		pvfault_hooks_stop();
	WRITE_ONCE(pvfault_switch_wanted, true);
	pvfault_watch_kick();
	mutex_unlock(&pvfault_mode_mutex);
	return 0;
}

/**
 * pvfault_mode_follow() - enable or disable notifications as the mode demands, if it is time
 *
 * Context: the watch's timer, after a whole pass over the table.
 * Return: false if it isn't time yet: there has to be another pass.
 */
bool pvfault_mode_follow(void)
{
	if (likely(!READ_ONCE(pvfault_switch_wanted)))
		return true;
	if (READ_ONCE(pvfault_mode) == PVFAULT_MODE_OFF && pvfault_table_outstanding())
		return false;
	/* Before the interrupts: a mode that is set meanwhile asks for another pass. */
	xchg(&pvfault_switch_wanted, false);
	pvfault_backend_switch();
	return true;
}
