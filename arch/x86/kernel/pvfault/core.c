// SPDX-License-Identifier: GPL-2.0
/*
 * The backend slot: one backend at a time, on every CPU that is online, and
 * never while the machine is about to stop being the one that the host knows.
 *
 *	register	arm the hook, then let the host tell each CPU
 *	unregister	let the host tell no CPU, disarm the hooks, wake all
 *	CPU hotplug	the same for one CPU, in its hotplug thread
 *	suspend		told no more from before tasks are frozen until they
 *			have been thawed; covers hibernation and its restore
 *	reboot, kexec	told no more, for good: the host must not write into
 *			the memory of the next kernel
 *	crash		the same for the crashing CPU; the others are stopped
 *			by NMI with their interrupts off
 */

#define pr_fmt(fmt) "pvfault: " fmt

#include <linux/array_size.h>
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/init.h>
#include <linux/irqflags.h>
#include <linux/jump_label.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/reboot.h>
#include <linux/smp.h>
#include <linux/static_call.h>
#include <linux/string.h>
#include <linux/suspend.h>

#include <asm/pvfault.h>
#include <asm/reboot.h>

#include "internal.h"

/* For "pvfault=on", and without the parameter. */
#define PVFAULT_MODE_DEFAULT	PVFAULT_MODE_KERNEL

enum pvfault_mode pvfault_mode __read_mostly = PVFAULT_MODE_DEFAULT;

static const char * const pvfault_mode_names[] = {
	[PVFAULT_MODE_OFF]	= "off",
	[PVFAULT_MODE_USER]	= "user",
	[PVFAULT_MODE_KERNEL]	= "kernel",
};

/* Guards the slot, and with it registering, suspend and reboot. */
static DEFINE_MUTEX(pvfault_mutex);
static const struct pvfault_backend *pvfault_backend;
static enum cpuhp_state pvfault_cpuhp_state;

/* No CPU is to be told: suspending or rebooting. Read with interrupts off. */
static bool pvfault_quiet;

/* This CPU is told. Written on its CPU, with interrupts off. */
static DEFINE_PER_CPU(bool, pvfault_told);

/* Why there is no backend: said at the end of boot, and in sysfs. */
static const char *pvfault_why = "no supported hypervisor";

static int __init pvfault_param(char *arg)
{
	int mode = match_string(pvfault_mode_names, ARRAY_SIZE(pvfault_mode_names),
				arg ?: "");

	if (mode >= 0)
		pvfault_mode = mode;
	else if (!arg || strcmp(arg, "on"))
		pr_warn("pvfault=%s is none of on, off, user, kernel; using on\n",
			arg ?: "");
	if (pvfault_mode == PVFAULT_MODE_OFF)
		pvfault_why = "switched off by pvfault=off";
	return 0;
}
early_param("pvfault", pvfault_param);

static void pvfault_tell_cpu(void *unused)
{
	const struct pvfault_backend *backend = READ_ONCE(pvfault_backend);
	unsigned int cpu = smp_processor_id();
	int err = 0;

	if (READ_ONCE(pvfault_quiet) || this_cpu_read(pvfault_told))
		return;
	if (backend->cpu_online)
		err = backend->cpu_online(cpu);
	if (err)
		pr_warn("%s: CPU %u takes no part, error %d\n",
			backend->name, cpu, err);
	else
		this_cpu_write(pvfault_told, true);
}

static void pvfault_hush_cpu(void *unused)
{
	const struct pvfault_backend *backend = READ_ONCE(pvfault_backend);

	if (!this_cpu_read(pvfault_told))
		return;
	if (backend->cpu_offline)
		backend->cpu_offline(smp_processor_id());
	this_cpu_write(pvfault_told, false);
}

static int pvfault_cpu_online(unsigned int cpu)
{
	unsigned long flags;

	local_irq_save(flags);
	pvfault_tell_cpu(NULL);
	local_irq_restore(flags);
	return 0;
}

static int pvfault_cpu_offline(unsigned int cpu)
{
	unsigned long flags;

	local_irq_save(flags);
	pvfault_hush_cpu(NULL);
	local_irq_restore(flags);
	pvfault_ready_all();
	return 0;
}

/*
 * Told no more, on any CPU, and nobody left asleep. A backend that registers
 * meanwhile finds it quiet, too.
 */
static void pvfault_hush_all(void)
{
	WRITE_ONCE(pvfault_quiet, true);
	if (!READ_ONCE(pvfault_backend))
		return;
	on_each_cpu(pvfault_hush_cpu, NULL, true);
	pvfault_ready_all();
}

/**
 * pvfault_register() - make @backend the active one
 * @backend: stays valid until pvfault_unregister() has returned
 *
 * Context: process context, may sleep.
 * Return: 0; -ENODEV if switched off at boot; -EBUSY if there is one already;
 * -EINVAL without name or recogniser; -ENOMEM, or another error from setting
 * up CPU hotplug.
 */
int pvfault_register(const struct pvfault_backend *backend)
{
	int err;

	if (!backend->name || !backend->recognise)
		return -EINVAL;
	if (pvfault_mode == PVFAULT_MODE_OFF)
		return -ENODEV;

	mutex_lock(&pvfault_mutex);
	err = -EBUSY;
	if (pvfault_backend)
		goto unlock;
	err = pvfault_table_init();
	if (err)
		goto unlock;

	WRITE_ONCE(pvfault_backend, backend);
	static_call_update(pvfault_recognise, backend->recognise);
	static_branch_enable(&pvfault_enabled);
	err = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "x86/pvfault:online",
				pvfault_cpu_online, pvfault_cpu_offline);
	if (err < 0)
		goto disarm;
	pvfault_cpuhp_state = err;
	err = 0;
	pr_info("backend %s active\n", backend->name);
	goto unlock;

disarm:
	static_branch_disable(&pvfault_enabled);
	static_call_update(pvfault_recognise, pvfault_recognise_none);
	WRITE_ONCE(pvfault_backend, NULL);
unlock:
	mutex_unlock(&pvfault_mutex);
	return err;
}
EXPORT_SYMBOL_GPL(pvfault_register);

/**
 * pvfault_unregister() - let go of @backend
 * @backend: the active one; anything else is ignored
 *
 * Tasks that sleep are woken and retry. When this returns nobody calls
 * @backend any more.
 *
 * Context: process context, may sleep.
 */
void pvfault_unregister(const struct pvfault_backend *backend)
{
	int cpu;

	mutex_lock(&pvfault_mutex);
	if (!backend || pvfault_backend != backend)
		goto unlock;
	cpuhp_remove_state(pvfault_cpuhp_state);
	static_branch_disable(&pvfault_enabled);
	pvfault_alloc_stop();
	static_call_update(pvfault_recognise, pvfault_recognise_none);
	pvfault_why = "the last one was unregistered";
	WRITE_ONCE(pvfault_backend, NULL);
	/* Wait for repairs that are under way, here and there, and for readers of the name. */
	for_each_possible_cpu(cpu)
		pvfault_watch_sync(cpu);
	synchronize_rcu();
	pvfault_ready_all();
	pr_info("backend %s unregistered\n", backend->name);
unlock:
	mutex_unlock(&pvfault_mutex);
}
EXPORT_SYMBOL_GPL(pvfault_unregister);

/**
 * pvfault_unavailable() - say why there will be no backend
 * @why: half a sentence for the boot line and /sys/kernel/pvfault/backend; a string
 *	constant
 *
 * For a backend that finds its hypervisor, but not what it needs, or not any more.
 *
 * Context: any.
 */
void pvfault_unavailable(const char *why)
{
	if (pvfault_mode != PVFAULT_MODE_OFF)
		pvfault_why = why;
}

/**
 * pvfault_kernel_mode() - may a host be asked for NOT_PRESENT in kernel mode?
 *
 * What comes in kernel mode although this says no is refused.
 *
 * Context: any, from subsys_initcall on.
 * Return: true if so; doesn't change while the system runs.
 */
bool pvfault_kernel_mode(void)
{
	return pvfault_mode == PVFAULT_MODE_KERNEL && pvfault_kernel_possible();
}

/**
 * pvfault_mode_name() - where tasks may sleep
 *
 * Context: any.
 * Return: "off", "user" or "kernel".
 */
const char *pvfault_mode_name(void)
{
	enum pvfault_mode mode = pvfault_mode;

	if (mode == PVFAULT_MODE_KERNEL && !pvfault_kernel_possible())
		mode = PVFAULT_MODE_USER;
	return pvfault_mode_names[mode];
}

/**
 * pvfault_backend_why_none() - why there is no backend
 *
 * Context: any.
 * Return: half a sentence, or NULL if there is one.
 */
const char *pvfault_backend_why_none(void)
{
	return READ_ONCE(pvfault_backend) ? NULL : pvfault_why;
}

/**
 * pvfault_backend_name() - the active backend's name
 *
 * Context: RCU read side, as long as the name is used.
 * Return: a name, or "none".
 */
const char *pvfault_backend_name(void)
{
	const struct pvfault_backend *backend = READ_ONCE(pvfault_backend);

	return backend ? backend->name : "none";
}

/**
 * pvfault_backend_repair() - look for a READY lost on this CPU
 *
 * Context: irq_work: interrupts off.
 */
void pvfault_backend_repair(void)
{
	const struct pvfault_backend *backend = READ_ONCE(pvfault_backend);

	if (backend && backend->repair && this_cpu_read(pvfault_told))
		backend->repair();
}

static int pvfault_pm(struct notifier_block *nb, unsigned long event, void *unused)
{
	mutex_lock(&pvfault_mutex);
	switch (event) {
	case PM_SUSPEND_PREPARE:
	case PM_HIBERNATION_PREPARE:
	case PM_RESTORE_PREPARE:
		pvfault_hush_all();
		break;
	case PM_POST_SUSPEND:
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
		WRITE_ONCE(pvfault_quiet, false);
		if (!pvfault_backend)
			break;
		/* A CPU on its way out has been hushed, but is still online. */
		cpus_read_lock();
		on_each_cpu(pvfault_tell_cpu, NULL, true);
		cpus_read_unlock();
		break;
	}
	mutex_unlock(&pvfault_mutex);
	return NOTIFY_OK;
}

static struct notifier_block pvfault_pm_nb = {
	.notifier_call = pvfault_pm,
};

/*
 * Not under the mutex, and for a restart alone: an emergency must not wait for a task or
 * for a CPU that doesn't answer, and when the machine is switched off no other kernel
 * begins in this one's memory.
 */
static int pvfault_reboot(struct notifier_block *nb, unsigned long code, void *unused)
{
	if (code == SYS_RESTART)
		pvfault_hush_all();
	return NOTIFY_DONE;
}

static struct notifier_block pvfault_reboot_nb = {
	.notifier_call = pvfault_reboot,
};

/* Not CRASH_DUMP, which in Linux 6.1 is the second kernel's business. */
#ifdef CONFIG_KEXEC_CORE
static void (*pvfault_next_crash_shutdown)(struct pt_regs *regs) __ro_after_init;

static void pvfault_crash_shutdown(struct pt_regs *regs)
{
	WRITE_ONCE(pvfault_quiet, true);
	if (READ_ONCE(pvfault_backend))
		pvfault_hush_cpu(NULL);
	pvfault_next_crash_shutdown(regs);
}

static void __init pvfault_crash_init(void)
{
	pvfault_next_crash_shutdown = machine_ops.crash_shutdown;
	machine_ops.crash_shutdown = pvfault_crash_shutdown;
}
#else
static void __init pvfault_crash_init(void) { }
#endif

static int __init pvfault_init(void)
{
	pvfault_probe_init();
	register_pm_notifier(&pvfault_pm_nb);
	register_reboot_notifier(&pvfault_reboot_nb);
	pvfault_crash_init();
	return 0;
}
core_initcall(pvfault_init);

static int __init pvfault_report(void)
{
	if (!pvfault_backend)
		pr_info("no backend: %s\n", pvfault_why);
	return 0;
}
late_initcall(pvfault_report);
