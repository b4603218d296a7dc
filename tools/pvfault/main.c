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
#include "start.h"
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
	int rc = start_look(p);

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
	rc = start_paging(p);
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
