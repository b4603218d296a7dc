// SPDX-License-Identifier: GPL-2.0
/* Common parts of the tests of the table, see unit.h; and main(). */

#include <stdio.h>
#include <unistd.h>

#include "told.h"
#include "unit.h"

struct sleeper sleepers[MAX_SLEEPERS];
unsigned int patience_ms;

static unsigned int nr_sleepers;
static _Thread_local struct sleeper *self;

static unsigned long count_base[PVFAULT_NR_EVENTS];
static unsigned long waits_base;
static unsigned long woke_somebody;

void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
}

static void gate_hook(enum sim_point point)
{
	if (point != self->point || !self->nth || --self->nth)
		return;
	set(&self->at_gate);
	while (!get(&self->gate_open))
		nap();
}

/* Opaque, or ThreadSanitizer would think that no other thread can see @p. */
static void __attribute__((noipa)) fill(char *p, size_t size)
{
	while (size--)
		p[size] = 0x5a;
}

/* Overwrite the stack that the table has just left. */
static void __attribute__((noipa)) scribble(void)
{
	char stack[1024];

	fill(stack, sizeof(stack));
}

/* NOT_PRESENT for so many tokens in a row, and one wait for all. Interrupts are off. */
static void wait_for_batch(struct sleeper *s)
{
	struct pvfault_batch b;

	pvfault_batch_init(&b);
	for (s->added = 0; s->added < s->batch; s->added++) {
		pvfault_note(not_present, s->token + s->added);
		if (batch_on(&b, s->token + s->added, s->generation, s->cpu) >= 0)
			continue;
		pvfault_note(rejected, s->token + s->added);
		break;
	}
	local_irq_enable();
	pvfault_batch_wait(&b);
	local_irq_disable();
}

static void *sleeper_thread(void *arg)
{
	self = arg;
	sim_current = self->task;
	sim_cpu = self->cpu;
	sim_hook = gate_hook;

	local_irq_disable();
	if (self->batch) {
		wait_for_batch(self);
	} else {
		pvfault_note(not_present, self->token);
		self->end = sleep_on(self->token, self->generation, self->told_cpu, true);
	}
	scribble();
	self->irqs_off_after = sim_irqs_off;
	self->state_after = READ_ONCE(current->state);
	local_irq_enable();
	set(&self->returned);
	return NULL;
}

bool asleep(struct sleeper *s)
{
	return !get(&s->returned) && sim_blocked(s->task);
}

bool wait_asleep(struct sleeper *s)
{
	return wait_for(get(&s->returned) || sim_blocked(s->task)) && asleep(s);
}

bool wait_returned(struct sleeper *s)
{
	return wait_for(get(&s->returned));
}

/* A thread that does what @how says, on a CPU which isn't the main thread's. */
static struct sleeper *start(struct sleeper how)
{
	struct sleeper *s = &sleepers[nr_sleepers];
	unsigned int cpu = how.cpu;

	if (nr_sleepers == MAX_SLEEPERS || cpu == 0 || cpu >= sim_nr_cpus)
		abort();
	nr_sleepers++;
	*s = how;
	s->task = sim_task_new("sleeper");
	if (pthread_create(&s->thread, NULL, sleeper_thread, s))
		abort();
	return s;
}

/* Say NOT_PRESENT on @cpu. */
struct sleeper *tell_gated(pvfault_token_t token, u32 generation,
			   unsigned int cpu, int told_cpu,
			   enum sim_point point, int nth)
{
	return start((struct sleeper) {
		.token = token,
		.generation = generation,
		.cpu = cpu,
		.told_cpu = told_cpu,
		.point = point,
		.nth = nth,
	});
}

/* Say NOT_PRESENT for @n tokens from @token on. */
struct sleeper *tell_batch(pvfault_token_t token, unsigned int n, unsigned int cpu)
{
	return start((struct sleeper) {
		.token = token,
		.batch = n,
		.generation = pvfault_generation(),
		.cpu = cpu,
	});
}

struct sleeper *put_batch_to_sleep(pvfault_token_t token, unsigned int n, unsigned int cpu)
{
	struct sleeper *s = tell_batch(token, n, cpu);

	assert_true(wait_asleep(s));
	return s;
}

struct sleeper *tell(pvfault_token_t token, unsigned int cpu)
{
	return tell_gated(token, pvfault_generation(), cpu, cpu, 0, 0);
}

/* NOT_PRESENT that is expected to make a task sleep. */
struct sleeper *put_to_sleep(pvfault_token_t token, unsigned int cpu)
{
	struct sleeper *s = tell(token, cpu);

	assert_true(wait_asleep(s));
	return s;
}

/* NOT_PRESENT for a task that is being killed, so that it can't sleep for long. */
void tell_dying(pvfault_token_t token, unsigned int cpu)
{
	unsigned int old_cpu = sim_cpu;

	sim_cpu = cpu;
	local_irq_disable();
	pvfault_note(not_present, token);
	current->fatal = true;
	sleep_on(token, pvfault_generation(), cpu, false);
	current->fatal = false;
	local_irq_enable();
	sim_cpu = old_cpu;
}

/* NOT_PRESENT that is expected to return at once. Any CPU. */
void expect_at_once(pvfault_token_t token, unsigned int cpu)
{
	unsigned long before = pvfault_count(PVFAULT_NR_sleep);

	tell_dying(token, cpu);
	assert_int_equal(pvfault_count(PVFAULT_NR_sleep), before);
}

void ready_on(pvfault_token_t token, unsigned int cpu)
{
	unsigned long before = sim_wakes + sim_countdowns;
	unsigned int old_cpu = sim_cpu;

	sim_cpu = cpu;
	pvfault_ready(token);
	sim_cpu = old_cpu;
	woke_somebody += sim_wakes + sim_countdowns != before;
}

void ready(pvfault_token_t token)
{
	ready_on(token, 0);
}

void refuse(pvfault_token_t token)
{
	pvfault_note(not_present, token);
	pvfault_note(rejected, token);
	pvfault_table_forget(token, pvfault_generation());
}

struct cpumask repair;

struct pvfault_scan new_scan(void)
{
	cpumask_clear(&repair);
	return (struct pvfault_scan) {
		.repair_age = sim_repair_age,
		.budget = 4096,
		.repair = &repair,
	};
}

struct pvfault_scan scan_all(void)
{
	struct pvfault_scan scan = new_scan();

	assert_true(pvfault_table_scan(&scan));
	assert_int_equal(scan.bucket, 0);
	return scan;
}

unsigned int marks(void)
{
	unsigned int cpu, n = 0;

	for (cpu = 0; cpu < sim_nr_cpus; cpu++)
		n += pvfault_table_marks(cpu);
	return n;
}

unsigned int batched(void)
{
	unsigned int cpu, n = 0;

	for (cpu = 0; cpu < sim_nr_cpus; cpu++)
		n += pvfault_table_batched(cpu);
	return n;
}

unsigned long counted(enum pvfault_event event)
{
	return pvfault_count(event) - count_base[event];
}

static unsigned long waits_ended(void)
{
	unsigned long sum = 0;

	for (unsigned int i = 0; i < PVFAULT_WAIT_BUCKETS; i++)
		for (unsigned int mode = 0; mode < PVFAULT_WAIT_MODES; mode++)
			sum += READ_ONCE(pvfault_waits.n[mode][i]);
	return sum;
}

void assert_state(struct want want)
{
#define ASSERT_COUNT(name) assert_int_equal(counted(PVFAULT_NR_##name), want.name);
	PVFAULT_EVENTS(ASSERT_COUNT)
	assert_int_equal(pvfault_table_outstanding(), want.asleep);
	assert_int_equal(marks(), want.marks);
	assert_int_equal(batched(), want.batched);
	assert_int_equal(woke_somebody, want.woke);

	/* The equations of internal.h. */
	assert_int_equal(counted(PVFAULT_NR_not_present) + counted(PVFAULT_NR_probe_held),
			 counted(PVFAULT_NR_sleep) +
			 counted(PVFAULT_NR_early_hit) +
			 counted(PVFAULT_NR_rejected));
	assert_int_equal(counted(PVFAULT_NR_sleep),
			 counted(PVFAULT_NR_wake) + counted(PVFAULT_NR_retry) +
			 counted(PVFAULT_NR_probe) + counted(PVFAULT_NR_abandoned) +
			 pvfault_table_outstanding());
	assert_int_equal(counted(PVFAULT_NR_wake) + counted(PVFAULT_NR_retry) +
			 counted(PVFAULT_NR_abandoned), waits_ended() - waits_base);
	assert_int_equal(counted(PVFAULT_NR_ready),
			 woke_somebody + counted(PVFAULT_NR_early) +
			 counted(PVFAULT_NR_dropped));
}
static void join(struct sleeper *s)
{
	if (!s->joined)
		pthread_join(s->thread, NULL);
	s->joined = true;
}

/* Wait for @s to come back; the counters say why. */
void assert_returned(struct sleeper *s)
{
	assert_true(wait_returned(s));
	join(s);
	assert_int_equal(s->state_after, TASK_RUNNING);
	assert_true(s->irqs_off_after);
}

struct sleeper *abandon(pvfault_token_t token, unsigned int cpu)
{
	struct sleeper *s = put_to_sleep(token, cpu);

	sim_kill(s->task);
	assert_returned(s);
	return s;
}

int unit_setup(void **state)
{
	int i;

	sim_hash = SIM_HASH_SPREAD;
	woke_somebody = 0;
	nr_sleepers = 0;
	sim_warnings = 0;
	sim_armed = 0;
	sim_kicked = 0;
	sim_probes = false;
	sim_probes_cancelled = 0;
	for (i = 0; i < PVFAULT_NR_EVENTS; i++)
		count_base[i] = pvfault_count(i);
	waits_base = waits_ended();
	return 0;
}

/* End all threads before the next test, whatever went wrong in this one. */
bool everybody_back(void)
{
	unsigned int i;

	for (i = 0; i < nr_sleepers; i++) {
		set(&sleepers[i].gate_open);
		sim_kill(sleepers[i].task);
		if (!wait_returned(&sleepers[i]))
			return false;
	}
	return true;
}

/* Take back marks, by NOT_PRESENT from after the next READY for all. */
static void forget_marks(pvfault_token_t first, pvfault_token_t last)
{
	pvfault_token_t token = first;

	/* Would end a sleep that isn't expected. */
	current->fatal = true;
	do {
		local_irq_disable();
		pvfault_note(not_present, token);
		sleep_on(token, pvfault_generation() + 1, 0, false);
		local_irq_enable();
	} while (token++ != last);
	current->fatal = false;
}

void erase_marks(pvfault_token_t first, pvfault_token_t last)
{
	forget_marks(first, last);
	assert_int_equal(marks() + batched(), 0);
}

int unit_teardown(void **state)
{
	unsigned int i;

	sim_hook = NULL;
	sim_complaints_counted = false;
	if (!everybody_back()) {
		fprintf(stderr, "a sleeper can't be woken any more, giving up\n");
		_exit(1);
	}
	for (i = 0; i < nr_sleepers; i++) {
		join(&sleepers[i]);
		sim_task_free(sleepers[i].task);
	}
	nr_sleepers = 0;
	if (sim_allocs && marks() + batched()) {
		forget_marks(0, MAX_TOKEN);
		forget_marks(~0ULL, ~0ULL);
	}
	return 0;
}

static unsigned int number_from_env(const char *name, unsigned int number)
{
	return getenv(name) ? strtoul(getenv(name), NULL, 0) : number;
}

int main(void)
{
	int failed;

	/* A test that hangs ends the program, by this signal. */
	alarm(number_from_env("UNIT_ALARM", 60));
	patience_ms = number_from_env("UNIT_PATIENCE_MS", 5000);
	sim_nr_cpus = NR_CPUS;
	sim_current = sim_task_new("main");
	if (getenv("ONLY"))
		cmocka_set_test_filter(getenv("ONLY"));
	failed = test_table() + test_order() + test_marks() + test_batch() +
		 test_scan() + test_anew() + test_bounds();
	sim_task_free(sim_current);
	return failed != 0;
}
