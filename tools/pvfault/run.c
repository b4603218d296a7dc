// SPDX-License-Identifier: GPL-2.0
/*
 * The order of a pager's life, see run.h. Nothing is changed before all checks have
 * passed: first look, then become the pager, then say so.
 */

#include <errno.h>
#include <string.h>

#include "adopt.h"
#include "exitcode.h"
#include "log.h"
#include "notify.h"
#include "pager.h"
#include "run.h"
#include "start.h"
#include "status.h"

static int watch_domains(struct pager *p)
{
	int rc = xenif_watch(p->xen, "@releaseDomain", WATCH_DOMAIN);

	if (rc)
		return give_up(EXIT_DENIED, "XenStore doesn't tell of domains that go: %s",
			       strerror(-rc));
	return 0;
}

static int begin_target(struct pager *p)
{
	int rc = target_start(p);

	if (!rc)
		target_changed(p);
	return rc;
}

static int start_unsafe(struct pager *p)
{
	struct offer offer;
	const char *wrong = parse_offer(p->options.unsafe_offer, p->domain.max_gfn,
					p->most_pages, &offer);

	if (wrong)
		return give_up(EXIT_BAD_USAGE, "--unsafe-offer is no good: %s", wrong);
	if (!p->adopted && pages_init(&p->pages, &offer))
		return give_up(EXIT_TROUBLE, "there is no memory");
	if (pagefile_set_offer(&p->file, &p->pages.offer))
		return give_up(EXIT_PAGEFILE, "page file %s can't be written", p->file.path);
	p->device.phase = DEVICE_NONE;
	return 0;
}

static int begin_device(struct pager *p)
{
	return p->options.unsafe_offer ? start_unsafe(p) : device_start(p);
}

int run_steps(struct pager *p)
{
	static int (*const step[])(struct pager *) = {
		adopt_claim, watch_domains, begin_target, begin_device,
	};
	int rc;

	for (; p->step < sizeof(step) / sizeof(*step); p->step++) {
		rc = step[p->step](p);
		if (rc)
			return rc;
	}
	return 0;
}

int run_attach(struct pager *p)
{
	int rc;

	p->file.fd = -1;
	p->file.table_fd = -1;
	p->device = (struct device) { .phase = DEVICE_CLOSED, .port = -1 };
	rc = start_look(p);
	if (rc)
		return rc;
	rc = pagefile_open(&p->file, p->options.pagefile, p->xen, &p->domain,
			   p->most_pages);
	if (rc)
		return rc;
	rc = adopt_check(p);
	if (!rc && !p->file.adopt)
		rc = start_may_begin(p);
	if (rc)
		return rc;
	p->io = io_open(p->file.fd, 2 * p->options.depth, p->options.sync_io);
	rc = p->io ? pager_init(p) : give_up(EXIT_TROUBLE, "there is no memory");
	if (!rc)
		rc = start_paging(p);
	if (rc)
		return rc;
	p->attached = true;
	p->file.limit = p->options.file_limit_mib * (1048576 / XEN_PAGE);
	rc = run_steps(p);
	/* It is tried again while pages are out. */
	return p->stats.adopted ? 0 : rc;
}

int run_detach(struct pager *p, int code)
{
	/* Nothing was taken, or all is back, or the domain is gone. */
	if (p->attached) {
		xenif_disable(p->xen);
		if (!p->gone)
			adopt_unclaim(p);
	}
	if (p->io)
		io_close(p->io);
	pager_free(p);
	/* If it never attached, the file may hold the only copies. */
	if (p->file.adopt && !p->attached)
		pagefile_leave(&p->file);
	else
		pagefile_close(&p->file);
	return code;
}

int run(struct pager *p)
{
	int rc = run_attach(p);

	if (!rc) {
		status_open(p, p->options.socket);
		notify("READY=1\nSTATUS=serving domain %u", p->xen->domid);
		chat("serving domain %u by %s", p->xen->domid, p->io->ops->name);
		rc = pager_loop(p);
		status_close(p);
	}
	return run_detach(p, rc);
}
