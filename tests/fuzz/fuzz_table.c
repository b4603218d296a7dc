// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer on the token table, in one thread, so that a run depends on its input
 * alone. Tasks are coroutines that come back in io_schedule(). The input
 * is a list of operations (see do_op()). An operation may be interrupted where
 * it takes or has left a lock, by another one on another CPU.
 *
 * As long as nothing is interrupted, oracle.c says what must be counted,
 * remembered and woken after each operation. Always: the counters balance, a pool
 * never holds more than it has room for, and in the end all tasks are back and
 * every mark can be taken back.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <sanitizer/common_interface_defs.h>

#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "fuzz.h"
#include "told.h"

#define STACK		(64 * 1024)

struct fiber {
	ucontext_t context;
	char *stack;
	struct task_struct *task;
	bool running;			/* in a wait */
	pvfault_token_t token;
	u32 generation;
	int told_cpu;
	unsigned int batch;		/* of so many tokens from there on; 0: no batch */
	struct pvfault_batch *waits;	/* the batch, while it is running */
};

static struct fiber fibers[TASKS];
static ucontext_t main_context;
static const void *main_stack;
static size_t main_stack_size;
static struct fiber *here;		/* NULL: the main context */

static const uint8_t *input, *input_end;
static unsigned long woke_somebody;
static bool exact;

void fail(const char *what, unsigned long seen, unsigned long wanted)
{
	fprintf(stderr, "fuzz: FAILED: %s: %lu, not %lu\n", what, seen, wanted);
	abort();
}

static uint8_t next(void)
{
	return input < input_end ? *input++ : 0;
}

/* Coroutines */

static void to_fiber(struct fiber *f)
{
	void *fake;

	here = f;
	sim_current = f->task;
	__sanitizer_start_switch_fiber(&fake, f->stack, STACK);
	swapcontext(&main_context, &f->context);
	__sanitizer_finish_switch_fiber(fake, NULL, NULL);
	here = NULL;
}

static void to_main(struct fiber *f, bool for_good)
{
	void *fake = NULL;

	__sanitizer_start_switch_fiber(for_good ? NULL : &fake, main_stack, main_stack_size);
	swapcontext(&f->context, &main_context);
	__sanitizer_finish_switch_fiber(fake, &main_stack, &main_stack_size);
}

/* NOT_PRESENT for several tokens, with room for interruptions, and one wait. */
static void batch(struct fiber *f)
{
	struct pvfault_batch b;
	unsigned int i;

	pvfault_batch_init(&b);
	f->waits = &b;
	if (exact)
		oracle_batch(f - fibers);
	for (i = 0; i < f->batch; i++) {
		pvfault_token_t token = (uint8_t)(f->token + i);

		if (exact)
			oracle_batch_add(f - fibers, token, f->generation, sim_cpu);
		local_irq_disable();
		pvfault_note(not_present, token);
		if (batch_on(&b, token, f->generation, sim_cpu) < 0) {
			pvfault_note(rejected, token);
			pvfault_table_forget(token, f->generation);
		}
		local_irq_enable();
	}
	pvfault_batch_wait(&b);
	f->waits = NULL;
}

/* Waits that have not been counted as ended; a batch's end one by one. */
static unsigned int waits(const struct fiber *f)
{
	if (f->batch)
		return f->running ? atomic_read(&f->waits->pending) : 0;
	return f->running;
}

static void fiber_main(void)
{
	struct fiber *f = here;

	__sanitizer_finish_switch_fiber(NULL, &main_stack, &main_stack_size);
	if (f->batch) {
		batch(f);
	} else {
		local_irq_disable();
		pvfault_note(not_present, f->token);
		sleep_on(f->token, f->generation, f->told_cpu, false);
		local_irq_enable();
	}
	must(f->task->state == TASK_RUNNING);
	f->running = false;
	to_main(f, true);
}

static bool runnable(struct fiber *f)
{
	return f->task->state == TASK_RUNNING || f->task->fatal;
}

/* Replaces that of the simulated machine, by the linker's --wrap. */
void __wrap_io_schedule(void);
void __wrap_io_schedule(void)
{
	struct fiber *f = here;

	might_sleep();
	while (!runnable(f))
		to_main(f, false);
	f->task->state = TASK_RUNNING;
}

/* Interruptions */

static unsigned int interrupt_at;

static void do_op(unsigned int op, unsigned int cpu);

static void interrupt(enum sim_point point)
{
	unsigned long wakes = sim_wakes, countdowns = sim_countdowns;
	unsigned int cpu = sim_cpu;

	if ((point != SIM_LOCK && point != SIM_UNLOCK) || sim_locks_held ||
	    !interrupt_at || --interrupt_at)
		return;
	sim_cpu = (cpu + 1) % CPUS;
	sim_irqs_off = false;
	do_op(FIRST_INTERRUPTING + next() % (OPS - FIRST_INTERRUPTING), sim_cpu);
	sim_irqs_off = true;
	sim_cpu = cpu;
	/* The tasks that it woke don't count for the interrupted operation. */
	sim_wakes = wakes;
	sim_countdowns = countdowns;
}

/* Operations */

static void tell(unsigned int cpu)
{
	struct fiber *f = fibers;
	uint8_t how;

	while (f < fibers + TASKS && f->running)
		f++;
	if (f == fibers + TASKS)
		return;
	f->token = next();
	how = next();
	f->generation = pvfault_generation() - !(how & 7);
	f->told_cpu = how & 8 ? PVFAULT_ANY_CPU : (int)cpu;
	f->batch = how >> 4;
	f->running = true;
	f->task->fatal = false;
	f->task->state = TASK_RUNNING;
	getcontext(&f->context);
	f->context.uc_stack.ss_sp = f->stack;
	f->context.uc_stack.ss_size = STACK;
	f->context.uc_link = NULL;
	makecontext(&f->context, fiber_main, 0);
	if (exact && !f->batch)
		oracle_not_present(f - fibers, f->token, f->generation);
	to_fiber(f);
}

static void run_on(struct fiber *f)
{
	if (!f->running || !runnable(f))
		return;
	if (exact)
		oracle_run(f - fibers, sim_cpu, f->task->fatal);
	to_fiber(f);
}

static void ready(pvfault_token_t token, unsigned int cpu)
{
	unsigned long before = sim_wakes + sim_countdowns;

	sim_cpu = cpu;
	if (exact)
		oracle_ready(token, cpu);
	pvfault_ready(token);
	woke_somebody += sim_wakes + sim_countdowns != before;
}

static void scan(void)
{
	static struct cpumask repair;
	struct pvfault_scan scan = {
		.repair_age = 1000,
		.budget = 1 + next() % TASKS,
		.repair = &repair,
	};

	if (exact)
		oracle_scan();
	while (!pvfault_table_scan(&scan))
		must(scan.sleepers <= scan.budget + TASKS * PVFAULT_BATCH);
}

static void refuse(pvfault_token_t token, u32 generation)
{
	pvfault_note(not_present, token);
	pvfault_note(rejected, token);
	if (exact)
		oracle_refuse(token, generation, sim_cpu);
	pvfault_table_forget(token, generation);
}

static void do_op(unsigned int op, unsigned int cpu)
{
	pvfault_token_t token;
	unsigned int n;

	sim_cpu = cpu;
	switch (op) {
	case TELL:
		tell(cpu);
		break;
	case RUN:
		run_on(&fibers[next() % TASKS]);
		break;
	case RUN_ALL:
		for (n = 0; n < TASKS; n++)
			run_on(&fibers[n]);
		break;
	case TIME:
		sim_advance(next() * 100);
		break;
	case READY:
		ready(next(), cpu);
		break;
	case READY_MANY:
		token = next();
		for (n = next() % 80; n--; )
			ready((uint8_t)token++, cpu);
		break;
	case READY_ALL:
		if (exact)
			oracle_ready_all();
		pvfault_ready_all();
		break;
	case SCAN:
		scan();
		break;
	case KILL:
		sim_kill(fibers[next() % TASKS].task);
		break;
	case NUDGE:
		sim_wake(fibers[next() % TASKS].task);
		break;
	case REFUSE:
		token = next();
		refuse(token, pvfault_generation() - !(next() & 7));
		break;
	}
}

/* After each operation */

static unsigned int marks(void)
{
	unsigned int cpu, n, sum = 0;

	for (cpu = 0; cpu < CPUS; cpu++) {
		n = pvfault_table_marks(cpu);
		must(n <= MARKS);
		if (exact && n != oracle_marks(cpu))
			fail("marks", n, oracle_marks(cpu));
		must(pvfault_table_batched(cpu) <= BATCHED);
		if (exact)
			same("slots of batches", pvfault_table_batched(cpu), oracle_batched(cpu));
		sum += n + pvfault_table_batched(cpu);
	}
	return sum;
}

static void check(void)
{
	unsigned int i, in_wait = 0;

	marks();
	for (i = 0; i < TASKS; i++) {
		in_wait += waits(&fibers[i]);
		if (exact && fibers[i].running)
			must((fibers[i].task->state == TASK_RUNNING) >= oracle_woken(i));
	}
	same("NOT_PRESENT", counted(not_present),
	     counted(sleep) + counted(early_hit) + counted(rejected));
	same("sleep", counted(sleep),
	     counted(wake) + counted(retry) + counted(probe) + counted(abandoned) + in_wait);
	same("READY", counted(ready), woke_somebody + counted(early) + counted(dropped));
	if (exact)
		oracle_check();
}

/* All tasks come back after READY for all, and each mark can be taken back. */
static void finish(void)
{
	unsigned int i;

	interrupt_at = 0;
	do_op(READY_ALL, 0);
	do_op(SCAN, 0);
	do_op(RUN_ALL, 0);
	for (i = 0; i < TASKS; i++)
		must(!fibers[i].running);
	check();
	same("outstanding", pvfault_table_outstanding(), 0);

	exact = false;
	for (i = 0; i <= UINT8_MAX; i++) {
		local_irq_disable();
		pvfault_note(not_present, i);
		sleep_on(i, pvfault_generation() + 1, 0, false);
		local_irq_enable();
	}
	same("marks in the end", marks(), 0);
	same("memory in the end", sim_allocs, 3);
}

static void set_up(void)
{
	unsigned int i;

	sim_nr_cpus = CPUS;
	pvfault_deadline = 10000;
	sim_hook = interrupt;
	for (i = 0; i < TASKS; i++) {
		fibers[i].stack = malloc(STACK);
		fibers[i].task = sim_task_new("fuzz");
		must(fibers[i].stack);
	}
	must(!pvfault_table_init());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct task_struct *main_task;
	uint8_t op;

	if (!main_task) {
		main_task = sim_task_new("main");
		set_up();
	}
	sim_current = main_task;
	input = data;
	input_end = data + size;
	woke_somebody = 0;
	op = next();
	sim_hash = (op & 127) % (SIM_HASH_ONE + 1);
	sim_probes = op >> 7;
	exact = true;
	count_from_here();
	oracle_begin();
	while (input < input_end) {
		op = next();
		/* The upper bits: interrupted at which point, on which CPU. */
		interrupt_at = (op >> 4) & 7;
		if (interrupt_at)
			exact = false;
		do_op((op & 15) % OPS, op >> 7);
		check();
	}
	finish();
	return 0;
}
