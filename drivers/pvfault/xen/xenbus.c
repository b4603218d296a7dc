// SPDX-License-Identifier: GPL-2.0
/*
 * The device on Xen's bus: probing, suspend, reboot, and what sysfs shows.
 *
 * state.c decides which state is shown to the pager.
 */

#define pr_fmt(fmt) "pvfault: xen: " fmt

#include <linux/completion.h>
#include <linux/crash_dump.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kexec.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/platform_device.h>
#include <linux/pm.h>
#include <linux/reboot.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/workqueue.h>

#include <xen/platform_pci.h>
#include <xen/xen.h>
#include <xen/xenbus.h>

#include "xen.h"

#define FRONT_NODE	"device/" XEN_PVFAULT_DEVICE "/0"

/* How long to wait for Closed. xl gives a suspending guest 60 seconds. */
#define SUSPEND_S	50
#define KEXEC_S		5
#define UNBIND_S	5

static int front_probe(struct xenbus_device *dev, const struct xenbus_device_id *id)
{
	/* The bus will watch the pager from now on, and begins with an event. */
	return strcmp(dev->nodename, FRONT_NODE) ? -EBUSY : xen_pvfault_state_bind(dev);
}

static void front_changed(struct xenbus_device *dev, enum xenbus_state backend)
{
	xen_pvfault_state_look();
}

static void front_remove(struct xenbus_device *dev)
{
	/*
	 * If the pager doesn't answer, it may still notify and write, so all
	 * stays as it is until the device is bound again.
	 */
	if (!xen_pvfault_state_leave(UNBIND_S))
		dev_warn(&dev->dev, "the pager may still hold pages\n");
	xen_pvfault_state_unbind();
}

/*
 * Suspend
 * -------
 * A domain that is saved while pages are out loses them. xenbus_driver.suspend
 * can only delay that, what it returns is ignored. prepare comes before any device
 * is suspended, and its error ends the attempt: the domain lives on, and xl
 * reports that it didn't suspend.
 *
 * It belongs to a device of its own, because the one on Xen's bus may have no driver
 * while pages are still out: it was unbound, or has vanished from XenStore.
 */
static int front_prepare(struct device *dev)
{
	if (xen_pvfault_state_leave(SUSPEND_S))
		return 0;
	pr_warn("the pager hasn't brought all pages back: not suspended\n");
	xen_pvfault_state_return();
	return -EBUSY;
}

/*
 * After a resume as another domain, its pager may not be there yet. The bus then can't
 * read the device's nodes, and ignores the device, but doesn't remove it. When the pager
 * comes, the bus sees no new device. So watch for that ourselves.
 */
static struct xenbus_driver front_driver;

static void front_appeared(struct xenbus_watch *watch, const char *path,
			   const char *token)
{
	/* The bus's own criterion for a device that is complete. */
	struct xenbus_device *dev = xen_pvfault_state_device();

	if (dev)
		put_device(&dev->dev);
	else if (xen_pvfault_read_state(FRONT_NODE) == XenbusStateInitialising &&
		 driver_attach(&front_driver.driver))
		pr_warn("can't bind the device anew\n");
}

static struct xenbus_watch front_watch = {
	.node		= "device/" XEN_PVFAULT_DEVICE,
	.callback	= front_appeared,
};

static void front_lost(struct work_struct *work)
{
	static bool watching;	/* this work only */
	struct xenbus_device *dev = xen_pvfault_state_device();

	if (dev) {
		device_release_driver(&dev->dev);
		put_device(&dev->dev);
	}
	if (!watching)
		watching = !register_xenbus_watch(&front_watch);
}

static DECLARE_WORK(front_lost_work, front_lost);

static void front_complete(struct device *unused)
{
	struct xenbus_device *dev = xen_pvfault_state_device();

	if (dev && !dev->otherend)
		schedule_work(&front_lost_work);
	else
		xen_pvfault_state_return();
	if (dev)
		put_device(&dev->dev);
}

static const struct dev_pm_ops front_pm_ops = {
	.prepare	= front_prepare,
	.complete	= front_complete,
};

static struct platform_driver front_pm_driver = {
	.driver = {
		.name	= "xen-pvfault",
		.pm	= pm_sleep_ptr(&front_pm_ops),
	},
};

/*
 * Reboot
 * ------
 * The next kernel of a kexec must find all memory, unshared. This is the last moment,
 * because the bus says Closing later on, but hears no answer. If the machine goes off or
 * is reset, the pages aren't needed, and there is no wait.
 */
static int front_reboot(struct notifier_block *nb, unsigned long code, void *unused)
{
	struct xenbus_device *dev;

	if (kexec_in_progress) {
		if (!xen_pvfault_state_leave(KEXEC_S))
			pr_warn("the pager still holds pages of this kernel\n");
		return NOTIFY_DONE;
	}
	dev = xen_pvfault_state_device();
	if (dev) {
		complete(&dev->down);
		put_device(&dev->dev);
	}
	return NOTIFY_DONE;
}

static struct notifier_block front_reboot_nb = {
	.notifier_call = front_reboot,
};

/*
 * Figures that a locked-down kernel must still show, in
 * /sys/bus/xen/devices/pvfault-0/pvfault/.
 */
#define FRONT_COUNT_NAME(name) #name,
static const char * const front_count_names[] = {
	XEN_PVFAULT_COUNTS(FRONT_COUNT_NAME)
};

static struct device_attribute front_count_attr[XEN_PVFAULT_NR_COUNTS];

static ssize_t offered_pages_show(struct device *dev, struct device_attribute *attr,
				  char *buf)
{
	return sysfs_emit(buf, "%llu\n", xen_pvfault_offer_pages());
}
static DEVICE_ATTR_RO(offered_pages);

static struct attribute *front_attrs[XEN_PVFAULT_NR_COUNTS + 2] = {
	&dev_attr_offered_pages.attr,
};

static ssize_t count_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	unsigned long *count = &xen_pvfault_reader.count[attr - front_count_attr];

	return sysfs_emit(buf, "%lu\n", READ_ONCE(*count));
}

static void __init front_attrs_init(void)
{
	int i;

	for (i = 0; i < XEN_PVFAULT_NR_COUNTS; i++) {
		struct device_attribute *a = &front_count_attr[i];

		sysfs_attr_init(&a->attr);
		a->attr.name = front_count_names[i];
		a->attr.mode = 0444;
		a->show = count_show;
		front_attrs[i + 1] = &a->attr;
	}
}

static const struct attribute_group front_group = {
	.name	= "pvfault",
	.attrs	= front_attrs,
};

static const struct attribute_group *front_groups[] = { &front_group, NULL };

static const struct xenbus_device_id front_ids[] = {
	{ XEN_PVFAULT_DEVICE },
	{ "" }
};

static struct xenbus_driver front_driver = {
	.ids			= front_ids,
	.not_essential		= true,
	.probe			= front_probe,
	.remove			= front_remove,
	.otherend_changed	= front_changed,
	.driver = {
		.dev_groups	= front_groups,
	},
};

static int __init front_init(void)
{
	struct platform_device *pm;

	if (!xen_domain())
		return 0;
	if (xen_pv_domain()) {
		pvfault_unavailable("xen: not for PV domains");
		return 0;
	}
	if (xen_initial_domain() || is_kdump_kernel() || !xen_has_pv_devices()) {
		pvfault_unavailable("xen: not for dom0, kdump, or without PV devices");
		return 0;
	}
	/* Not the end: such memory may be added later. */
	if (xen_pvfault_can_offer())
		pvfault_unavailable("xen: waiting for a pager");
	else
		pvfault_unavailable("xen: no ZONE_MOVABLE to offer, see kernelcore=");
	pm = platform_create_bundle(&front_pm_driver, NULL, NULL, 0, NULL, 0);
	if (IS_ERR(pm))
		return PTR_ERR(pm);
	front_attrs_init();
	xen_pvfault_offer_init();
	register_reboot_notifier(&front_reboot_nb);
	return xenbus_register_frontend(&front_driver);
}
device_initcall(front_init);
