/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by the files that use Xen's libraries; for no others. */
#ifndef PVFAULT_XENIF_INT_H
#define PVFAULT_XENIF_INT_H

#define XC_WANT_COMPAT_MAP_FOREIGN_API 0
#include <errno.h>
#include <xenctrl.h>
#include <xendevicemodel.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xengnttab.h>
#include <xenstore.h>
#include <xentoollog.h>

#include "vmring.h"
#include "xenif.h"

/**
 * struct xenif_real - an interface to a domain of the Xen that we run under
 * @x: must be first
 * @logger: of Xen's libraries
 * @xc: libxenctrl
 * @evtchn: libxenevtchn
 * @gnttab: libxengnttab
 * @memory: libxenforeignmemory
 * @model: libxendevicemodel
 * @store: libxenstore
 * @ring: our end of the mem-paging ring
 * @ring_page: its page, while paging is enabled
 * @paging_port: its event channel
 * @token: of the watch that next_watch() returned last
 */
struct xenif_real {
	struct xenif x;
	xentoollog_logger *logger;
	xc_interface *xc;
	xenevtchn_handle *evtchn;
	xengnttab_handle *gnttab;
	xenforeignmemory_handle *memory;
	xendevicemodel_handle *model;
	struct xs_handle *store;
	struct vmring ring;
	void *ring_page;
	int paging_port;
	char token[32];
};

static inline struct xenif_real *real(struct xenif *x)
{
	return (struct xenif_real *)x;
}

static inline int result(int rc)
{
	return rc ? -errno : 0;
}

#endif /* PVFAULT_XENIF_INT_H */
