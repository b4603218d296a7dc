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

/* xenif_attach.c */
int xenif_pause(struct xenif *x);
int xenif_unpause(struct xenif *x);
int xenif_enable(struct xenif *x);
int xenif_takeover(struct xenif *x);
int xenif_disable(struct xenif *x);

/* xenif_paging.c */
int xenif_nominate(struct xenif *x, uint64_t gfn);
void xenif_copy(struct xenif *x, unsigned int nr, const uint64_t *gfn, void **to,
		int *err);
int xenif_evict(struct xenif *x, uint64_t gfn);
int xenif_load(struct xenif *x, uint64_t gfn, const void *page);
int xenif_prep(struct xenif *x, uint64_t gfn);
int xenif_settle(struct xenif *x, uint64_t gfn);
void xenif_came_back(struct xenif *x, unsigned int nr, const uint64_t *gfn);
bool xenif_next_request(struct xenif *x, struct xenif_request *req);
void xenif_answer(struct xenif *x, const struct xenif_request *req);
void xenif_flush_answers(struct xenif *x);
int xenif_vcpu(struct xenif *x, uint32_t vcpu, struct xenif_vcpu *state);
int xenif_inject(struct xenif *x, uint32_t vcpu, bool user, uint64_t cr2);

/* xenif_device.c */
int xenif_map_front(struct xenif *x, uint32_t ref, const void **page);
int xenif_map_ring(struct xenif *x, unsigned int nr, uint32_t *ref, void **pages);
void xenif_unmap(struct xenif *x, const void *pages, unsigned int nr);
int xenif_bind(struct xenif *x, uint32_t remote);
void xenif_unbind(struct xenif *x, int local);
void xenif_notify(struct xenif *x, int local);
char *xenif_read(struct xenif *x, const char *path);
char **xenif_list(struct xenif *x, const char *path, unsigned int *nr);
int xenif_write(struct xenif *x, const char *path, const char *value);
int xenif_make(struct xenif *x, unsigned int nr, const struct xenif_node *node);
int xenif_remove(struct xenif *x, const char *path);
int xenif_watch(struct xenif *x, const char *path, const char *token);
const char *xenif_next_watch(struct xenif *x);
void xenif_clear_events(struct xenif *x);

#endif /* PVFAULT_XENIF_INT_H */
