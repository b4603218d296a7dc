// SPDX-License-Identifier: GPL-2.0
/*
 * What userspace can see.
 *
 *	/sys/kernel/pvfault/backend		its name, or "none: why"
 *	/sys/kernel/pvfault/mode		"off", "user" or "kernel"; writable
 *	/sys/kernel/pvfault/notified		modes in which the host has notified:
 *						"none", "user" or "kernel"
 *	/sys/kernel/pvfault/ready_all		writing 1 wakes all sleepers
 *	/sys/kernel/pvfault/deadline_ms		writable
 *	/sys/kernel/pvfault/ahead		writable: pages touched at once
 *	/sys/kernel/pvfault/outstanding		tokens that tasks wait for now
 *	/sys/kernel/pvfault/probing		tasks that retry now, see probe.c
 *	/sys/kernel/pvfault/counters/NAME	see PVFAULT_EVENTS
 *	/sys/kernel/pvfault/waits/NAME		how long tasks waited
 *	/sys/kernel/debug/pvfault/sleepers	tasks asleep, their tokens, since when
 *
 * sysfs holds what a locked-down kernel must still show.
 */

#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/kobject.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/sysfs.h>
#include <linux/time64.h>

#define CREATE_TRACE_POINTS
#include "internal.h"

DEFINE_PER_CPU(struct pvfault_counters, pvfault_counters);
DEFINE_PER_CPU(struct pvfault_waits, pvfault_waits);

/* Guards the longest wait of all before the last look at the per-CPU ones. */
static DEFINE_MUTEX(pvfault_longest_mutex);
static unsigned long pvfault_longest;

#define PVFAULT_EVENT_NAME(name) #name,
static const char * const pvfault_event_names[] = {
	PVFAULT_EVENTS(PVFAULT_EVENT_NAME)
};

/**
 * pvfault_count() - how often something happened since boot
 * @event: the event
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

/**
 * pvfault_wait_count() - how many waits of some length have ended since boot
 * @bucket: fls() of their length in ticks
 * @mode: where the tasks were
 *
 * Context: any. Exact once nothing is under way.
 * Return: the sum over all CPUs.
 */
unsigned long pvfault_wait_count(unsigned int bucket, enum pvfault_wait_mode mode)
{
	unsigned long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(pvfault_waits, cpu).n[mode][bucket]);
	return sum;
}

/**
 * pvfault_wait_ticks() - how long all waits that have ended took together
 * @mode: where the tasks were
 *
 * Context: any.
 * Return: ticks, of all CPUs.
 */
unsigned long pvfault_wait_ticks(enum pvfault_wait_mode mode)
{
	unsigned long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(pvfault_waits, cpu).ticks[mode]);
	return sum;
}

/**
 * pvfault_wait_longest() - the longest wait that has ended since boot
 *
 * Context: may sleep.
 * Return: ticks.
 */
unsigned long pvfault_wait_longest(void)
{
	unsigned long longest;
	int cpu;

	mutex_lock(&pvfault_longest_mutex);
	longest = pvfault_longest;
	for_each_possible_cpu(cpu)
		longest = max(longest, READ_ONCE(per_cpu(pvfault_waits, cpu).longest));
	mutex_unlock(&pvfault_longest_mutex);
	return longest;
}

/**
 * pvfault_wait_longest_recent() - the longest wait that has ended since the last call
 *
 * Context: may sleep.
 * Return: ticks.
 */
unsigned long pvfault_wait_longest_recent(void)
{
	unsigned long recent = 0;
	int cpu;

	mutex_lock(&pvfault_longest_mutex);
	/* A wait that ends meanwhile counts for the next call, or is shorter than recent. */
	for_each_possible_cpu(cpu)
		recent = max(recent, xchg(&per_cpu(pvfault_waits, cpu).longest, 0));
	pvfault_longest = max(pvfault_longest, recent);
	mutex_unlock(&pvfault_longest_mutex);
	return recent;
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

static ssize_t ahead_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	if (!pvfault_kernel_mode())
		return sysfs_emit(buf, "0: tasks don't sleep in kernel mode\n");
	return sysfs_emit(buf, "%u\n", READ_ONCE(pvfault_ahead));
}

static ssize_t ahead_store(struct kobject *kobj, struct kobj_attribute *attr,
			   const char *buf, size_t count)
{
	unsigned int pages;
	int err = kstrtouint(buf, 0, &pages) ?: pvfault_set_ahead(pages);

	return err ?: count;
}

static struct kobj_attribute ahead_attr = __ATTR_RW(ahead);
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
	&ahead_attr.attr,
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

static u64 pvfault_ticks_to_us(unsigned long ticks)
{
	return mul_u64_u32_div(ticks, USEC_PER_SEC, HZ);
}

/*
 * A wait may take an hour and some seconds (pvfault_set_deadline_ms()), and longer only
 * if nothing ran for so long. Longer waits have no line of their own.
 */
#define PVFAULT_WAIT_LINES	(ilog2(3600UL * HZ) + 2)

static ssize_t histogram_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	unsigned long user = 0, kernel = 0;
	ssize_t len = 0;
	int i;

	for (i = 0; i < PVFAULT_WAIT_BUCKETS; i++) {
		user += pvfault_wait_count(i, PVFAULT_WAIT_USER);
		kernel += pvfault_wait_count(i, PVFAULT_WAIT_KERNEL);
		if (i >= PVFAULT_WAIT_LINES)
			continue;
		len += sysfs_emit_at(buf, len, "%llu %lu %lu\n", pvfault_ticks_to_us(1UL << i),
				     user, kernel);
		user = 0;
		kernel = 0;
	}
	len += sysfs_emit_at(buf, len, "inf %lu %lu\n", user, kernel);
	return len;
}

static ssize_t user_us_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n",
			  pvfault_ticks_to_us(pvfault_wait_ticks(PVFAULT_WAIT_USER)));
}

static ssize_t kernel_us_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n",
			  pvfault_ticks_to_us(pvfault_wait_ticks(PVFAULT_WAIT_KERNEL)));
}

static ssize_t longest_us_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", pvfault_ticks_to_us(pvfault_wait_longest()));
}

static ssize_t longest_recent_us_show(struct kobject *kobj, struct kobj_attribute *attr,
				      char *buf)
{
	return sysfs_emit(buf, "%llu\n", pvfault_ticks_to_us(pvfault_wait_longest_recent()));
}

static struct kobj_attribute histogram_attr = __ATTR_RO(histogram);
static struct kobj_attribute user_us_attr = __ATTR_RO(user_us);
static struct kobj_attribute kernel_us_attr = __ATTR_RO(kernel_us);
static struct kobj_attribute longest_us_attr = __ATTR_RO(longest_us);
/* Reading it begins a new period for all readers, so only root may. */
static struct kobj_attribute longest_recent_us_attr = __ATTR_RO_MODE(longest_recent_us, 0400);

static struct attribute *pvfault_wait_attrs[] = {
	&histogram_attr.attr,
	&user_us_attr.attr,
	&kernel_us_attr.attr,
	&longest_us_attr.attr,
	&longest_recent_us_attr.attr,
	NULL
};

static const struct attribute_group pvfault_wait_group = {
	.name = "waits",
	.attrs = pvfault_wait_attrs,
};

static int sleepers_show(struct seq_file *m, void *v)
{
	pvfault_table_show(m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(sleepers);

static int __init pvfault_stats_init(void)
{
	static const struct attribute_group *groups[] = {
		&pvfault_group, &pvfault_counter_group, &pvfault_wait_group, NULL
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
