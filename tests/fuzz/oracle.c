// SPDX-License-Identifier: GPL-2.0
/*
 * The oracle of the fuzzer: the protocol at the head of table.c once more, one
 * step at a time, without locks, lists or hashes.
 */

#include <string.h>

#include <linux/jiffies.h>

#include "fuzz.h"

struct mark {
	enum { FREE, EARLY, ABANDONED, AWAITED } state;
	pvfault_token_t token;
	u32 generation;
	unsigned long age;		/* of a batch's: jiffies when it was left */
};

static struct {
	bool asleep;			/* on the list; a batch: for one token at least */
	bool batch;
	pvfault_token_t token;		/* but for a batch */
	u32 generation;
	unsigned long since;
	unsigned int pending;		/* of a batch: its slots that are awaited */
	struct mark *slot[PVFAULT_BATCH];
} sleepers[TASKS];

#define SLOTS		(MARKS + BATCHED)

/* Each CPU has its part: marks, then the slots of batches. */
static struct mark pool[CPUS * SLOTS];
static unsigned long now;
static unsigned long want[PVFAULT_NR_EVENTS];
unsigned long count_base[PVFAULT_NR_EVENTS];

#define expect(event)	(want[PVFAULT_NR_##event]++)
#define for_each_mark(m) \
	for (struct mark *m = pool; m < pool + CPUS * SLOTS; m++)

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
	return m->state != FREE && m->state != AWAITED && m->token == token;
}

static void remember(int state, pvfault_token_t token, u32 generation, unsigned int cpu)
{
	struct mark *oldest = NULL;
	struct mark *m;

	for (m = pool + cpu * SLOTS; m < pool + cpu * SLOTS + MARKS; m++) {
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

/* Take back what is known of @token. Return: did its READY come first? */
static bool came_first(pvfault_token_t token, u32 generation)
{
	bool early = generation != pvfault_generation();

	for_each_mark(m) {
		if (!known(m, token) || (s32)(m->generation - generation) > 0)
			continue;
		early |= m->state == EARLY;
		m->state = FREE;
	}
	return early;
}

void oracle_not_present(unsigned int task, pvfault_token_t token, u32 generation)
{
	expect(not_present);
	if (came_first(token, generation)) {
		expect(early_hit);
		return;
	}
	expect(sleep);
	sleepers[task].asleep = true;
	sleepers[task].batch = false;
	sleepers[task].token = token;
	sleepers[task].generation = generation;
	sleepers[task].since = jiffies;
}

/* A slot of @cpu: a free one, or the first with a mark that waits for a READY in vain. */
static struct mark *slot(unsigned int cpu)
{
	struct mark *first = pool + cpu * SLOTS + MARKS, *m;

	for (m = first; m < first + BATCHED; m++)
		if (m->state == FREE)
			return m;
	for (m = first; m < first + BATCHED; m++)
		if (m->state == ABANDONED && (m->generation != pvfault_generation() ||
					      jiffies - m->age > pvfault_deadline))
			return m;
	return NULL;
}

void oracle_batch(unsigned int task)
{
	sleepers[task].asleep = false;
	sleepers[task].batch = true;
	sleepers[task].pending = 0;
	sleepers[task].since = jiffies;
	memset(sleepers[task].slot, 0, sizeof(sleepers[task].slot));
}

/* One more token of @task's batch. */
void oracle_batch_add(unsigned int task, pvfault_token_t token, u32 generation, unsigned int cpu)
{
	struct mark *m = slot(cpu);

	expect(not_present);
	if (!m) {
		expect(rejected);
		forget(token, generation, cpu);
		return;
	}
	m->state = FREE;
	if (came_first(token, generation)) {
		expect(early_hit);
		return;
	}
	expect(sleep);
	*m = (struct mark){ AWAITED, token, generation, 0 };
	sleepers[task].asleep = true;
	sleepers[task].generation = generation;
	sleepers[task].slot[sleepers[task].pending++] = m;
}

/* Of @task's batch those of @token, or all, are READY. Return: how many. */
static unsigned int batch_woken(unsigned int task, pvfault_token_t token, bool all)
{
	unsigned int i, n = 0;

	for (i = 0; i < PVFAULT_BATCH; i++) {
		struct mark *m = sleepers[task].slot[i];

		if (!m || (!all && m->token != token))
			continue;
		expect(wake);
		m->state = FREE;
		sleepers[task].slot[i] = NULL;
		sleepers[task].asleep = --sleepers[task].pending;
		n++;
	}
	return n;
}

/* A batch is left. Its slots hold marks now. */
static void batch_left(unsigned int task, bool fatal)
{
	unsigned int i;

	for (i = 0; i < PVFAULT_BATCH; i++) {
		struct mark *m = sleepers[task].slot[i];

		if (!m)
			continue;
		if (fatal)
			expect(abandoned);
		else
			expect(retry);
		m->state = ABANDONED;
		m->age = jiffies;
		sleepers[task].slot[i] = NULL;
	}
	sleepers[task].asleep = false;
}

/* A task that may run finds out why, or sleeps on. */
void oracle_run(unsigned int task, unsigned int cpu, bool fatal)
{
	if (!sleepers[task].asleep) {
		if (!sleepers[task].batch)
			expect(wake);
		return;
	}
	if (!fatal && jiffies - sleepers[task].since < pvfault_deadline)
		return;
	if (sleepers[task].batch) {
		batch_left(task, fatal);
		return;
	}
	if (fatal)
		expect(abandoned);
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
		if (!sleepers[i].asleep || sleepers[i].generation != pvfault_generation())
			continue;
		if (sleepers[i].batch) {
			woke |= batch_woken(i, token, false) > 0;
		} else if (sleepers[i].token == token) {
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

	for (i = 0; i < TASKS; i++) {
		if (!sleepers[i].asleep || sleepers[i].generation == pvfault_generation())
			continue;
		if (sleepers[i].batch)
			batch_woken(i, 0, true);
		else
			sleepers[i].asleep = false;
	}
}

void oracle_check(void)
{
#define CHECK(name) same(#name, counted(name), want[PVFAULT_NR_##name]);
	PVFAULT_EVENTS(CHECK)
}

static unsigned int used(const struct mark *m, unsigned int many)
{
	unsigned int n = 0;

	for (; many--; m++)
		n += m->state != FREE;
	return n;
}

unsigned int oracle_marks(unsigned int cpu)
{
	return used(pool + cpu * SLOTS, MARKS);
}

unsigned int oracle_batched(unsigned int cpu)
{
	return used(pool + cpu * SLOTS + MARKS, BATCHED);
}

/* Has it been woken, so that it may run? */
bool oracle_woken(unsigned int task)
{
	return !sleepers[task].asleep;
}
