// SPDX-License-Identifier: GPL-2.0
/*
 * The main loop: wait for an event, let all parts work, hand over their answers and
 * READYs, wait again.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "exitcode.h"
#include "log.h"
#include "notify.h"
#include "pager.h"
#include "run.h"
#include "status.h"

#define TICK_NS		1000000000ULL
#define SILENT_S	60		/* then say that no frontend is there */
#define WATCHES	65536		/* to take at once */
#define STEPS_NS	10000000000ULL	/* try again what failed at a takeover */
#define DISABLE_NS	10000000000ULL	/* try to detach for so long */

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

int pager_init(struct pager *p)
{
	/* Tests have begun a time of their own. */
	if (!p->now_ns)
		p->now_ns = now_ns();
	p->status_fd = -1;
	waiters_init(&p->waiters);
	/* Make it empty: that isn't the same as all zeroes. */
	pages_free(&p->pages);
	p->policy.ops = &policy_clock;
	p->policy.ops->reset(&p->policy);
	p->target_pages = UINT64_MAX;
	if (pagein_init(p, p->options.depth) || evict_init(p, p->options.depth))
		return give_up(EXIT_TROUBLE, "there is no memory");
	return 0;
}

void pager_free(struct pager *p)
{
	pagein_free(p);
	evict_free(p);
	pages_free(&p->pages);
}

static void flush_back(struct pager *p)
{
	if (p->nr_back)
		xenif_came_back(p->xen, p->nr_back, p->back);
	p->nr_back = 0;
}

void pager_came_back(struct pager *p, uint64_t gfn)
{
	p->back[p->nr_back++] = gfn;
	if (p->nr_back == XENIF_BACK)
		flush_back(p);
}

void pager_round(struct pager *p)
{
	bool wanted;

	p->busy = false;
	faults_run(p);
	evict_written(p);
	if (p->evict.nr_settling)
		evict_retry(p);
	wanted = drain_run(p);
	pagein_run(p);
	/* Pages of zeroes are back already: no end of a read will call us again. */
	if (wanted && !p->pagein.used)
		p->busy = true;
	/* A frontend that has all of them may suspend. */
	flush_back(p);
	device_run(p);
	/* The vCPUs whose pages are there go on before the next page is taken. */
	xenif_flush_answers(p->xen);
	if (p->bring == BRING_NONE && !p->leaving && !p->crashed &&
	    device_may_evict(&p->device))
		evict_run(p, target_excess(p));
	io_flush(p->io);
	if (ready_attached(&p->ready) && ready_flush(&p->ready)) {
		p->stats.notifies++;
		xenif_notify(p->xen, p->device.port);
	}
}

void pager_look_at_domain(struct pager *p)
{
	if (xenif_domain(p->xen, &p->domain) == -ESRCH || p->domain.dying)
		p->gone = true;
	p->loaded = 0;
	p->evicted = 0;
}

/* Once a second. */
void pager_tick(struct pager *p)
{
	pager_look_at_domain(p);
	p->evict.few = true;
	device_tick(p);
	drain_complain(p);
	/* Try again what failed at a takeover. */
	if (p->attached && p->now_ns >= p->steps_ns) {
		p->steps_ns = p->now_ns + STEPS_NS;
		run_steps(p);
	}
	stats_write(p, false);
}

/*
 * Take all that have come, and act on each once. So a guest that writes into its folder
 * without end fills no queue of ours, and delays no other watch.
 */
void pager_take_watches(struct pager *p)
{
	static const struct {
		const char *token;
		void (*act)(struct pager *p);
	} watch[] = {
		{ WATCH_DOMAIN, pager_look_at_domain },
		{ WATCH_TARGET, target_changed },
		{ WATCH_FRONTEND, device_changed },
	};
	const unsigned int nr = sizeof(watch) / sizeof(*watch);
	bool fired[sizeof(watch) / sizeof(*watch)] = { false };
	unsigned int i, taken;
	const char *token;

	for (taken = 0; taken < WATCHES; taken++) {
		token = xenif_next_watch(p->xen);
		if (!token)
			break;
		p->stats.watches++;
		for (i = 0; i < nr; i++)
			fired[i] |= !strcmp(token, watch[i].token);
	}
	for (i = 0; i < nr; i++)
		if (fired[i])
			watch[i].act(p);
}

/* Bring everything back, then end. */
static void leave(struct pager *p, const char *why)
{
	if (p->leaving) {
		say("still bringing back %u pages", pages_away(&p->pages));
		return;
	}
	say("%s: bringing back %u pages", why, pages_away(&p->pages));
	notify("STOPPING=1\nSTATUS=bringing back %u pages", pages_away(&p->pages));
	p->leaving = true;
	p->bring = BRING_ALL;
	device_leave(p);
}

static void take_signal(struct pager *p, int fd)
{
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGUSR1)
			stats_write(p, true);
		else
			leave(p, strsignal(info.ssi_signo));
	}
}

static int open_signals(void)
{
	sigset_t set;

	/* Those that main() has blocked. */
	sigprocmask(SIG_BLOCK, NULL, &set);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

enum { FD_SIGNAL, FD_EVENT, FD_STORE, FD_IO, FD_STATUS, FDS };

static int wait_ms(const struct pager *p, uint64_t tick_ns)
{
	uint64_t next = pagein_retry_ns(p);

	if (next > tick_ns)
		next = tick_ns;
	if (p->evict.nr_settling && next > p->now_ns + RETRY_NS)
		next = p->now_ns + RETRY_NS;
	if (p->busy || next <= p->now_ns)
		return 1;
	return (next - p->now_ns) / 1000000 + 1;
}

static void take_events(struct pager *p, const struct pollfd *fd)
{
	if (fd[FD_EVENT].revents)
		xenif_clear_events(p->xen);
	if (fd[FD_IO].revents)
		io_reap(p->io);
	if (fd[FD_SIGNAL].revents)
		take_signal(p, fd[FD_SIGNAL].fd);
	if (fd[FD_STATUS].revents)
		status_tell(p);
	if (fd[FD_STORE].revents)
		pager_take_watches(p);
}

/* Return: whether it is over, and how in @code. */
static bool loop_over(struct pager *p, uint64_t *since_ns, int *code)
{
	int rc;

	if (p->gone) {
		say("domain %u is gone", p->xen->domid);
		device_gone(p);
		*code = p->crashed ? EXIT_LOST : *code;
		return true;
	}
	if (!p->leaving || !device_closed(&p->device) || !drain_done(p) ||
	    p->evict.nr_settling || !audit_home(p))
		return false;
	rc = xenif_disable(p->xen);
	if (!rc)
		return true;
	/* A vCPU waits for a place in the ring: it goes on in a moment. */
	if (!*since_ns)
		*since_ns = p->now_ns;
	p->busy = true;
	if (p->now_ns - *since_ns < DISABLE_NS)
		return false;
	*code = give_up(EXIT_TROUBLE, "paging of domain %u can't be disabled: %s",
			p->xen->domid, strerror(-rc));
	return true;
}

static void look_for_frontend(struct pager *p, unsigned int seconds, int *code)
{
	if (p->stats.connects || p->device.phase == DEVICE_NONE || p->leaving)
		return;
	if (p->options.wait_s && seconds >= p->options.wait_s) {
		*code = EXIT_NO_FRONTEND;
		leave(p, "no frontend has connected in the time of --wait");
	} else if (seconds == SILENT_S) {
		say("no frontend has connected in domain %u so far; nothing is taken from it",
		    p->xen->domid);
	}
}

int pager_loop(struct pager *p)
{
	struct pollfd fd[FDS] = {
		[FD_SIGNAL] = { .fd = open_signals() },
		[FD_EVENT] = { .fd = p->xen->event_fd },
		[FD_STORE] = { .fd = p->xen->store_fd },
		[FD_IO] = { .fd = p->io->event_fd },
		[FD_STATUS] = { .fd = p->status_fd },
	};
	uint64_t tick_ns = p->now_ns + TICK_NS, retry_ns = 0, disable_ns = 0;
	unsigned int i, seconds = 0;
	int code = EXIT_DONE;

	for (i = 0; i < FDS; i++)
		fd[i].events = POLLIN;
	while (!loop_over(p, &disable_ns, &code)) {
		if (poll(fd, FDS, wait_ms(p, tick_ns)) < 0 && errno != EINTR) {
			/* Go on by time alone: what an event tells is found later, not never. */
			say("poll: %s", strerror(errno));
			usleep(1000);
		}
		p->now_ns = now_ns();
		take_events(p, fd);
		if (p->pagein.failing || (p->pagein.waiting && p->now_ns >= retry_ns)) {
			retry_ns = p->now_ns + RETRY_NS;
			pagein_retry(p);
		}
		if (p->now_ns >= tick_ns) {
			tick_ns = p->now_ns + TICK_NS;
			look_for_frontend(p, ++seconds, &code);
			pager_tick(p);
		}
		if (!p->gone)
			pager_round(p);
	}
	close(fd[FD_SIGNAL].fd);
	stats_write(p, true);
	return code;
}
