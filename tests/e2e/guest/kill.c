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
#define DUMPED		8		/* pages of it that a core holds */
#define STEP		641		/* from page to page, so that all come up */
#define KILLS		4		/* that end a wait */
#define MOST_KILLS	12		/* until there are so many */
#define SLEEPERS	"/sys/kernel/debug/pvfault/sleepers"
#define ABANDONED	PVFAULT_DIR "/counters/abandoned"
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
		/* A victim whose memory is all present must not keep the CPU from the others. */
		if (++v->touches % 16 == 0)
			usleep(20000);
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

static bool start_victim(struct victim *v)
{
	pid_t pid;

	memset(v, 0, sizeof(*v));
	if (pipe(v->order)) {
		report("error pipe: %s", strerror(errno));
		return false;
	}
	pid = fork();
	if (pid == 0)
		victim(v);
	/* Not in the child, which shares it. */
	v->pid = pid;
	v->alive = pid > 0;
	return v->alive;
}

static bool start_victims(void)
{
	for (int i = 0; i < VICTIMS; i++)
		if (!start_victim(&victims[i]))
			return false;
	return true;
}

static void forget_victim(struct victim *v)
{
	close(v->order[0]);
	close(v->order[1]);
	v->alive = false;
}

/*
 * Is that thread asleep in an async fault? 0 stands for any victim's thread, and picks the
 * one that fell asleep last, because most of its wait is still to come. Returns the thread.
 */
static struct victim *sleeper(pid_t tid)
{
	FILE *f = fopen(SLEEPERS, "r");
	unsigned int age, youngest = -1;
	struct victim *found = NULL;
	char line[128];
	int pid;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s %*d %u %d", &age, &pid) != 2 || (tid && pid != tid) ||
		    age >= youngest)
			continue;
		for (int i = 0; i < VICTIMS; i++) {
			if (!victims[i].alive || victims[i].walker != pid)
				continue;
			found = &victims[i];
			youngest = age;
		}
	}
	if (f)
		fclose(f);
	return found;
}

/* Wait for a victim to sleep. If none does, take any; a check will fail then. */
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

/* A process that ends touches many pages of the kernel's, and the CPU is held for each. */
static void hurry_host(bool on)
{
	report("phase %s", on ? "reap" : "walk");
	if (!on)
		sleep(1);
}

/*
 * An act that ends a sleeping victim. Measures how long it still waits, and how long
 * until it has ended; the latter frees memory, and may touch other pages that are out.
 */
static int end_one(const char *name, int signal, char order)
{
	struct victim *v = wait_sleeper();
	uint64_t t;
	int status;

	t = now_ns();
	if (signal && !harmless)
		kill(v->pid, signal);
	else if (!harmless && write(v->order[1], &order, 1) != 1)
		report("error order: %s", strerror(errno));
	while (sleeper(v->walker) && now_ns() < t + patience_ns)
		usleep(500);
	report("%s_left_ms %.1f", name, ms_since(t));
	hurry_host(true);
	status = reap(v);
	report("%s_ms %.1f", name, ms_since(t));
	if (status == -1) {
		kill(v->pid, SIGKILL);
		waitpid(v->pid, NULL, 0);
	}
	/* Another one takes its place, and the memory that it has left. */
	forget_victim(v);
	start_victim(v);
	hurry_host(false);
	return status;
}

/* READY may come between the look and the kill; then there was no wait to end. */
static void act_sigkill(void)
{
	unsigned int good = 0, tries = 0;

	while (good < KILLS && tries < MOST_KILLS) {
		long ended = read_number(ABANDONED);
		int status = end_one("sigkill", SIGKILL, NONE);

		tries++;
		good += status != -1 && WIFSIGNALED(status) &&
			WTERMSIG(status) == SIGKILL && read_number(ABANDONED) > ended;
	}
	report("sigkill_good %d", good);
	report("sigkill_tries %u", tries);
}

static void act_exec(void)
{
	unsigned int good = 0;

	suspend_lock(LOCK_EX);
	for (int i = 0; i < 3; i++) {
		int status = end_one("exec", 0, EXEC);

		good += status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 42;
	}
	suspend_lock(LOCK_UN);
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
	suspend_lock(LOCK_EX);
	for (int i = 0; i < 3; i++) {
		struct stat st = { .st_size = 0 };
		int status = end_one("dump", 0, ABORT);

		stat("/tmp/core", &st);
		good += status != -1 && WIFSIGNALED(status) && WCOREDUMP(status) &&
			st.st_size >= DUMPED * WORDS * 8;
		unlink("/tmp/core");
	}
	suspend_lock(LOCK_UN);
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

	if (access(GROUP, F_OK) &&
	    (mkdir("/tmp/cgroup", 0755) ||
	     mount("cgroup2", "/tmp/cgroup", "cgroup2", 0, NULL) || mkdir(GROUP, 0755)))
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
	hurry_host(true);
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
	hurry_host(false);
}

/* How long a wait takes on average that no signal ends. */
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
	/* Little's law: number of waits at a time = rate of waits * length of a wait. */
	report("wait_ms %.1f", sleeps > 0 ? asleep / i * ms_since(t) / sleeps : 0.0);
}

static void act_all(void)
{
	act_stop();
	act_trace();
	act_sigkill();
	act_exec();
	act_exit();
	act_dump();
	enter_group();
	act_freeze();
	act_cgroup_kill();
	for_each_victim(v)
		forget_victim(v);
}

/* Once, and again until the time of the load is over. */
void kill_start(void)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	uint64_t end;
	char what[16];

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
	if (!start_victims())
		return;
	await_walk();
	hurry(0);
	end = now_ns() + parameter("load.secs", 0) * 1000000000ULL;
	sleep(5);
	report_wait();
	act_all();
	while (now_ns() < end && start_victims()) {
		sleep(5);
		act_all();
	}
}
