// SPDX-License-Identifier: GPL-2.0
/*
 * table pvfault|stock COMMAND: drive a token table.
 *
 *	steps CPUS SLEEPERS N	N times, with so many asleep: READY for one of them,
 *				NOT_PRESENT; then READY and only then NOT_PRESENT.
 *				To be run under callgrind, which counts the
 *				instructions inside the four functions step_*
 *	all CPUS SLEEPERS	READY for all; prints nanoseconds
 *	threads CPUS SLEEPERS N MS	N threads say NOT_PRESENT and READY, each for
 *				its own share; prints pairs a second
 */

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <linux/sched.h>

#include "table.h"

_Thread_local unsigned int sim_cpu;
_Thread_local bool sim_irqs_off;
_Thread_local struct task_struct sim_task;
unsigned int sim_nr_cpus = 1;
unsigned long sim_jiffies = 1;

static const struct table *table;

struct sleeper {
	uint32_t token;
	unsigned int cpu;
	void *node;
};

static uint32_t rnd(void)
{
	static _Thread_local uint64_t state = 0x9e3779b97f4a7c15ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state >> 32;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "table: %s: %s\n", table ? table->name : "?", what);
	exit(1);
}

/* Tokens are made as KVM makes them: a count, and the vCPU in the low bits. */
static uint32_t next_token(unsigned int cpu)
{
	static _Thread_local uint32_t count[SIM_MAX_CPUS];

	return ++count[cpu] << 12 | cpu;
}

static struct sleeper *sleepers_new(unsigned int n, unsigned int first_cpu,
				    unsigned int step)
{
	struct sleeper *s = calloc(n, sizeof(*s));

	must(s, "no memory");
	for (unsigned int i = 0; i < n; i++) {
		s[i].cpu = (first_cpu + i * step) % sim_nr_cpus;
		s[i].token = next_token(s[i].cpu);
		s[i].node = calloc(1, table->node_size);
		must(s[i].node, "no memory");
		sim_cpu = s[i].cpu;
		must(table->told(s[i].node, s[i].token), "NOT_PRESENT taken for READY");
	}
	return s;
}

/* The functions that are measured. They look alike; the compiler must keep them apart. */
#define STEP	__attribute__((noipa)) static

STEP void step_ready(uint32_t token)
{
	table->ready(token);
}

STEP bool step_told(void *node, uint32_t token)
{
	return table->told(node, token);
}

STEP void step_early(uint32_t token)
{
	table->ready(token);
}

STEP bool step_hit(void *node, uint32_t token)
{
	return table->told(node, token);
}

static void steps(unsigned int sleepers, unsigned int n)
{
	struct sleeper *all = sleepers_new(sleepers, 0, 1);
	unsigned long wakes = sim_task.wakes;

	for (unsigned int i = 0; i < n; i++) {
		struct sleeper *s = &all[rnd() % sleepers];

		sim_cpu = s->cpu;
		step_ready(s->token);
		s->token = next_token(s->cpu);
		step_early(s->token);
		must(!step_hit(s->node, s->token), "an early READY was forgotten");
		s->token = next_token(s->cpu);
		must(step_told(s->node, s->token), "NOT_PRESENT taken for READY");
	}
	must(sim_task.wakes - wakes == n, "a wake is missing");
}

static void all(unsigned int sleepers)
{
	uint64_t began;

	sleepers_new(sleepers, 0, 1);
	began = now_ns();
	table->ready_all();
	printf("%llu\n", (unsigned long long)(now_ns() - began));
	must(sim_task.wakes == sleepers, "a wake is missing");
}

static unsigned int nr_threads, nr_sleepers;
static pthread_barrier_t start;
static bool stop;

struct worker {
	pthread_t thread;
	unsigned int nr;
	unsigned long pairs;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	unsigned int n = nr_sleepers / nr_threads;
	struct sleeper *mine = sleepers_new(n, w->nr, nr_threads);
	unsigned long pairs = 0;

	pthread_barrier_wait(&start);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		struct sleeper *s = &mine[rnd() % n];

		sim_cpu = s->cpu;
		table->ready(s->token);
		s->token = next_token(s->cpu);
		table->told(s->node, s->token);
		pairs++;
	}
	must(sim_task.wakes == pairs, "a wake is missing");
	w->pairs = pairs;
	return NULL;
}

static void threads(unsigned int ms)
{
	struct worker *w = calloc(nr_threads, sizeof(*w));
	unsigned long pairs = 0;
	uint64_t began;

	must(w, "no memory");
	pthread_barrier_init(&start, NULL, nr_threads + 1);
	for (unsigned int i = 0; i < nr_threads; i++) {
		w[i].nr = i;
		must(!pthread_create(&w[i].thread, NULL, work, &w[i]), "no thread");
	}
	pthread_barrier_wait(&start);
	began = now_ns();
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	began = now_ns() - began;
	for (unsigned int i = 0; i < nr_threads; i++) {
		pthread_join(w[i].thread, NULL);
		pairs += w[i].pairs;
	}
	printf("%.0f\n", pairs / (began / 1e9));
}

static unsigned int number(char **argv, int i, unsigned int most)
{
	unsigned long n = argv[i] ? strtoul(argv[i], NULL, 10) : 0;

	must(n && n <= most, "a number is missing or out of range");
	return n;
}

int main(int argc, char **argv)
{
	must(argc > 4, "see the head of main.c");
	table = strcmp(argv[1], "stock") ? &pvfault_table : &stock_table;
	sim_nr_cpus = number(argv, 3, SIM_MAX_CPUS);
	nr_sleepers = number(argv, 4, 1U << 20);
	table->init();
	if (!strcmp(argv[2], "steps")) {
		steps(nr_sleepers, number(argv, 5, 1U << 20));
	} else if (!strcmp(argv[2], "all")) {
		all(nr_sleepers);
	} else {
		nr_threads = number(argv, 5, 64);
		threads(number(argv, 6, 60000));
	}
	return 0;
}
