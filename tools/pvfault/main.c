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

#include "exitcode.h"
#include "log.h"
#include "pager.h"
#include "run.h"
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
