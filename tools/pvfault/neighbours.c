// SPDX-License-Identifier: GPL-2.0
/* The domain's other devices, see neighbours.h. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "neighbours.h"
#include "pager.h"

/* Their drivers share pages that they have allocated for that, and no others. */
static const char * const harmless[] = {
	XEN_PVFAULT_DEVICE, "console", "suspend", "vkbd",
};

static bool is_harmless(const char *class)
{
	unsigned int i;

	for (i = 0; i < sizeof(harmless) / sizeof(*harmless); i++)
		if (!strcmp(class, harmless[i]))
			return true;
	return false;
}

static bool node_is(struct pager *p, const char *path, const char *wanted)
{
	char *value = xenif_read(p->xen, path);
	bool is = value && !strcmp(value, wanted);

	free(value);
	return is;
}

/* Does its driver copy what it sends, instead of handing out the page that it is in? */
static bool copies(struct pager *p, const char *class, const char *index)
{
	char path[128];

	snprintf(path, sizeof(path), "/local/domain/%u/device/%.16s/%.16s/trusted",
		 p->xen->domid, class, index);
	return node_is(p, path, "0");
}

/* Does QEMU have such a device for it, too? Of disks it does, in an HVM domain. */
static bool emulated(struct pager *p, const char *class, const char *index)
{
	char path[128];

	if (!p->domain.emulated || !strcmp(class, "vbd"))
		return p->domain.emulated;
	snprintf(path, sizeof(path), "/local/domain/0/backend/vif/%u/%.16s/type",
		 p->xen->domid, index);
	return !node_is(p, path, "vif");
}

static bool allow(struct pager *p, const char *class, const char *index, char *why,
		  size_t size)
{
	if (strcmp(class, "vif") && strcmp(class, "vbd")) {
		snprintf(why, size, "it has a device (%.16s %.16s) whose driver may hand out any page; no page is taken beside it",
			 class, index);
	} else if (!copies(p, class, index) && !strcmp(class, "vbd")) {
		/* In xl.cfg of Xen 4.17 there is a word for that for network cards only. */
		snprintf(why, size, "the driver of its %s %.16s may hand out any page; write 0 to its device/vbd/%.16s/trusted before it boots, so that it copies",
			 class, index, index);
	} else if (!copies(p, class, index)) {
		snprintf(why, size, "the driver of its %s %.16s may hand out any page; say \"untrusted\" for it in xl.cfg, so that it copies",
			 class, index);
	} else if (emulated(p, class, index)) {
		snprintf(why, size, "its %s %.16s is emulated by QEMU, too, which may write to any page; use a PVH domain%s",
			 class, index, strcmp(class, "vif") ? "" : ", or type=vif");
	} else {
		return true;
	}
	return false;
}

bool neighbours_allow(struct pager *p, char *why, size_t size)
{
	unsigned int i, j, nr_classes = 0, nr;
	char path[128], **class, **index;
	bool good = true;

	snprintf(path, sizeof(path), "/local/domain/%u/device", p->xen->domid);
	class = xenif_list(p->xen, path, &nr_classes);
	for (i = 0; class && i < nr_classes && good; i++) {
		if (is_harmless(class[i]))
			continue;
		snprintf(path, sizeof(path), "/local/domain/%u/device/%.32s", p->xen->domid,
			 class[i]);
		nr = 0;
		index = xenif_list(p->xen, path, &nr);
		for (j = 0; index && j < nr && good; j++)
			good = allow(p, class[i], index[j], why, size);
		free(index);
	}
	free(class);
	return good;
}
