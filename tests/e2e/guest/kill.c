// SPDX-License-Identifier: GPL-2.0
/*
 * load.kill=1: what can happen to a process while one of its threads waits for
 * the host.
 *
 * Each victim has a thread that walks its memory, and a main thread that does
 * what it is told. Each act begins when the walking thread is seen in pvfault's
 * list of sleepers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "pvload.h"

#define VICTIMS		28
#define WORDS		512		/* in a page */
#define PAGES		1024		/* of a victim */
#define DUMPED		32		/* pages of it that a core holds */
#define STEP		641		/* from page to page, so that all come up */
#define SLEEPERS	"/sys/kernel/debug/pvfault/sleepers"
#define GROUP		"/tmp/cgroup/victims"

enum order { NONE, ABORT, EXEC, EXIT };

struct victim {
	bool alive;			/* for the killer */
	pid_t pid;
	_Atomic pid_t walker;		/* the thread */
	_Atomic uint64_t touches;
	_Atomic uint64_t corrupt;
	int order[2];			/* a pipe that brings an enum order */
	uint64_t *mem;			/* there */
};

static struct victim *victims;		/* shared with them */

#define for_each_victim(v)						\
	for (struct victim *v = victims; v < victims + VICTIMS; v++)	\
		if (v->alive)

static bool harmless;			/* sabotage: no act is done */
static uint64_t patience_ns = 30000000000ULL;

static uint64_t word(const struct victim *v, unsigned int page)
{
	return (uintptr_t)v ^ ((uint64_t)page << 32);
}

static void *walk(void *arg)
{
	struct victim *v = arg;
	unsigned int page = 0;

	v->walker = syscall(SYS_gettid);
	await_walk();
	for (;;) {
		if (v->mem[page * WORDS] != word(v, page))
			v->corrupt++;
		v->touches++;
		page = (page + STEP) % PAGES;
	}
	return NULL;
}

static void victim(struct victim *v)
{
	char *again[] = { "pvload", "exec", NULL };
	pthread_t thread;
	char order = NONE;

	v->mem = mmap(NULL, PAGES * WORDS * 8, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (v->mem == MAP_FAILED)
		_exit(1);
	madvise(v->mem, PAGES * WORDS * 8, MADV_NOHUGEPAGE);
	madvise(v->mem + DUMPED * WORDS, (PAGES - DUMPED) * WORDS * 8, MADV_DONTDUMP);
	for (unsigned int i = 0; i < PAGES; i++)
		v->mem[i * WORDS] = word(v, i);
	if (pthread_create(&thread, NULL, walk, v))
		_exit(1);
	while (read(v->order[0], &order, 1) < 0 && errno == EINTR)
		;
	if (order == ABORT)
		abort();
	if (order == EXEC)
		execv("/proc/self/exe", again);
	_exit(order == EXIT ? 7 : 1);
}

/* Is that thread asleep in an async fault? 0 asks for any victim's; returns whose. */
static struct victim *sleeper(pid_t tid)
{
	FILE *f = fopen(SLEEPERS, "r");
	struct victim *found = NULL;
	char line[128];
	int pid;

	while (f && !found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s %*d %*u %d", &pid) != 1 || (tid && pid != tid))
			continue;
		for (int i = 0; i < VICTIMS; i++)
			if (victims[i].alive && victims[i].walker == pid)
				found = &victims[i];
	}
	if (f)
		fclose(f);
	return found;
}

/* Wait for a victim to sleep; if none does, which the test then shows, take any. */
static struct victim *wait_sleeper(void)
{
	uint64_t end = now_ns() + patience_ns;
	struct victim *v;

	while (!(v = sleeper(0)) && now_ns() < end)
		usleep(1000);
	for (v = v ?: victims; !v->alive; v++)
		;
	return v;
}

/* Does it walk on? */
static bool walks(const struct victim *v)
{
	uint64_t end = now_ns() + patience_ns, touches = v->touches;

	while (v->touches == touches && now_ns() < end)
		usleep(10000);
	return v->touches != touches && !v->corrupt;
}

/* Reap @v within patience_ns; its status, or -1. */
static int reap(const struct victim *v)
{
	uint64_t end = now_ns() + patience_ns;
	int status;

	while (now_ns() < end) {
		if (waitpid(v->pid, &status, WNOHANG) == v->pid)
			return status;
		usleep(500);
	}
	return -1;
}

static double ms_since(uint64_t t)
{
	return (now_ns() - t) / 1e6;
}

/* It is not the CPU that it is to wait for. */
static void hurry(pid_t pid)
{
	if (sched_setscheduler(pid, SCHED_FIFO, &(struct sched_param){ 10 }))
		report("error sched_setscheduler: %s", strerror(errno));
}

/*
 * An act on a sleeping victim that ends it: how long until it waits no more, and
 * until it has ended? The latter frees memory, and may meet other missing pages.
 */
static int end_one(const char *name, int signal, char order)
{
	struct victim *v = wait_sleeper();
	uint64_t t;
	int status;

	hurry(v->pid);
	hurry(v->walker);
	t = now_ns();
	if (signal && !harmless)
		kill(v->pid, signal);
	else if (!harmless && write(v->order[1], &order, 1) != 1)
		report("error order: %s", strerror(errno));
	while (sleeper(v->walker) && now_ns() < t + patience_ns)
		usleep(500);
	report("%s_left_ms %.1f", name, ms_since(t));
	status = reap(v);
	report("%s_ms %.1f", name, ms_since(t));
	v->alive = false;
	if (status == -1) {
		kill(v->pid, SIGKILL);
		waitpid(v->pid, NULL, 0);
	}
	return status;
}

static void act_sigkill(void)
{
	unsigned int good = 0;

	for (int i = 0; i < 6; i++) {
		int status = end_one("sigkill", SIGKILL, NONE);

		good += status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	}
	report("sigkill_good %d", good);
}

static void act_exec(void)
{
	unsigned int good = 0;

	for (int i = 0; i < 3; i++) {
		int status = end_one("exec", 0, EXEC);

		good += status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 42;
	}
	report("exec_good %d", good);
}

static void act_exit(void)
{
	unsigned int good = 0;

	for (int i = 0; i < 3; i++) {
		int status = end_one("exit", 0, EXIT);

		good += status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 7;
	}
	report("exit_good %d", good);
}

static void act_dump(void)
{
	unsigned int good = 0;

	write_file("/proc/sys/kernel/core_pattern", "/tmp/core");
	for (int i = 0; i < 3; i++) {
		struct stat st = { .st_size = 0 };
		int status = end_one("dump", 0, ABORT);

		stat("/tmp/core", &st);
		good += status != -1 && WIFSIGNALED(status) && WCOREDUMP(status) &&
			st.st_size >= DUMPED * WORDS * 8;
		unlink("/tmp/core");
	}
	report("dump_good %d", good);
}

/* Stopped while asleep: it stands still until it is continued. */
static void act_stop(void)
{
	unsigned int good = 0;

	for (int i = 0; i < 3; i++) {
		struct victim *v = wait_sleeper();
		uint64_t touches;
		int status = 0;

		if (!harmless)
			kill(v->pid, SIGSTOP);
		else
			kill(v->pid, SIGCONT);
		waitpid(v->pid, &status, harmless ? WNOHANG : WUNTRACED);
		touches = v->touches;
		usleep(300000);
		if (!WIFSTOPPED(status) || v->touches != touches)
			continue;
		kill(v->pid, SIGCONT);
		good += walks(v);
	}
	report("stop_good %d", good);
}

/* Traced while asleep: its memory can be read, and it walks on when let go. */
static void act_trace(void)
{
	unsigned int good = 0;

	for (int i = 0; i < 3; i++) {
		struct victim *v = wait_sleeper();
		unsigned int page = 100 * i + 5;
		int status = 0;
		long seen;

		if (harmless || ptrace(PTRACE_SEIZE, v->walker, 0, 0) ||
		    ptrace(PTRACE_INTERRUPT, v->walker, 0, 0) ||
		    waitpid(v->walker, &status, __WALL) != v->walker)
			continue;
		seen = ptrace(PTRACE_PEEKDATA, v->walker, v->mem + page * WORDS, 0);
		ptrace(PTRACE_DETACH, v->walker, 0, 0);
		good += WIFSTOPPED(status) && (uint64_t)seen == word(v, page) && walks(v);
	}
	report("trace_good %d", good);
}

static void enter_group(void)
{
	char pid[16];

	mkdir("/tmp/cgroup", 0755);
	if (mount("cgroup2", "/tmp/cgroup", "cgroup2", 0, NULL) || mkdir(GROUP, 0755))
		report("error cgroup: %s", strerror(errno));
	for_each_victim(v) {
		snprintf(pid, sizeof(pid), "%d", v->pid);
		if (!write_file(GROUP "/cgroup.procs", pid))
			report("error cgroup.procs: %s", strerror(errno));
	}
}

static bool frozen(void)
{
	char text[128] = "";
	int fd = open(GROUP "/cgroup.events", O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	return n > 0 && strstr(text, "frozen 1");
}

static uint64_t all_touches(void)
{
	uint64_t sum = 0;

	for_each_victim(v)
		sum += v->touches;
	return sum;
}

/* The freezer of the group; a wait delays it until READY, and no longer. */
static void act_freeze(void)
{
	uint64_t t, touches;
	bool good;

	wait_sleeper();
	t = now_ns();
	write_file(GROUP "/cgroup.freeze", harmless ? "0" : "1");
	while (!frozen() && now_ns() < t + patience_ns)
		usleep(5000);
	report("freeze_ms %.1f", ms_since(t));
	touches = all_touches();
	usleep(500000);
	good = frozen() && touches == all_touches();
	write_file(GROUP "/cgroup.freeze", "0");
	for_each_victim(v)
		good &= walks(v);
	report("freeze_good %d", good);
}

/* Kill the rest, most of which sleep. */
static void act_cgroup_kill(void)
{
	unsigned int good = 0, left = 0, sleeping = 0;
	uint64_t t, corrupt = 0;

	wait_sleeper();
	for_each_victim(v) {
		left++;
		sleeping += sleeper(v->walker) != NULL;
	}
	t = now_ns();
	write_file(GROUP "/cgroup.kill", harmless ? "0" : "1");
	for_each_victim(v) {
		int status = reap(v);

		good += status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
		if (status == -1)
			kill(v->pid, SIGKILL);
		corrupt += v->corrupt;
	}
	report("cgroup_kill_ms %.1f", ms_since(t));
	report("cgroup_killed_asleep %u", sleeping);
	report("victims_corrupt %" PRIu64, corrupt);
	report("cgroup_kill_good %d", good == left);
}

/* How long does a wait take that nobody ends? On average. */
static void report_wait(void)
{
	long sleeps = read_number(PVFAULT_DIR "/counters/sleep");
	uint64_t t = now_ns();
	double asleep = 0;
	int i;

	for (i = 0; i < 60; i++) {
		asleep += read_number(PVFAULT_DIR "/outstanding");
		usleep(50000);
	}
	sleeps = read_number(PVFAULT_DIR "/counters/sleep") - sleeps;
	/* Little's law: how many there are is how often they come times how long. */
	report("wait_ms %.1f", sleeps > 0 ? asleep / i * ms_since(t) / sleeps : 0.0);
}

void kill_start(void)
{
	char what[16];

	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_CORE, &unlimited);
	harmless = parameter_text("load.sabotage", what, sizeof(what)) &&
		   !strcmp(what, "harmless");
	if (harmless)
		patience_ns /= 10;
	victims = mmap(NULL, VICTIMS * sizeof(*victims), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (victims == MAP_FAILED) {
		report("error mmap");
		return;
	}
	for (unsigned int i = 0; i < VICTIMS; i++) {
		pid_t pid;

		if (pipe(victims[i].order)) {
			report("error pipe: %s", strerror(errno));
			return;
		}
		pid = fork();
		if (pid == 0)
			victim(&victims[i]);
		victims[i].pid = pid;
		victims[i].alive = true;
	}
	await_walk();
	hurry(0);
	sleep(5);
	report_wait();
	act_stop();
	act_trace();
	act_sigkill();
	act_exec();
	act_exit();
	act_dump();
	enter_group();
	act_freeze();
	act_cgroup_kill();
}
