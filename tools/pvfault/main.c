// SPDX-License-Identifier: GPL-2.0
/* pvfault-pager: starts, lets the loop run, and cleans up. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#include "adopt.h"
#include "exitcode.h"
#include "log.h"
#include "pager.h"
#include "status.h"

/* Before any thread is made: the loop reads them from a descriptor. */
static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* As errors of the write that meets them. */
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
}

/* Without its pager the domain is lost: let dom0's OOM killer look elsewhere. */
static void stay_alive(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "-1000", 5) != 5)
		chat("dom0 may end this pager when it runs out of memory");
	if (fd >= 0)
		close(fd);
}

/*
 * What is needed from here on is open, or belongs to root. Libraries start threads
 * later, and hand this on to them.
 */
static void give_away_privileges(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_capset, &header, none))
		say("this pager keeps all privileges of root: %s", strerror(errno));
}

#define BUILD_TRIES	100
#define BUILD_NAP_US	100000

static int look_at_domain(struct pager *p)
{
	int rc, tries = 0;

	/* Whoever starts a pager beside "xl create" is early. */
	do {
		rc = p->xen->ops->domain(p->xen, &p->domain);
		if (rc || p->domain.dying || !p->domain.hvm || p->domain.built)
			break;
		usleep(BUILD_NAP_US);
	} while (++tries < BUILD_TRIES);

	if (rc == -ESRCH || p->domain.dying)
		return give_up(EXIT_NO_DOMAIN, "there is no domain %s", p->options.domain);
	if (rc)
		return give_up(EXIT_DENIED, "Xen tells nothing about domain %s: %s",
			       p->options.domain, strerror(-rc));
	if (!p->domain.hvm)
		return give_up(EXIT_BAD_DOMAIN,
			       "domain %s is PV; only HVM and PVH domains can be paged",
			       p->options.domain);
	if (!p->domain.built)
		return give_up(EXIT_BAD_DOMAIN,
			       "domain %s was built without a page for the paging ring",
			       p->options.domain);
	return 0;
}

static int enable(struct pager *p)
{
	const char *name = p->options.domain;
	int rc = p->xen->ops->enable(p->xen);

	switch (rc) {
	case 0:
		return 0;
	case -ENOSYS:
		return give_up(EXIT_NO_PAGING, "this Xen was built without CONFIG_MEM_PAGING");
	case -EBUSY:
		return give_up(EXIT_BUSY, "another pager is or was active on domain %s", name);
	case -ENODEV:
		return give_up(EXIT_BAD_DOMAIN,
			       "domain %s doesn't use hardware-assisted paging (HAP)", name);
	case -EMLINK:
		return give_up(EXIT_BAD_DOMAIN,
			       "domain %s has, or may get, devices passed through (IOMMU)", name);
	case -EXDEV:
		return give_up(EXIT_BAD_DOMAIN,
			       "domain %s uses populate-on-demand; give it memory = maxmem", name);
	case -EOPNOTSUPP:
		return give_up(EXIT_NO_PAGING,
			       "dom0 isn't PV, so that Xen pages none of its domains");
	case -EPERM:
	case -EACCES:
		return give_up(EXIT_DENIED, "Xen permits no paging of domain %s from here", name);
	default:
		return give_up(EXIT_TROUBLE, "paging of domain %s can't be enabled: %s", name,
			       strerror(-rc));
	}
}

/* Xen keeps a place in its ring for each vCPU that a dead pager has left waiting. */
static void warn_of_vcpus(const struct pager *p)
{
	if (p->domain.nr_vcpus > XENIF_SAFE_VCPUS)
		say("domain %s has %u vCPUs: of more than %u too many may wait at once for another pager to take over, should this one be killed",
		    p->options.domain, p->domain.nr_vcpus, XENIF_SAFE_VCPUS);
}

static int start_unsafe(struct pager *p)
{
	struct offer offer;
	const char *wrong = parse_offer(p->options.unsafe_offer, p->domain.max_gfn,
					p->domain.max_pages, &offer);

	if (wrong)
		return give_up(EXIT_BAD_USAGE, "--unsafe-offer is no good: %s", wrong);
	p->device = (struct device) { .phase = DEVICE_NONE, .port = -1 };
	if (!p->adopted && pages_init(&p->pages, &offer))
		return give_up(EXIT_TROUBLE, "there is no memory");
	if (pagefile_set_offer(&p->file, &p->pages.offer))
		return give_up(EXIT_PAGEFILE, "page file %s can't be written", p->file.path);
	return 0;
}

/* The domain is ours now, and nothing has been taken from it yet. */
static int serve(struct pager *p)
{
	int rc = p->xen->ops->watch(p->xen, "@releaseDomain", WATCH_DOMAIN);

	if (rc)
		return give_up(EXIT_DENIED, "XenStore doesn't tell of domains that go: %s",
			       strerror(-rc));
	rc = target_start(p);
	if (rc)
		return rc;
	target_changed(p);
	rc = p->options.unsafe_offer ? start_unsafe(p) : device_start(p);
	if (rc)
		return rc;
	status_open(p, p->options.socket);
	chat("serving domain %u by %s", p->xen->domid, p->io->ops->name);
	rc = pager_loop(p);
	/* Until then pages of an earlier pager may be out. */
	p->file.adopt = false;
	status_close(p);
	return rc;
}

static int run(struct pager *p)
{
	int rc = look_at_domain(p);

	if (rc)
		return rc;
	/* Find out first what can be wrong without touching the domain. */
	rc = pagefile_open(&p->file, p->options.pagefile, p->xen, &p->domain);
	if (rc)
		return rc;
	rc = adopt_claim(p);
	if (rc)
		goto out_file;
	p->io = io_open(p->file.fd, 2 * p->options.depth, p->options.sync_io);
	rc = p->io ? pager_init(p) : give_up(EXIT_TROUBLE, "there is no memory");
	if (rc)
		goto out_file;
	warn_of_vcpus(p);
	rc = p->file.adopt ? adopt(p) : enable(p);
	if (rc)
		goto out_io;
	rc = serve(p);
	/* After the loop this has been done, or can't be. */
	if (!p->file.adopt)
		p->xen->ops->disable(p->xen);
out_io:
	if (p->io)
		io_close(p->io);
	pager_free(p);
out_file:
	if (p->file.adopt)
		pagefile_leave(&p->file);
	else
		pagefile_close(&p->file);
	return rc;
}

static int act(struct pager *p)
{
	switch (p->options.action) {
	case ACTION_STATUS:
		return ask_status(p->xen->domid, p->options.socket);
	case ACTION_DRAIN:
		return ask_drain(p->xen->domid, p->options.socket);
	default:
		stay_alive();
		give_away_privileges();
		return run(p);
	}
}

int main(int argc, char **argv)
{
	struct pager *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return give_up(EXIT_TROUBLE, "there is no memory");
	p->file.fd = -1;
	p->file.table_fd = -1;
	options_parse(&p->options, argc, argv);
	block_signals();
	rc = xenif_open(p->options.domain, &p->xen);
	if (!rc) {
		rc = act(p);
		p->xen->ops->close(p->xen);
	}
	free(p);
	return rc;
}
