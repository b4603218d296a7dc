// SPDX-License-Identifier: GPL-2.0
/* pvfault-pager: starts, lets the loop run, and cleans up. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/capability.h>

#include "exitcode.h"
#include "log.h"
#include "notify.h"
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
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* These are to show as errors of write(), not as signals. */
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	/* The end of a terminal isn't the end of paging. */
	signal(SIGHUP, SIG_IGN);
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

/* A pager that dom0 pages out brings nothing back; nor does it wait for its own table. */
static void stay_in_memory(void)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	if (setrlimit(RLIMIT_MEMLOCK, &all) ||
	    mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
		say("dom0 may page out this pager: %s", strerror(errno));
}

/*
 * All that is needed from here on is open, or belongs to root. Threads that libraries
 * start later inherit this.
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
		return ask_status(p->xen->domid, p->options.socket, p->options.json);
	case ACTION_DRAIN:
		return ask_drain(p->xen->domid, p->options.socket);
	default:
		stay_alive();
		stay_in_memory();
		give_away_privileges();
		return run(p);
	}
}

/* Return: an enum exitcode, and in @gone whether it is that of a domain that has ended. */
static int one_life(const struct options *options, bool quietly, bool *gone)
{
	struct pager *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return give_up(EXIT_TROUBLE, "there is no memory");
	p->options = *options;
	log_quiet = quietly;
	rc = xenif_open(p->options.domain, &p->xen);
	log_quiet = false;
	if (quietly && rc && rc != EXIT_NO_DOMAIN)
		say("%s", log_last());
	if (!rc) {
		rc = act(p);
		xenif_close(p->xen);
	}
	*gone = p->gone || rc == EXIT_NO_DOMAIN;
	free(p);
	return rc;
}

/* Return: whether a signal has come meanwhile that means the end. */
static bool nap(void)
{
	struct timespec second = { .tv_sec = 1 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	return sigtimedwait(&set, NULL, &second) > 0;
}

int main(int argc, char **argv)
{
	struct options options;
	bool gone, said = false;
	int rc;

	options_parse(&options, argc, argv);
	block_signals();
	for (;;) {
		/* Once is enough to say that there is none. */
		rc = one_life(&options, said, &gone);
		if (!options.follow || !gone || options.action != ACTION_PAGE)
			return rc;
		if (rc != EXIT_NO_DOMAIN)
			said = false;
		if (!said) {
			say("waiting for a domain %s", options.domain);
			notify("READY=1\nSTATUS=waiting for a domain %s", options.domain);
		}
		said = true;
		if (nap())
			return EXIT_DONE;
	}
}
