// SPDX-License-Identifier: GPL-2.0
/*
 * The backend slot: one backend at a time. Notifications are enabled on every CPU
 * that is online, except while the machine suspends, restarts or crashes.
 *
 *	register	arm the hook, then enable notifications on each CPU
 *	unregister	disable notifications, disarm the hooks, wake all
 *	CPU hotplug	the same for one CPU, in its hotplug thread
 *	suspend		disabled from before tasks are frozen until they have
 *			been thawed; covers hibernation and its restore
 *	mode "off"	disabled when no task sleeps any more, see mode.c
 *	reboot, kexec	disabled for good, because the host must not write into
 *			the memory of the next kernel
 *	crash		the same for the crashing CPU; the others are stopped
 *			by NMI with their interrupts off
 */

#define pr_fmt(fmt) "pvfault: " fmt

#include <linux/bitops.h>
#include <linux/cpu.h>
#include <linux/cpufeature.h>
#include <linux/cpuhotplug.h>
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/irqflags.h>
#include <linux/jump_label.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/reboot.h>
#include <linux/smp.h>
#include <linux/static_call.h>
#include <linux/suspend.h>
#include <linux/timer.h>

#include <asm/pvfault.h>
#include <asm/reboot.h>

#include "internal.h"

/* Guards the slot, and with it registering, suspend and reboot. */
static DEFINE_MUTEX(pvfault_mutex);
static const struct pvfault_backend *pvfault_backend;
static enum cpuhp_state pvfault_cpuhp_state;

/*
 * The reasons why notifications are disabled on all CPUs: bits, because the end of one
 * reason must not undo another. Read with interrupts off.
 */
enum pvfault_disabled_reason {
	PVFAULT_DISABLED_SUSPEND,
	PVFAULT_DISABLED_REBOOT,	/* kexec and crash, too */
	PVFAULT_DISABLED_OFF,		/* mode "off" */
	PVFAULT_DISABLED_GONE,		/* the backend unregisters */
};

static unsigned long pvfault_disabled_for;

/* Notifications to this CPU are enabled. Written on its CPU, with interrupts off. */
static DEFINE_PER_CPU(bool, pvfault_cpu_enabled);

/* Why there is no backend: said at the end of boot, and in sysfs. */
static const char *pvfault_why = "no supported hypervisor";

/*
 * A restore may lose the host's state, so that no NOT_PRESENT comes any more. If no task
 * waits, nothing asks the watch for a repair. So each notified CPU looks now and then by
 * itself. The timer is deferrable, so that an idle CPU stays idle.
 */
#define PVFAULT_LOOK_PERIOD	(30 * HZ)

static void pvfault_look(struct timer_list *timer)
{
	unsigned long flags;

	local_irq_save(flags);
	pvfault_backend_repair();
	if (this_cpu_read(pvfault_cpu_enabled))
		mod_timer(timer, jiffies + PVFAULT_LOOK_PERIOD);
	local_irq_restore(flags);
}

static DEFINE_PER_CPU(struct timer_list, pvfault_look_timer);

static void __init pvfault_look_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		timer_setup(per_cpu_ptr(&pvfault_look_timer, cpu), pvfault_look,
			    TIMER_DEFERRABLE | TIMER_PINNED);
}

static void pvfault_enable_cpu(void *unused)
{
	const struct pvfault_backend *backend = READ_ONCE(pvfault_backend);
	unsigned int cpu = smp_processor_id();
	int err = 0;

	if (READ_ONCE(pvfault_disabled_for) || this_cpu_read(pvfault_cpu_enabled))
		return;
	if (backend->cpu_online)
		err = backend->cpu_online(cpu);
	if (err)
		pr_warn("%s: CPU %u takes no part, error %d\n",
			backend->name, cpu, err);
	else
		this_cpu_write(pvfault_cpu_enabled, true);
	if (!err)
		mod_timer(this_cpu_ptr(&pvfault_look_timer), jiffies + PVFAULT_LOOK_PERIOD);
}

/* Takes no lock. */
static void __pvfault_disable_cpu(void)
{
	const struct pvfault_backend *backend = READ_ONCE(pvfault_backend);

	if (!this_cpu_read(pvfault_cpu_enabled))
		return;
	if (backend->cpu_offline)
		backend->cpu_offline(smp_processor_id());
	this_cpu_write(pvfault_cpu_enabled, false);
}

static void pvfault_disable_cpu(void *unused)
{
	__pvfault_disable_cpu();
	timer_delete(this_cpu_ptr(&pvfault_look_timer));
}

/* Enable or disable notifications on this CPU, as the mode demands. */
static void pvfault_switch_cpu(struct irq_work *unused)
{
	const struct pvfault_backend *backend = READ_ONCE(pvfault_backend);

	if (!backend)
		return;
	if (READ_ONCE(pvfault_disabled_for)) {
		pvfault_disable_cpu(NULL);
		/* Wake the tasks notified here after the watch had looked. */
		pvfault_ready_all();
		return;
	}
	pvfault_enable_cpu(NULL);
	if (this_cpu_read(pvfault_cpu_enabled) && backend->mode_changed)
		backend->mode_changed();
}

static DEFINE_PER_CPU(struct irq_work, pvfault_switch_work) =
	IRQ_WORK_INIT_HARD(pvfault_switch_cpu);

/**
 * pvfault_backend_switch() - enable or disable notifications, as the mode demands
 *
 * Waits for no CPU. For a CPU that is about to come online it is done when it is online.
 *
 * Context: any; a CPU that is online stays so: preemption is off.
 */
void pvfault_backend_switch(void)
{
	unsigned int cpu;

	for_each_online_cpu(cpu)
		irq_work_queue_on(&per_cpu(pvfault_switch_work, cpu), cpu);
}

static int pvfault_cpu_online(unsigned int cpu)
{
	unsigned long flags;

	local_irq_save(flags);
	pvfault_enable_cpu(NULL);
	local_irq_restore(flags);
	return 0;
}

static int pvfault_cpu_offline(unsigned int cpu)
{
	unsigned long flags;

	local_irq_save(flags);
	pvfault_disable_cpu(NULL);
	local_irq_restore(flags);
	pvfault_ready_all();
	return 0;
}

/*
 * Disable notifications on all CPUs, and wake all sleepers. A backend that registers
 * meanwhile stays disabled, too.
 */
static void pvfault_disable_all(enum pvfault_disabled_reason reason)
{
	set_bit(reason, &pvfault_disabled_for);
	if (!READ_ONCE(pvfault_backend))
		return;
	on_each_cpu(pvfault_disable_cpu, NULL, true);
	pvfault_ready_all();
}

static void pvfault_enable_all(void)
{
	/* A CPU on its way out is disabled, but still online. */
	cpus_read_lock();
	on_each_cpu(pvfault_enable_cpu, NULL, true);
	cpus_read_unlock();
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
	if (pvfault_off_at_boot())
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

/**
 * pvfault_unregister() - let go of @backend
 * @backend: the active one; anything else is ignored
 *
 * Tasks that sleep are woken and retry. When this returns @backend isn't called
 * any more.
 *
 * Context: process context, may sleep.
 */
void pvfault_unregister(const struct pvfault_backend *backend)
{
	int cpu;

	mutex_lock(&pvfault_mutex);
	if (!backend || pvfault_backend != backend)
		goto unlock;
	/* A change of the mode that is under way must not enable a CPU again. */
	set_bit(PVFAULT_DISABLED_GONE, &pvfault_disabled_for);
	cpuhp_remove_state(pvfault_cpuhp_state);
	static_branch_disable(&pvfault_enabled);
	pvfault_hooks_stop();
	static_call_update(pvfault_recognise, pvfault_recognise_none);
	pvfault_why = "the last one was unregistered";
	WRITE_ONCE(pvfault_backend, NULL);
	/* Wait for repairs that are under way, and for readers of the name. */
	for_each_possible_cpu(cpu) {
		timer_delete_sync(per_cpu_ptr(&pvfault_look_timer, cpu));
		pvfault_watch_sync(cpu);
		irq_work_sync(&per_cpu(pvfault_switch_work, cpu));
	}
	synchronize_rcu();
	clear_bit(PVFAULT_DISABLED_GONE, &pvfault_disabled_for);
	pvfault_ready_all();
	pr_info("backend %s unregistered\n", backend->name);
unlock:
	mutex_unlock(&pvfault_mutex);
}

/**
 * pvfault_unavailable() - say why there will be no backend
 * @why: half a sentence for the boot line and /sys/kernel/pvfault/backend; a string
 *	constant
 *
 * For a backend whose hypervisor lacks something that it needs, or no longer has it.
 *
 * Context: any.
 */
void pvfault_unavailable(const char *why)
{
	if (!pvfault_off_at_boot())
		pvfault_why = why;
}

/**
 * pvfault_backend_quiet() - the mode is "off", or not any more
 * @off: whether it is
 *
 * The host doesn't learn of it yet, see pvfault_backend_switch().
 *
 * Context: process context, may sleep.
 */
void pvfault_backend_quiet(bool off)
{
	mutex_lock(&pvfault_mutex);
	if (off)
		set_bit(PVFAULT_DISABLED_OFF, &pvfault_disabled_for);
	else
		clear_bit(PVFAULT_DISABLED_OFF, &pvfault_disabled_for);
	mutex_unlock(&pvfault_mutex);
}

/**
 * pvfault_backend_why_none() - why there is no backend
 *
 * Context: any.
 * Return: half a sentence, or NULL if there is one.
 */
const char *pvfault_backend_why_none(void)
{
	if (pvfault_off_at_boot())
		return "switched off by pvfault=off";
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

	if (backend && backend->repair && this_cpu_read(pvfault_cpu_enabled))
		backend->repair();
}

/**
 * pvfault_backend_keep_warm() - touch what a repair needs, see watch.c
 *
 * Context: any, RCU read side.
 */
void pvfault_backend_keep_warm(void)
{
	const struct pvfault_backend *backend = READ_ONCE(pvfault_backend);

	if (backend && backend->repair)
		(void)READ_ONCE(*(const u8 *)backend->repair);
}

int pvfault_pm(struct notifier_block *nb, unsigned long event, void *unused)
{
	mutex_lock(&pvfault_mutex);
	switch (event) {
	case PM_SUSPEND_PREPARE:
	case PM_HIBERNATION_PREPARE:
	case PM_RESTORE_PREPARE:
		pvfault_disable_all(PVFAULT_DISABLED_SUSPEND);
		break;
	case PM_POST_SUSPEND:
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
		clear_bit(PVFAULT_DISABLED_SUSPEND, &pvfault_disabled_for);
		if (pvfault_backend)
			pvfault_enable_all();
		break;
	}
	mutex_unlock(&pvfault_mutex);
	return NOTIFY_OK;
}

static struct notifier_block pvfault_pm_nb = {
	.notifier_call = pvfault_pm,
};

/*
 * Doesn't take the mutex, because an emergency must not wait for a task. Disables for a
 * restart alone: when the machine is switched off no other kernel begins in this one's
 * memory, and it must not wait for a CPU that doesn't answer.
 */
int pvfault_reboot(struct notifier_block *nb, unsigned long code, void *unused)
{
	if (code == SYS_RESTART)
		pvfault_disable_all(PVFAULT_DISABLED_REBOOT);
	return NOTIFY_DONE;
}

static struct notifier_block pvfault_reboot_nb = {
	.notifier_call = pvfault_reboot,
};

/**
 * pvfault_crash_disable() - the host is to notify this CPU no more, for good
 *
 * Context: any, NMI included; takes no lock: this CPU may hold any, and the others are
 * stopped.
 */
void pvfault_crash_disable(void)
{
	set_bit(PVFAULT_DISABLED_REBOOT, &pvfault_disabled_for);
	if (READ_ONCE(pvfault_backend))
		__pvfault_disable_cpu();
}

/**
 * pvfault_reboot_undo() - undo of pvfault_reboot() and pvfault_crash_disable(), for tests
 *
 * Context: process context, may sleep; a backend is registered.
 */
void pvfault_reboot_undo(void)
{
	clear_bit(PVFAULT_DISABLED_REBOOT, &pvfault_disabled_for);
	pvfault_enable_all();
}

/* Not CRASH_DUMP, which in Linux 6.1 stands for the second kernel alone. */
#ifdef CONFIG_KEXEC_CORE
static void (*pvfault_next_crash_shutdown)(struct pt_regs *regs) __ro_after_init;

static void pvfault_crash_shutdown(struct pt_regs *regs)
{
	pvfault_crash_disable();
	pvfault_next_crash_shutdown(regs);
}

/* Not on bare metal. Later, when a backend registers, machine_ops is read-only. */
static void __init pvfault_crash_init(void)
{
	if (!boot_cpu_has(X86_FEATURE_HYPERVISOR))
		return;
	pvfault_next_crash_shutdown = machine_ops.crash_shutdown;
	machine_ops.crash_shutdown = pvfault_crash_shutdown;
}
#else
static void __init pvfault_crash_init(void) { }
#endif

static int __init pvfault_init(void)
{
	pvfault_probe_init();
	pvfault_look_init();
	register_pm_notifier(&pvfault_pm_nb);
	register_reboot_notifier(&pvfault_reboot_nb);
	pvfault_crash_init();
	return 0;
}
core_initcall(pvfault_init);

static int __init pvfault_report(void)
{
	if (!pvfault_backend)
		pr_info("no backend: %s\n", pvfault_backend_why_none());
	return 0;
}
late_initcall(pvfault_report);
