// SPDX-License-Identifier: GPL-2.0
/*
 * The oracle of the fuzzer: the protocol at the head of table.c once more, one
 * step at a time, without locks, lists or hashes.
 */

#include <string.h>

#include <linux/jiffies.h>

#include "fuzz.h"

struct mark {
	enum { FREE, EARLY, ABANDONED } state;
	pvfault_token_t token;
	u32 generation;
	unsigned long age;
};

static struct {
	bool asleep;			/* on the list */
	pvfault_token_t token;
	u32 generation;
	unsigned long since;
} sleepers[TASKS];

static struct mark pool[CPUS * MARKS];	/* each CPU has its part */
static unsigned long now;
static unsigned long want[PVFAULT_NR_EVENTS];
unsigned long count_base[PVFAULT_NR_EVENTS];

#define expect(event)	(want[PVFAULT_NR_##event]++)
#define for_each_mark(m) \
	for (struct mark *m = pool; m < pool + CPUS * MARKS; m++)

void count_from_here(void)
{
	int i;

	for (i = 0; i < PVFAULT_NR_EVENTS; i++)
		count_base[i] = pvfault_count(i);
}

void oracle_begin(void)
{
	memset(sleepers, 0, sizeof(sleepers));
	memset(pool, 0, sizeof(pool));
	memset(want, 0, sizeof(want));
	now = 0;
}

static bool known(const struct mark *m, pvfault_token_t token)
{
	return m->state != FREE && m->token == token;
}

static void remember(int state, pvfault_token_t token, u32 generation, unsigned int cpu)
{
	struct mark *oldest = NULL;
	struct mark *m;

	for (m = pool + cpu * MARKS; m < pool + (cpu + 1) * MARKS; m++) {
		if (m->state == FREE) {
			oldest = m;
			break;
		}
		if (!oldest || m->age < oldest->age)
			oldest = m;
	}
	if (oldest->state != FREE)
		expect(overwritten);
	*oldest = (struct mark){ state, token, generation, now++ };
}

static void forget(pvfault_token_t token, u32 generation, unsigned int cpu)
{
	bool had = false;

	for_each_mark(m) {
		if (!known(m, token) || (s32)(m->generation - generation) > 0)
			continue;
		had = true;
		if (m->state == EARLY)
			m->state = FREE;
	}
	if (!had)
		remember(ABANDONED, token, generation, cpu);
}

void oracle_not_present(unsigned int task, pvfault_token_t token, u32 generation)
{
	bool early = generation != pvfault_generation();

	for_each_mark(m) {
		if (!known(m, token) || (s32)(m->generation - generation) > 0)
			continue;
		early |= m->state == EARLY;
		m->state = FREE;
	}
	expect(not_present);
	if (early) {
		expect(early_hit);
		return;
	}
	expect(sleep);
	sleepers[task].asleep = true;
	sleepers[task].token = token;
	sleepers[task].generation = generation;
	sleepers[task].since = jiffies;
}

/* A task that may run finds out why, or sleeps on. */
void oracle_run(unsigned int task, unsigned int cpu, bool fatal)
{
	if (!sleepers[task].asleep) {
		expect(wake);
		return;
	}
	if (fatal)
		expect(abandoned);
	else if (jiffies - sleepers[task].since < pvfault_deadline)
		return;
	else if (sim_probes)
		expect(probe);
	else
		expect(retry);
	sleepers[task].asleep = false;
	/* A task that probes leaves no mark. */
	if (fatal || !sim_probes)
		forget(sleepers[task].token, sleepers[task].generation, cpu);
}

void oracle_ready(pvfault_token_t token, unsigned int cpu)
{
	bool woke = false, meant = false;
	unsigned int i;

	expect(ready);
	for (i = 0; i < TASKS; i++) {
		if (sleepers[i].asleep && sleepers[i].token == token &&
		    sleepers[i].generation == pvfault_generation()) {
			sleepers[i].asleep = false;
			woke = true;
		}
	}
	for_each_mark(m) {
		if (!known(m, token))
			continue;
		if (m->generation == pvfault_generation())
			meant = true;
		if (m->state == ABANDONED || m->generation != pvfault_generation())
			m->state = FREE;
	}
	if (!woke && meant) {
		expect(dropped);
	} else if (!woke) {
		expect(early);
		remember(EARLY, token, pvfault_generation(), cpu);
	}
}

void oracle_ready_all(void)
{
	expect(wake_all);
}

void oracle_refuse(pvfault_token_t token, u32 generation, unsigned int cpu)
{
	expect(not_present);
	expect(rejected);
	forget(token, generation, cpu);
}

void oracle_scan(void)
{
	unsigned int i;

	for (i = 0; i < TASKS; i++)
		if (sleepers[i].generation != pvfault_generation())
			sleepers[i].asleep = false;
}

void oracle_check(void)
{
#define CHECK(name) same(#name, counted(name), want[PVFAULT_NR_##name]);
	PVFAULT_EVENTS(CHECK)
}

unsigned int oracle_marks(unsigned int cpu)
{
	unsigned int i, n = 0;

	for (i = 0; i < MARKS; i++)
		n += pool[cpu * MARKS + i].state != FREE;
	return n;
}

/* Has it been woken, so that it may run? */
bool oracle_woken(unsigned int task)
{
	return !sleepers[task].asleep;
}
