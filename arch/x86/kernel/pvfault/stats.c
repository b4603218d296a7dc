// SPDX-License-Identifier: GPL-2.0
/*
 * What can be seen from outside.
 *
 *	/sys/kernel/pvfault/backend		its name, or "none: why"
 *	/sys/kernel/pvfault/mode		"off", "user" or "kernel"; writable
 *	/sys/kernel/pvfault/notified		what the host was seen to do: "none",
 *						"user" or "kernel"
 *	/sys/kernel/pvfault/ready_all		writing 1 wakes all sleepers
 *	/sys/kernel/pvfault/deadline_ms		writable
 *	/sys/kernel/pvfault/outstanding		tasks asleep now
 *	/sys/kernel/pvfault/probing		tasks that retry now, see probe.c
 *	/sys/kernel/pvfault/counters/NAME	see PVFAULT_EVENTS
 *	/sys/kernel/debug/pvfault/sleepers	who sleeps on what, since when
 *
 * sysfs holds what a locked-down kernel must still show.
 */

#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/kobject.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/sysfs.h>

#define CREATE_TRACE_POINTS
#include "internal.h"

DEFINE_PER_CPU(struct pvfault_counters, pvfault_counters);

#define PVFAULT_EVENT_NAME(name) #name,
static const char * const pvfault_event_names[] = {
	PVFAULT_EVENTS(PVFAULT_EVENT_NAME)
};

/**
 * pvfault_count() - how often something happened since boot
 * @event: what
 *
 * Context: any. Exact once nothing is under way.
 * Return: the sum over all CPUs.
 */
unsigned long pvfault_count(enum pvfault_event event)
{
	unsigned long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(pvfault_counters, cpu).n[event]);
	return sum;
}

static ssize_t backend_show(struct kobject *kobj, struct kobj_attribute *attr,
			    char *buf)
{
	const char *why = pvfault_backend_why_none();
	ssize_t len;

	rcu_read_lock();
	len = sysfs_emit(buf, "%s%s%s\n", pvfault_backend_name(), why ? ": " : "",
			 why ?: "");
	rcu_read_unlock();
	return len;
}

static ssize_t mode_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", pvfault_mode_name());
}

static ssize_t mode_store(struct kobject *kobj, struct kobj_attribute *attr,
			  const char *buf, size_t count)
{
	int err = pvfault_set_mode(buf);

	return err ?: count;
}

/* In kernel mode a notification leads to a wait there, or is rejected. */
static ssize_t notified_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	bool kernel = pvfault_count(PVFAULT_NR_sleep_kernel) ||
		      pvfault_count(PVFAULT_NR_rejected) >
		      pvfault_count(PVFAULT_NR_rejected_mode);

	return sysfs_emit(buf, "%s\n", kernel ? "kernel" :
			  pvfault_count(PVFAULT_NR_not_present) ? "user" : "none");
}

static ssize_t ready_all_store(struct kobject *kobj, struct kobj_attribute *attr,
			       const char *buf, size_t count)
{
	bool yes;
	int err = kstrtobool(buf, &yes);

	if (err || !yes)
		return err ?: -EINVAL;
	/* Without a backend there is no table. */
	if (pvfault_backend_why_none())
		return -ENODEV;
	pvfault_ready_all();
	return count;
}

static ssize_t outstanding_show(struct kobject *kobj, struct kobj_attribute *attr,
				char *buf)
{
	return sysfs_emit(buf, "%u\n", pvfault_table_outstanding());
}

static ssize_t probing_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", pvfault_probes_running());
}

static ssize_t deadline_ms_show(struct kobject *kobj, struct kobj_attribute *attr,
				char *buf)
{
	return sysfs_emit(buf, "%lu\n", pvfault_deadline_ms());
}

static ssize_t deadline_ms_store(struct kobject *kobj, struct kobj_attribute *attr,
				 const char *buf, size_t count)
{
	unsigned long ms;
	int err = kstrtoul(buf, 0, &ms) ?: pvfault_set_deadline_ms(ms);

	return err ?: count;
}

static struct kobj_attribute backend_attr = __ATTR_RO(backend);
static struct kobj_attribute mode_attr = __ATTR_RW(mode);
static struct kobj_attribute notified_attr = __ATTR_RO(notified);
static struct kobj_attribute ready_all_attr = __ATTR_WO(ready_all);
static struct kobj_attribute outstanding_attr = __ATTR_RO(outstanding);
static struct kobj_attribute probing_attr = __ATTR_RO(probing);
static struct kobj_attribute deadline_ms_attr = __ATTR_RW(deadline_ms);

static struct attribute *pvfault_attrs[] = {
	&backend_attr.attr,
	&mode_attr.attr,
	&notified_attr.attr,
	&ready_all_attr.attr,
	&outstanding_attr.attr,
	&probing_attr.attr,
	&deadline_ms_attr.attr,
	NULL
};

static const struct attribute_group pvfault_group = {
	.attrs = pvfault_attrs,
};

static struct kobj_attribute pvfault_counter_attr[PVFAULT_NR_EVENTS];
static struct attribute *pvfault_counter_attrs[PVFAULT_NR_EVENTS + 1];

static const struct attribute_group pvfault_counter_group = {
	.name = "counters",
	.attrs = pvfault_counter_attrs,
};

static ssize_t counter_show(struct kobject *kobj, struct kobj_attribute *attr,
			    char *buf)
{
	return sysfs_emit(buf, "%lu\n", pvfault_count(attr - pvfault_counter_attr));
}

static void __init pvfault_counter_attrs_init(void)
{
	int i;

	for (i = 0; i < PVFAULT_NR_EVENTS; i++) {
		struct kobj_attribute *a = &pvfault_counter_attr[i];

		sysfs_attr_init(&a->attr);
		a->attr.name = pvfault_event_names[i];
		a->attr.mode = 0444;
		a->show = counter_show;
		pvfault_counter_attrs[i] = &a->attr;
	}
}

static int sleepers_show(struct seq_file *m, void *v)
{
	pvfault_table_show(m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(sleepers);

static int __init pvfault_stats_init(void)
{
	static const struct attribute_group *groups[] = {
		&pvfault_group, &pvfault_counter_group, NULL
	};
	struct kobject *kobj = kobject_create_and_add("pvfault", kernel_kobj);

	pvfault_counter_attrs_init();
	if (!kobj || sysfs_create_groups(kobj, groups))
		pr_warn("pvfault: no statistics in sysfs\n");
	debugfs_create_file("sleepers", 0444, debugfs_create_dir("pvfault", NULL),
			    NULL, &sleepers_fops);
	return 0;
}
subsys_initcall(pvfault_stats_init);
