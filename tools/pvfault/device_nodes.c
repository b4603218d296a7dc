// SPDX-License-Identifier: GPL-2.0
/* The device's folders in XenStore: the frontend's and ours. */

#include <stdio.h>

#include "frontend.h"
#include "pager.h"

void device_path(const struct pager *p, const char *name, char *path, size_t size)
{
	snprintf(path, size, "/local/domain/0/backend/%s/%u/0%s%s", XEN_PVFAULT_DEVICE,
		 p->xen->domid, name ? "/" : "", name ? name : "");
}

int device_make(struct pager *p)
{
	char front[128], back[128], front_node[3][128], back_node[7][128];
	char id[16], order[16], ranges[16], front_state[4] = "1";
	const int domid = p->xen->domid;
	struct xenif_node node[12];
	unsigned int i, n = 0;

	frontend_path(p, NULL, front, sizeof(front));
	device_path(p, NULL, back, sizeof(back));
	snprintf(id, sizeof(id), "%d", domid);
	snprintf(order, sizeof(order), "%u", XEN_PVFAULT_MAX_RING_PAGE_ORDER);
	snprintf(ranges, sizeof(ranges), "%u", XEN_PVFAULT_MAX_RANGES);
	const char * const front_value[3][2] = {
		{ "backend", back }, { "backend-id", "0" }, { "state", front_state },
	};
	const char * const back_value[7][2] = {
		{ "frontend", front }, { "frontend-id", id },
		{ XEN_PVFAULT_NODE_VERSIONS, "1" },
		{ XEN_PVFAULT_NODE_MAX_RING_PAGE_ORDER, order },
		{ XEN_PVFAULT_NODE_MAX_RANGES, ranges },
		{ XEN_PVFAULT_NODE_FEATURE_CLEAR, "1" },
		{ "state", "2" },
	};

	/* The backend's first: the frontend looks there when it sees its own. */
	node[n++] = (struct xenif_node) { back, "", 0, domid };
	for (i = 0; i < 7; i++) {
		device_path(p, back_value[i][0], back_node[i], sizeof(back_node[i]));
		node[n++] = (struct xenif_node) { back_node[i], back_value[i][1], -1, -1 };
	}
	/* A folder that is there is the frontend's, which waits in Closed. */
	if (p->device.frontend == XB_UNKNOWN) {
		node[n++] = (struct xenif_node) { front, "", domid, 0 };
		for (i = 0; i < 3; i++) {
			frontend_path(p, front_value[i][0], front_node[i],
				      sizeof(front_node[i]));
			node[n++] = (struct xenif_node) {
				front_node[i], front_value[i][1], -1, -1 };
		}
	}
	return xenif_make(p->xen, n, node);
}
