// SPDX-License-Identifier: GPL-2.0
/* The domain itself, and the way in and out; see xenif.h. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exitcode.h"
#include "log.h"
#include "offer.h"
#include "xenif_int.h"

#include <xen/hvm/params.h>
#include <xen/sched.h>

static int get_info(struct xenif_real *r, uint32_t domid, xc_domaininfo_t *info)
{
	int rc = xc_domain_getinfolist(r->xc, domid, 1, info);

	if (rc < 0)
		return -errno;
	/* It returns the next one if there is none of this number. */
	return rc == 1 && info->domain == domid ? 0 : -ESRCH;
}

int xenif_domain(struct xenif *x, struct xenif_domain *domain)
{
	struct xenif_real *r = real(x);
	xc_domaininfo_t info;
	xen_pfn_t max_gfn = 0;
	uint64_t ring = 0;
	int rc = get_info(r, x->domid, &info);

	if (rc)
		return rc;
	if (xc_domain_maximum_gpfn(r->xc, x->domid, &max_gfn))
		max_gfn = 0;
	if (xc_hvm_param_get(r->xc, x->domid, HVM_PARAM_PAGING_RING_PFN, &ring))
		ring = 0;
	*domain = (struct xenif_domain) {
		.dying = info.flags & XEN_DOMINF_dying,
		.shutdown = info.flags & XEN_DOMINF_shutdown,
		.paused = info.flags & XEN_DOMINF_paused,
		.hvm = info.flags & XEN_DOMINF_hvm_guest,
		.emulated = info.arch_config.emulation_flags & XEN_X86_EMU_PIT,
		.built = ring && info.tot_pages,
		.nr_vcpus = info.max_vcpu_id + 1,
		.tot_pages = info.tot_pages,
		.max_pages = info.max_pages,
		.max_gfn = max_gfn,
		.paged_pages = (int64_t)info.paged_pages,
	};
	memcpy(domain->uuid, info.handle, sizeof(domain->uuid));
	return 0;
}

int xenif_alive(struct xenif *x, uint32_t domid, const uint8_t *uuid)
{
	xc_domaininfo_t info;
	int rc = get_info(real(x), domid, &info);

	if (rc)
		return rc == -ESRCH ? 0 : rc;
	return !(info.flags & XEN_DOMINF_dying) &&
	       !memcmp(info.handle, uuid, sizeof(info.handle));
}

int xenif_crash(struct xenif *x)
{
	return xc_domain_shutdown(real(x)->xc, x->domid, SHUTDOWN_crash) ? -errno : 0;
}

void xenif_close(struct xenif *x)
{
	struct xenif_real *r = real(x);

	if (r->model)
		xendevicemodel_close(r->model);
	if (r->gnttab)
		xengnttab_close(r->gnttab);
	if (r->memory)
		xenforeignmemory_close(r->memory);
	if (r->evtchn)
		xenevtchn_close(r->evtchn);
	if (r->xc)
		xc_interface_close(r->xc);
	if (r->store)
		xs_close(r->store);
	if (r->logger)
		xtl_logger_destroy(r->logger);
	free(r);
}

/*
 * By its number, or by the name that xl gave it. Return: 0 or an enum exitcode; then it
 * has said why.
 */
static int find_domain(struct xenif_real *r, const char *name)
{
	unsigned int i, nr = 0;
	char path[64], **all;
	uint64_t id;
	bool found = false;

	if (parse_number(name, 0, DOMID_FIRST_RESERVED - 1, &id)) {
		r->x.domid = id;
		return 0;
	}
	all = xs_directory(r->store, XBT_NULL, "/local/domain", &nr);
	if (!all && errno != ENOENT)
		return give_up(EXIT_DENIED, "XenStore doesn't tell which domains there are: %s",
			       strerror(errno));
	for (i = 0; all && i < nr && !found; i++) {
		char *value;

		if (!parse_number(all[i], 0, DOMID_FIRST_RESERVED - 1, &id))
			continue;
		snprintf(path, sizeof(path), "/local/domain/%u/name", (unsigned int)id);
		value = xs_read(r->store, XBT_NULL, path, NULL);
		found = value && !strcmp(value, name);
		free(value);
		if (found)
			r->x.domid = id;
	}
	free(all);
	return found ? 0 : give_up(EXIT_NO_DOMAIN, "there is no domain %s", name);
}

static int open_all(struct xenif_real *r)
{
	if (geteuid())
		return give_up(EXIT_DENIED, "only root can take memory from a domain");
	r->logger = (xentoollog_logger *)xtl_createlogger_stdiostream(stderr,
			log_verbose ? XTL_ERROR : XTL_CRITICAL, 0);
	r->xc = xc_interface_open(r->logger, r->logger, 0);
	if (!r->xc)
		return give_up(EXIT_DENIED, "this isn't dom0 of a running Xen: %s",
			       strerror(errno));
	r->store = xs_open(0);
	if (!r->store)
		return give_up(EXIT_DENIED, "XenStore can't be reached: %s", strerror(errno));
	r->evtchn = xenevtchn_open(r->logger, 0);
	r->gnttab = r->evtchn ? xengnttab_open(r->logger, 0) : NULL;
	r->memory = r->gnttab ? xenforeignmemory_open(r->logger, 0) : NULL;
	r->model = r->memory ? xendevicemodel_open(r->logger, 0) : NULL;
	if (!r->model)
		return give_up(EXIT_DENIED, "a device of Xen below /dev/xen can't be opened: %s",
			       strerror(errno));
	return 0;
}

int xenif_open(const char *name, struct xenif **x)
{
	struct xenif_real *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return give_up(EXIT_TROUBLE, "there is no memory");
	r->paging_port = -1;
	rc = open_all(r);
	if (!rc)
		rc = find_domain(r, name);
	if (rc) {
		xenif_close(&r->x);
		return rc;
	}
	r->x.event_fd = xenevtchn_fd(r->evtchn);
	r->x.store_fd = xs_fileno(r->store);
	*x = &r->x;
	return 0;
}
