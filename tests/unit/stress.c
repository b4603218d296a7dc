// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once: tasks that get NOT_PRESENT, a host that says READY early,
 * late, twice or never, signals, deadlines and READY for all, on a few simulated
 * CPUs that are preempted at the worst moments.
 *
 *	stress [seconds [seed]], or SEED= and STALL= in the environment
 *
 * Half of the time the host is exact: one READY for each NOT_PRESENT, tokens
 * never reused, no deadline. Then no wake may be missing and every mark must
 * be gone at the end. The other half it is hostile: tokens collide, and only
 * the accounts must balance.
 *
 * The seed determines what each thread does, not how the threads interleave.
 */

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "told.h"

#define NR_SLEEPERS	6
#define NR_WAKERS	3
#define NR_REQUESTS	48	/* outstanding at most; less than one CPU's marks */
#define NR_HOT		12	/* tokens that collide */
#define NR_COLD		600	/* tokens enough to fill all pools */
#define DEAD		100000	/* tokens without NOT_PRESENT */
#define BATCH		(1ULL << 40)	/* tokens of the exact host's batches */

static uint64_t seed;
static _Thread_local uint64_t random_state;

static uint32_t rnd(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 32) % below;
}

static bool one_in(uint32_t n)
{
	return rnd(n) == 0;
}

static void nap(unsigned int us)
{
	nanosleep(&(struct timespec){ .tv_nsec = us * 1000L }, NULL);
}

/* Be preempted here, now and then, and moved to another CPU. */
static void chaos(enum sim_point point)
{
	if (one_in(128))
		nap(1 + rnd(60));
	else if (one_in(16))
		sched_yield();
	if (point == SIM_ARM)
		sim_cpu = rnd(sim_nr_cpus);
}

static void thread_begin(unsigned int nr)
{
	random_state = (seed + 1) * 0x9e3779b97f4a7c15ULL + nr * 0xd1342543de82ef95ULL;
	rnd(2);
	sim_cpu = nr % sim_nr_cpus;
	sim_hook = chaos;
}

static bool exact, stop_sleepers, stop_others;
static unsigned long woke_somebody, lost, asleep_since[NR_SLEEPERS];
static pvfault_token_t asleep_on[NR_SLEEPERS];
static unsigned long told;

/* Tasks by thread. They come and go, so a look at them needs interrupts off. */
static struct task_struct *tasks[NR_SLEEPERS];

static unsigned long seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static void *alloc_task(void)
{
	struct task_struct *task = sim_task_new("stress");

	sim_current = task;
	return task;
}

/* The task of this thread ends, another begins. */
static void renew_task(int i)
{
	struct task_struct *old = current;

	__atomic_store_n(&tasks[i], alloc_task(), __ATOMIC_RELEASE);
	sim_synchronize_rcu();
	sim_task_free(old);
}

/* The READYs that the exact host still has to say. */
static pthread_mutex_t requests_lock = PTHREAD_MUTEX_INITIALIZER;
static pvfault_token_t requests[NR_REQUESTS];
static unsigned int nr_requests;

static bool add_request(pvfault_token_t token)
{
	bool added;

	pthread_mutex_lock(&requests_lock);
	added = nr_requests < NR_REQUESTS;
	if (added)
		requests[nr_requests++] = token;
	pthread_mutex_unlock(&requests_lock);
	return added;
}

static bool take_request(pvfault_token_t *token)
{
	unsigned int i;
	bool taken;

	pthread_mutex_lock(&requests_lock);
	taken = nr_requests > 0;
	if (taken) {
		i = rnd(nr_requests);
		*token = requests[i];
		requests[i] = requests[--nr_requests];
	}
	pthread_mutex_unlock(&requests_lock);
	return taken;
}

static void ready(pvfault_token_t token)
{
	unsigned long before = sim_wakes + sim_countdowns;

	pvfault_ready(token);
	if (sim_wakes + sim_countdowns != before)
		__atomic_fetch_add(&woke_somebody, 1, SIM_RELAXED);
}

/* One NOT_PRESENT. */
static void tell(int i, pvfault_token_t token)
{
	u32 generation = pvfault_generation();
	int cpu = one_in(8) ? PVFAULT_ANY_CPU : (int)sim_cpu;

	__atomic_store_n(&asleep_on[i], token, SIM_RELAXED);
	__atomic_store_n(&asleep_since[i], seconds(), SIM_RELAXED);
	local_irq_disable();
	pvfault_note(not_present, token);
	chaos(SIM_LOCK);
	if (one_in(20)) {
		pvfault_note(rejected, token);
		pvfault_table_forget(token, generation);
	} else {
		sleep_on(token, generation, cpu, false);
	}
	local_irq_enable();
	__atomic_store_n(&asleep_since[i], 0, SIM_RELAXED);
	__atomic_fetch_add(&told, 1, SIM_RELAXED);
}

static pvfault_token_t any_token(void)
{
	if (one_in(64))
		return DEAD + rnd(8);
	return rnd(one_in(4) ? NR_COLD : NR_HOT);
}

/* Several NOT_PRESENTs, most of them on one CPU, and one wait for all. */
static void tell_batch(int i, pvfault_token_t first)
{
	unsigned int n = 1 + rnd(6), j;
	struct pvfault_batch b;

	__atomic_store_n(&asleep_on[i], first, SIM_RELAXED);
	__atomic_store_n(&asleep_since[i], seconds(), SIM_RELAXED);
	pvfault_batch_init(&b);
	sim_cpu = rnd(sim_nr_cpus);
	for (j = 0; j < n; j++) {
		/* Out of the way of tokens that are told one at a time. */
		pvfault_token_t token = exact ? BATCH + first * 8 + j : any_token();
		u32 generation = pvfault_generation();

		while (exact && !add_request(token))
			nap(20);
		if (one_in(8))
			sim_cpu = rnd(sim_nr_cpus);
		local_irq_disable();
		pvfault_note(not_present, token);
		chaos(SIM_LOCK);
		if (batch_on(&b, token, generation, sim_cpu) < 0) {
			pvfault_note(rejected, token);
			pvfault_table_forget(token, generation);
		}
		local_irq_enable();
	}
	pvfault_batch_wait(&b);
	__atomic_store_n(&asleep_since[i], 0, SIM_RELAXED);
	__atomic_fetch_add(&told, n, SIM_RELAXED);
}

static void *sleeper(void *arg)
{
	int i = (intptr_t)arg;
	unsigned long sequence;

	thread_begin(i);
	__atomic_store_n(&tasks[i], alloc_task(), __ATOMIC_RELEASE);
	for (sequence = 1; !READ_ONCE(stop_sleepers); sequence++) {
		pvfault_token_t token = exact ? sequence * NR_SLEEPERS + i : any_token();

		if (one_in(4)) {
			tell_batch(i, token);
		} else {
			while (exact && !add_request(token))
				nap(20);
			sim_cpu = rnd(sim_nr_cpus);
			tell(i, token);
		}
		if (one_in(64) || fatal_signal_pending(current))
			renew_task(i);
	}
	__atomic_store_n(&tasks[i], NULL, __ATOMIC_RELEASE);
	sim_synchronize_rcu();
	sim_task_free(current);
	return NULL;
}

/* Lost interrupts, one for each CPU: a token plus one. */
static unsigned long lost_ready[SIM_MAX_CPUS];

static void repair(int cpu)
{
	unsigned long token;

	token = __atomic_exchange_n(&lost_ready[cpu], 0, SIM_RELAXED);
	if (token)
		ready(token - 1);
}

static void hostile_ready(void)
{
	pvfault_token_t token = rnd(one_in(4) ? NR_COLD : NR_HOT);

	if (one_in(2000))
		pvfault_ready_all();
	if (one_in(32)) {
		__atomic_store_n(&lost_ready[sim_cpu], token + 1, SIM_RELAXED);
		__atomic_fetch_add(&lost, 1, SIM_RELAXED);
		return;
	}
	ready(token);
	if (one_in(16))
		ready(token);
}

static void *waker(void *arg)
{
	pvfault_token_t token;

	thread_begin(100 + (intptr_t)arg);
	while (!READ_ONCE(stop_others)) {
		sim_cpu = rnd(sim_nr_cpus);
		if (!exact)
			hostile_ready();
		else if (take_request(&token))
			ready(token);
		if (one_in(4))
			nap(rnd(40));
	}
	while (exact && take_request(&token))
		ready(token);
	return NULL;
}

/*
 * Wakes tasks for no reason, and kills some. Spares every other one while the host
 * is exact, because a spurious wake would hide a missing one.
 */
static void *imp(void *arg)
{
	struct task_struct *task;
	int i;

	thread_begin(200);
	while (!READ_ONCE(stop_others)) {
		sim_cpu = rnd(sim_nr_cpus);
		i = rnd(NR_SLEEPERS);
		if (exact)
			i &= ~1;
		local_irq_disable();
		task = __atomic_load_n(&tasks[i], __ATOMIC_ACQUIRE);
		if (task && one_in(16))
			sim_kill(task);
		else if (task)
			sim_wake(task);
		local_irq_enable();
		nap(rnd(200));
	}
	return NULL;
}

static void *ticker(void *arg)
{
	thread_begin(300);
	while (!READ_ONCE(stop_others)) {
		nap(50);
		sim_cpu = rnd(sim_nr_cpus);
		sim_watch_tick();
		if (one_in(16))
			pvfault_table_outstanding();
	}
	return NULL;
}

static unsigned int stall = 10;

static void *watchdog(void *arg)
{
	unsigned long since, before = 0, progress = seconds();
	int i;

	for (;;) {
		nap(100000);
		if (READ_ONCE(told) != before) {
			before = READ_ONCE(told);
			progress = seconds();
		}
		for (i = 0; i < NR_SLEEPERS; i++) {
			since = READ_ONCE(asleep_since[i]);
			if (since && seconds() > since + stall) {
				printf("stress: FAILED, seed %llu: no wake for token %#llx\n",
				       (u64)seed, READ_ONCE(asleep_on[i]));
				fflush(stdout);
				abort();
			}
		}
		if (seconds() > progress + stall) {
			printf("stress: FAILED, seed %llu: no progress for %u s\n",
			       (u64)seed, stall);
			fflush(stdout);
			abort();
		}
	}
	return NULL;
}

static int failures;

#define check(a, op, b)							\
do {									\
	unsigned long __a = (a), __b = (b);				\
									\
	if (!(__a op __b)) {						\
		printf("stress: FAILED, seed %llu: %s (%lu) " #op	\
		       " %s (%lu)\n", (u64)seed, #a, __a, #b, __b);	\
		failures++;						\
	}								\
} while (0)

static unsigned long base[PVFAULT_NR_EVENTS], woke_base;

static void count_from_here(void)
{
	int i;

	for (i = 0; i < PVFAULT_NR_EVENTS; i++)
		base[i] = pvfault_count(i);
	woke_base = woke_somebody;
}

#define n(event) (pvfault_count(PVFAULT_NR_##event) - base[PVFAULT_NR_##event])

static void check_balance(void)
{
	check(n(not_present), ==, n(sleep) + n(early_hit) + n(rejected));
	check(n(sleep), ==, n(wake) + n(retry) + n(abandoned));
	check(n(ready), ==, woke_somebody - woke_base + n(early) + n(dropped));
	check(pvfault_table_outstanding(), ==, 0);
}

static unsigned int marks(void)
{
	unsigned int cpu, sum = 0;

	for (cpu = 0; cpu < sim_nr_cpus; cpu++) {
		check(pvfault_table_marks(cpu), <=, 64);
		check(pvfault_table_batched(cpu), <=, 32);
		sum += pvfault_table_marks(cpu) + pvfault_table_batched(cpu);
	}
	return sum;
}

static void check_exact(void)
{
	check(n(ready), ==, n(not_present));
	check(n(retry), ==, 0);
	check(n(overwritten), ==, 0);
	check(n(dropped), <=, n(abandoned) + n(rejected));
	check(n(early), >=, n(early_hit));
	check(marks(), ==, 0);
}

/* NOT_PRESENT of the next generation for every token takes all marks back, if none leaked. */
static void check_marks(void)
{
	pvfault_token_t token;

	sim_hook = NULL;
	marks();
	local_irq_disable();
	for (token = 0; token < DEAD + 8; token++) {
		if (token == NR_COLD)
			token = DEAD;
		pvfault_note(not_present, token);
		sleep_on(token, pvfault_generation() + 1, 0, false);
	}
	local_irq_enable();
	check(marks(), ==, 0);
	check_balance();
}

static void begin(pthread_t *thread, void *(*fn)(void *arg), intptr_t arg)
{
	if (pthread_create(thread, NULL, fn, (void *)arg))
		abort();
}

static void join(pthread_t *threads, int nr)
{
	while (nr--)
		pthread_join(*threads++, NULL);
}

static void run(bool is_exact, unsigned int ms)
{
	pthread_t sleepers[NR_SLEEPERS], others[NR_WAKERS + 2];
	unsigned int i;

	exact = is_exact;
	stop_sleepers = stop_others = false;
	sim_repair_age = 10;
	sim_period = 5;
	sim_budget = 2;
	sim_repair = exact ? NULL : repair;
	pvfault_deadline = exact ? ~0UL >> 2 : 40;
	count_from_here();

	begin(&others[0], imp, 0);
	begin(&others[1], ticker, 0);
	for (i = 0; i < NR_WAKERS; i++)
		begin(&others[2 + i], waker, i);
	for (i = 0; i < NR_SLEEPERS; i++)
		begin(&sleepers[i], sleeper, i);

	for (; ms >= 100; ms -= 100)
		nap(100000);
	WRITE_ONCE(stop_sleepers, true);
	/* Exact: each is still announced. Hostile: deadlines end the rest. */
	join(sleepers, NR_SLEEPERS);
	WRITE_ONCE(stop_others, true);
	join(others, NR_WAKERS + 2);

	check_balance();
	if (exact)
		check_exact();
	else
		check_marks();
	printf("stress: %s host: %lu told, %lu slept: %lu woken, %lu abandoned, "
	       "%lu retried; %lu early, %lu overwritten, %lu lost\n",
	       exact ? "exact" : "hostile", n(not_present), n(sleep), n(wake),
	       n(abandoned), n(retry), n(early), n(overwritten), READ_ONCE(lost));
}

int main(int argc, char **argv)
{
	const char *s = argc > 2 ? argv[2] : getenv("SEED");
	unsigned int ms = (argc > 1 ? atof(argv[1]) : 5) * 1000;
	pthread_t dog;

	seed = s && *s ? strtoull(s, NULL, 0) : (uint64_t)time(NULL) * 1000 + clock() % 1000;
	if (getenv("STALL"))
		stall = atoi(getenv("STALL"));
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("stress: seed %llu, %u ms\n", (u64)seed, ms);

	sim_hash = seed % 2 ? SIM_HASH_FEW : SIM_HASH_SPREAD;
	sim_current = sim_task_new("main");
	if (pvfault_table_init())
		return 1;
	begin(&dog, watchdog, 0);
	run(true, ms / 2);
	run(false, ms / 2);
	if (!failures)
		printf("stress: passed\n");
	return failures != 0;
}
